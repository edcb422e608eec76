//! `judge`: figures over many orders, from the recorded pair matrix of `dev-2`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::support::{CommandOutput, Project, Row, Sheet, holds, repository};

const ARMS: &str = "arms=[\"weak-only\",\"strong-only\",\"cascade\",\"cascade-tuned\",\"inter-cascade\",\"similarity-router\",\
                    \"similarity-router-checked\",\"example-replay\"]";
const GATE: [&str; 3] = [
    "deferral.tuned_threshold=0.9419",
    "deferral.checks=[\"calculations\",\"example-replay\"]",
    "deferral.without_example=\"defer\"",
];

fn recording() -> PathBuf {
    repository().join("results/pair-gsm-templates-dev-2")
}

/// Runs a command on the first 40 items of `dev-2` with these journals.
fn on_dev_2(project: &Project, verb: &str, journals: &[PathBuf], further: &[&str]) -> CommandOutput {
    let mut arguments = vec![verb, "--config", "configs/pair-gsm-templates-dev-2.toml"];
    for journal in journals {
        arguments.extend(["--journal", journal.to_str().expect("UTF-8")]);
    }
    for change in [ARMS, "dataset.limit=40"].iter().chain(&GATE) {
        arguments.extend(["--set", change]);
    }
    arguments.extend(further);
    project.run(&arguments)
}

/// Mean of a figure over the rows of an arm.
fn mean(records: &Sheet, arm: &str, figure: impl Fn(&Row) -> bool) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for row in records.rows().filter(|row| row.text("arm") == arm) {
        sum += f64::from(u8::from(figure(&row)));
        count += 1.0;
    }
    assert!(count > 0.0, "{arm}");
    sum / count
}

fn near(one: f64, other: f64) {
    assert!((one - other).abs() < 1e-9, "{one} and {other}");
}

#[test]
fn the_means_are_those_of_a_run_over_the_same_orders() {
    let project = Project::shipped();
    on_dev_2(&project, "run", &[recording()], &["--offline", "--out", "run", "--set", "dataset.orders=7"]).done();
    let output = on_dev_2(&project, "judge", &[recording()], &["--orders", "7", "--out", "judged"]).done();
    holds(&output.out, &["40 items in 10 groups", "primary", "similarity-router"]);
    let (records, arms) = (project.sheet("run", "records"), project.sheet("judged", "arms"));
    assert_eq!(arms.len(), 8);
    for arm in arms.rows() {
        let name = arm.text("arm");
        near(arm.number("accuracy"), mean(&records, name, |row| row.text("score") == "correct"));
        near(arm.number("strong_calls_share"), mean(&records, name, |row| row.flag("deferred")));
    }
    // The rows of the judged arm are the run's, with the number of orders.
    let mut expected: BTreeMap<(String, String, String), u32> = BTreeMap::new();
    for row in records.rows().filter(|row| row.text("arm") == "inter-cascade") {
        let key = ["item_id", "strategies_used", "confidence"].map(|column| row.text(column).to_owned()).into();
        *expected.entry(key).or_default() += 1;
    }
    let mut found = BTreeMap::new();
    let steps = project.sheet("judged", "steps");
    for row in steps.rows().filter(|row| row.text("arm") == "inter-cascade" && row.text("threshold") == "0.95") {
        let key = ["item_id", "example_id", "confidence"].map(|column| row.text(column).to_owned()).into();
        *found.entry(key).or_default() += u32::try_from(row.count("orders")).expect("few");
    }
    assert!(found.len() > 40, "some items get several examples");
    assert_eq!(found, expected);

    // Changes against strong-only and the cascades are those of the run's report.
    let (judgement, accuracy) = (project.sheet("judged", "judgement"), project.sheet("run", "accuracy"));
    let change = |of: &str, against: &str| {
        let mut rows = judgement.rows().filter(|row| row.text("change_of") == of && row.text("against") == against);
        rows.next().expect("an endpoint").number("change")
    };
    let taught = accuracy.rows().find(|row| row.text("arm") == "inter-cascade").expect("a row");
    near(change("system accuracy", "strong-only"), taught.number("change_vs_strong_only_pp"));
    near(change("system accuracy", "cascade"), taught.number("change_vs_cascade_pp"));
    near(change("weak accuracy", "cascade"), taught.number("weak_change_vs_cascade_pp"));
    let calls = project.sheet("run", "strong_calls");
    let taught = calls.rows().find(|row| row.text("arm") == "inter-cascade").expect("a row");
    near(change("strong calls", "cascade"), taught.number("change_vs_cascade_percent"));
    let primary: Vec<String> =
        judgement.rows().filter(|row| row.text("role") == "primary").map(|row| row.text("p_holm").to_owned()).collect();
    assert_eq!(primary.len(), 1);
    for row in judgement.rows().filter(|row| row.text("role") == "secondary" && !row.text("change").is_empty()) {
        assert!(row.number("p_holm") >= row.number("p_value"), "{}", row.text("change_of"));
    }
}

#[test]
fn groups_that_are_not_recorded_whole_are_left_out() {
    let project = Project::shipped();
    let parts: Vec<PathBuf> = (1..=2).map(|part| recording().join(format!("journal-0{part}.parquet"))).collect();
    let output =
        on_dev_2(&project, "judge", &parts, &["--orders", "3", "--set", "dataset.limit=", "--out", "judged"]).done();
    holds(&output.out, &[" of 24 groups that are recorded whole."]);
    let strong = recording().join("journal-01.parquet");
    let output =
        on_dev_2(&project, "judge", &[strong], &["--orders", "3", "--set", "dataset.split=dev", "--out", "none"])
            .done();
    holds(&output.out, &["not recorded; its endpoints count with p = 1."]);
    assert!(project.sheet("none", "judgement").rows().all(|row| row.text("change").is_empty()));
}

#[test]
fn an_unrecorded_set_counts_in_the_adjustment() {
    let project = Project::shipped();
    let least = |out: &str, further: &[&str]| {
        let arguments = [&["--orders", "3", "--set", "dataset.limit=", "--out", out], further].concat();
        on_dev_2(&project, "judge", &[recording()], &arguments).done();
        let judgement = project.sheet(out, "judgement");
        let p_values =
            judgement.rows().filter(|row| row.text("role") == "secondary" && !row.text("p_value").is_empty());
        p_values.map(|row| row.number("p_holm")).fold(1.0, f64::min)
    };
    let alone = least("alone", &[]);
    let both = least("both", &["--config", "configs/pair-gsm-templates-dev.toml"]);
    assert!(alone < 0.05, "{alone}");
    near(both, 2.0 * alone);
    let sets: BTreeMap<String, usize> =
        project.sheet("both", "judgement").rows().fold(BTreeMap::new(), |mut sets, row| {
            *sets.entry(row.text("set").to_owned()).or_default() += 1;
            sets
        });
    assert_eq!(sets.into_values().collect::<Vec<_>>(), [18, 19], "the primary endpoint is of the first set alone");
}

#[test]
fn a_config_that_cannot_be_judged_is_refused() {
    let project = Project::shipped();
    let refused = |change: &str| {
        on_dev_2(&project, "judge", &[recording()], &["--out", "judged", "--set", change]).refused_in_one_line()
    };
    holds(&refused("arms=[\"cascade\",\"inter-cascade\"]"), &["weak-only", "example-replay", "Add them to `arms`"]);
    holds(&refused("learning.k=2"), &["learning.k is 2", "Set learning.k = 1"]);
    assert!(!project.path("judged").exists());
}
