//! Answers of the levels below the top, with or without strategies in the prompt, and their confidence.

use super::level::{CallContext, LevelModel, StepError, request};
use super::repository::{Retrieved, sources, texts};
use crate::task::confidence::{self, Answered, Further, Signal};
use crate::task::prompt::Form;
use crate::types::chat::{Alternatives, Finish, Generation, Mode, Request, RequestKind, Response};
use crate::types::confidence::Confidence;
use crate::types::level::Level;
use crate::types::record::{Call, Graded, LevelAnswer, Purpose};

/// Maximum number of tokens of a reply about the confidence in an answer.
const REPLY_TOKENS: u32 = 8;

/// Settings of the confidence estimate.
#[derive(Debug, Clone)]
pub struct ConfidenceEstimator {
    /// Signal that the confidence is computed from.
    pub signal: Signal,
    /// Quantile of [`Signal::QuantileTokenProbability`], in [0, 1].
    pub quantile: f64,
    /// Number of additional samples of [`Signal::SelfConsistency`].
    pub draws: u32,
    /// Sampling temperature of the additional samples, in [0, 2].
    pub draw_temperature: f64,
}

impl LevelModel {
    /// Answers the item and estimates the confidence in the answer. The prompt shows `examples` before the query.
    /// Without an `estimator` the answer has no confidence.
    ///
    /// # Errors
    /// If a call returns no usable answer, or an answer that lacks the data the signal needs.
    pub async fn answer(
        &self,
        level: Level,
        context: &mut CallContext<'_>,
        examples: &[Retrieved],
        estimator: Option<&ConfidenceEstimator>,
    ) -> Result<LevelAnswer, StepError> {
        let item = context.item;
        let scored = estimator.is_some_and(|estimator| estimator.signal.scores_options());
        let messages = self.prompt.answer(item, &texts(examples), !scored);
        let generation = Generation {
            logprobs: estimator.is_some_and(|estimator| estimator.signal.needs_logprobs()),
            alternatives: estimator
                .map_or(Alternatives::NONE, |estimator| estimator.signal.alternatives(context.grader.task)),
            ..self.generation()
        };
        let mode =
            if scored { Mode::Score { options: item.options.clone() } } else { Mode::Generate(generation.clone()) };
        let first = Request { mode, strategies: sources(examples), ..request(item, messages, generation) };
        let completed = self.call(context, Purpose::Answer, &first).await?;
        let graded = context.grader.grade(item, &completed.response, &completed.response.text);
        let strict = context.grader.grade_strictly(item, &completed.response, &completed.response.text).score;
        let checks = context.grader.checks(
            item,
            &completed.response.text,
            &graded,
            examples.iter().map(|example| &*example.strategy.solved),
        );
        let mut answer = LevelAnswer {
            strict: Some(strict),
            strategies_shown: examples.len(),
            checks,
            ..LevelAnswer::new(level, graded)
        };
        let row = context.calls.len();
        context.calls.push(self.row(level, Purpose::Answer, &completed));
        if completed.response.is_refused() {
            context.refused.push(level);
            // A refused request has no confidence under any signal, so the item is deferred.
            return Ok(answer);
        }
        let Some(estimator) = estimator else { return Ok(answer) };
        // An empty answer needs no further call: its confidence is 0.
        answer.confidence = if completed.response.is_empty() && estimator.signal.further() != Further::Nothing {
            Some(Confidence::NONE)
        } else {
            self.estimate(level, context, estimator, &first, &completed.response, &answer.graded).await?
        };
        context.calls[row].confidence = answer.confidence;
        Ok(answer)
    }

    /// Computes the signal's confidence, with the additional calls that the signal needs. `None` if the provider
    /// withheld part of the answer or refused the call about the confidence.
    async fn estimate(
        &self,
        level: Level,
        context: &mut CallContext<'_>,
        estimator: &ConfidenceEstimator,
        first: &Request,
        response: &Response,
        graded: &Graded,
    ) -> Result<Option<Confidence>, StepError> {
        let item = context.item;
        let signal = estimator.signal;
        match signal.further() {
            Further::Nothing => {
                let place = context.grader.place(item, response);
                let answered = Answered { response, place, options: &item.options, quantile: estimator.quantile };
                match signal.read(&answered) {
                    Err(_) if response.finish == Finish::ContentFilter => Ok(None),
                    read => read.map(Some).map_err(|missing| self.no_confidence(item, signal.name(), missing)),
                }
            }
            Further::Draws => {
                let mut draws = Vec::new();
                for draw in 1..=estimator.draws {
                    let generation = Generation { temperature: estimator.draw_temperature, ..self.generation() };
                    let sample = Request { draw, mode: Mode::Generate(generation), ..first.clone() };
                    let response = self.confidence_call(level, context, &sample).await?;
                    draws.push(context.grader.grade(item, &response, &response.text).answer);
                }
                Ok(Some(confidence::vote_share(graded.answer.as_deref(), &draws)))
            }
            Further::IsItRight => {
                let reply = self
                    .ask_about_answer(level, context, (self.prompt.p_true.as_ref(), "p_true"), response, true)
                    .await?;
                if reply.is_refused() {
                    return Ok(None);
                }
                confidence::p_true(&reply).map(Some).map_err(|missing| self.no_confidence(item, signal.name(), missing))
            }
            Further::HowLikely => {
                let reply = self
                    .ask_about_answer(level, context, (self.prompt.verbalised.as_ref(), "verbalised"), response, false)
                    .await?;
                Ok((!reply.is_refused()).then(|| confidence::verbalised(&reply.text)))
            }
        }
    }

    /// Asks the level about its own answer and returns the reply.
    async fn ask_about_answer(
        &self,
        level: Level,
        context: &mut CallContext<'_>,
        (form, name): (Option<&Form>, &'static str),
        response: &Response,
        with_alternatives: bool,
    ) -> Result<Response, StepError> {
        let form = form.ok_or_else(|| self.missing_form(context.item, name))?;
        let messages = self.prompt.about(form, context.item, response.text.trim());
        let alternatives = if with_alternatives { confidence::for_p_true() } else { Alternatives::NONE };
        let generation = Generation {
            max_tokens: REPLY_TOKENS,
            logprobs: with_alternatives,
            alternatives,
            calculator: false,
            ..self.generation()
        };
        let question = Request { wanted: RequestKind::Confidence, ..request(context.item, messages, generation) };
        self.confidence_call(level, context, &question).await
    }

    /// Makes a call that serves only the confidence estimate, and records its row.
    async fn confidence_call(
        &self,
        level: Level,
        context: &mut CallContext<'_>,
        request: &Request,
    ) -> Result<Response, StepError> {
        let completed = self.call(context, Purpose::Confidence, request).await?;
        context.calls.push(Call { confidence: None, ..self.row(level, Purpose::Confidence, &completed) });
        Ok(Response::clone(&completed.response))
    }
}
