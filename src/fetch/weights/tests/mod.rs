//! Fetching from a local server and with a stand-in for Python.

#[cfg(unix)]
mod parts;

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::catalogue::{Catalogue, Weights, WeightsFile, Wheel};
use super::locations::Locations;
use super::{Event, WeightsError};

/// Returns weights with one file, whose text is `abc`, and a wheel of it.
fn tiny() -> Weights {
    Weights {
        name: "tiny".to_owned(),
        licence: "none".to_owned(),
        hub: None,
        wheel: Some(Wheel {
            package: "tiny-weights".to_owned(),
            version: "1.0".to_owned(),
            bytes: 200,
            folder: "tiny/model".to_owned(),
        }),
        parts: Vec::new(),
        files: vec![WeightsFile {
            name: "a.bin".to_owned(),
            bytes: 3,
            sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".to_owned(),
        }],
    }
}

fn locations(cache: &Path, server: &MockServer, python: &str) -> Locations {
    Locations {
        cache: cache.to_owned(),
        base_url: Some(server.uri() + "/"),
        pythons: vec![python.to_owned()],
        free_disk: |_| Some(1 << 20),
    }
}

async fn serving(body: &str) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(path("/tiny/a.bin"))
        .respond_with(ResponseTemplate::new(200).set_body_string(body))
        .mount(&server)
        .await;
    server
}

/// A stand-in for `python3 -m pip download -d . PACKAGE==VERSION` and the wheels that it knows.
#[cfg(unix)]
struct Index(tempfile::TempDir);

#[cfg(unix)]
impl Index {
    fn new() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let index = Self(tempfile::tempdir().expect("a folder"));
        fs::create_dir(index.0.path().join("running")).expect("a folder");
        // The script records the requested packages and the number of its running copies, and is slow on purpose.
        let script = "#!/bin/sh\ncd_to=$PWD; cd \"$(dirname \"$0\")\"; while [ \"$1\" != -d ]; do shift; done\n\
            echo \"$3\" >> asked; touch running/$$; ls running | wc -l >> at_once; sleep 0.2; rm running/$$\n\
            [ -f \"$3.whl\" ] || { echo \"ERROR: No matching distribution found for $3\" >&2; exit 1; }\n\
            cp \"$3.whl\" \"$cd_to/$2\"\n";
        let python = index.0.path().join("python3");
        fs::write(&python, script).expect("a script");
        fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).expect("made executable");
        index
    }

    /// Adds a wheel with one member to the index.
    fn add(&self, package: &str, member: &str, body: &[u8]) {
        use std::io::Write;
        let file = fs::File::create(self.0.path().join(format!("{package}.whl"))).expect("a file");
        let mut archive = zip::ZipWriter::new(file);
        archive.start_file(member, zip::write::SimpleFileOptions::default()).expect("a member");
        archive.write_all(body).expect("written");
        archive.finish().expect("closed");
    }

    fn python(&self) -> String {
        self.0.path().join("python3").display().to_string()
    }

    /// Returns the lines of a file that the script has written.
    fn recorded(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.0.path().join(name)).unwrap_or_default();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }
}

/// The events of a fetch.
#[derive(Default)]
struct Events(Mutex<Vec<Event>>);

impl Events {
    fn record(&self, event: Event) {
        self.0.lock().expect("unpoisoned").push(event);
    }

    fn failures(&self) -> Vec<String> {
        let events = self.0.lock().expect("unpoisoned");
        let reason = |event: &Event| match event {
            Event::Failed { reason, .. } => Some(reason.clone()),
            _ => None,
        };
        events.iter().filter_map(reason).collect()
    }
}

#[tokio::test]
async fn a_correct_file_is_stored_and_not_fetched_again() {
    let cache = tempfile::tempdir().expect("a folder");
    let server = serving("abc").await;
    let locations = locations(cache.path(), &server, "no-python");
    let events = Events::default();
    let file = tiny().fetch(&locations, &|event| events.record(event)).await.expect("fetched");
    assert_eq!(fs::read(&file).expect("exists"), b"abc");
    assert_eq!(file, cache.path().join("weights/tiny/a.bin"));
    assert!(events.0.lock().expect("unpoisoned").contains(&Event::Received { bytes: 3, total: Some(3) }));
    tiny().fetch(&locations, &|_| ()).await.expect("still exists");
    assert_eq!(server.received_requests().await.expect("recorded").len(), 1);
    let left = fs::read_dir(cache.path().join("weights/tiny")).expect("a folder").count();
    assert_eq!(left, 1, "nothing but the file is left");
}

#[cfg(unix)]
#[tokio::test]
async fn the_package_is_tried_if_the_hub_has_another_file() {
    let cache = tempfile::tempdir().expect("a folder");
    let server = serving("abd").await;
    let index = Index::new();
    index.add("tiny-weights==1.0", "tiny/model/a.bin", b"abc");
    let locations = locations(cache.path(), &server, &index.python());
    let events = Events::default();
    let file = tiny().fetch(&locations, &|event| events.record(event)).await.expect("fetched");
    assert_eq!(fs::read(file).expect("exists"), b"abc");
    let failed = events.failures();
    assert!(failed.len() == 1 && failed[0].contains("SHA-256"), "{failed:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_package_with_a_wrong_file_is_refused() {
    let cache = tempfile::tempdir().expect("a folder");
    let server = MockServer::start().await;
    let index = Index::new();
    index.add("tiny-weights==1.0", "tiny/model/a.bin", b"abd");
    let locations = locations(cache.path(), &server, &index.python());
    let error = tiny().fetch(&locations, &|_| ()).await.expect_err("wrong bytes").to_string();
    assert!(error.contains("404") && error.contains("SHA-256"), "{error}");
    assert!(!cache.path().join("weights/tiny/a.bin").exists());
}

#[tokio::test]
async fn the_error_names_every_failed_source() {
    let cache = tempfile::tempdir().expect("a folder");
    let server = serving("much too long").await;
    let locations = locations(cache.path(), &server, "no-such-python");
    let error = tiny().fetch(&locations, &|_| ()).await.expect_err("no source").to_string();
    assert!(error.contains("/tiny: a.bin: the file is longer than the expected 3 bytes"), "{error}");
    assert!(error.contains("Python package tiny-weights 1.0: no `python3`"), "{error}");
}

#[tokio::test]
async fn a_fetch_needs_enough_free_disk() {
    let cache = tempfile::tempdir().expect("a folder");
    let server = serving("abc").await;
    let locations = Locations { free_disk: |_| Some(2), ..locations(cache.path(), &server, "no-python") };
    let error = tiny().fetch(&locations, &|_| ()).await.expect_err("no room").to_string();
    assert!(error.contains("/tiny: needs 1 MB of free disk for the fetch, but "), "{error}");
    assert!(error.contains("weights/tiny has only 1 MB\n  Python package tiny-weights 1.0: needs 1 MB"), "{error}");
    assert!(server.received_requests().await.expect("recorded").is_empty());
}

#[tokio::test]
async fn a_damaged_file_is_found_and_replaced() {
    let cache = tempfile::tempdir().expect("a folder");
    let server = serving("abc").await;
    let locations = locations(cache.path(), &server, "no-python");
    assert!(matches!(tiny().check(&locations), Err(WeightsError::Missing { .. })));
    fs::create_dir_all(cache.path().join("weights/tiny")).expect("a folder");
    fs::write(cache.path().join("weights/tiny/a.bin"), "abx").expect("written");
    let error = tiny().check(&locations).expect_err("damaged").to_string();
    assert!(error.contains("a.bin: its SHA-256 is") && error.contains("models fetch tiny"), "{error}");
    tiny().fetch(&locations, &|_| ()).await.expect("replaced");
    tiny().check(&locations).expect("right");
}

#[test]
fn an_unknown_name_lists_the_known_names() {
    let error = Catalogue::builtin().find("gpt-5").expect_err("unknown").to_string();
    let known = Catalogue::builtin().entries();
    assert!(error.contains("gpt-5") && known.iter().all(|weights| error.contains(&weights.name)), "{error}");
}
