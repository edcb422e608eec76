//! `datasets fetch` against a server on this machine: what is cut goes on, what is wrong is refused, nothing is written over.

use sha2::{Digest, Sha256};

use super::server::{Meets, Server};
use crate::support::{Project, Settings, holds, problems};

const FILE: &str = "cache/datasets/mine/test.jsonl";

/// A project whose catalogue has one data set, and the server that has its file.
struct Stage {
    project: Project,
    server: Server,
    file: Vec<u8>,
}

impl Stage {
    fn new() -> Self {
        let file = problems(40, 3).into_bytes();
        let stage = Self { project: Project::new(), server: Server::of(&file), file };
        stage.catalogue(&stage.pin());
        stage
    }

    /// The keys that pin the file.
    fn pin(&self) -> String {
        format!("bytes = {}, sha256 = '{}'", self.file.len(), hex::encode(Sha256::digest(&self.file)))
    }

    fn catalogue(&self, pin: &str) {
        let url = self.server.url();
        let text = format!(
            "[[dataset]]\nname = 'mine'\nformat = 'gsm8k'\nsummary = 'mine'\nlicence = 'MIT'\npermits = 'much'\nsource = 'here'\n\
             split = [{{ name = 'test', file = 'test.jsonl', rows = 120, url = '{url}', {pin} }}]\n"
        );
        self.project.write("datasets/catalogue.toml", text.replace(", }", " }"));
    }

    fn fetch(&self, further: &[&str]) -> crate::support::Said {
        self.project.run(&[&["datasets", "fetch", "mine"], further].concat())
    }

    fn refused(&self, parts: &[&str]) {
        holds(&self.fetch(&[]).refused(), parts);
    }

    fn is_right(&self) {
        assert!(std::fs::read(self.project.path(FILE)).expect("there") == self.file);
        assert_eq!(self.left(), ["test.jsonl"], "nothing but the file is left");
    }

    /// The names in the data set's folder.
    fn left(&self) -> Vec<String> {
        let folder = self.project.path("cache/datasets/mine");
        let entries = std::fs::read_dir(folder).map(Iterator::collect::<Vec<_>>).unwrap_or_default();
        let mut names: Vec<String> =
            entries.into_iter().map(|entry| entry.expect("an entry").file_name().to_string_lossy().into()).collect();
        names.sort();
        names
    }
}

#[test]
fn a_file_is_fetched_once_and_used_by_name() {
    let stage = Stage::new();
    holds(&stage.project.run(&["datasets", "list"]).done().out, &["test 120, to be fetched"]);
    let settings = Settings::simulated().without("dataset.path").set("dataset.name", "mine");
    stage.project.write("trial.toml", settings.text());
    holds(&stage.project.trial("out", &[]).refused(), &["test.jsonl is not there", "datasets fetch mine"]);

    let said = stage.fetch(&[]).done();
    holds(&said.out, &["test.jsonl  sha256", "verified"]);
    holds(&said.err, &["mine: MIT (much)", "fetching http://127.0.0.1"]);
    stage.is_right();
    assert_eq!(stage.server.asked(), ["/file"]);
    stage.fetch(&[]).done();
    assert_eq!(stage.server.asked(), Vec::<String>::new(), "what is there is not asked for again");
    assert!(!stage.project.run(&["datasets", "list"]).done().out.contains("to be fetched"));
    stage.project.trial("out", &[]).done();
    assert_eq!(stage.project.sheet("out", "records").rows().count() % 120, 0);
}

#[test]
fn redirects_are_followed() {
    let stage = Stage::new();
    stage.server.next(&[Meets::Moved]);
    stage.fetch(&[]).done();
    assert_eq!(stage.server.asked(), ["/file", "/elsewhere"]);
    stage.is_right();
}

#[test]
fn what_is_not_there_is_told_and_leaves_nothing() {
    let stage = Stage::new();
    stage.server.next(&[Meets::Missing]);
    stage.refused(&["/file: the server answers 404 Not Found"]);
    assert_eq!(stage.left(), Vec::<String>::new());
}

#[test]
fn another_file_is_refused_and_not_kept() {
    let stage = Stage::new();
    let mut other = stage.file.clone();
    other[10] ^= 1;
    stage.server.change(&other);
    stage.refused(&["test.jsonl has the SHA-256", "instead of"]);
    assert_eq!(stage.left(), Vec::<String>::new());
    stage.server.change(&[stage.file.clone(), b"more".to_vec()].concat());
    stage.refused(&["it is longer than"]);
    assert_eq!(stage.left(), Vec::<String>::new());
    stage.server.change(&stage.file);
    stage.fetch(&[]).done();
    stage.is_right();
}

#[test]
fn a_cut_connection_goes_on_where_it_was() {
    let stage = Stage::new();
    stage.server.next(&[Meets::Cut(5000), Meets::Cut(2000)]);
    stage.fetch(&[]).done();
    assert_eq!(stage.server.asked(), ["/file", "/file from 5000", "/file from 7000"]);
    stage.is_right();
}

#[test]
fn a_later_fetch_goes_on_with_what_an_earlier_one_kept() {
    let stage = Stage::new();
    stage.server.next(&[Meets::Cut(6000), Meets::Cut(0)]);
    stage.refused(&["6000 bytes are kept, and another fetch goes on from there"]);
    assert_eq!(stage.left().len(), 1, "a hidden piece");
    stage.server.asked();
    stage.fetch(&[]).done();
    assert_eq!(stage.server.asked(), ["/file from 6000"]);
    stage.is_right();
}

#[test]
fn servers_that_know_no_ranges_start_over() {
    let stage = Stage::new();
    stage.server.next(&[Meets::Cut(6000), Meets::Whole]);
    stage.fetch(&[]).done();
    stage.is_right();
    let stage = Stage::new();
    stage.server.next(&[Meets::Cut(6000), Meets::OtherPart]);
    stage.refused(&["the server sent another part than asked for"]);
}

#[test]
fn a_piece_of_another_file_is_found_out() {
    let stage = Stage::new();
    let mut other = stage.file.clone();
    other[10] ^= 1;
    stage.server.change(&other);
    stage.server.next(&[Meets::Cut(6000), Meets::Cut(0)]);
    stage.refused(&["6000 bytes are kept"]);
    stage.server.change(&stage.file);
    stage.server.asked();
    stage.fetch(&[]).done();
    assert_eq!(stage.server.asked(), ["/file from 6000", "/file"]);
    stage.is_right();
}

#[test]
fn a_file_that_changed_on_the_disk_is_refused_and_not_written_over() {
    let stage = Stage::new();
    stage.fetch(&[]).done();
    stage.project.write(FILE, "mine now");
    stage.server.asked();
    stage.refused(&["test.jsonl has changed: sha256", "nothing is written over"]);
    assert_eq!(stage.project.text(FILE), "mine now");
    assert!(stage.server.asked().is_empty());
}

#[test]
fn what_is_not_pinned_is_fetched_only_if_asked_for_and_then_stays_the_same() {
    let stage = Stage::new();
    stage.catalogue("");
    stage.refused(&["no checksum for the test split of `mine`", "--unverified"]);
    assert!(stage.server.asked().is_empty());
    stage.server.next(&[Meets::Cut(6000)]);
    let error = stage.fetch(&["--unverified"]).refused();
    assert!(!error.contains("are kept"), "nothing says that two pieces are of one file: {error}");
    holds(&stage.fetch(&["--unverified"]).done().out, &["not pinned"]);
    assert_eq!(stage.left(), ["test.jsonl", "test.jsonl.sha256"]);

    let settings = Settings::simulated().without("dataset.path").set("dataset.name", "mine");
    stage.project.write("trial.toml", settings.text());
    stage.project.trial("out", &[]).done();
    stage.project.write(FILE, problems(2, 2));
    holds(&stage.project.trial("other", &[]).refused(), &["is not the file that the catalogue describes"]);
    stage.refused(&["has changed"]);
}

#[test]
fn what_cannot_be_fetched_is_told() {
    let shipped = Project::shipped();
    for (name, parts) in [
        ("gsm-templates", ["ships with this program", "nothing to fetch"]),
        ("nasa-history-mcq", ["knows no address for the test split", "put the file at"]),
        ("gsm-symbolic", ["no checksum for the main split", "--unverified"]),
        ("gsm9k", ["no data set `gsm9k`", "did you mean `gsm8k`?"]),
    ] {
        holds(&shipped.run(&["datasets", "fetch", name]).refused(), &parts);
    }
    holds(
        &shipped.run(&["datasets", "fetch", "gsm8k", "--split", "dev"]).refused(),
        &["no split `dev`", "train, test"],
    );
}

#[test]
fn two_at_once_do_not_meet() {
    let stage = Stage::new();
    stage.server.next(&[Meets::Cut(6000), Meets::Cut(0)]);
    stage.refused(&["6000 bytes are kept"]);
    let piece = stage.project.path("cache/datasets/mine").join(&stage.left()[0]);
    let held = std::fs::OpenOptions::new().write(true).open(piece).expect("there");
    held.lock().expect("locked");
    stage.refused(&["another process is fetching it"]);
    drop(held);
    stage.fetch(&[]).done();
    stage.is_right();
}
