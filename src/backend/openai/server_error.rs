//! Error messages of servers, under any status.

use serde_json::Value;

/// Fields for the message of an error.
const WORDS: [&str; 7] = ["message", "detail", "msg", "status_msg", "error_msg", "title", "error"];

/// Fields for the names and numbers of an error.
const NAMES: [&str; 8] = ["code", "type", "param", "status", "status_code", "error_code", "reason", "error_type"];

/// Error reported by a server.
#[derive(Debug, Default, PartialEq)]
pub(super) struct ServerError {
    /// Message of the error, unchanged.
    pub(super) message: String,
    /// Machine-readable names (`code`, `type`, `param`, inner codes), in lower case, joined by spaces.
    pub(super) tags: String,
    /// HTTP status named in the error. `None` if the error names none.
    pub(super) status: Option<u16>,
}

impl ServerError {
    /// Reads the body of an error: `{"error": {…}}`, a list of such objects (Gemini), `{"error": "…"}`,
    /// `{"message": …}`, `{"detail": …}`, `{"errors": […]}`, or plain text.
    pub(super) fn read(body: &str) -> Self {
        match serde_json::from_str::<Value>(body) {
            Ok(value) => Self::from_value(&value),
            Err(_) => Self { message: body.to_owned(), ..Self::default() },
        }
    }

    /// Returns the error in a body with status 200. `None` if the body has an answer.
    pub(super) fn in_answer(body: &Value) -> Option<Self> {
        let listed = body.get(0).filter(|first| first.get("error").is_some());
        let body = listed.unwrap_or(body);
        let choice = body.pointer("/choices/0");
        if let Some(error) = choice.and_then(|choice| choice.get("error")).filter(|error| indicates_error(error)) {
            return Some(Self::from_value(error));
        }
        if body.get("error").is_some_and(indicates_error) {
            return Some(Self::from_value(body));
        }
        if choice.is_some() {
            return None;
        }
        // Without an answer, a message in another field is also an error.
        let failed = body.pointer("/base_resp/status_code").is_some_and(|code| code.as_i64() != Some(0));
        let words = ["message", "detail", "msg", "error_msg", "errors"].iter().any(|name| body.get(*name).is_some());
        (failed || words).then(|| Self::from_value(body))
    }

    fn from_value(value: &Value) -> Self {
        let value = value.get(0).unwrap_or(value);
        let inner = ["error", "base_resp", "detail"].iter().find_map(|name| value.get(*name).filter(|v| v.is_object()));
        let listed = value.get("errors").and_then(|errors| errors.get(0)).filter(|first| first.is_object());
        let error = inner.or(listed).unwrap_or(value);
        let message = WORDS.iter().find_map(|name| words(error.get(*name)?));
        let message = message.or_else(|| words(value.get("errors")?)).or_else(|| words(error));
        let mut tags = Vec::new();
        let further = ["/innererror", "/metadata", "/details/0", "/details/1", "/details/2", "/metadata/error_type"];
        let objects =
            [Some(value), Some(error)].into_iter().chain(further.iter().map(|pointer| error.pointer(pointer)));
        for object in objects.flatten() {
            tags.extend(NAMES.iter().filter_map(|name| scalar(object.get(*name)?)));
        }
        // Message of a provider behind the server, which some servers pass on.
        let raw = error.pointer("/metadata/raw").and_then(Value::as_str).unwrap_or_default();
        let mut message = message.unwrap_or_else(|| error.to_string());
        if !raw.is_empty() && !message.contains(raw) {
            message = format!("{message}: {raw}");
        }
        tags.dedup();
        let status = tags.iter().find_map(|tag| tag.parse().ok().filter(|code| (400..600).contains(code)));
        Self { message, tags: tags.join(" ").to_lowercase(), status }
    }

    /// Returns the message and the names, in lower case.
    pub(super) fn searchable_text(&self) -> String {
        format!("{} {}", self.message.to_lowercase(), self.tags)
    }
}

/// Returns true if the value of a field indicates an error.
fn indicates_error(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Object(fields) => fields.values().any(|field| !field.is_null()),
        Value::Array(parts) => !parts.is_empty(),
        Value::Number(number) => number.as_i64() != Some(0),
        Value::Bool(true) => true,
    }
}

/// Returns a text, or the texts in a list or an object. `None` if there is no text.
fn words(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        // A list of problems, one for each field.
        Value::Array(parts) => {
            let texts = parts.iter().filter_map(|part| WORDS.iter().find_map(|name| words(part.get(*name)?)));
            let texts: Vec<String> = texts.collect();
            if texts.is_empty() { value.to_string() } else { texts.join("; ") }
        }
        Value::Object(fields) => WORDS.iter().find_map(|name| words(fields.get(*name)?))?,
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// Returns a name or a number as text. `None` for any other value.
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
    fn errors_and_answers_are_distinguished() {
        let error_in =
            |body: Value| ServerError::in_answer(&body).map(|server_error| (server_error.message, server_error.status));
        let busy = json!({"message": "busy", "code": 429});
        let found = Some(("busy".to_owned(), Some(429)));
        assert_eq!(error_in(json!({"error": busy, "user_id": "u"})), found);
        assert_eq!(error_in(json!({"error": busy, "choices": null})), found);
        assert_eq!(error_in(json!([{"error": busy}])), found);
        assert_eq!(error_in(json!({"choices": [{"error": busy, "message": {"content": ""}}]})), found);
        assert_eq!(error_in(json!({"error": "busy", "code": "429"})), found);
        assert_eq!(error_in(json!({"object": "error", "message": "busy", "code": 429})), found);
        assert_eq!(error_in(json!({"success": false, "errors": [{"code": 429, "message": "busy"}]})), found);
        let limited = json!({"base_resp": {"status_code": 1002, "status_msg": "rate limit"}});
        assert_eq!(error_in(limited), Some(("rate limit".to_owned(), None)));
        for answer in [
            json!({"choices": [{"message": {"content": "4"}}], "error": null}),
            json!({"choices": [{"message": {"content": "4"}, "error": {}}], "error": {"message": null}}),
            json!({"choices": [{"message": {"content": "4"}}], "base_resp": {"status_code": 0, "status_msg": ""}}),
            json!({"choices": [{"message": {"content": "4"}}], "error": "", "message": "fine"}),
            json!({"choices": []}),
        ] {
            assert_eq!(error_in(answer.clone()), None, "{answer}");
        }
    }

    #[test]
    fn upstream_provider_message_is_retained() {
        let body =
            r#"{"error": {"message": "Provider returned error", "code": 502, "metadata": {"raw": "worker gone"}}}"#;
        assert_eq!(ServerError::read(body).message, "Provider returned error: worker gone");
        let listed = r#"{"detail": [{"loc": ["body", "stop"], "msg": "extra field", "type": "extra_forbidden"}]}"#;
        assert_eq!(ServerError::read(listed).message, "extra field");
    }
}
