//! How a run deals with what servers do to it: refused items, servers that are not there, hostile texts, proxies.

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

/// Both levels behind one server: answers are right, and the weak level is unsure of each group's first item.
struct Provider {
    /// What it says instead of an answer.
    instead: fn(&Asked) -> Option<ResponseTemplate>,
}

/// What a request asks for.
struct Asked {
    model: String,
    /// The last question in the messages.
    question: String,
    body: Value,
}

impl Asked {
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

    /// Whether the question is about these things.
    fn is_about(&self, things: &str) -> bool {
        self.question.contains(things)
    }
}

impl Respond for Provider {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let asked = Asked::of(request);
        (self.instead)(&asked).unwrap_or_else(|| ResponseTemplate::new(200).set_body_json(answer(&asked)))
    }
}

fn answer(asked: &Asked) -> Value {
    let numbers: Vec<u32> = asked.question.split(' ').filter_map(|word| word.parse().ok()).collect();
    let strategy = asked.body.to_string().contains("STRATEGY");
    let text = format!(
        "It works out.\n#### {}{}",
        numbers.iter().product::<u32>(),
        if strategy { "\nSTRATEGY:\nMultiply them." } else { "" }
    );
    // The price of a group's first item is 3.
    let logprob = if numbers.get(1) == Some(&3) { -1.2 } else { -0.05 };
    let token = |text: &str| json!({"token": text, "logprob": logprob, "bytes": null, "top_logprobs": []});
    let tokens: Vec<Value> = text.split_inclusive(' ').map(token).collect();
    json!({
        "model": asked.model, "usage": {"prompt_tokens": 50, "completion_tokens": 9, "total_tokens": 59},
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text},
            "logprobs": {"content": tokens}}],
    })
}

async fn provider(instead: fn(&Asked) -> Option<ResponseTemplate>) -> MockServer {
    let server = MockServer::start().await;
    turn(&server, instead).await;
    server
}

/// Has the server answer in another way from now on.
async fn turn(server: &MockServer, instead: fn(&Asked) -> Option<ResponseTemplate>) {
    server.reset().await;
    Mock::given(any()).respond_with(Provider { instead }).mount(server).await;
}

async fn requests(server: &MockServer) -> usize {
    server.received_requests().await.expect("recorded").len()
}

/// The cascade and Inter-Cascade on a server at this address.
fn settings(address: &str) -> Settings {
    let entry = |name: &str| format!("name = '{name}'\nbackend = 'openai'\nbase_url = '{address}/v1'\nmax_retries = 1");
    let arms: Vec<toml::Value> = ["cascade", "inter-cascade"].map(Into::into).to_vec();
    Settings::simulated()
        .model("small", &entry("small"))
        .model("large", &entry("large"))
        .set("arms", arms)
        .set("dataset.orders", 1)
}
