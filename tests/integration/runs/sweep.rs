//! Sweeps, and reports that are rebuilt from records.

use std::collections::{BTreeMap, BTreeSet};

use super::near;
use crate::support::{Project, Settings, Sheet, holds};

const LIST: &str = "0.4,0.55,0.7,0.85";

fn swept(settings: &Settings, arguments: &[&str]) -> (Project, String) {
    swept_at(LIST, settings, arguments)
}

fn swept_at(thresholds: &str, settings: &Settings, arguments: &[&str]) -> (Project, String) {
    let project = Project::with(settings);
    let sweep = ["sweep", "--config", "trial.toml", "--out", "swept", "--thresholds", thresholds];
    let output = project.run(&[&sweep, arguments].concat()).done();
    (project, output.out)
}

fn by_threshold<'a>(sheet: &'a Sheet, arm: &str, column: &str) -> BTreeMap<u64, &'a str> {
    let rows = sheet.rows().filter(|row| row.text("arm") == arm);
    rows.map(|row| (row.number("threshold").to_bits(), row.text(column))).collect()
}

#[test]
fn a_sweep_equals_a_run_at_each_threshold() {
    let (project, _) = swept(&Settings::simulated(), &[]);
    for threshold in LIST.split(',') {
        let out = format!("at-{threshold}");
        let set = format!("deferral.threshold={threshold}");
        project.trial(&out, &["--set", &set]).done();
        let bits = threshold.parse::<f64>().expect("a number").to_bits();
        for (table, columns) in [
            (
                "accuracy",
                &["accuracy", "coverage", "weak_accuracy", "change_vs_cascade_pp", "p_value", "accuracy_low"][..],
            ),
            ("strong_calls", &["strong_calls", "strong_calls_all", "change_vs_cascade_percent", "p_value"]),
        ] {
            let (one, all) = (project.sheet(&out, table), project.sheet("swept", table));
            for arm in ["cascade", "inter-cascade", "inter-cascade-random"] {
                for column in columns {
                    let (one, all) = (by_threshold(&one, arm, column), by_threshold(&all, arm, column));
                    assert_eq!(one[&bits], all[&bits], "{arm} {table}.{column} at {threshold}");
                }
            }
        }
        let total = |folder: &str, arm: &str| -> Vec<String> {
            let fees = project.sheet(folder, "fees");
            let rows = fees.rows().filter(|row| row.text("arm") == arm && row.number("threshold").to_bits() == bits);
            rows.map(|row| format!("{} {} {}", row.text("model"), row.text("purpose"), row.text("fee_usd"))).collect()
        };
        for arm in ["cascade", "inter-cascade"] {
            assert_eq!(total(&out, arm), total("swept", arm), "{arm} at {threshold}");
        }
    }
}

#[test]
fn thresholds_are_chosen_and_evaluated_on_separate_groups() {
    let (project, output) = swept(&Settings::simulated().set("dataset.choose", 0.5), &["--accuracy", "0.6"]);
    holds(
        &output,
        &["chosen on 5 groups (15 items)", "judged on the other 5 (15 items)", "an accuracy of at least 60.0 %"],
    );
    let (chosen, accuracy) = (project.sheet("swept", "chosen"), project.sheet("swept", "accuracy"));
    let arms: Vec<&str> = chosen.rows().map(|row| row.text("arm")).collect();
    assert_eq!(arms, ["strong-only", "cascade", "inter-cascade", "inter-cascade-random"]);
    for row in chosen.rows() {
        let same = |other: &crate::support::Row| {
            other.text("arm") == row.text("arm") && other.optional("threshold") == row.optional("threshold")
        };
        let whole = accuracy.rows().find(same).expect("the row of the whole").number("accuracy");
        near(f64::midpoint(row.number("chosen_on_accuracy"), row.number("judged_on_accuracy")), whole);
    }
    holds(
        &project.text("swept/summary.md"),
        &[
            "## Chosen on one part, judged on the other",
            "the fewest strong calls among the values of λ within 0.5 points",
        ],
    );
    // Settings that only select thresholds from the records do not change the identity of the run.
    project.write("trial.toml", Settings::simulated().text());
    let again = ["sweep", "--config", "trial.toml", "--out", "swept", "--thresholds", LIST];
    assert!(!project.run(&again).done().out.contains("chosen on"));
    let run = project.trial("run", &["--set", "dataset.choose=0.5"]).done();
    holds(&run.out, &["dataset.choose applies only to `sweep`"]);
    let wrong = project.trial("wrong", &["--set", "dataset.choose=1"]).refused_in_one_line();
    holds(&wrong, &["dataset.choose: must be between 0 and 1, not 1"]);
}

#[test]
fn a_cascade_sweep_calls_each_level_once() {
    let settings = Settings::simulated().set("arms", vec!["cascade"]);
    let (project, output) = swept_at("0:1:0.005", &settings, &[]);
    holds(&output, &["60 calls made", "APGR", "of the oracle's area"]);
    let accuracy = project.sheet("swept", "accuracy");
    assert_eq!(accuracy.rows().filter(|row| row.text("arm") == "cascade").count(), 201);
    let curves = project.sheet("swept", "curves");
    let of = |arm: &str| -> Vec<(f64, f64)> {
        let rows = curves.rows().filter(|row| row.text("arm") == arm && row.text("axis") == "strong_call_rate");
        rows.map(|row| (row.number("cost"), row.number("accuracy"))).collect()
    };
    let (weak, strong) = (of("weak-only")[0], of("strong-only")[0]);
    assert_eq!((weak.0, strong.0), (0.0, 1.0));
    assert_eq!(of("random-router"), [weak, strong]);
    assert_eq!(of("cascade")[0], weak, "at λ 0 nothing is deferred");
    let best = of("oracle-router").iter().map(|point| point.1).fold(0.0, f64::max);
    assert!(of("cascade").iter().all(|(_, accuracy)| *accuracy <= best), "nothing beats the oracle");
    let routing = project.sheet("swept", "routing");
    for row in routing.rows() {
        assert_eq!(row.count("thresholds"), 201);
        let (area, apgr) = (row.number("area"), row.number("apgr"));
        near(apgr, (area - weak.1) / (strong.1 - weak.1));
        assert!(row.number("cpt_50") <= row.number("cpt_80") && row.number("oracle_normalised_area") <= 1.0);
    }
}

#[test]
fn budget_and_accuracy_targets_yield_an_arm_and_threshold() {
    let (project, output) =
        swept(&Settings::simulated(), &["--budget", "1", "--accuracy", "0.7", "--strong-calls", "0.05"]);
    holds(
        &output,
        &[
            "At most 1 USD an item: ",
            "At least 70.0 % accuracy at the lowest fee: ",
            "At most 5.0 % strong calls: ",
            " at random to ",
            "; no λ of ",
            "the nearest without mixing is ",
            "accuracy, %, against strong calls, % of the items",
            "coverage",
        ],
    );
    let (accuracy, budgets) = (project.sheet("swept", "accuracy"), project.sheet("swept", "budgets"));
    let best = accuracy.rows().map(|row| row.number("accuracy")).fold(0.0, f64::max);
    let axes: BTreeSet<&str> = budgets.rows().map(|row| row.text("axis")).collect();
    assert_eq!(axes, ["fee_per_item_usd", "strong_call_rate"].into());
    for row in budgets.rows() {
        match row.text("goal") {
            "budget" => assert!(row.number("cost") <= row.number("value")),
            _ => assert!(row.number("accuracy") >= row.number("value")),
        }
    }
    let dearest =
        budgets.rows().filter(|row| row.text("goal") == "budget" && row.text("axis") == "fee_per_item_usd").last();
    near(dearest.expect("a ladder").number("accuracy"), best);
    let (_, output) = swept(&Settings::simulated(), &["--budget", "0", "--accuracy", "1"]);
    holds(
        &output,
        &[
            "At most 0 USD an item: no arm of the sweep is this cheap; the nearest is ",
            "At least 100.0 % accuracy at the lowest fee: no arm of the sweep reaches it; the nearest is ",
        ],
    );
    let (_, output) = swept(&Settings::simulated().without("model.large.price"), &["--budget", "1"]);
    holds(&output, &["a budget needs a price for every model"]);
}

#[test]
fn savings_at_equal_accuracy_are_reported() {
    let (project, output) = swept(&Settings::simulated(), &[]);
    holds(&output, &["cascade's", "at most eight values of λ for each arm"]);
    let savings = project.sheet("swept", "equal_accuracy");
    assert_eq!(savings.len(), 2 * 2 * LIST.split(',').count(), "two axes, two arms");
    let mut comparisons = 0;
    for row in savings.rows() {
        if let Some(change) = row.optional("change_percent") {
            comparisons += 1;
            if let Some(low) = row.optional("change_low_percent") {
                assert!(low <= change && change <= row.number("change_high_percent"));
            }
        }
    }
    assert!(comparisons > 0);
    holds(&project.text("swept/summary.md"), &["## What accuracy costs", "## What is saved", "## For a budget"]);
}

#[test]
fn thresholds_come_from_the_weak_levels_own_confidences() {
    let (project, _) = swept_at("auto:5", &Settings::simulated(), &[]);
    let records = project.sheet("swept", "records");
    let weak = records.rows().filter(|row| row.text("arm") == "weak-only");
    let mut seen: Vec<f64> = weak.map(|row| row.number("confidence")).collect();
    seen.sort_by(f64::total_cmp);
    let accuracy = project.sheet("swept", "accuracy");
    let rows = accuracy.rows().filter(|row| row.text("arm") == "cascade");
    let used: Vec<f64> = rows.map(|row| row.number("threshold")).collect();
    assert_eq!(used.len(), 5);
    assert!(used.iter().all(|threshold| seen.contains(threshold)));
    assert_eq!((used[0].to_bits(), used[4].to_bits()), (seen[0].to_bits(), seen[seen.len() - 1].to_bits()));
}

#[test]
fn a_sweep_resumes_and_is_not_a_run() {
    let (project, _) = swept(&Settings::simulated(), &[]);
    let sweep = ["sweep", "--config", "trial.toml", "--out", "swept", "--thresholds", LIST, "--offline"];
    holds(&project.run(&sweep).done().out, &["0 calls made"]);
    let other = ["sweep", "--config", "trial.toml", "--out", "swept", "--thresholds", "0.5"];
    holds(&project.run(&other).refused(), &["holds another run", "deferral.threshold.swept", "--fresh"]);
    holds(&project.trial("swept", &[]).refused(), &["holds another run"]);
    let refused = project.run(&["sweep", "--config", "trial.toml", "--thresholds", "2"]);
    assert_eq!(refused.code, 2);
    holds(&refused.err, &["2 is not between 0 and 1"]);
}

#[test]
fn reports_are_rebuilt_from_the_records_alone() {
    let calibrate: toml::Table =
        toml::from_str("calibrate = { alpha = 0.45, min_accepted = 3, delta = 0.3 }").expect("TOML");
    let calibrated = Settings::simulated()
        .set("dataset.calibration", 5)
        .set("deferral.threshold", calibrate)
        .set("deferral.calibrate_per_arm", true);
    for (settings, verb) in [(Settings::simulated(), "run"), (calibrated, "run"), (Settings::simulated(), "sweep")] {
        let project = Project::with(&settings);
        project.run(&[verb, "--config", "trial.toml", "--out", "out"]).done();
        // The report needs neither the journal, the config nor the data.
        for removed in ["out/journal.sqlite", "trial.toml", "questions.jsonl"] {
            std::fs::remove_file(project.path(removed)).expect("there");
        }
        let before = project.reports("out");
        let output = project.run(&["report", "out"]).done();
        holds(&output.out, &["nothing changed in out", "inter-cascade"]);
        assert!(before == project.reports("out"));
        project.run(&["report", "out", "--out", "copy"]).done();
        let mut copy = project.reports("copy");
        copy.insert("strategies.jsonl".to_owned(), before["strategies.jsonl"].clone());
        assert_eq!(copy.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
        assert!(copy == before);
    }
}

#[test]
fn new_prices_for_an_old_run_overwrite_nothing() {
    let project = Project::with(&Settings::simulated());
    project.trial("out", &[]).done();
    let before = project.reports("out");
    project.write("prices.toml", "small = { input = 0.2, output = 0.8 }\n");
    let output = project.run(&["report", "out", "--prices", "prices.toml"]).done();
    holds(&output.out, &["rewritten: ", "fees.csv", "set-aside-1", "the prices of prices.toml"]);
    let fee = |folder: &str, model: &str| -> Vec<f64> {
        let sheet = project.sheet(folder, "fees");
        sheet.rows().filter(|row| row.text("model") == model).map(|row| row.number("fee_usd")).collect()
    };
    for (old, new) in fee("out/set-aside-1", "small").iter().zip(fee("out", "small")) {
        near(new, 2.0 * old);
    }
    for (name, bytes) in &before {
        let moved = project.path(&format!("out/set-aside-1/{name}"));
        let current = std::fs::read(if moved.exists() { moved } else { project.path(&format!("out/{name}")) });
        assert_eq!(&current.expect("kept"), bytes, "{name}");
    }
    assert!(!project.path("out/set-aside-1/records.csv").exists(), "records never change");
    // The manifest has the new prices.
    holds(&project.run(&["report", "out"]).done().out, &["nothing changed"]);
}

#[test]
fn folders_that_cannot_be_reported_are_refused() {
    let project = Project::with(&Settings::simulated());
    holds(&project.run(&["report", "nowhere"]).refused_in_one_line(), &["nowhere holds no run"]);
    project.trial("out", &[]).done();
    project.write("prices.toml", "tiny = { input = 0.2, output = 0.8 }\n");
    let priced = |project: &Project| project.run(&["report", "out", "--prices", "prices.toml"]).refused_in_one_line();
    holds(&priced(&project), &["prices.toml: the run has no model `tiny`. Its models: ", "small"]);
    project.write("prices.toml", "small = 3\n");
    holds(&priced(&project), &["prices.toml", "one line for each model"]);
    project.write("prices.toml", "small = { input = -1, output = 0.8 }\n");
    holds(&priced(&project), &["price.input must be"]);
    project.write("out/calls.parquet", "no table");
    holds(&project.run(&["report", "out"]).refused_in_one_line(), &["calls.parquet is not a parquet file"]);
}

#[test]
fn a_sweep_charges_the_cascade_for_score_calibration() {
    let project = Project::with(&Settings::simulated());
    project.write("questions.jsonl", crate::support::problems(40, 2));
    let sets = ["dataset.calibration=20", "deferral.recalibrate=\"platt\"", "arms=[\"cascade\", \"inter-cascade\"]"];
    let mut sweep = vec!["sweep", "--config", "trial.toml", "--thresholds", "0.3,0.6", "--out", "out"];
    sweep.extend(sets.iter().flat_map(|set| ["--set", set]));
    project.run(&sweep).done();
    let fees = project.sheet("out", "fees");
    let calibrated: Vec<_> =
        fees.rows().filter(|row| row.text("purpose") == "calibrate").map(|row| row.text("arm")).collect();
    assert_eq!(calibrated, ["cascade", "cascade", "inter-cascade", "inter-cascade"], "weak-only has no gate");
    holds(&project.run(&["report", "out"]).done().out, &["nothing changed"]);
}
