//! Ctrl-C once: no new call begins, and calls in flight finish and are journaled. Twice: the program ends at once.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{Project, Settings, holds, program};

/// Duration of a call.
const SLOW: Duration = Duration::from_millis(1500);

async fn server() -> MockServer {
    let server = MockServer::start().await;
    let answer = json!({
        "model": "served", "usage": { "prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11 },
        "choices": [{
            "finish_reason": "stop", "message": { "content": "#### 6" },
            "logprobs": { "content": [{ "token": "####", "logprob": -0.1 }, { "token": " 6", "logprob": -0.1 }] },
        }],
    });
    let slow = ResponseTemplate::new(200).set_body_json(answer).set_delay(SLOW);
    Mock::given(any()).respond_with(slow).mount(&server).await;
    server
}

/// Starts a run and waits until a call is in flight.
async fn running(server: &MockServer) -> (Project, Child, BufReader<ChildStderr>) {
    let entry = format!("name = 'small'\nbackend = 'openai'\nbase_url = '{}/v1'", server.uri());
    let project = Project::with(&Settings::simulated().model("small", &entry));
    let mut child = Command::new(program())
        .args(["run", "--config", "trial.toml", "--out", "out"])
        .current_dir(project.path(""))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    while server.received_requests().await.is_none_or(|requests| requests.is_empty()) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    (project, child, stderr)
}

fn interrupt(child: &Child) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(sent.success());
}

/// Returns the number of rows of the weak level in a table of the journal.
fn rows(project: &Project, table: &str) -> u64 {
    let journal = rusqlite::Connection::open(project.path("out/journal.sqlite")).expect("a journal");
    let count = format!("SELECT count(*) FROM {table} WHERE model = 'small'");
    journal.query_row(&count, [], |row| row.get(0)).expect("a count")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_interrupt_waits_for_the_calls_in_flight() {
    let server = server().await;
    let (project, mut child, mut stderr) = running(&server).await;
    interrupt(&child);
    assert_eq!(child.wait().expect("ended").code(), Some(130));
    let mut output = String::new();
    stderr.read_to_string(&mut output).expect("text");
    holds(&output, &["stopping after the calls in flight"]);
    let last = output.lines().last().expect("a line");
    holds(last, &["stopped after ", " USD", "every answer so far is in out, and the same command resumes"]);
    assert!(!output.contains("error"), "{output}");
    let requests = server.received_requests().await.expect("recorded").len() as u64;
    assert_eq!(rows(&project, "calls"), requests, "every call that was made is in the journal");
    assert!(project.reports("out").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_interrupt_does_not_wait() {
    let server = server().await;
    let (project, mut child, mut stderr) = running(&server).await;
    let started = Instant::now();
    interrupt(&child);
    let mut line = String::new();
    while !line.contains("stopping after") {
        line.clear();
        assert!(stderr.read_line(&mut line).expect("text") > 0, "it ended without a word");
    }
    interrupt(&child);
    assert_eq!(child.wait().expect("ended").code(), Some(130));
    assert!(started.elapsed() < SLOW, "it did not wait for the call");
    assert!(rows(&project, "lost") > 0, "what may be charged all the same is noted");
}
