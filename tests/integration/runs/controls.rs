//! All arms with items for which the weak level is not called: their figures in the tables, strong-only and a cascade
//! with a separate λ as references, and the frontier.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use intercascade::types::arm::Arm;

use super::{Finished, near, of_arm};
use crate::support::{Project, Row, Settings, Sheet, holds, repository};

/// Separate λ of the tuned cascade.
const TUNED: f64 = 0.5;

/// Arms that retrieve examples and may find none.
const SHOWING: [Arm; 5] =
    [Arm::InterCascade, Arm::InterCascadeRandom, Arm::Retrieval, Arm::SimilarityRouter, Arm::SimilarityRouterChecked];

pub(crate) fn settings(arms: &[Arm]) -> Settings {
    Settings::simulated()
        .set("arms", arms.iter().map(|arm| arm.name()).collect::<Vec<_>>())
        .set("deferral.without_example", "defer")
        .set("deferral.tuned_threshold", TUNED)
        .set("learning.distil", "second-call")
        .set("learning.min_similarity", 0.6)
        .set("learning.fixed_example.question", "Ada wants 9 nails at 2 dollars each. What do the nails cost?")
        .set("learning.fixed_example.solution", "The nails cost 9*2=18 dollars.\n#### 18")
        .set("learning.fixed_example.answer", "18")
}

/// Returns a run of all arms, made once.
fn all() -> &'static Finished {
    static ALL: OnceLock<Finished> = OnceLock::new();
    ALL.get_or_init(|| Finished::of(&settings(&Arm::ALL)))
}

fn row(sheet: &Sheet, arm: Arm) -> Row<'_> {
    let rows = of_arm(sheet, arm.name());
    assert_eq!(rows.len(), 1, "{arm}");
    rows[0]
}

/// Item counts over all orders by the use of the weak level, and its correct answers: called, and filled in from
/// weak-only.
#[derive(Debug, Default, PartialEq)]
struct Weak {
    asked: usize,
    asked_right: usize,
    unasked: usize,
    unasked_right: usize,
}

fn weak(records: &Sheet, arm: Arm) -> Weak {
    let key = |row: &Row<'_>| (row.count("order"), row.text("item_id").to_owned());
    let right = |row: &Row<'_>| row.text("weak_score") == "correct";
    let alone: BTreeMap<_, bool> =
        of_arm(records, "weak-only").iter().map(|record| (key(record), right(record))).collect();
    let mut found = Weak::default();
    for record in of_arm(records, arm.name()) {
        if record.text("weak_score").is_empty() {
            assert!(record.flag("deferred") && record.text("strategies_used").is_empty());
            found.unasked += 1;
            found.unasked_right += usize::from(alone.get(&key(&record)).is_some_and(|right| *right));
        } else {
            found.asked += 1;
            found.asked_right += usize::from(right(&record));
        }
    }
    found
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred rows")]
fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

#[test]
fn weak_only_fills_in_for_unasked_items_and_is_marked() {
    let (records, accuracy) = (all().sheet("records"), all().sheet("accuracy"));
    let cascade = row(&accuracy, Arm::Cascade);
    for arm in SHOWING {
        let (found, row) = (weak(&records, arm), row(&accuracy, arm));
        assert!(found.asked > 0 && found.unasked > 0, "{arm}: {found:?}");
        assert_eq!((row.count("weak_asked"), row.count("weak_from_weak_only")), (found.asked, found.unasked), "{arm}");
        let whole = share(found.asked_right + found.unasked_right, found.asked + found.unasked);
        near(row.number("weak_accuracy"), whole);
        near(row.number("weak_accuracy_asked"), share(found.asked_right, found.asked));
        near(row.number("weak_change_vs_cascade_pp"), 100.0 * (whole - cascade.number("weak_accuracy")));
    }
    for arm in [Arm::Cascade, Arm::CascadeTuned, Arm::WeakOnly, Arm::FixedExample] {
        let row = row(&accuracy, arm);
        let items = row.count("n") * row.count("orders");
        assert_eq!((row.count("weak_asked"), row.count("weak_from_weak_only")), (items, 0), "{arm}");
        assert_eq!(row.text("weak_accuracy"), row.text("weak_accuracy_asked"), "{arm}");
        assert_eq!(row.text("weak_change_vs_cascade_pp"), row.text("weak_change_asked_pp"), "{arm}");
    }
    for arm in [Arm::StrongOnly, Arm::StrongWithExamples, Arm::ExampleReplay] {
        let row = row(&accuracy, arm);
        assert_eq!((row.count("weak_asked"), row.count("weak_from_weak_only")), (0, 0), "{arm}");
        assert_eq!(["weak_accuracy", "weak_accuracy_asked"].map(|column| row.text(column)), [""; 2], "{arm}");
    }
    let calibration = all().sheet("calibration");
    for arm in SHOWING {
        let (found, row) = (weak(&records, arm), row(&calibration, arm));
        assert_eq!((row.count("n"), row.count("n_asked")), (found.asked + found.unasked, found.asked), "{arm}");
        assert_eq!(row.count("weak_from_weak_only"), found.unasked, "{arm}");
        assert!(row.number("auroc_asked_low") <= row.number("auroc_asked"), "{arm}");
    }
    let summary = all().text("summary.md");
    holds(summary, &["use weak-only's answer to the same item", "| weak accuracy † |", "| weak level not asked |"]);
    holds(
        summary,
        &["with weak-only's answer both with and without strategies", "AUROC, asked", "| inter-cascade † |"],
    );
    holds(&all().output.out, &["†", "weak-only's answer", "cascade-tuned"]);
}

#[test]
fn without_weak_only_figures_cover_asked_items_only() {
    let run = Finished::of(&settings(&[Arm::Cascade, Arm::InterCascade, Arm::CascadeTuned, Arm::FixedExample]));
    let (records, accuracy) = (run.sheet("records"), run.sheet("accuracy"));
    let (found, row) = (weak(&records, Arm::InterCascade), row(&accuracy, Arm::InterCascade));
    assert_eq!((row.count("weak_asked"), row.count("weak_from_weak_only")), (found.asked, 0));
    assert_eq!((row.text("weak_accuracy"), row.text("weak_change_vs_cascade_pp")), ("", ""));
    near(row.number("weak_accuracy_asked"), share(found.asked_right, found.asked));
    assert!(row.optional("weak_change_asked_pp").is_some());
    let calibration = run.sheet("calibration");
    let worth = self::row(&calibration, Arm::InterCascade);
    assert_eq!((worth.optional("auroc"), worth.count("n_asked")), (None, found.asked));
    assert!(worth.optional("auroc_asked").is_some());
    assert_eq!(of_arm(&run.sheet("reliability"), "inter-cascade").len(), 0);
    let summary = run.text("summary.md");
    holds(summary, &["The run has no arm weak-only", "are left out, since the run has no arm weak-only"]);
    assert!(!summary.contains('†') && !summary.contains("Against the strong level alone"));
    for table in ["accuracy", "strong_calls"] {
        let sheet = run.sheet(table);
        let columns: Vec<&String> = sheet.columns.iter().filter(|name| name.contains("strong_only")).collect();
        assert!(!columns.is_empty());
        assert!(sheet.rows().all(|row| columns.iter().all(|column| row.text(column).is_empty())), "{table}");
    }
}

#[test]
fn every_arm_is_compared_with_strong_only_and_the_tuned_cascade() {
    let (accuracy, calls) = (all().sheet("accuracy"), all().sheet("strong_calls"));
    let fees = all().sheet("fees");
    let fee = |arm: Arm| -> f64 {
        let of_arm = of_arm(&fees, arm.name());
        of_arm.iter().filter(|row| row.text("purpose") == "total").map(|row| row.number("fee_usd")).sum()
    };
    for reference in [Arm::StrongOnly, Arm::CascadeTuned] {
        let key = reference.name().replace('-', "_");
        let (base, base_calls) = (row(&accuracy, reference), row(&calls, reference));
        assert_eq!(base.text(&format!("change_vs_{key}_pp")), "");
        for arm in Arm::ALL.into_iter().filter(|arm| *arm != reference) {
            let (right, called) = (row(&accuracy, arm), row(&calls, arm));
            let change = 100.0 * (right.number("accuracy") - base.number("accuracy"));
            near(right.number(&format!("change_vs_{key}_pp")), change);
            if let Some(low) = right.optional(&format!("change_vs_{key}_low_pp")) {
                assert!(low <= change + 1e-9 && change <= right.number(&format!("change_vs_{key}_high_pp")) + 1e-9);
            }
            let (p, holm) = (right.number(&format!("p_vs_{key}")), right.optional(&format!("p_holm_vs_{key}")));
            assert_eq!(holm.is_none(), arm.is_one_level(), "{arm}");
            assert!(0.0 < p && holm.is_none_or(|holm| p <= holm && holm <= 1.0), "{arm}: {p}, {holm:?}");
            let strong_calls = called.number("strong_calls") / base_calls.number("strong_calls");
            near(called.number(&format!("change_vs_{key}_percent")), 100.0 * (strong_calls - 1.0));
            let change = called.number(&format!("fee_change_vs_{key}_percent"));
            assert!((change - 100.0 * (fee(arm) / fee(reference) - 1.0)).abs() < 1e-6, "{arm}: {change}");
        }
    }
    let (summary, output) = (all().text("summary.md"), &all().output.out);
    holds(summary, &["accuracy against strong-only", "## Against the strong level alone", "| example-replay |"]);
    holds(summary, &["## Against the cascade at a λ of its own", "cascade-tuned is the standard cascade at its own λ"]);
    holds(output, &["cascade-tuned is the standard cascade at its own λ, `deferral.tuned_threshold` (0.5)"]);
    // Changes relative to the cascade refer to the cascade at the run's λ.
    let tuned = row(&accuracy, Arm::CascadeTuned);
    near(tuned.number("threshold"), TUNED);
    let change = tuned.number("accuracy") - row(&accuracy, Arm::Cascade).number("accuracy");
    near(tuned.number("change_vs_cascade_pp"), 100.0 * change);
}

#[test]
fn the_frontier_lists_every_arm_and_its_dominators() {
    let (frontier, accuracy, calls) = (all().sheet("frontier"), all().sheet("accuracy"), all().sheet("strong_calls"));
    assert_eq!(frontier.len(), Arm::ALL.len());
    for arm in Arm::ALL {
        let row = row(&frontier, arm);
        assert_eq!(row.text("accuracy"), self::row(&accuracy, arm).text("accuracy"));
        assert_eq!(row.text("accuracy_low"), self::row(&accuracy, arm).text("accuracy_low"));
        assert_eq!(row.text("strong_calls_all"), self::row(&calls, arm).text("strong_calls_all"));
        for (cost, key) in [("strong_calls_all", "calls"), ("fee_usd", "fee")] {
            let point = |row: &Row<'_>| (row.number("accuracy"), row.number(cost));
            let own = point(&row);
            let dominates = |other: (f64, f64)| other.0 >= own.0 && other.1 <= own.1 && other != own;
            let dominators: Vec<_> = frontier.rows().filter(|other| dominates(point(other))).collect();
            assert_eq!(row.flag(&format!("on_frontier_by_{key}")), dominators.is_empty(), "{arm}, {key}");
            let best = dominators.iter().map(|other| other.number("accuracy")).fold(f64::NEG_INFINITY, f64::max);
            match dominators.iter().find(|other| other.text("arm") == row.text(&format!("dominated_by_{key}"))) {
                Some(named) => near(named.number("accuracy"), best),
                None => assert!(dominators.is_empty(), "{arm}, {key}"),
            }
        }
    }
    assert!(frontier.rows().any(|row| row.flag("on_frontier_by_calls")));
    assert!(frontier.rows().any(|row| !row.flag("on_frontier_by_calls")));
    holds(all().text("summary.md"), &["## Accuracy against strong calls and fee", "dominance is not a test"]);
}

#[test]
fn a_run_of_all_arms_can_be_reported_and_self_compared() {
    let project = Project::with(&settings(&Arm::ALL));
    project.trial("out", &[]).done();
    let before = project.reports("out");
    project.run(&["report", "out", "--out", "again"]).done();
    let again = project.reports("again");
    for (name, bytes) in &before {
        assert!(again.get(name).is_none_or(|other| other == bytes), "{name} differs");
    }
    assert!(again.contains_key("frontier.csv") && again.contains_key("summary.md"));
    let output = project.run(&["compare", "out", "again"]).done().out;
    holds(
        &output,
        &[
            "strong-with-examples",
            "accuracy vs strong-only, points",
            "Figures cover only the items that both runs have",
        ],
    );
}

#[test]
fn a_sweep_lists_ungated_arms_once_and_marks_unasked_items() {
    let project = Project::with(&settings(&Arm::ALL));
    project.run(&["sweep", "--config", "trial.toml", "--out", "swept", "--thresholds", "0.5,0.7"]).done();
    let (frontier, accuracy) = (project.sheet("swept", "frontier"), project.sheet("swept", "accuracy"));
    assert_eq!(frontier.len(), accuracy.len());
    for arm in [Arm::StrongOnly, Arm::SimilarityRouter, Arm::ExampleReplay, Arm::StrongWithExamples] {
        assert_eq!(row(&frontier, arm).optional("threshold"), None);
    }
    for arm in [Arm::Cascade, Arm::InterCascade, Arm::FixedExample] {
        assert_eq!(of_arm(&frontier, arm.name()).len(), 2, "{arm}");
        for row in of_arm(&accuracy, arm.name()) {
            assert!(row.optional("change_vs_strong_only_pp").is_some());
            assert_eq!(row.count("weak_from_weak_only") > 0, arm == Arm::InterCascade, "{arm}");
        }
    }
    assert!(of_arm(&frontier, "cascade-tuned").is_empty(), "the cascade covers every λ");
    let curves = project.sheet("swept", "curves");
    assert_eq!(of_arm(&curves, "similarity-router").len(), 2, "a point on either axis");
    let summary = project.text("swept/summary.md");
    holds(&summary, &["## Accuracy against strong calls and fee", "cascade at λ", "†"]);
}

#[test]
fn arms_follow_the_same_rules_with_recorded_checks() {
    let project = Project::shipped();
    let journal = repository().join("results/pair-gsm-templates-dev-2");
    let arms = "arms=[\"weak-only\",\"strong-only\",\"cascade\",\"inter-cascade\",\"cascade-tuned\",\"similarity-router\",\
                \"similarity-router-checked\",\"example-replay\"]";
    let mut arguments = vec!["run", "--config", "configs/pair-gsm-templates-dev-2.toml", "--offline", "--out", "out"];
    arguments.extend(["--journal", journal.to_str().expect("UTF-8")]);
    let checks = "deferral.checks=[\"calculations\",\"follows-example\"]";
    let gate = ["deferral.without_example=\"defer\"", "deferral.tuned_threshold=0.8", "deferral.threshold=0.5"];
    for change in [arms, checks, "dataset.limit=40"].iter().chain(&gate) {
        arguments.extend(["--set", change]);
    }
    project.run(&arguments).done();
    let (records, accuracy) = (project.sheet("out", "records"), project.sheet("out", "accuracy"));
    for arm in [Arm::InterCascade, Arm::SimilarityRouter, Arm::SimilarityRouterChecked] {
        let (found, row) = (weak(&records, arm), row(&accuracy, arm));
        assert!(found.asked > 0 && found.unasked > 0, "{arm}: {found:?}");
        assert_eq!((row.count("weak_asked"), row.count("weak_from_weak_only")), (found.asked, found.unasked), "{arm}");
        near(row.number("weak_accuracy"), share(found.asked_right + found.unasked_right, found.asked + found.unasked));
    }
    let replayed = of_arm(&records, "example-replay");
    assert!(replayed.iter().any(|record| !record.flag("deferred")), "some examples answer");
    assert_eq!(row(&accuracy, Arm::ExampleReplay).text("weak_accuracy"), "");
    assert_eq!(project.sheet("out", "frontier").len(), 8);
}
