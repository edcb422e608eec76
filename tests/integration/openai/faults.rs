//! Refusals that name the fix, transient faults, and their handling.

use super::*;

#[tokio::test]
async fn refusals_name_the_fix() {
    for (status, message, param, mend) in [
        (
            400,
            "Unsupported value: 'temperature' does not support 0 with this model.",
            "temperature",
            "send_temperature = false",
        ),
        (400, "You are not allowed to request logprobs from this model.", "", "logprobs = false"),
        (
            400,
            "Unsupported parameter: 'max_tokens' is not supported with this model.",
            "max_tokens",
            "token_limit_key = \"max_completion_tokens\"",
        ),
        (400, "Unsupported parameter: 'stop' is not supported with this model.", "stop", "send_stop = false"),
        (401, "Incorrect API key provided: sk-test-****cdef.", "", "variable TEST_API_KEY"),
        (403, "Project has no access", "", "variable TEST_API_KEY"),
        (404, "The model does not exist", "", "\"served-model\""),
    ] {
        let error =
            json!({"error": {"message": message, "type": "invalid_request_error", "param": param, "code": null}});
        let server = server(ResponseTemplate::new(status).set_body_json(error)).await;
        let text = refused(call(local(&server), &request(true)).await);
        assert!(text.contains(mend), "{text}");
        assert!(text.contains(&server.uri()) && !text.contains("****"), "{text}");
        assert_eq!(sent(&server).await.len(), 1, "{message}");
    }
}

#[tokio::test]
async fn errors_are_read_in_every_form() {
    for body in [
        r#"[{"error": {"code": 400, "message": "gone wrong", "status": "INVALID_ARGUMENT"}}]"#,
        r#"{"error": "gone wrong"}"#,
        r#"{"object": "error", "message": "gone wrong", "code": 400}"#,
        r#"{"detail": "gone wrong"}"#,
        "gone wrong",
    ] {
        let server = server(ResponseTemplate::new(400).set_body_string(body)).await;
        let text = refused(call(local(&server), &request(false)).await);
        assert!(text.contains(": gone wrong"), "{text}");
    }
}

#[tokio::test]
async fn the_wait_is_the_one_the_server_requests() {
    let server = MockServer::start().await;
    let busy = ResponseTemplate::new(429).insert_header("retry-after", "1");
    Mock::given(method("POST")).respond_with(busy).up_to_n_times(1).mount(&server).await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200).set_body_json(canonical()))
        .mount(&server)
        .await;
    let retries = Retries { longest_wait: Duration::from_millis(300), ..RETRIES };
    let started = Instant::now();
    let answer = call_until(local(&server), retries).await.expect("an answer");
    let waited = started.elapsed();
    assert!(waited >= Duration::from_millis(300), "the asked second, capped: {waited:?}");
    assert!(waited < Duration::from_millis(900), "{waited:?}");
    assert!(answer.latency_ms < 300.0, "the time of the attempt that was answered");
    assert_eq!(sent(&server).await.len(), 2);
}

#[tokio::test]
async fn an_account_without_quota_is_not_retried() {
    let error = json!({"error": {"message": "You exceeded your current quota.", "type": "insufficient_quota",
        "param": null, "code": "insufficient_quota"}});
    let server = server(ResponseTemplate::new(429).set_body_json(error)).await;
    let text = refused(call(local(&server), &request(false)).await);
    assert!(text.contains("quota"), "{text}");
    assert_eq!(sent(&server).await.len(), 1);
}

#[tokio::test]
async fn retries_are_limited() {
    for status in [408, 409, 429, 500, 503] {
        let body = format!("{KEY} {HEADER_VALUE} overloaded");
        let server = server(ResponseTemplate::new(status).set_body_string(body)).await;
        let text = unavailable(call_until(local(&server), RETRIES).await);
        assert!(text.contains("3 attempts") && text.contains("overloaded"), "{text}");
        assert!(text.contains(&status.to_string()) && text.contains(&server.uri()), "{text}");
        assert_eq!(sent(&server).await.len(), 3);
    }
}

#[tokio::test]
async fn a_silent_server_times_out() {
    let server = server(ResponseTemplate::new(200).set_delay(Duration::from_secs(30))).await;
    let mut settings = local(&server);
    settings.timeout = Duration::from_millis(50);
    let text = unavailable(call_until(settings, Retries { most: 1, ..RETRIES }).await);
    assert!(text.contains("timeout_s") && text.contains("2 attempts"), "{text}");
    assert_eq!(sent(&server).await.len(), 2);
}

#[tokio::test]
async fn a_closed_port_and_a_cut_connection_are_retried() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = closed.local_addr().expect("an address");
    drop(closed);
    let text = unavailable(call_until(settings(&format!("http://{address}/v1")), RETRIES).await);
    assert!(text.contains("refused"), "{text}");

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let cutting = tokio::spawn(async move {
        let mut cut = 0;
        while cut < 3 {
            // Dropped at once, so the client sees the connection end without an answer.
            listener.accept().await.expect("a connection");
            cut += 1;
        }
        cut
    });
    unavailable(call_until(settings(&format!("http://{address}/v1")), RETRIES).await);
    assert_eq!(cutting.await.expect("the server"), 3);
}

#[tokio::test]
async fn a_body_that_is_not_json_is_reported() {
    let body = format!("<html>{KEY} proxy page</html>");
    let server = server(ResponseTemplate::new(200).set_body_string(body)).await;
    let text = unusable(call(local(&server), &request(false)).await);
    assert!(text.contains("[key]") && text.contains("proxy page"), "{text}");
    assert_eq!(sent(&server).await.len(), 1, "a whole answer is not asked for again");
}

#[tokio::test]
async fn a_key_is_redacted_in_the_form_it_is_sent() {
    let server = server(ResponseTemplate::new(401).set_body_string(format!("wrong key: {KEY}, and {KEY}2."))).await;
    // The key has a trailing line break, as from a file with Windows line ends, and it is part of a header of several
    // words.
    let api_key = Some(format!("{KEY}\r\n").into());
    let headers = vec![("X-Key".to_owned(), format!("Bearer {KEY}2").into())];
    let text = refused(call(Settings { api_key, headers, ..local(&server) }, &request(false)).await);
    assert!(text.contains("[key]") && !text.contains(KEY), "{text}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let moved = ResponseTemplate::new(308).insert_header("location", "https://elsewhere.example/v1");
    let server = server(moved).await;
    let text = refused(call(local(&server), &request(false)).await);
    assert!(text.contains("elsewhere.example"), "{text}");
}
