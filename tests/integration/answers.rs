//! Answers extracted from manually labelled outputs: outputs of two small models to our own problems, and texts written
//! for cases that other harnesses are known to misread. A label is the answer that a human reader finds in the text.
//! `strict` is the answer that GSM8K's own regular expression finds.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use intercascade::task::extraction::Extraction;
use intercascade::task::math::{extract, parse};
use intercascade::task::strategy::split;
use intercascade::task::{Grader, Read, Task};
use intercascade::types::chat::{Finish, Response};
use intercascade::types::item::{Item, Target};
use intercascade::types::record::Score;
use intercascade::types::testing;
use proptest::prelude::*;
use serde::Deserialize;

use crate::support::repository;

#[derive(Deserialize)]
struct Labelled {
    by: String,
    text: String,
    /// `None` if the text gives no answer.
    answer: Option<String>,
    #[serde(default)]
    strict: Option<String>,
    /// True if the question may have no answer.
    #[serde(default)]
    none: bool,
    #[serde(default)]
    options: Vec<String>,
    /// Gold term, for a question whose answer is not a number. [`Self::right`] is true if the text gives this term.
    #[serde(default)]
    term: Option<String>,
    #[serde(default)]
    right: bool,
    /// Reason why the model stopped.
    #[serde(default)]
    finish: Finish,
    /// True if the rules are known to read the output differently from its label.
    #[serde(default)]
    misread: bool,
}

impl Labelled {
    fn item(&self, target: &str) -> Item {
        let index = || usize::from(target.as_bytes()[0] - b'A');
        let target = match self.options.len() {
            0 if target == "none" => Target::Unanswerable,
            0 => Target::Number(target.to_owned()),
            _ => Target::Choice(index()),
        };
        Item { options: self.options.clone(), target, ..plain_item() }
    }

    fn response(&self) -> Response {
        Response { text: self.text.clone(), finish: self.finish, ..Response::default() }
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
fn every_labelled_output_yields_its_labelled_answer() {
    let labelled = labelled();
    let recorded = labelled.iter().filter(|output| output.by != "written").count();
    assert!(recorded >= 250 && labelled.len() >= 650, "{recorded} of {}", labelled.len());
    let misread = labelled.iter().filter(|output| output.misread).count();
    assert!(misread * 100 <= recorded * 2, "{misread} of {recorded}");
    let mut wrong = Vec::new();
    for output in labelled.iter().filter(|output| output.term.is_none()) {
        let grader = output.grader();
        let (target, expected) = match output.answer.as_deref() {
            Some(answer) => (answer, Score::Correct),
            None if output.options.is_empty() => ("1", Score::NoAnswer),
            None => ("A", Score::NoAnswer),
        };
        let item = output.item(target);
        let read = grader.grade(&item, &output.response(), &output.text);
        if output.misread {
            assert_ne!(read.score, expected, "{:?} is read now: take its mark off", output.text);
            continue;
        }
        if read.score != expected {
            wrong.push(format!("{:?} is read as {:?} instead of {:?}", output.text, read.answer, output.answer));
        }
        // An answer that is correct for this target is incorrect for any other.
        if output.options.is_empty() && expected == Score::Correct {
            let other = grader.grade(&output.item("123456789"), &output.response(), &output.text);
            if other.score != Score::Incorrect {
                wrong.push(format!("{:?} is no answer at all", output.text));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), labelled.len(), wrong.join("\n"));
}

#[test]
fn the_strict_rule_agrees_with_the_gsm8k_expression() {
    for output in labelled().iter().filter(|output| output.options.is_empty() && !output.none && output.term.is_none())
    {
        let item = output.item(output.strict.as_deref().unwrap_or("1"));
        let strict = output.grader().grade_strictly(&item, &Response::default(), &output.text);
        let expected = if output.strict.is_some() { Score::Correct } else { Score::NoAnswer };
        assert_eq!(strict.score, expected, "{:?} is read as {:?}", output.text, strict.answer);
    }
}

#[test]
fn every_labelled_term_is_compared_as_labelled() {
    let labelled = labelled();
    let terms: Vec<(&Labelled, &String)> = labelled.iter().filter_map(|row| Some((row, row.term.as_ref()?))).collect();
    assert!(terms.len() >= 25, "{}", terms.len());
    for (output, term) in terms {
        let item = Item { target: Target::Expression(term.clone()), ..output.item("1") };
        let read = output.grader().grade(&item, &output.response(), &output.text);
        let expected = if output.right { Score::Correct } else { Score::Incorrect };
        assert_eq!(read.score, expected, "{:?} is read as {:?}, the gold is {term}", output.text, read.answer);
    }
}

/// Number as another program prints it.
#[derive(Deserialize)]
struct Written {
    source: String,
    text: String,
    /// Exact value as a fraction.
    value: String,
}

#[test]
fn numbers_printed_by_other_programs_are_read_exactly() {
    let text = std::fs::read_to_string(repository().join("tests/fixtures/numbers.jsonl")).expect("readable");
    let rows: Vec<Written> = text.lines().map(|line| serde_json::from_str(line).expect("a number")).collect();
    assert!(rows.len() >= 300, "{}", rows.len());
    let item = |value: &str| Item { target: Target::Number(value.to_owned()), ..plain_item() };
    let grader = Grader::usual(Task::Math);
    for Written { source, text, value } in rows {
        assert_eq!(parse(&text).map(|read| read.to_string()).as_ref(), Some(&value), "{source}: {text}");
        // The extraction of answers uses the same grammar.
        let output = format!("3 * 4 = 12 of them, and 5 more.\n#### {text}");
        let read = grader.grade(&item(&value), &Response::default(), &output);
        assert_eq!(read.score, Score::Correct, "{source}: {output:?} is read as {:?}", read.answer);
    }
}

fn plain_item() -> Item {
    testing::item("1", "1")
}

#[test]
fn a_reading_reports_its_rule_byte_range_and_value() {
    let (grader, item) = (Grader::usual(Task::Math), plain_item());
    for (text, rule, span, value) in [
        ("é: \\boxed{\\$1,250}", Extraction::Boxed, "\\$1,250", "1250"),
        ("<think>é 9</think>So 3 * 4 = 12\n#### -2 1/2 m^2", Extraction::HashMarks, "-2 1/2", "-5/2"),
        ("The answer is twelve, not 5.", Extraction::AnswerIs, "twelve", "12"),
        ("**7 eggs** of 12", Extraction::Bold, "7", "7"),
        ("of 12 eggs 7", Extraction::Gsm8kFlexible, "7", "7"),
    ] {
        let read = grader.reading(&item, &Response::default(), text);
        let Some(Read { rule: by, span: at, value: read }) = read else { panic!("{text} is not read") };
        let index = grader.place(&item, &Response { text: text.to_owned(), ..Response::default() });
        assert_eq!((by, &text[at.clone()], read.as_str(), index), (rule, span, value, Some(at)), "{text}");
    }
    assert_eq!(grader.reading(&item, &Response::default(), "I do not know."), None);
    let options = vec!["left".to_owned(), "right".to_owned()];
    let item = Item { options, target: Target::Choice(0), ..plain_item() };
    let read = Grader::usual(Task::Choice).reading(&item, &Response::default(), "The answer is **B**.");
    assert_eq!(read, Some(Read { rule: Extraction::AnswerIs, span: 16..17, value: "B".into() }));
}

#[test]
fn options_with_the_same_text_are_equally_correct() {
    let options = ["up", "no change", "down", "Up "].map(String::from).to_vec();
    let item = Item { options, target: Target::Choice(3), ..plain_item() };
    let score = |text: &str| Grader::usual(Task::Choice).grade(&item, &Response::default(), text).score;
    assert_eq!(["A", "D", "up"].map(score), [Score::Correct; 3]);
    assert_eq!(score("B"), Score::Incorrect);
}

#[test]
fn reading_time_is_linear_in_the_text_length() {
    let choice = Item { options: ["a b", "c d"].map(String::from).to_vec(), target: Target::Choice(0), ..plain_item() };
    let term = Item { target: Target::Expression("x+1".into()), ..plain_item() };
    let kinds = [(Task::Math, plain_item()), (Task::Math, term), (Task::Choice, choice)];
    for unit in [
        "1",
        "1 ",
        "1,",
        "1.",
        "1-",
        "1/",
        "1^",
        "1 1/",
        "{",
        "}",
        "(",
        "\\boxed{",
        "\\boxed{ ",
        "\\boxed{}",
        "\\frac{",
        "\\frac{1}{",
        "\\sqrt{",
        "####",
        "#### \n",
        "answer is ",
        "answer:\n",
        "**1** ",
        "<think>",
        "</think>",
        "Question: 1\n",
        "one and ",
        "(A) ",
        "B is ",
        "so B ",
        "A\n",
        "$x$ ",
        "\\(",
        "wait ",
        "٣",
        "½",
        "555 555 ",
        "<",
        "[[",
        " ",
        "\n",
    ] {
        let text = unit.repeat(1_000_000 / unit.len());
        for (task, item) in &kinds {
            let begun = Instant::now();
            let read = Grader::usual(*task).grade(item, &Response::default(), &text);
            // Linear reading takes about 0.1 s; quadratic reading would take minutes.
            assert!(begun.elapsed() < Duration::from_secs(5), "{unit:?} {task:?} {:?}", begun.elapsed());
            assert!(read.answer.is_none_or(|answer| answer.len() < 3000), "{unit:?}");
        }
    }
}

proptest! {
    /// Generates letters that form no number word, and other characters that are not digits.
    #[test]
    fn a_text_without_a_number_has_no_answer(text in r"[^\p{N}eEhH]{0,200}") {
        let read = Grader::usual(Task::Math).reading(&plain_item(), &Response::default(), &text);
        prop_assert_eq!(read, None);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in r"(?s)(?:\\boxed\{|\\frac|####|answer is|\*\*|<think>|\(A\)|[0-9]{1,3}|[,.:/^_{}$ \n-]|.){0,60}") {
        for (task, target) in [(Task::Math, Target::Number("1".into())), (Task::Math, Target::Expression("x".into())), (Task::Choice, Target::Choice(0))] {
            let item = Item { options: ["x y", "7"].map(String::from).to_vec(), target, ..plain_item() };
            if let Some(read) = Grader::usual(task).reading(&item, &Response::default(), &text) {
                prop_assert!(text.get(read.span.clone()).is_some(), "{:?} is no part of the text", read.span);
            }
        }
    }

    #[test]
    fn a_whole_number_is_read_after_every_marker(whole in 0_u64..10_000_000, decimals in 0_u32..100, negative: bool) {
        let digits = whole.to_string();
        let mut grouped = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        let text = format!("{}{grouped}.{decimals:02}", if negative { "-" } else { "" });
        let item = Item { target: Target::Number(text.replace(',', "")), ..plain_item() };
        for output in [format!("#### ${text} each"), format!("\\boxed{{{text}\\text{{ m}}^2}}"), format!("The answer is {text}."), format!("**{text}** of 9"), format!("7, then {text}.")] {
            let read = Grader::usual(Task::Math).grade(&item, &Response::default(), &output);
            prop_assert_eq!(read.score, Score::Correct, "{} is read as {:?}", output, read.answer);
        }
    }
}

/// Output of a strong model that was asked for a strategy after its answer.
#[derive(Deserialize)]
struct Taught {
    text: String,
    /// Answer before the strategy. `None` if no rule reads the answer that a human reader finds.
    answer: Option<String>,
    /// First words of the strategy. `None` if the model wrote no strategy.
    strategy: Option<String>,
}

#[test]
fn strategies_after_an_answer_are_split_from_it() {
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
