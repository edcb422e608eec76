//! Answers read from outputs that were labelled by hand: of two small models on our own problems, and written for what
//! other harnesses are known to read wrongly. A label is the answer that a reader takes the text to give; `strict` is what
//! GSM8K's own expression finds.

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
    /// None where nothing is answered.
    answer: Option<String>,
    #[serde(default)]
    strict: Option<String>,
    /// Whether the question may have no answer.
    #[serde(default)]
    none: bool,
    #[serde(default)]
    options: Vec<String>,
    /// The gold term, of a question whose answer is no number; [`Self::right`] says whether the text gives it.
    #[serde(default)]
    term: Option<String>,
    #[serde(default)]
    right: bool,
    /// Why the model stopped.
    #[serde(default)]
    finish: Finish,
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
fn every_labelled_output_is_read_as_its_reader_reads_it() {
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
        // What is right for this target is wrong for any other.
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
fn the_strict_rule_reads_what_gsm8ks_own_expression_reads() {
    for output in labelled().iter().filter(|output| output.options.is_empty() && !output.none && output.term.is_none())
    {
        let item = output.item(output.strict.as_deref().unwrap_or("1"));
        let strict = output.grader().grade_strictly(&item, &Response::default(), &output.text);
        let wanted = if output.strict.is_some() { Score::Correct } else { Score::NoAnswer };
        assert_eq!(strict.score, wanted, "{:?} is read as {:?}", output.text, strict.answer);
    }
}

#[test]
fn every_labelled_term_is_compared_as_its_reader_compares_it() {
    let labelled = labelled();
    let terms: Vec<(&Labelled, &String)> = labelled.iter().filter_map(|row| Some((row, row.term.as_ref()?))).collect();
    assert!(terms.len() >= 25, "{}", terms.len());
    for (output, term) in terms {
        let item = Item { target: Target::Expression(term.clone()), ..output.item("1") };
        let read = output.grader().grade(&item, &output.response(), &output.text);
        let wanted = if output.right { Score::Correct } else { Score::Incorrect };
        assert_eq!(read.score, wanted, "{:?} is read as {:?}, the gold is {term}", output.text, read.answer);
    }
}

/// A number as another program writes it.
#[derive(Deserialize)]
struct Written {
    source: String,
    text: String,
    /// Its exact value as a fraction.
    value: String,
}

#[test]
fn numbers_that_other_programs_write_are_read_exactly() {
    let text = std::fs::read_to_string(repository().join("tests/fixtures/numbers.jsonl")).expect("readable");
    let rows: Vec<Written> = text.lines().map(|line| serde_json::from_str(line).expect("a number")).collect();
    assert!(rows.len() >= 300, "{}", rows.len());
    let item = |value: &str| Item { target: Target::Number(value.to_owned()), ..plain_item() };
    let grader = Grader::usual(Task::Math);
    for Written { source, text, value } in rows {
        assert_eq!(parse(&text).map(|read| read.to_string()).as_ref(), Some(&value), "{source}: {text}");
        // The same grammar reads an output.
        let output = format!("3 * 4 = 12 of them, and 5 more.\n#### {text}");
        let read = grader.grade(&item(&value), &Response::default(), &output);
        assert_eq!(read.score, Score::Correct, "{source}: {output:?} is read as {:?}", read.answer);
    }
}

fn plain_item() -> Item {
    testing::item("1", "1")
}

#[test]
fn a_reading_names_its_rule_its_bytes_and_its_value() {
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
        let place = grader.place(&item, &Response { text: text.to_owned(), ..Response::default() });
        assert_eq!((by, &text[at.clone()], read.as_str(), place), (rule, span, value, Some(at)), "{text}");
    }
    assert_eq!(grader.reading(&item, &Response::default(), "I do not know."), None);
    let options = vec!["left".to_owned(), "right".to_owned()];
    let item = Item { options, target: Target::Choice(0), ..plain_item() };
    let read = Grader::usual(Task::Choice).reading(&item, &Response::default(), "The answer is **B**.");
    assert_eq!(read, Some(Read { rule: Extraction::AnswerIs, span: 16..17, value: "B".into() }));
}

#[test]
fn options_of_one_text_are_equally_right() {
    let options = ["up", "no change", "down", "Up "].map(String::from).to_vec();
    let item = Item { options, target: Target::Choice(3), ..plain_item() };
    let score = |text: &str| Grader::usual(Task::Choice).grade(&item, &Response::default(), text).score;
    assert_eq!(["A", "D", "up"].map(score), [Score::Correct; 3]);
    assert_eq!(score("B"), Score::Incorrect);
}

#[test]
fn reading_takes_time_in_proportion_to_the_text() {
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
            // A tenth of a second is usual; what grows with the square takes minutes.
            assert!(begun.elapsed() < Duration::from_secs(5), "{unit:?} {task:?} {:?}", begun.elapsed());
            assert!(read.answer.is_none_or(|answer| answer.len() < 3000), "{unit:?}");
        }
    }
}

proptest! {
    /// Letters that make no number in words, and everything else that is no digit.
    #[test]
    fn a_text_without_a_number_has_no_answer(text in r"[^\p{N}eEhH]{0,200}") {
        let read = Grader::usual(Task::Math).reading(&plain_item(), &Response::default(), &text);
        prop_assert_eq!(read, None);
    }

    #[test]
    fn no_text_breaks_the_reader(text in r"(?s)(?:\\boxed\{|\\frac|####|answer is|\*\*|<think>|\(A\)|[0-9]{1,3}|[,.:/^_{}$ \n-]|.){0,60}") {
        for (task, target) in [(Task::Math, Target::Number("1".into())), (Task::Math, Target::Expression("x".into())), (Task::Choice, Target::Choice(0))] {
            let item = Item { options: ["x y", "7"].map(String::from).to_vec(), target, ..plain_item() };
            if let Some(read) = Grader::usual(task).reading(&item, &Response::default(), &text) {
                prop_assert!(text.get(read.span.clone()).is_some(), "{:?} is no part of the text", read.span);
            }
        }
    }

    #[test]
    fn a_number_is_read_whole_behind_every_marker(whole in 0_u64..10_000_000, decimals in 0_u32..100, negative: bool) {
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
