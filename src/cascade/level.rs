//! A model at its place in the cascade: what it is asked, and what is made of its answers.

use std::sync::Arc;

use super::repository::Shown;
use crate::model::ModelError;
use crate::model::gate::Priority;
use crate::model::gateway::Gateway;
use crate::task::Task;
use crate::task::confidence::{NoConfidence, Signal};
use crate::task::prompt::{self, Style};
use crate::types::chat::{Alternatives, CallKey, Generation, Message, Mode, Request, Response, Usage};
use crate::types::item::Item;
use crate::types::record::{Call, Graded, Purpose, Strategy, WeakAnswer};

/// A level of the cascade.
pub struct Level {
    /// The model's name in the config.
    pub name: Arc<str>,
    /// The model behind its gateway.
    pub model: Gateway,
    /// How it is addressed.
    pub style: Style,
    /// The most tokens of an answer.
    pub max_tokens: u32,
    /// Sampling temperature.
    pub temperature: f64,
    /// Whether it computes the expressions that it writes.
    pub calculator: bool,
}

/// The item that a level is asked about, and the calls that it has needed so far.
pub struct Asked<'a> {
    /// The item.
    pub item: &'a Item,
    /// Its kind of question.
    pub task: Task,
    /// Where its calls stand among all.
    pub priority: Priority,
    /// The calls.
    pub calls: &'a mut Vec<Call>,
}

/// Why an item could not be taken through its arm.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// A call gave no answer.
    #[error("item `{item}`, model `{model}`")]
    Call {
        /// The item.
        item: String,
        /// The model's name in the config.
        model: String,
        /// What happened.
        source: ModelError,
    },
    /// The weak answer has no confidence.
    #[error(
        "item `{item}`, model `{model}`: {missing}, and the signal `{signal}` needs them: choose a model that gives them or another deferral.signal"
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
}

impl StepError {
    /// Whether the call was only not made because the run is being stopped for another reason.
    #[must_use]
    pub fn is_stop(&self) -> bool {
        matches!(self, Self::Call { source: ModelError::Stopped, .. })
    }
}

impl Level {
    /// Answers the item with strategies in front, and says how sure it is.
    ///
    /// # Errors
    /// Where the call gave no usable answer, or one without what the signal needs.
    pub async fn answer(
        &self,
        level: usize,
        asked: &mut Asked<'_>,
        shown: &[Shown],
        signal: Option<Signal>,
    ) -> Result<WeakAnswer, StepError> {
        let item = asked.item;
        let texts: Vec<&str> = shown.iter().map(|shown| shown.strategy.text.as_str()).collect();
        let scored = signal == Some(Signal::OptionProbability);
        let mode = if scored {
            Mode::Score { options: item.options.clone() }
        } else {
            self.generate(signal.is_some_and(Signal::needs_logprobs))
        };
        let messages = prompt::answer(self.style, asked.task, item, &texts, !scored);
        let strategies = shown.iter().map(|shown| shown.strategy.source.clone()).collect();
        let request = Request { strategies, ..request(item, messages, mode) };
        let (key, response) = self.call(asked, &request).await?;
        let read = |signal: Signal| {
            signal.read(&response).map_err(|missing| StepError::Confidence {
                item: item.id.to_string(),
                model: self.name.to_string(),
                signal: signal.name(),
                missing,
            })
        };
        let confidence = signal.map(read).transpose()?;
        let call = self.row(level, Purpose::Answer, response.usage, &response, key);
        asked.calls.push(Call { confidence, ..call });
        Ok(WeakAnswer { graded: Task::grade(item, &response, &response.text), confidence })
    }

    /// Answers a deferred item, and with `distil` writes a strategy behind the answer.
    ///
    /// # Errors
    /// Where the call gave no usable answer.
    pub async fn resolve(
        &self,
        level: usize,
        asked: &mut Asked<'_>,
        distil: bool,
    ) -> Result<(Graded, Option<Strategy>), StepError> {
        let item = asked.item;
        let messages = if distil {
            prompt::answer_and_distil(asked.task, item)
        } else {
            prompt::answer(self.style, asked.task, item, &[], true)
        };
        let request = Request { distil, ..request(item, messages, self.generate(false)) };
        let (key, response) = self.call(asked, &request).await?;
        let (text, strategy) =
            if distil { prompt::split_strategy(&response.text) } else { (response.text.as_str(), None) };
        let written = output_before(&response, text.len());
        let answering = Usage { output: written, ..response.usage };
        asked.calls.push(self.row(level, Purpose::Answer, answering, &response, key));
        if distil {
            let distilling = Usage { input: 0, cached_input: 0, output: response.usage.output - written };
            let row = self.row(level, Purpose::Distil, distilling, &response, key);
            asked.calls.push(Call { latency_ms: 0.0, recorded_fee_usd: row.recorded_fee_usd.map(|_| 0.0), ..row });
        }
        let graded = Task::grade(item, &response, text);
        let strategy = strategy.map(|text| Strategy {
            source: item.id.clone(),
            group: Arc::clone(&item.group),
            text: text.to_owned(),
            model: Arc::clone(&self.name),
            source_score: graded.score,
        });
        Ok((graded, strategy))
    }

    fn generate(&self, logprobs: bool) -> Mode {
        Mode::Generate(Generation {
            max_tokens: self.max_tokens,
            temperature: self.temperature,
            stop: prompt::stops(self.style),
            logprobs,
            calculator: self.calculator,
            alternatives: Alternatives::NONE,
        })
    }

    async fn call(&self, asked: &Asked<'_>, request: &Request) -> Result<(CallKey, Arc<Response>), StepError> {
        self.model.call(request, asked.priority).await.map_err(|source| StepError::Call {
            item: asked.item.id.to_string(),
            model: self.name.to_string(),
            source,
        })
    }

    fn row(&self, level: usize, purpose: Purpose, usage: Usage, response: &Response, key: CallKey) -> Call {
        Call {
            level: Some(level),
            model: Arc::clone(&self.name),
            purpose,
            usage,
            confidence: None,
            latency_ms: response.latency_ms,
            answered_by: Some(response.model.as_str().into()),
            journal_key: Some(key),
            journal_hit: false,
            recorded_fee_usd: response.fee_usd,
        }
    }
}

/// A first draw without strategies.
fn request(item: &Item, messages: Vec<Message>, mode: Mode) -> Request {
    Request { item: item.id.clone(), messages, mode, distil: false, draw: 0, strategies: Vec::new() }
}

/// How many of the output tokens lie before byte `end` of the text. Exact where the backend tells the tokens; else
/// the tokens are shared out by bytes. Hidden tokens (reasoning) count as the answer's.
fn output_before(response: &Response, end: usize) -> u64 {
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
