//! The program is killed at random points of a run, repeatedly, until one run completes.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Duration;

use intercascade::types::seed::Seed;
use serde_json::Value;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::support::{Project, Settings, TABLES, completion, drawn, program};

/// Number of kills; the environment variable `INTERCASCADE_KILLS` overrides it.
const KILLS: usize = 12;
/// Longest time until a kill, in milliseconds.
const LONGEST: f64 = 400.0;

/// Server whose answers depend only on the prompt.
struct Answers;

impl Respond for Answers {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let body: Value = request.body_json().expect("JSON");
        ResponseTemplate::new(200)
            .set_body_json(completion(&body))
            .set_delay(Duration::from_millis(10).mul_f64(drawn(&body, "time")))
    }
}

fn settings(server: &MockServer) -> Settings {
    let entry = |name: &str| {
        format!(
            "name = '{name}'\nbackend = 'openai'\nbase_url = '{}/v1'\nprice = {{ input = 0.1, output = 0.4 }}",
            server.uri()
        )
    };
    Settings::simulated()
        .model("small", &entry("small"))
        .model("large", &entry("large"))
        .set("deferral.threshold", 0.5)
        .set("limits.concurrency", 6)
}

/// Returns the prompts that have an answer in the journal.
fn journaled(project: &Project) -> BTreeSet<String> {
    let path = project.path("out/journal.sqlite");
    let Ok(journal) = rusqlite::Connection::open(path) else { return BTreeSet::new() };
    let Ok(mut statement) = journal.prepare("SELECT model, request FROM calls") else { return BTreeSet::new() };
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
    rows.map(|row| {
        let (model, request): (String, String) = row.expect("a row");
        let request: Value = serde_json::from_str(&request).expect("JSON");
        format!("{model} {}", request["messages"])
    })
    .collect()
}

/// Returns the outputs of a run without the times.
fn outputs(project: &Project, out: &str) -> Vec<String> {
    let mut rows = Vec::new();
    for table in TABLES {
        let sheet = project.sheet(out, table);
        let columns: Vec<&String> = sheet.columns.iter().filter(|column| *column != "latency_ms").collect();
        rows.extend(
            sheet.rows().map(|row| columns.iter().map(|column| row.text(column)).collect::<Vec<_>>().join(",")),
        );
    }
    rows.push(project.text(&format!("{out}/strategies.jsonl")));
    rows
}

/// Returns the prompts that the server received since the previous call of this function.
async fn received_prompts(server: &MockServer) -> Vec<String> {
    let requests = server.received_requests().await.expect("recorded");
    server.reset().await;
    Mock::given(any()).respond_with(Answers).mount(server).await;
    let body = |request: &Request| -> Value { request.body_json().expect("JSON") };
    requests
        .iter()
        .map(|request| format!("{} {}", body(request)["model"].as_str().unwrap_or_default(), body(request)["messages"]))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_resumes_to_the_same_end_and_pays_once() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(Answers).mount(&server).await;
    let project = Project::with(&settings(&server));
    project.trial("whole", &[]).done();
    received_prompts(&server).await;
    let kills = std::env::var("INTERCASCADE_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let mut survived = 0;
    for kill in 0..kills {
        let before = journaled(&project);
        let mut child = Command::new(program())
            .args(["run", "--config", "trial.toml", "--out", "out"])
            .current_dir(project.path(""))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        // Early kills are more likely. Each run gets a little further than the one before.
        let lifetime = Seed(11).unit(&["lives", &kill.to_string()]).powi(2) * LONGEST;
        tokio::time::sleep(Duration::from_millis(1).mul_f64(lifetime)).await;
        survived += usize::from(child.try_wait().expect("a child").is_some());
        child.kill().expect("killed");
        child.wait().expect("ended");
        let repeated: Vec<String> =
            received_prompts(&server).await.into_iter().filter(|prompt| before.contains(prompt)).collect();
        assert!(repeated.is_empty(), "kill {kill}: repeated requests for journaled answers: {repeated:?}");
        if survived * 4 > kills {
            // The run has completed; the next one starts from an empty folder.
            assert!(outputs(&project, "out") == outputs(&project, "whole"));
            std::fs::remove_dir_all(project.path("out")).expect("removed");
            survived = 0;
        }
    }
    let before = journaled(&project);
    project.trial("out", &[]).done();
    assert!(received_prompts(&server).await.iter().all(|prompt| !before.contains(prompt)));
    assert!(outputs(&project, "out") == outputs(&project, "whole"));
}
