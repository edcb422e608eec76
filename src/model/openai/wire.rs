//! What a chat-completions server sends back. Every field is optional and unknown ones are ignored, since servers
//! that call themselves compatible leave out, null or add fields.

use std::collections::HashMap;

use serde::Deserialize;

/// The body of a successful answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Completion {
    pub(super) model: Option<String>,
    pub(super) choices: Option<Vec<Choice>>,
    pub(super) usage: Option<Usage>,
}

/// One answer; only the first is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Choice {
    pub(super) message: Option<Message>,
    /// The answer of a text completion.
    pub(super) text: Option<String>,
    pub(super) logprobs: Option<Logprobs>,
    pub(super) finish_reason: Option<String>,
}

/// The text of an answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message {
    pub(super) content: Option<Content>,
    pub(super) refusal: Option<String>,
}

/// A text, or a list of parts of which some are text.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Content {
    Text(String),
    Parts(Vec<Part>),
}

impl Content {
    /// The text parts, put together.
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Parts(parts) => parts.into_iter().filter_map(|part| part.text).collect(),
        }
    }
}

/// A part of a text.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Part {
    pub(super) text: Option<String>,
}

/// Log-probabilities of the answer, or of the refusal that stands in its place.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Logprobs {
    pub(super) content: Option<Vec<Token>>,
    pub(super) refusal: Option<Vec<Token>>,
    /// The older form, of text completions: texts, log-probabilities and alternatives beside each other.
    #[serde(rename = "tokens")]
    texts: Option<Vec<String>>,
    #[serde(rename = "token_logprobs")]
    chosen: Option<Vec<Option<f64>>>,
    #[serde(rename = "top_logprobs")]
    top: Option<Vec<Option<HashMap<String, f64>>>>,
}

impl Logprobs {
    /// The tokens of the answer, in whichever form they came.
    pub(super) fn into_tokens(self) -> Option<Vec<Token>> {
        let (Some(texts), None) = (self.texts, &self.content) else { return self.content };
        let logprobs = self.chosen.unwrap_or_default().into_iter().chain(std::iter::repeat(None));
        let tops = self.top.unwrap_or_default().into_iter().chain(std::iter::repeat(None));
        let alternative = |(text, logprob)| Token { text: Some(text), logprob: Some(logprob), ..Token::default() };
        let tokens = texts.into_iter().zip(logprobs).zip(tops).map(|((text, logprob), top)| {
            let top_logprobs = top.map(|top| top.into_iter().map(alternative).collect());
            Token { text: Some(text), logprob, bytes: None, top_logprobs }
        });
        Some(tokens.collect())
    }
}

/// One token written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Token {
    #[serde(rename = "token")]
    pub(super) text: Option<String>,
    pub(super) logprob: Option<f64>,
    pub(super) bytes: Option<Vec<u8>>,
    /// The likeliest tokens in its place.
    pub(super) top_logprobs: Option<Vec<Token>>,
}

/// Tokens counted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Usage {
    pub(super) prompt_tokens: Option<u64>,
    pub(super) completion_tokens: Option<u64>,
    pub(super) total_tokens: Option<u64>,
    pub(super) prompt_tokens_details: Option<PromptDetails>,
    pub(super) completion_tokens_details: Option<CompletionDetails>,
}

/// Of the tokens read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PromptDetails {
    pub(super) cached_tokens: Option<u64>,
}

/// Of the tokens written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CompletionDetails {
    pub(super) reasoning_tokens: Option<u64>,
}
