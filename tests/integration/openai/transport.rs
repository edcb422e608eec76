//! The layer between a request and its answer: unusual bodies, errors under status 200, waits, addresses, TLS.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

use intercascade::fetch::tls::Trusted;
use intercascade::types::chat::Usage;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};
use wiremock::matchers::{any, query_param};

use super::*;
use crate::support::repository;

/// Starts a server that answers the first request with `first` and all others with a valid answer.
async fn at_first(first: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(first).up_to_n_times(1).mount(&server).await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_json(canonical())).mount(&server).await;
    server
}

#[tokio::test]
async fn unusual_response_bodies_are_read() {
    let plain = canonical().to_string();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(plain.as_bytes()).expect("written");
    let packed = packed.finish().expect("whole");
    for (name, body, encoding) in [
        ("a mark of the encoding", [b"\xef\xbb\xbf", plain.as_bytes()].concat(), None),
        ("gzip", packed.clone(), Some("gzip")),
        ("gzip that no header names", packed, None),
        ("zstd", zstd::encode_all(plain.as_bytes(), 1).expect("packed"), Some("zstd")),
        (
            "a key that stands twice",
            plain.replacen("\"content\":\"It", "\"content\":\"\",\"content\":\"It", 1).into(),
            None,
        ),
        ("half a surrogate pair", plain.replacen("\"id\":\"", "\"id\":\"\\ud83d", 1).into(), None),
    ] {
        let mut template = ResponseTemplate::new(200);
        if let Some(encoding) = encoding {
            template = template.insert_header("content-encoding", encoding);
        }
        let server = server(template.set_body_raw(body, "application/json")).await;
        let answer = call(local(&server), &request(true)).await;
        assert_eq!(answer.unwrap_or_else(|error| panic!("{name}: {error}")).text, "It is 4.", "{name}");
    }
}

#[tokio::test]
async fn a_transient_error_under_status_200_is_retried() {
    let busy = json!({"message": "Provider returned error", "code": 429});
    let cut = canonical().to_string();
    for first in [
        ResponseTemplate::new(200).set_body_json(json!({"error": busy, "user_id": "u"})),
        ResponseTemplate::new(200).set_body_json(json!({"error": busy, "choices": null, "usage": null})),
        ResponseTemplate::new(200).set_body_json(json!({"error": {"message": "worker gone"}})),
        ResponseTemplate::new(200)
            .set_body_json(with("/choices/0", json!({"error": {"code": 502, "message": "idle"}}))),
        ResponseTemplate::new(200),
        ResponseTemplate::new(204),
        ResponseTemplate::new(200).set_body_string(" \n"),
        ResponseTemplate::new(200).set_body_string(&cut[..cut.len() / 2]),
        ResponseTemplate::new(200)
            .insert_header("content-encoding", "gzip")
            .set_body_raw(b"\x1f\x8b\x08cut".to_vec(), "application/json"),
    ] {
        let server = at_first(first).await;
        assert_eq!(call_until(local(&server), RETRIES).await.expect("an answer").text, "It is 4.");
        assert_eq!(sent(&server).await.len(), 2);
    }
}

#[tokio::test]
async fn an_error_under_status_200_keeps_its_message_and_code() {
    let error = |code: Value, kind: &str| json!({"error": {"message": "no such thing", "code": code, "type": kind}});
    for body in [error(json!(401), ""), error(json!("401"), ""), error(Value::Null, "authentication_error")] {
        let server = answering(body).await;
        let text = refused(call(local(&server), &request(false)).await);
        assert!(text.contains("no such thing") && text.contains("variable TEST_API_KEY"), "{text}");
    }
    let server = answering(error(json!("content_filter"), "")).await;
    let answer = call(local(&server), &request(false)).await.expect("an outcome");
    assert_eq!(answer.finish, Finish::Refused);
    let server = answering(error(json!(503), "")).await;
    let text = unavailable(call_until(local(&server), RETRIES).await);
    assert!(text.contains("200 OK with error 503: no such thing"), "{text}");
}

#[tokio::test]
async fn a_refused_prompt_is_an_outcome() {
    for (status, body, kind) in [
        (
            400,
            json!({"error": {"message": "filtered", "code": "content_filter"}}),
            "content filter (400 Bad Request): filtered",
        ),
        (
            400,
            json!({"error": {"message": "too much", "code": "context_length_exceeded"}}),
            "prompt too long (400 Bad Request): too much",
        ),
        (
            403,
            json!({"error": {"message": format!("{KEY}: your input was flagged"), "code": 403}}),
            "[key]: your input was flagged",
        ),
    ] {
        let server = server(ResponseTemplate::new(status).set_body_json(body)).await;
        let answer = call_until(local(&server), RETRIES).await.expect("an outcome");
        assert_eq!((answer.finish, answer.text.as_str(), answer.usage), (Finish::Refused, "", Usage::default()));
        let words = answer.refusal.expect("words");
        assert!(words.contains(kind), "{words}");
        assert_eq!(sent(&server).await.len(), 1);
    }
}

#[tokio::test]
async fn every_refusal_with_a_config_fix_names_the_key() {
    for (body, mend) in [
        (
            json!({"code": "Client specified an invalid argument", "error": "Argument not supported on this model: stop"}),
            "send_stop = false",
        ),
        (json!({"code": "invalid-argument", "error": "Model m does not support parameter stop."}), "send_stop = false"),
        (
            json!({"error": {"message": "Unsupported parameter: 'stop' is not supported", "param": "stop"}}),
            "send_stop = false",
        ),
        (
            json!({"message": "Requested sample logprobs of 20, which is greater than max allowed: 5", "code": 400}),
            "extra_body = { top_logprobs = 5 }",
        ),
        (json!({"error": {"message": "top_logprobs must be between 0 and 1"}}), "extra_body = { top_logprobs = 1 }"),
        (json!({"error": {"message": "logprobs are not supported by this model"}}), "logprobs = false"),
        (
            json!({"message": "System role not supported", "type": "BadRequestError", "code": 400}),
            "send_system = false",
        ),
        (
            json!([{"error": {"code": 400, "message": "Developer instruction is not enabled for models/gemma-3-27b-it"}}]),
            "send_system = false",
        ),
        (
            json!({"error": {"message": "Conversation roles must alternate user/assistant/user/assistant/..."}}),
            "send_system = false",
        ),
        (json!({"error": {"message": "Unknown parameter: 'max_completion_tokens'"}}), "token_limit_key"),
        (json!({"error": {"message": "temperature is deprecated for this model"}}), "send_temperature = false"),
        (json!({"error": {"message": "extra fields not permitted: top_k"}}), "extra_body sets \"top_k\""),
        (json!({"error": {"message": "m is not a valid model ID"}}), "model = \"served-model\""),
        (json!({"detail": [{"loc": ["body", "stop"], "msg": "'stop' is no field"}]}), "send_stop = false"),
    ] {
        let server = server(ResponseTemplate::new(400).set_body_json(&body)).await;
        let mut settings = local(&server);
        settings.extra_body.insert("top_k".into(), json!(1));
        let text = refused(call(settings, &request(true)).await);
        assert!(text.contains(mend), "{text}");
    }
}

#[tokio::test]
async fn a_requested_wait_of_zero_still_waits() {
    let first_wait = Duration::from_millis(200);
    for (name, value) in
        [("retry-after", "0"), ("retry-after-ms", "0"), ("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")]
    {
        let server = at_first(ResponseTemplate::new(429).insert_header(name, value)).await;
        let started = Instant::now();
        let retries = Retries { most: 2, first_wait, longest_wait: Duration::from_secs(5) };
        call_until(local(&server), retries).await.expect("an answer");
        assert!(started.elapsed() >= first_wait, "{:?}", started.elapsed());
    }
    let body = json!({"error": {"message": "busy", "details": [{"retryDelay": "0.4s"}]}});
    let server = at_first(ResponseTemplate::new(429).set_body_json(body)).await;
    let started = Instant::now();
    call_until(local(&server), Retries { longest_wait: Duration::from_secs(5), ..RETRIES }).await.expect("an answer");
    assert!(started.elapsed() >= Duration::from_millis(400), "{:?}", started.elapsed());
}

#[tokio::test]
async fn an_attempt_times_out_even_while_bytes_arrive() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || drip(stream));
        }
    });
    let mut settings = settings(&format!("http://{address}/v1"));
    settings.timeout = Duration::from_millis(300);
    let started = Instant::now();
    let text = unavailable(call_until(settings, Retries { most: 1, ..RETRIES }).await);
    assert!(text.contains("0.3 s (timeout_s)") && text.contains("2 attempts"), "{text}");
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

/// Sends blanks without end, as servers do to keep a connection open while a request waits.
fn drip(mut stream: impl Read + Write) {
    let _ = stream.read(&mut [0; 4096]);
    let mut sent =
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n");
    while sent.is_ok() {
        std::thread::sleep(Duration::from_millis(20));
        sent = stream.write_all(b"\n");
    }
}

#[tokio::test]
async fn a_query_string_in_the_address_is_sent() {
    let server = MockServer::start().await;
    Mock::given(path("/deployments/d/chat/completions"))
        .and(query_param("api-version", "2024-10-21"))
        .respond_with(ResponseTemplate::new(200).set_body_json(canonical()))
        .expect(2)
        .mount(&server)
        .await;
    for slash in ["", "/"] {
        let address = format!("{}/deployments/d{slash}?api-version=2024-10-21", server.uri());
        call(settings(&address), &request(false)).await.expect("an answer");
    }
    for field in ["key", "api_key", "api-key", "apikey", "access_token", "sig"] {
        let address = format!("{}/v1?{field}={KEY}", server.uri());
        let error = OpenAi::new(settings(&address)).expect_err("refused").to_string();
        assert!(checked(error).contains("base_url must carry no key"));
    }
}

#[tokio::test]
async fn the_system_prompt_can_be_prepended_to_the_user_message() {
    let server = answering(canonical()).await;
    let settings = Settings { send_system: false, ..local(&server) };
    call(settings, &request(false)).await.expect("an answer");
    let content = "Be brief.\n\nQuestion: 2 + 2?\nAnswer:";
    assert_eq!(sent(&server).await[0]["messages"], json!([{"role": "user", "content": content}]));
}

fn fixture(name: &str) -> std::path::PathBuf {
    repository().join("tests/fixtures/tls").join(name)
}

/// Starts a server with this certificate that answers each request with a valid answer.
fn tls_server(certificate: &str) -> SocketAddr {
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(fixture(&format!("{certificate}.pem"))).expect("PEM").collect();
    let key = PrivateKeyDer::from_pem_file(fixture(&format!("{certificate}.key"))).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain.expect("certificates"), key)
        .expect("a pair");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let Ok(mut connection) = ServerConnection::new(Arc::clone(&config)) else { continue };
            // A client that does not trust the certificate disconnects.
            let _ = answer(&mut Stream::new(&mut connection, &mut stream));
        }
    });
    address
}

fn answer(stream: &mut (impl Read + Write)) -> std::io::Result<()> {
    let mut received = Vec::new();
    let whole = |received: &[u8]| received.windows(4).any(|four| four == b"\r\n\r\n") && received.ends_with(b"}");
    while !whole(&received) {
        let mut part = [0; 4096];
        match stream.read(&mut part)? {
            0 => return Ok(()),
            n => received.extend_from_slice(&part[..n]),
        }
    }
    let body = canonical().to_string();
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())?;
    stream.flush()
}

#[tokio::test]
async fn a_self_signed_certificate_is_explained_and_can_be_trusted() {
    for (certificate, named) in [("self-signed", "self-signed.pem"), ("signed", "ca.pem")] {
        let address = tls_server(certificate);
        let settings = || settings(&format!("https://{address}/v1"));
        let started = Instant::now();
        let slow = Retries { most: 5, first_wait: Duration::from_secs(5), longest_wait: Duration::from_secs(5) };
        let text = refused(call_until(settings(), slow).await);
        assert!(text.contains("certificate is not accepted") && text.contains("ca_file"), "{text}");
        assert!(started.elapsed() < Duration::from_secs(4), "no retry");
        let trusted = Trusted::read(&fixture(named)).expect("certificates");
        let answer = call(Settings { trusted, ..settings() }, &request(false)).await.expect("an answer");
        assert_eq!(answer.text, "It is 4.");
        // Trust in another certificate does not cover this one.
        let other = if named == "ca.pem" { "self-signed.pem" } else { "ca.pem" };
        let trusted = Trusted::read(&fixture(other)).expect("certificates");
        refused(call(Settings { trusted, ..settings() }, &request(false)).await);
    }
    for wrong in ["missing.pem", "signed.key"] {
        let error = format!("{:#}", Trusted::read(&fixture(wrong)).expect_err("no certificate"));
        assert!(error.contains("ca_file") && error.contains(wrong), "{error}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_identified() {
    let server = answering(canonical()).await;
    let address = server.uri().replace("http://", "https://");
    let text = refused(call_until(settings(&format!("{address}/v1")), RETRIES).await);
    assert!(text.contains("does not use TLS"), "{text}");
}

#[tokio::test]
async fn a_looked_up_ip_address_is_called_under_the_host_name() {
    let server = answering(canonical()).await;
    let port = server.address().port();
    let ip = server.address().ip();
    let settings = Settings { ip: Some(ip), ..settings(&format!("http://models.example:{port}/v1")) };
    let answer = call(settings, &request(true)).await.expect("an answer");
    assert_eq!(answer.server, Some(format!("{ip}:{port}")));
    let host = server.received_requests().await.expect("recorded")[0].headers["host"].clone();
    assert_eq!(host, format!("models.example:{port}").as_str());
    // Errors name the address of the entry and the one that was called.
    let closed = TcpListener::bind((ip, 0)).expect("a port").local_addr().expect("bound").port();
    let settings = Settings { ip: Some(ip), ..self::settings(&format!("http://models.example:{closed}/v1")) };
    let error = call(settings, &request(true)).await.expect_err("nothing listens").to_string();
    assert!(error.contains(&format!("http://models.example:{closed}/v1 at {ip}: connection refused")), "{error}");
}

#[tokio::test]
async fn an_answer_names_the_server_without_its_path() {
    let server = answering(canonical()).await;
    let answer = call(local(&server), &request(true)).await.expect("an answer");
    assert_eq!(answer.server, Some(server.address().to_string()));
}
