//! Several workers and one call: claims, notifications, workers that die or come back too late.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use intercascade::gateway::journal::JournaledCall;
use intercascade::gateway::journal::postgres::PostgresJournal;
use intercascade::gateway::journal::shared::{Claim, Scope, SharedCalls, Wanted};
use intercascade::types::chat::{CallKey, Finish, Response, Usage};
use intercascade::types::embedding::Embedded;

use crate::server::Database;

pub(crate) fn key(n: u32) -> CallKey {
    let mut key = [7; 32];
    key[..4].copy_from_slice(&n.to_be_bytes());
    CallKey(key)
}

pub(crate) fn wanted(n: u32) -> Wanted {
    Wanted { key: key(n), model: "m".to_owned(), worst: Usage { input: 100, cached_input: 0, output: 50 } }
}

pub(crate) fn call(n: u32, text: &str) -> JournaledCall {
    let usage = Usage { input: 10, cached_input: 2, output: 5 };
    let response = Response { text: text.to_owned(), usage, ..Response::default() };
    JournaledCall { key: key(n), model: "m".to_owned(), item: "1".into(), request: format!("{{\"n\":{n}}}"), response }
}

async fn granted(worker: &PostgresJournal, n: u32) {
    let claim = worker.claim(wanted(n)).await.expect("a claim");
    assert!(matches!(claim, Claim::Granted), "{claim:?}");
}

async fn held(worker: &PostgresJournal, n: u32) -> Duration {
    match worker.claim(wanted(n)).await.expect("a claim") {
        Claim::Held(at_most) => at_most,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_worker_calls_and_the_other_is_notified() {
    let database = Database::new();
    let [one, other] = [database.worker("run"), database.worker("run")];
    granted(&one, 1).await;
    granted(&one, 1).await;
    let lease = held(&other, 1).await;
    assert!(lease > Duration::from_secs(30), "{lease:?}");
    let waiting = tokio::spawn({
        let other = Arc::clone(&other);
        async move {
            let began = Instant::now();
            other.changed(&key(1), lease).await;
            (began.elapsed(), other.claim(wanted(1)).await.expect("a claim"))
        }
    });
    let answer = one.store(call(1, "a"), true).await.expect("stored");
    assert_eq!(answer.text, "a");
    let (waited, claim) = waiting.await.expect("no panic");
    assert!(waited < lease, "a notification ends the wait, not the lease");
    assert!(matches!(&claim, Claim::Answered(found) if found.response.text == "a" && found.request == "{\"n\":1}"));
    assert_eq!(database.count("SELECT count(*) FROM intercascade.claims"), 0);
    // A claim that ends without an answer passes to the worker that waits.
    granted(&one, 2).await;
    let lease = held(&other, 2).await;
    one.release(&key(2));
    other.changed(&key(2), lease).await;
    granted(&other, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_workers_make_each_call_once() {
    let database = Database::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for worker in 0..6 {
        let worker_journal = database.worker("run");
        for n in 0..60_u32 {
            let (journal, calls) = (Arc::clone(&worker_journal), Arc::clone(&calls));
            // Each worker begins elsewhere.
            let n = (n + worker * 10) % 60;
            tasks.push(tokio::spawn(async move {
                loop {
                    match journal.claim(wanted(n)).await.expect("a claim") {
                        Claim::Answered(call) => return (n, call.response.text),
                        Claim::Held(at_most) => journal.changed(&key(n), at_most).await,
                        Claim::Granted => {
                            let count = calls.fetch_add(1, Ordering::SeqCst);
                            tokio::time::sleep(Duration::from_millis(3)).await;
                            let text = format!("{n} {count}");
                            return (n, journal.store(call(n, &text), true).await.expect("stored").text);
                        }
                        Claim::Exceeded { .. } => panic!("no limit"),
                    }
                }
            }));
        }
    }
    let mut answers = std::collections::BTreeMap::new();
    for task in tasks {
        let (n, text) = task.await.expect("no panic");
        assert_eq!(*answers.entry(n).or_insert_with(|| text.clone()), text, "one answer for all");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 60);
    assert_eq!(database.count("SELECT sum(calls) FROM intercascade.spend"), 60);
    assert_eq!(database.count("SELECT sum(output_tokens) FROM intercascade.spend"), 300);
    assert_eq!(database.count("SELECT count(*) FROM intercascade.claims"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_a_sign_of_life_loses_its_claims() {
    let database = Database::new();
    let [one, other] = [database.worker("run"), database.worker("run")];
    granted(&one, 1).await;
    held(&other, 1).await;
    // As if the worker and the server had been up for hours.
    database
        .sql("UPDATE intercascade.workers SET lease = '-1 hour' WHERE id = (SELECT worker FROM intercascade.claims)");
    granted(&other, 1).await;
    let lost = database.sql("SELECT reason, input_tokens, output_tokens FROM intercascade.lost");
    assert_eq!(lost, "the worker that made this call ended|100|50");
    // Both answer. The first stored answer applies, and the other one was paid for as well.
    assert_eq!(other.store(call(1, "other"), true).await.expect("stored").text, "other");
    assert_eq!(one.store(call(1, "one"), true).await.expect("stored").text, "other");
    assert_eq!(
        database.sql("SELECT reason FROM intercascade.lost WHERE reason LIKE 'another%'"),
        "another worker answered this call first"
    );
    assert_eq!(database.count("SELECT sum(calls) FROM intercascade.spend"), 1);
    let account = other.account(false).expect("an account");
    assert_eq!((account.spent["m"].calls, account.lost["m"].calls), (1, 2));
    assert_eq!(account.lost["m"].usage.output, 55);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_call_is_repeated_once_if_wanted() {
    let database = Database::new();
    let refused = |n| {
        let mut refused = call(n, "");
        refused.response.finish = Finish::Refused;
        refused
    };
    let first = database.worker("run");
    granted(&first, 1).await;
    first.store(refused(1), true).await.expect("stored");
    assert!(first.find(&key(1)).await.expect("read").is_some());
    let scope = || Scope { run: "run".to_owned(), retries_refused: true, ..Scope::default() };
    let [second, third] = [database.worker_of(scope()), database.worker_of(scope())];
    assert!(second.find(&key(1)).await.expect("read").is_none());
    granted(&second, 1).await;
    assert_eq!(second.store(call(1, "answer"), true).await.expect("stored").text, "answer");
    assert!(
        matches!(third.claim(wanted(1)).await.expect("a claim"), Claim::Answered(call) if call.response.text == "answer")
    );
    // An answer is never replaced by a refusal.
    assert_eq!(third.store(refused(1), true).await.expect("stored").text, "answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn embeddings_and_copies_are_shared_and_cost_nothing() {
    let database = Database::new();
    let [one, other] = [database.worker("run"), database.worker("run")];
    let embedded = Embedded { vector: vec![0.6, -0.8, f32::MIN_POSITIVE], tokens: 12 };
    one.put_embeddings("e", &[(key(1), embedded.clone()), (key(1), embedded.clone())]).await.expect("stored");
    assert_eq!(other.embeddings(&[key(2), key(1)]).await.expect("read"), [None, Some(embedded)]);
    one.store(call(3, "copy"), false).await.expect("stored");
    assert_eq!(other.find(&key(3)).await.expect("read").expect("a call").response.text, "copy");
    assert_eq!(database.count("SELECT count(*) FROM intercascade.spend"), 0);
    assert_eq!(other.missing(vec![key(3), key(4)]).expect("read"), [key(4)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_the_server_cannot_hold_harms_no_other_call() {
    let database = Database::new();
    let worker = database.worker("run");
    let mut odd = call(1, "nul \0 and \u{1f600}");
    odd.item = "item\0".into();
    worker.record_unanswered(&key(2), "m", "reason\0", Usage::default());
    let stored = worker.store(odd.clone(), true).await.expect("stored");
    assert_eq!(stored, odd.response);
    assert_eq!(database.sql("SELECT reason FROM intercascade.lost"), "reason\u{fffd}");
}
