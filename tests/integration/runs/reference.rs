//! The data set's own solutions as the strong level: always correct, and always identified as reference.

use super::{Finished, finished};
use crate::support::{Settings, holds};

const NAMED: &str = "the data set's worked solutions";

#[test]
fn the_reference_is_always_correct_and_always_named() {
    let run = Finished::of(&Settings::reference());
    for row in run.sheet("records").rows().filter(|row| row.flag("deferred")) {
        assert_eq!(row.text("score"), "correct", "{}", row.text("item_id"));
        assert!(row.count("strong_output_tokens") > 0);
    }
    let reference = |row: &crate::support::Row<'_>| row.text("arm") == "strong-only";
    let accuracy = run.sheet("accuracy");
    let strong = accuracy.rows().find(reference).expect("a row");
    assert_eq!(strong.text("accuracy"), "1.0");
    for text in [run.text("summary.md"), &run.output.out, run.text("manifest.json")] {
        holds(text, &[NAMED, "not the result of a model"]);
    }
    holds(run.text("summary.md"), &["backend reference", "The price of `large` is nominal"]);
    assert!(!finished().text("summary.md").contains(NAMED));
}

#[test]
fn reference_tokens_use_the_configured_tokenizer() {
    let run = Finished::of(&Settings::reference().set("arms", vec!["strong-only"]).set("dataset.orders", 1));
    // "The apples cost 2*3=<<2*3=6>>6 dollars.", "#### 6": seven words.
    for row in run.sheet("records").rows() {
        assert_eq!(row.count("strong_output_tokens"), 7, "{}", row.text("item_id"));
    }
}

#[test]
fn reference_strategies_are_examples_without_annotations() {
    let run = Finished::of(&Settings::reference());
    for strategy in run.strategies() {
        let text = strategy["text"].as_str().expect("a text");
        holds(text, &["Question: ", "\nAnswer: ", "#### "]);
        assert!(!text.contains("<<"), "{text}");
        assert_eq!(strategy["source_score"], "correct");
    }
    assert!(!run.strategies().is_empty());
}
