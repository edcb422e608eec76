//! The checks of answers' work, and the store rules that go by them, on the recorded answers of `dev-2`.

use std::collections::BTreeSet;

use crate::support::{Project, Row, Settings, choices, repository};

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
    assert!(said.contains("learning.store: `grounded` checks calculations"), "{said}");
}
