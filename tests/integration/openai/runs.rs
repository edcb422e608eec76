//! Whole runs against servers with unusual answers: thinking in the text, empty texts, implausible counts and
//! log-probabilities, and unknown finish reasons.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::support::{CommandOutput, Project, Row, Settings, Sheet, holds};

/// Number of items of each run. The weak level has high confidence for every second one.
const ITEMS: usize = 6;

/// Contents of a request.
#[derive(Clone, Copy)]
struct ReceivedRequest {
    strong: bool,
    /// Correct answer.
    total: u64,
    /// True if the weak level has high confidence in its answer.
    confident: bool,
}

impl ReceivedRequest {
    fn of(request: &Request) -> Self {
        let body: Value = request.body_json().expect("JSON");
        let turns = body["messages"].as_array().expect("messages");
        let text = turns.last().and_then(|turn| turn["content"].as_str()).expect("a text");
        let question = text.rsplit_once(" wants ").expect("a question").1;
        let numbers: Vec<u64> = question.split(' ').filter_map(|word| word.parse().ok()).take(2).collect();
        Self { strong: body["model"] == "large", total: numbers[0] * numbers[1], confident: numbers[1] % 2 == 1 }
    }

    fn probability(self) -> f64 {
        if self.confident { 0.9 } else { 0.25 }
    }

    fn text(self) -> String {
        let strategy = if self.strong { "\nSTRATEGY:\nMultiply the two." } else { "" };
        format!("It is {0}.\n#### {0}{strategy}", self.total)
    }
}

/// Returns the tokens of a text, all with the same probability.
fn tokens(text: &str, probability: f64) -> Vec<Value> {
    text.split_inclusive(' ').map(|piece| json!({"token": piece, "logprob": probability.ln()})).collect()
}

/// Returns a regular answer.
fn regular_answer(received: ReceivedRequest) -> Value {
    completion(json!({"content": received.text()}), tokens(&received.text(), received.probability()))
}

#[expect(clippy::needless_pass_by_value, reason = "written where it is used")]
fn completion(message: Value, tokens: Vec<Value>) -> Value {
    json!({"model": "served", "usage": {"prompt_tokens": 90, "completion_tokens": 30, "total_tokens": 120},
        "choices": [{"finish_reason": "stop", "message": message, "logprobs": {"content": tokens}}]})
}

/// Run of the cascade and of Inter-Cascade, with both levels on one server.
struct Stage {
    project: Project,
    server: MockServer,
}

impl Stage {
    /// Builds the stage with a server that uses `answer` for both levels.
    async fn new(answer: impl Fn(ReceivedRequest) -> Value + Send + Sync + 'static) -> Self {
        let server = MockServer::start().await;
        let respond =
            move |request: &Request| ResponseTemplate::new(200).set_body_json(answer(ReceivedRequest::of(request)));
        Mock::given(any()).respond_with(respond).mount(&server).await;
        let entry = |name: &str, price: &str| {
            let address = server.uri();
            format!(
                "name = '{name}'\nbackend = 'openai'\nbase_url = '{address}/v1'\nmodel = '{name}'\nmax_retries = 0\nprice = {price}"
            )
        };
        let settings = Settings::simulated()
            .model("small", &entry("small", "{ input = 0.1, output = 0.4 }"))
            .model("large", &entry("large", "{ input = 2.5, output = 10.0 }"))
            .set("arms", vec!["cascade", "inter-cascade"])
            .set("dataset.limit", i64::try_from(ITEMS).expect("a few"))
            .set("dataset.orders", 1)
            .set("deferral.threshold", 0.5);
        Self { project: Project::with(&settings), server }
    }

    fn run(&self) -> CommandOutput {
        self.project.trial("out", &[])
    }

    fn sheet(&self, table: &str) -> Sheet {
        self.project.sheet("out", table)
    }

    fn summary(&self) -> String {
        self.project.text("out/summary.md")
    }

    /// Returns the number of items that the cascade defers.
    fn deferred(&self) -> usize {
        let records = self.sheet("records");
        let count = records.rows().filter(|row| row.text("arm") == "cascade" && row.flag("deferred")).count();
        assert!(count > 0 && count < ITEMS, "{count} deferred");
        count
    }

    /// Returns the number of a model's answers for which `holds` is true. A call that arms share counts once.
    fn answers(&self, model: &str, holds: impl Fn(Row<'_>) -> bool) -> usize {
        let calls = self.sheet("calls");
        let selected = calls.rows().filter(|call| call.text("model") == model && holds(*call));
        selected.map(|call| call.text("journal_key")).collect::<BTreeSet<_>>().len()
    }

    async fn requests(&self) -> usize {
        self.server.received_requests().await.expect("recorded").len()
    }
}

/// Asserts that every final answer is correct, and that thinking does not change the confidence of the weak level.
#[track_caller]
fn assert_correct_and_confident(stage: &Stage) {
    let records = stage.sheet("records");
    assert_eq!(records.len(), 2 * ITEMS);
    for row in records.rows() {
        assert_eq!((row.text("weak_score"), row.text("score")), ("correct", "correct"), "item {}", row.text("item_id"));
        let expected = if row.flag("deferred") { 0.25 } else { 0.9 };
        assert!((row.number("confidence") - expected).abs() < 1e-9, "{}", row.number("confidence"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thinking_in_the_text_does_not_affect_grading_or_signals() {
    let stage = Stage::new(|received| {
        let thought = "<think>\nFirst #### 1, then a line\nSTRATEGY:\nand below it some words.\n</think>\n\n";
        let all = [tokens(thought, 0.5), tokens(&received.text(), received.probability())].concat();
        completion(json!({"content": format!("{thought}{}", received.text())}), all)
    })
    .await;
    stage.run().done();
    assert_correct_and_confident(&stage);
    let strategies = stage.project.text("out/strategies.jsonl");
    assert!(strategies.contains("Multiply the two.") && !strategies.contains("below it"), "{strategies}");
}

#[tokio::test(flavor = "multi_thread")]
async fn thinking_in_a_separate_field_does_not_affect_signals() {
    let stage = Stage::new(|received| {
        let entries = |tokens: Vec<Value>| -> Vec<Value> {
            let entry = |token: Value| {
                let text = token["token"].as_str().expect("a text").replace(' ', "Ġ").replace('\n', "Ċ");
                json!({"token": text, "logprob": token["logprob"]})
            };
            tokens.into_iter().map(entry).collect()
        };
        let thought = "hm, is it 3? </think>";
        let all = [tokens(thought, 0.5), tokens(&received.text(), received.probability())].concat();
        completion(json!({"content": received.text(), "reasoning": thought}), entries(all))
    })
    .await;
    stage.run().done();
    assert_correct_and_confident(&stage);
    assert!(!stage.summary().contains("could not be matched"));
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_answers_are_recorded_counted_and_charged_once() {
    for message in [
        json!({"content": null, "reasoning_content": "It is 6.\n#### 6"}),
        json!({"content": "", "reasoning": "#### 6"}),
        json!({"content": "<think>It is #### 6"}),
        json!({"content": [{"type": "thinking", "thinking": "#### 6"}]}),
        json!({}),
    ] {
        let odd = message.clone();
        let stage =
            Stage::new(
                move |received| {
                    if received.strong { completion(odd.clone(), Vec::new()) } else { regular_answer(received) }
                },
            )
            .await;
        stage.run().done();
        for row in stage.sheet("records").rows() {
            let expected = if row.flag("deferred") { ("no-answer", "true") } else { ("correct", "") };
            assert_eq!((row.text("score"), row.text("strong_empty")), expected, "{message}");
            assert_eq!(row.text("weak_empty"), "false");
        }
        let share = format!("100.0 % ({0} of {0})", stage.deferred());
        holds(&stage.summary(), &["answers have no text besides reasoning", "max_tokens", "enable_thinking", &share]);
        let request_count = stage.requests().await;
        stage.project.trial("out", &["--fresh"]).done();
        assert_eq!(stage.requests().await, request_count, "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withheld_answer_without_text_counts_as_refused() {
    for message in [json!({"content": null}), json!({"content": "<think>It is #### 6</think>\n"})] {
        let odd = message.clone();
        let stage = Stage::new(move |received| {
            if !received.strong {
                return regular_answer(received);
            }
            let mut answer = completion(odd.clone(), Vec::new());
            answer["choices"][0]["finish_reason"] = json!("SAFETY");
            answer
        })
        .await;
        stage.run().done();
        for row in stage.sheet("records").rows() {
            let expected = if row.flag("deferred") { ("strong", "no-answer", "false") } else { ("", "correct", "") };
            assert_eq!((row.text("refused"), row.text("score"), row.text("strong_empty")), expected, "{message}");
        }
        let refused = stage.answers("large", |call| call.text("finish") == "refused" && call.text("empty") == "false");
        assert_eq!(refused, stage.answers("large", |_| true));
        let summary = stage.summary();
        holds(&summary, &["the strong level's"]);
        assert!(!summary.contains("have no text") && !summary.contains("How answers ended"), "{summary}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withheld_answer_is_read_as_a_marker_only() {
    for (marked, score) in [(true, "correct"), (false, "no-answer")] {
        let stage = Stage::new(move |received| {
            if !received.strong {
                return regular_answer(received);
            }
            let text = if marked { received.text() } else { format!("First there are {}", received.total) };
            let mut answer = completion(json!({"content": text}), Vec::new());
            answer["choices"][0]["finish_reason"] = json!("content_filter");
            answer
        })
        .await;
        stage.run().done();
        for row in stage.sheet("records").rows().filter(|row| row.flag("deferred")) {
            assert_eq!((row.text("score"), row.text("refused"), row.text("strong_empty")), (score, "", "false"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_weak_answer_has_low_confidence() {
    let stage = Stage::new(|received| {
        if received.strong || received.confident {
            regular_answer(received)
        } else {
            completion(json!({"content": null}), Vec::new())
        }
    })
    .await;
    stage.run().done();
    for row in stage.sheet("records").rows() {
        assert_eq!(row.text("score"), "correct");
        if row.text("weak_empty") == "true" {
            assert!(row.flag("deferred") && row.number("confidence") == 0.0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn implausible_counts_are_estimated_and_the_fee_limit_holds() {
    for usage in [
        json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}),
        json!({"prompt_tokens": -1}),
        Value::Null,
    ] {
        let odd = usage.clone();
        let stage = Stage::new(move |received| {
            let mut answer = regular_answer(received);
            if received.strong {
                answer["usage"] = odd.clone();
            }
            answer
        })
        .await;
        stage.run().done();
        for call in stage.sheet("calls").rows().filter(|call| call.text("purpose") == "answer") {
            assert_eq!(call.text("estimated"), if call.text("level") == "1" { "true" } else { "false" });
            assert!(call.count("input_tokens") > 0 && call.count("output_tokens") > 0, "{usage}");
        }
        let all = stage.answers("large", |_| true);
        holds(&stage.summary(), &[&format!("`large`: the token counts of {all} of {all} answers"), "estimate"]);
        let fees = stage.sheet("fees");
        let spent: f64 =
            fees.rows().filter(|row| row.text("purpose") == "total").map(|row| row.number("fee_usd")).sum();
        let stopped = stage.project.trial("other", &["--set", &format!("limits.max_fee_usd={}", spent / 4.0)]);
        assert_eq!(stopped.code, 1, "{}", stopped.err);
        holds(&stopped.err, &["limits.max_fee_usd"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_answers_have_a_column_a_share_and_a_warning() {
    let stage = Stage::new(|received| {
        let mut answer = regular_answer(received);
        answer["choices"][0]["finish_reason"] = json!(if received.strong { "model_length" } else { "stop" });
        answer
    })
    .await;
    stage.run().done();
    for row in stage.sheet("records").rows() {
        let expected = if row.flag("deferred") { "true" } else { "" };
        assert_eq!((row.text("weak_cut"), row.text("strong_cut")), ("false", expected));
    }
    let ended = |call: Row<'_>| (call.text("level").to_owned(), call.text("finish").to_owned());
    let calls = stage.sheet("calls");
    let strong = calls.rows().map(ended).filter(|(level, _)| level == "1");
    assert!(strong.into_iter().all(|(_, finish)| finish == "length"));
    holds(
        &stage.summary(),
        &[
            "More than 2 % of the strong level's answers ended at the token limit (raise max_tokens",
            &format!(": cascade at 0.5 100.0 % ({0} of {0}), inter-cascade at 0.5 100.0 %", stage.deferred()),
            "## How answers ended",
            &format!("| 0.0 % (0 of 6) | 100.0 % ({0} of {0}) |", stage.deferred()),
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_finish_reasons_are_reported() {
    let stage = Stage::new(regular_answer).await;
    stage.run().done();
    assert!(!stage.summary().contains("How answers ended") && !stage.summary().contains("are estimated as a quarter"));
    let stage = Stage::new(|received| {
        let mut answer = regular_answer(received);
        answer["choices"][0]["finish_reason"] = if received.strong { json!("tired") } else { Value::Null };
        answer
    })
    .await;
    stage.run().done();
    let all = stage.answers("large", |_| true);
    holds(
        &stage.summary(),
        &[&format!("`large`: {all} of {all} answers ended for an unknown reason (`tired`)"), "(`nothing named`)"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_token_without_a_value_does_not_stop_the_run() {
    for value in ["-9999.0", "null", "-Infinity", "NaN", "-3.4028234663852886e38", "\"-inf\""] {
        let server = MockServer::start().await;
        let respond = move |request: &Request| {
            let received = ReceivedRequest::of(request);
            let mut answer = regular_answer(received);
            if received.confident && !received.strong {
                answer["choices"][0]["logprobs"]["content"][1]["logprob"] = json!("ODD");
            }
            ResponseTemplate::new(200).set_body_string(answer.to_string().replace("\"ODD\"", value))
        };
        Mock::given(any()).respond_with(respond).mount(&server).await;
        let stage = Stage::new(regular_answer).await;
        let config = stage.project.text("trial.toml").replace(&stage.server.uri(), &server.uri());
        stage.project.write("trial.toml", config);
        stage.run().done();
        assert_correct_and_confident(&stage);
        let odd = stage.answers("small", |call| !call.text("notes").is_empty());
        let all = stage.answers("small", |_| true);
        holds(
            &stage.summary(),
            &[&format!("`small`: {odd} tokens in {odd} of {all} answers have no usable log-probability")],
        );
        assert!(
            stage.sheet("calls").rows().any(|call| call.text("notes") == "replaced-log-probabilities:1"),
            "{value}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn implausible_log_probabilities_cause_errors_or_warnings() {
    let with = |value: f64| {
        move |received: ReceivedRequest| {
            let mut answer = regular_answer(received);
            for token in answer["choices"][0]["logprobs"]["content"].as_array_mut().expect("tokens") {
                token["logprob"] = json!(value);
            }
            answer
        }
    };
    let stage = Stage::new(with(0.9)).await;
    let error = stage.run().refused();
    holds(&error, &["log-probabilities are invalid", "0.9, above 0", "perhaps a probability", "another signal"]);
    assert!(stage.project.reports("out").is_empty());
    let stage = Stage::new(with(0.0)).await;
    stage.run().done();
    holds(&stage.summary(), &["`small`: in 6 of 6 answers every token has a log-probability of exactly 0"]);
}
