//! Requests to a model and its responses, in the form that every backend accepts.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::item::ItemId;
use super::marks;

/// Role of a message's author.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions that apply to the whole conversation.
    System,
    /// User who asks the model.
    User,
}

/// One message of the conversation that is sent to a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Role of the author.
    pub role: Role,
    /// Text, as sent.
    pub content: String,
}

/// Generation parameters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Generation {
    /// Maximum number of tokens to write.
    pub max_tokens: u32,
    /// Sampling temperature; 0 is greedy.
    pub temperature: f64,
    /// Stop texts. The first one that appears ends the answer and is not part of it.
    pub stop: Vec<String>,
    /// True if the log-probability of every token is requested.
    pub logprobs: bool,
    /// True if a calculator inserts the value of an expression after the `=` that the model wrote.
    pub calculator: bool,
    /// Requested alternatives to each token.
    #[serde(default, skip_serializing_if = "Alternatives::are_none")]
    pub alternatives: Alternatives,
}

/// Task of the model for the messages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "mode")]
pub enum Mode {
    /// Write an answer.
    Generate(Generation),
    /// Score the probability of each of these continuations of the messages.
    Score {
        /// Continuations, each scored independently.
        options: Vec<String>,
    },
}

/// Requested alternatives to each generated token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alternatives {
    /// Maximum number of the most likely tokens, which can include the generated token.
    pub most: u32,
    /// True if alternatives are stored only at tokens that are a single letter, such as the letter of an option.
    pub letters_only: bool,
}

impl Alternatives {
    /// No alternatives.
    pub const NONE: Self = Self { most: 0, letters_only: false };

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "signature required by serde")]
    fn are_none(&self) -> bool {
        self.most == 0
    }

    /// True if alternatives are stored at a token with this text.
    #[must_use]
    pub fn are_kept(self, text: &str) -> bool {
        self.most > 0 && (!self.letters_only || letter_of(text).is_some())
    }
}

/// Single uppercase letter in a token's text, without surrounding brackets, punctuation and white space. `None` if the
/// text is anything else.
#[must_use]
pub fn letter_of(text: &str) -> Option<char> {
    let mut letters = text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '(' | ')' | '*' | '.' | ':'));
    let letter = letters.next().filter(char::is_ascii_uppercase)?;
    letters.next().is_none().then_some(letter)
}

/// Kind of output that the messages request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestKind {
    /// Answer.
    #[default]
    Answer,
    /// Answer followed by a strategy.
    AnswerAndStrategy,
    /// Strategy from a given answer.
    Strategy,
    /// Confidence in a given answer.
    Confidence,
}

impl RequestKind {
    /// True if only the answer is requested.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        *self == Self::Answer
    }
}

/// Request for one call of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Item of the call. Not sent; backends that answer from the data set look the item up.
    pub item: ItemId,
    /// Conversation so far.
    pub messages: Vec<Message>,
    /// Task of the model.
    pub mode: Mode,
    /// Kind of output that the messages request. Not sent; backends that answer from the data set use this field.
    pub wanted: RequestKind,
    /// Index of the sample, from 0. Distinguishes intended repetitions of one request.
    pub draw: u32,
    /// Source items of the strategies in the messages, in the order of the prompt. Not sent and not part of the call's
    /// key, because the messages contain the texts. Look-up key of recorded tables.
    pub strategies: Vec<ItemId>,
}

/// One token of an answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// Text of the token. A character that several tokens share belongs to the last of them. The concatenated texts of
    /// all tokens are the text of the answer.
    pub text: String,
    /// Natural-log probability given all preceding tokens. `None` if the backend does not return it.
    pub logprob: Option<f64>,
    /// True if the calculator inserted the token, so the model did not choose it.
    pub forced: bool,
    /// Most likely tokens at this position with their natural-log probabilities, most likely first. Usually includes
    /// the generated token. Empty if not requested or not returned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<(String, f64)>,
}

/// Token counts of one call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Number of input tokens, including cached ones.
    pub input: u64,
    /// Number of input tokens that the server read from its cache.
    pub cached_input: u64,
    /// Number of output tokens, including hidden reasoning.
    pub output: u64,
}

/// Reason why a model stopped writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finish {
    /// End of the answer or a stop text.
    #[default]
    Stop,
    /// Token limit reached.
    Length,
    /// Rest of the answer withheld by the server.
    ContentFilter,
    /// Tool call, made or intended.
    ToolCalls,
    /// Request refused by the provider because of its content. The answer has no text.
    Refused,
}

impl Finish {
    /// All reasons.
    pub const ALL: [Self; 5] = [Self::Stop, Self::Length, Self::ContentFilter, Self::ToolCalls, Self::Refused];

    /// Name in outputs.
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

/// Response to one call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// Generated text. For [`Mode::Score`], the most likely option.
    pub text: String,
    /// Generated tokens without the end token. Empty if the backend does not return tokens.
    pub tokens: Vec<Token>,
    /// Summed natural-log probability of each option, in the order of the request. Empty unless the mode is
    /// [`Mode::Score`].
    pub option_logprobs: Vec<f64>,
    /// Token counts.
    pub usage: Usage,
    /// Reason why the model stopped.
    pub finish: Finish,
    /// Name of the model, as returned by the server.
    pub model: String,
    /// Wall-clock time of the successful attempt, in milliseconds. 0 if the answer came in a batch.
    pub latency_ms: f64,
    /// Confidence recorded with the answer, in [0, 1]. `None` if the recording has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Fee in USD recorded with the answer. Replaces the fee computed from tokens and prices. `None` if none is
    /// recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_usd: Option<f64>,
    /// Message of the provider about a refused request. `None` if the request was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// Finish reason of the server, if the program does not know this reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// True if a count in `usage` is the program's estimate, because the server returned no count or an impossible one.
    #[serde(default, skip_serializing_if = "is_false")]
    pub estimated: bool,
    /// True if the tokens could not be matched with the text.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unplaced: bool,
    /// Host and port of the server that answered. `None` for other backends, and in journals of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// True if the answer came in a batch. Its latency is then unknown and 0. The last field in the journal, where a
    /// query finds it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub batched: bool,
    /// Time for which the server accepts no further call, from its rate-limit headers. Not stored.
    #[serde(skip)]
    pub pause: Option<Duration>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "signature required by serde")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Response {
    /// True if there is no text besides reasoning.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        marks::visible(&self.text).into_iter().all(|range| self.text[range].trim().is_empty())
    }

    /// True if the provider refused the request or withheld the whole text.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.finish == Finish::Refused || (self.finish == Finish::ContentFilter && self.is_empty())
    }
}

impl Usage {
    /// Sum of two usages.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            input: self.input + other.input,
            cached_input: self.cached_input + other.cached_input,
            output: self.output + other.output,
        }
    }
}

/// SHA-256 hash of everything that determines an answer. Displayed in hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallKey(pub [u8; 32]);

impl CallKey {
    /// Key of the call with this canonical request.
    #[must_use]
    pub fn of(canonical: &str) -> Self {
        Self(Sha256::digest(canonical.as_bytes()).into())
    }
}

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
