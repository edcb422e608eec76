//! Responses in the API dialect of each server, and responses that cannot be used.

use super::*;

#[tokio::test]
async fn gemini_counts_thinking_only_in_the_total() {
    let answer = plain(json!({
        "choices": [{"finish_reason": "stop", "index": 0, "message": {"content": "4", "role": "assistant",
            "extra_content": {"google": {"thought_signature": "x"}}}}],
        "model": "gemini-3.8-flash",
        "usage": {"prompt_tokens": 21, "completion_tokens": 2, "total_tokens": 83}
    }))
    .await
    .expect("an answer");
    assert_eq!((answer.usage.input, answer.usage.output), (21, 62));
    assert_eq!(answer.model, "gemini-3.8-flash");
}

#[tokio::test]
async fn reasoning_is_counted_once() {
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 90, "total_tokens": 100,
        "completion_tokens_details": {"reasoning_tokens": 64}});
    let answer = plain(with("/usage", usage)).await.expect("an answer");
    assert_eq!(answer.usage.output, 90);
}

#[tokio::test]
async fn vllm_end_markers_token_ids_and_floor_values_are_read() {
    let server = answering(json!({
        "id": "chatcmpl-2", "model": "Qwen/Qwen3-8B", "prompt_logprobs": null, "kv_transfer_params": null,
        "choices": [{"index": 0, "finish_reason": "stop", "stop_reason": null, "token_ids": null,
            "message": {"role": "assistant", "content": "4é", "reasoning_content": null, "tool_calls": []},
            "logprobs": {"content": [
                {"token": "token_id:19", "logprob": -0.5, "bytes": [52], "top_logprobs": []},
                {"token": "token_id:9001", "logprob": -9999.0, "bytes": [195, 169], "top_logprobs": []},
                {"token": "token_id:151645", "logprob": -0.01, "bytes": [60, 124, 105, 109, 95, 101, 110, 100, 124, 62], "top_logprobs": []}
            ]}}],
        "usage": {"prompt_tokens": 9, "total_tokens": 12, "completion_tokens": 3, "prompt_tokens_details": null}
    }))
    .await;
    let mut settings = local(&server);
    let extra = json!({"chat_template_kwargs": {"enable_thinking": false}, "temperature": 0.5});
    settings.extra_body = extra.as_object().expect("an object").clone();
    let answer = call(settings, &request(true)).await.expect("an answer");
    assert_eq!(texts(&answer), ["4", "é"]);
    assert_eq!(answer.tokens[0].logprob, Some(-0.5));
    assert_eq!(answer.tokens[1].logprob, None);
    assert_eq!(answer.usage.output, 3);
    let body = &sent(&server).await[0];
    assert_eq!(body["chat_template_kwargs"]["enable_thinking"], false);
    assert_eq!(body["temperature"], 0.5, "extra_body is merged last");
}

#[tokio::test]
async fn ollama_is_read_with_and_without_log_probabilities() {
    let answer = json!({
        "id": "chatcmpl-3", "object": "chat.completion", "model": "qwen3:8b", "system_fingerprint": "fp_ollama",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "4"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 2, "total_tokens": 14}
    });
    let bare = plain(answer.clone()).await.expect("an answer");
    assert_eq!(bare.usage.output, 2);

    let text = unusable(scored(answer.clone()).await);
    assert!(text.contains("no log-probabilities") && text.contains("logprobs = false"), "{text}");

    let mut scored_answer = answer;
    scored_answer["choices"][0]["logprobs"] = json!({"content": [{"token": "4", "logprob": -0.5}]});
    assert_eq!(texts(&scored(scored_answer).await.expect("an answer")), ["4"]);
}

#[tokio::test]
async fn all_unknown_log_probabilities_count_as_missing() {
    let tokens = json!([{"token": "It is 4.", "logprob": null}]);
    unusable(scored(with("/choices/0/logprobs/content", tokens)).await);
}

#[tokio::test]
async fn unusable_answers_are_errors() {
    for (answer, part) in [(with("/choices", json!([])), "no choices"), (with("/choices", Value::Null), "no choices")] {
        let text = unusable(plain(answer).await);
        assert!(text.contains(part), "{text}");
    }
}

#[tokio::test]
async fn withheld_answers_are_refusals() {
    let refusal = json!({"role": "assistant", "content": null, "refusal": "I cannot help."});
    let answer = scored(with("/choices/0/message", refusal)).await.expect("an answer");
    assert_eq!((answer.text.as_str(), answer.finish), ("I cannot help.", Finish::ContentFilter));

    let mut filtered = with("/choices/0/message/content", Value::Null);
    filtered["choices"][0]["finish_reason"] = json!("content_filter");
    let answer = scored(filtered).await.expect("an answer");
    assert_eq!((answer.text.as_str(), answer.finish), ("", Finish::ContentFilter));
}

#[tokio::test]
async fn answers_cut_at_the_token_limit_are_marked() {
    let answer = plain(with("/choices/0/finish_reason", json!("length"))).await.expect("an answer");
    assert_eq!(answer.finish, Finish::Length);
}

#[tokio::test]
async fn an_answer_in_parts_is_joined() {
    let parts = json!([{"type": "text", "text": "It is"}, {"type": "text", "text": " 4."}]);
    let answer = plain(with("/choices/0/message/content", parts)).await.expect("an answer");
    assert_eq!(answer.text, "It is 4.");
}

#[tokio::test]
async fn an_answer_without_text_is_accepted() {
    for message in [
        json!({"role": "assistant", "content": null}),
        json!({"role": "assistant"}),
        json!({"content": "", "reasoning_content": "is it 4?"}),
        json!({"content": null, "tool_calls": [{"type": "function"}]}),
    ] {
        for end in ["stop", "length", "tool_calls"] {
            let mut answer = with("/choices/0/message", message.clone());
            answer["choices"][0]["finish_reason"] = json!(end);
            let answer = scored(answer).await.expect("an answer");
            assert_eq!((answer.text.as_str(), answer.tokens.len(), answer.usage.output), ("", 0, 4), "{message}");
        }
    }
}

#[tokio::test]
async fn thinking_is_journaled_and_not_part_of_the_answer() {
    let answer_with_thinking =
        plain(with("/choices/0/message/content", json!("<think>5?</think>It is 4."))).await.expect("an answer");
    assert_eq!(answer_with_thinking.text, "<think>5?</think>It is 4.");
    let parts = json!([{"type": "thinking", "thinking": "5?"}, {"type": "text", "text": "It is 4."}]);
    assert_eq!(plain(with("/choices/0/message/content", parts)).await.expect("an answer").text, "It is 4.");
}

#[tokio::test]
async fn every_finish_reason_is_mapped() {
    for (word, finish) in [
        (json!("MAX_TOKENS"), Finish::Length),
        (json!("model_length"), Finish::Length),
        (json!("end_turn"), Finish::Stop),
        (json!("RECITATION"), Finish::ContentFilter),
        (json!("sensitive"), Finish::ContentFilter),
        (json!("tool_calls"), Finish::ToolCalls),
    ] {
        let answer = plain(with("/choices/0/finish_reason", word)).await.expect("an answer");
        assert_eq!((answer.finish, answer.ended), (finish, None));
    }
    let answer = plain(with("/choices/0/finish_reason", json!("tired"))).await.expect("an answer");
    assert_eq!((answer.finish, answer.ended.as_deref()), (Finish::Stop, Some("tired")));
    let mut all = with("/choices/0/finish_reason", Value::Null);
    all["usage"] = json!({"prompt_tokens": 9, "completion_tokens": 64});
    assert_eq!(plain(all).await.expect("an answer").finish, Finish::Length, "all of max_tokens was written");
    for word in ["error", "abort", "insufficient_system_resource", "network_error"] {
        let text = passing(plain(with("/choices/0/finish_reason", json!(word))).await);
        assert!(text.contains(&format!("aborted the answer ({word})")), "{text}");
    }
}

#[tokio::test]
async fn missing_token_counts_are_estimated() {
    for usage in [Value::Null, json!({}), json!({"prompt_tokens": 0, "completion_tokens": 0})] {
        let answer = plain(with("/usage", usage)).await.expect("an answer");
        assert!(answer.estimated);
        // The prompt has 33 bytes; the answer lists four tokens.
        assert_eq!((answer.usage.input, answer.usage.output), (9, 4));
    }
    let answer = plain(canonical()).await.expect("an answer");
    assert!(!answer.estimated && !answer.unplaced && answer.ended.is_none());
    let stored = serde_json::to_string(&answer).expect("JSON");
    assert!(!["estimated", "unplaced", "ended"].iter().any(|name| stored.contains(name)), "{stored}");
}

#[tokio::test]
async fn unmatched_tokens_count_unless_they_include_reasoning() {
    let tokens = json!([{"token": "token_id:5", "logprob": -0.5}, {"token": "token_id:9", "logprob": -0.25}]);
    let mut answer = with("/choices/0/logprobs/content", tokens);
    let all = scored(answer.clone()).await.expect("an answer");
    assert!(all.unplaced && all.tokens.len() == 2);
    answer["choices"][0]["message"]["reasoning"] = json!("is it 5?");
    let none = scored(answer).await.expect("an answer");
    assert!(none.unplaced && none.tokens.is_empty());
}
