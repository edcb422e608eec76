//! Conversion of a server's answer to a [`Response`]: text, tokens of the text, token counts, and the reason of the
//! end.

use super::OpenAi;
use super::ending::{self, Ending};
use super::tokens::{AlignedTokens, FLOOR, align};
use super::usage::{self, LocalCounts};
use super::wire;
use crate::task::confidence::ROUNDING;
use crate::types::chat::{Alternatives, Finish, Generation, Mode, Request, Response};
use crate::types::marks;
use crate::types::model::ModelError;

/// Maximum length of an unknown reason of the end, in characters.
const MAX_WORD: usize = 60;

/// Parts of a request that determine how its answer is read.
pub(super) struct ReadOptions<'a> {
    /// Stop texts.
    stop: &'a [String],
    /// True if log-probabilities are required.
    logprobs: bool,
    /// Alternatives to retain.
    alternatives: Alternatives,
    /// Token limit. 0 means no limit.
    max_tokens: u32,
    /// Length of the prompt, in bytes.
    prompt: usize,
}

impl<'a> ReadOptions<'a> {
    /// Returns the options of a request.
    pub(super) fn for_request(request: &'a Request) -> Self {
        let prompt = request.messages.iter().map(|message| message.content.len()).sum();
        match &request.mode {
            Mode::Generate(Generation { stop, logprobs, alternatives, max_tokens, .. }) => {
                Self { stop, logprobs: *logprobs, alternatives: *alternatives, max_tokens: *max_tokens, prompt }
            }
            Mode::Score { .. } => {
                Self { stop: &[], logprobs: false, alternatives: Alternatives::NONE, max_tokens: 0, prompt }
            }
        }
    }
}

impl OpenAi {
    /// Reads an answer.
    ///
    /// - A refusal text becomes the text of the answer, with [`Finish::ContentFilter`].
    /// - An answer with an empty text is valid, because it is charged. Empty and filtered answers need no
    ///   log-probabilities.
    /// - Reasoning in separate fields and parts is left out. Reasoning within the text remains and is removed when
    ///   the answer is used.
    /// - Tokens outside the text (hidden reasoning, stop texts, end markers) are left out.
    /// - A count that is missing or impossible is estimated, and the response is marked as estimated.
    pub(super) fn read(
        &self,
        mut completion: wire::Completion,
        options: &ReadOptions<'_>,
    ) -> Result<Response, ModelError> {
        let counts = completion.take_usage();
        let mut choice = completion
            .choices
            .and_then(|choices| choices.into_iter().next())
            .ok_or_else(|| ModelError::Unusable(self.named("the answer has no choices")))?;
        let end = choice.end().map(str::to_owned);
        let ending = end.as_deref().map(ending::meaning);
        if let (Some(Some(Ending::Broken)), Some(end)) = (&ending, &end) {
            return Err(self.broken(&format!("the server aborted the answer ({end})")));
        }
        let logprobs = choice.take_logprobs();
        let content = choice.into_content();
        let is_refusal = content.refusal.is_some();
        let (mut text, listed) = match content.refusal {
            Some(refusal) => (refusal, logprobs.refusal),
            None => (content.text, logprobs.into_tokens()),
        };
        let listed = listed.unwrap_or_default();

        let mut finish = match ending {
            _ if is_refusal => Finish::ContentFilter,
            Some(Some(Ending::Ended(finish))) => finish,
            _ => Finish::Stop,
        };
        let written = text.len() + content.reasoning.len();
        let counts_for = |limit| LocalCounts { prompt: options.prompt, written, listed: listed.len(), limit };
        let (mut usage, mut estimated) = usage::read(&counts, &counts_for(None));
        let is_named = matches!(ending, Some(Some(_))) || is_refusal;
        // If the server gives no known reason of the end, a token count at the limit indicates it.
        if !is_named && !estimated && options.max_tokens > 0 && usage.output >= u64::from(options.max_tokens) {
            finish = Finish::Length;
        }
        if estimated && finish == Finish::Length {
            (usage, estimated) = usage::read(&counts, &counts_for(Some(options.max_tokens)));
        }

        let cut = stop_index(&text, options.stop);
        if cut.is_some() && finish == Finish::Length {
            finish = Finish::Stop;
        }
        let length = cut.unwrap_or(text.len());
        let mut tokens = AlignedTokens::default();
        if options.logprobs {
            let needed = finish != Finish::ContentFilter && !text.trim().is_empty();
            self.check(&listed, needed)?;
            tokens = align(&text, length, &listed, options.alternatives, !content.reasoning.is_empty());
            // If every log-probability is a floor, the floor is the only known value.
            if tokens.tokens.iter().all(|token| token.logprob.is_none()) {
                tokens.tokens.iter_mut().for_each(|token| token.logprob = Some(FLOOR));
            }
        }
        text.truncate(length);
        let unknown =
            (!is_named && finish != Finish::Length).then(|| printable(end.as_deref().unwrap_or("nothing named")));
        Ok(Response {
            text,
            tokens: tokens.tokens,
            usage,
            finish,
            model: completion.model.unwrap_or_else(|| self.settings.model.clone()),
            ended: unknown,
            estimated,
            unplaced: tokens.unplaced,
            ..Response::default()
        })
    }

    /// Returns an error for values that cannot be log-probabilities, and for missing ones if they are `needed`.
    fn check(&self, listed: &[wire::Token], needed: bool) -> Result<(), ModelError> {
        let unusable = |reason: &str| Err(ModelError::Unusable(self.named(reason)));
        let mut entries = listed.iter().chain(listed.iter().flat_map(|token| token.top_logprobs.iter().flatten()));
        let positive = entries.find_map(|token| Some((token, token.logprob.filter(|value| *value > ROUNDING)?)));
        if let Some((token, value)) = positive {
            return unusable(&format!(
                "the answer's log-probabilities are invalid: the value for {:?} is {value}, above 0 (perhaps a \
                probability). Choose another server or another signal, or set logprobs = false if this level \
                needs none; until then the run stops at this point",
                token.text.as_deref().unwrap_or_default()
            ));
        }
        if needed && listed.iter().all(|token| token.logprob.is_none()) {
            return unusable(
                "the answer has no log-probabilities, which the confidence signal needs. Choose another model \
                or another signal, or set logprobs = false if this level needs none; until then the run stops \
                at this point",
            );
        }
        Ok(())
    }
}

/// Returns a server's word in a printable and short form for outputs.
fn printable(word: &str) -> String {
    word.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_WORD).collect()
}

/// Returns the byte index of the first stop text after the reasoning. Servers that receive or respect no stop texts
/// continue to write after it.
fn stop_index(text: &str, stops: &[String]) -> Option<usize> {
    let start = marks::visible(text).first()?.start;
    let stops = stops.iter().filter(|stop| !stop.is_empty());
    stops.filter_map(|stop| text[start..].find(stop)).min().map(|index| start + index)
}
