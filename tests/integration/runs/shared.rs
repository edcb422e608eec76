//! Sharing between verbs: runs in neighbouring folders share their paid answers, and each run reports its own spending.
//! spent.

use serde_json::Value;

use crate::support::{Project, Settings, holds};

/// Builds a project whose config can run, sweep and calibrate.
fn project() -> Project {
    Project::with(&Settings::simulated().set("dataset.calibration", 6).set("dataset.orders", 1))
}

fn verb<'a>(verb: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&[verb, "--config", "trial.toml"], more].concat()
}

/// Counts the rows of a journal, grouped by whether they were copied from another journal.
fn calls(project: &Project, folder: &str) -> [u64; 2] {
    let journal = rusqlite::Connection::open(project.path(&format!("{folder}/journal.sqlite"))).expect("a journal");
    [false, true].map(|imported| {
        let query = "SELECT count(*) FROM calls WHERE imported = ?1";
        journal.query_row(query, [imported], |row| row.get(0)).expect("a count")
    })
}

/// Returns the number of calls that more than one of these journals has paid for.
fn paid_twice(project: &Project, folders: &[&str]) -> usize {
    let mut keys: Vec<String> = Vec::new();
    for folder in folders {
        let path = project.path(&format!("{folder}/journal.sqlite"));
        let journal = rusqlite::Connection::open(path).expect("a journal");
        let mut statement = journal.prepare("SELECT key FROM calls WHERE NOT imported").expect("a query");
        let rows = statement.query_map([], |row| row.get(0)).expect("rows");
        keys.extend(rows.map(|key| key.expect("a key")));
    }
    let all = keys.len();
    keys.sort();
    keys.dedup();
    all - keys.len()
}

#[test]
fn run_sweep_and_calibrate_pay_for_each_call_once() {
    let project = project();
    let alpha = ["--alpha", "0.5", "--min-accepted", "1"];
    let first = project.run(&verb("run", &[])).done();
    assert!(first.calls_made() > 0);
    let name = "results/trial";
    let [made, copied] = calls(&project, name);
    assert_eq!((made, copied), (first.calls_made() as u64, 0));
    // The answers of the weak level alone and of the strong level exist. Only strategies learned at other thresholds
    // need calls.
    let swept = project.run(&verb("sweep", &["--thresholds", "0.2,0.7"])).done();
    let [new, copied] = calls(&project, "results/trial-sweep");
    assert!(copied > 0 && new < made, "{new} made, {copied} taken over");
    assert_eq!(swept.calls_made() as u64, new);
    holds(&swept.out, &[&format!("{copied} answers copied from other journals"), "by all runs in results"]);
    let calibrated = project.run(&verb("calibrate", &alpha));
    holds(&calibrated.out, &["spent now: "]);
    let elsewhere = [&alpha[..], &["--out", "results/elsewhere"]].concat();
    let again = project.run(&verb("calibrate", &elsewhere));
    holds(&again.out, &["spent now: 0 calls for 0.000000 USD"]);
    assert_eq!(paid_twice(&project, &[name, "results/trial-sweep", "results/elsewhere"]), 0);
    // Another order of the verbs pays for the same calls.
    let sweep_first = Project::with(&Settings::simulated().set("dataset.calibration", 6).set("dataset.orders", 1));
    let swept = sweep_first.run(&verb("sweep", &["--thresholds", "0.2,0.7"])).done().calls_made();
    let run = sweep_first.run(&verb("run", &[])).done().calls_made();
    assert_eq!((swept + run) as u64, made + new);
    assert_eq!(sweep_first.reports("results/trial"), project.reports("results/trial"));
}

#[test]
fn an_export_includes_answers_copied_from_other_journals() {
    let project = project();
    project.run(&verb("run", &["--out", "one"])).done();
    let second = project.run(&verb("run", &["--out", "two", "--set", "name=two"])).done();
    assert_eq!(second.calls_made(), 0);
    project.run(&["journal", "export", "two", "--out", "two.parquet"]).done();
    let replayed = project.trial("three", &["--set", "name=two", "--journal", "two.parquet", "--offline"]).done();
    assert_eq!(replayed.calls_made(), 0);
    assert_eq!(project.reports("three"), project.reports("two"));
    let manifest: Value = serde_json::from_str(&project.text("two/manifest.json")).expect("JSON");
    assert_eq!(manifest["spent"], serde_json::json!({}), "the first run paid");
}

#[test]
fn a_run_of_an_earlier_version_resumes_and_is_shared() {
    let project = project();
    let all = project.run(&verb("run", &["--alone"])).done().calls_made();
    // State left by a version without sharing: a journal with half of the calls, and no report.
    let path = project.path("results/trial/journal.sqlite");
    let journal = rusqlite::Connection::open(&path).expect("a journal");
    journal.execute_batch("ALTER TABLE calls DROP COLUMN processor; UPDATE schema SET version = 2;").expect("changed");
    let half =
        "DELETE FROM calls WHERE key IN (SELECT key FROM calls ORDER BY key LIMIT (SELECT count(*) / 2 FROM calls))";
    let deleted = journal.execute(half, []).expect("deleted");
    drop(journal);
    let reports = project.reports("results/trial");
    for name in reports.keys() {
        std::fs::remove_file(project.path(&format!("results/trial/{name}"))).expect("removed");
    }
    let neighbour = project.run(&verb("run", &["--out", "results/beside", "--set", "name=beside"])).done();
    assert_eq!(neighbour.calls_made(), deleted, "what the old folder holds is not paid for again");
    let resumed = project.run(&verb("run", &[])).done();
    assert_eq!(resumed.calls_made(), 0);
    assert_eq!(project.reports("results/trial"), reports);
    assert_eq!(calls(&project, "results/trial"), [(all - deleted) as u64, deleted as u64]);
    project.run(&["report", "results/trial"]).done();
}

#[test]
fn isolated_runs_and_replays_copy_no_answers() {
    let project = project();
    let all = project.run(&verb("run", &["--out", "one"])).done().calls_made();
    assert_eq!(project.run(&verb("run", &["--out", "two", "--alone"])).done().calls_made(), all);
    // A recording that was given to one run is not offered to other runs.
    project.run(&["journal", "export", "one", "--out", "one.parquet"]).done();
    let other_project = Project::with(&Settings::simulated().set("dataset.calibration", 6).set("dataset.orders", 1));
    other_project.write("one.parquet", std::fs::read(project.path("one.parquet")).expect("an export"));
    other_project.run(&verb("run", &["--out", "replayed", "--journal", "one.parquet", "--offline"])).done();
    assert_eq!(other_project.run(&verb("run", &["--out", "asked"])).done().calls_made(), all);
    // Answers of neighbouring runs do not complete a recording that was given explicitly.
    project.write("empty/nothing.txt", "");
    let half = ["--out", "half", "--set", "dataset.limit=2", "--set", "dataset.calibration=0"];
    other_project.run(&verb("run", &[&half[..], &["--alone"]].concat())).done();
    let lacking = ["--out", "lacking", "--journal", "half/journal.sqlite", "--offline"];
    let output = other_project.run(&verb("run", &lacking));
    assert_eq!(output.code, 1);
    holds(&output.err, &["no arm has all of its calls recorded: some calls are not recorded"]);
    assert_eq!(other_project.run(&verb("run", &["--out", "offline", "--offline"])).done().calls_made(), 0);
}

#[test]
fn an_unreadable_neighbour_journal_is_reported_and_skipped() {
    let project = project();
    project.write("results/broken/journal.sqlite", "no journal");
    let output = project.run(&verb("run", &[])).done();
    holds(&output.err, &["answers in results/broken/journal.sqlite are not used"]);
}

#[test]
fn only_one_process_makes_the_calls_of_a_config() {
    let project = project();
    project.write("results/.trial.lock", "");
    let lock = std::fs::File::open(project.path("results/.trial.lock")).expect("there");
    lock.lock().expect("free");
    let error = project.run(&verb("sweep", &[])).refused();
    holds(
        &error,
        &["another intercascade is making calls for the config `trial` in results", "--alone", "--set name="],
    );
    project.run(&verb("run", &["--set", "name=other"])).done();
    drop(lock);
    project.run(&verb("run", &[])).done();
    assert!(!project.path("results/.trial.lock").exists());
}

#[test]
fn the_fee_limit_counts_own_calls_and_the_total_all_calls() {
    let project = project();
    let first = project.run(&verb("run", &["--out", "results/one"])).done();
    let paid: f64 = first
        .out
        .lines()
        .find_map(|line| line.strip_prefix("spent now: ")?.split_once(" for ")?.1.split_once(" USD")?.0.parse().ok())
        .expect("what was spent");
    assert!(paid > 0.0);
    // Other questions: no answer is copied.
    project.write("questions.jsonl", project.text("questions.jsonl").replace("Maya", "Mary").replace("Omar", "Olaf"));
    let other = |key: &str, factor: f64| {
        let set = format!("limits.{key}={}", paid * factor);
        project.run(&verb("run", &["--out", "results/two", "--set", &set]))
    };
    let stopped = other("max_total_fee_usd", 1.2);
    assert_eq!(stopped.code, 1, "{}", stopped.err);
    holds(&stopped.err, &["limits.max_total_fee_usd", "would be exceeded", "so far in results/two: ", "max_tokens = "]);
    other("max_fee_usd", 1.2).done();
}

#[test]
fn an_ablation_reports_its_spending_and_shares_answers() {
    let project = project();
    project.run(&verb("run", &["--set", "dataset.calibration="])).done();
    let ablation = "name = \"changes\"\nconfig = \"trial.toml\"\nset = [\"dataset.calibration=\"]\n\n[[table]]\ntitle = \"k\"\n\
                    variants = [{ name = \"as it is\" }]\n";
    project.write("changes.toml", ablation);
    let output = project.run(&["ablate", "--config", "changes.toml"]);
    holds(&output.done().out, &["spent now: 0 calls for 0.000000 USD", "by all runs in results"]);
}

#[test]
fn dry_runs_write_nothing_and_bound_the_calls() {
    let project = project();
    let before = project.files();
    let sweep = ["--thresholds", "0.2,0.7"];
    let output = project.run(&verb("sweep", &[&sweep[..], &["--dry-run"]].concat())).done();
    let calibrate = ["--alpha", "0.5", "--min-accepted", "1"];
    let of_calibration = project.run(&verb("calibrate", &[&calibrate[..], &["--dry-run"]].concat())).done();
    assert!(project.files() == before);
    let planned = |output: &str, model: &str| -> usize {
        let line = output.lines().find_map(|line| line.trim().strip_prefix(&format!("{model}: "))).expect("a line");
        line.split(' ').next().and_then(|count| count.parse().ok()).expect("a count")
    };
    // Six of the ten groups of three are held out. Calls: the weak level alone on every other item, and with the
    // strategies of two arms at two thresholds.
    let items = 12;
    assert_eq!(planned(&output.out, "small"), items * (1 + 2 * 2));
    assert_eq!(planned(&of_calibration.out, "small"), 6);
    assert_eq!(planned(&of_calibration.out, "large"), 0);
    let made = project.run(&verb("sweep", &sweep)).done().calls_made();
    assert!(made <= planned(&output.out, "small") + planned(&output.out, "large"), "{made}");
}
