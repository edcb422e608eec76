//! Fee limits over all workers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use intercascade::gateway::journal::shared::{Claim, Scope, SharedCalls, SharedLimit};
use intercascade::types::price::{Fee, Price};

use crate::server::Database;
use crate::workers::{call, key, wanted};

/// A scope in which an attempt costs up to 150 and an answer 15 micro-dollars.
fn scope(run: &str, limit_usd: f64, all_runs: bool) -> Scope {
    let limits = vec![SharedLimit { key: "limits.max_fee_usd", usd: limit_usd, all_runs }];
    Scope { run: run.to_owned(), limits, prices: BTreeMap::from([("m".to_owned(), Some(price()))]), ..Scope::default() }
}

fn price() -> Price {
    toml::from_str("input = 1.0\noutput = 1.0").expect("a price")
}

#[tokio::test(flavor = "multi_thread")]
async fn reservations_of_all_workers_count() {
    let database = Database::new();
    let [one, other] = [0, 1].map(|_| database.worker_of(scope("run", 200e-6, false)));
    assert!(matches!(one.claim(wanted(1)).await.expect("a claim"), Claim::Granted));
    // 150 of 200 are reserved by the other worker, and the call may turn out cheaper.
    let claim = other.claim(wanted(2)).await.expect("a claim");
    let Claim::Held(at_most) = claim else { panic!("{claim:?}") };
    let waiting = tokio::spawn({
        let other = Arc::clone(&other);
        async move {
            other.changed(&key(2), at_most.max(Duration::from_mins(5))).await;
            other.claim(wanted(2)).await.expect("a claim")
        }
    });
    one.store(call(1, "a"), true).await.expect("stored");
    assert!(matches!(waiting.await.expect("no panic"), Claim::Granted), "15 + 150 of 200");
    other.store(call(2, "b"), true).await.expect("stored");
    // Other runs have their own limit, or share one over all.
    let own = database.worker_of(scope("another", 160e-6, false));
    assert!(matches!(own.claim(wanted(3)).await.expect("a claim"), Claim::Granted));
    own.release(&key(3));
    let all = database.worker_of(scope("another", 160e-6, true));
    match all.claim(wanted(3)).await.expect("a claim") {
        Claim::Exceeded { limit, spent, worst } => {
            assert!(limit.all_runs);
            assert_eq!((spent, worst), (Fee::of_usd(30e-6), Fee::of_usd(150e-6)));
        }
        other => panic!("{other:?}"),
    }
    // What is answered already costs nothing more.
    assert!(matches!(all.claim(wanted(1)).await.expect("a claim"), Claim::Answered(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_workers_never_exceed_a_limit() {
    let database = Database::new();
    let limit = 1000e-6;
    let mut tasks = Vec::new();
    for worker in 0..4_u32 {
        let journal = database.worker_of(scope("run", limit, false));
        for n in 0..30_u32 {
            let (journal, n) = (Arc::clone(&journal), worker * 100 + n);
            tasks.push(tokio::spawn(async move {
                loop {
                    match journal.claim(wanted(n)).await.expect("a claim") {
                        Claim::Granted => {
                            tokio::time::sleep(Duration::from_millis(2)).await;
                            let mut whole = call(n, "as long as possible");
                            whole.response.usage.input = 100;
                            whole.response.usage.output = 50;
                            journal.store(whole, true).await.expect("stored");
                            return true;
                        }
                        Claim::Held(at_most) => journal.changed(&key(n), at_most).await,
                        Claim::Exceeded { .. } => return false,
                        Claim::Answered(_) => panic!("no other worker wants it"),
                    }
                }
            }));
        }
    }
    let mut made = 0;
    for task in tasks {
        made += usize::from(task.await.expect("no panic"));
    }
    assert_eq!(made, 6, "six calls of 150 fit into 1000");
    assert_eq!(database.count("SELECT sum(input_tokens + output_tokens) FROM intercascade.spend"), 900);
}
