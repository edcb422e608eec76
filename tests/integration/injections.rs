//! Texts that try to plant instructions, stored by whole runs and shown to later items: none of them changes how a prompt is
//! built. That a model does as such a text says all the same is another matter, which no quoting prevents.

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

/// What no stored text may bring into a prompt, whatever the case.
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

/// Every attempt as the question of an item, which is stored as a worked case, and as many items without one.
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

/// What the small model was sent for each item with strategies in front: the item, roles and texts.
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

/// With this prompt, whose quotations this tag opens and closes and whose question follows these words.
fn nothing_breaks_out(prompt: &str, tag: &str, before_the_question: &str) {
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
        .set("learning.content", "worked-case")
        .set("learning.store", "always");
    let project = Project::with(&settings);
    project.write("questions.jsonl", stream(&attempts));
    project.trial("out", &[]).done();

    let delimiter = Regex::new(&format!(r"(?i)<\s*/?\s*{tag}\b[^<>]*>")).expect("a pattern");
    let records = project.sheet("out", "records");
    let mut shown = std::collections::BTreeSet::new();
    let sent = sent(&project);
    let mut looked_at = 0;
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
        let told = format!("with {} shown, {item} is sent {text}", used.len());
        let marks: Vec<&str> = delimiter.find_iter(text).map(|found| found.as_str()).collect();
        let expected: Vec<String> = used.iter().flat_map(|_| [format!("<{tag}>"), format!("</{tag}>")]).collect();
        assert_eq!(marks, expected, "{told}");
        let lower = text.to_lowercase();
        for markup in MARKUP {
            assert!(!lower.contains(markup), "{markup}: {told}");
        }
        assert!(text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\t')), "{told}");
        let question = text.rsplit_once(&format!("</{tag}>")).expect("a quotation").1;
        let number: usize = item["plain-".len()..].parse().expect("a number");
        assert_eq!(
            question,
            format!(
                "{before_the_question}At the market Maya buys {} pears and then 2 more. How many pears is that?",
                number + 3
            )
        );
        shown.extend(used.into_iter().filter(|id| id.starts_with("attempt-")).map(str::to_owned));
        looked_at += 1;
    }
    assert!(looked_at >= attempts.len() - 1, "{looked_at}");
    let unseen: Vec<&str> = attempts
        .iter()
        .enumerate()
        .filter(|(at, _)| !shown.contains(&format!("attempt-{at}")))
        .map(|(_, attempt)| attempt.what.as_str())
        .collect();
    assert!(unseen.len() <= 1, "never shown: {unseen:?}");
}

#[test]
fn nothing_breaks_out_of_the_chat_prompts_quotations() {
    nothing_breaks_out("chat", "note", "\n\nQuestion: ");
}

#[test]
fn nothing_breaks_out_of_the_boxed_prompts_quotations() {
    nothing_breaks_out("boxed", "example", "\n\nNow solve this one:\n\n");
}
