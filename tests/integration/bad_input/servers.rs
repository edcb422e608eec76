//! Servers that refuse requests, drop connections, or omit what a run needs: the run stops and can be resumed.

use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{CommandOutput, Project, Settings, holds};

const KEY: &str = "sk-trial-0123456789";

/// Settings with the weak level on this server.
fn settings(server: &MockServer) -> Settings {
    let entry = format!(
        "name = 'small'\nbackend = 'openai'\nbase_url = '{}/v1'\nmodel = 'served'\napi_key_env = 'TRIAL_KEY'\nmax_retries = 0\n\
         price = {{ input = 0.1, output = 0.4 }}",
        server.uri()
    );
    Settings::simulated().model("small", &entry)
}

fn answer(logprobs: &Value) -> Value {
    json!({
        "model": "served", "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
        "choices": [{"finish_reason": "stop", "message": {"content": "#### 6"}, "logprobs": logprobs}],
    })
}

fn good() -> ResponseTemplate {
    let token = |text: &str| json!({"token": text, "logprob": -0.1});
    ResponseTemplate::new(200).set_body_json(answer(&json!({"content": [token("####"), token(" 6")]})))
}

async fn server(template: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(template).mount(&server).await;
    server
}

fn run(project: &Project) -> CommandOutput {
    CommandOutput::of(project.command().env("TRIAL_KEY", KEY).args(["run", "--config", "trial.toml", "--out", "out"]))
}

/// Returns the error of a run whose weak level gets this response.
async fn refused(template: ResponseTemplate) -> String {
    let server = server(template).await;
    let project = Project::with(&settings(&server));
    let error = run(&project).refused();
    assert!(project.reports("out").is_empty(), "a call that failed is never scored");
    assert!(!error.contains(KEY), "{error}");
    holds(&error, &["item `", "model `small`", "the same command"]);
    assert_eq!(error.matches("model \"small\"").count(), 1, "the reason is given once: {error}");
    assert_eq!(server.received_requests().await.map(|requests| requests.len()), Some(1), "it stops at the first");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_log_probabilities_stops_the_run() {
    let error = refused(ResponseTemplate::new(200).set_body_json(answer(&Value::Null))).await;
    holds(&error, &["no log-probabilities", "another signal"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_is_never_repeated_in_the_error() {
    let output = json!({"error": {"message": format!("Incorrect API key provided: {KEY}.")}});
    let error = refused(ResponseTemplate::new(401).set_body_json(output)).await;
    holds(&error, &["401", "check the key in the variable TRIAL_KEY"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn server_failures_and_foreign_bodies_are_reported() {
    holds(&refused(ResponseTemplate::new(500).set_body_string("out of order")).await, &["500", "out of order"]);
    holds(
        &refused(ResponseTemplate::new(200).set_body_string("<html>hello")).await,
        &["something other than a chat completion"],
    );
}

#[test]
fn a_server_that_does_not_listen_is_reported() {
    // Nothing listens on the discard port.
    let entry = "name = 'small'\nbackend = 'openai'\nbase_url = 'http://127.0.0.1:9/v1'\nmax_retries = 0";
    let project = Project::with(&Settings::simulated().model("small", entry));
    let error = run(&project).refused();
    holds(&error, &["http://127.0.0.1:9/v1", "the same command resumes"]);
    assert!(project.reports("out").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_resumes_where_its_server_failed() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(good()).up_to_n_times(7).mount(&server).await;
    Mock::given(any()).respond_with(ResponseTemplate::new(400).set_body_string("closed")).mount(&server).await;
    let project = Project::with(&settings(&server));
    holds(&run(&project).refused(), &["closed"]);
    server.reset().await;
    Mock::given(any()).respond_with(good()).mount(&server).await;
    run(&project).done();
    let request_count = server.received_requests().await.expect("recorded").len();
    let calls = project.sheet("out", "calls");
    let mut needed: Vec<&str> =
        calls.rows().filter(|call| call.text("model") == "small").map(|call| call.text("journal_key")).collect();
    needed.sort_unstable();
    needed.dedup();
    assert_eq!(request_count, needed.len() - 7, "the seven answers of before are not asked for again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_address_is_refused_before_any_call() {
    let server = server(good()).await;
    for address in
        ["ftp://127.0.0.1/v1", "127.0.0.1", "http://user:secret@127.0.0.1/v1", "http://127.0.0.1/v1?key=secret"]
    {
        let project = Project::with(&settings(&server).set("model.small.base_url", address));
        let error = run(&project).refused();
        holds(&error, &["small", "base_url"]);
        assert!(!error.contains("secret"), "{error}");
        assert!(!project.path("out").exists(), "nothing is made before the address is known to be one");
    }
    assert_eq!(server.received_requests().await.map(|requests| requests.len()), Some(0));
}
