//! User mistakes: each is refused or explained, with the fix, before any paid call.

use crate::support::{Project, Settings, holds};

#[test]
fn shares_outside_0_to_1_are_refused_with_the_share() {
    let project = Project::with(&Settings::simulated());
    for (argument, expected) in [
        ("--strong-calls=40", "40 % is 0.4"),
        ("--strong-calls=40%", "40 % is 0.4"),
        ("--strong-calls=-0.4", "a share from 0 to 1"),
        ("--accuracy=80", "80 % is 0.8"),
        ("--accuracy=nan", "a share from 0 to 1"),
        ("--budget=-1", "must be at least 0"),
        ("--margin=2", "2 % is 0.02"),
        ("--margin=1", "0.02 is two points"),
    ] {
        let output = project.run(&["sweep", "--config", "trial.toml", argument]);
        assert_eq!(output.code, 2, "{argument}");
        holds(&output.err, &[expected]);
    }
    assert!(!project.path("results").exists(), "nothing was run");
}

#[test]
fn a_price_file_that_names_one_model_says_so() {
    let project = Project::with(&Settings::simulated());
    project.trial("out", &[]).done();
    project.write("one.toml", "small = { input = 1.0, output = 1.0 }\n");
    project.run(&["report", "out", "--prices", "one.toml", "--out", "mixed"]).done();
    let summary = project.text("mixed/summary.md");
    holds(&summary, &["computed with the prices of one.toml", "does not name `large`", "fees mix both"]);
    project.write("both.toml", "small = { input = 1.0, output = 1.0 }\nlarge = { input = 2.0, output = 2.0 }\n");
    project.run(&["report", "out", "--prices", "both.toml", "--out", "all"]).done();
    assert!(!project.text("all/summary.md").contains("does not name"));
    project.write("dotted.toml", "model-0.5b = { input = 1.0, output = 1.0 }\n");
    let output = project.run(&["report", "out", "--prices", "dotted.toml"]).refused_in_one_line();
    holds(&output, &["dotted.toml", "Quote a name that contains a dot"]);
}

#[test]
fn a_calibration_too_small_for_any_threshold_is_refused() {
    let project = Project::with(&Settings::simulated());
    let calibrate = ["calibrate", "--config", "trial.toml", "--set", "dataset.calibration=5"];
    for more in [&["--dry-run"][..], &[]] {
        let output = project.run(&[&calibrate[..], more].concat()).refused_in_one_line();
        holds(&output, &["too few calibration items", "at least 30", "dataset.calibration", "--min-accepted"]);
    }
    assert!(!project.path("results").exists(), "nothing was run");
}

#[test]
fn arms_left_out_offline_are_not_called_missing() {
    let project = Project::with(&Settings::simulated());
    project.write("alone.toml", Settings::simulated().set("arms", vec!["strong-only"]).text());
    project.run(&["run", "--config", "alone.toml", "--out", "alone"]).done();
    let output = project.trial("out", &["--journal", "alone/journal.sqlite", "--offline"]);
    assert_eq!(output.code, 1, "{}", output.err);
    holds(
        &output.out,
        &[
            "Cascade: cascade was left out because some of its calls are not recorded",
            "Taught cascade: inter-cascade was left out",
        ],
    );
    assert!(!output.out.contains("`arms` has no") && !output.out.contains("to `arms`"), "{}", output.out);
}

#[test]
fn answers_for_a_budget_count_the_left_out_thresholds() {
    let project = Project::with(&Settings::simulated());
    project.trial("out", &[]).done();
    let sweep = ["sweep", "--config", "trial.toml", "--thresholds", "0.6,0.7,0.8", "--strong-calls", "0.5"];
    let output =
        project.run(&[&sweep[..], &["--journal", "out/journal.sqlite", "--offline", "--out", "swept"]].concat());
    assert_eq!(output.code, 1, "{}", output.err);
    holds(
        &output.out,
        &[
            "At most 50.0 % strong calls",
            "not considered, because some of their calls are not recorded: 2 λ of inter-cascade",
        ],
    );
}

#[test]
fn strategies_of_a_sweep_are_listed_with_their_threshold() {
    let project = Project::with(&Settings::simulated());
    project.run(&["sweep", "--config", "trial.toml", "--thresholds", "0.6,0.8", "--out", "swept"]).done();
    let list = |more: &[&str]| project.run(&[&["strategies", "list", "swept"], more].concat());
    let all = list(&[]).done().out;
    holds(&all, &["at λ 0.6)", "at λ 0.8)"]);
    let one = list(&["--threshold", "0.8"]).done().out;
    assert!(!one.is_empty() && !one.contains("λ"), "{one}");
    holds(&list(&["--threshold", "0.7"]).refused_in_one_line(), &["λ 0.7", "It has strategies at λ 0.6, 0.8"]);
}
