//! Handling of server behaviour in a run: refused items, unreachable servers, hostile texts, proxies.

#[cfg(unix)]
mod absent;
mod events;
mod hostile;
mod proxies;
mod refused;

use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::support::Settings;

/// Both levels on one server. Answers are correct, and the weak level has low confidence for each group's first item.
struct Provider {
    /// Response that replaces the answer, if any.
    instead: fn(&ReceivedRequest) -> Option<ResponseTemplate>,
}

/// Contents of a request.
struct ReceivedRequest {
    model: String,
    /// Last question in the messages.
    question: String,
    body: Value,
}

impl ReceivedRequest {
    fn of(request: &Request) -> Self {
        let body: Value = request.body_json().expect("JSON");
        let messages = body["messages"].as_array().expect("messages");
        let last = messages.last().and_then(|message| message["content"].as_str()).unwrap_or_default();
        let question = last.rsplit_once("Question: ").map_or(last, |(_, question)| question).to_owned();
        Self { model: body["model"].as_str().unwrap_or_default().to_owned(), question, body }
    }

    fn is_strong(&self) -> bool {
        self.model == "large"
    }

    /// True if the question is about these things.
    fn is_about(&self, things: &str) -> bool {
        self.question.contains(things)
    }
}

impl Respond for Provider {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let received = ReceivedRequest::of(request);
        (self.instead)(&received).unwrap_or_else(|| ResponseTemplate::new(200).set_body_json(answer(&received)))
    }
}

fn answer(received: &ReceivedRequest) -> Value {
    let numbers: Vec<u32> = received.question.split(' ').filter_map(|word| word.parse().ok()).collect();
    let strategy = received.body.to_string().contains("STRATEGY");
    let text = format!(
        "It works out.\n#### {}{}",
        numbers.iter().product::<u32>(),
        if strategy { "\nSTRATEGY:\nMultiply them." } else { "" }
    );
    // The price in a group's first item is 3.
    let logprob = if numbers.get(1) == Some(&3) { -1.2 } else { -0.05 };
    let token = |text: &str| json!({"token": text, "logprob": logprob, "bytes": null, "top_logprobs": []});
    let tokens: Vec<Value> = text.split_inclusive(' ').map(token).collect();
    json!({
        "model": received.model, "usage": {"prompt_tokens": 50, "completion_tokens": 9, "total_tokens": 59},
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text},
            "logprobs": {"content": tokens}}],
    })
}

async fn provider(instead: fn(&ReceivedRequest) -> Option<ResponseTemplate>) -> MockServer {
    let server = MockServer::start().await;
    turn(&server, instead).await;
    server
}

/// Changes how the server answers from now on.
async fn turn(server: &MockServer, instead: fn(&ReceivedRequest) -> Option<ResponseTemplate>) {
    server.reset().await;
    Mock::given(any()).respond_with(Provider { instead }).mount(server).await;
}

async fn requests(server: &MockServer) -> usize {
    server.received_requests().await.expect("recorded").len()
}

/// Settings with the cascade and Inter-Cascade on a server at this address.
fn settings(address: &str) -> Settings {
    let entry = |name: &str| format!("name = '{name}'\nbackend = 'openai'\nbase_url = '{address}/v1'\nmax_retries = 1");
    let arms: Vec<toml::Value> = ["cascade", "inter-cascade"].map(Into::into).to_vec();
    Settings::simulated()
        .model("small", &entry("small"))
        .model("large", &entry("large"))
        .set("arms", arms)
        .set("dataset.orders", 1)
}
