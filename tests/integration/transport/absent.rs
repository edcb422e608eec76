//! An unreachable server: one line at once, and one message after Ctrl-C.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use super::*;
use crate::support::{Project, holds, program};

/// Returns an address at which nothing listens.
fn nowhere() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("http://{}", listener.local_addr().expect("bound"))
}

#[test]
fn an_unreachable_server_is_reported_at_once_and_once() {
    let address = nowhere();
    let project = Project::with(&settings(&address).set("arms", vec![toml::Value::from("cascade")]));
    let error = project.trial("out", &[]).refused();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines.len(), 2, "{error}");
    holds(lines[0], &[&address, "cannot be reached: connection refused", "tried again, once within about", "Ctrl-C"]);
    holds(lines[1], &["the same command resumes", "connection refused", "no answer in 2 attempts"]);
}

#[test]
fn ctrl_c_ends_the_wait_for_a_server_with_one_message() {
    let project = Project::with(
        &settings(&nowhere()).set("arms", vec![toml::Value::from("cascade")]).set("model.small.max_retries", 9),
    );
    for verb in ["run", "sweep"] {
        stopped_while_waiting(&project, verb);
    }
}

fn stopped_while_waiting(project: &Project, verb: &str) {
    let mut child = Command::new(program())
        .args([verb, "--config", "trial.toml", "--out", verb])
        .current_dir(project.path(""))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    stderr.read_line(&mut line).expect("text");
    holds(&line, &["cannot be reached"]);
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(sent.success());
    assert_eq!(child.wait().expect("ended").code(), Some(130));
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).expect("text");
    assert_eq!(rest, "stopped; every answer so far is in the journal, and the same command resumes\n");
}
