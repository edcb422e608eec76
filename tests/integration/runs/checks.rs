//! Checks of the work in answers, and the store rules that use the checks, on the recorded answers of `dev-2`.

use std::collections::{BTreeSet, HashMap};

use intercascade::config::resolved::ResolvedConfig;
use intercascade::task::calculations::AtLeast;
use intercascade::types::chat::Response;

use crate::support::{Project, Row, Settings, Sheet, choices, repository};

/// Builds a project with the recorded run of the first 40 items in `out`, with these changes.
fn recorded(changes: &[&str]) -> Project {
    let project = Project::shipped();
    let journal = repository().join("results/pair-gsm-templates-dev-2");
    let mut arguments = vec!["run", "--config", "configs/pair-gsm-templates-dev-2.toml", "--offline", "--out", "out"];
    arguments.extend(["--journal", journal.to_str().expect("UTF-8")]);
    for change in ["arms=[\"cascade\",\"inter-cascade\"]", "dataset.limit=40"].iter().chain(changes) {
        arguments.extend(["--set", change]);
    }
    project.run(&arguments).done();
    project
}

#[test]
fn records_of_both_levels_hold_the_check_outcomes() {
    let project = recorded(&[]);
    let records = project.sheet("out", "records");
    let outcomes = |arm: &str, column: &str| -> BTreeSet<String> {
        records.rows().filter(|row| row.text("arm") == arm).map(|row| row.text(column).to_owned()).collect()
    };
    for column in ["check_calculations", "check_all_numbers_used", "check_grounded_numbers"] {
        for arm in ["cascade", "inter-cascade"] {
            let found = outcomes(arm, column);
            assert!(found.contains("true") && found.contains("false"), "{arm}, {column}: {found:?}");
        }
    }
    for column in ["check_follows_example", "check_example_replay"] {
        assert_eq!(outcomes("cascade", column), BTreeSet::from([String::new()]), "no example, no outcome");
        let found = outcomes("inter-cascade", column);
        assert!(found.contains("true") && found.contains("false"), "{column}: {found:?}");
    }
    let levels = project.sheet("out", "levels");
    let top: BTreeSet<String> = levels
        .rows()
        .filter(|row| row.count("level") == 1)
        .map(|row| row.text("check_grounded_numbers").to_owned())
        .collect();
    assert!(top.contains("true") && top.contains("false"), "{top:?}");
}

#[test]
fn a_solution_that_fails_its_check_is_not_stored() {
    let project = recorded(&["learning.store=[\"grounded\",\"all-numbers-used\"]"]);
    let (records, levels) = (project.sheet("out", "records"), project.sheet("out", "levels"));
    let item = |row: &Row| row.text("item_id").to_owned();
    let passes = |check: &str| -> BTreeSet<String> {
        let top = levels.rows().filter(|row| row.count("level") == 1 && row.text("arm") == "inter-cascade");
        top.filter(|row| row.text(check) == "true").map(|row| item(&row)).collect()
    };
    let grounded: BTreeSet<String> =
        passes("check_calculations").intersection(&passes("check_grounded_numbers")).cloned().collect();
    let used = passes("check_all_numbers_used");
    let mut fates = BTreeSet::new();
    for row in records.rows().filter(|row| row.text("arm") == "inter-cascade" && row.flag("deferred")) {
        let expected = match (grounded.contains(&item(&row)), used.contains(&item(&row))) {
            (true, true) => "stored",
            (false, _) => "grounded",
            (true, false) => "all-numbers-used",
        };
        assert_eq!(row.text("strategy_outcome"), expected, "{}", item(&row));
        fates.insert(expected);
    }
    assert_eq!(fates.len(), 3, "{fates:?}");
}

#[test]
fn calculation_store_rules_are_refused_for_options() {
    let settings = Settings::simulated().set("dataset.path", "questions.csv").set("learning.store", "grounded");
    let project = Project::with(&settings);
    project.write("questions.csv", choices(6, 3));
    let output = project.trial("out", &[]).refused_in_one_line();
    assert!(output.contains("learning.store: `grounded` reads calculations"), "{output}");
}

#[test]
fn an_answer_that_fails_a_gate_check_is_always_deferred() {
    let checks = "deferral.checks=[\"calculations\",\"follows-example\"]";
    for threshold in ["0.0", "0.95"] {
        let project = recorded(&[checks, &format!("deferral.threshold={threshold}")]);
        let records = project.sheet("out", "records");
        let mut accepted = 0;
        for row in records.rows() {
            let learns = row.text("arm") == "inter-cascade";
            let own = ["check_calculations", "check_follows_example"];
            let passes = own[..=usize::from(learns)].iter().all(|check| row.text(check) == "true");
            assert_eq!(row.flag("checks_passed"), passes, "{}", row.text("item_id"));
            let sure = row.optional("confidence").is_some_and(|confidence| confidence >= row.number("threshold"));
            assert_eq!(row.flag("deferred"), !(passes && sure), "{}", row.text("item_id"));
            accepted += usize::from(learns && !row.flag("deferred"));
        }
        assert!(accepted > 0);
        assert!(
            project
                .text("out/summary.md")
                .contains("so is an answer that fails a check: calculations, follows-example")
        );
    }
}

#[test]
fn a_sweep_applies_the_gate_of_a_run_to_the_cascade() {
    let checks =
        ["--set", "deferral.checks=[\"calculations\"]", "--set", "arms=[\"weak-only\",\"strong-only\",\"cascade\"]"];
    let project = Project::shipped();
    let journal = repository().join("results/pair-gsm-templates-dev-2");
    let with = |verb: &str, out: &str, more: &[&str]| {
        let config = "configs/pair-gsm-templates-dev-2.toml";
        let mut arguments = vec![verb, "--config", config, "--offline", "--out", out];
        arguments.extend(["--journal", journal.to_str().expect("UTF-8")]);
        project.run(&[&arguments[..], &checks, more].concat()).done();
    };
    with("run", "run", &["--set", "deferral.threshold=0.0"]);
    with("sweep", "sweep", &["--thresholds", "0.0,0.5"]);
    let [run, sweep] = ["run", "sweep"].map(|folder| project.sheet(folder, "accuracy"));
    let at_zero = |sheet: &crate::support::Sheet| {
        let row = sheet.rows().find(|row| row.text("arm") == "cascade" && row.optional("threshold") == Some(0.0));
        let row = row.expect("a row");
        (row.text("accuracy").to_owned(), row.text("coverage").to_owned())
    };
    assert_eq!(at_zero(&run), at_zero(&sweep));
    let coverage = at_zero(&run).1.parse::<f64>().expect("a number");
    assert!(coverage > 0.0 && coverage < 1.0, "the check defers some at λ = 0: {coverage}");
}

#[test]
fn checks_that_cannot_apply_are_refused_with_the_reason() {
    let refused = |settings: Settings| Project::with(&settings).trial("out", &[]).refused_in_one_line();
    let with = |checks: &[&str]| Settings::simulated().set("deferral.checks", checks.to_vec());
    let unused = |settings: Settings| Project::with(&settings).trial("out", &[]).done().out;
    let output = unused(with(&["follows-example"]).set("arms", vec!["cascade"]));
    assert!(
        output.contains("No arm of `arms` uses these keys, which are set: deferral.checks on examples."),
        "{output}"
    );
    let output = unused(with(&["calculations"]).set("arms", vec!["weak-only", "strong-only"]));
    assert!(output.contains("No arm of `arms` uses these keys, which are set: deferral.checks."), "{output}");
    let error = refused(with(&["calculation"]));
    assert!(error.contains("calculation") && error.contains("grounded-numbers"), "{error}");
    let project = Project::with(&with(&["calculations"]).set("dataset.path", "questions.csv"));
    project.write("questions.csv", choices(6, 3));
    let error = project.trial("out", &[]).refused_in_one_line();
    assert!(error.contains("deferral.checks: `calculations` reads calculations"), "{error}");
}

#[test]
fn a_check_decides_like_the_signal_it_replaced() {
    let mut compared = 0;
    for name in ["pair-gsm-templates", "pair-gsm-templates-paper-form", "pair-short-programs"] {
        let resolved = ResolvedConfig::load(&repository().join(format!("configs/{name}.toml")), &[]).expect("good");
        let items: HashMap<&str, _> = resolved.stream().iter().map(|item| (&*item.id.0, item)).collect();
        let lambda = resolved.config.deferral.fixed_threshold().expect("a stated threshold");
        let mut texts: HashMap<String, Response> = HashMap::new();
        for file in std::fs::read_dir(repository().join("results").join(name)).expect("a folder") {
            let path = file.expect("an entry").path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("journal")) {
                let journal = Sheet::from_parquet(&std::fs::read(path).expect("a file"));
                for row in journal.rows().filter(|row| !row.text("response").is_empty()) {
                    let response = serde_json::from_str(row.text("response")).expect("a response");
                    texts.insert(row.text("key").to_owned(), response);
                }
            }
        }
        let project = Project::shipped();
        let (config, journal) = (format!("configs/{name}.toml"), repository().join("results").join(name));
        let journal = journal.to_str().expect("UTF-8");
        project.run(&["run", "--config", &config, "--offline", "--journal", journal, "--out", "out"]).done();
        let mut answer_keys = HashMap::new();
        for call in project.sheet("out", "calls").rows() {
            if call.text("level") == "0" && call.text("purpose") == "answer" {
                let record_key = ["arm", "order", "item_id"].map(|column| call.text(column).to_owned());
                answer_keys.insert(record_key, call.text("journal_key").to_owned());
            }
        }
        let mut fates = BTreeSet::new();
        for record in project.sheet("out", "records").rows().filter(|record| !record.text("threshold").is_empty()) {
            let record_key = ["arm", "order", "item_id"].map(|column| record.text(column).to_owned());
            let (item, response) = (items[record.text("item_id")], &texts[&answer_keys[&record_key]]);
            let answered = resolved.grader.grade(item, response, &response.text);
            // The mean token probability; 0 if the calculations fail, or if the letter and text of the option disagree.
            let holds = resolved.grader.is_consistent(item, &response.text, &answered, AtLeast::Count(0));
            let score = if holds { record.number("confidence") } else { 0.0 };
            assert_eq!(record.flag("deferred"), score < lambda, "{name}: {record_key:?}");
            fates.insert((holds, score < lambda));
            compared += 1;
        }
        assert!(fates.len() >= 2, "{name}: {fates:?}");
    }
    assert!(compared > 1500, "{compared}");
}

#[test]
fn checks_for_another_task_are_refused_by_name() {
    let refused = |settings: &Settings| {
        let project = Project::with(settings);
        project.write("questions.csv", choices(6, 3));
        project.trial("out", &[]).refused_in_one_line()
    };
    let words = Settings::simulated();
    let output = refused(&words.clone().set("deferral.checks", vec!["conclusions"]));
    assert!(output.contains("deferral.checks: `conclusions` compares letter and text of an option"), "{output}");
    let output = refused(&words.clone().set("deferral.calculations_at_least", 2));
    assert!(
        output.contains("deferral.calculations_at_least: the check `calculations` is not in deferral.checks"),
        "{output}"
    );
    let output = refused(&words.set("deferral.signal", "checked-token-probability"));
    assert!(output.contains("the signal is now \"mean-token-probability\" with deferral.checks"), "{output}");
    let options = Settings::simulated().set("dataset.path", "questions.csv");
    let output = refused(&options.set("deferral.checks", vec!["grounded-numbers"]));
    assert!(output.contains("deferral.checks: `grounded-numbers` reads calculations"), "{output}");
}

#[test]
fn an_old_run_with_the_checked_signal_is_reported() {
    let project = Project::with(&Settings::simulated());
    project.trial("out", &[]).done();
    let mut manifest: serde_json::Value = serde_json::from_str(&project.text("out/manifest.json")).expect("JSON");
    for pointer in ["/config/deferral/signal", "/identity/deferral/signal"] {
        *manifest.pointer_mut(pointer).expect("a signal") = "checked-token-probability".into();
    }
    project.write("out/manifest.json", manifest.to_string());
    project.run(&["report", "out"]).done();
    let summary = project.text("out/summary.md");
    assert!(summary.contains("checked-token-probability") && summary.contains("inter-cascade"), "{summary}");
}
