//! A chat completion whose answer, confidence and strategy depend only on the prompt.

use intercascade::types::seed::Seed;
use serde_json::{Value, json};

/// Number in [0, 1) that a prompt and a name determine.
pub(crate) fn drawn(body: &Value, name: &str) -> f64 {
    Seed(5).unit(&[name, &body["messages"].to_string()])
}

/// Returns the answer to a request's body.
pub(crate) fn completion(body: &Value) -> Value {
    let token = |text: &str| json!({ "token": text, "logprob": drawn(body, "sure").ln() });
    let (first, last) = ("#### ".to_owned(), (drawn(body, "answer") * 20.0).floor().to_string());
    let wants_strategy = body["messages"].to_string().contains("STRATEGY");
    let strategy = if wants_strategy { format!("\nSTRATEGY:\nNote {}.", drawn(body, "note")) } else { String::new() };
    json!({
        "model": body["model"],
        "usage": { "prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11 },
        "choices": [{
            "finish_reason": "stop",
            "message": { "content": format!("{first}{last}{strategy}") },
            "logprobs": { "content": [token(&first), token(&last)] },
        }],
    })
}
