//! Calibrated thresholds: their guarantee, their cost, and the messages if nothing can be certified.

use std::collections::BTreeSet;

use super::near;
use crate::support::{Project, Settings, Sheet, holds, problems};

const LEARNERS: [&str; 2] = ["inter-cascade", "inter-cascade-random"];

/// Settings with 120 problems in 80 groups, of which forty are held out. The weak level is correct more often than not.
fn settings(alpha: f64) -> Settings {
    let calibrate: toml::Table =
        toml::from_str(&format!("calibrate = {{ alpha = {alpha}, min_accepted = 10 }}")).expect("TOML");
    Settings::simulated()
        .set("dataset.calibration", 40)
        .set("deferral.threshold", calibrate)
        .set("model.small.simulated.accuracy", 0.7)
        .set("model.small.simulated.gain", 0.2)
}

fn project(settings: &Settings) -> Project {
    let project = Project::with(settings);
    project.write("questions.jsonl", problems(80, 2));
    project
}

fn groups<'a>(sheet: &'a Sheet, arm: Option<&str>) -> BTreeSet<&'a str> {
    let rows = sheet.rows().filter(|row| arm.is_none_or(|arm| row.text("arm") == arm));
    rows.map(|row| row.text("group")).collect()
}

#[test]
fn the_threshold_is_calibrated_on_held_out_items() {
    let project = project(&settings(0.35));
    let output = project.trial("out", &[]).done();
    let (apart, stream) = (project.sheet("out", "calibration_items"), project.sheet("out", "records"));
    assert_eq!((apart.len(), groups(&apart, None).len()), (40, 40), "one item of a group");
    assert!(groups(&apart, None).is_disjoint(&groups(&stream, None)));
    assert_eq!(groups(&stream, None).len(), 40);

    // The fee of calibrating the threshold is part of a fee change and of its interval.
    let ends = ["change_vs_cascade_percent", "change_low_percent", "change_high_percent"];
    for row in project.sheet("out", "fees").rows().filter(|row| row.text("purpose") == "total") {
        if let [Some(change), Some(low), Some(high)] = ends.map(|column| row.optional(column)) {
            assert!(low <= change && change <= high, "{}: {change} in {low} to {high}", row.text("arm"));
        }
    }

    let table = project.sheet("out", "calibration");
    let gated: Vec<_> = table.rows().filter(|row| row.optional("alpha").is_some()).collect();
    assert_eq!(gated.len(), 3, "the arms that have a gate");
    let lambda = gated[0].number("threshold");
    assert!(lambda > 0.0 && lambda < 1.0, "{lambda}");
    for row in &gated {
        assert!(row.flag("certified"));
        near(row.number("threshold"), lambda);
        assert_eq!(row.text("calibrated_on"), "answers without strategies");
        let accepted: Vec<_> = apart.rows().filter(|item| item.number("confidence") >= lambda).collect();
        let wrong = accepted.iter().filter(|item| item.text("weak_score") != "correct").count();
        assert_eq!(
            (row.count("calibration_n"), row.count("calibration_accepted"), row.count("calibration_errors")),
            (40, accepted.len(), wrong)
        );
        assert!(row.number("calibration_risk") <= row.number("risk_bound") && row.number("risk_bound") <= 0.35);
        // 1 - 0.1^(1/40).
        near(row.number("smallest_alpha"), 1.0 - 0.1_f64.powf(1.0 / 40.0));
        let of_arm = stream.rows().filter(|item| item.text("arm") == row.text("arm") && !item.flag("deferred"));
        let scores: Vec<&str> = of_arm.map(|item| item.text("score")).collect();
        let (accepted, wrong) = (scores.len(), scores.iter().filter(|score| **score != "correct").count());
        #[expect(clippy::cast_precision_loss, reason = "a test's counts")]
        let risk = wrong as f64 / accepted as f64;
        near(row.number("realised_risk"), risk);
        near(row.number("drift_p_value"), (1.0 / row.number("drift_wealth")).min(1.0));
    }
    for item in stream.rows().filter(|row| row.optional("threshold").is_some()) {
        near(item.number("threshold"), lambda);
        assert_eq!(item.flag("deferred"), item.number("confidence") < lambda);
    }
    let summary = project.text("out/summary.md");
    holds(&summary, &["## The guarantee", "each from another group", "smallest α", "greatest wealth"]);
    assert!(!summary.contains("e-value"));
    assert!(!output.err.contains("NOTHING CERTIFIED"));
}

#[test]
fn the_calibration_fee_is_reported_separately() {
    let project = project(&settings(0.35));
    project.trial("out", &[]).done();
    let calls = project.sheet("out", "calibration_calls");
    let tokens: usize = calls.rows().map(|row| row.count("input_tokens")).sum();
    let fees = project.sheet("out", "fees");
    let rows: Vec<_> = fees.rows().filter(|row| row.text("purpose") == "calibrate").collect();
    let arms: Vec<&str> = rows.iter().map(|row| row.text("arm")).collect();
    assert_eq!(arms, ["cascade", "inter-cascade", "inter-cascade-random"], "each would pay it alone");
    for row in rows {
        assert_eq!((row.count("calls"), row.count("input_tokens"), row.text("model")), (40, tokens, "small"));
    }
}

/// Returns the printed text without the spending.
fn without_spending(output: &str) -> String {
    output.lines().filter(|line| !line.starts_with("spent now: ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn calibrate_prints_what_run_will_use_and_pays_for_it_once() {
    let project = project(&settings(0.35));
    let output = project.run(&["calibrate", "--config", "trial.toml", "--out", "out"]).done();
    holds(
        &output.out,
        &["answers without strategies", "smallest α", "with probability 0.9", "one item drawn from each group"],
    );
    let again = project.run(&["calibrate", "--config", "trial.toml", "--out", "out", "--offline"]).done();
    assert_eq!(without_spending(&output.out), without_spending(&again.out), "every answer is in the journal");
    holds(&again.out, &["spent now: 0 calls", "by this run in total"]);
    let run = project.trial("out", &[]).done();
    let alone = self::project(&settings(0.35));
    let made = |output: &str| -> usize {
        let line = output.lines().find(|line| line.contains("calls made")).expect("the line on calls");
        line.split(' ').next().and_then(|count| count.parse().ok()).expect("a count")
    };
    assert_eq!(made(&run.out) + 40, made(&alone.trial("out", &[]).done().out));
    let lambda = project.sheet("out", "calibration").rows().find_map(|row| row.optional("threshold")).expect("one");
    holds(&output.out, &[&format!("{lambda}")]);
}

#[test]
fn options_override_the_guarantee_of_the_config() {
    let calibrate = |text: &str| -> toml::Table { toml::from_str(&format!("calibrate = {text}")).expect("TOML") };
    let own = calibrate("{ alpha = 0.45, delta = 0.01, grid = \"logit\", min_accepted = 3 }");
    let project = project(&settings(0.45).set("deferral.threshold", own));
    let printed = |arguments: &[&str]| {
        without_spending(&project.run(&[&["calibrate", "--config", "trial.toml"], arguments].concat()).out)
    };
    assert_eq!(printed(&["--alpha", "0.45"]), printed(&[]), "delta, grid and least number stay the config's");
    holds(&printed(&["--delta", "0.2"]), &["with probability 0.8", "at most 0.45", "at least 3 accepted"]);
    let ungated = ["calibrate", "--config", "trial.toml", "--set", "arms=[\"weak-only\", \"strong-only\"]"];
    holds(&project.run(&ungated).refused_in_one_line(), &["`arms` names no arm that defers by confidence"]);
}

#[test]
fn alpha_can_be_requested_for_a_config_without_calibration() {
    let stated = settings(0.35).set("deferral.threshold", 0.5);
    let project = project(&stated);
    let unused = project.trial("stated", &["--dry-run"]).done();
    holds(&unused.out, &["40 items are set apart for calibration (dataset.calibration), but nothing is calibrated"]);
    let output = project
        .run(&["calibrate", "--config", "trial.toml", "--alpha", "0.4", "--delta", "0.2", "--min-accepted", "7"])
        .done();
    holds(&output.out, &["with probability 0.8", "at most 0.4", "at least 7 accepted"]);
    let own =
        ["calibrate", "--config", "trial.toml", "--min-accepted", "7", "--set", "deferral.calibrate_per_arm=true"];
    let output = project.run(&[&own[..], &["--alpha", "0.4"]].concat()).done();
    holds(&output.out, &["own answers", "by the beginning of the stream. Strategies stored later are not covered"]);
    holds(&project.run(&own).refused_in_one_line(), &["calibrate_per_arm", "nothing is calibrated"]);
    let none = ["calibrate", "--config", "trial.toml", "--alpha", "0.4", "--set", "dataset.calibration=0"];
    holds(&project.run(&none).refused_in_one_line(), &["dataset.calibration"]);
}

#[test]
fn without_alpha_calibrate_lists_what_each_threshold_certifies() {
    let project = project(&settings(0.35).set("deferral.threshold", 0.5));
    let ask = |more: &[&str]| {
        project.run(&[&["calibrate", "--config", "trial.toml", "--delta", "0.2", "--min-accepted", "7"], more].concat())
    };
    let output = ask(&["--out", "open"]).done();
    holds(
        &output.out,
        &["certified λ", "the smallest α that can be certified is", "was chosen before these answers were seen"],
    );
    assert!(!output.out.contains("with probability"), "nothing is promised: {}", output.out);
    let table = project.sheet("open", "certifiable");
    let rows: Vec<_> = table.rows().filter(|row| row.text("arm") == "cascade").collect();
    assert!(rows.windows(2).all(|pair| pair[0].number("threshold") > pair[1].number("threshold")));
    assert!(rows.windows(2).all(|pair| pair[0].count("accepted") < pair[1].count("accepted")));
    // With the α of a row, `calibrate` certifies the λ of that row or a lower one. A run may start in the folder.
    let row = rows.iter().find(|row| row.optional("smallest_certified_alpha").is_some()).expect("enough answers");
    let alpha = format!("{:.6}", row.number("smallest_certified_alpha") + 1e-6);
    ask(&["--out", "asked", "--alpha", &alpha]).done();
    let refused = format!(
        "{:.6}",
        rows.iter().filter_map(|row| row.optional("smallest_certified_alpha")).fold(1.0, f64::min) - 1e-3
    );
    let below = ask(&["--out", "below", "--alpha", &refused]);
    assert_eq!(below.code, 1, "{}", below.out);
    holds(&below.out, &["NOTHING CERTIFIED"]);
    project.trial("open", &[]).done();
}

#[test]
fn a_guarantee_is_printed_only_if_it_holds() {
    let arms = vec!["weak-only", "strong-only", "cascade", "inter-cascade", "semantic-cache"];
    let project = project(&settings(0.35).set("arms", arms));
    let output = project.trial("out", &[]).done();
    let calibrate = project.run(&["calibrate", "--config", "trial.toml", "--out", "out"]).done();
    let summary = project.text("out/summary.md");
    for text in [&output.out, &calibrate.out, &summary] {
        holds(
            text,
            &[
                "cascade: with probability 0.9 over the draw of the calibration items, the share of wrong answers",
                "inter-cascade: no guarantee. Its λ (",
                "was chosen on answers without strategies",
                "semantic-cache: no guarantee.",
            ],
        );
        assert!(!text.contains("inter-cascade: with probability"), "{text}");
    }
    let covers = |arm: &str| {
        let table = project.sheet("out", "calibration");
        table.rows().find(|row| row.text("arm") == arm).expect("a row").text("covers").to_owned()
    };
    assert_eq!(["cascade", "inter-cascade", "weak-only"].map(covers), ["accepted answers", "nothing", ""]);
}

#[test]
fn each_learning_arm_can_have_its_own_calibration() {
    let project = project(&settings(0.35).set("deferral.calibrate_per_arm", true));
    project.trial("out", &[]).done();
    let apart = project.sheet("out", "calibration_items");
    for arm in LEARNERS {
        let rows: Vec<_> = apart.rows().filter(|row| row.text("arm") == arm).collect();
        assert_eq!(rows.len(), 40);
        assert!(rows.iter().all(|row| row.flag("deferred")), "it learns from all of them");
        assert!(rows[1..].iter().all(|row| !row.list("strategies_used").is_empty()));
    }
    let table = project.sheet("out", "calibration");
    for row in table.rows().filter(|row| row.optional("alpha").is_some()) {
        let own = LEARNERS.contains(&row.text("arm"));
        assert_eq!(row.text("calibrated_on"), if own { "own answers" } else { "answers without strategies" });
    }
    // The repository carries over: the stream's first item retrieves strategies from the calibration items.
    let ids: BTreeSet<&str> = apart.rows().map(|row| row.text("item_id")).collect();
    let stream = project.sheet("out", "records");
    for row in stream.rows().filter(|row| LEARNERS.contains(&row.text("arm")) && row.count("position") == 0) {
        let used = row.list("strategies_used");
        assert!(used.len() == 2 && used.iter().all(|id| ids.contains(id)), "{used:?}");
        assert_eq!(row.count("repository_size"), 40);
    }
    let strategies = project.text("out/strategies.jsonl");
    let before = strategies.lines().filter(|line| line.contains("\"position\":-")).count();
    assert_eq!(before, 40 * LEARNERS.len() * 2, "of both arms, in both orders");
    // A second run makes no calls, because the orders share the calls of the calibration items.
    let again = project.trial("out", &[]).done();
    holds(&again.out, &["0 calls made"]);
    let fees = project.sheet("out", "fees");
    let strong = fees.rows().filter(|row| row.text("purpose") == "calibrate" && row.text("model") == "large");
    let arms: BTreeSet<&str> = strong.map(|row| row.text("arm")).collect();
    assert_eq!(arms, LEARNERS.into(), "an arm that learned from them asked the strong level too");
}

#[test]
fn without_a_certified_threshold_everything_is_deferred() {
    // The weak level is correct half of the time, and at most a tenth may be wrong.
    let project = project(&settings(0.1).set("model.small.simulated.accuracy", 0.05));
    let output = project.trial("out", &[]).done();
    holds(&output.out, &["NOTHING CERTIFIED", "∞"]);
    assert!(!output.out.contains("Choose another threshold"), "there is none: {}", output.out);
    holds(&project.text("out/summary.md"), &["NOTHING CERTIFIED", "∞ (nothing certified)"]);
    for row in project.sheet("out", "records").rows().filter(|row| row.optional("threshold").is_some()) {
        assert!(row.flag("deferred") && row.number("threshold").is_infinite());
    }
    let table = project.sheet("out", "calibration");
    assert!(table.rows().filter(|row| row.optional("alpha").is_some()).all(|row| !row.flag("certified")));
    let calibrate = project.run(&["calibrate", "--config", "trial.toml", "--out", "out"]);
    assert_eq!(calibrate.code, 1);
    holds(&calibrate.out, &["NOTHING CERTIFIED"]);
}

#[test]
fn an_uncertifiable_guarantee_is_refused_before_any_call() {
    let project = project(&settings(0.05));
    let files = project.files().len();
    let error = project.trial("out", &[]).refused_in_one_line();
    holds(
        &error,
        &["only 40 items are used for λ", "needs at least 45 accepted answers", "smallest certifiable α: 0.0559"],
    );
    assert_eq!(project.files().len(), files);
}

#[test]
fn scores_are_mapped_to_probabilities_monotonically() {
    for method in ["platt", "isotonic"] {
        let project = project(&settings(0.45).set("deferral.recalibrate", method));
        project.trial("out", &[]).done();
        let plain = self::project(&settings(0.45));
        plain.trial("out", &[]).done();
        let scores = |project: &Project| -> Vec<f64> {
            let sheet = project.sheet("out", "records");
            sheet.rows().filter(|row| row.text("arm") == "weak-only").map(|row| row.number("confidence")).collect()
        };
        let mut pairs: Vec<(f64, f64)> = scores(&plain).into_iter().zip(scores(&project)).collect();
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(pairs.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{method} keeps the order");
        assert!(pairs.iter().all(|(_, mapped)| (0.0..=1.0).contains(mapped)));
        assert!(pairs.iter().any(|(score, mapped)| (score - mapped).abs() > 0.01), "{method} changes scores");
        let gated = project.sheet("out", "calibration");
        let row = gated.rows().find(|row| row.optional("alpha").is_some()).expect("a gated arm");
        assert_eq!(row.count("calibration_n"), 20, "the other half fitted the curve");
        holds(&project.text("out/summary.md"), &["confidence recalibrated by"]);
    }
}

#[test]
fn calibration_items_repeated_in_the_stream_are_reported() {
    let twice: String = problems(80, 1)
        .lines()
        .flat_map(|line| {
            [
                line.to_owned(),
                line.replace("\"id\":\"", "\"id\":\"again-").replace("\"group\":\"", "\"group\":\"again-"),
            ]
        })
        .map(|line| line + "\n")
        .collect();
    let project = Project::with(&settings(0.35));
    project.write("questions.jsonl", twice);
    let output = project.trial("out", &[]).done();
    holds(&output.out, &["calibration items have a near-duplicate in the stream", "1.000"]);
    let apart = Project::shipped();
    let mut text = settings(0.45).without("dataset.path").text();
    text = text.replace(
        "[dataset]",
        "[dataset]\nname = \"space-history-mcq\"\nsplit = \"test\"\ncalibration_split = \"dev\"\nper_group = 1",
    );
    apart.write("configs/trial.toml", text.replace("calibration = 40", "calibration = 30"));
    let output = apart.run(&["run", "--config", "configs/trial.toml", "--out", "out"]).done();
    assert!(!output.out.contains("near-duplicate"), "other facts: {}", output.out);
}

#[test]
fn items_can_be_held_out_one_by_one_with_a_note() {
    let project = project(&settings(0.35).set("dataset.group_split", false));
    let output = project.trial("out", &[]).done();
    let (apart, stream) = (project.sheet("out", "calibration_items"), project.sheet("out", "records"));
    assert_eq!((groups(&apart, None).len(), groups(&stream, None).len()), (40, 80), "the siblings stay");
    let ids: BTreeSet<&str> = apart.rows().map(|row| row.text("item_id")).collect();
    assert!(stream.rows().all(|row| !ids.contains(row.text("item_id"))));
    holds(&output.out, &["variants in the stream (group_split = false)"]);
}

#[test]
fn a_separate_split_can_be_used_for_calibration() {
    let project = Project::shipped();
    let set = |value: &str| value.to_owned();
    let sets = [
        set("dataset.name=gsm-templates"),
        set("dataset.split=test"),
        set("dataset.calibration=20"),
        set("dataset.calibration_split=dev"),
    ];
    let mut text = settings(0.45).without("dataset.path").text();
    text.push('\n');
    project.write("configs/trial.toml", text);
    let mut arguments = vec!["run", "--config", "configs/trial.toml", "--out", "out", "--set", "dataset.per_group=1"];
    for value in &sets {
        arguments.extend(["--set", value]);
    }
    project.run(&arguments).done();
    let (apart, stream) = (project.sheet("out", "calibration_items"), project.sheet("out", "records"));
    assert_eq!(groups(&apart, None).len(), 20);
    assert!(groups(&apart, None).is_disjoint(&groups(&stream, None)));
    holds(&project.text("out/summary.md"), &["20 items of split dev"]);
}

#[test]
fn calibration_errors_name_their_key() {
    let calibrate = |text: &str| -> toml::Table { toml::from_str(&format!("calibrate = {text}")).expect("TOML") };
    let threshold = |text: &str| settings(0.35).set("deferral.threshold", calibrate(text));
    let cases = [
        (settings(0.35).set("dataset.calibration", 0), "set dataset.calibration to their number"),
        (settings(0.35).set("dataset.calibration", 100), "calibration = 100 is too large: there are 80 groups"),
        (threshold("{ alpha = 0.0 }"), "calibrate.alpha: must be between 0 and 1, not 0"),
        (threshold("{ alpha = 0.3, delta = 1.0 }"), "calibrate.delta: must be between 0 and 1, not 1"),
        (threshold("{ alpha = 0.3, grid = 0 }"), "grid and min_accepted must be at least 1"),
        (threshold("{ alpha = 0.3, grid = \"log\" }"), "must be a number from 0 to 1, or { calibrate"),
        (threshold("{ alfa = 0.3 }"), "must be a number from 0 to 1, or { calibrate"),
        (threshold("{ alpha = 0.3, min_accepted = 41 }"), "needs at least 41 accepted answers"),
        (settings(0.35).set("dataset.calibration_split", "dev"), "`split` applies to a data set of the catalogue"),
        (
            settings(0.35).set("deferral.threshold", 0.5).set("deferral.calibrate_per_arm", true),
            "nothing is calibrated",
        ),
        (settings(0.35).set("deferral.recalibrate", "plat"), "did you mean `platt`?"),
    ];
    for (settings, complaint) in cases {
        let project = project(&settings);
        let error = project.trial("out", &[]).refused_in_one_line();
        holds(&error, &[complaint]);
    }
}
