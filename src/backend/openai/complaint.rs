//! What a server says about a request that it did not answer, whatever status the words come under.

use serde_json::Value;

/// Fields in which servers put the words of an error.
const WORDS: [&str; 7] = ["message", "detail", "msg", "status_msg", "error_msg", "title", "error"];

/// Fields in which servers put names and numbers of an error.
const NAMES: [&str; 8] = ["code", "type", "param", "status", "status_code", "error_code", "reason", "error_type"];

/// An error as a server words it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Complaint {
    /// The message, as sent.
    pub(super) message: String,
    /// Its machine-readable names (`code`, `type`, `param`, inner codes), in lower case, with a space between.
    pub(super) tags: String,
    /// The HTTP status that the words name, if they name one.
    pub(super) status: Option<u16>,
}

impl Complaint {
    /// Reads the body of an error: `{"error": {…}}`, the same in a list (Gemini), `{"error": "…"}`, `{"message": …}`,
    /// `{"detail": …}`, `{"errors": […]}`, or plain text.
    pub(super) fn read(body: &str) -> Self {
        match serde_json::from_str::<Value>(body) {
            Ok(value) => Self::of(&value),
            Err(_) => Self { message: body.to_owned(), ..Self::default() },
        }
    }

    /// The error under which a body of status 200 stands; `None` if it holds an answer.
    pub(super) fn in_answer(body: &Value) -> Option<Self> {
        let listed = body.get(0).filter(|first| first.get("error").is_some());
        let body = listed.unwrap_or(body);
        let choice = body.pointer("/choices/0");
        if let Some(error) = choice.and_then(|choice| choice.get("error")).filter(|error| says_something(error)) {
            return Some(Self::of(error));
        }
        if body.get("error").is_some_and(says_something) {
            return Some(Self::of(body));
        }
        if choice.is_some() {
            return None;
        }
        // Without an answer, words in the other places are an error too.
        let failed = body.pointer("/base_resp/status_code").is_some_and(|code| code.as_i64() != Some(0));
        let words = ["message", "detail", "msg", "error_msg", "errors"].iter().any(|name| body.get(*name).is_some());
        (failed || words).then(|| Self::of(body))
    }

    fn of(value: &Value) -> Self {
        let value = value.get(0).unwrap_or(value);
        let inner = ["error", "base_resp", "detail"].iter().find_map(|name| value.get(*name).filter(|v| v.is_object()));
        let listed = value.get("errors").and_then(|errors| errors.get(0)).filter(|first| first.is_object());
        let error = inner.or(listed).unwrap_or(value);
        let message = WORDS.iter().find_map(|name| words(error.get(*name)?));
        let message = message.or_else(|| words(value.get("errors")?)).or_else(|| words(error));
        let mut tags = Vec::new();
        let further = ["/innererror", "/metadata", "/details/0", "/details/1", "/details/2", "/metadata/error_type"];
        let places = [Some(value), Some(error)].into_iter().chain(further.iter().map(|place| error.pointer(place)));
        for place in places.flatten() {
            tags.extend(NAMES.iter().filter_map(|name| scalar(place.get(*name)?)));
        }
        // What a provider behind the server said, as some pass it on.
        let raw = error.pointer("/metadata/raw").and_then(Value::as_str).unwrap_or_default();
        let mut message = message.unwrap_or_else(|| error.to_string());
        if !raw.is_empty() && !message.contains(raw) {
            message = format!("{message}: {raw}");
        }
        tags.dedup();
        let status = tags.iter().find_map(|tag| tag.parse().ok().filter(|code| (400..600).contains(code)));
        Self { message, tags: tags.join(" ").to_lowercase(), status }
    }

    /// Message and names together, in lower case.
    pub(super) fn everything(&self) -> String {
        format!("{} {}", self.message.to_lowercase(), self.tags)
    }
}

/// Whether a field says that something went wrong.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Object(fields) => fields.values().any(|field| !field.is_null()),
        Value::Array(parts) => !parts.is_empty(),
        Value::Number(number) => number.as_i64() != Some(0),
        Value::Bool(true) => true,
    }
}

/// A text, or the first text in what stands in its place; `None` if there is none.
fn words(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        // A list of what is wrong, field by field.
        Value::Array(parts) => {
            let told = parts.iter().filter_map(|part| WORDS.iter().find_map(|name| words(part.get(*name)?)));
            let told: Vec<String> = told.collect();
            if told.is_empty() { value.to_string() } else { told.join("; ") }
        }
        Value::Object(fields) => WORDS.iter().find_map(|name| words(fields.get(*name)?))?,
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// A name or a number as text.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn errors_are_found_in_answers_and_answers_are_not_taken_for_errors() {
        let said = |body: Value| Complaint::in_answer(&body).map(|complaint| (complaint.message, complaint.status));
        let busy = json!({"message": "busy", "code": 429});
        let found = Some(("busy".to_owned(), Some(429)));
        assert_eq!(said(json!({"error": busy, "user_id": "u"})), found);
        assert_eq!(said(json!({"error": busy, "choices": null})), found);
        assert_eq!(said(json!([{"error": busy}])), found);
        assert_eq!(said(json!({"choices": [{"error": busy, "message": {"content": ""}}]})), found);
        assert_eq!(said(json!({"error": "busy", "code": "429"})), found);
        assert_eq!(said(json!({"object": "error", "message": "busy", "code": 429})), found);
        assert_eq!(said(json!({"success": false, "errors": [{"code": 429, "message": "busy"}]})), found);
        let limited = json!({"base_resp": {"status_code": 1002, "status_msg": "rate limit"}});
        assert_eq!(said(limited), Some(("rate limit".to_owned(), None)));
        for answer in [
            json!({"choices": [{"message": {"content": "4"}}], "error": null}),
            json!({"choices": [{"message": {"content": "4"}, "error": {}}], "error": {"message": null}}),
            json!({"choices": [{"message": {"content": "4"}}], "base_resp": {"status_code": 0, "status_msg": ""}}),
            json!({"choices": [{"message": {"content": "4"}}], "error": "", "message": "fine"}),
            json!({"choices": []}),
        ] {
            assert_eq!(said(answer.clone()), None, "{answer}");
        }
    }

    #[test]
    fn what_a_provider_behind_the_server_said_is_kept() {
        let body =
            r#"{"error": {"message": "Provider returned error", "code": 502, "metadata": {"raw": "worker gone"}}}"#;
        assert_eq!(Complaint::read(body).message, "Provider returned error: worker gone");
        let listed = r#"{"detail": [{"loc": ["body", "stop"], "msg": "extra field", "type": "extra_forbidden"}]}"#;
        assert_eq!(Complaint::read(listed).message, "extra field");
    }
}
