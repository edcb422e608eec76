//! Nothing of a server, a model or a data set reaches a terminal or a document with characters that a terminal obeys.

use super::*;
use crate::support::{Project, Said, holds};

/// Clears the screen, sets a title, rings, colours (in both forms of its introducer), and turns the reading direction.
const HOSTILE: &str = "x\u{1b}[2J\u{1b}]0,owned\u{7}\u{9b}31m\u{202e}\u{2066}\u{8}\u{7f}y\rz";

/// Asserts that a text can be shown.
fn harmless(text: &str) {
    let obeyed = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t')) || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let found: Vec<char> = text.chars().filter(|c| obeyed(*c)).collect();
    assert!(found.is_empty(), "{found:?} in {text:?}");
}

fn shows_it(said: &Said) {
    harmless(&said.out);
    harmless(&said.err);
}

/// A project whose items have hostile ids and groups.
fn project(address: &str) -> Project {
    let project = Project::with(&settings(address));
    let rows = project.text("questions.jsonl");
    let rows = rows.lines().map(|line| {
        let mut row: Value = serde_json::from_str(line).expect("JSON");
        for field in ["id", "group"] {
            row[field] = format!("{HOSTILE}{}", row[field].as_str().expect("text")).into();
        }
        format!("{row}\n")
    });
    let rows: String = rows.collect();
    project.write("questions.jsonl", rows);
    project
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_shows_what_was_said_and_obeys_nothing() {
    let server = provider(|_| {
        let error = json!({"error": {"message": format!("{HOSTILE} bad request"), "code": 400}});
        Some(ResponseTemplate::new(400).set_body_json(error))
    })
    .await;
    let said = project(&server.uri()).trial("out", &[]);
    shows_it(&said);
    holds(&said.err, &[r"\u{1b}[2J", r"\u{9b}31m", r"\u{202e}", "bad request", "item `x"]);
    let last = said.err.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: ") && last.ends_with("bad request"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_shows_names_and_ids_and_obeys_nothing() {
    let server = provider(|asked| {
        let mut body = answer(asked);
        body["model"] = HOSTILE.into();
        Some(ResponseTemplate::new(200).set_body_json(body))
    })
    .await;
    let project = project(&server.uri());
    let said = project.trial("out", &[]).done();
    shows_it(&said);
    holds(&said.out, &[r"the answers say that `x\u{1b}[2J"]);
    let summary = project.text("out/summary.md");
    harmless(&summary);
    holds(&summary, &[r"x\u{1b}[2J"]);
    // Tables keep what was there.
    assert!(project.text("out/records.csv").contains(HOSTILE));
    shows_it(&project.run(&["report", "out", "--out", "again"]).done());
    harmless(&project.text("again/summary.md"));
    shows_it(&project.run(&["datasets", "check", "questions.jsonl"]));
}
