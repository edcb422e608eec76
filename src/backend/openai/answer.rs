//! Turns a server's answer into a [`Response`]: text, the tokens of that text, counts, and why it ended.

use super::OpenAi;
use super::ending::{self, Ending};
use super::tokens::{FLOOR, Placed, placed};
use super::usage::{self, Known};
use super::wire;
use crate::task::confidence::ROUNDING;
use crate::types::chat::{Alternatives, Finish, Generation, Mode, Request, Response};
use crate::types::marks;
use crate::types::model::ModelError;

/// The most characters of a server's unknown word that are kept.
const WORD: usize = 60;

/// What the request asked for that matters when its answer is read.
pub(super) struct ReadOptions<'a> {
    /// Texts that end the answer.
    stop: &'a [String],
    /// Whether log-probabilities have to be there.
    logprobs: bool,
    /// The alternatives that are kept.
    alternatives: Alternatives,
    /// The token limit; 0 if there is none.
    max_tokens: u32,
    /// Bytes of the prompt.
    prompt: usize,
}

impl<'a> ReadOptions<'a> {
    /// What a request asks for.
    pub(super) fn of(request: &'a Request) -> Self {
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
    /// - A refusal text is the answer, with [`Finish::ContentFilter`].
    /// - An answer without a text is an answer: it was paid for. No log-probabilities are demanded of it, and none of a withheld one.
    /// - Reasoning in fields and parts of its own is left out; what stands in the text is left there, and taken out when the
    ///   answer is used.
    /// - Tokens outside the text (hidden reasoning, stop texts, end markers) are left out.
    /// - A count that is missing or cannot be true is an estimate, and the answer says so.
    pub(super) fn read(
        &self,
        mut completion: wire::Completion,
        wanted: &ReadOptions<'_>,
    ) -> Result<Response, ModelError> {
        let counts = completion.take_usage();
        let mut choice = completion
            .choices
            .and_then(|choices| choices.into_iter().next())
            .ok_or_else(|| ModelError::Unusable(self.named("the answer holds no choices")))?;
        let end = choice.end().map(str::to_owned);
        let ending = end.as_deref().map(ending::of);
        if let (Some(Some(Ending::Broken)), Some(end)) = (&ending, &end) {
            return Err(self.broken(&format!("the server broke the answer off ({end})")));
        }
        let logprobs = choice.take_logprobs();
        let said = choice.said();
        let withheld = said.refusal.is_some();
        let (mut text, listed) = match said.refusal {
            Some(refusal) => (refusal, logprobs.refusal),
            None => (said.text, logprobs.into_tokens()),
        };
        let listed = listed.unwrap_or_default();

        let mut finish = match ending {
            _ if withheld => Finish::ContentFilter,
            Some(Some(Ending::Ended(finish))) => finish,
            _ => Finish::Stop,
        };
        let written = text.len() + said.reasoning.len();
        let known = |limit| Known { prompt: wanted.prompt, written, listed: listed.len(), limit };
        let (mut usage, mut estimated) = usage::read(&counts, &known(None));
        let is_named = matches!(ending, Some(Some(_))) || withheld;
        // Who does not say how the answer ended may say that all tokens were used.
        if !is_named && !estimated && wanted.max_tokens > 0 && usage.output >= u64::from(wanted.max_tokens) {
            finish = Finish::Length;
        }
        if estimated && finish == Finish::Length {
            (usage, estimated) = usage::read(&counts, &known(Some(wanted.max_tokens)));
        }

        let cut = cut_at(&text, wanted.stop);
        if cut.is_some() && finish == Finish::Length {
            finish = Finish::Stop;
        }
        let length = cut.unwrap_or(text.len());
        let mut tokens = Placed::default();
        if wanted.logprobs {
            let needed = finish != Finish::ContentFilter && !text.trim().is_empty();
            self.check(&listed, needed)?;
            tokens = placed(&text, length, &listed, wanted.alternatives, !said.reasoning.is_empty());
            // Floors in every place leave nothing to take a value from: they are all that is known.
            if tokens.tokens.iter().all(|token| token.logprob.is_none()) {
                tokens.tokens.iter_mut().for_each(|token| token.logprob = Some(FLOOR));
            }
        }
        text.truncate(length);
        let unknown = (!is_named && finish != Finish::Length).then(|| shown(end.as_deref().unwrap_or("nothing named")));
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

    /// Refuses what cannot be log-probabilities, and that there are none where they are `needed`.
    fn check(&self, listed: &[wire::Token], needed: bool) -> Result<(), ModelError> {
        let unusable = |what: &str| Err(ModelError::Unusable(self.named(what)));
        let mut entries = listed.iter().chain(listed.iter().flat_map(|token| token.top_logprobs.iter().flatten()));
        let positive = entries.find_map(|token| Some((token, token.logprob.filter(|value| *value > ROUNDING)?)));
        if let Some((token, value)) = positive {
            return unusable(&format!(
                "the answer's log-probabilities are none: that of {:?} is {value}, above 0 (perhaps they are probabilities): take another server or another signal, or set logprobs = false if this level needs none; until then the run stops here again",
                token.text.as_deref().unwrap_or_default()
            ));
        }
        if needed && listed.iter().all(|token| token.logprob.is_none()) {
            return unusable(
                "the answer has no log-probabilities, which the confidence signal needs: take another model or another signal, or set logprobs = false if this level needs none; until then the run stops here again",
            );
        }
        Ok(())
    }
}

/// A server's word as outputs may have it: printable, and not long.
fn shown(word: &str) -> String {
    word.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORD).collect()
}

/// Where the first stop text begins behind the reasoning: servers that were not sent the stop texts, or ignore them, write on.
fn cut_at(text: &str, stops: &[String]) -> Option<usize> {
    let start = marks::visible(text).first()?.start;
    let stops = stops.iter().filter(|stop| !stop.is_empty());
    stops.filter_map(|stop| text[start..].find(stop)).min().map(|at| start + at)
}
