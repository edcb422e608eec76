//! Checks on small problems. Recorded answers are in tests/fixtures/checks.jsonl.

use super::given::given;
use super::*;
use crate::task::{Grader, Task};
use crate::types::check::Check;
use crate::types::item::{Item, Target};
use crate::types::record::{Graded, Score, Solved};
use crate::types::testing;

const QUESTION: &str = "A pen costs $3 and a pad costs $5. Ida buys 4 pens and 2 pads. How much does she pay?";
const SOLUTION: &str = "Pens: 4 * 3 = 12. Pads: 2 * 5 = 10.\nTogether 12 + 10 = 22.\n#### 22";

fn passes(check: Check, question: &str, text: &str, answer: &str) -> Option<bool> {
    Work::new(question, text, Some(answer), &[], AtLeast::Count(1)).passes(check)
}

fn with_example(check: Check, question: &str, text: &str, answer: &str, example: Example) -> Option<bool> {
    Work::new(question, text, Some(answer), &[example], AtLeast::Count(1)).passes(check)
}

/// Returns the first answer that an example's calculations yield on the numbers of another question.
fn replayed(question: &str, example: &Example) -> Option<BigRational> {
    let flow = Flow::new(example.question, example.solution)?;
    replay::replays(&given(question), &flow, &exact(example.answer?)?).into_iter().next()
}

fn shop() -> Example<'static> {
    Example { question: QUESTION, solution: SOLUTION, answer: Some("22") }
}

#[test]
fn numbers_of_a_question_have_their_forms() {
    let values = |text: &str| given(text).iter().map(|given| given.value.to_string()).collect::<Vec<_>>();
    assert_eq!(values(QUESTION), ["3", "5", "4", "2"]);
    assert_eq!(
        values("Twice as many as the twenty-five of them, half of a dozen, one apple"),
        ["2", "25", "1/2", "12"]
    );
    assert_eq!(values("No number here."), [""; 0]);
    let forms = |text: &str| given(text)[0].forms.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(forms("20 % of them"), ["20", "1/5", "4/5", "6/5", "80", "120"]);
    assert_eq!(forms("20 percent of them"), forms("20% of them"));
    assert_eq!(forms("25 cents each"), ["25", "1/4"]);
    assert_eq!(forms("half of them"), ["1/2", "1/2", "2"]);
    assert_eq!(forms("20 apples"), ["20", "19"], "the others beside one");
    assert_eq!(forms("$20 for it"), ["20"]);
}

#[test]
fn calculations_must_be_right_and_end_in_the_answer() {
    let check = |text, answer| passes(Check::Calculations, QUESTION, text, answer);
    assert_eq!(check(SOLUTION, "22"), Some(true));
    assert_eq!(check(SOLUTION, "23"), Some(false), "not the last result");
    assert_eq!(check("4 * 3 = 13. 13 + 10 = 23", "23"), Some(false), "wrong");
    assert_eq!(check("She pays 22.", "22"), Some(false), "too few");
    assert_eq!(Work::new(QUESTION, SOLUTION, None, &[], AtLeast::Count(1)).passes(Check::Calculations), None);
}

#[test]
fn every_number_in_digits_must_be_used() {
    let check = |question, text| passes(Check::AllNumbersUsed, question, text, "1");
    assert_eq!(check(QUESTION, SOLUTION), Some(true));
    assert_eq!(check(QUESTION, "4 * 3 = 12"), Some(false));
    assert_eq!(check("20% of 50 apples are bad. How many?", "0.2 * 50 = 10"), Some(true));
    assert_eq!(check("20% of 50 apples are bad. How many are good?", "50 * 0.8 = 40"), Some(true));
    assert_eq!(check("The two sisters have 3 apples each.", "3 + 3 = 6"), Some(true), "words need not be used");
}

#[test]
fn every_number_must_have_a_source() {
    let check = |question, text| passes(Check::GroundedNumbers, question, text, "1");
    assert_eq!(check(QUESTION, SOLUTION), Some(true));
    assert_eq!(check(QUESTION, "4 * 3 = 12\n12 + 7 = 19"), Some(false), "7 is from nowhere");
    assert_eq!(check(QUESTION, "4 * 3 + 2 * 5 = 12 + 10 = 22"), Some(true), "parts of an expression are results");
    assert_eq!(check("How far in 2 hours?", "2 * 60 = 120"), Some(true), "an hour has 60 minutes");
    assert_eq!(check("How far in 2 steps?", "2 * 60 = 120"), Some(false));
    assert_eq!(check(QUESTION, "She pays 22."), Some(true), "no calculation, no number without a source");
}

#[test]
fn an_answer_follows_the_example_by_operations_and_sources() {
    let question = "A pen costs $7 and a pad costs $2. Ole buys 6 pens and 9 pads. How much does he pay?";
    let check = |text, answer| with_example(Check::FollowsExample, question, text, answer, shop());
    assert_eq!(check("6 * 7 = 42, 9 * 2 = 18, 42 + 18 = 60", "60"), Some(true));
    assert_eq!(check("7 * 6 = 42 and 2 * 9 = 18: 18 + 42 = 60", "60"), Some(true), "operands change places");
    assert_eq!(check("6 * 7 + 9 * 2 = 60", "60"), Some(true), "in one step");
    assert_eq!(check("6 * 7 = 42, 9 * 2 = 18, 42 - 18 = 24", "24"), Some(false), "another operation");
    assert_eq!(check("6 * 7 = 42, 9 * 42 = 378, 42 + 378 = 420", "420"), Some(false), "a result in place of a number");
    assert_eq!(check("6 * 7 = 42, 9 * 5 = 45, 42 + 45 = 87", "87"), Some(false), "a number from nowhere");
    assert_eq!(check("6 * 7 = 42, 6 * 2 = 12, 42 + 12 = 54", "54"), Some(false), "one number for two");
    assert_eq!(check("He pays 60.", "60"), Some(false), "nothing is calculated");
}

#[test]
fn example_checks_need_an_example_that_yields_its_answer() {
    for check in [Check::FollowsExample, Check::ExampleReplay] {
        assert_eq!(passes(check, QUESTION, SOLUTION, "22"), None);
        let silent = Example { solution: "She pays 22.", ..shop() };
        assert_eq!(with_example(check, QUESTION, SOLUTION, "22", silent), None);
        assert_eq!(with_example(check, QUESTION, SOLUTION, "22", Example { answer: None, ..shop() }), None);
    }
    let silent = Example { solution: "She pays 22.", ..shop() };
    let two = Work::new(QUESTION, SOLUTION, Some("22"), &[silent, shop()], AtLeast::Count(1));
    assert_eq!(two.passes(Check::FollowsExample), Some(true), "one example is enough");
}

#[test]
fn an_example_is_replayed_on_other_numbers_in_another_order() {
    let question = "Ole buys 6 pens and 9 pads. A pen costs $7 and a pad costs $2. How much does he pay?";
    assert_eq!(replayed(question, &shop()).map(|value| value.to_string()).as_deref(), Some("60"));
    let check = |answer| with_example(Check::ExampleReplay, question, "so it is", answer, shop());
    assert_eq!((check("60"), check("61")), (Some(true), Some(false)));
    let fewer = "Ole buys 6 pens. A pen costs $7. How much does he pay?";
    assert_eq!(replayed(fewer, &shop()), None, "there are too few numbers");
    let distracted = "Ole, who is 41, buys 6 pens and 9 pads. A pen costs $7 and a pad costs $2. How much does he pay?";
    assert_eq!(replayed(distracted, &shop()).map(|value| value.to_string()).as_deref(), Some("60"));
}

#[test]
fn contradictory_solutions_are_detected() {
    let question = "Ole buys 6 pens and 9 pads. A pen costs $7 and a pad costs $2. How much does he pay?";
    let right = Example { question, solution: "6 * 7 = 42\n9 * 2 = 18\n42 + 18 = 60", answer: Some("60") };
    let wrong = Example { question, solution: "6 * 7 = 42\n42 + 9 = 51\n51 * 2 = 102", answer: Some("102") };
    assert!(!contradicts(&shop(), &right) && !contradicts(&right, &shop()));
    assert!(contradicts(&shop(), &wrong) && contradicts(&wrong, &shop()));
    let without_work = Example { solution: "He pays 61.", answer: Some("61"), ..right };
    assert!(contradicts(&shop(), &without_work), "its answer can be compared");
    assert!(!contradicts(&without_work, &shop()), "it has nothing that could be done again");
    assert!(!contradicts(&shop(), &Example { answer: None, ..right }));
}

#[test]
fn replay_uses_the_form_that_the_example_uses() {
    let example = Example {
        question: "15 percent of 80 seeds fail. How many sprout?",
        solution: "0.15 * 80 = 12\n80 - 12 = 68",
        answer: Some("68"),
    };
    let value = replayed("Of 200 seeds 30% fail. How many sprout?", &example);
    assert_eq!(value.map(|value| value.to_string()).as_deref(), Some("140"));
}

#[test]
fn checks_terminate_with_equal_numbers() {
    let question = "2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2";
    let text =
        "2 + 2 = 4. ".repeat(3) + &"2 * 2 + 2 * 2 + 2 * 2 + 2 * 2 + 2 * 2 + 2 * 2 + 2 * 2 + 2 * 2 = 32. ".repeat(20);
    let example = Example { question, solution: &text, answer: Some("32") };
    let begun = std::time::Instant::now();
    let other = text.replace("+ 2 * 2 =", "- 2 * 2 + 4 + 4 =");
    assert!(with_example(Check::FollowsExample, question, &other, "32", example).is_some());
    assert!(begun.elapsed().as_secs() < 20);
}

#[test]
fn texts_with_too_many_calculations_are_not_followed() {
    let lines: Vec<String> = (0..500).map(|n| format!("{n} + 1 = {}.", n + 1)).collect();
    let text = lines.join(" ");
    assert_eq!(passes(Check::GroundedNumbers, QUESTION, &text, "500"), Some(false));
    let example = Example { solution: &text, answer: Some("500"), ..shop() };
    assert_eq!(with_example(Check::FollowsExample, QUESTION, SOLUTION, "22", example), None);
}

/// A recorded answer with the outcome of a check.
#[derive(serde::Deserialize)]
struct Case {
    check: Check,
    item: String,
    outcome: Option<bool>,
    why: String,
    /// True if the answer is correct.
    right: bool,
    answer: Option<String>,
    question: String,
    /// The options; empty for a word problem.
    #[serde(default)]
    options: Vec<String>,
    text: String,
    example: Option<Retrieved>,
    /// True if a careful reader would disagree with the check.
    #[serde(default)]
    differs: bool,
}

#[derive(serde::Deserialize)]
struct Retrieved {
    question: String,
    solution: String,
    answer: Option<String>,
}

fn cases() -> Vec<Case> {
    let lines = include_str!("../../../tests/fixtures/checks.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).expect("a case")).collect()
}

/// Runs the case's check on the answer.
fn found(case: &Case) -> Option<bool> {
    let task = if case.check.is_for_options() { Task::Choice } else { Task::Math };
    let target = if case.check.is_for_options() { Target::Choice(0) } else { Target::Number("0".to_owned()) };
    let (query, options) = (case.question.clone(), case.options.clone());
    let item = Item { query, options, target, ..testing::item("1", "1") };
    let shown = case.example.as_ref().map(|shown| Solved {
        question: shown.question.clone(),
        solution: shown.solution.clone(),
        answer: shown.answer.clone(),
    });
    let answered = Graded { answer: case.answer.clone(), score: Score::Incorrect };
    Grader::usual(task).checks(&item, &case.text, &answered, shown.iter()).of(case.check)
}

#[test]
fn recorded_answers_have_their_outcomes() {
    let mut wrong = Vec::new();
    for case in cases() {
        let found = found(&case);
        if found != case.outcome {
            wrong.push(format!("{} of {}: {found:?}, but: {}", case.check.name(), case.item, case.why));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_check_has_recorded_false_alarms_and_misses() {
    let cases = cases();
    for check in Check::ALL {
        let own: Vec<&Case> = cases.iter().filter(|case| case.check == check).collect();
        assert!(own.len() >= 20, "{} of {}", own.len(), check.name());
        let alarms = own.iter().filter(|case| case.right && case.outcome == Some(false)).count();
        let misses = own.iter().filter(|case| !case.right && case.outcome == Some(true)).count();
        assert!(alarms > 0 && misses > 0, "{}: {alarms} alarms, {misses} misses", check.name());
    }
    assert!(cases.iter().filter(|case| case.differs).count() <= cases.len() / 10);
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_a_check(
        question in r"[a-z0-9 .,%$=+*/()-]{0,80}",
        text in r"([a-z0-9 .,%$=+*/()\\{}-]|\\frac|\\boxed|\n| = ){0,60}",
        example in r"([0-9]{1,3} [-+*/] [0-9]{1,3} = [0-9]{1,3}\n){0,5}",
        answer in proptest::option::of(-50_i64..50),
    ) {
        let answer = answer.map(|answer| answer.to_string());
        let shown = Example { question: &question, solution: &example, answer: answer.as_deref() };
        let outcomes = Work::new(&question, &text, answer.as_deref(), &[shown], AtLeast::Count(1)).outcomes();
        for check in Check::ALL {
            proptest::prop_assert!(answer.is_some() || outcomes.of(check).is_none());
        }
    }
}
