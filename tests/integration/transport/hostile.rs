//! No text of a server, a model or a data set reaches a terminal or a document with active control characters.

use super::*;
use crate::support::{CommandOutput, Project, holds};

/// Text that clears the screen, sets a title, rings, colours (in both forms of its introducer), and reverses the
/// direction.
const HOSTILE: &str = "x\u{1b}[2J\u{1b}]0,owned\u{7}\u{9b}31m\u{202e}\u{2066}\u{8}\u{7f}y\rz";

/// Asserts that a text has no active control characters.
fn harmless(text: &str) {
    let obeyed = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t')) || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let found: Vec<char> = text.chars().filter(|c| obeyed(*c)).collect();
    assert!(found.is_empty(), "{found:?} in {text:?}");
}

fn shows_it(output: &CommandOutput) {
    harmless(&output.out);
    harmless(&output.err);
}

/// Builds a project whose items have hostile ids and groups.
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
async fn errors_escape_control_characters_of_servers() {
    let server = provider(|_| {
        let error = json!({"error": {"message": format!("{HOSTILE} bad request"), "code": 400}});
        Some(ResponseTemplate::new(400).set_body_json(error))
    })
    .await;
    let output = project(&server.uri()).trial("out", &[]);
    shows_it(&output);
    holds(&output.err, &[r"\u{1b}[2J", r"\u{9b}31m", r"\u{202e}", "bad request", "item `x"]);
    let last = output.err.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: ") && last.ends_with("bad request"), "{}", output.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_escape_control_characters_in_names_and_ids() {
    let server = provider(|received| {
        let mut body = answer(received);
        body["model"] = HOSTILE.into();
        Some(ResponseTemplate::new(200).set_body_json(body))
    })
    .await;
    let project = project(&server.uri());
    let output = project.trial("out", &[]).done();
    shows_it(&output);
    holds(&output.out, &[r"answers report the model `x\u{1b}[2J"]);
    let summary = project.text("out/summary.md");
    harmless(&summary);
    holds(&summary, &[r"x\u{1b}[2J"]);
    // Tables keep the original text.
    assert!(project.text("out/records.csv").contains(HOSTILE));
    shows_it(&project.run(&["report", "out", "--out", "again"]).done());
    harmless(&project.text("again/summary.md"));
    shows_it(&project.run(&["datasets", "check", "questions.jsonl"]));
}
