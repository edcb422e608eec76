//! Repeated runs: in another folder, in the same folder, after an interruption, with `--fresh`, and with another
//! config.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::support::{Files, Project, Settings, files, holds};

fn project() -> Project {
    Project::with(&Settings::simulated())
}

/// The journal, to which a run only adds.
fn journal(project: &Project) -> Vec<u8> {
    std::fs::read(project.path("out/journal.sqlite")).expect("a journal")
}

#[test]
fn two_runs_of_one_config_write_the_same_bytes() {
    let project = project();
    for out in ["one", "other"] {
        project.trial(out, &[]).done();
    }
    let (one, other) = (project.reports("one"), project.reports("other"));
    assert_eq!(one.len(), 31);
    assert!(one == other, "{:?}", different(&one, &other));
    let manifest =
        |out: &str| -> Value { serde_json::from_str(&project.text(&format!("{out}/manifest.json"))).expect("JSON") };
    for key in ["identity", "config", "spent", "calls_made", "warnings", "answered_by"] {
        assert_eq!(manifest("one")[key], manifest("other")[key], "{key}");
    }
}

/// Returns the names of files that differ.
fn different<'a>(one: &'a Files, other: &'a Files) -> Vec<&'a String> {
    one.keys().chain(other.keys()).filter(|name| one.get(*name) != other.get(*name)).collect()
}

#[test]
fn a_finished_run_is_repeated_without_a_call() {
    let project = project();
    let first = project.trial("out", &[]).done();
    assert!(first.calls_made() > 0);
    let before = (project.reports("out"), journal(&project));
    let second = project.trial("out", &[]).done();
    assert_eq!(second.calls_made(), 0);
    holds(&second.err, &["resuming this run"]);
    assert!((project.reports("out"), journal(&project)) == before);
}

#[test]
fn missing_reports_are_rewritten_without_a_call() {
    let project = project();
    project.trial("out", &[]).done();
    let before = project.reports("out");
    for ending in ["csv", "parquet"] {
        std::fs::remove_file(project.path(&format!("out/records.{ending}"))).expect("removed");
    }
    let mut manifest: Value = serde_json::from_str(&project.text("out/manifest.json")).expect("JSON");
    let started = manifest["started"].clone();
    manifest["ended"] = Value::Null;
    project.write("out/manifest.json", manifest.to_string());
    assert_eq!(project.trial("out", &[]).done().calls_made(), 0);
    assert!(project.reports("out") == before);
    let manifest: Value = serde_json::from_str(&project.text("out/manifest.json")).expect("JSON");
    assert_eq!(manifest["started"], started);
    assert!(manifest["ended"].is_string());
}

#[test]
fn calls_of_an_interrupted_run_are_not_repeated() {
    let project = project();
    let all = project.trial("whole", &[]).done().calls_made();
    project.trial("out", &[]).done();
    // State after a crash: half of the calls, and no report.
    let connection = rusqlite::Connection::open(project.path("out/journal.sqlite")).expect("a journal");
    let lost = connection
        .execute("DELETE FROM calls WHERE key IN (SELECT key FROM calls ORDER BY key LIMIT (SELECT count(*) / 2 FROM calls))", [])
        .expect("deleted");
    drop(connection);
    for name in project.reports("out").keys() {
        std::fs::remove_file(project.path(&format!("out/{name}"))).expect("removed");
    }
    assert!(lost > 0 && lost < all);
    assert_eq!(project.trial("out", &[]).done().calls_made(), lost);
    assert!(project.reports("out") == project.reports("whole"));
}

#[test]
fn config_values_can_be_overridden() {
    let project = project();
    let sets = ["--set", "dataset.limit=4", "--set", "arms=[\"cascade\"]", "--set", "dataset.orders=1"];
    project.trial("out", &sets).done();
    assert_eq!(project.sheet("out", "records").len(), 4);
    let by_name = ["run", "--config", "trial.toml", "--set", "name=another", "--set", "dataset.limit=2"];
    project.run(&by_name).done();
    assert_eq!(project.sheet("results/another", "records").len(), 2 * 2 * 5, "outputs go to results/<name>");
    holds(&project.text("results/another/summary.md"), &["# another"]);
}

#[test]
fn sampled_groups_depend_on_the_seed_and_identify_the_run() {
    let project = project();
    let drawn = |out: &str, sets: &[&str]| -> BTreeMap<String, BTreeSet<String>> {
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        project.trial(out, &sets).done();
        let records = project.sheet(out, "records");
        let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for row in records.rows() {
            groups.entry(row.text("group").to_owned()).or_default().insert(row.text("item_id").to_owned());
        }
        groups
    };
    let four = drawn("four", &["dataset.sample_groups=4"]);
    assert_eq!(four.values().map(BTreeSet::len).collect::<Vec<_>>(), [3; 4], "each with its three variants");
    let names = |groups: &BTreeMap<String, BTreeSet<String>>| groups.keys().cloned().collect::<Vec<_>>();
    let two = drawn("two", &["dataset.sample_groups=4", "dataset.per_group=2"]);
    assert_eq!((names(&two), two.values().map(BTreeSet::len).sum::<usize>()), (names(&four), 8));
    assert_ne!(names(&drawn("other", &["dataset.sample_groups=4", "seed=8"])), names(&four));
    assert_eq!(drawn("all", &["dataset.sample_groups=10"]).len(), 10);

    let identity = |out: &str| -> Value {
        let manifest: Value = serde_json::from_str(&project.text(&format!("{out}/manifest.json"))).expect("JSON");
        manifest["identity"]["dataset"]["sample_groups"].clone()
    };
    project.trial("plain", &[]).done();
    assert_eq!((identity("four"), identity("plain")), (4.into(), Value::Null));
    let error = project.trial("four", &["--set", "dataset.sample_groups=5"]).refused();
    holds(&error, &["four", "dataset.sample_groups"]);
}

#[test]
fn a_dry_run_estimates_the_cost_and_writes_nothing() {
    let project = project();
    let before = project.files();
    let output = project.trial("out", &["--dry-run"]).done();
    assert!(project.files() == before && !project.path("out").exists());
    // Calls of the weak level: once alone, and in each order with the strategies of two arms.
    holds(&output.out, &["small: 150 calls, about", "large: 60 calls, about", "tokens in", "USD", "total:"]);
    let unknown = project.trial("out", &["--dry-run", "--journal", "missing.parquet"]).refused_in_one_line();
    holds(&unknown, &["--journal: there is no journal missing.parquet"]);
    let limited = project.trial("out", &["--dry-run", "--set", "limits.max_fee_usd=0.001"]).done();
    holds(&limited.out, &["limits.max_fee_usd = 0.001: the run stops before a call that could exceed the limit"]);
    let made = project.trial("out", &[]).done().calls_made();
    assert!(made <= 210, "{made} calls were made");
}

#[test]
fn a_fresh_run_moves_old_outputs_and_keeps_the_journal() {
    let project = project();
    project.trial("out", &[]).done();
    let (before, manifest) = (project.reports("out"), project.text("out/manifest.json"));
    for n in 1..=2 {
        assert_eq!(project.trial("out", &["--fresh"]).done().calls_made(), 0);
        assert!(project.reports("out") == before);
        let moved = format!("out/set-aside-{n}");
        assert!(project.reports(&moved) == before);
        assert!(!project.path(&moved).join("journal.sqlite").exists());
    }
    assert_eq!(project.text("out/set-aside-1/manifest.json"), manifest);
}

#[test]
fn a_fresh_run_moves_only_files_of_a_run() {
    let project = project();
    project.write("out/thesis.tex", "mine");
    let error = project.trial("out", &["--fresh"]).refused_in_one_line();
    holds(&error, &["out holds thesis.tex, which no run wrote", "--out"]);
    assert_eq!(project.text("out/thesis.tex"), "mine");
}

#[test]
fn a_failed_command_leaves_a_finished_run_intact() {
    let project = project();
    project.trial("out", &[]).done();
    let (before, manifest) = (project.reports("out"), project.text("out/manifest.json"));
    project.trial("out", &["--fresh", "--journal", "missing.parquet"]).refused();
    for name in ["journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"] {
        let _ = std::fs::remove_file(project.path(&format!("out/{name}")));
    }
    assert_eq!(project.trial("out", &["--offline"]).code, 1, "nothing is recorded");
    assert!(project.reports("out") == before && project.text("out/manifest.json") == manifest);
}

#[test]
fn two_processes_cannot_call_for_the_same_journal() {
    let project = project();
    project.write("out/journal.sqlite.lock", "");
    let lock = std::fs::File::open(project.path("out/journal.sqlite.lock")).expect("there");
    lock.lock().expect("free");
    let error = project.trial("out", &[]).refused_in_one_line();
    holds(&error, &["another intercascade is making calls for out/journal.sqlite", "--out"]);
    drop(lock);
    project.trial("out", &[]).done();
}

#[test]
fn another_config_is_refused_and_changes_nothing() {
    let project = project();
    project.trial("out", &[]).done();
    let before = files(&project.path("out"));
    let changes = [
        ("seed=8", "seed: 7 there, 8 here"),
        ("deferral.threshold=0.8", "deferral.threshold: 0.7 there, 0.8 here"),
        ("learning.k=1", "learning.k: 2 there, 1 here"),
        ("dataset.limit=5", "dataset.limit: null there, 5 here"),
    ];
    for (set, difference) in changes {
        let error = project.trial("out", &["--set", set]).refused();
        holds(&error, &["out holds another run", difference, "--out", "--fresh"]);
        assert!(files(&project.path("out")) == before, "{set}");
    }
    project.write("questions.jsonl", project.text("questions.jsonl").replace("Maya", "Mary"));
    holds(&project.trial("out", &[]).refused(), &["dataset.sha256"]);
    assert!(files(&project.path("out")) == before);
}

#[test]
fn prices_and_limits_do_not_change_the_run_identity() {
    let project = project();
    project.trial("out", &[]).done();
    let before = project.reports("out");
    project.write("trial.toml", Settings::simulated().set("model.large.price.output", 20.0).text());
    assert_eq!(project.trial("out", &["--set", "limits.max_fee_usd=9"]).done().calls_made(), 0);
    let after = project.reports("out");
    assert_eq!(before["records.csv"], after["records.csv"]);
    assert_ne!(before["fees.csv"], after["fees.csv"], "new prices need no call");
}
