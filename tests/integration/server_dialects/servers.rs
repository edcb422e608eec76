//! Stand-in servers: the requests that each accepts, the errors it returns for others, and the form of its answers.

use std::collections::HashMap;

use serde_json::{Value, json};
use wiremock::{MockServer, Request, Respond, ResponseTemplate};

/// Addresses of the shipped configs, with the path that replaces each address in these tests.
pub(super) const ADDRESSES: [(&str, &str); 5] = [
    ("https://api.openai.com/v1", "/openai/v1"),
    ("https://generativelanguage.googleapis.com/v1beta/openai", "/gemini/v1beta/openai"),
    ("http://localhost:8000/v1", "/vllm-weak/v1"),
    ("http://localhost:8001/v1", "/vllm-strong/v1"),
    ("http://localhost:11434/v1", "/ollama/v1"),
];

/// Models of each server.
const MODELS: [(&str, &[&str]); 6] = [
    ("openai", &["gpt-4.1-mini", "gpt-6-sol", "gpt-6-luna"]),
    ("gemini", &["gemini-3.8-flash"]),
    ("vllm-weak", &["Qwen/Qwen2.5-1.5B-Instruct"]),
    ("vllm-strong", &["Qwen/Qwen2.5-7B-Instruct"]),
    ("ollama", &["llama3.2:1b", "llama3.1:8b"]),
    ("gateway", &["behind-the-gateway"]),
];

/// Request as a server receives it.
pub(super) struct ModelService {
    /// First segment of the path, which identifies the server.
    pub(super) server: String,
    pub(super) body: Value,
    pub(super) key: Option<String>,
    team: Option<String>,
}

impl ModelService {
    pub(super) fn of(request: &Request) -> Self {
        let header = |name: &str| request.headers.get(name).map(|value| value.to_str().expect("text").to_owned());
        Self {
            server: request.url.path().split('/').nth(1).unwrap_or_default().to_owned(),
            body: request.body_json().expect("a JSON body"),
            key: header("authorization"),
            team: header("x-gateway-team"),
        }
    }

    fn model(&self) -> &str {
        self.body["model"].as_str().unwrap_or_default()
    }

    fn has(&self, field: &str) -> bool {
        self.body.get(field).is_some()
    }

    /// Returns the status and message with which the server refuses the request, if it does.
    fn refusal(&self) -> Option<(u16, String)> {
        let models = MODELS.iter().find(|(server, _)| *server == self.server).map(|(_, models)| *models)?;
        if !models.contains(&self.model()) {
            return Some((404, format!("The model `{}` does not exist.", self.model())));
        }
        let wrong = match self.server.as_str() {
            "openai" if self.key.is_none() => return Some((401, "You didn't provide an API key.".to_owned())),
            "openai" => self.refused_by_openai(),
            "gemini" if self.key.is_none() => {
                return Some((401, "Missing or invalid Authorization header.".to_owned()));
            }
            "gemini" => self.refused_by_gemini(),
            "gateway" => self.refused_by_gateway(),
            _ => self.refused_by_local(),
        };
        wrong.map(|words| (400, words))
    }

    fn refused_by_openai(&self) -> Option<String> {
        let unsupported = |field: &str| format!("Unsupported parameter: '{field}' is not supported with this model.");
        let effort = self.body["reasoning_effort"].as_str();
        match self.model() {
            "gpt-4.1-mini" => self.has("reasoning_effort").then(|| unsupported("reasoning_effort")),
            _ if self.has("max_tokens") => {
                Some("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.".to_owned())
            }
            _ if self.has("stop") => Some(unsupported("stop")),
            // A model that does not reason accepts the fields that the others refuse.
            _ if effort == Some("none") => None,
            _ if self.has("logprobs") => Some("You are not allowed to request logprobs from this model.".to_owned()),
            _ if self.has("temperature") => {
                Some("Unsupported value: 'temperature' does not support 0.0 with this model. Only the default (1) value is supported.".to_owned())
            }
            _ => None,
        }
    }

    fn refused_by_gemini(&self) -> Option<String> {
        let unknown = ["logprobs", "top_logprobs", "seed"].into_iter().find(|field| self.has(field));
        unknown
            .map(|field| format!("Invalid JSON payload received. Unknown name \"{field}\": Cannot find field."))
            .or_else(|| {
                // The config omits these fields; the stand-in enforces that.
                let unwanted = ["temperature", "stop"].into_iter().find(|field| self.has(field));
                unwanted.map(|field| format!("'{field}' is not wanted for this model."))
            })
    }

    fn refused_by_local(&self) -> Option<String> {
        if self.body["logprobs"] == true && !self.body["top_logprobs"].is_number() {
            return Some("when using `logprobs`, `top_logprobs` must be set.".to_owned());
        }
        (!self.body["max_tokens"].is_number()).then(|| "max_tokens is missing".to_owned())
    }

    fn refused_by_gateway(&self) -> Option<String> {
        if self.team.is_none() {
            return Some("header x-gateway-team is required".to_owned());
        }
        (self.body["routing"]["region"] != "eu").then(|| "field required: routing.region".to_owned())
    }

    /// Returns the target question, which comes last in the prompt.
    fn question(&self) -> &str {
        let content = self.body["messages"].as_array().and_then(|turns| turns.last()?["content"].as_str());
        let content = content.unwrap_or_default();
        content.rsplit_once("Question: ").map_or(content, |(_, question)| question).trim()
    }

    fn wants_strategy(&self) -> bool {
        self.body["messages"][0]["content"].as_str().is_some_and(|text| text.contains("STRATEGY:"))
    }
}

/// Answers of all servers: correct, with low confidence for every second item.
pub(super) struct Answers(HashMap<String, (usize, String)>);

impl Answers {
    /// Reads the rows of a GSM8K file.
    pub(super) fn of(rows: &str) -> Self {
        let rows = rows.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let target = |answer: &Value| {
            answer.as_str().and_then(|text| text.rsplit_once("#### ")).expect("an answer").1.to_owned()
        };
        let entry = |(index, row): (usize, Value)| {
            (row["question"].as_str().expect("a text").to_owned(), (index, target(&row["answer"])))
        };
        Self(rows.enumerate().map(entry).collect())
    }
}

impl Respond for Answers {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let served = ModelService::of(request);
        if !request.url.path().ends_with("/chat/completions") {
            return ResponseTemplate::new(404);
        }
        if let Some((status, words)) = served.refusal() {
            return ResponseTemplate::new(status).set_body_json(error(&served.server, status, &words));
        }
        let Some((index, target)) = self.0.get(served.question()) else {
            return ResponseTemplate::new(400).set_body_string(format!("what is this? {}", served.question()));
        };
        let strategy = if served.wants_strategy() { "\nSTRATEGY:\nAdd up what is given." } else { "" };
        let text = format!("It works out.\n#### {target}{strategy}");
        ResponseTemplate::new(200).set_body_json(completion(&served, &text, index % 2 == 0))
    }
}

/// Returns an error in the server's form.
fn error(server: &str, status: u16, words: &str) -> Value {
    match server {
        "gemini" => json!([{"error": {"code": status, "message": words, "status": "INVALID_ARGUMENT"}}]),
        "vllm-weak" | "vllm-strong" => {
            json!({"object": "error", "message": words, "type": "BadRequestError", "param": null, "code": status})
        }
        "gateway" => json!({"detail": words}),
        _ => json!({"error": {"message": words, "type": "invalid_request_error", "param": null, "code": null}}),
    }
}

/// Returns an answer in the server's form: 100 input tokens (64 of them cached by `OpenAI`), 20 output tokens, 30
/// further tokens of thinking if the model thinks, and log-probabilities if the request asks for them.
fn completion(served: &ModelService, text: &str, sure: bool) -> Value {
    let model = served.model();
    let (name, usage) = match served.server.as_str() {
        "openai" => {
            let thought = if model == "gpt-6-sol" { 30 } else { 0 };
            let usage = json!({"prompt_tokens": 100, "completion_tokens": 20 + thought, "total_tokens": 120 + thought,
                "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": thought, "audio_tokens": 0}});
            (format!("{model}-2026-01-01"), usage)
        }
        // Thinking counts in the total only.
        "gemini" => (model.to_owned(), json!({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 150})),
        "vllm-weak" | "vllm-strong" => (
            model.to_owned(),
            json!({"prompt_tokens": 100, "total_tokens": 120, "completion_tokens": 20, "prompt_tokens_details": null}),
        ),
        _ => (model.to_owned(), json!({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120})),
    };
    let mut choice = json!({"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}});
    if served.body["logprobs"] == true {
        choice["logprobs"] = json!({"content": tokens(&served.server, text, if sure { -0.01 } else { -0.7 })});
    }
    json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": name, "choices": [choice], "usage": usage})
}

fn tokens(server: &str, text: &str, logprob: f64) -> Vec<Value> {
    let token = |piece: &str| match server {
        "ollama" | "gateway" => json!({"token": piece, "logprob": logprob}),
        _ => json!({"token": piece, "logprob": logprob, "bytes": piece.as_bytes(), "top_logprobs": []}),
    };
    let mut tokens: Vec<Value> = text.split_inclusive(' ').map(token).collect();
    if server.starts_with("vllm") {
        tokens.push(json!({"token": "<|im_end|>", "logprob": -9.0, "bytes": b"<|im_end|>", "top_logprobs": []}));
    }
    tokens
}

/// Refused requests: each entry has the model and the error message.
pub(super) struct Refusals(pub(super) Vec<String>);

impl Refusals {
    pub(super) async fn of(server: &MockServer) -> Self {
        let requests = server.received_requests().await.expect("recorded");
        let words = |request: ModelService| Some(format!("{}: {}", request.model(), request.refusal()?.1));
        Self(requests.iter().map(ModelService::of).filter_map(words).collect())
    }
}
