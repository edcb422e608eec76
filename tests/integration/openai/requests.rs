//! Requests: the body, the headers, and settings that are refused before a request is sent.

use intercascade::backend::entry::ModelEntry;
use intercascade::backend::raw::RawEntry;
use intercascade::backend::settings::Data;
use intercascade::fetch::weights::Catalogue;
use intercascade::types::seed::Seed;

use super::*;

#[tokio::test]
async fn the_request_follows_the_original_api() {
    let server = answering(canonical()).await;
    let answer = call(local(&server), &request(true)).await.expect("an answer");
    assert_eq!(answer.text, "It is 4.");
    assert_eq!(texts(&answer), ["It", " is", " 4", "."]);
    assert_eq!(answer.tokens[1].logprob, Some(-0.5));
    assert_eq!(answer.finish, Finish::Stop);
    assert_eq!(answer.model, "served-model-2026-01-01");
    let usage = answer.usage;
    assert_eq!((usage.input, usage.cached_input, usage.output), (20, 16, 4));
    assert!(answer.latency_ms > 0.0);
    assert_eq!(
        sent(&server).await,
        [json!({
            "model": "served-model",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Question: 2 + 2?\nAnswer:"}
            ],
            "max_tokens": 64, "temperature": 0.0, "stop": ["\n\nQuestion:"],
            "logprobs": true, "top_logprobs": 1
        })]
    );
}

#[tokio::test]
async fn the_key_and_further_headers_are_sent() {
    let server = MockServer::start().await;
    Mock::given(header("authorization", format!("Bearer {KEY}").as_str()))
        .and(header("x-organisation", HEADER_VALUE))
        .respond_with(ResponseTemplate::new(200).set_body_json(canonical()))
        .expect(1)
        .mount(&server)
        .await;
    call(local(&server), &request(false)).await.expect("an answer");
}

#[tokio::test]
async fn without_a_key_no_authorization_is_sent() {
    let server = answering(canonical()).await;
    let mut settings = local(&server);
    settings.api_key = None;
    call(settings, &request(false)).await.expect("an answer");
    let requests = server.received_requests().await.expect("requests");
    assert!(!requests[0].headers.contains_key("authorization"));
}

#[tokio::test]
async fn unsupported_parameters_are_not_sent() {
    let server = answering(with("/choices/0/message/content", json!("4.\n\nQuestion: 3 + 3?"))).await;
    let mut settings = local(&server);
    settings.send_temperature = false;
    settings.send_stop = false;
    settings.token_limit_key = "max_completion_tokens".into();
    settings.extra_body.insert("reasoning_effort".into(), json!("none"));
    let answer = call(settings, &request(false)).await.expect("an answer");
    assert_eq!(answer.text, "4.");
    assert!(answer.tokens.is_empty());
    let body = &sent(&server).await[0];
    let keys: Vec<&String> = body.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["max_completion_tokens", "messages", "model", "reasoning_effort"]);
}

#[tokio::test]
async fn log_probabilities_are_not_requested_if_unsupported() {
    let server = answering(canonical()).await;
    let mut settings = local(&server);
    settings.logprobs = false;
    refused(call(settings, &request(true)).await);
    assert!(sent(&server).await.is_empty());
}

#[tokio::test]
async fn options_and_the_calculator_are_refused_by_this_backend() {
    let mut scoring = request(false);
    scoring.mode = Mode::Score { options: vec!["a".into()] };
    refused(call(settings("http://127.0.0.1:9/v1"), &scoring).await);
    let mut calculating = request(false);
    if let Mode::Generate(generation) = &mut calculating.mode {
        generation.calculator = true;
    }
    refused(call(settings("http://127.0.0.1:9/v1"), &calculating).await);
}

#[test]
fn the_identity_covers_what_changes_answers_and_no_secret() {
    let entry: RawEntry = toml::from_str(
        "name = 'weak'\nbackend = 'openai'\nbase_url = 'https://example.org/v1/'\nmodel = 'served-model'\n\
         api_key_env = 'TEST_API_KEY'\nextra_body = { top_k = 1 }",
    )
    .expect("an entry");
    let entry = ModelEntry::resolve(entry, Catalogue::builtin()).expect("a valid entry");
    let data = Data { items: &[], sha256: "", seed: Seed(0), weights: Catalogue::builtin(), style: Style::Chat };
    let identity = entry.identity(&entry, data).expect("known without a key");
    assert_eq!(
        identity.of(&"7".into()),
        json!({
            "backend": "openai", "base_url": "https://example.org/v1", "model": "served-model",
            "send_temperature": true, "send_stop": true, "token_limit_key": "max_tokens",
            "extra_body": {"top_k": 1}
        })
    );
    let model = OpenAi::new(settings("https://example.org/v1/")).expect("a model");
    let debug = format!("{model:?}");
    assert!(!debug.contains(KEY) && !debug.contains(HEADER_VALUE), "{debug}");
    assert!(debug.contains("served-model"), "{debug}");
}

#[test]
fn contradictory_settings_are_refused() {
    let with_body = |key: &str| {
        let mut settings = settings("https://example.org/v1");
        settings.extra_body.insert(key.into(), json!(true));
        settings
    };
    let with_key = |key: &str| {
        let mut settings = settings("https://example.org/v1");
        settings.api_key = Some(SecretString::from(key));
        settings
    };
    for wrong in [
        settings("example.org/v1"),
        settings("ftp://example.org/v1"),
        settings("https://user:sk-test-0123456789abcdef@example.org/v1"),
        settings("https://example.org/v1?key=sk-test-0123456789abcdef"),
        with_body("stream"),
        with_body("messages"),
        with_key("two\nlines"),
    ] {
        let error = OpenAi::new(wrong).expect_err("refused").to_string();
        checked(error);
    }
}
