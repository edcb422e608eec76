//! Answers of the top level to deferred items, and the strategies that are stored for the first level.

use std::sync::Arc;

use schemars::JsonSchema;
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

/// Call in which the strong level writes a strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Distil {
    /// In the call for the answer, after a marker.
    #[default]
    SameCall,
    /// In a separate call, from the question and the solution.
    SecondCall,
}

/// Rules for what is stored of the strong level's solutions.
#[derive(Debug, Clone, PartialEq)]
pub struct TeachingPolicy {
    /// Stored content. `None` if the arm does not learn.
    pub content: Option<Content>,
    /// Call in which a strategy is written.
    pub distil: Distil,
    /// Store rules. A strategy is stored only if all of them pass.
    pub store: Vec<StoreRule>,
    /// Smallest mean token probability under the rule `confident`, in [0, 1].
    pub confident_from: f64,
    /// Smallest number of calculations under the rule `checked`.
    pub checked_at_least: AtLeast,
    /// Sampling temperature of the additional samples of the rules `verified` and `majority`, in [0, 2].
    pub verify_temperature: f64,
    /// Number of samples of the rule `majority`, including the answer itself.
    pub majority_draws: u32,
    /// True if the top level's prompt shows the strategies that were retrieved for the first level.
    pub top_level_examples: bool,
    /// Maximum length of a strategy in tokens of four bytes. `None` if strategies are not cut.
    pub max_tokens: Option<usize>,
}

impl TeachingPolicy {
    /// Returns the rules of one arm. Their content is `None` if the arm does not learn.
    #[must_use]
    pub fn for_arm(&self, learning: Option<Learning>) -> Self {
        let content = learning.map(|learning| match learning.used {
            Use::InContext(own) => own.or(self.content).unwrap_or_default(),
            Use::InTopContext => self.content.unwrap_or_default(),
            Use::AnswerCache => Content::QuestionAnswer,
            Use::Replayed => Content::WorkedExample,
        });
        Self { content, ..self.clone() }
    }

    /// True if the top level's prompt shows the retrieved strategies in this arm.
    #[must_use]
    pub fn shows_top_level(&self, learning: Option<Learning>) -> bool {
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

/// Answer of the top level to a deferred item, with the strategy that is stored.
#[derive(Debug)]
pub struct Resolution {
    /// Graded answer.
    pub graded: Graded,
    /// Outcomes of the checks on the solution.
    pub checks: CheckOutcomes,
    /// Outcome for the strategy. `None` if the arm does not learn.
    pub outcome: Option<StrategyOutcome>,
    /// Stored strategy. `None` if nothing is stored.
    pub strategy: Option<Strategy>,
}

/// A solution that the store rules are applied to.
struct Solution<'a> {
    /// Text of the answer, without the strategy.
    text: &'a str,
    graded: Graded,
    /// Outcomes of the checks on the solution.
    checks: CheckOutcomes,
    completed: &'a CompletedCall,
    /// True if the strategy in the response could be read, or if no strategy was requested.
    readable: bool,
    /// Strategies that were retrieved for the item.
    retrieved: &'a [Retrieved],
    /// Strategies in the prompt.
    examples: &'a [Retrieved],
}

impl LevelModel {
    /// Answers a deferred item and distils a strategy for the `weak` level as `teaching` says. `retrieved` are the
    /// strategies that were retrieved for the item; `examples` are those in this level's prompt.
    ///
    /// # Errors
    /// If a call returns no usable answer.
    pub async fn resolve(
        &self,
        level: Level,
        context: &mut CallContext<'_>,
        teaching: &TeachingPolicy,
        (retrieved, examples): (&[Retrieved], &[Retrieved]),
        weak: &Self,
    ) -> Result<Resolution, StepError> {
        let item = context.item;
        let written = teaching.content.is_some_and(Content::is_written);
        let (messages, kind) = match self.prompt.answer_and_distil(item) {
            Some(messages) if written && teaching.distil == Distil::SameCall => {
                (messages, RequestKind::AnswerAndStrategy)
            }
            _ => (self.prompt.answer(item, &texts(examples), true), RequestKind::Answer),
        };
        // Log-probabilities are requested only if a rule reads them, because not every strong server returns them.
        // An arm that does not learn sends the same request, so one call serves both arms.
        let logprobs = teaching.has(StoreRule::Confident);
        let generation = Generation { logprobs, ..self.generation() };
        let first = Request { wanted: kind, strategies: sources(examples), ..request(item, messages, generation) };
        let completed = self.call(context, Purpose::Answer, &first).await?;
        let row = self.row(level, Purpose::Answer, &completed);
        let (text, mut strategy) = match kind {
            RequestKind::AnswerAndStrategy => strategy::split(&completed.response.text),
            _ => (completed.response.text.as_str(), None),
        };
        if kind == RequestKind::AnswerAndStrategy {
            context.calls.extend(split_call(row, &completed.response, text.len(), Purpose::Distil));
        } else {
            context.calls.push(row);
        }
        let graded = context.grader.grade(item, &completed.response, text);
        let checks =
            context.grader.checks(item, text, &graded, examples.iter().map(|example| &*example.strategy.solved));
        if completed.response.is_refused() {
            context.refused.push(level);
            return Ok(Resolution {
                graded,
                checks,
                outcome: teaching.content.map(|_| StrategyOutcome::Refused),
                strategy: None,
            });
        }
        let Some(to_store) = teaching.content else {
            return Ok(Resolution { graded, checks, outcome: None, strategy: None });
        };

        let readable = kind == RequestKind::Answer || strategy.is_some();
        let solution = Solution { text, graded, checks, completed: &completed, readable, retrieved, examples };
        if let Some(rule) = self.first_failed_rule(level, context, teaching, &solution).await? {
            return Ok(Resolution {
                graded: solution.graded,
                checks,
                outcome: Some(StrategyOutcome::Dropped(rule)),
                strategy: None,
            });
        }
        let distilled;
        let mut distil_refused = false;
        if to_store.is_written() && teaching.distil == Distil::SecondCall {
            distilled = self.distil(level, context, solution.text).await?;
            distil_refused = distilled.is_refused();
            strategy = strategy::alone(&distilled.text);
        }
        let stored = stored_text(to_store, item, &solution, strategy, &weak.prompt).map(|text| {
            strategy_from(item, (solution.text, &solution.graded), &text, &self.name, &weak.prompt, teaching.max_tokens)
        });
        let outcome = match &stored {
            Some(_) => StrategyOutcome::Stored,
            None if distil_refused => StrategyOutcome::Refused,
            None => StrategyOutcome::Unreadable,
        };
        Ok(Resolution { graded: solution.graded, checks, outcome: Some(outcome), strategy: stored })
    }

    /// Asks the level for a strategy from the question and its solution, in a separate call.
    async fn distil(
        &self,
        level: Level,
        context: &mut CallContext<'_>,
        solution: &str,
    ) -> Result<Arc<Response>, StepError> {
        let messages = self.prompt.distil_after(context.item, solution.trim());
        let messages = messages.ok_or_else(|| self.missing_form(context.item, "distil_after"))?;
        let request = Request { wanted: RequestKind::Strategy, ..request(context.item, messages, self.generation()) };
        let completed = self.call(context, Purpose::Distil, &request).await?;
        context.calls.push(self.row(level, Purpose::Distil, &completed));
        Ok(completed.response)
    }

    /// Returns the first store rule that the solution fails. `None` if it passes all. Rules that need no call come
    /// first.
    async fn first_failed_rule(
        &self,
        level: Level,
        context: &mut CallContext<'_>,
        teaching: &TeachingPolicy,
        solution: &Solution<'_>,
    ) -> Result<Option<StoreRule>, StepError> {
        if teaching.has(StoreRule::CorrectOnly) && solution.graded.score != Score::Correct {
            return Ok(Some(StoreRule::CorrectOnly));
        }
        if teaching.has(StoreRule::Checked)
            && !context.grader.is_consistent(context.item, solution.text, &solution.graded, teaching.checked_at_least)
        {
            return Ok(Some(StoreRule::Checked));
        }
        let fails = |rule: &StoreRule| rule.checks().iter().any(|check| solution.checks.of(*check) != Some(true));
        if let Some(rule) = teaching.store.iter().copied().find(fails) {
            return Ok(Some(rule));
        }
        if teaching.has(StoreRule::Confident) {
            let response = &*solution.completed.response;
            let signal = Signal::MeanTokenProbability;
            let answered = Answered { response, place: None, options: &[], quantile: 0.0 };
            let confidence =
                signal.read(&answered).map_err(|missing| self.no_confidence(context.item, signal.name(), missing))?;
            if confidence.value() < teaching.confident_from {
                return Ok(Some(StoreRule::Confident));
            }
        }
        if teaching.has(StoreRule::Unconflicted) {
            let answer = solution.graded.answer.as_deref();
            let contradicts = |retrieved: &Retrieved| {
                context.grader.contradicts(context.item, (solution.text, answer), &retrieved.strategy.solved)
            };
            if solution.retrieved.iter().any(contradicts) {
                return Ok(Some(StoreRule::Unconflicted));
            }
        }
        // A solution without a readable strategy is not stored and needs no further sample.
        if !solution.readable {
            return Ok(None);
        }
        if teaching.has(StoreRule::Verified) && !self.is_majority_answer(level, context, teaching, solution, 2).await? {
            return Ok(Some(StoreRule::Verified));
        }
        let draws = teaching.majority_draws;
        if teaching.has(StoreRule::Majority)
            && !self.is_majority_answer(level, context, teaching, solution, draws).await?
        {
            return Ok(Some(StoreRule::Majority));
        }
        Ok(None)
    }

    /// True if more than half of `draws` samples have the solution's answer. The solution counts as one sample.
    /// Sampling stops as soon as the result is certain.
    async fn is_majority_answer(
        &self,
        level: Level,
        context: &mut CallContext<'_>,
        teaching: &TeachingPolicy,
        solution: &Solution<'_>,
        draws: u32,
    ) -> Result<bool, StepError> {
        if solution.graded.answer.is_none() {
            return Ok(false);
        }
        let (mut votes, needed) = (1, draws / 2 + 1);
        for draw in 1..draws {
            if votes >= needed || votes + (draws - draw) < needed {
                break;
            }
            let generation = Generation { temperature: teaching.verify_temperature, ..self.generation() };
            let messages = self.prompt.answer(context.item, &texts(solution.examples), true);
            let strategies = sources(solution.examples);
            let sample = Request { draw, strategies, ..request(context.item, messages, generation) };
            let completed = self.call(context, Purpose::Verify, &sample).await?;
            context.calls.push(self.row(level, Purpose::Verify, &completed));
            let graded = context.grader.grade(context.item, &completed.response, &completed.response.text);
            votes += u32::from(graded.answer == solution.graded.answer);
        }
        Ok(votes >= needed)
    }
}

/// Returns a worked example of a question from the config, formatted by the prompt that will show it.
#[must_use]
pub fn worked_example(item: &Item, grader: &Grader, solution: &str, prompt: &Prompt) -> Strategy {
    let response = Response { text: solution.to_owned(), ..Response::default() };
    let answer = grader.grade(item, &response, solution);
    strategy_from(
        item,
        (solution, &answer),
        &prompt.worked_example(item, solution.trim()),
        &"config".into(),
        prompt,
        None,
    )
}

/// Builds the strategy with this text from an item and its graded solution. Markers of the prompt in the text are
/// quoted, and the text is cut to `max_tokens` tokens of four bytes.
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

/// Text that is stored, formatted by the weak level's prompt. `None` if the text cannot be formed.
fn stored_text(
    content: Content,
    item: &Item,
    solution: &Solution<'_>,
    strategy: Option<&str>,
    prompt: &Prompt,
) -> Option<String> {
    let example = || prompt.worked_example(item, solution.text.trim());
    match content {
        Content::Strategy => strategy.map(str::to_owned),
        Content::WorkedExample => (!solution.text.trim().is_empty()).then(example),
        Content::Both => strategy.map(|strategy| format!("{}\n{strategy}", example())),
        Content::QuestionAnswer => {
            answer_of(item, &solution.graded).map(|answer| prompt.question_answer(item, &answer))
        }
    }
}

/// Answer in a form that applies to other items: the number, or the text of the option. `None` if there is no answer.
fn answer_of(item: &Item, graded: &Graded) -> Option<String> {
    let answer = graded.answer.as_ref()?;
    match item.target {
        Target::Choice(_) => choice::index(answer.chars().next()?).and_then(|index| item.options.get(index)).cloned(),
        _ => Some(answer.clone()),
    }
}
