//! Recommendation at the end of a run or sweep: strong level alone, cascade, or Inter-Cascade.

use serde_json::Value;

use super::near;
use crate::support::{Project, Settings, holds, problems};

/// Recommendation of a command: its last five lines, and `recommendation.json`.
struct Decision {
    lines: Vec<String>,
    file: Value,
    summary: String,
}

impl Decision {
    fn of(project: &Project, verb: &str, arguments: &[&str]) -> Self {
        let output = project.run(&[&[verb, "--config", "trial.toml", "--out", "out"], arguments].concat()).done().out;
        let lines: Vec<String> = output.lines().map(str::to_owned).collect();
        let file = serde_json::from_str(&project.text("out/recommendation.json")).expect("JSON");
        Self { lines: lines[lines.len() - 5..].to_vec(), file, summary: project.text("out/summary.md") }
    }

    fn number(&self, pointer: &str) -> f64 {
        self.file.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("{pointer}: {}", self.file))
    }

    fn text(&self, pointer: &str) -> &str {
        self.file.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer}: {}", self.file))
    }
}

/// Settings with problems in `groups` groups of one item, both levels simulated, and one order.
fn project(groups: usize, weak: f64, strong: f64, change: impl Fn(Settings) -> Settings) -> Project {
    let settings = Settings::simulated()
        .set("dataset.orders", 1)
        .set("arms", vec!["weak-only", "strong-only", "cascade"])
        .set("model.small.simulated.accuracy", weak)
        .set("model.large.simulated.accuracy", strong);
    let project = Project::with(&change(settings));
    project.write("questions.jsonl", problems(groups, 1));
    project
}

#[test]
fn a_cheaper_cascade_of_equal_accuracy_is_recommended() {
    // A weak level that is nearly always correct: λ 0.5 costs no accuracy, and few items are deferred.
    let project = project(400, 0.99, 0.9, |settings| settings.set("deferral.threshold", 0.5));
    let found = Decision::of(&project, "run", &[]);
    assert_eq!((found.text("/outcome"), found.text("/take/arm")), ("pays", "cascade"));
    near(found.number("/take/threshold"), 0.5);
    near(found.number("/margin"), 0.02);
    assert!(found.number("/cascade/accuracy_vs_strong/low") >= -0.02);
    assert!(found.number("/cascade/cost_vs_strong/high") < 0.0);
    let strong = project.sheet("out", "accuracy");
    let strong = strong.rows().find(|row| row.text("arm") == "strong-only").expect("the arm");
    near(found.number("/strong/accuracy/value"), strong.number("accuracy"));
    near(found.number("/strong/cost_per_1000"), strong.number("fee_per_1000_usd"));
    assert!(found.lines[0].starts_with("Strong alone: accuracy ") && found.lines[0].contains("USD per 1,000 queries"));
    holds(&found.lines[1], &["Cascade at λ 0.5: ", "against strong alone +"]);
    holds(&found.lines[2], &["Taught cascade: `arms` has no arm that learns"]);
    holds(&found.lines[3], &["Take cascade at λ 0.5: ", "lose at most 2.0 points"]);
    holds(
        &found.lines[4],
        &[
            "decides nothing about models: `small` is simulated",
            "Chosen on the same 400 questions that the figures are from",
            "400 groups",
            "check on others",
        ],
    );
    // The summary begins with the same text, and the file contains it.
    let section = found.summary.split("\n## ").nth(1).expect("a section");
    assert!(section.starts_with("What to take\n"));
    for (index, line) in found.lines.iter().enumerate() {
        holds(section, &[line]);
        assert_eq!(found.text(&format!("/lines/{index}")), line);
    }
    // The report from the records alone has the same recommendation.
    holds(&project.run(&["report", "out"]).done().out, &["nothing changed in out", &found.lines[3]]);
}

#[test]
fn no_cascade_pays_if_the_weak_level_is_overconfident() {
    let project = project(400, 0.3, 0.95, |settings| settings.set("deferral.threshold", 0.5));
    let found = Decision::of(&project, "run", &[]);
    assert_eq!((found.text("/outcome"), found.text("/take/arm")), ("nothing pays", "strong-only"));
    assert_eq!(found.text("/cascade/verdict"), "does not pay");
    assert!(found.number("/cascade/accuracy_vs_strong/high") < -0.02);
    holds(&found.lines[3], &["Take strong alone: nothing else pays.", "cascade at λ 0.5 loses more than the margin"]);
    // A margin of 0.9 allows this loss of accuracy.
    let wide = Decision::of(&project, "run", &["--margin", "0.9"]);
    assert_eq!((wide.text("/outcome"), wide.text("/take/arm")), ("pays", "cascade"));
    holds(&wide.lines[3], &["at most 90.0 points"]);
    holds(&project.run(&["report", "out"]).done().out, &["nothing changed in out", "at most 90.0 points"]);
    let refused = project.run(&["run", "--config", "trial.toml", "--margin", "2"]);
    assert_eq!(refused.code, 2);
    holds(&refused.err, &["2 % is 0.02"]);
}

#[test]
fn too_few_groups_are_reported_with_the_missing_number() {
    let project = project(30, 0.999, 0.999, |settings| settings.set("deferral.threshold", 0.5));
    let found = Decision::of(&project, "run", &[]);
    assert_eq!((found.text("/outcome"), found.text("/take/arm")), ("insufficient evidence", "strong-only"));
    assert_eq!((found.text("/open/arm"), found.text("/cascade/verdict")), ("cascade", "open"));
    let more = found.number("/more_groups");
    // Without any observed difference, 183 groups bound the share of differing groups to the margin.
    assert!(more >= 153.0, "{more}");
    holds(&found.lines[3], &["Insufficient evidence: about ", "more groups of questions are needed"]);
    holds(&found.lines[3], &[&format!("about {more} more")]);
}

#[test]
fn without_prices_the_cost_is_the_strong_requests() {
    let unpriced = |settings: Settings| {
        settings.without("model.large.price").without("model.small.price").set("deferral.threshold", 0.5)
    };
    let project = project(400, 0.99, 0.9, unpriced);
    let found = Decision::of(&project, "run", &[]);
    assert_eq!(found.text("/cost_unit"), "requests of the strong level per 1,000 queries");
    near(found.number("/strong/cost_per_1000"), 1000.0);
    let calls = project.sheet("out", "strong_calls");
    let cascade = calls.rows().find(|row| row.text("arm") == "cascade").expect("the arm");
    near(found.number("/cascade/cost_per_1000"), cascade.number("strong_calls") / 400.0 * 1000.0);
    holds(&found.lines[0], &["no price, 1000 requests of the strong level per 1,000 queries"]);
    assert_eq!(found.text("/take/arm"), "cascade");
    let accuracy = project.sheet("out", "accuracy");
    assert!(accuracy.rows().all(|row| row.optional("fee_per_1000_usd").is_none()));
    assert!(!found.summary.contains("USD per 1,000 queries"), "no column without prices");
}

#[test]
fn a_run_without_strong_only_reports_the_missing_arm() {
    let project = project(30, 0.9, 0.9, |settings| settings.set("arms", vec!["cascade", "inter-cascade"]));
    let found = Decision::of(&project, "run", &[]);
    assert_eq!(found.text("/outcome"), "no strong-only");
    assert_eq!((found.file["take"].clone(), found.file["strong"].clone()), (Value::Null, Value::Null));
    holds(&found.lines[0], &["`arms` has no strong-only"]);
    holds(&found.lines[1], &["Cascade at λ 0.7: accuracy "]);
    holds(&found.lines[2], &["Taught cascade (inter-cascade) at λ 0.7: accuracy "]);
    holds(&found.lines[3], &["Take: unknown, since strong-only is missing; add it to `arms`"]);
}

#[test]
fn a_sweep_notes_that_it_picks_and_judges_on_the_same_items() {
    let arms = vec!["weak-only", "strong-only", "cascade", "inter-cascade"];
    let project = project(300, 0.97, 0.9, |settings| settings.set("arms", arms.clone()));
    let thresholds = ["--thresholds", "0.3,0.5,0.7,0.9", "--strong-calls", "0.5"];
    let found = Decision::of(&project, "sweep", &thresholds);
    assert_eq!(found.text("/outcome"), "pays");
    let candidates = found.file["candidates"].as_array().expect("candidates");
    assert_eq!(candidates.len(), 8, "two arms at four λ");
    let paying = candidates.iter().filter(|candidate| candidate["verdict"] == "pays");
    let cheapest =
        paying.map(|candidate| candidate["cost_per_1000"].as_f64().expect("a cost")).fold(f64::INFINITY, f64::min);
    let chosen = candidates.iter().find(|candidate| {
        candidate["arm"] == found.file["take"]["arm"] && candidate["threshold"] == found.file["take"]["threshold"]
    });
    near(chosen.expect("a candidate")["cost_per_1000"].as_f64().expect("a cost"), cheapest);
    holds(&found.lines[4], &["the best of 4 λ on these questions", "Chosen on the same 300 questions"]);
    holds(&found.lines[2], &["Taught cascade (inter-cascade) at λ 0."]);
    let report = project.run(&["report", "out"]).done().out;
    holds(&report, &["nothing changed in out"]);
}

#[test]
fn answers_to_budgets_precede_the_recommendation() {
    let project = project(60, 0.6, 0.9, |settings| settings);
    let output = project
        .run(&["sweep", "--config", "trial.toml", "--out", "out", "--thresholds", "auto:30", "--strong-calls", "0.4"])
        .done()
        .out;
    let at = |part: &str| output.find(part).unwrap_or_else(|| panic!("{part}: {output}"));
    assert!(
        at("at most eight values of λ") < at("At most 40.0 % strong calls: ")
            && at("At most 40.0 %") < at("Strong alone: ")
    );
    // The printed table shows eight of the cascade's thirty values of λ. The files have all of them, with all digits.
    let printed_rows = output.lines().filter(|line| line.starts_with("cascade ") && line.contains('%')).count();
    assert!((1..=8).contains(&printed_rows), "{printed_rows}");
    let accuracy = project.sheet("out", "accuracy");
    let exact: Vec<f64> =
        accuracy.rows().filter(|row| row.text("arm") == "cascade").map(|row| row.number("threshold")).collect();
    assert_eq!(exact.len(), 30);
    assert!(exact.iter().any(|threshold| threshold.to_string().len() > 8), "confidences in full");
    let long = |line: &&str| line.split_whitespace().any(|word| word.starts_with("0.") && word.len() > 8);
    let tables = output.lines().filter(|line| line.starts_with(' '));
    assert_eq!(tables.filter(long).collect::<Vec<_>>(), Vec::<&str>::new(), "short λ");
}
