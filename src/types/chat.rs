//! What is asked of a model and what comes back, in the one form that every backend takes.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::item::ItemId;
use super::marks;

/// Who speaks a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions that stand above the conversation.
    System,
    /// The one who asks.
    User,
}

/// One turn of the conversation that is put to a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// The text, as sent.
    pub content: String,
}

/// How an answer is to be written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Generation {
    /// The most tokens to write.
    pub max_tokens: u32,
    /// Sampling temperature; 0 is greedy.
    pub temperature: f64,
    /// Texts that end the answer where they appear; they are not part of it.
    pub stop: Vec<String>,
    /// Whether the log-probability of every token is wanted.
    pub logprobs: bool,
    /// Whether the value of an expression that the model wrote is put in after its `=`.
    pub calculator: bool,
    /// The alternatives to each token that are wanted.
    #[serde(default, skip_serializing_if = "Alternatives::are_none")]
    pub alternatives: Alternatives,
}

/// What the model has to do with the messages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "mode")]
pub enum Mode {
    /// Write an answer.
    Generate(Generation),
    /// Say how likely each of these continuations of the messages is.
    Score {
        /// The continuations, each scored on its own.
        options: Vec<String>,
    },
}

/// How much is wanted of what a model could have written in a token's place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alternatives {
    /// The likeliest tokens at most, the one that was written among them.
    pub most: u32,
    /// Whether they are kept only where the token is a letter by itself, as options are named.
    pub letters_only: bool,
}

impl Alternatives {
    /// None at all.
    pub const NONE: Self = Self { most: 0, letters_only: false };

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
    fn are_none(&self) -> bool {
        self.most == 0
    }

    /// Whether they are kept at a token of this text.
    #[must_use]
    pub fn are_kept(self, text: &str) -> bool {
        self.most > 0 && (!self.letters_only || letter_of(text).is_some())
    }
}

/// The letter that a token's text is by itself, whatever brackets and space are around it.
#[must_use]
pub fn letter_of(text: &str) -> Option<char> {
    let mut letters = text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '(' | ')' | '*' | '.' | ':'));
    let letter = letters.next().filter(char::is_ascii_uppercase)?;
    letters.next().is_none().then_some(letter)
}

/// What messages ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestKind {
    /// The answer.
    #[default]
    Answer,
    /// The answer and a strategy behind it.
    AnswerAndStrategy,
    /// A strategy, given the answer.
    Strategy,
    /// How sure an answer is.
    Confidence,
}

impl RequestKind {
    /// Whether it is the answer alone.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        *self == Self::Answer
    }
}

/// One call of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The item that the call is about. Not sent; backends that answer from the data set look it up.
    pub item: ItemId,
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// What to do with it.
    pub mode: Mode,
    /// What the messages ask for. Not sent; backends that answer from the data set go by it.
    pub wanted: RequestKind,
    /// Tells repetitions of one request apart where repetition is meant.
    pub draw: u32,
    /// The source items of the strategies that the messages show, in the order shown. Not sent and no part of the
    /// call's key, since the messages hold the texts; recorded tables are looked up by it.
    pub strategies: Vec<ItemId>,
}

/// One token of an answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// Its text; a character split between tokens stands with the last of them. The texts together are the answer's.
    pub text: String,
    /// Natural-log probability given everything before it, where the backend tells.
    pub logprob: Option<f64>,
    /// Whether the calculator put it in, so that it was not the model's choice.
    pub forced: bool,
    /// The likeliest tokens in its place with their natural-log probabilities, likeliest first, where they were asked
    /// for and the backend tells; it is mostly among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<(String, f64)>,
}

/// Tokens counted for one call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read, the cached ones included.
    pub input: u64,
    /// Of these, tokens that the server had in its cache.
    pub cached_input: u64,
    /// Tokens written, hidden reasoning included.
    pub output: u64,
}

/// Why a model stopped writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finish {
    /// It was done, or met a stop text.
    #[default]
    Stop,
    /// It reached the token limit.
    Length,
    /// The server withheld the rest.
    ContentFilter,
    /// It called a tool, or meant to.
    ToolCalls,
    /// The provider refused the request for what it holds: there is no text.
    Refused,
}

impl Finish {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Stop, Self::Length, Self::ContentFilter, Self::ToolCalls, Self::Refused];

    /// The name used in every output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ContentFilter => "content-filter",
            Self::ToolCalls => "tool-calls",
            Self::Refused => "refused",
        }
    }
}

/// What came back from one call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// The text written; for [`Mode::Score`] the likeliest option.
    pub text: String,
    /// The tokens written, without the end token; empty where the backend does not tell.
    pub tokens: Vec<Token>,
    /// For [`Mode::Score`]: each option's summed natural-log probability, in the request's order.
    pub option_logprobs: Vec<f64>,
    /// Tokens read and written.
    pub usage: Usage,
    /// Why the model stopped.
    pub finish: Finish,
    /// The model's name as the answer carries it.
    pub model: String,
    /// Wall-clock time of the attempt that was answered, in milliseconds.
    pub latency_ms: f64,
    /// A confidence that was recorded with the answer, in [0, 1].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// A fee in USD that was recorded with the answer; it stands instead of one told from tokens and prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_usd: Option<f64>,
    /// The provider's words about a request that it refused; `None` if it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// The server's word for why it stopped, if no meaning of that word is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// Whether a count of `usage` is the program's estimate, because the server gave none or one that cannot be true.
    #[serde(default, skip_serializing_if = "is_false")]
    pub estimated: bool,
    /// Whether the tokens could not be matched with the text.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unplaced: bool,
    /// How long the server wants no further call, told by its rate-limit headers; passed on, never stored.
    #[serde(skip)]
    pub pause: Option<Duration>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Response {
    /// Whether there is no text besides reasoning.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        marks::visible(&self.text).into_iter().all(|range| self.text[range].trim().is_empty())
    }

    /// Whether the provider gave no word of an answer because of what was asked: it refused the request, or withheld all
    /// of the text.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.finish == Finish::Refused || (self.finish == Finish::ContentFilter && self.is_empty())
    }
}

impl Usage {
    /// The sum of two counts.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            input: self.input + other.input,
            cached_input: self.cached_input + other.cached_input,
            output: self.output + other.output,
        }
    }
}

/// Hash of all that determines an answer; written in hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallKey(pub [u8; 32]);

impl fmt::Display for CallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for CallKey {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut key = [0; 32];
        hex::decode_to_slice(text, &mut key)?;
        Ok(Self(key))
    }
}
