//! What a kind of question asks for: how an answer is read from a model's text and compared with the target.

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

/// How answers are read and compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grader {
    /// The kind of question.
    pub task: Task,
    /// The rules that read a text, in their order.
    pub rules: Vec<Extraction>,
    /// The number of calculations that the check `calculations` needs.
    pub calculations_at_least: AtLeast,
}

/// What was read from a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The rule that found it.
    pub rule: Extraction,
    /// The bytes of the text in which it stands.
    pub span: Range<usize>,
    /// The answer as [`Graded::answer`] gives it: an exact fraction, a term, a letter, or `none`.
    pub value: String,
}

impl Grader {
    /// The usual rules for a kind of question.
    #[must_use]
    pub fn usual(task: Task) -> Self {
        Self { task, rules: Extraction::usual(task).to_vec(), calculations_at_least: AtLeast::default() }
    }

    /// Reads the answer to `item` from `response` and compares it with the target. `text` is the part of the
    /// response's text that holds the answer.
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

    /// The same by the strict rule alone, which asks for the form that prompts ask for: `#### N`, `\boxed{…}`, or "the
    /// answer is (X)". Options that were scored are read as before.
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

    /// What is read of a text that a model wrote to `item`, and where; `None` if nothing is. Options that were scored are
    /// not read from a text.
    #[must_use]
    pub fn reading(&self, item: &Item, response: &Response, text: &str) -> Option<Read> {
        let (rule, answer, span) = read(item, text, &self.rules, is_cut(response, text))?;
        Some(Read { rule, span, value: answer.written() })
    }

    /// Whether an answer holds when its text is looked at again, without the target: of a number, no calculation of the
    /// `at_least` that are written out has another result, and the answer is the last one's; of options, letter and text
    /// agree.
    #[must_use]
    pub fn holds(&self, item: &Item, text: &str, graded: &Graded, at_least: AtLeast) -> bool {
        match self.task {
            Task::Math => {
                let gives =
                    |answer: &str| calculations::check(&passage::visible(text)).gives(answer, at_least.of(text));
                graded.answer.as_deref().is_some_and(gives)
            }
            Task::Choice => self.choice(item, text).is_some_and(|index| choice::agrees(text, &item.options, index)),
        }
    }

    /// What the checks find of the work of an answer to `item`, read from `text` as `graded`, when it was written with these
    /// `examples` in the prompt. A check without a meaning for the kind of question finds nothing.
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

    /// An answer that was given to another item, as an answer to this one.
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

    /// The answer that the calculations of a `solved` question give on the item's numbers, graded. `None` if they give none, or
    /// several because the solved question gives one number twice.
    #[must_use]
    pub fn replay(&self, item: &Item, solved: &Solved) -> Option<Graded> {
        let [value] = &checks::replays(&item.query, &example(solved))[..] else { return None };
        Some(self.reuse(item, &value.to_string()))
    }

    /// Whether a solution of the item and that of a `solved` question contradict each other: the calculations of one, on the numbers of
    /// the other, give another answer than the other's own. The item's solution is its text and the answer read from it.
    #[must_use]
    pub fn contradicts(&self, item: &Item, (text, answer): (&str, Option<&str>), solved: &Solved) -> bool {
        let own = Example { question: &item.query, solution: text, answer };
        let other = example(solved);
        checks::contradicts(&own, &other) || checks::contradicts(&other, &own)
    }

    /// The option that a text answers with; none for a number.
    #[must_use]
    pub fn choice(&self, item: &Item, text: &str) -> Option<usize> {
        match read(item, text, &self.rules, false)?.1 {
            Answer::Option(index) => Some(index),
            _ => None,
        }
    }

    /// The bytes of a response's text in which the answer stands.
    #[must_use]
    pub fn place(&self, item: &Item, response: &Response) -> Option<Range<usize>> {
        self.reading(item, response, &response.text).map(|read| read.span)
    }
}

/// A solved question as the checks compare others with it.
fn example(solved: &Solved) -> Example<'_> {
    Example { question: &solved.question, solution: &solved.solution, answer: solved.answer.as_deref() }
}

/// Whether the part of a response that holds the answer was cut off: by the token limit, by a filter, or perhaps, for a
/// reason that is not known.
fn is_cut(response: &Response, text: &str) -> bool {
    let partial = matches!(response.finish, Finish::Length | Finish::ContentFilter) || response.ended.is_some();
    partial && text.len() >= response.text.len()
}

/// How outputs write that there is no answer.
const NONE: &str = "none";

/// An answer as read.
enum Answer {
    Number(BigRational),
    Expression(String),
    /// It was said that there is none.
    Nothing,
    Option(usize),
}

impl Answer {
    /// The form in which answers are compared with each other and written out.
    fn written(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Expression(text) => text.clone(),
            Self::Nothing => NONE.to_owned(),
            Self::Option(index) => choice::letter(*index).to_string(),
        }
    }
}

/// The rule that reads a text, what it reads, and the bytes. What stands before a new question is read first: a model that
/// goes on writing questions has answered its own before.
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

    fn holds(task: Task, item: &Item, text: &str, at_least: usize) -> bool {
        let grader = Grader::usual(task);
        let response = Response { text: text.to_owned(), ..Response::default() };
        grader.holds(item, text, &grader.grade(item, &response, text), AtLeast::Count(at_least))
    }

    #[test]
    fn a_number_holds_whatever_the_target_says() {
        let item = item(Target::Number("35".into()), &[]);
        let held = |text, at_least| holds(Task::Math, &item, text, at_least);
        assert!(held("3 * 12 = 36\n#### 36", 1), "right when computed again, whatever the target");
        assert!(!held("3 * 12 = 35\n#### 35", 1), "wrong when computed again, whatever the target");
        assert!(!held("3 * 12 = 36\n#### 35", 1), "the answer is not the last result");
        assert!(held("There are 35.", 0) && !held("There are 35.", 1));
        assert!(!held("3 * 12 = 36, so it is more.\n#### ", 2));
        assert!(!held("I cannot say.", 0), "no answer");
    }

    #[test]
    fn of_an_answer_that_is_perhaps_not_whole_only_a_mark_is_read() {
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
    fn an_option_holds_where_letter_and_text_agree() {
        let item = item(Target::Choice(0), &["Mars", "Venus"]);
        let held = |text| holds(Task::Choice, &item, text, 0);
        assert!(held("The answer is (B) Venus.") && held("The answer is (B)."));
        assert!(!held("The answer is (B) Mars.") && !held("It is hard to tell."));
    }
}
