//! The HTTP backend against a server that plays the API dialect, the refusals and the faults of each provider.

mod answers;
mod faults;
mod requests;
mod runs;
mod transport;

use std::sync::Arc;
use std::time::{Duration, Instant};

use intercascade::backend::openai::{OpenAi, Settings};
use intercascade::fetch::tls::Trusted;
use intercascade::gateway::concurrency::{ConcurrencyLimiter, Priority, QueueSettings};
use intercascade::gateway::journal::Journal;
use intercascade::gateway::{AnswerSource, Gateway, ModelService, Retries};
use intercascade::task::prompt::Style;
use intercascade::types::chat::{Finish, Generation, Message, Mode, Request, RequestKind, Response, Role};
use intercascade::types::model::{Identity, Model, ModelError};
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const KEY: &str = "sk-test-0123456789abcdef";
const HEADER_VALUE: &str = "organisation-secret";

fn settings(base_url: &str) -> Settings {
    Settings {
        name: "weak".into(),
        base_url: base_url.into(),
        address_name: "base_url".into(),
        ip: None,
        model: "served-model".into(),
        preset: None,
        style: Style::Chat,
        api_key: Some(SecretString::from(KEY)),
        api_key_env: Some("TEST_API_KEY".into()),
        headers: vec![("x-organisation".into(), SecretString::from(HEADER_VALUE))],
        send_temperature: true,
        logprobs: true,
        token_limit_key: "max_tokens".into(),
        send_stop: true,
        extra_body: Map::new(),
        connect_timeout: Duration::from_millis(500),
        send_system: true,
        trusted: Trusted::default(),
        timeout: Duration::from_secs(5),
    }
}

fn local(server: &MockServer) -> Settings {
    settings(&format!("{}/v1/", server.uri()))
}

fn request(logprobs: bool) -> Request {
    Request {
        item: "0".into(),
        messages: vec![
            Message { role: Role::System, content: "Be brief.".into() },
            Message { role: Role::User, content: "Question: 2 + 2?\nAnswer:".into() },
        ],
        mode: Mode::Generate(Generation {
            max_tokens: 64,
            temperature: 0.0,
            stop: vec!["\n\nQuestion:".into()],
            logprobs,
            ..Generation::default()
        }),
        wanted: RequestKind::Answer,
        draw: 0,
        strategies: Vec::new(),
    }
}

/// Returns the answer of a server that follows the original API.
fn canonical() -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "served-model-2026-01-01",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": "It is 4.", "refusal": null, "annotations": []},
            "logprobs": {"content": [
                {"token": "It", "logprob": -0.25, "bytes": [73, 116], "top_logprobs": [{"token": "It", "logprob": -0.25, "bytes": null}]},
                {"token": " is", "logprob": -0.5, "bytes": [32, 105, 115], "top_logprobs": []},
                {"token": " 4", "logprob": -0.125, "bytes": [32, 52], "top_logprobs": []},
                {"token": ".", "logprob": 0.0, "bytes": [46], "top_logprobs": []}
            ], "refusal": null},
            "finish_reason": "stop"
        }],
        "usage": {
            "prompt_tokens": 20, "completion_tokens": 4, "total_tokens": 24,
            "prompt_tokens_details": {"cached_tokens": 16, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0}
        },
        "service_tier": "default", "system_fingerprint": "fp"
    })
}

/// Returns the canonical answer with another value at `pointer`.
fn with(pointer: &str, value: Value) -> Value {
    let mut answer = canonical();
    *answer.pointer_mut(pointer).expect("a place in the answer") = value;
    answer
}

async fn server(template: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST")).and(path("/v1/chat/completions")).respond_with(template).mount(&server).await;
    server
}

async fn answering(body: Value) -> MockServer {
    server(ResponseTemplate::new(200).set_body_json(body)).await
}

/// Makes one attempt.
async fn call(settings: Settings, request: &Request) -> Result<Response, ModelError> {
    OpenAi::new(settings)?.call(request).await
}

const RETRIES: Retries =
    Retries { most: 2, first_wait: Duration::from_millis(1), longest_wait: Duration::from_millis(20) };

/// Makes a call with all its attempts.
async fn call_until(settings: Settings, retries: Retries) -> Result<Response, ModelError> {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = Arc::new(Journal::open(&folder.path().join("journal.sqlite")).expect("a journal"));
    let gate = ConcurrencyLimiter::new(8);
    let line = gate.add_queue(QueueSettings { cap: 8, local: false, probed: true });
    let identity = Identity { fixed: json!({}), per_item: false };
    let model: Arc<dyn Model> = Arc::new(OpenAi::new(settings)?);
    let served = ModelService { name: "weak".into(), identity, source: AnswerSource::Model(model) };
    let gateway = Gateway::new(served, journal, (gate, line), retries);
    let (_, response) = gateway.call(&request(false), Priority::default()).await?;
    Ok(Response::clone(&response))
}

/// Returns the result of a request without log-probabilities.
async fn plain(body: Value) -> Result<Response, ModelError> {
    let server = answering(body).await;
    call(local(&server), &request(false)).await
}

/// Returns the result of a request with log-probabilities.
async fn scored(body: Value) -> Result<Response, ModelError> {
    let server = answering(body).await;
    call(local(&server), &request(true)).await
}

async fn sent(server: &MockServer) -> Vec<Value> {
    let requests = server.received_requests().await.expect("recorded requests");
    requests.iter().map(|request| request.body_json().expect("a JSON body")).collect()
}

fn passing(result: Result<Response, ModelError>) -> String {
    match result {
        Err(ModelError::Passing { reason, charged: true, .. }) => checked(reason),
        other => panic!("not passing: {other:?}"),
    }
}

fn refused(result: Result<Response, ModelError>) -> String {
    match result {
        Err(ModelError::Refused(text)) => checked(text),
        other => panic!("not refused: {other:?}"),
    }
}

fn unusable(result: Result<Response, ModelError>) -> String {
    match result {
        Err(ModelError::Unusable(text)) => checked(text),
        other => panic!("not unusable: {other:?}"),
    }
}

fn unavailable(result: Result<Response, ModelError>) -> String {
    match result {
        Err(ModelError::Unavailable(text)) => checked(text),
        other => panic!("not unavailable: {other:?}"),
    }
}

/// Returns the text of the error, and asserts that it contains no secret.
fn checked(text: String) -> String {
    assert!(!text.contains(KEY) && !text.contains(HEADER_VALUE), "{text}");
    assert!(text.contains("\"weak\""), "{text}");
    text
}

fn texts(response: &Response) -> Vec<&str> {
    response.tokens.iter().map(|token| token.text.as_str()).collect()
}
