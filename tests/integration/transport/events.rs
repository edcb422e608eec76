//! Output about calls during a run: events on stderr and in a file, and the progress line.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::support::{Project, holds};

/// Answers every fifth request with "busy" and hostile text, and refuses questions about maps.
fn busy_or_refused(received: &ReceivedRequest) -> Option<ResponseTemplate> {
    static SEEN: AtomicU32 = AtomicU32::new(0);
    if received.is_about("maps") {
        let error = json!({"error": {"message": "content filter", "code": "content_filter"}});
        return Some(ResponseTemplate::new(400).set_body_json(error));
    }
    let busy = SEEN.fetch_add(1, Ordering::Relaxed) % 5 == 4;
    busy.then(|| ResponseTemplate::new(503).set_body_json(json!({"error": {"message": "\u{1b}[2Jbusy"}})))
}

#[tokio::test(flavor = "multi_thread")]
async fn events_follow_the_log_level_and_are_written_as_lines() {
    let server = provider(busy_or_refused).await;
    let settings = settings(&server.uri()).set("limits.max_refused", 1.0).set("limits.max_fee_usd", 5.0);
    let price: toml::Table = toml::from_str("input = 0.1\noutput = 0.4").expect("TOML");
    let settings = ["small", "large"].into_iter().fold(settings, |settings, name| {
        let settings = settings.set(&format!("model.{name}.price"), price.clone());
        settings.set(&format!("model.{name}.max_retries"), 5)
    });
    let project = Project::with(&settings);
    let output = project.trial("out", &["-v", "--log", "events.jsonl"]).done();
    holds(&output.err, &["attempt failed", "window halved", "waiting before a retry", "item refused"]);
    holds(&output.err, &[r"\u{1b}[2Jbusy", "model=small", "in flight", "% deferred", "of 5 USD"]);
    assert!(!output.err.contains('\u{1b}') && !output.err.contains("answered"), "{}", output.err);

    let events: Vec<Value> =
        project.text("events.jsonl").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let named = |name: &str| events.iter().filter(|event| event["message"] == name).count();
    assert!(named("answered") > 20 && named("attempt failed") > 0 && named("item refused") > 0);
    let failed = events.iter().find(|event| event["message"] == "attempt failed").expect("one");
    assert!(failed["item"].is_string() && failed["attempt"] == 1 && failed["level"] == "INFO", "{failed}");
    let wait = events.iter().find(|event| event["message"] == "waiting before a retry").expect("one");
    assert!(wait["wait_s"].as_f64().is_some_and(|wait| wait > 0.0), "{wait}");

    // A second run reads every answer from the journal, and appends to the log file.
    let output = project.trial("out", &["-vv", "--log", "events.jsonl"]).done();
    holds(&output.err, &["answer from a journal"]);
    let more = project.text("events.jsonl").lines().count();
    assert!(more > events.len(), "{more} lines");
    let quiet = project.trial("out", &[]).done();
    assert!(!quiet.err.contains("answer from"), "{}", quiet.err);
    let error = project.trial("out", &["--log", "no/such/folder/events.jsonl"]).refused_in_one_line();
    holds(&error, &["no/such/folder/events.jsonl", "--log"]);
}
