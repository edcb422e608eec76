//! Every confidence signal in a whole run: its inputs, its extra calls, and the models that lack it.

use std::collections::BTreeMap;

use crate::support::{Project, Settings, choices, holds};

/// Signals for written answers, with the number of extra calls per answer.
const WRITTEN: [(&str, usize); 10] = [
    ("mean-token-probability", 0),
    ("sequence-probability", 0),
    ("min-token-probability", 0),
    ("quantile-token-probability", 0),
    ("answer-token-probability", 0),
    ("margin", 0),
    ("entropy", 0),
    ("verbalised", 1),
    ("p-true", 1),
    ("self-consistency", 3),
];

fn with(signal: &str) -> Settings {
    Settings::simulated().set("deferral.signal", signal).set("deferral.draws", 3)
}

#[test]
fn every_signal_gates_and_its_extra_calls_are_charged() {
    for (signal, further) in WRITTEN {
        let project = Project::with(&with(signal));
        project.trial("out", &[]).done();
        let (records, calls, fees) =
            (project.sheet("out", "records"), project.sheet("out", "calls"), project.sheet("out", "fees"));
        let mut distinct: Vec<u64> = Vec::new();
        for row in records.rows() {
            let Some(confidence) = row.optional("confidence") else { continue };
            assert!((0.0..=1.0).contains(&confidence), "{signal}: {confidence}");
            distinct.push(confidence.to_bits());
            if let Some(threshold) = row.optional("threshold") {
                assert_eq!(row.flag("deferred"), confidence < threshold, "{signal}");
            }
        }
        distinct.sort_unstable();
        distinct.dedup();
        assert!(distinct.len() > 2, "{signal} distinguishes answers");
        let mut extra_calls: BTreeMap<(&str, usize, &str), usize> = BTreeMap::new();
        for call in calls.rows().filter(|call| call.text("purpose") == "confidence") {
            assert_eq!(call.text("level"), "0");
            *extra_calls.entry((call.text("arm"), call.count("order"), call.text("item_id"))).or_default() += 1;
        }
        let answers = records.rows().filter(|row| row.optional("confidence").is_some()).count();
        assert_eq!(extra_calls.len(), if further == 0 { 0 } else { answers }, "{signal}");
        assert!(extra_calls.values().all(|times| *times == further), "{signal}");
        let paid = fees.rows().filter(|row| row.text("purpose") == "confidence");
        let paid: Vec<f64> = paid.map(|row| row.number("fee_usd")).collect();
        assert_eq!(paid.len(), if further == 0 { 0 } else { 3 }, "{signal}: each arm that is gated by it");
        assert!(paid.iter().all(|fee| *fee > 0.0));
        let table = project.sheet("out", "calibration");
        assert!(table.rows().all(|row| row.text("signal") == signal));
        holds(&project.trial("out", &[]).done().out, &["0 calls made"]);
    }
}

#[test]
fn options_are_scored_or_read_from_letter_probabilities() {
    for signal in ["option-probability", "option-probability-normalised", "answer-token-probability"] {
        let project = Project::with(&with(signal).set("dataset.path", "questions.csv"));
        project.write("questions.csv", choices(8, 2));
        project.trial("out", &[]).done();
        let records = project.sheet("out", "records");
        let confidences: Vec<f64> = records.rows().filter_map(|row| row.optional("confidence")).collect();
        assert!(
            !confidences.is_empty() && confidences.iter().all(|confidence| (0.0..=1.0).contains(confidence)),
            "{signal}"
        );
    }
    let project = Project::with(&with("option-probability"));
    holds(&project.trial("out", &[]).refused_in_one_line(), &["option-probability needs multiple-choice questions"]);
}

#[test]
fn a_model_without_the_signal_is_refused_before_any_call() {
    let silent = "name = 'small'\nbackend = 'openai'\nbase_url = 'http://127.0.0.1:9/v1'\nlogprobs = false";
    for (signal, _) in WRITTEN.iter().filter(|(signal, _)| !["verbalised", "self-consistency"].contains(signal)) {
        let project = Project::with(&with(signal).model("small", silent));
        let files = project.files().len();
        let error = project.trial("out", &[]).refused_in_one_line();
        holds(
            &error,
            &["deferral.signal", &format!("{signal} needs log-probabilities"), "verbalised, self-consistency"],
        );
        assert_eq!(project.files().len(), files);
    }
}
