//! Kinds of questions: reading an answer from a model's text and scoring it against the target.

pub mod calculations;
pub mod checks;
pub mod choice;
mod clause;
pub mod confidence;
pub mod extraction;
pub mod latex;
pub mod math;
mod number;
pub mod passage;
mod place;
pub mod prompt;
pub mod strategy;
pub mod template;

use std::borrow::Cow;
use std::ops::Range;

use num_rational::BigRational;
use serde::{Deserialize, Serialize};

use self::calculations::AtLeast;
use self::checks::{Example, Work};
use self::extraction::Extraction;
use crate::types::chat::{Finish, Response};
use crate::types::check::{Check, CheckOutcomes};
use crate::types::item::{Item, Target};
use crate::types::record::{Graded, Score, Solved};

/// The kinds of question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// A word problem whose answer is one number.
    Math,
    /// A question with options, of which one is right.
    Choice,
}

/// Reads and scores answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grader {
    /// The kind of question.
    pub task: Task,
    /// Extraction rules, in the order in which they are tried.
    pub rules: Vec<Extraction>,
    /// Fewest calculations that the check `calculations` needs.
    pub calculations_at_least: AtLeast,
}

/// An answer read from a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The rule that found the answer.
    pub rule: Extraction,
    /// Byte range of the answer in the text.
    pub span: Range<usize>,
    /// The answer in the form of [`Graded::answer`]: an exact fraction, a term, a letter, or `none`.
    pub value: String,
}

impl Grader {
    /// Creates a grader with the default rules for a kind of question.
    #[must_use]
    pub fn usual(task: Task) -> Self {
        Self { task, rules: Extraction::usual(task).to_vec(), calculations_at_least: AtLeast::default() }
    }

    /// Reads the answer to `item` from `response` and scores it against the target. `text` is the part of the
    /// response's text that contains the answer.
    #[must_use]
    pub fn grade(&self, item: &Item, response: &Response, text: &str) -> Graded {
        let scores = &response.option_logprobs;
        let likeliest = if self.rules.contains(&Extraction::OptionLikelihoodNormalised) {
            choice::likeliest(&choice::per_character(scores, &item.options))
        } else {
            choice::likeliest(scores)
        };
        match likeliest {
            Some(index) => graded(item, Some(Answer::Option(index))),
            None => graded(item, read(item, text, &self.rules, is_cut(response, text)).map(|(_, answer, _)| answer)),
        }
    }

    /// Scores under the strict extraction rule only, which accepts `#### N`, `\boxed{…}` or "the answer is (X)".
    /// Options scored by likelihood are read as in [`Self::grade`].
    #[must_use]
    pub fn grade_strictly(&self, item: &Item, response: &Response, text: &str) -> Graded {
        if !response.option_logprobs.is_empty() {
            return self.grade(item, response, text);
        }
        let none = self.rules.contains(&Extraction::NoneStated).then_some(Extraction::NoneStated);
        let rules: Vec<Extraction> = match item.target {
            Target::Number(_) | Target::Unanswerable => none.into_iter().chain([Extraction::Gsm8kStrict]).collect(),
            Target::Expression(_) => vec![Extraction::Boxed],
            Target::Choice(_) => {
                let text = passage::visible(text);
                return graded(
                    item,
                    choice::strictly(&text, item.options.len()).map(|(index, _)| Answer::Option(index)),
                );
            }
        };
        graded(item, read(item, text, &rules, is_cut(response, text)).map(|(_, answer, _)| answer))
    }

    /// Reads the answer from a text, with its rule and byte range. `None` if no rule finds an answer. Options scored
    /// by likelihood are not read from a text.
    #[must_use]
    pub fn reading(&self, item: &Item, response: &Response, text: &str) -> Option<Read> {
        let (rule, answer, span) = read(item, text, &self.rules, is_cut(response, text))?;
        Some(Read { rule, span, value: answer.written() })
    }

    /// Checks an answer against its own text, without the target. For a number: no calculation is wrong, at least
    /// `at_least` are written out, and the last result is the answer. For options: letter and text agree.
    #[must_use]
    pub fn is_consistent(&self, item: &Item, text: &str, graded: &Graded, at_least: AtLeast) -> bool {
        match self.task {
            Task::Math => {
                let matches =
                    |answer: &str| calculations::check(&passage::visible(text)).gives(answer, at_least.of(text));
                graded.answer.as_deref().is_some_and(matches)
            }
            Task::Choice => self.choice(item, text).is_some_and(|index| choice::agrees(text, &item.options, index)),
        }
    }

    /// Runs all checks on an answer to `item`, read from `text` as `graded`, with the `examples` in its prompt. A
    /// check that does not apply to the kind of question has no outcome.
    #[must_use]
    pub fn checks<'a>(
        &self,
        item: &Item,
        text: &str,
        graded: &Graded,
        examples: impl Iterator<Item = &'a Solved>,
    ) -> CheckOutcomes {
        if self.task == Task::Choice {
            let mut outcomes = CheckOutcomes::default();
            let named = self.choice(item, text);
            outcomes.set(Check::Conclusions, named.map(|index| choice::agrees(text, &item.options, index)));
            return outcomes;
        }
        let examples: Vec<Example> = examples.map(example).collect();
        Work::new(&item.query, text, graded.answer.as_deref(), &examples, self.calculations_at_least).outcomes()
    }

    /// Scores an answer to another item as an answer to this item.
    #[must_use]
    pub fn reuse(&self, item: &Item, answer: &str) -> Graded {
        let answer = match item.target {
            Target::Number(_) | Target::Unanswerable if answer == NONE => Some(Answer::Nothing),
            Target::Number(_) | Target::Unanswerable => math::parse(answer).map(Answer::Number),
            Target::Expression(_) => Some(Answer::Expression(answer.to_owned())),
            Target::Choice(_) => item.options.iter().position(|option| option == answer).map(Answer::Option),
        };
        graded(item, answer)
    }

    /// Computes the answer that the calculations of a `solved` question yield on the item's numbers, and scores it.
    /// `None` if they yield no answer, or several because the solved question contains one number twice.
    #[must_use]
    pub fn replay(&self, item: &Item, solved: &Solved) -> Option<Graded> {
        let [value] = &checks::replays(&item.query, &example(solved))[..] else { return None };
        Some(self.reuse(item, &value.to_string()))
    }

    /// True if a solution of the item and the solution of a `solved` question contradict each other: the calculations
    /// of one, applied to the numbers of the other, yield another answer than the other's. The item's solution is its
    /// text and the answer read from it.
    #[must_use]
    pub fn contradicts(&self, item: &Item, (text, answer): (&str, Option<&str>), solved: &Solved) -> bool {
        let own = Example { question: &item.query, solution: text, answer };
        let other = example(solved);
        checks::contradicts(&own, &other) || checks::contradicts(&other, &own)
    }

    /// Returns the option that a text answers with. `None` for a number.
    #[must_use]
    pub fn choice(&self, item: &Item, text: &str) -> Option<usize> {
        match read(item, text, &self.rules, false)?.1 {
            Answer::Option(index) => Some(index),
            _ => None,
        }
    }

    /// Returns the byte range of the answer in a response's text.
    #[must_use]
    pub fn place(&self, item: &Item, response: &Response) -> Option<Range<usize>> {
        self.reading(item, response, &response.text).map(|read| read.span)
    }
}

/// Converts a solved question for the checks.
fn example(solved: &Solved) -> Example<'_> {
    Example { question: &solved.question, solution: &solved.solution, answer: solved.answer.as_deref() }
}

/// True if the part of a response that contains the answer was cut off: by the token limit, by a filter, or possibly,
/// for an unknown reason.
fn is_cut(response: &Response, text: &str) -> bool {
    let partial = matches!(response.finish, Finish::Length | Finish::ContentFilter) || response.ended.is_some();
    partial && text.len() >= response.text.len()
}

/// Text in outputs for "there is no answer".
const NONE: &str = "none";

/// An answer that was read.
enum Answer {
    Number(BigRational),
    Expression(String),
    /// The statement that there is no answer.
    Nothing,
    Option(usize),
}

impl Answer {
    /// Returns the answer in the form in which answers are compared and written.
    fn written(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Expression(text) => text.clone(),
            Self::Nothing => NONE.to_owned(),
            Self::Option(index) => choice::letter(*index).to_string(),
        }
    }
}

/// Reads a text: the rule, the answer and its byte range. The part before a new question is read first: a model that
/// continues with new questions has answered its own before.
fn read(item: &Item, text: &str, rules: &[Extraction], cut: bool) -> Option<(Extraction, Answer, Range<usize>)> {
    let visible: Cow<'_, str> = passage::visible(text);
    let parts = passage::cuts(&visible).into_iter().filter(|at| !visible[..*at].trim().is_empty());
    let cut = cut || place::is_open_ended(&visible);
    for at in parts {
        if let Some(found) = read_in(item, &visible[..at], rules, false) {
            return Some(found);
        }
    }
    read_in(item, &visible, rules, cut)
}

fn read_in(item: &Item, text: &str, rules: &[Extraction], cut: bool) -> Option<(Extraction, Answer, Range<usize>)> {
    match item.target {
        Target::Number(_) | Target::Unanswerable => {
            if rules.contains(&Extraction::NoneStated)
                && let Some(place) = math::states_none(text, cut)
            {
                return Some((Extraction::NoneStated, Answer::Nothing, place));
            }
            math::read(text, rules, cut).map(|(rule, number, place)| (rule, Answer::Number(number), place))
        }
        Target::Expression(_) => {
            let (rule, place) = math::expression(text, rules, cut)?;
            Some((rule, Answer::Expression(latex::plain(&text[place.clone()])), place))
        }
        Target::Choice(_) => choice::extract(text, &item.options, rules, cut)
            .map(|(rule, index, place)| (rule, Answer::Option(index), place)),
    }
}

fn graded(item: &Item, answer: Option<Answer>) -> Graded {
    let correct = match (&answer, &item.target) {
        (Some(Answer::Number(number)), Target::Number(target)) => Some(number) == math::gold(target).as_ref(),
        (Some(Answer::Expression(text)), Target::Expression(target)) => latex::same(text, target),
        (Some(Answer::Nothing), Target::Unanswerable) => true,
        (Some(Answer::Option(index)), Target::Choice(target)) => {
            index == target
                || matches!((item.options.get(*index), item.options.get(*target)), (Some(one), Some(other)) if choice::equal(one, other))
        }
        _ => false,
    };
    let score = match answer {
        None => Score::NoAnswer,
        Some(_) if correct => Score::Correct,
        Some(_) => Score::Incorrect,
    };
    Graded { answer: answer.map(|answer| answer.written()), score }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::testing;

    fn item(target: Target, options: &[&str]) -> Item {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        Item { options, target, ..testing::item("1", "1") }
    }

    fn is_consistent(task: Task, item: &Item, text: &str, at_least: usize) -> bool {
        let grader = Grader::usual(task);
        let response = Response { text: text.to_owned(), ..Response::default() };
        grader.is_consistent(item, text, &grader.grade(item, &response, text), AtLeast::Count(at_least))
    }

    #[test]
    fn a_number_is_checked_without_the_target() {
        let item = item(Target::Number("35".into()), &[]);
        let passes = |text, at_least| is_consistent(Task::Math, &item, text, at_least);
        assert!(passes("3 * 12 = 36\n#### 36", 1), "right when computed again, whatever the target");
        assert!(!passes("3 * 12 = 35\n#### 35", 1), "wrong when computed again, whatever the target");
        assert!(!passes("3 * 12 = 36\n#### 35", 1), "the answer is not the last result");
        assert!(passes("There are 35.", 0) && !passes("There are 35.", 1));
        assert!(!passes("3 * 12 = 36, so it is more.\n#### ", 2));
        assert!(!passes("I cannot say.", 0), "no answer");
    }

    #[test]
    fn possibly_cut_answers_need_a_final_marker() {
        let item = item(Target::Number("35".into()), &[]);
        let whole = Response::default();
        let ends = [
            Response { finish: Finish::Length, ..whole.clone() },
            Response { finish: Finish::ContentFilter, ..whole.clone() },
            Response { ended: Some("tired".into()), ..whole.clone() },
        ];
        let score = |response: &Response, text: &str| {
            let response = Response { text: text.to_owned(), ..response.clone() };
            Grader::usual(Task::Math).grade(&item, &response, text).score
        };
        let (bare, marked) = ("First there are 35", "There are 30 and 5.\n#### 35\n");
        assert_eq!((score(&whole, bare), score(&whole, marked)), (Score::Correct, Score::Correct));
        for end in &ends {
            assert_eq!((score(end, bare), score(end, marked)), (Score::NoAnswer, Score::Correct), "{end:?}");
        }
    }

    #[test]
    fn an_option_passes_if_letter_and_text_agree() {
        let item = item(Target::Choice(0), &["Mars", "Venus"]);
        let passes = |text| is_consistent(Task::Choice, &item, text, 0);
        assert!(passes("The answer is (B) Venus.") && passes("The answer is (B)."));
        assert!(!passes("The answer is (B) Mars.") && !passes("It is hard to tell."));
    }
}
