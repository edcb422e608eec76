//! Runs that are killed or stopped while their batches are at the provider.

use super::provider::Plan;
use super::{ITEMS, Stage};
use crate::support::holds;

#[tokio::test(flavor = "multi_thread")]
async fn a_run_killed_after_the_submission_continues_its_batch() {
    let stage = Stage::new(Plan { holds: true, ..Plan::regular() }, &["weak-only"]).await;
    let mut child = stage.spawn("out");
    stage.provider.until_batches(1).await;
    // The name of the batch is in the journal a moment later.
    for _ in 0..500 {
        if stage.count("out", "SELECT count(*) FROM batches WHERE batch IS NOT NULL") == 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    child.kill().expect("killed");
    child.wait().expect("ended");

    let error = stage.project.trial("out", &[]).refused();
    holds(&error, &["an open batch of `small` (batch-0)", "12 of its calls", "--batch"]);
    assert!(stage.provider.state().direct.is_empty());

    stage.provider.state().plan = Plan::regular();
    let output = stage.run("out").done();
    holds(&output.err, &["continuing batch batch-0 of `small`: 12 calls"]);
    assert_eq!(stage.provider.sizes(), [ITEMS]);
    assert_eq!(stage.provider.state().files.len(), 1);
    assert!(stage.provider.state().direct.is_empty());
    stage.assert_as_direct("out");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_killed_before_the_batch_is_noted_finds_it_at_the_provider() {
    let stage = Stage::new(Plan { mute: true, ..Plan::regular() }, &["weak-only"]).await;
    let mut child = stage.spawn("out");
    stage.provider.until_batches(1).await;
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert_eq!(stage.count("out", "SELECT count(*) FROM batches WHERE batch IS NULL AND file = 'file-0'"), 1);

    stage.provider.state().plan = Plan::regular();
    stage.run("out").done();
    assert_eq!(stage.provider.sizes(), [ITEMS]);
    assert_eq!(stage.provider.state().files.len(), 1);
    stage.assert_as_direct("out");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_sent_without_a_batch_is_used() {
    let stage = Stage::new(Plan { mute: true, ..Plan::regular() }, &["weak-only"]).await;
    let mut child = stage.spawn("out");
    stage.provider.until_batches(1).await;
    child.kill().expect("killed");
    child.wait().expect("ended");
    // The state of a process that ended just before it created the batch.
    stage.provider.state().batches.clear();
    stage.provider.state().plan = Plan::regular();
    stage.run("out").done();
    assert_eq!(stage.provider.sizes(), [ITEMS]);
    assert_eq!(stage.provider.state().files.len(), 1);
    assert!(stage.provider.state().direct.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_only_noted_is_submitted_anew() {
    let stage = Stage::new(Plan { mute: true, ..Plan::regular() }, &["weak-only"]).await;
    let mut child = stage.spawn("out");
    stage.provider.until_batches(1).await;
    child.kill().expect("killed");
    child.wait().expect("ended");
    stage.provider.state().batches.clear();
    let journal = rusqlite::Connection::open(stage.project.path("out/journal.sqlite")).expect("a journal");
    journal.execute("UPDATE batches SET file = NULL", []).expect("updated");
    drop(journal);
    stage.provider.state().plan = Plan::regular();
    stage.run("out").done();
    assert_eq!(stage.provider.sizes(), [ITEMS]);
    assert_eq!(stage.count("out", "SELECT count(*) FROM batches WHERE state = 'open'"), 0);
    stage.assert_as_direct("out");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_leaves_the_batch_at_the_provider_and_nothing_is_lost() {
    let stage = Stage::new(Plan { holds: true, ..Plan::regular() }, &["weak-only"]).await;
    let mut child = stage.spawn("out");
    stage.provider.until_batches(1).await;
    let id = child.id().to_string();
    let killed = std::process::Command::new("kill").args(["-INT", &id]).status().expect("a signal");
    assert!(killed.success());
    assert_eq!(child.wait().expect("ended").code(), Some(130));
    assert_eq!(stage.count("out", "SELECT count(*) FROM lost"), 0);

    stage.provider.state().plan = Plan::regular();
    stage.run("out").done();
    assert_eq!(stage.provider.sizes(), [ITEMS]);
    stage.assert_as_direct("out");
}
