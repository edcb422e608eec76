//! `ablate`: one row per variant, the figures of a run with the variant's settings, and no repeated call.

use crate::support::{Project, Row, Settings, Sheet, holds};

const ABLATION: &str = r#"
name = "teaching"
config = "trial.toml"
set = ["dataset.orders=1"]

[[table]]
title = "How many are shown"
variants = [
  { name = "none", arm = "cascade" },
  { name = "one", set = ["learning.k=1"] },
  { name = "two" },
]

[[table]]
title = "What is stored"
set = ["learning.min_similarity=-1"]
variants = [
  { name = "always", set = ["learning.min_similarity=0"] },
  { name = "right ones", set = ["learning.store=correct-only"] },
  { name = "any of them, at random", arm = "inter-cascade-random" },
]
"#;

fn project() -> Project {
    let project = Project::with(&Settings::simulated());
    project.write("teaching.toml", ABLATION);
    project
}

fn ablate(project: &Project, arguments: &[&str]) -> Sheet {
    project.run(&[&["ablate", "--config", "teaching.toml", "--out", "out"], arguments].concat()).done();
    project.sheet("out", "variants")
}

fn named<'a>(sheet: &'a Sheet, table: &str, variant: &str) -> Row<'a> {
    let is = |row: &Row| row.text("table") == table && row.text("variant") == variant;
    sheet.rows().find(is).unwrap_or_else(|| panic!("no row {variant}"))
}

#[test]
fn a_row_equals_a_run_with_its_settings() {
    let project = project();
    let sheet = ablate(&project, &[]);
    assert_eq!(sheet.len(), 6);
    project.trial("one", &["--set", "dataset.orders=1", "--set", "learning.k=1"]).done();
    let row = named(&sheet, "How many are shown", "one");
    let (accuracy, calls, fees) = ("accuracy", "strong_calls", "fees");
    for (table, column, figure) in [
        (accuracy, "weak_accuracy", "weak_accuracy"),
        (accuracy, "weak_change_low_pp", "weak_change_low_pp"),
        (accuracy, "accuracy", "accuracy"),
        (accuracy, "change_vs_cascade_pp", "change_vs_cascade_pp"),
        (accuracy, "change_vs_strong_only_pp", "change_vs_strong_only_pp"),
        (accuracy, "p_vs_strong_only", "p_vs_strong_only"),
        (calls, "change_vs_strong_only_percent", "strong_calls_change_vs_strong_only_percent"),
        (calls, "fee_change_vs_strong_only_percent", "fee_change_vs_strong_only_percent"),
        (accuracy, "weak_asked", "weak_asked"),
        (accuracy, "weak_accuracy_asked", "weak_accuracy_asked"),
        (calls, "strong_calls", "strong_calls"),
        (calls, "change_vs_cascade_percent", "strong_calls_change_percent"),
        (calls, "strong_calls_all", "strong_calls_all"),
        (fees, "fee_usd", "fee_usd"),
    ] {
        let run = project.sheet("one", table);
        // The fee table has a row for each model.
        let of = |run: &Row| run.text("arm") == "inter-cascade" && (table != fees || run.text("purpose") == "total");
        let run: f64 = run.rows().filter(of).map(|row| row.number(column)).sum();
        assert!((row.number(figure) - run).abs() < 1e-12, "{figure}: {run}");
    }
    let records = project.sheet("one", "records");
    let is_stored = |row: &Row| row.text("arm") == "inter-cascade" && row.text("strategy_outcome") == "stored";
    assert_eq!(row.count("strategies_stored"), records.rows().filter(is_stored).count());
    let wrong = |row: &Row| is_stored(row) && row.text("score") != "correct";
    assert_eq!(row.count("stored_wrong"), records.rows().filter(wrong).count());
    assert!(row.count("stored_wrong") > 0, "the simulated teacher errs");

    // Values of a variant override those of its table. Equal settings share one run. An oracle stores no wrong
    // solution.
    let [two, always] = [("How many are shown", "two"), ("What is stored", "always")].map(|(t, v)| named(&sheet, t, v));
    assert_eq!(two.text("weak_accuracy"), always.text("weak_accuracy"));
    let oracle = named(&sheet, "What is stored", "right ones");
    assert_eq!((oracle.count("stored_wrong"), oracle.count("rejected_right")), (0, 0));
    assert_eq!(oracle.count("strategies_rejected") + oracle.count("strategies_stored"), oracle.count("strong_calls"));
    assert_eq!(named(&sheet, "How many are shown", "none").text("strategies_shown"), "0.0");
    assert_eq!(
        project.files().keys().filter(|name| name.starts_with("out/runs/") && name.ends_with("/manifest.json")).count(),
        5
    );

    let parquet = Sheet::from_parquet(&project.files()["out/variants.parquet"]);
    assert_eq!(parquet.len(), 6);
    let summary = project.text("out/summary.md");
    holds(
        &summary,
        &[
            "## How many are shown",
            "| one | 0.7 |",
            "### What is stored: what was stored, and what it did",
            "- What is stored, right ones: `learning.min_similarity=-1`, `learning.store=correct-only`",
        ],
    );
}

#[test]
fn all_variants_replay_from_their_shared_journal() {
    let project = project();
    ablate(&project, &[]);
    let before = project.files();
    ablate(&project, &[]);
    assert_eq!(project.files()["out/variants.csv"], before["out/variants.csv"]);
    let calls = |name: &str| project.text(name).contains("\"calls_made\": 0");
    assert!(calls("out/runs/How_many_are_shown/one/manifest.json"), "the second time nothing is asked");

    project.run(&["journal", "export", "out", "--out", "calls.parquet"]).done();
    let replayed = ["ablate", "--config", "teaching.toml", "--journal", "calls.parquet", "--offline", "--out", "again"];
    project.run(&replayed).done();
    for name in ["variants.csv", "variants.parquet", "summary.md"] {
        assert_eq!(project.files()[&format!("again/{name}")], before[&format!("out/{name}")], "{name}");
    }
    let output = project.run(&["ablate", "--config", "teaching.toml", "--dry-run"]).done();
    holds(&output.out, &["How many are shown: one", "What is stored: right ones", "30 items"]);
}

#[test]
fn errors_in_the_file_are_reported_before_any_call() {
    for (old, new, says) in [
        ("name = \"two\"", "name = \"one\"", "`How many are shown`: variant `one` is listed twice"),
        ("title = \"What is stored\"", "title = \"How many are shown\"", "table `How many are shown` is listed twice"),
        ("learning.k=1", "learning.q=1", "--set learning.q=1: "),
        ("arm = \"cascade\"", "arm = \"cascde\"", "(did you mean `cascade`?)"),
        ("config = \"trial.toml\"", "config = \"trail.toml\"", "cannot read the config"),
        ("name = \"none\", ", "", "the key `name` is missing"),
        ("arm = \"cascade\"", "arm = \"retrieval\"", "`none`: `arms` does not contain retrieval"),
        (
            "{ name = \"one\", set = [\"learning.k=1\"] }",
            "{ name = \"≤ 1\", set = [\"learning.k=1\"] }, { name = \"≥ 1\", set = [\"learning.k=3\"] }",
            "How many are shown: ≥ 1: another run has the same folder name",
        ),
    ] {
        let project = project();
        project.write("teaching.toml", ABLATION.replacen(old, new, 1));
        let output = project.run(&["ablate", "--config", "teaching.toml", "--out", "out"]);
        assert_eq!(output.code, 2, "{new}");
        holds(&output.err, &[says]);
        assert!(!project.path("out/variants.csv").exists() && !project.path("out/journal.sqlite").exists(), "{new}");
    }
}
