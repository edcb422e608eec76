//! Wire format of a chat-completions answer. Every field is optional and unknown fields are ignored, because
//! compatible servers omit fields, set them to null, or add others.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// Fields with reasoning that is separate from the text.
const REASONING: [&str; 12] = [
    "reasoning_content",
    "reasoning",
    "reasoning_text",
    "reasoning_details",
    "reasoning_summary",
    "thinking",
    "thinking_content",
    "thinking_blocks",
    "thought",
    "thoughts",
    "thought_content",
    "analysis",
];
/// Fields of a choice with the reason of its end, the most common first.
const ENDS: [&str; 5] = ["finish_reason", "finishReason", "native_finish_reason", "done_reason", "stop_reason"];

/// Body of a successful answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Completion {
    pub(super) model: Option<String>,
    pub(super) choices: Option<Vec<Choice>>,
    usage: Value,
    #[serde(rename = "usageMetadata")]
    usage_metadata: Value,
    x_groq: Value,
}

impl Completion {
    /// Takes the token counts out of any known field. Null if there are none.
    pub(super) fn take_usage(&mut self) -> Value {
        let own = [&mut self.usage, &mut self.usage_metadata].into_iter().find(|value| value.is_object());
        if let Some(own) = own {
            return own.take();
        }
        let choice = self.choices.iter_mut().flatten().next().and_then(|choice| choice.more.remove("usage"));
        choice.or_else(|| Some(self.x_groq.get_mut("usage")?.take())).unwrap_or_default()
    }
}

/// One answer. Only the first choice is used.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Choice {
    message: Option<Message>,
    /// Text of a text completion.
    text: Option<String>,
    logprobs: Value,
    #[serde(flatten)]
    more: Map<String, Value>,
}

/// Content of an answer by kind.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// Text of the answer. Empty if there is none.
    pub(super) text: String,
    /// Refusal text instead of an answer. `None` if the answer is not refused.
    pub(super) refusal: Option<String>,
    /// Visible reasoning outside the text.
    pub(super) reasoning: String,
}

impl Choice {
    /// Returns the server's word for the reason of the end. `None` if there is none.
    pub(super) fn end(&self) -> Option<&str> {
        ENDS.iter().filter_map(|name| self.more.get(*name)?.as_str()).find(|word| !word.is_empty())
    }

    /// Takes the log-probabilities out of the choice. Empty if they are absent or in an unknown form.
    pub(super) fn take_logprobs(&mut self) -> Logprobs {
        let logprobs = self.logprobs.take();
        let whole = if logprobs.is_array() {
            Value::Object(Map::from_iter([("content".to_owned(), logprobs)]))
        } else {
            logprobs
        };
        serde_json::from_value(whole).unwrap_or_default()
    }

    /// Returns the content of the answer.
    pub(super) fn into_content(self) -> Content {
        let message = self.message.unwrap_or_default();
        let mut content = Content { refusal: message.refusal.filter(|text| !text.is_empty()), ..Content::default() };
        add_content(&message.content, &mut content);
        if content.text.is_empty() {
            content.text = self.text.unwrap_or_default();
        }
        // Some servers repeat the reasoning in several fields.
        let fields = REASONING.iter().flat_map(|name| [message.more.get(*name), self.more.get(*name)]);
        let longest = fields.flatten().map(texts).max_by_key(String::len).unwrap_or_default();
        content.reasoning.push_str(&longest);
        content
    }
}

/// Message of an answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message {
    /// A text, a part, or a list of parts.
    content: Value,
    refusal: Option<String>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

/// Adds a text, a part, or a list of parts to the text or the reasoning. Parts of other kinds (tool calls, pictures)
/// are ignored.
fn add_content(value: &Value, content: &mut Content) {
    match value {
        Value::String(text) => content.text.push_str(text),
        Value::Array(parts) => parts.iter().for_each(|part| add_content(part, content)),
        Value::Object(part) => {
            let kind = part.get("type").and_then(Value::as_str).unwrap_or("text").to_lowercase();
            let is_named = ["think", "reason", "thought", "analysis"].iter().any(|name| kind.contains(name));
            let is_marked =
                ["thought", "thinking", "is_thought"].iter().any(|name| part.get(*name) == Some(&Value::Bool(true)));
            if is_named || is_marked {
                content.reasoning.push_str(&texts(value));
            } else if kind.contains("text") {
                content.text.push_str(&part.get("text").map(texts).unwrap_or_default());
            }
        }
        _ => {}
    }
}

/// Returns the concatenated texts in a value.
fn texts(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(texts).collect(),
        Value::Object(fields) => {
            let names = [&["text", "content", "value", "summary"][..], &REASONING].concat();
            names.iter().filter_map(|name| fields.get(*name)).map(texts).max_by_key(String::len).unwrap_or_default()
        }
        _ => String::new(),
    }
}

/// Log-probabilities of the answer or of the refusal.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Logprobs {
    pub(super) content: Option<Vec<Token>>,
    pub(super) refusal: Option<Vec<Token>>,
    /// Texts in the older form of text completions, with parallel lists of texts, log-probabilities and alternatives.
    #[serde(rename = "tokens")]
    texts: Option<Vec<String>>,
    #[serde(rename = "token_logprobs")]
    chosen: Option<Vec<Value>>,
    #[serde(rename = "top_logprobs")]
    top: Option<Vec<Option<HashMap<String, Value>>>>,
}

impl Logprobs {
    /// Returns the tokens of the answer, from either form. `None` if there are none.
    pub(super) fn into_tokens(self) -> Option<Vec<Token>> {
        let (Some(texts), None) = (self.texts, &self.content) else { return self.content };
        let logprobs = self.chosen.unwrap_or_default().into_iter().chain(std::iter::repeat(Value::Null));
        let tops = self.top.unwrap_or_default().into_iter().chain(std::iter::repeat(None));
        let tokens = texts.into_iter().zip(logprobs).zip(tops).map(|((text, logprob), top)| {
            let top_logprobs = top.map(|top| top.into_iter().map(alternative).collect());
            Token { text: Some(text), logprob: number(&logprob), bytes: None, top_logprobs }
        });
        Some(tokens.collect())
    }
}

/// One output token.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Token {
    #[serde(rename = "token")]
    pub(super) text: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) logprob: Option<f64>,
    pub(super) bytes: Option<Vec<u8>>,
    /// Likeliest tokens at this position.
    #[serde(deserialize_with = "entries")]
    pub(super) top_logprobs: Option<Vec<Token>>,
}

/// Reads alternatives as a list, or as a map from text to log-probability. `None` for any other form.
fn entries<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Token>>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Array(listed) => {
            Some(listed.into_iter().filter_map(|token| serde_json::from_value(token).ok()).collect())
        }
        Value::Object(map) => Some(map.into_iter().map(alternative).collect()),
        _ => None,
    })
}

fn alternative((text, logprob): (String, Value)) -> Token {
    Token { text: Some(text), logprob: number(&logprob), ..Token::default() }
}

fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Value::deserialize(deserializer).map(|value| number(&value))
}

/// Reads a number, or a number in a text. `None` for anything else.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| !number.is_nan()),
        _ => value.as_f64(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::backend::openai::body;

    fn completion(body: &str) -> Completion {
        serde_json::from_value(body::json(body).expect("JSON")).expect("a completion")
    }

    #[expect(clippy::needless_pass_by_value, reason = "written where it is used")]
    fn content_of(message: Value) -> Content {
        let choices = completion(&json!({"choices": [{"message": message}]}).to_string()).choices;
        choices.and_then(|choices| choices.into_iter().next()).expect("a choice").into_content()
    }

    #[test]
    fn reasoning_is_separated_from_the_text() {
        for message in [
            json!({"content": "4", "reasoning_content": "is it 9"}),
            json!({"content": "4", "reasoning": "is it 9", "reasoning_details": [{"type": "reasoning.text", "text": "is it 9"}]}),
            json!({"content": "4", "thinking": "is it 9"}),
            json!({"content": "4", "thought": {"text": "is it 9"}}),
            json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "is it 9"}]}, {"type": "text", "text": "4"}]}),
            json!({"content": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "is it 9"}]}, {"type": "output_text", "text": "4"}]}),
            json!({"content": [{"text": "is it 9", "thought": true}, {"text": "4"}]}),
            json!({"content": {"type": "text", "text": "4"}, "thoughts": ["is it 9"]}),
            json!({"content": [{"type": "thinking", "thinking": "is it 9", "signature": "x"}, "4"]}),
        ] {
            let content = content_of(message.clone());
            assert_eq!((content.text.as_str(), content.reasoning.as_str()), ("4", "is it 9"), "{message}");
        }
        for message in [
            json!({}),
            json!({"content": null, "reasoning": "4"}),
            json!({"content": [{"type": "tool_use", "text": "4"}]}),
        ] {
            assert_eq!(content_of(message.clone()).text, "", "{message}");
        }
    }

    #[test]
    fn invalid_numbers_are_read_and_texts_unchanged() {
        let body = r#"{"model": "NaN, \"-Infinity\" \\", "choices": [{"message": {"content": "inf"}, "logprobs":
            {"content": [{"token": "a", "logprob": -Infinity}, {"token": "b", "logprob": NaN}, {"token": "c", "logprob": "-0.5"}, {"token": "d", "logprob": -inf}]}}]}"#;
        let mut completion = completion(body);
        assert_eq!(completion.model.as_deref(), Some("NaN, \"-Infinity\" \\"));
        let mut choice = completion.choices.take().and_then(|mut choices| choices.pop()).expect("a choice");
        let tokens = choice.take_logprobs().into_tokens().expect("tokens");
        let values: Vec<_> = tokens.iter().map(|token| token.logprob).collect();
        assert_eq!(values, [Some(-1e300), None, Some(-0.5), Some(-1e300)]);
        assert_eq!(choice.into_content().text, "inf");
    }

    #[test]
    fn counts_and_ends_are_found_in_other_fields() {
        for body in [
            json!({"choices": [{}], "usage": {"n": 1}}),
            json!({"choices": [{}], "usage": null, "usageMetadata": {"n": 1}}),
            json!({"choices": [{"usage": {"n": 1}}]}),
            json!({"choices": [{}], "x_groq": {"usage": {"n": 1}}}),
        ] {
            let mut completion = completion(&body.to_string());
            assert_eq!(completion.take_usage(), json!({"n": 1}), "{body}");
        }
        let end = |choice: Value| serde_json::from_value::<Choice>(choice).expect("a choice").end().map(str::to_owned);
        assert_eq!(end(json!({"finish_reason": "stop", "stop_reason": "x"})), Some("stop".into()));
        assert_eq!(end(json!({"finish_reason": null, "done_reason": "length"})), Some("length".into()));
        assert_eq!(end(json!({"finish_reason": null, "stop_reason": 5})), None);
    }
}
