//! Grading of recorded answers: both scores, unreadable answers, and questions without an answer.

use serde_json::{Value, json};

use crate::support::{Project, Settings, holds};

/// Builds a project in the shape of GSM-Plus, with weak answers to its questions.
fn project(answers: &[&str]) -> Project {
    let recorded = |name: &str| format!("name = '{name}'\nbackend = 'replay'\nrecording = '{name}.jsonl'");
    let settings = Settings::simulated()
        .set("arms", vec!["weak-only"])
        .set("dataset.orders", 1)
        .model("small", &recorded("small"))
        .model("large", &recorded("large"));
    let project = Project::with(&settings);
    let golds = ["12", "None", "12", "None", "12"];
    let row = |(id, gold): (usize, &&str)| {
        format!(
            "{}\n",
            json!({"question": format!("Question {id}?"), "solution": "So.", "answer": gold, "seed_question": "A question?"})
        )
    };
    project.write("questions.jsonl", golds.iter().enumerate().map(row).collect::<String>());
    let answer = |(id, text): (usize, &&str)| {
        format!("{}\n", json!({"item_id": id.to_string(), "text": text, "confidence": 0.5}))
    };
    let table: String = answers.iter().enumerate().map(answer).collect();
    project.write("small.jsonl", &table);
    project.write("large.jsonl", &table);
    project
}

#[test]
fn records_hold_both_scores_and_unread_answers_are_listed() {
    let project = project(&["#### 12", "#### None", "It is 12.", "#### 12", "I cannot say."]);
    let output = project.trial("out", &[]).done();
    holds(&output.out, &["no answer could be extracted for 20.0 % of the items. See unparsed.jsonl"]);
    let records = project.sheet("out", "records");
    let mut readings: Vec<[&str; 4]> = records
        .rows()
        .map(|row| ["item_id", "weak_answer", "weak_score", "weak_score_strict"].map(|column| row.text(column)))
        .collect();
    readings.sort_unstable();
    let expected = [
        ["0", "12", "correct", "correct"],
        ["1", "none", "correct", "correct"],
        ["2", "12", "correct", "no-answer"],
        ["3", "12", "incorrect", "incorrect"],
        ["4", "", "no-answer", "no-answer"],
    ];
    assert_eq!(readings, expected);
    let unparsed = project.text("out/unparsed.jsonl");
    let lines: Vec<Value> = unparsed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 1);
    assert_eq!((&lines[0]["item_id"], &lines[0]["model"]), (&json!("4"), &json!("small")));
    assert_eq!(lines[0]["text"], Value::Null, "a replayed answer's text is in the recording, not in the journal");
    let manifest: Value = serde_json::from_str(&project.text("out/manifest.json")).expect("JSON");
    let rules = manifest["identity"]["extraction"].as_str().expect("a text");
    assert!(rules.starts_with("none-stated v2, boxed v3"), "{rules}");
    assert_eq!(manifest["prompts"][0]["sha256"].as_str().map(str::len), Some(64));
}

#[test]
fn rules_and_prompts_that_do_not_fit_the_task_are_refused() {
    let project = project(&["#### 12"; 5]);
    for (set, parts) in [
        ("dataset.extraction=[\"letter\"]", ["the rule `letter` does not apply", "dataset.extraction"]),
        ("dataset.extraction=[\"gsm8k-stric\"]", ["unknown value", "did you mean `gsm8k-strict`?"]),
    ] {
        holds(&project.trial("out", &["--set", set]).refused_in_one_line(), &parts);
    }
    let choices = Project::with(&Settings::simulated().set("dataset.path", "choices.csv"));
    choices.write("choices.csv", crate::support::choices(2, 2));
    for (set, parts) in [
        ("model.small.prompt=\"mmlu-0-shot\"", ["names the question's subject", "Choose another prompt"]),
        ("dataset.extraction=[\"option-likelihood\"]", ["add a rule that reads generated text", "dataset.extraction"]),
    ] {
        holds(&choices.trial("out", &["--set", set]).refused_in_one_line(), &parts);
    }
    assert!(!choices.path("out").exists());
}

#[test]
fn options_are_scored_per_character_if_the_signal_asks() {
    let settings = Settings::simulated().set("dataset.path", "choices.csv");
    let project = Project::with(&settings.set("deferral.signal", "option-probability-normalised"));
    project.write("choices.csv", crate::support::choices(2, 2));
    project.trial("out", &[]).done();
    let manifest = project.text("out/manifest.json");
    holds(&manifest, &["option-likelihood-normalised v1, answer-is v3", "option-probability-normalised"]);
    let set = "dataset.extraction=[\"answer-is\"]";
    holds(&project.trial("other", &["--set", set]).refused_in_one_line(), &["must be used together"]);
}
