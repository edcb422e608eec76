//! What a chat-completions server sends back. Every field is optional and unknown ones are ignored, since servers
//! that call themselves compatible leave out, null or add fields.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// Fields in which servers put reasoning, beside the text.
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
/// Fields of a choice that say how it ended, the usual one first.
const ENDS: [&str; 5] = ["finish_reason", "finishReason", "native_finish_reason", "done_reason", "stop_reason"];

/// The body of a successful answer.
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
    /// The token counts, wherever they stand; null if they do not.
    pub(super) fn take_usage(&mut self) -> Value {
        let own = [&mut self.usage, &mut self.usage_metadata].into_iter().find(|value| value.is_object());
        if let Some(own) = own {
            return own.take();
        }
        let choice = self.choices.iter_mut().flatten().next().and_then(|choice| choice.more.remove("usage"));
        choice.or_else(|| Some(self.x_groq.get_mut("usage")?.take())).unwrap_or_default()
    }
}

/// One answer; only the first is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Choice {
    message: Option<Message>,
    /// The answer of a text completion.
    text: Option<String>,
    logprobs: Value,
    #[serde(flatten)]
    more: Map<String, Value>,
}

/// What an answer says, by kind.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// The text; empty if there is none.
    pub(super) text: String,
    /// A refusal in its place.
    pub(super) refusal: Option<String>,
    /// Reasoning that stands outside the text, as far as it is shown.
    pub(super) reasoning: String,
}

impl Choice {
    /// The server's word for how the answer ended.
    pub(super) fn end(&self) -> Option<&str> {
        ENDS.iter().filter_map(|name| self.more.get(*name)?.as_str()).find(|word| !word.is_empty())
    }

    /// The log-probabilities; none if they are absent or in no known form.
    pub(super) fn take_logprobs(&mut self) -> Logprobs {
        let logprobs = self.logprobs.take();
        let whole = if logprobs.is_array() {
            Value::Object(Map::from_iter([("content".to_owned(), logprobs)]))
        } else {
            logprobs
        };
        serde_json::from_value(whole).unwrap_or_default()
    }

    /// What the answer says.
    pub(super) fn said(self) -> Said {
        let message = self.message.unwrap_or_default();
        let mut said = Said { refusal: message.refusal.filter(|text| !text.is_empty()), ..Said::default() };
        add_content(&message.content, &mut said);
        if said.text.is_empty() {
            said.text = self.text.unwrap_or_default();
        }
        // Several fields hold the same reasoning at some servers.
        let fields = REASONING.iter().flat_map(|name| [message.more.get(*name), self.more.get(*name)]);
        let longest = fields.flatten().map(texts).max_by_key(String::len).unwrap_or_default();
        said.reasoning.push_str(&longest);
        said
    }
}

/// The text of an answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message {
    /// A text, a part, or a list of them.
    content: Value,
    refusal: Option<String>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

/// Sorts a text, a part, or a list of them into answer and reasoning. Parts of other kinds (tool calls, pictures) say nothing.
fn add_content(content: &Value, said: &mut Said) {
    match content {
        Value::String(text) => said.text.push_str(text),
        Value::Array(parts) => parts.iter().for_each(|part| add_content(part, said)),
        Value::Object(part) => {
            let kind = part.get("type").and_then(Value::as_str).unwrap_or("text").to_lowercase();
            let is_named = ["think", "reason", "thought", "analysis"].iter().any(|name| kind.contains(name));
            let is_marked =
                ["thought", "thinking", "is_thought"].iter().any(|name| part.get(*name) == Some(&Value::Bool(true)));
            if is_named || is_marked {
                said.reasoning.push_str(&texts(content));
            } else if kind.contains("text") {
                said.text.push_str(&part.get("text").map(texts).unwrap_or_default());
            }
        }
        _ => {}
    }
}

/// All texts in a value, put together.
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
    chosen: Option<Vec<Value>>,
    #[serde(rename = "top_logprobs")]
    top: Option<Vec<Option<HashMap<String, Value>>>>,
}

impl Logprobs {
    /// The tokens of the answer, in whichever form they came.
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

/// One token written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Token {
    #[serde(rename = "token")]
    pub(super) text: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) logprob: Option<f64>,
    pub(super) bytes: Option<Vec<u8>>,
    /// The likeliest tokens in its place.
    #[serde(deserialize_with = "entries")]
    pub(super) top_logprobs: Option<Vec<Token>>,
}

/// Alternatives as a list, or as a map from text to log-probability; those in another form are left out.
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

/// A number, as one or as a text; `None` for anything else.
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
    fn said(message: Value) -> Said {
        let choices = completion(&json!({"choices": [{"message": message}]}).to_string()).choices;
        choices.and_then(|choices| choices.into_iter().next()).expect("a choice").said()
    }

    #[test]
    fn reasoning_is_told_from_the_text_wherever_it_stands() {
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
            let said = said(message.clone());
            assert_eq!((said.text.as_str(), said.reasoning.as_str()), ("4", "is it 9"), "{message}");
        }
        for message in [
            json!({}),
            json!({"content": null, "reasoning": "4"}),
            json!({"content": [{"type": "tool_use", "text": "4"}]}),
        ] {
            assert_eq!(said(message.clone()).text, "", "{message}");
        }
    }

    #[test]
    fn numbers_that_are_none_are_read_and_texts_stay() {
        let body = r#"{"model": "NaN, \"-Infinity\" \\", "choices": [{"message": {"content": "inf"}, "logprobs":
            {"content": [{"token": "a", "logprob": -Infinity}, {"token": "b", "logprob": NaN}, {"token": "c", "logprob": "-0.5"}, {"token": "d", "logprob": -inf}]}}]}"#;
        let mut completion = completion(body);
        assert_eq!(completion.model.as_deref(), Some("NaN, \"-Infinity\" \\"));
        let mut choice = completion.choices.take().and_then(|mut choices| choices.pop()).expect("a choice");
        let tokens = choice.take_logprobs().into_tokens().expect("tokens");
        let values: Vec<_> = tokens.iter().map(|token| token.logprob).collect();
        assert_eq!(values, [Some(-1e300), None, Some(-0.5), Some(-1e300)]);
        assert_eq!(choice.said().text, "inf");
    }

    #[test]
    fn counts_and_ends_are_found_in_other_places() {
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
