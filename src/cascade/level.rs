//! A model at its place in the cascade: how it is called, and the rows that its calls leave. What it is asked is in
//! `answer.rs` and `teach.rs`.

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

/// The model of one level: how it is called and in which words.
pub struct LevelModel {
    /// The model's name in the config.
    pub name: Arc<str>,
    /// The model behind its gateway.
    pub model: Gateway,
    /// The words that are put to it.
    pub prompt: Prompt,
    /// The most tokens of an answer.
    pub max_tokens: u32,
    /// Sampling temperature.
    pub temperature: f64,
    /// Whether it computes the expressions that it writes.
    pub calculator: bool,
}

/// The levels of a cascade, at least one: the lower ones have a gate, the top one resolves and teaches.
pub struct Levels {
    lower: Vec<LevelModel>,
    top: LevelModel,
}

impl Levels {
    /// A cascade of these levels, from the first one up.
    #[must_use]
    pub fn new(lower: Vec<LevelModel>, top: LevelModel) -> Self {
        Self { lower, top }
    }

    /// The first level, which strategies are shown to.
    #[must_use]
    pub fn first(&self) -> &LevelModel {
        self.lower.first().unwrap_or(&self.top)
    }

    /// The levels below the top, from the first one up.
    #[must_use]
    pub fn below_top(&self) -> impl ExactSizeIterator<Item = (Level, &LevelModel)> {
        self.lower.iter().enumerate().map(|(index, model)| (Level::at(index), model))
    }

    /// The top level.
    #[must_use]
    pub fn top(&self) -> (Level, &LevelModel) {
        (Level::at(self.lower.len()), &self.top)
    }
}

/// The item that a level is asked about, and the calls that it has needed so far.
pub struct CallContext<'a> {
    /// The item.
    pub item: &'a Item,
    /// How its answers are read and compared.
    pub grader: &'a Grader,
    /// Where its calls stand among all.
    pub priority: Priority,
    /// The calls.
    pub calls: &'a mut Vec<Call>,
    /// The levels whose provider refused to answer.
    pub refused: Vec<Level>,
}

/// Why an item could not be taken through its arm.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// A call gave no answer.
    #[error("item `{item}`, model `{model}` ({purpose})")]
    Call {
        /// The item.
        item: String,
        /// The model's name in the config.
        model: String,
        /// What the call was for.
        purpose: &'static str,
        /// What happened.
        source: ModelError,
    },
    /// An answer has no confidence.
    #[error(
        "item `{item}`, model `{model}`: {missing}, and the signal `{signal}` needs it: choose a model that gives it or another deferral.signal; until then the run stops at this answer again"
    )]
    Confidence {
        /// The item.
        item: String,
        /// The model's name in the config.
        model: String,
        /// The signal's name.
        signal: &'static str,
        /// What is missing.
        missing: NoConfidence,
    },
    /// A model's prompt lacks a form that the arm or the signal needs. A config with such a prompt is refused when it is loaded.
    #[error("item `{item}`, model `{model}`: its prompt has no form `{form}`")]
    Form {
        /// The item.
        item: String,
        /// The model's name in the config.
        model: String,
        /// The form's name in prompt files.
        form: &'static str,
    },
}

impl StepError {
    /// Whether the same command would stop again in the same place, unless something is changed first.
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

    /// The call that only recorded answers may answer and that none answers. `None` for every other error.
    #[must_use]
    pub fn unrecorded(&self) -> Option<Unrecorded> {
        match self {
            Self::Call { item, model, purpose, source: ModelError::NotRecorded } => {
                Some(Unrecorded { item: item.clone(), model: model.clone(), purpose: (*purpose).to_owned() })
            }
            _ => None,
        }
    }

    /// Whether the call was only not made because the run is being stopped for another reason.
    #[must_use]
    pub fn is_stop(&self) -> bool {
        matches!(self, Self::Call { source: ModelError::Stopped, .. })
    }
}

/// A call that was answered.
pub(super) struct CompletedCall {
    pub(super) key: CallKey,
    pub(super) response: Arc<Response>,
}

impl LevelModel {
    /// How this level writes its answers.
    pub(super) fn generation(&self) -> Generation {
        Generation {
            max_tokens: self.max_tokens,
            temperature: self.temperature,
            stop: self.prompt.stop.clone(),
            calculator: self.calculator,
            ..Generation::default()
        }
    }

    pub(super) async fn call(
        &self,
        asked: &CallContext<'_>,
        purpose: Purpose,
        request: &Request,
    ) -> Result<CompletedCall, StepError> {
        let called = self.model.call(request, asked.priority).await;
        let (key, response) = called.map_err(|source| StepError::Call {
            item: escaped_in_line(&asked.item.id.0).into_owned(),
            model: escaped_in_line(&self.name).into_owned(),
            purpose: purpose.name(),
            source,
        })?;
        // The journal keeps the reasoning; nobody grades, splits or judges it.
        Ok(CompletedCall { key, response: reasoning::without(response) })
    }

    /// A call's row: all of its tokens, for one purpose.
    pub(super) fn row(&self, level: Level, purpose: Purpose, heard: &CompletedCall) -> Call {
        let CompletedCall { key, response } = heard;
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
        }
    }

    pub(super) fn unsure(&self, item: &Item, signal: &'static str, missing: NoConfidence) -> StepError {
        let (item, model) = (escaped_in_line(&item.id.0).into_owned(), escaped_in_line(&self.name).into_owned());
        StepError::Confidence { item, model, signal, missing }
    }

    pub(super) fn lacks(&self, item: &Item, form: &'static str) -> StepError {
        let (item, model) = (escaped_in_line(&item.id.0).into_owned(), escaped_in_line(&self.name).into_owned());
        StepError::Form { item, model, form }
    }
}

/// A first draw of an answer, without strategies.
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

/// How many of the output tokens lie before byte `end` of the text. Exact where the backend tells the tokens; else
/// the tokens are shared out by bytes. Hidden tokens (reasoning) count as the answer's.
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

/// A call's row parted in two: what its output before byte `end` of the text took, and what came behind.
pub(super) fn split_call(row: Call, response: &Response, end: usize, behind: Purpose) -> [Call; 2] {
    let before = output_before(response, end);
    let further = Call {
        purpose: behind,
        usage: Usage { input: 0, cached_input: 0, output: response.usage.output - before },
        latency_ms: 0.0,
        recorded_fee_usd: row.recorded_fee_usd.map(|_| 0.0),
        ..row.clone()
    };
    [Call { usage: Usage { output: before, ..row.usage }, ..row }, further]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::chat::Token;

    fn response(pieces: &[&str], output: u64) -> Response {
        let token = |text: &&str| Token { text: (*text).to_owned(), ..Token::default() };
        Response {
            text: "#### 4\nSTRATEGY:\nAdd them".into(),
            tokens: pieces.iter().map(token).collect(),
            usage: Usage { input: 1, cached_input: 0, output },
            ..Response::default()
        }
    }

    #[test]
    fn output_is_parted_at_the_mark() {
        let answer = "#### 4\n".len();
        let told = response(&["####", " 4\n", "STRATEGY", ":\n", "Add", " them"], 6);
        assert_eq!(output_before(&told, answer), 2);
        let reasoned = response(&["####", " 4\n", "STRATEGY", ":\n", "Add", " them"], 26);
        assert_eq!(output_before(&reasoned, answer), 22, "hidden tokens belong to the answer");
        let untold = response(&[], 50);
        assert_eq!(output_before(&untold, answer), 50 - 50 * 18 / 25);
        assert_eq!(output_before(&untold, 25), 50, "no mark, no strategy");
    }
}
