//! Whole runs of several workers: one answer for each call, records as in a run of one worker, whatever happens to
//! workers and server meanwhile.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::server::{Database, Server};
use crate::support::{Project, Row, Settings, TABLES, completion, holds, program};

/// Model server whose answers depend only on the prompt.
struct Answers(Duration);

impl Respond for Answers {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let body: Value = request.body_json().expect("JSON");
        ResponseTemplate::new(200).set_body_json(completion(&body)).set_delay(self.0)
    }
}

async fn model_server(delay_ms: u64) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(Answers(Duration::from_millis(delay_ms))).mount(&server).await;
    server
}

fn settings(server: &MockServer) -> Settings {
    let entry = |name: &str| {
        let price = "price = { input = 0.1, output = 0.4 }";
        format!("name = '{name}'\nbackend = 'openai'\nbase_url = '{}/v1'\n{price}", server.uri())
    };
    Settings::simulated().model("small", &entry("small")).model("large", &entry("large")).set("limits.concurrency", 6)
}

/// Asserts that two runs have the same tables, apart from times.
#[track_caller]
fn assert_same(project: &Project, one: &str, other: &str) {
    for table in TABLES {
        let rows = |out: &str| -> Vec<String> {
            let sheet = project.sheet(out, table);
            let columns: Vec<&String> = sheet.columns.iter().filter(|column| !column.ends_with("_ms")).collect();
            let row = |row: Row| columns.iter().map(|column| row.text(column)).collect::<Vec<_>>().join(",");
            sheet.rows().map(row).collect()
        };
        let (expected, found) = (rows(one), rows(other));
        assert_eq!(expected.len(), found.len(), "{table} of {other}");
        let differ = expected.iter().zip(&found).find(|(expected, found)| expected != found);
        assert!(differ.is_none(), "{table} of {other}: {differ:?}");
    }
}

/// Starts a worker in the background.
fn start(project: &Project, url: &str, out: &str) -> Child {
    let mut command = Command::new(program());
    command.args(["run", "--config", "trial.toml", "--alone", "--out", out, "--journal", url]);
    command.current_dir(project.path("")).env("INTERCASCADE_CACHE", project.path("cache"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().expect("it starts")
}

/// Waits for a worker to succeed.
fn finish(worker: Child) {
    let output = worker.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Waits until the database has this many calls.
async fn until(database: &Database, calls: usize) {
    while database.count("SELECT count(*) FROM intercascade.calls") < calls {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn requests(server: &MockServer) -> usize {
    server.received_requests().await.expect("recorded").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_share_all_calls_and_write_the_records_of_one() {
    let models = model_server(2).await;
    let project = Project::with(&settings(&models));
    let made = project.trial("one", &[]).done().calls_made();
    assert_eq!(requests(&models).await, made);
    let database = Database::new();
    let workers: Vec<Child> = ["a", "b", "c"].map(|out| start(&project, &database.url(""), out)).into();
    workers.into_iter().for_each(finish);
    assert_eq!(requests(&models).await, 2 * made, "each call was made once over all workers");
    for out in ["a", "b", "c"] {
        assert_same(&project, "one", out);
    }
    let manifest =
        |out: &str| -> Value { serde_json::from_str(&project.text(&format!("{out}/manifest.json"))).expect("JSON") };
    let calls = |out: &str| manifest(out)["calls_made"].as_u64().expect("a number");
    assert_eq!(calls("a") + calls("b") + calls("c"), made as u64, "and each worker counts its own");
    // One more worker needs no call, and says what all have spent.
    let last = project.trial("last", &["--journal", &database.url("")]).done();
    assert_eq!((last.calls_made(), requests(&models).await), (0, 2 * made));
    holds(&(last.out + &last.err), &["by all workers of this run in postgres://owner@127.0.0.1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_and_a_restarted_server_change_only_the_time() {
    let mut server = Server::start(&[]);
    let database = server.database();
    let models = model_server(20).await;
    let project = Project::with(&settings(&models));
    let url = database.url("lease_s=2");
    let [mut first, second] = ["a", "b"].map(|out| start(&project, &url, out));
    until(&database, 30).await;
    first.kill().expect("killed");
    first.wait().expect("ended");
    until(&database, 60).await;
    server.kill();
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.restart();
    finish(second);
    finish(start(&project, &url, "a"));
    let [calls, lost] =
        ["calls", "lost"].map(|table| database.count(&format!("SELECT count(*) FROM intercascade.{table}")));
    // At most the calls in flight of the killed worker were made twice, and each is recorded as possibly charged.
    assert!((1..=6).contains(&lost), "{lost}");
    let requests = requests(&models).await;
    assert!((calls..=calls + lost).contains(&requests), "{requests} requests for {calls} calls, {lost} lost");
    project.trial("one", &[]).done();
    assert_same(&project, "one", "a");
    assert_same(&project, "one", "b");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_made_before_are_brought_along() {
    let models = model_server(0).await;
    let project = Project::with(&settings(&models));
    let made = project.trial("a", &[]).done().calls_made();
    let database = Database::new();
    let url = database.url("");
    // The folder's own calls go into the shared journal, and count as paid for by this run.
    assert_eq!(project.trial("a", &["--journal", &url]).done().calls_made(), 0);
    assert_eq!(database.count("SELECT sum(calls) FROM intercascade.spend"), made);
    assert_eq!(project.trial("b", &["--journal", &url]).done().calls_made(), 0);
    assert_eq!(requests(&models).await, made);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fee_limit_stops_all_workers_of_a_run() {
    let models = model_server(2).await;
    let limit = 0.0002;
    let limited = settings(&models).set("limits.max_fee_usd", limit);
    let limited = limited.set("model.small.max_tokens", 40).set("model.large.max_tokens", 40);
    let project = Project::with(&limited);
    let database = Database::new();
    let url = database.url("");
    let workers = ["a", "b"].map(|out| start(&project, &url, out));
    for worker in workers {
        let output = worker.wait_with_output().expect("it ends");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{error}");
        holds(&error, &["limits.max_fee_usd", "would be exceeded"]);
    }
    let spent = "SELECT (sum(input_tokens) * 0.1 + sum(output_tokens) * 0.4) / 1e6 <= 0.0002 FROM intercascade.spend";
    assert_eq!(database.sql(spent), "t");
    assert_eq!(database.count("SELECT count(*) FROM intercascade.claims"), 0);
}
