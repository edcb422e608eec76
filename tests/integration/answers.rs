//! Answers read from outputs that were labelled by hand: of two small models on our own problems, and written for what
//! other harnesses are known to read wrongly. A label is the answer that a reader takes the text to give; `strict` is what
//! GSM8K's own expression finds.

use std::collections::BTreeSet;

use intercascade::task::extraction::Extraction;
use intercascade::task::math::extract;
use intercascade::task::strategy::split;
use intercascade::task::{Grader, Task};
use intercascade::types::chat::Response;
use intercascade::types::item::{Item, Target};
use intercascade::types::record::Score;
use serde::Deserialize;

use crate::support::repository;

#[derive(Deserialize)]
struct Labelled {
    by: String,
    text: String,
    /// None where nothing is answered.
    answer: Option<String>,
    #[serde(default)]
    strict: Option<String>,
    /// Whether the question may have no answer.
    #[serde(default)]
    none: bool,
    #[serde(default)]
    options: Vec<String>,
    /// Whether the rules are known to read it otherwise.
    #[serde(default)]
    misread: bool,
}

impl Labelled {
    fn item(&self, target: &str) -> Item {
        let place = || usize::from(target.as_bytes()[0] - b'A');
        let target = match self.options.len() {
            0 if target == "none" => Target::Unanswerable,
            0 => Target::Number(target.to_owned()),
            _ => Target::Choice(place()),
        };
        Item {
            id: "1".into(),
            group: "1".into(),
            query: String::new(),
            options: self.options.clone(),
            target,
            solution: None,
            subject: None,
        }
    }

    fn grader(&self) -> Grader {
        if !self.options.is_empty() {
            return Grader::usual(Task::Choice);
        }
        let mut grader = Grader::usual(Task::Math);
        if self.none {
            grader.rules.insert(0, Extraction::NoneStated);
        }
        grader
    }
}

fn labelled() -> Vec<Labelled> {
    let text = std::fs::read_to_string(repository().join("tests/fixtures/answers.jsonl")).expect("readable");
    text.lines().map(|line| serde_json::from_str(line).expect("a label")).collect()
}

#[test]
fn every_labelled_output_is_read_as_its_reader_reads_it() {
    let labelled = labelled();
    let recorded = labelled.iter().filter(|output| output.by != "written").count();
    assert!(recorded >= 250 && labelled.len() >= 360, "{recorded} of {}", labelled.len());
    let misread = labelled.iter().filter(|output| output.misread).count();
    assert!(misread * 100 <= recorded * 2, "{misread} of {recorded}");
    let mut wrong = Vec::new();
    for output in &labelled {
        let grader = output.grader();
        let (target, expected) = match output.answer.as_deref() {
            Some(answer) => (answer, Score::Correct),
            None if output.options.is_empty() => ("1", Score::NoAnswer),
            None => ("A", Score::NoAnswer),
        };
        let item = output.item(target);
        let read = grader.grade(&item, &Response::default(), &output.text);
        if output.misread {
            assert_ne!(read.score, expected, "{:?} is read now: take its mark off", output.text);
            continue;
        }
        if read.score != expected {
            wrong.push(format!("{:?} is read as {:?} instead of {:?}", output.text, read.answer, output.answer));
        }
        // What is right for this target is wrong for any other.
        if output.options.is_empty() && expected == Score::Correct {
            let other = grader.grade(&output.item("123456789"), &Response::default(), &output.text);
            if other.score != Score::Incorrect {
                wrong.push(format!("{:?} is no answer at all", output.text));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), labelled.len(), wrong.join("\n"));
}

#[test]
fn the_strict_rule_reads_what_gsm8ks_own_expression_reads() {
    for output in labelled().iter().filter(|output| output.options.is_empty() && !output.none) {
        let item = output.item(output.strict.as_deref().unwrap_or("1"));
        let strict = output.grader().grade_strictly(&item, &Response::default(), &output.text);
        let wanted = if output.strict.is_some() { Score::Correct } else { Score::NoAnswer };
        assert_eq!(strict.score, wanted, "{:?} is read as {:?}", output.text, strict.answer);
    }
}

/// What a strong model wrote where it was asked for a strategy behind its answer.
#[derive(Deserialize)]
struct Taught {
    text: String,
    /// The answer before the strategy; none where no rule reads it as a reader does.
    answer: Option<String>,
    /// The strategy's first words; none where it wrote none.
    strategy: Option<String>,
}

#[test]
fn strategies_of_a_real_model_are_found_behind_its_answers_which_are_kept() {
    let text = std::fs::read_to_string(repository().join("tests/fixtures/strategies.jsonl")).expect("readable");
    let outputs: Vec<Taught> = text.lines().map(|line| serde_json::from_str(line).expect("a label")).collect();
    assert!(outputs.len() >= 60 && outputs.iter().filter(|output| output.strategy.is_none()).count() >= 10);
    let mut forms = BTreeSet::new();
    for Taught { text, answer, strategy } in outputs {
        let (before, found) = split(&text);
        match (&strategy, found) {
            (Some(words), Some(found)) => assert!(found.starts_with(words), "{words:?} is not where {found:?} begins"),
            (None, None) => assert_eq!(before, text, "nothing is cut off"),
            _ => panic!("{strategy:?}, but found {found:?}: {text}"),
        }
        if let Some(found) = found {
            let mark = text[before.len()..].trim_start();
            forms.insert(mark[..mark.find(found).expect("behind the mark")].trim().to_owned());
        }
        if let Some(answer) = answer {
            let read = extract(before, Extraction::usual(Task::Math)).map(|(number, _)| number.to_string());
            assert_eq!(read, Some(answer), "{before}");
        }
    }
    assert!(forms.len() >= 6, "models write the mark in many forms: {forms:?}");
}
