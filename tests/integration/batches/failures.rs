//! Batches that answer some of their requests, or none.

use super::provider::{Fate, Plan};
use super::{ITEMS, Stage, settings};
use crate::support::holds;

#[tokio::test(flavor = "multi_thread")]
async fn requests_without_an_answer_go_into_another_batch() {
    let plan = Plan::with_fates(|batch, line| match (batch, line) {
        (0, 0) => Fate::Status(500),
        (0, 1) => Fate::ErrorFile("batch_expired"),
        (0, 2) => Fate::Missing,
        (0, 3) => Fate::Malformed,
        (0, 4) => Fate::Unknown,
        (0, 5) => Fate::Duplicate,
        (0, 6) => Fate::Status(429),
        _ => Fate::Answered,
    });
    let stage = Stage::new(plan, &["weak-only"]).await;
    let output = stage.run("out").done();
    assert_eq!(stage.provider.sizes(), [ITEMS, 6], "all but the answered ones and the duplicate");
    let said =
        ["1 lines cannot be read", "1 lines have unknown ids", "1 calls have a second answer", "3 calls have no line"];
    holds(&output.err, &said);
    // A line that cannot be attributed may be charged, and so may the second answer.
    assert_eq!(stage.count("out", "SELECT count(*) FROM lost WHERE reason = 'no readable answer in the batch'"), 3);
    assert_eq!(stage.count("out", "SELECT output_tokens FROM lost WHERE reason LIKE 'a second answer%'"), 7);
    assert_eq!(stage.count("out", "SELECT count(*) FROM lost"), 4);
    assert_eq!(stage.count("out", "SELECT count(*) FROM batches WHERE state = 'ended'"), 2);
    assert!(stage.provider.state().direct.is_empty());
    stage.assert_as_direct("out");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_no_batch_answers_is_made_directly() {
    let plan = Plan::with_fates(|batch, line| if batch > 0 || line == 3 { Fate::Status(503) } else { Fate::Answered });
    let stage = Stage::new(plan, &["weak-only"]).await;
    let output = stage.run("out").done();
    holds(&output.err, &["1 calls go into another batch", "1 calls had no answer in 2 batches and are made directly"]);
    assert_eq!(stage.provider.sizes(), [ITEMS, 1]);
    let direct = stage.provider.state().direct.clone();
    assert_eq!(direct, [stage.provider.state().batches[1].lines[0]["body"].clone()]);
    let calls = stage.project.sheet("out", "calls");
    assert_eq!(calls.rows().filter(|call| !call.flag("batched")).count(), 1);
    stage.assert_as_direct("out");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_an_expired_batch_count_and_the_rest_is_submitted_again() {
    let mut plan = Plan::with_fates(|batch, line| match (batch, line) {
        (0, 0..5) => Fate::Answered,
        (0, _) => Fate::ErrorFile("batch_expired"),
        _ => Fate::Answered,
    });
    plan.status = |batch| if batch == 0 { "expired" } else { "completed" };
    let stage = Stage::new(plan, &["weak-only"]).await;
    stage.run("out").done();
    assert_eq!(stage.provider.sizes(), [ITEMS, ITEMS - 5]);
    assert_eq!(stage.count("out", "SELECT count(*) FROM lost"), 0, "expired requests are not charged");
    stage.assert_as_direct("out");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_accepted_is_one_error_with_the_providers_message() {
    let stage = Stage::new(Plan { status: |_| "failed", ..Plan::regular() }, &["weak-only"]).await;
    let output = stage.run("out");
    assert_ne!(output.code, 0);
    holds(
        &output.err,
        &["rejected the file of batch batch-0", "line 2: This model is not available in the Batch API."],
    );
    assert_eq!(output.err.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{}", output.err);
    assert_eq!(stage.count("out", "SELECT count(*) FROM batches WHERE state = 'open'"), 0);
    // Without --batch the same command is not held up by the rejected batch.
    stage.provider.state().plan = Plan::regular();
    stage.project.trial("out", &[]).done();
    assert_eq!(stage.provider.state().direct.len(), ITEMS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_batch_keeps_its_answers_and_the_same_command_continues() {
    let mut plan = Plan::with_fates(|batch, line| if batch == 0 && line > 6 { Fate::Missing } else { Fate::Answered });
    plan.status = |batch| if batch == 0 { "cancelled" } else { "completed" };
    let stage = Stage::new(plan, &["weak-only"]).await;
    let output = stage.run("out");
    assert_ne!(output.code, 0);
    holds(&output.err, &["batch batch-0 was cancelled, and 5 of its calls have no answer"]);
    assert_eq!(stage.count("out", "SELECT count(*) FROM calls"), 7, "the answers that came are kept");
    stage.run("out").done();
    assert_eq!(stage.provider.sizes(), [ITEMS, 5]);
    stage.assert_as_direct("out");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_cannot_be_answered_stops_the_run_and_keeps_the_other_answers() {
    for (fate, text) in [(Fate::Status(401), "401"), (Fate::NoChoices, "has no choices")] {
        let stage =
            Stage::new(Plan::with_fates(move |_, line| if line == 2 { fate } else { Fate::Answered }), &["weak-only"])
                .await;
        let output = stage.run("out");
        assert_ne!(output.code, 0);
        holds(&output.err, &[text]);
        let answered = i64::try_from(ITEMS).expect("a few") - 1;
        assert_eq!(stage.count("out", "SELECT count(*) FROM calls"), answered, "{fate:?}");
        // An answer without choices may be charged, an error is not.
        assert_eq!(stage.count("out", "SELECT count(*) FROM lost"), i64::from(fate == Fate::NoChoices), "{fate:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fee_limit_holds_for_all_requests_of_a_batch() {
    let stage = Stage::new(Plan::regular(), &["weak-only"]).await;
    // Each call can cost half of (its bytes and 256 of the template, and 16 tokens of the answer at 4 USD).
    let worst = |body: &serde_json::Value| {
        let messages = body["messages"].as_array().expect("messages");
        let bytes: usize = messages.iter().map(|message| message["content"].as_str().map_or(0, str::len)).sum();
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let tokens = (bytes + 256) as f64;
        0.5e-6 * (tokens + 64.0)
    };
    let limit = 0.002;
    let bounded = stage.project.trial("out", &["--batch", "--set", &format!("limits.max_fee_usd={limit}")]).done();
    assert!(bounded.err.contains("submitted batch batch-1"), "{}", bounded.err);
    {
        let received = stage.provider.state();
        let sums: Vec<f64> =
            received.batches.iter().map(|batch| batch.lines.iter().map(|line| worst(&line["body"])).sum()).collect();
        assert!(sums.len() > 1 && sums.iter().all(|sum| *sum <= limit), "{sums:?}");
        assert!(sums[0] + worst(&received.batches[1].lines[0]["body"]) > limit, "no room is left unused");
    }
    stage.assert_each_request_once();
    let refused = stage.project.trial("small", &["--batch", "--set", "limits.max_fee_usd=0.0001"]);
    assert_eq!(refused.code, 1, "{}", refused.err);
    holds(&refused.err, &["limits.max_fee_usd = 0.0001 would be exceeded"]);
    let unlimited = Stage::with(Plan::regular(), |provider| settings(provider, &["weak-only"])).await;
    unlimited.run("out").done();
    assert_eq!(unlimited.provider.sizes(), [ITEMS]);
}
