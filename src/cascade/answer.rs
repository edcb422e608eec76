//! How a level below the top answers: alone or following what is shown, and how sure it is of it.

use super::level::{CallContext, LevelModel, StepError, request};
use super::repository::{Retrieved, sources, texts};
use crate::task::confidence::{self, Answered, Further, Signal};
use crate::task::prompt::Form;
use crate::types::chat::{Alternatives, Finish, Generation, Mode, Request, RequestKind, Response};
use crate::types::confidence::Confidence;
use crate::types::level::Level;
use crate::types::record::{Call, Graded, LevelAnswer, Purpose};

/// Tokens of a reply that says how sure an answer is.
const REPLY_TOKENS: u32 = 8;

/// How confidence is told.
#[derive(Debug, Clone)]
pub struct ConfidenceEstimator {
    /// What it is read from.
    pub signal: Signal,
    /// The quantile of [`Signal::QuantileTokenProbability`], in [0, 1].
    pub quantile: f64,
    /// Further draws of [`Signal::SelfConsistency`].
    pub draws: u32,
    /// Their temperature.
    pub draw_temperature: f64,
}

impl LevelModel {
    /// Answers the item with strategies in front, and says how sure it is.
    ///
    /// # Errors
    /// Where a call gave no usable answer, or one without what the signal needs.
    pub async fn answer(
        &self,
        level: Level,
        asked: &mut CallContext<'_>,
        shown: &[Retrieved],
        gauge: Option<&ConfidenceEstimator>,
    ) -> Result<LevelAnswer, StepError> {
        let item = asked.item;
        let scored = gauge.is_some_and(|gauge| gauge.signal.scores_options());
        let messages = self.prompt.answer(item, &texts(shown), !scored);
        let generation = Generation {
            logprobs: gauge.is_some_and(|gauge| gauge.signal.needs_logprobs()),
            alternatives: gauge.map_or(Alternatives::NONE, |gauge| gauge.signal.alternatives(asked.grader.task)),
            ..self.generation()
        };
        let mode =
            if scored { Mode::Score { options: item.options.clone() } } else { Mode::Generate(generation.clone()) };
        let first = Request { mode, strategies: sources(shown), ..request(item, messages, generation) };
        let heard = self.call(asked, Purpose::Answer, &first).await?;
        let graded = asked.grader.grade(item, &heard.response, &heard.response.text);
        let strict = asked.grader.grade_strictly(item, &heard.response, &heard.response.text).score;
        let checks =
            asked.grader.checks(item, &heard.response.text, &graded, shown.iter().map(|shown| &*shown.strategy.solved));
        let mut answer = LevelAnswer {
            strict: Some(strict),
            strategies_shown: shown.len(),
            checks,
            ..LevelAnswer::new(level, graded)
        };
        let row = asked.calls.len();
        asked.calls.push(self.row(level, Purpose::Answer, &heard));
        if heard.response.is_refused() {
            asked.refused.push(level);
            // No answer has no confidence, whatever the signal: the item is deferred.
            return Ok(answer);
        }
        let Some(gauge) = gauge else { return Ok(answer) };
        // Of an answer without a word nothing is asked.
        answer.confidence = if heard.response.is_empty() && gauge.signal.further() != Further::Nothing {
            Some(Confidence::NONE)
        } else {
            self.score(level, asked, gauge, &first, &heard.response, &answer.graded).await?
        };
        asked.calls[row].confidence = answer.confidence;
        Ok(answer)
    }

    /// The signal's score, with the further calls that it needs; `None` if the provider withheld part of the answer, or
    /// refused to say how sure it is.
    async fn score(
        &self,
        level: Level,
        asked: &mut CallContext<'_>,
        gauge: &ConfidenceEstimator,
        first: &Request,
        response: &Response,
        graded: &Graded,
    ) -> Result<Option<Confidence>, StepError> {
        let item = asked.item;
        let signal = gauge.signal;
        match signal.further() {
            Further::Nothing => {
                let place = asked.grader.place(item, response);
                let answered = Answered { response, place, options: &item.options, quantile: gauge.quantile };
                match signal.read(&answered) {
                    Err(_) if response.finish == Finish::ContentFilter => Ok(None),
                    read => read.map(Some).map_err(|missing| self.unsure(item, signal.name(), missing)),
                }
            }
            Further::Draws => {
                let mut draws = Vec::new();
                for draw in 1..=gauge.draws {
                    let generation = Generation { temperature: gauge.draw_temperature, ..self.generation() };
                    let again = Request { draw, mode: Mode::Generate(generation), ..first.clone() };
                    let response = self.further(level, asked, &again).await?;
                    draws.push(asked.grader.grade(item, &response, &response.text).answer);
                }
                Ok(Some(confidence::vote_share(graded.answer.as_deref(), &draws)))
            }
            Further::IsItRight => {
                let reply = self.about(level, asked, (self.prompt.p_true.as_ref(), "p_true"), response, true).await?;
                if reply.is_refused() {
                    return Ok(None);
                }
                confidence::p_true(&reply).map(Some).map_err(|missing| self.unsure(item, signal.name(), missing))
            }
            Further::HowLikely => {
                let reply =
                    self.about(level, asked, (self.prompt.verbalised.as_ref(), "verbalised"), response, false).await?;
                Ok((!reply.is_refused()).then(|| confidence::verbalised(&reply.text)))
            }
        }
    }

    /// What the level replies when asked about its own answer.
    async fn about(
        &self,
        level: Level,
        asked: &mut CallContext<'_>,
        (form, name): (Option<&Form>, &'static str),
        response: &Response,
        compared: bool,
    ) -> Result<Response, StepError> {
        let form = form.ok_or_else(|| self.lacks(asked.item, name))?;
        let messages = self.prompt.about(form, asked.item, response.text.trim());
        let alternatives = if compared { confidence::for_p_true() } else { Alternatives::NONE };
        let generation = Generation {
            max_tokens: REPLY_TOKENS,
            logprobs: compared,
            alternatives,
            calculator: false,
            ..self.generation()
        };
        let question = Request { wanted: RequestKind::Confidence, ..request(asked.item, messages, generation) };
        self.further(level, asked, &question).await
    }

    /// A call for the confidence alone.
    async fn further(
        &self,
        level: Level,
        asked: &mut CallContext<'_>,
        request: &Request,
    ) -> Result<Response, StepError> {
        let heard = self.call(asked, Purpose::Confidence, request).await?;
        asked.calls.push(Call { confidence: None, ..self.row(level, Purpose::Confidence, &heard) });
        Ok(Response::clone(&heard.response))
    }
}
