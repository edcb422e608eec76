//! What a run shows of its calls while it goes on: events on stderr and in a file, and the line of progress.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::support::{Project, holds};

/// Answers busy, in hostile words, to every fifth request, and refuses what is about maps.
fn troubled(asked: &Asked) -> Option<ResponseTemplate> {
    static SEEN: AtomicU32 = AtomicU32::new(0);
    if asked.is_about("maps") {
        let error = json!({"error": {"message": "content filter", "code": "content_filter"}});
        return Some(ResponseTemplate::new(400).set_body_json(error));
    }
    let busy = SEEN.fetch_add(1, Ordering::Relaxed) % 5 == 4;
    busy.then(|| ResponseTemplate::new(503).set_body_json(json!({"error": {"message": "\u{1b}[2Jbusy"}})))
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_shown_as_asked_for_and_written_line_by_line() {
    let server = provider(troubled).await;
    let settings = settings(&server.uri()).set("limits.max_refused", 1.0).set("limits.max_fee_usd", 5.0);
    let price: toml::Table = toml::from_str("input = 0.1\noutput = 0.4").expect("TOML");
    let settings = ["small", "large"].into_iter().fold(settings, |settings, name| {
        let settings = settings.set(&format!("model.{name}.price"), price.clone());
        settings.set(&format!("model.{name}.max_retries"), 5)
    });
    let project = Project::with(&settings);
    let said = project.trial("out", &["-v", "--log", "events.jsonl"]).done();
    holds(&said.err, &["attempt failed", "window halved", "waits, then tries again", "item refused"]);
    holds(&said.err, &[r"\u{1b}[2Jbusy", "model=small", "calls in flight", "% deferred", "of 5 USD"]);
    assert!(!said.err.contains('\u{1b}') && !said.err.contains("answered"), "{}", said.err);

    let events: Vec<Value> =
        project.text("events.jsonl").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let named = |name: &str| events.iter().filter(|event| event["message"] == name).count();
    assert!(named("answered") > 20 && named("attempt failed") > 0 && named("item refused") > 0);
    let failed = events.iter().find(|event| event["message"] == "attempt failed").expect("one");
    assert!(failed["item"].is_string() && failed["attempt"] == 1 && failed["level"] == "INFO", "{failed}");
    let wait = events.iter().find(|event| event["message"] == "waits, then tries again").expect("one");
    assert!(wait["wait_s"].as_f64().is_some_and(|wait| wait > 0.0), "{wait}");

    // A second run takes all from the journal, and the file is added to.
    let said = project.trial("out", &["-vv", "--log", "events.jsonl"]).done();
    holds(&said.err, &["answer from a journal"]);
    let more = project.text("events.jsonl").lines().count();
    assert!(more > events.len(), "{more} lines");
    let quiet = project.trial("out", &[]).done();
    assert!(!quiet.err.contains("answer from"), "{}", quiet.err);
    let error = project.trial("out", &["--log", "no/such/folder/events.jsonl"]).refused_in_one_line();
    holds(&error, &["no/such/folder/events.jsonl", "--log"]);
}
