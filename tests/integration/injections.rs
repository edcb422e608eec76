//! Texts that try to inject instructions, stored by whole runs and retrieved for later items. None of them changes the
//! structure of a prompt. Whether a model follows such a text is out of scope: quoting cannot prevent it.

use regex::Regex;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{Project, Settings, repository};

#[derive(Deserialize)]
struct Attempt {
    what: String,
    text: String,
}

fn attempts() -> Vec<Attempt> {
    let text = std::fs::read_to_string(repository().join("tests/fixtures/injections.jsonl")).expect("readable");
    text.lines().map(|line| serde_json::from_str(line).expect("an attempt")).collect()
}

/// Strings that no stored text may bring into a prompt, in any letter case.
const MARKUP: [&str; 25] = [
    "<|",
    "<｜",
    "<s>",
    "</s>",
    "<bos>",
    "<eos>",
    "<pad>",
    "<unk>",
    "<think>",
    "</think>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
    "[inst]",
    "[/inst]",
    "<<sys>>",
    "<</sys>>",
    "[system_prompt]",
    "[/system_prompt]",
    "[available_tools]",
    "[/available_tools]",
    "\u{feff}",
];

/// Items whose questions contain an injection attempt, stored as worked examples, and as many items without an attempt.
fn stream(attempts: &[Attempt]) -> String {
    let mut text = String::new();
    for (at, attempt) in attempts.iter().enumerate() {
        for (variant, words) in [("attempt", attempt.text.as_str()), ("plain", "At the market")] {
            let question = format!("{words} Maya buys {} pears and then 2 more. How many pears is that?", at + 3);
            let row = json!({
                "id": format!("{variant}-{at}"), "group": format!("pears-{at}"), "question": question,
                "answer": format!("It is {} + 2 = <<{0}+2={1}>>{1} pears.\n#### {1}", at + 3, at + 5),
            });
            text.push_str(&row.to_string());
            text.push('\n');
        }
    }
    text
}

/// Requests to the weak model that contain strategies: the item, and the role and text of each message.
fn sent(project: &Project) -> Vec<(String, Vec<(String, String)>)> {
    let journal = rusqlite::Connection::open(project.path("out/journal.sqlite")).expect("a journal");
    let mut statement =
        journal.prepare("SELECT item, request FROM calls WHERE model = 'small' ORDER BY id").expect("a query");
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
    let mut found = Vec::new();
    for row in rows.expect("rows") {
        let (item, request) = row.expect("a row");
        let request: Value = serde_json::from_str(&request).expect("JSON");
        let messages = request["messages"].as_array().expect("messages").iter();
        let part = |message: &Value, key: &str| message[key].as_str().expect("a text").to_owned();
        found.push((item, messages.map(|message| (part(message, "role"), part(message, "content"))).collect()));
    }
    found
}

/// Asserts that stored texts stay inside their quotation: `tag` opens and closes it, and the target
/// question follows `before_the_question`.
fn assert_quoted(prompt: &str, tag: &str, before_the_question: &str) {
    let attempts = attempts();
    assert!(attempts.len() >= 30);
    let entry = |name: &str| {
        format!(
            "name = '{name}'\nbackend = 'simulated'\nsimulated = {{ accuracy = 0.9 }}\nmax_tokens = 64\nprompt = '{prompt}'"
        )
    };
    let settings = Settings::simulated()
        .model("small", &entry("small"))
        .model("large", &entry("large"))
        .set("arms", vec!["inter-cascade"])
        .set("dataset.orders", 1)
        .set("deferral.threshold", 1.0)
        .set("learning.k", 100)
        .set("learning.content", "worked-example")
        .set("learning.store", "always");
    let project = Project::with(&settings);
    project.write("questions.jsonl", stream(&attempts));
    project.trial("out", &[]).done();

    let delimiter = Regex::new(&format!(r"(?i)<\s*/?\s*{tag}\b[^<>]*>")).expect("a pattern");
    let records = project.sheet("out", "records");
    let mut retrieved = std::collections::BTreeSet::new();
    let sent = sent(&project);
    let mut checked = 0;
    for record in records.rows().filter(|record| record.text("item_id").starts_with("plain-")) {
        let used: Vec<&str> = record.text("strategies_used").split(';').filter(|id| !id.is_empty()).collect();
        let item = record.text("item_id");
        if used.is_empty() {
            continue;
        }
        let (_, messages) = sent.iter().find(|(of, _)| of == item).expect("asked");
        let roles: Vec<&str> = messages.iter().map(|(role, _)| role.as_str()).collect();
        assert_eq!(roles, ["system", "user"], "{item}");
        let text = &messages[1].1;
        let context = format!("with {} shown, {item} is sent {text}", used.len());
        let marks: Vec<&str> = delimiter.find_iter(text).map(|found| found.as_str()).collect();
        let expected: Vec<String> = used.iter().flat_map(|_| [format!("<{tag}>"), format!("</{tag}>")]).collect();
        assert_eq!(marks, expected, "{context}");
        let lower = text.to_lowercase();
        for markup in MARKUP {
            assert!(!lower.contains(markup), "{markup}: {context}");
        }
        assert!(text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\t')), "{context}");
        let question = text.rsplit_once(&format!("</{tag}>")).expect("a quotation").1;
        let number: usize = item["plain-".len()..].parse().expect("a number");
        assert_eq!(
            question,
            format!(
                "{before_the_question}At the market Maya buys {} pears and then 2 more. How many pears is that?",
                number + 3
            )
        );
        retrieved.extend(used.into_iter().filter(|id| id.starts_with("attempt-")).map(str::to_owned));
        checked += 1;
    }
    assert!(checked >= attempts.len() - 1, "{checked}");
    let unseen: Vec<&str> = attempts
        .iter()
        .enumerate()
        .filter(|(at, _)| !retrieved.contains(&format!("attempt-{at}")))
        .map(|(_, attempt)| attempt.what.as_str())
        .collect();
    assert!(unseen.len() <= 1, "never shown: {unseen:?}");
}

#[test]
fn stored_texts_stay_quoted_in_the_chat_prompt() {
    assert_quoted("chat", "note", "\n\nQuestion: ");
}

#[test]
fn stored_texts_stay_quoted_in_the_boxed_prompt() {
    assert_quoted("boxed", "example", "\n\nNow solve this one:\n\n");
}
