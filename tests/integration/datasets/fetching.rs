//! `datasets fetch` against a local server: cut downloads resume, wrong files are refused, nothing is overwritten.

use sha2::{Digest, Sha256};

use super::server::{Meets, Server};
use crate::support::{Project, Settings, holds, problems};

const FILE: &str = "cache/datasets/mine/test.jsonl";

/// Project whose catalogue has one data set, and the server with the file of the data set.
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

    /// Returns the keys that pin the file.
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

    fn fetch(&self, further: &[&str]) -> crate::support::CommandOutput {
        self.project.run(&[&["datasets", "fetch", "mine"], further].concat())
    }

    fn refused(&self, parts: &[&str]) {
        holds(&self.fetch(&[]).refused(), parts);
    }

    fn is_right(&self) {
        assert!(std::fs::read(self.project.path(FILE)).expect("there") == self.file);
        assert_eq!(self.left(), ["test.jsonl"], "nothing but the file is left");
    }

    /// Returns the file names in the folder of the data set.
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
    holds(&stage.project.run(&["datasets", "list"]).done().out, &["test 120, not fetched"]);
    let settings = Settings::simulated().without("dataset.path").set("dataset.name", "mine");
    stage.project.write("trial.toml", settings.text());
    holds(&stage.project.trial("out", &[]).refused(), &["test.jsonl is missing", "datasets fetch mine"]);

    let output = stage.fetch(&[]).done();
    holds(&output.out, &["test.jsonl  sha256", "verified"]);
    holds(&output.err, &["mine: MIT (much)", "fetching http://127.0.0.1"]);
    stage.is_right();
    assert_eq!(stage.server.requests(), ["/file"]);
    stage.fetch(&[]).done();
    assert_eq!(stage.server.requests(), Vec::<String>::new(), "an existing file is not requested again");
    assert!(!stage.project.run(&["datasets", "list"]).done().out.contains("to be fetched"));
    stage.project.trial("out", &[]).done();
    assert_eq!(stage.project.sheet("out", "records").rows().count() % 120, 0);
}

#[test]
fn redirects_are_followed() {
    let stage = Stage::new();
    stage.server.next(&[Meets::Moved]);
    stage.fetch(&[]).done();
    assert_eq!(stage.server.requests(), ["/file", "/elsewhere"]);
    stage.is_right();
}

#[test]
fn a_missing_file_is_reported_and_leaves_nothing() {
    let stage = Stage::new();
    stage.server.next(&[Meets::Missing]);
    stage.refused(&["/file: the server answered 404 Not Found"]);
    assert_eq!(stage.left(), Vec::<String>::new());
}

#[test]
fn a_file_with_another_checksum_is_refused_and_removed() {
    let stage = Stage::new();
    let mut other = stage.file.clone();
    other[10] ^= 1;
    stage.server.change(&other);
    stage.refused(&["test.jsonl has the SHA-256", "instead of"]);
    assert_eq!(stage.left(), Vec::<String>::new());
    stage.server.change(&[stage.file.clone(), b"more".to_vec()].concat());
    stage.refused(&["the file is longer than"]);
    assert_eq!(stage.left(), Vec::<String>::new());
    stage.server.change(&stage.file);
    stage.fetch(&[]).done();
    stage.is_right();
}

#[test]
fn a_cut_download_resumes_at_its_last_byte() {
    let stage = Stage::new();
    stage.server.next(&[Meets::Cut(5000), Meets::Cut(2000)]);
    stage.fetch(&[]).done();
    assert_eq!(stage.server.requests(), ["/file", "/file from 5000", "/file from 7000"]);
    stage.is_right();
}

#[test]
fn a_later_fetch_resumes_a_partial_download() {
    let stage = Stage::new();
    stage.server.next(&[Meets::Cut(6000), Meets::Cut(0)]);
    stage.refused(&["6000 bytes are stored. Fetch again to continue from there"]);
    assert_eq!(stage.left().len(), 1, "a hidden piece");
    stage.server.requests();
    stage.fetch(&[]).done();
    assert_eq!(stage.server.requests(), ["/file from 6000"]);
    stage.is_right();
}

#[test]
fn a_server_without_ranges_restarts_the_download() {
    let stage = Stage::new();
    stage.server.next(&[Meets::Cut(6000), Meets::Whole]);
    stage.fetch(&[]).done();
    stage.is_right();
    let stage = Stage::new();
    stage.server.next(&[Meets::Cut(6000), Meets::OtherPart]);
    stage.refused(&["the server sent another part of the file than requested"]);
}

#[test]
fn a_partial_download_of_another_file_is_detected() {
    let stage = Stage::new();
    let mut other = stage.file.clone();
    other[10] ^= 1;
    stage.server.change(&other);
    stage.server.next(&[Meets::Cut(6000), Meets::Cut(0)]);
    stage.refused(&["6000 bytes are stored"]);
    stage.server.change(&stage.file);
    stage.server.requests();
    stage.fetch(&[]).done();
    assert_eq!(stage.server.requests(), ["/file from 6000", "/file"]);
    stage.is_right();
}

#[test]
fn a_file_changed_on_disk_is_refused_and_not_overwritten() {
    let stage = Stage::new();
    stage.fetch(&[]).done();
    stage.project.write(FILE, "mine now");
    stage.server.requests();
    stage.refused(&["test.jsonl has changed: sha256", "Existing files are not overwritten"]);
    assert_eq!(stage.project.text(FILE), "mine now");
    assert!(stage.server.requests().is_empty());
}

#[test]
fn an_unpinned_file_needs_a_flag_and_is_pinned_afterwards() {
    let stage = Stage::new();
    stage.catalogue("");
    stage.refused(&["no checksum for the test split of `mine`", "--unverified"]);
    assert!(stage.server.requests().is_empty());
    stage.server.next(&[Meets::Cut(6000)]);
    let error = stage.fetch(&["--unverified"]).refused();
    assert!(!error.contains("are kept"), "nothing says that two pieces are of one file: {error}");
    holds(&stage.fetch(&["--unverified"]).done().out, &["no checksum in the catalogue"]);
    assert_eq!(stage.left(), ["test.jsonl", "test.jsonl.sha256"]);

    let settings = Settings::simulated().without("dataset.path").set("dataset.name", "mine");
    stage.project.write("trial.toml", settings.text());
    stage.project.trial("out", &[]).done();
    stage.project.write(FILE, problems(2, 2));
    holds(&stage.project.trial("other", &[]).refused(), &["is not the file that the catalogue describes"]);
    stage.refused(&["has changed"]);
}

#[test]
fn data_sets_that_cannot_be_fetched_are_reported() {
    let shipped = Project::shipped();
    for (name, parts) in [
        ("gsm-templates", ["ships with this program", "need not be fetched"]),
        ("nasa-history-mcq", ["has no address for the test split", "put the file at"]),
        ("gsm-symbolic", ["no checksum for the main split", "--unverified"]),
        ("gsm9k", ["no data set is called `gsm9k`", "did you mean `gsm8k`?"]),
    ] {
        holds(&shipped.run(&["datasets", "fetch", name]).refused(), &parts);
    }
    holds(
        &shipped.run(&["datasets", "fetch", "gsm8k", "--split", "dev"]).refused(),
        &["no split `dev`", "train, test"],
    );
}

#[test]
fn two_simultaneous_fetches_do_not_interfere() {
    let stage = Stage::new();
    stage.server.next(&[Meets::Cut(6000), Meets::Cut(0)]);
    stage.refused(&["6000 bytes are stored"]);
    let piece = stage.project.path("cache/datasets/mine").join(&stage.left()[0]);
    let held = std::fs::OpenOptions::new().write(true).open(piece).expect("there");
    held.lock().expect("locked");
    stage.refused(&["another process is fetching it"]);
    drop(held);
    stage.fetch(&[]).done();
    stage.is_right();
}
