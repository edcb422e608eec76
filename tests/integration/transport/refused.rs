//! Items that a provider refuses: a refusal is the outcome of the item, journaled and counted. Too many stop the run.

use serde_json::json;
use wiremock::ResponseTemplate;

use super::*;
use crate::support::{Project, holds};

fn filtered() -> ResponseTemplate {
    let error = json!({"error": {"message": "The prompt triggered the content management policy.", "param": "prompt",
        "code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation"}}});
    ResponseTemplate::new(400).set_body_json(error)
}

fn strong_refuses_stamps(received: &ReceivedRequest) -> Option<ResponseTemplate> {
    (received.is_strong() && received.is_about("stamps")).then(filtered)
}

fn weak_refuses_ropes(received: &ReceivedRequest) -> Option<ResponseTemplate> {
    (!received.is_strong() && received.is_about("ropes")).then(filtered)
}

fn weak_refuses_all(received: &ReceivedRequest) -> Option<ResponseTemplate> {
    (!received.is_strong()).then(filtered)
}

fn answers_all(_: &ReceivedRequest) -> Option<ResponseTemplate> {
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_refused_at_the_top_has_no_answer_and_no_strategy() {
    let server = provider(strong_refuses_stamps).await;
    let project = Project::with(&settings(&server.uri()));
    let output = project.trial("out", &[]).done();
    holds(&output.out, &["the strong level's provider refused 1", "--retry-refused"]);
    let records = project.sheet("out", "records");
    let refused: Vec<_> = records.rows().filter(|row| !row.text("refused").is_empty()).collect();
    assert_eq!(refused.len(), 2, "one item in two arms");
    for row in &refused {
        assert_eq!(["item_id", "refused", "score"].map(|name| row.text(name)), ["stamps5-0", "strong", "no-answer"]);
        let store_outcome = if row.text("arm") == "cascade" { "" } else { "refused" };
        assert_eq!((row.text("answer"), row.text("strategy_outcome")), ("", store_outcome));
    }
    holds(
        &project.text("out/summary.md"),
        &["cascade: of 30 items", "refused 0 and the strong level's provider refused 1"],
    );
    assert!(!project.text("out/strategies.jsonl").contains("stamps5-0"));
    holds(&project.text("out/unparsed.jsonl"), &["stamps5-0", "content management policy"]);

    // The refusal is in the journal, so the second run makes no request and writes equal outputs.
    let (received, before) = (requests(&server).await, project.reports("out"));
    assert_eq!(project.trial("out", &[]).done().calls_made(), 0);
    assert!(project.reports("out") == before && requests(&server).await == received);
    project.run(&["report", "out", "--out", "again"]).done();
    assert_eq!(project.text("again/summary.md"), project.text("out/summary.md"), "the column is read back");
    assert_eq!(project.text("again/records.csv"), project.text("out/records.csv"));
    let offline = ["--journal", "out/journal.sqlite", "--offline"];
    project.trial("replayed", &offline).done();
    assert_eq!(project.text("replayed/records.csv"), project.text("out/records.csv"));

    turn(&server, answers_all).await;
    let output = project.trial("out", &["--retry-refused"]).done();
    holds(&output.err, &["repeating 2 refused calls of this journal"]);
    assert!(output.calls_made() > 0);
    assert!(project.sheet("out", "records").rows().all(|row| row.text("refused").is_empty()));
    assert!(!project.text("out/summary.md").contains("refused"));
    assert_eq!(project.text("out/set-aside-1/records.csv"), project.text("replayed/records.csv"));
    holds(&project.text("out/strategies.jsonl"), &["stamps5-0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_refused_below_the_top_is_deferred() {
    for withheld in [false, true] {
        // The same refusal without an error: the server withholds the text.
        let instead: fn(&ReceivedRequest) -> Option<ResponseTemplate> = if withheld {
            |received| {
                let mut body = answer(received);
                body["choices"][0]["message"]["content"] = Value::Null;
                body["choices"][0]["finish_reason"] = json!("content_filter");
                body["choices"][0]["logprobs"] = Value::Null;
                weak_refuses_ropes(received).map(|_| ResponseTemplate::new(200).set_body_json(body))
            }
        } else {
            weak_refuses_ropes
        };
        let server = provider(instead).await;
        let project = Project::with(&settings(&server.uri()));
        project.trial("out", &[]).done();
        let records = project.sheet("out", "records");
        let refused: Vec<_> = records.rows().filter(|row| row.text("refused") == "weak").collect();
        assert_eq!(refused.len(), 6, "three items in two arms");
        for row in refused {
            assert!(row.text("item_id").starts_with("ropes"));
            assert_eq!(
                ["weak_answer", "confidence", "deferred", "score"].map(|name| row.text(name)),
                ["", "", "true", "correct"]
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_refusals_stop_the_run_with_advice() {
    let server = provider(weak_refuses_all).await;
    let project = Project::with(&settings(&server.uri()));
    let stopped = project.trial("out", &[]);
    assert_eq!(stopped.code, 1, "{}", stopped.err);
    let parts = [
        "the same command stops here again",
        "limits.max_refused = 0.01",
        "model \"small\"",
        "content management policy",
    ];
    holds(&stopped.err, &parts);
    assert!(project.reports("out").is_empty());
    assert!(requests(&server).await < 60, "it stops before every item was asked");

    let strict = project.trial("strict", &["--set", "limits.max_refused=0"]);
    holds(&strict.err, &["items so far were refused, more than limits.max_refused = 0 allows"]);
    let error = project.trial("wrong", &["--set", "limits.max_refused=2"]).refused_in_one_line();
    holds(&error, &["limits.max_refused: must be from 0 to 1"]);

    project.trial("out", &["--set", "limits.max_refused=1"]).done();
    let records = project.sheet("out", "records");
    assert!(records.rows().all(|row| row.text("refused") == "weak" && row.flag("deferred")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_with_a_config_fix_stops_the_run_at_once() {
    let server = provider(|_| {
        let error =
            json!({"object": "error", "message": "System role not supported", "type": "BadRequestError", "code": 400});
        Some(ResponseTemplate::new(400).set_body_json(error))
    })
    .await;
    let project = Project::with(&settings(&server.uri()));
    let error = project.trial("out", &[]).refused();
    holds(&error, &["the same command stops here again", "send_system = false"]);
    assert_eq!(requests(&server).await, 1);
    turn(&server, |received| received.body.to_string().contains("\"system\"").then(|| ResponseTemplate::new(400)))
        .await;
    let sets = ["--set", "model.small.send_system=false", "--set", "model.large.send_system=false"];
    project.trial("merged", &sets).done();
}
