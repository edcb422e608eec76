//! Ctrl-C once: no call begins any more, those in flight come to their end and are kept. Twice: at once.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{Project, Settings, holds, program};

/// The time of a call.
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

/// A run of which a call is in flight.
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

/// The weak level's rows of a table of the journal.
fn rows(project: &Project, table: &str) -> u64 {
    let journal = rusqlite::Connection::open(project.path("out/journal.sqlite")).expect("a journal");
    let count = format!("SELECT count(*) FROM {table} WHERE model = 'small'");
    journal.query_row(&count, [], |row| row.get(0)).expect("a count")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_interruption_waits_for_the_calls_in_flight() {
    let server = server().await;
    let (project, mut child, mut stderr) = running(&server).await;
    interrupt(&child);
    assert_eq!(child.wait().expect("ended").code(), Some(130));
    let mut said = String::new();
    stderr.read_to_string(&mut said).expect("text");
    holds(&said, &["stopping when the calls in flight have ended"]);
    let last = said.lines().last().expect("a line");
    holds(
        last,
        &["stopped after ", " USD", "every answer so far is kept in out, and the same command goes on from there"],
    );
    assert!(!said.contains("error"), "{said}");
    let asked = server.received_requests().await.expect("recorded").len() as u64;
    assert_eq!(rows(&project, "calls"), asked, "every call that was made is in the journal");
    assert!(project.reports("out").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_interruption_does_not_wait() {
    let server = server().await;
    let (project, mut child, mut stderr) = running(&server).await;
    let started = Instant::now();
    interrupt(&child);
    let mut line = String::new();
    while !line.contains("stopping when") {
        line.clear();
        assert!(stderr.read_line(&mut line).expect("text") > 0, "it ended without a word");
    }
    interrupt(&child);
    assert_eq!(child.wait().expect("ended").code(), Some(130));
    assert!(started.elapsed() < SLOW, "it did not wait for the call");
    assert!(rows(&project, "lost") > 0, "what may be charged all the same is noted");
}
