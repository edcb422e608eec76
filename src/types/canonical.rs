//! Canonical form of a request: the text whose hash is the key of the call in the journal.

use serde::Serialize;
use serde_json::Value;

use super::chat::{Message, Mode, Request, RequestKind};

/// Everything that determines an answer. A field that a later version adds must be omitted from the text at its default
/// value, so recorded answers are still found.
#[derive(Serialize)]
struct Canonical<'a> {
    identity: Value,
    messages: &'a [Message],
    mode: &'a Mode,
    #[serde(skip_serializing_if = "RequestKind::is_answer")]
    wanted: RequestKind,
    draw: u32,
}

/// Returns the canonical form of a request to the model with this identity, as JSON.
#[must_use]
pub fn canonical(identity: Value, request: &Request) -> String {
    let Request { messages, mode, wanted, draw, .. } = request;
    let canonical = Canonical { identity, messages, mode, wanted: *wanted, draw: *draw };
    serde_json::to_string(&canonical).unwrap_or_else(|error| unreachable!("texts and numbers are JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::types::chat::{Generation, Role};

    #[test]
    fn canonical_form_never_changes() {
        let request = Request {
            item: "1".into(),
            messages: vec![Message { role: Role::User, content: "2 + 2?".into() }],
            mode: Mode::Generate(Generation {
                max_tokens: 9,
                temperature: 0.5,
                stop: vec!["\n".into()],
                logprobs: true,
                ..Generation::default()
            }),
            wanted: RequestKind::Answer,
            draw: 3,
            strategies: vec!["0".into()],
        };
        assert_eq!(
            canonical(json!({ "model": "m", "backend": "openai" }), &request),
            r#"{"identity":{"backend":"openai","model":"m"},"messages":[{"role":"user","content":"2 + 2?"}],"mode":{"mode":"generate","max_tokens":9,"temperature":0.5,"stop":["\n"],"logprobs":true,"calculator":false},"draw":3}"#
        );
        let scored = Request { mode: Mode::Score { options: vec!["a".into()] }, ..request };
        assert!(canonical(Value::Null, &scored).contains(r#""mode":{"mode":"score","options":["a"]}"#));
    }
}
