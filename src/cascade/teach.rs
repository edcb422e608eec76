//! How the top level resolves a deferred item, and what is kept of it for the first one.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::level::{CallContext, CompletedCall, LevelModel, StepError, request, split_call};
use super::repository::{Retrieved, sources, texts};
use crate::task::calculations::AtLeast;
use crate::task::confidence::{Answered, Signal};
use crate::task::prompt::Prompt;
use crate::task::{Grader, choice, strategy};
use crate::types::arm::{Content, Learning, Use};
use crate::types::chat::{Generation, Request, RequestKind, Response};
use crate::types::check::CheckOutcomes;
use crate::types::item::{Item, Target};
use crate::types::level::Level;
use crate::types::record::{Graded, Purpose, Score, Solved, Strategy, StrategyOutcome};
use crate::types::store_rule::StoreRule;

/// When the strong level writes a strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distil {
    /// In the same call as the answer, behind a mark.
    #[default]
    SameCall,
    /// In a call of its own, given question and solution.
    SecondCall,
}

/// What is kept of what the strong level wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct TeachingPolicy {
    /// What is kept; none: the arm does not learn.
    pub content: Option<Content>,
    /// When a strategy is written.
    pub distil: Distil,
    /// What must hold, all of it.
    pub store: Vec<StoreRule>,
    /// The least mean token probability of the rule `confident`.
    pub confident_from: f64,
    /// The least number of calculations of the rule `checked`.
    pub checked_at_least: AtLeast,
    /// The temperature of the further draws of the rules `verified` and `majority`.
    pub verify_temperature: f64,
    /// The draws of the rule `majority`, the answer itself included.
    pub majority_draws: u32,
    /// Whether the top level is shown what was retrieved for the first one.
    pub top_level_examples: bool,
    /// The longest strategy, in tokens of four bytes; none: as it is.
    pub max_tokens: Option<usize>,
}

impl TeachingPolicy {
    /// The teaching of one arm: none where it does not learn.
    #[must_use]
    pub fn of(&self, learning: Option<Learning>) -> Self {
        let content = learning.map(|learning| match learning.used {
            Use::InContext(own) => own.or(self.content).unwrap_or_default(),
            Use::InTopContext => self.content.unwrap_or_default(),
            Use::AnswerCache => Content::QuestionAnswer,
            Use::Replayed => Content::WorkedCase,
        });
        Self { content, ..self.clone() }
    }

    /// Whether an arm shows the top level what was retrieved.
    #[must_use]
    pub fn shows_top(&self, learning: Option<Learning>) -> bool {
        match learning.map(|learning| learning.used) {
            Some(Use::InContext(_)) => self.top_level_examples,
            Some(Use::InTopContext) => true,
            Some(Use::AnswerCache | Use::Replayed) | None => false,
        }
    }

    fn has(&self, rule: StoreRule) -> bool {
        self.store.contains(&rule)
    }
}

/// What the strong level made of a deferred item.
#[derive(Debug)]
pub struct Resolution {
    /// Its answer.
    pub graded: Graded,
    /// What the checks of its work found.
    pub checks: CheckOutcomes,
    /// What became of its strategy; none where the arm does not learn.
    pub kept: Option<StrategyOutcome>,
    /// The strategy, where it is kept.
    pub strategy: Option<Strategy>,
}

/// A solution on its way into the repository.
struct Solution<'a> {
    /// The answer part of what was written.
    text: &'a str,
    graded: Graded,
    /// What the checks of its work found.
    checks: CheckOutcomes,
    heard: &'a CompletedCall,
    /// Whether the strategy that was written with it could be read; true if none was wanted.
    readable: bool,
    /// What was retrieved for the item.
    retrieved: &'a [Retrieved],
    /// What of it was shown with the question.
    shown: &'a [Retrieved],
}

impl LevelModel {
    /// Answers a deferred item, and keeps what the `teaching` says for the `weak` level: `retrieved` for the item were these
    /// strategies, of which some are `shown` to this level.
    ///
    /// # Errors
    /// If a call gave no usable answer.
    pub async fn resolve(
        &self,
        level: Level,
        asked: &mut CallContext<'_>,
        teaching: &TeachingPolicy,
        (retrieved, shown): (&[Retrieved], &[Retrieved]),
        weak: &Self,
    ) -> Result<Resolution, StepError> {
        let item = asked.item;
        let written = teaching.content.is_some_and(Content::is_written);
        let (messages, wanted) = match self.prompt.answer_and_distil(item) {
            Some(messages) if written && teaching.distil == Distil::SameCall => {
                (messages, RequestKind::AnswerAndStrategy)
            }
            _ => (self.prompt.answer(item, &texts(shown), true), RequestKind::Answer),
        };
        // Log-probabilities are asked for only where a rule reads them: not every strong server gives them.
        // An arm that does not learn asks in the same way, so that one call serves both.
        let logprobs = teaching.has(StoreRule::Confident);
        let generation = Generation { logprobs, ..self.generation() };
        let first = Request { wanted, strategies: sources(shown), ..request(item, messages, generation) };
        let heard = self.call(asked, Purpose::Answer, &first).await?;
        let row = self.row(level, Purpose::Answer, &heard);
        let (text, mut strategy) = match wanted {
            RequestKind::AnswerAndStrategy => strategy::split(&heard.response.text),
            _ => (heard.response.text.as_str(), None),
        };
        if wanted == RequestKind::AnswerAndStrategy {
            asked.calls.extend(split_call(row, &heard.response, text.len(), Purpose::Distil));
        } else {
            asked.calls.push(row);
        }
        let graded = asked.grader.grade(item, &heard.response, text);
        let checks = asked.grader.checks(item, text, &graded, shown.iter().map(|shown| &*shown.strategy.solved));
        if heard.response.is_refused() {
            asked.refused.push(level);
            return Ok(Resolution {
                graded,
                checks,
                kept: teaching.content.map(|_| StrategyOutcome::Refused),
                strategy: None,
            });
        }
        let Some(content) = teaching.content else {
            return Ok(Resolution { graded, checks, kept: None, strategy: None });
        };

        let readable = wanted == RequestKind::Answer || strategy.is_some();
        let solution = Solution { text, graded, checks, heard: &heard, readable, retrieved, shown };
        if let Some(rule) = self.first_failed_rule(level, asked, teaching, &solution).await? {
            return Ok(Resolution {
                graded: solution.graded,
                checks,
                kept: Some(StrategyOutcome::Dropped(rule)),
                strategy: None,
            });
        }
        let distilled;
        let mut distil_refused = false;
        if content.is_written() && teaching.distil == Distil::SecondCall {
            distilled = self.distil(level, asked, solution.text).await?;
            distil_refused = distilled.is_refused();
            strategy = strategy::alone(&distilled.text);
        }
        let kept = content_of(content, item, &solution, strategy, &weak.prompt).map(|text| {
            strategy_from(item, (solution.text, &solution.graded), &text, &self.name, &weak.prompt, teaching.max_tokens)
        });
        let told = match &kept {
            Some(_) => StrategyOutcome::Stored,
            None if distil_refused => StrategyOutcome::Refused,
            None => StrategyOutcome::Unreadable,
        };
        Ok(Resolution { graded: solution.graded, checks, kept: Some(told), strategy: kept })
    }

    /// Has the level write a strategy for a question that it has solved.
    async fn distil(
        &self,
        level: Level,
        asked: &mut CallContext<'_>,
        solution: &str,
    ) -> Result<Arc<Response>, StepError> {
        let messages = self.prompt.distil_after(asked.item, solution.trim());
        let messages = messages.ok_or_else(|| self.lacks(asked.item, "distil_after"))?;
        let wanted = Request { wanted: RequestKind::Strategy, ..request(asked.item, messages, self.generation()) };
        let heard = self.call(asked, Purpose::Distil, &wanted).await?;
        asked.calls.push(self.row(level, Purpose::Distil, &heard));
        Ok(heard.response)
    }

    /// The first store rule that the solution breaks; those that need no call are looked at first.
    async fn first_failed_rule(
        &self,
        level: Level,
        asked: &mut CallContext<'_>,
        teaching: &TeachingPolicy,
        solution: &Solution<'_>,
    ) -> Result<Option<StoreRule>, StepError> {
        if teaching.has(StoreRule::CorrectOnly) && solution.graded.score != Score::Correct {
            return Ok(Some(StoreRule::CorrectOnly));
        }
        if teaching.has(StoreRule::Checked)
            && !asked.grader.holds(asked.item, solution.text, &solution.graded, teaching.checked_at_least)
        {
            return Ok(Some(StoreRule::Checked));
        }
        let fails = |rule: &StoreRule| rule.checks().iter().any(|check| solution.checks.of(*check) != Some(true));
        if let Some(rule) = teaching.store.iter().copied().find(fails) {
            return Ok(Some(rule));
        }
        if teaching.has(StoreRule::Confident) {
            let response = &*solution.heard.response;
            let signal = Signal::MeanTokenProbability;
            let answered = Answered { response, place: None, options: &[], quantile: 0.0 };
            let sure = signal.read(&answered).map_err(|missing| self.unsure(asked.item, signal.name(), missing))?;
            if sure.value() < teaching.confident_from {
                return Ok(Some(StoreRule::Confident));
            }
        }
        if teaching.has(StoreRule::Unconflicted) {
            let answer = solution.graded.answer.as_deref();
            let contradicts = |shown: &Retrieved| {
                asked.grader.contradicts(asked.item, (solution.text, answer), &shown.strategy.solved)
            };
            if solution.retrieved.iter().any(contradicts) {
                return Ok(Some(StoreRule::Unconflicted));
            }
        }
        // What cannot be kept needs no further draw.
        if !solution.readable {
            return Ok(None);
        }
        if teaching.has(StoreRule::Verified) && !self.draws_agree(level, asked, teaching, solution, 2).await? {
            return Ok(Some(StoreRule::Verified));
        }
        let of = teaching.majority_draws;
        if teaching.has(StoreRule::Majority) && !self.draws_agree(level, asked, teaching, solution, of).await? {
            return Ok(Some(StoreRule::Majority));
        }
        Ok(None)
    }

    /// Whether more than half of `of` draws give the solution's answer, the solution itself among them. No further draw is made
    /// once that is decided.
    async fn draws_agree(
        &self,
        level: Level,
        asked: &mut CallContext<'_>,
        teaching: &TeachingPolicy,
        solution: &Solution<'_>,
        of: u32,
    ) -> Result<bool, StepError> {
        if solution.graded.answer.is_none() {
            return Ok(false);
        }
        let (mut votes, needed) = (1, of / 2 + 1);
        for draw in 1..of {
            if votes >= needed || votes + (of - draw) < needed {
                break;
            }
            let generation = Generation { temperature: teaching.verify_temperature, ..self.generation() };
            let messages = self.prompt.answer(asked.item, &texts(solution.shown), true);
            let strategies = sources(solution.shown);
            let again = Request { draw, strategies, ..request(asked.item, messages, generation) };
            let heard = self.call(asked, Purpose::Verify, &again).await?;
            asked.calls.push(self.row(level, Purpose::Verify, &heard));
            let drawn = asked.grader.grade(asked.item, &heard.response, &heard.response.text);
            votes += u32::from(drawn.answer == solution.graded.answer);
        }
        Ok(votes >= needed)
    }
}

/// A worked example of a question that is not of the run, in the words of the prompt that it is shown in.
#[must_use]
pub fn worked_example(item: &Item, grader: &Grader, solution: &str, prompt: &Prompt) -> Strategy {
    let response = Response { text: solution.to_owned(), ..Response::default() };
    let answered = grader.grade(item, &response, solution);
    strategy_from(
        item,
        (solution, &answered),
        &prompt.worked_case(item, solution.trim()),
        &"config".into(),
        prompt,
        None,
    )
}

/// The strategy with this text, of an item with its graded solution, for a prompt.
fn strategy_from(
    item: &Item,
    (solution, graded): (&str, &Graded),
    text: &str,
    model: &Arc<str>,
    prompt: &Prompt,
    max_tokens: Option<usize>,
) -> Strategy {
    let text = strategy::quoted(text, &prompt.markers());
    let (text, cut) = strategy::within(&text, max_tokens.unwrap_or(usize::MAX));
    Strategy {
        source: item.id.clone(),
        group: Arc::clone(&item.group),
        text: text.to_owned(),
        cut,
        model: Arc::clone(model),
        source_score: graded.score,
        answer: answer_of(item, graded).map(Into::into),
        solved: Arc::new(Solved {
            question: item.query.clone(),
            solution: solution.to_owned(),
            answer: graded.answer.clone(),
        }),
    }
}

/// What is kept, as the weak level's prompt words it; none where it has no text.
fn content_of(
    content: Content,
    item: &Item,
    solution: &Solution<'_>,
    strategy: Option<&str>,
    prompt: &Prompt,
) -> Option<String> {
    let case = || prompt.worked_case(item, solution.text.trim());
    match content {
        Content::Strategy => strategy.map(str::to_owned),
        Content::WorkedCase => (!solution.text.trim().is_empty()).then(case),
        Content::Both => strategy.map(|strategy| format!("{}\n{strategy}", case())),
        Content::QuestionAnswer => {
            answer_of(item, &solution.graded).map(|answer| prompt.question_answer(item, &answer))
        }
    }
}

/// The answer as another item can use it: the number, or the option's text.
fn answer_of(item: &Item, graded: &Graded) -> Option<String> {
    let answer = graded.answer.as_ref()?;
    match item.target {
        Target::Choice(_) => choice::index(answer.chars().next()?).and_then(|index| item.options.get(index)).cloned(),
        _ => Some(answer.clone()),
    }
}
