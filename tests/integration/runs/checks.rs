//! The checks of answers' work, and the store rules that go by them, on the recorded answers of `dev-2`.

use std::collections::{BTreeSet, HashMap};

use intercascade::config::resolved::ResolvedConfig;
use intercascade::task::calculations::AtLeast;
use intercascade::types::chat::Response;

use crate::support::{Project, Row, Settings, Sheet, choices, repository};

/// A project with the recorded run of the first 40 items in `out`, with these changes.
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
fn what_the_checks_found_stands_in_the_records_of_both_levels() {
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
fn a_solution_whose_work_does_not_check_out_teaches_nobody() {
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
        let wanted = match (grounded.contains(&item(&row)), used.contains(&item(&row))) {
            (true, true) => "stored",
            (false, _) => "grounded",
            (true, false) => "all-numbers-used",
        };
        assert_eq!(row.text("strategy_kept"), wanted, "{}", item(&row));
        fates.insert(wanted);
    }
    assert_eq!(fates.len(), 3, "{fates:?}");
}

#[test]
fn store_rules_that_check_calculations_are_refused_for_questions_with_options() {
    let settings = Settings::simulated().set("dataset.path", "questions.csv").set("learning.store", "grounded");
    let project = Project::with(&settings);
    project.write("questions.csv", choices(6, 3));
    let said = project.trial("out", &[]).refused_in_one_line();
    assert!(said.contains("learning.store: `grounded` looks at calculations"), "{said}");
}

#[test]
fn an_answer_that_fails_a_check_of_the_gate_is_deferred_at_any_threshold() {
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
fn a_sweep_reads_the_cascade_off_by_the_gate_that_a_run_has() {
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
fn checks_that_cannot_decide_are_refused_with_the_reason() {
    let refused = |settings: Settings| Project::with(&settings).trial("out", &[]).refused_in_one_line();
    let with = |checks: &[&str]| Settings::simulated().set("deferral.checks", checks.to_vec());
    let unused = |settings: Settings| Project::with(&settings).trial("out", &[]).done().out;
    let said = unused(with(&["follows-example"]).set("arms", vec!["cascade"]));
    assert!(said.contains("No arm of `arms` uses what is set: deferral.checks on examples."), "{said}");
    let said = unused(with(&["calculations"]).set("arms", vec!["weak-only", "strong-only"]));
    assert!(said.contains("No arm of `arms` uses what is set: deferral.checks."), "{said}");
    let error = refused(with(&["calculation"]));
    assert!(error.contains("calculation") && error.contains("grounded-numbers"), "{error}");
    let project = Project::with(&with(&["calculations"]).set("dataset.path", "questions.csv"));
    project.write("questions.csv", choices(6, 3));
    let error = project.trial("out", &[]).refused_in_one_line();
    assert!(error.contains("deferral.checks: `calculations` looks at calculations"), "{error}");
}

#[test]
fn the_signal_that_a_check_replaced_would_have_decided_the_same() {
    let mut compared = 0;
    for name in ["pair-gsm-templates", "pair-gsm-templates-paper-form", "pair-short-programs"] {
        let resolved = ResolvedConfig::load(&repository().join(format!("configs/{name}.toml")), &[]).expect("good");
        let items: HashMap<&str, _> = resolved.stream().iter().map(|item| (&*item.id.0, item)).collect();
        let lambda = resolved.config.deferral.stated().expect("a stated threshold");
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
        let mut asked = HashMap::new();
        for call in project.sheet("out", "calls").rows() {
            if call.text("level") == "0" && call.text("purpose") == "answer" {
                let place = ["arm", "order", "item_id"].map(|column| call.text(column).to_owned());
                asked.insert(place, call.text("journal_key").to_owned());
            }
        }
        let mut fates = BTreeSet::new();
        for record in project.sheet("out", "records").rows().filter(|record| !record.text("threshold").is_empty()) {
            let place = ["arm", "order", "item_id"].map(|column| record.text(column).to_owned());
            let (item, response) = (items[record.text("item_id")], &texts[&asked[&place]]);
            let answered = resolved.grader.grade(item, response, &response.text);
            // The mean token probability, and 0 if the calculations, or letter and text of the option, do not hold.
            let holds = resolved.grader.holds(item, &response.text, &answered, AtLeast::Count(0));
            let score = if holds { record.number("confidence") } else { 0.0 };
            assert_eq!(record.flag("deferred"), score < lambda, "{name}: {place:?}");
            fates.insert((holds, score < lambda));
            compared += 1;
        }
        assert!(fates.len() >= 2, "{name}: {fates:?}");
    }
    assert!(compared > 1500, "{compared}");
}

#[test]
fn checks_of_another_kind_of_question_are_refused_by_name() {
    let refused = |settings: &Settings| {
        let project = Project::with(settings);
        project.write("questions.csv", choices(6, 3));
        project.trial("out", &[]).refused_in_one_line()
    };
    let words = Settings::simulated();
    let said = refused(&words.clone().set("deferral.checks", vec!["conclusions"]));
    assert!(said.contains("deferral.checks: `conclusions` compares letter and text of an option"), "{said}");
    let said = refused(&words.clone().set("deferral.calculations_at_least", 2));
    assert!(
        said.contains("deferral.calculations_at_least: the check `calculations` is not in deferral.checks"),
        "{said}"
    );
    let said = refused(&words.set("deferral.signal", "checked-token-probability"));
    assert!(said.contains("the signal is now \"mean-token-probability\" with deferral.checks"), "{said}");
    let options = Settings::simulated().set("dataset.path", "questions.csv");
    let said = refused(&options.set("deferral.checks", vec!["grounded-numbers"]));
    assert!(said.contains("deferral.checks: `grounded-numbers` looks at calculations"), "{said}");
}

#[test]
fn a_run_of_a_version_with_the_checked_signal_is_reported_under_its_name() {
    let project = Project::with(&Settings::simulated());
    project.trial("out", &[]).done();
    let mut manifest: serde_json::Value = serde_json::from_str(&project.text("out/manifest.json")).expect("JSON");
    for place in ["/config/deferral/signal", "/identity/deferral/signal"] {
        *manifest.pointer_mut(place).expect("a signal") = "checked-token-probability".into();
    }
    project.write("out/manifest.json", manifest.to_string());
    project.run(&["report", "out"]).done();
    let summary = project.text("out/summary.md");
    assert!(summary.contains("checked-token-probability") && summary.contains("inter-cascade"), "{summary}");
}
