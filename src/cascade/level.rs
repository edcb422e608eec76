//! A model at one level of the cascade: how calls are made, and the record rows of calls. The requests are built in
//! `answer.rs` (levels below the top) and `teach.rs` (top level).

use std::sync::Arc;

use crate::gateway::Gateway;
use crate::gateway::concurrency::Priority;
use crate::task::Grader;
use crate::task::confidence::NoConfidence;
use crate::task::prompt::Prompt;
use crate::types::chat::{CallKey, Generation, Message, Mode, Request, RequestKind, Response, Usage};
use crate::types::escaped::escaped_in_line;
use crate::types::item::Item;
use crate::types::left_out::Unrecorded;
use crate::types::level::Level;
use crate::types::model::ModelError;
use crate::types::noted::AnswerNotes;
use crate::types::reasoning;
use crate::types::record::{Call, Purpose};

/// Model of one level with its prompt and sampling parameters.
pub struct LevelModel {
    /// Name of the model in the config.
    pub name: Arc<str>,
    /// Gateway to the model, with journal, retries and limiters.
    pub model: Gateway,
    /// Prompt templates.
    pub prompt: Prompt,
    /// Maximum number of tokens of an answer.
    pub max_tokens: u32,
    /// Sampling temperature; 0 is greedy.
    pub temperature: f64,
    /// True if a calculator evaluates the expressions that the model writes.
    pub calculator: bool,
}

/// Levels of a cascade, at least one. Each lower level has a deferral gate. The top level answers what they defer, and
/// its solutions become strategies.
pub struct Levels {
    lower: Vec<LevelModel>,
    top: LevelModel,
}

impl Levels {
    /// Returns the cascade with the `lower` levels, the first one first, and the `top` level.
    #[must_use]
    pub fn new(lower: Vec<LevelModel>, top: LevelModel) -> Self {
        Self { lower, top }
    }

    /// First level, whose prompts show strategies. The top level if there is only one.
    #[must_use]
    pub fn first(&self) -> &LevelModel {
        self.lower.first().unwrap_or(&self.top)
    }

    /// Levels below the top, the first one first.
    #[must_use]
    pub fn below_top(&self) -> impl ExactSizeIterator<Item = (Level, &LevelModel)> {
        self.lower.iter().enumerate().map(|(index, model)| (Level::at(index), model))
    }

    /// Top level and its model.
    #[must_use]
    pub fn top(&self) -> (Level, &LevelModel) {
        (Level::at(self.lower.len()), &self.top)
    }
}

/// Context of the calls for one item: the item, its grader, and the rows of the calls so far.
pub struct CallContext<'a> {
    /// Item to answer.
    pub item: &'a Item,
    /// Reads and scores answers.
    pub grader: &'a Grader,
    /// Priority of the item's calls in the concurrency limiter.
    pub priority: Priority,
    /// Rows of the calls so far, in the order of the calls.
    pub calls: &'a mut Vec<Call>,
    /// Levels whose provider refused to answer.
    pub refused: Vec<Level>,
}

/// Error that keeps an item from being answered in its arm.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// A call returned no answer.
    #[error("item `{item}`, model `{model}` ({purpose})")]
    Call {
        /// Id of the item.
        item: String,
        /// Name of the model in the config.
        model: String,
        /// Purpose of the call.
        purpose: &'static str,
        /// Error of the model or its gateway.
        source: ModelError,
    },
    /// An answer lacks the data that its confidence is computed from.
    #[error(
        "item `{item}`, model `{model}`: {missing}, and the signal `{signal}` needs it. Choose a model that returns it, or another deferral.signal; otherwise the run stops at this answer again"
    )]
    Confidence {
        /// Id of the item.
        item: String,
        /// Name of the model in the config.
        model: String,
        /// Name of the signal.
        signal: &'static str,
        /// Missing data.
        missing: NoConfidence,
    },
    /// The model's prompt lacks a form that the arm or the signal needs. Loading a config with such a prompt already
    /// fails.
    #[error("item `{item}`, model `{model}`: the prompt has no form `{form}`. Choose another prompt")]
    Form {
        /// Id of the item.
        item: String,
        /// Name of the model in the config.
        model: String,
        /// Name of the form in prompt files.
        form: &'static str,
    },
}

impl StepError {
    /// True if the same command would stop at the same call again, unless the config or its environment is changed.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Confidence { .. } | Self::Form { .. } => true,
            Self::Call { source, .. } => matches!(
                source,
                ModelError::Refused(_)
                    | ModelError::NotRecorded
                    | ModelError::Unusable(_)
                    | ModelError::FeeLimit(_)
                    | ModelError::TooManyRefused(_)
            ),
        }
    }

    /// Call that only a recording may answer and that no recording holds. `None` for every other error.
    #[must_use]
    pub fn unrecorded(&self) -> Option<Unrecorded> {
        match self {
            Self::Call { item, model, purpose, source: ModelError::NotRecorded } => {
                Some(Unrecorded { item: item.clone(), model: model.clone(), purpose: (*purpose).to_owned() })
            }
            _ => None,
        }
    }

    /// True if the call was not made because the run is already stopping for another reason.
    #[must_use]
    pub fn is_stop(&self) -> bool {
        matches!(self, Self::Call { source: ModelError::Stopped, .. })
    }
}

/// A call with its response.
pub(super) struct CompletedCall {
    pub(super) key: CallKey,
    pub(super) response: Arc<Response>,
}

impl LevelModel {
    /// Generation parameters of this level.
    pub(super) fn generation(&self) -> Generation {
        Generation {
            max_tokens: self.max_tokens,
            temperature: self.temperature,
            stop: self.prompt.stop.clone(),
            calculator: self.calculator,
            ..Generation::default()
        }
    }

    /// Calls the model. The response has no reasoning text.
    pub(super) async fn call(
        &self,
        context: &CallContext<'_>,
        purpose: Purpose,
        request: &Request,
    ) -> Result<CompletedCall, StepError> {
        let result = self.model.call(request, context.priority).await;
        let (key, response) = result.map_err(|source| StepError::Call {
            item: escaped_in_line(&context.item.id.0).into_owned(),
            model: escaped_in_line(&self.name).into_owned(),
            purpose: purpose.name(),
            source,
        })?;
        // The journal stores the reasoning. Grading, splitting and checks use the visible text only.
        Ok(CompletedCall { key, response: reasoning::without(response) })
    }

    /// Row of a completed call, with all of its tokens under one purpose.
    pub(super) fn row(&self, level: Level, purpose: Purpose, completed: &CompletedCall) -> Call {
        let CompletedCall { key, response } = completed;
        Call {
            level: Some(level),
            model: Arc::clone(&self.name),
            purpose,
            usage: response.usage,
            confidence: None,
            latency_ms: response.latency_ms,
            answered_by: Some(response.model.as_str().into()),
            journal_key: Some(*key),
            journal_hit: false,
            recorded_fee_usd: response.fee_usd,
            noted: Some(AnswerNotes::of(response)),
            server: response.server.as_deref().map(Into::into),
        }
    }

    /// Error of an answer without a confidence.
    pub(super) fn no_confidence(&self, item: &Item, signal: &'static str, missing: NoConfidence) -> StepError {
        let (item, model) = (escaped_in_line(&item.id.0).into_owned(), escaped_in_line(&self.name).into_owned());
        StepError::Confidence { item, model, signal, missing }
    }

    /// Error of a prompt without the form that is needed.
    pub(super) fn missing_form(&self, item: &Item, form: &'static str) -> StepError {
        let (item, model) = (escaped_in_line(&item.id.0).into_owned(), escaped_in_line(&self.name).into_owned());
        StepError::Form { item, model, form }
    }
}

/// Request for the first sample of an answer, without strategies.
pub(super) fn request(item: &Item, messages: Vec<Message>, generation: Generation) -> Request {
    Request {
        item: item.id.clone(),
        messages,
        mode: Mode::Generate(generation),
        wanted: RequestKind::Answer,
        draw: 0,
        strategies: Vec::new(),
    }
}

/// Number of output tokens before byte `end` of the text. Exact if the backend returns the tokens; otherwise tokens are
/// divided in proportion to bytes. Hidden reasoning tokens count as part of the answer.
pub(super) fn output_before(response: &Response, end: usize) -> u64 {
    let text = response.text.len();
    if end >= text {
        return response.usage.output;
    }
    let after = if response.tokens.is_empty() {
        let output = u128::from(response.usage.output);
        u64::try_from(output * (text - end) as u128 / text as u128).unwrap_or(response.usage.output)
    } else {
        let mut seen = 0;
        let before = response.tokens.iter().take_while(|token| {
            seen += token.text.len();
            seen <= end
        });
        (response.tokens.len() - before.count()) as u64
    };
    response.usage.output.saturating_sub(after)
}

/// Splits the row of a call at byte `end` of its text. The first row holds the input tokens, the latency and the output
/// tokens before `end`. The second row, with the purpose `rest`, holds the output tokens after `end`.
pub(super) fn split_call(row: Call, response: &Response, end: usize, rest: Purpose) -> [Call; 2] {
    let before = output_before(response, end);
    let second = Call {
        purpose: rest,
        usage: Usage { input: 0, cached_input: 0, output: response.usage.output - before },
        latency_ms: 0.0,
        recorded_fee_usd: row.recorded_fee_usd.map(|_| 0.0),
        ..row.clone()
    };
    [Call { usage: Usage { output: before, ..row.usage }, ..row }, second]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::chat::Token;

    fn response(tokens: &[&str], output: u64) -> Response {
        let token = |text: &&str| Token { text: (*text).to_owned(), ..Token::default() };
        Response {
            text: "#### 4\nSTRATEGY:\nAdd them".into(),
            tokens: tokens.iter().map(token).collect(),
            usage: Usage { input: 1, cached_input: 0, output },
            ..Response::default()
        }
    }

    #[test]
    fn output_tokens_are_split_at_the_marker() {
        let answer = "#### 4\n".len();
        let visible = response(&["####", " 4\n", "STRATEGY", ":\n", "Add", " them"], 6);
        assert_eq!(output_before(&visible, answer), 2);
        let reasoned = response(&["####", " 4\n", "STRATEGY", ":\n", "Add", " them"], 26);
        assert_eq!(output_before(&reasoned, answer), 22, "hidden tokens belong to the answer");
        let without_tokens = response(&[], 50);
        assert_eq!(output_before(&without_tokens, answer), 50 - 50 * 18 / 25);
        assert_eq!(output_before(&without_tokens, 25), 50, "no marker, no strategy");
    }
}
