//! Thresholds told from calibration items: what they guarantee, what they cost, and what is said where nothing can be.

use std::collections::BTreeSet;

use super::near;
use crate::support::{Project, Settings, Sheet, holds, problems};

const LEARNERS: [&str; 2] = ["inter-cascade", "inter-cascade-random"];

/// 120 problems in 80 groups, forty of which are set apart; the weak level is right more often than not.
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
fn a_threshold_is_told_from_items_that_the_stream_does_not_hold() {
    let project = project(&settings(0.35));
    let said = project.trial("out", &[]).done();
    let (apart, stream) = (project.sheet("out", "calibration_items"), project.sheet("out", "records"));
    assert_eq!((apart.len(), groups(&apart, None).len()), (40, 40), "one item of a group");
    assert!(groups(&apart, None).is_disjoint(&groups(&stream, None)));
    assert_eq!(groups(&stream, None).len(), 40);

    // What the threshold took stands in a fee's change and in its interval.
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
        assert_eq!(row.text("told_from"), "answers without strategies");
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
    holds(&summary, &["## The guarantee", "one of each of 40 groups", "smallest α", "greatest wealth"]);
    assert!(!summary.contains("e-value"));
    assert!(!said.err.contains("NOTHING CERTIFIED"));
}

#[test]
fn what_calibrating_took_is_a_fee_of_its_own() {
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

/// What was said, but for what was spent.
fn unpaid(said: &str) -> String {
    said.lines().filter(|line| !line.starts_with("spent now: ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn calibrate_prints_what_run_will_use_and_pays_for_it_once() {
    let project = project(&settings(0.35));
    let said = project.run(&["calibrate", "--config", "trial.toml", "--out", "out"]).done();
    holds(
        &said.out,
        &["answers without strategies", "smallest α", "with probability 0.9", "an item drawn from a group"],
    );
    let again = project.run(&["calibrate", "--config", "trial.toml", "--out", "out", "--offline"]).done();
    assert_eq!(unpaid(&said.out), unpaid(&again.out), "every answer is in the journal");
    holds(&again.out, &["spent now: 0 calls", "by this run in all"]);
    let run = project.trial("out", &[]).done();
    let alone = self::project(&settings(0.35));
    let made = |said: &str| -> usize {
        let line = said.lines().find(|line| line.contains("calls made")).expect("told");
        line.split(' ').next().and_then(|count| count.parse().ok()).expect("a count")
    };
    assert_eq!(made(&run.out) + 40, made(&alone.trial("out", &[]).done().out));
    let lambda = project.sheet("out", "calibration").rows().find_map(|row| row.optional("threshold")).expect("one");
    holds(&said.out, &[&format!("{lambda}")]);
}

#[test]
fn what_is_asked_for_lies_over_the_guarantee_of_the_config() {
    let calibrate = |text: &str| -> toml::Table { toml::from_str(&format!("calibrate = {text}")).expect("TOML") };
    let own = calibrate("{ alpha = 0.45, delta = 0.01, grid = \"logit\", min_accepted = 3 }");
    let project = project(&settings(0.45).set("deferral.threshold", own));
    let told =
        |arguments: &[&str]| unpaid(&project.run(&[&["calibrate", "--config", "trial.toml"], arguments].concat()).out);
    assert_eq!(told(&["--alpha", "0.45"]), told(&[]), "delta, grid and least number stay the config's");
    holds(&told(&["--delta", "0.2"]), &["with probability 0.8", "at most 0.45", "at least 3 accepted"]);
    let ungated = ["calibrate", "--config", "trial.toml", "--set", "arms=[\"weak-only\", \"strong-only\"]"];
    holds(&project.run(&ungated).refused_in_one_line(), &["`arms` names none that is gated by confidence"]);
}

#[test]
fn alpha_can_be_asked_for_without_a_config_that_calibrates() {
    let stated = settings(0.35).set("deferral.threshold", 0.5);
    let project = project(&stated);
    let unused = project.trial("stated", &["--dry-run"]).done();
    holds(
        &unused.out,
        &["40 items are set apart for calibration (dataset.calibration), and nothing is told from them"],
    );
    let said = project
        .run(&["calibrate", "--config", "trial.toml", "--alpha", "0.4", "--delta", "0.2", "--min-accepted", "7"])
        .done();
    holds(&said.out, &["with probability 0.8", "at most 0.4", "at least 7 accepted"]);
    let own =
        ["calibrate", "--config", "trial.toml", "--min-accepted", "7", "--set", "deferral.calibrate_per_arm=true"];
    let said = project.run(&[&own[..], &["--alpha", "0.4"]].concat()).done();
    holds(&said.out, &["own answers", "by the beginning of the stream. What it learns later is not covered"]);
    holds(&project.run(&own).refused_in_one_line(), &["calibrate_per_arm", "there is nothing to calibrate"]);
    let none = ["calibrate", "--config", "trial.toml", "--alpha", "0.4", "--set", "dataset.calibration=0"];
    holds(&project.run(&none).refused_in_one_line(), &["dataset.calibration"]);
}

#[test]
fn without_an_alpha_calibrate_says_which_can_be_certified_at_which_threshold() {
    let project = project(&settings(0.35).set("deferral.threshold", 0.5));
    let ask = |more: &[&str]| {
        project.run(&[&["calibrate", "--config", "trial.toml", "--delta", "0.2", "--min-accepted", "7"], more].concat())
    };
    let said = ask(&["--out", "open"]).done();
    holds(
        &said.out,
        &["certified λ", "the smallest α that can be certified is", "was chosen before these answers were seen"],
    );
    assert!(!said.out.contains("with probability"), "nothing is promised: {}", said.out);
    let table = project.sheet("open", "certifiable");
    let rows: Vec<_> = table.rows().filter(|row| row.text("arm") == "cascade").collect();
    assert!(rows.windows(2).all(|pair| pair[0].number("threshold") > pair[1].number("threshold")));
    assert!(rows.windows(2).all(|pair| pair[0].count("accepted") < pair[1].count("accepted")));
    // Asked for the α of a row, the verb certifies that row's λ or a lower one; a run may begin in the folder.
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
fn a_guarantee_is_printed_only_where_it_holds() {
    let arms = vec!["weak-only", "strong-only", "cascade", "inter-cascade", "semantic-cache"];
    let project = project(&settings(0.35).set("arms", arms));
    let said = project.trial("out", &[]).done();
    let calibrate = project.run(&["calibrate", "--config", "trial.toml", "--out", "out"]).done();
    let summary = project.text("out/summary.md");
    for text in [&said.out, &calibrate.out, &summary] {
        holds(
            text,
            &[
                "cascade: with probability 0.9 over the draw of the items, at most 0.35",
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
fn each_learning_arm_can_be_calibrated_on_what_it_does_itself() {
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
        assert_eq!(row.text("told_from"), if own { "own answers" } else { "answers without strategies" });
    }
    // The repository goes on: the stream's first item is shown what the calibration items left.
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
    // A second run asks nothing: orders share what the calibration items were asked.
    let again = project.trial("out", &[]).done();
    holds(&again.out, &["0 calls made"]);
    let fees = project.sheet("out", "fees");
    let strong = fees.rows().filter(|row| row.text("purpose") == "calibrate" && row.text("model") == "large");
    let arms: BTreeSet<&str> = strong.map(|row| row.text("arm")).collect();
    assert_eq!(arms, LEARNERS.into(), "an arm that learned from them asked the strong level too");
}

#[test]
fn where_nothing_is_certified_everything_is_deferred_and_it_is_said_loudly() {
    // Right half of the time, and asked to be wrong in at most a tenth.
    let project = project(&settings(0.1).set("model.small.simulated.accuracy", 0.05));
    let said = project.trial("out", &[]).done();
    holds(&said.out, &["NOTHING CERTIFIED", "∞"]);
    assert!(!said.out.contains("another threshold would tell more"), "there is none: {}", said.out);
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
fn what_can_never_be_certified_is_refused_before_any_call() {
    let project = project(&settings(0.05));
    let files = project.files().len();
    let error = project.trial("out", &[]).refused_in_one_line();
    holds(&error, &["40 items tell λ", "needs 45 accepted answers", "smallest α that 40 can certify is 0.0559"]);
    assert_eq!(project.files().len(), files);
}

#[test]
fn scores_become_probabilities_and_keep_their_order() {
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
fn calibration_items_that_the_stream_repeats_are_told() {
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
    let said = project.trial("out", &[]).done();
    holds(&said.out, &["calibration items have a near-duplicate in the stream", "1.000"]);
    let apart = Project::shipped();
    let mut text = settings(0.45).without("dataset.path").text();
    text = text.replace(
        "[dataset]",
        "[dataset]\nname = \"space-history-mcq\"\nsplit = \"test\"\ncalibration_split = \"dev\"\nper_group = 1",
    );
    apart.write("configs/trial.toml", text.replace("calibration = 40", "calibration = 30"));
    let said = apart.run(&["run", "--config", "configs/trial.toml", "--out", "out"]).done();
    assert!(!said.out.contains("near-duplicate"), "other facts: {}", said.out);
}

#[test]
fn items_alone_can_be_set_apart_and_it_is_said() {
    let project = project(&settings(0.35).set("dataset.group_split", false));
    let said = project.trial("out", &[]).done();
    let (apart, stream) = (project.sheet("out", "calibration_items"), project.sheet("out", "records"));
    assert_eq!((groups(&apart, None).len(), groups(&stream, None).len()), (40, 80), "the siblings stay");
    let ids: BTreeSet<&str> = apart.rows().map(|row| row.text("item_id")).collect();
    assert!(stream.rows().all(|row| !ids.contains(row.text("item_id"))));
    holds(&said.out, &["siblings in the stream (group_split = false)"]);
}

#[test]
fn a_split_of_its_own_can_be_calibrated_on() {
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
fn what_is_wrong_with_a_calibration_is_told_by_its_key() {
    let calibrate = |text: &str| -> toml::Table { toml::from_str(&format!("calibrate = {text}")).expect("TOML") };
    let threshold = |text: &str| settings(0.35).set("deferral.threshold", calibrate(text));
    let cases = [
        (settings(0.35).set("dataset.calibration", 0), "set dataset.calibration to their number"),
        (settings(0.35).set("dataset.calibration", 100), "calibration is 100, and there are 80 groups"),
        (threshold("{ alpha = 0.0 }"), "calibrate.alpha: must lie between 0 and 1, not 0"),
        (threshold("{ alpha = 0.3, delta = 1.0 }"), "calibrate.delta: must lie between 0 and 1, not 1"),
        (threshold("{ alpha = 0.3, grid = 0 }"), "grid and min_accepted must be at least 1"),
        (threshold("{ alpha = 0.3, grid = \"log\" }"), "must be a number from 0 to 1, or { calibrate"),
        (threshold("{ alfa = 0.3 }"), "must be a number from 0 to 1, or { calibrate"),
        (threshold("{ alpha = 0.3, min_accepted = 41 }"), "needs 41 accepted answers"),
        (settings(0.35).set("dataset.calibration_split", "dev"), "`split` goes with a name of the catalogue"),
        (
            settings(0.35).set("deferral.threshold", 0.5).set("deferral.calibrate_per_arm", true),
            "there is nothing to calibrate",
        ),
        (settings(0.35).set("deferral.recalibrate", "plat"), "did you mean `platt`?"),
    ];
    for (settings, complaint) in cases {
        let project = project(&settings);
        let error = project.trial("out", &[]).refused_in_one_line();
        holds(&error, &[complaint]);
    }
}
