//! Description of a run before any model is called: settings and warnings.

use super::resolved::ResolvedConfig;
use super::schema::{Calibrate, Config, DeferralConfig, LearningConfig, Threshold};
use crate::analysis::metrics::calibrated::Recalibrate;
use crate::backend::entry::ModelEntry;
use crate::backend::raw::BackendKind;
use crate::cascade::gate::WithoutExample;
use crate::cascade::teach::Distil;
use crate::task::extraction;
use crate::types::arm::{Arm, Content, Deferral};
use crate::types::check::Check;
use crate::types::store_rule::StoreRule;

impl ResolvedConfig {
    /// Describes the settings of the run, one line each.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        self.describe_with_gate(&describe_gate(&self.config.deferral))
    }

    /// Describes the settings with a `gate` other than that of the config.
    #[must_use]
    pub fn describe_with_gate(&self, gate: &str) -> Vec<String> {
        let config = &self.config;
        let split = config.dataset.split.as_ref().map(|split| format!(", split {split}")).unwrap_or_default();
        let mut lines = vec![
            format!(
                "data: {}{split}, {} items in {} groups, {} order(s), seed {}",
                self.dataset,
                self.stream().len(),
                self.groups(),
                config.dataset.orders,
                config.seed.0
            ),
            format!("weak level: {}, prompt {}", self.weak.describe(), self.prompts[0].label()),
            format!("strong level: {}, prompt {}", self.strong.describe(), self.prompts[1].label()),
        ];
        lines.extend([&self.weak, &self.strong].into_iter().filter_map(ModelEntry::describe_servers));
        if let Some(signal) = self.signal {
            lines.push(format!("gate: {} {gate}{}", signal.name(), describe_checks(&config.deferral.checks)));
        }
        lines.extend(self.describe_calibration());
        if self.learns() {
            lines.push(format!(
                "strategies: {}, at most {} per query{}, ranked by {}, similarity at least {}{}",
                describe_stored(&config.learning),
                config.learning.k,
                if self.shows_to_top() && config.learning.top_level_examples { ", also for the top level" } else { "" },
                config.learning.embedder.name(),
                config.learning.min_similarity,
                match config.deferral.without_example {
                    WithoutExample::Ask => "",
                    WithoutExample::Defer => "; a query without one is deferred without a call of the weak level",
                }
            ));
            lines.push(format!(
                "baseline of every gain: the weak level without strategies, by the form `alone` of prompt {}; with strategies the \
                 form `following` is used",
                self.prompts[0].name
            ));
        }
        let calculator = if config.dataset.calculator { "; with calculator" } else { "" };
        lines.push(format!("answers read by: {}{calculator}", extraction::describe(&self.grader.rules)));
        lines
    }

    /// Describes the use of the calibration items. `None` if nothing is calibrated.
    fn describe_calibration(&self) -> Option<String> {
        let deferral = &self.config.deferral;
        let n = self.calibration().len();
        let split = self.config.dataset.calibration_split.as_ref().map(|split| format!(" of split {split}"));
        let scope = if deferral.calibrate_per_arm {
            "each learning arm separately: before the stream, the arm defers and learns from all of them (the stream starts with \
             the resulting repository)"
        } else {
            "shared by all arms: answers of the weak level without strategies"
        };
        let map = deferral.recalibrate.map(|map| match map {
            Recalibrate::Platt => "; confidence recalibrated by Platt scaling",
            Recalibrate::Isotonic => "; confidence recalibrated by isotonic regression",
        });
        deferral.calibration_task().asks().then(|| {
            format!(
                "calibration: {n} items{}, each from another group {}, {scope}{}",
                split.unwrap_or_default(),
                if self.config.dataset.group_split {
                    "(these groups are left out of the stream)"
                } else {
                    "(these groups may also be in the stream)"
                },
                map.unwrap_or_default()
            )
        })
    }

    /// Warnings that are known before any model is called.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut lines = self.notices.clone();
        lines.extend(self.shared_recording());
        lines.extend(self.unused_keys());
        if self.learns() && self.stream().len() > 1 && self.groups() == self.stream().len() {
            lines.push(
                "The data set has no groups: every question is its own group. If some questions are variants of one problem, set \
                 dataset.group to the column that identifies the problem (or call the column `group`). Intervals and the split of \
                 gains into look-up and transfer depend on the groups."
                    .to_owned(),
            );
        }
        if [&self.weak, &self.strong].iter().any(|entry| entry.backend.kind() == BackendKind::Reference) {
            lines.push(
                "The strong level answers with the data set's worked solutions (backend reference). It is always correct, and its \
                 strategies have the same author as the questions. The figures are an upper bound, not the result of a model."
                    .to_owned(),
            );
        }
        if [&self.weak, &self.strong].iter().any(|entry| entry.backend.kind() == BackendKind::Simulated) {
            lines
                .push("A level is simulated. The figures test the program and say nothing about any model.".to_owned());
        }
        if !self.config.dataset.group_split && !self.calibration().is_empty() {
            lines.push(
                "Calibration items have variants in the stream (group_split = false). The calibration holds for problems that were \
                 seen, not for new ones."
                    .to_owned(),
            );
        }
        if !self.config.deferral.calibration_task().asks() && !self.calibration().is_empty() {
            lines.push(format!(
                "{} items are set apart for calibration (dataset.calibration), but nothing is calibrated: the threshold is fixed.",
                self.calibration().len()
            ));
        }
        for entry in [&self.weak, &self.strong] {
            let slots = entry.backend.llama_server().and_then(|server| server.slots);
            if let Some(slots) = slots.filter(|slots| slots.get() > 1) {
                lines.push(format!(
                    "`{}` computes {slots} sequences at once. Concurrent sequences can change each other's last digits, so another run \
                     may differ from this one. The journal is the record.",
                    entry.name
                ));
            }
        }
        lines
    }

    /// Warning about keys that are set but used by no arm of the run. `None` if there are none.
    fn unused_keys(&self) -> Option<String> {
        let Config { arms, deferral, learning, .. } = &self.config;
        let is_gated =
            |arm: &Arm| matches!(arm.deferral(), Deferral::BelowThreshold | Deferral::WithoutExample { checked: true });
        let [gated, shows] = [arms.iter().any(is_gated), arms.iter().any(|arm| arm.shows_examples())];
        let keys = [
            ("deferral.checks", !deferral.checks.is_empty() && !gated),
            (
                "deferral.checks on examples",
                deferral.checks.iter().any(|check| check.needs_example()) && gated && !shows,
            ),
            ("deferral.without_example", deferral.without_example != WithoutExample::Ask && !shows),
            ("deferral.tuned_threshold", deferral.tuned_threshold.is_some() && !arms.contains(&Arm::CascadeTuned)),
            ("learning.top_level_examples", learning.top_level_examples && !shows),
            ("learning.fixed_example", learning.fixed_example.is_some() && !arms.contains(&Arm::FixedExample)),
        ];
        let unused: Vec<&str> = keys.into_iter().filter(|(_, unused)| *unused).map(|(key, _)| key).collect();
        (!unused.is_empty()).then(|| format!("No arm of `arms` uses these keys, which are set: {}.", unused.join(", ")))
    }

    /// Warning that both levels answer from the same rows of one recording, as after a copied and unchanged path.
    /// `None` if they do not.
    fn shared_recording(&self) -> Option<String> {
        let [weak, strong] = [&self.weak, &self.strong].map(|entry| self.recordings.get(&entry.name));
        let (weak, strong) = (weak?, strong?);
        let separated = weak.has("model") && self.weak.server_name() != self.strong.server_name();
        (weak.sha256() == strong.sha256() && !separated).then(|| {
            format!(
                "The recordings of `{}` and `{}` are one file (sha256 {}…). Both levels have the same answers, so deferral cannot \
                 change any answer. Name another recording, or add a column `model` to the file.",
                self.weak.name,
                self.strong.name,
                &weak.sha256()[..12]
            )
        })
    }
}

/// Describes the stored content and the store rules.
fn describe_stored(learning: &LearningConfig) -> String {
    let written = match learning.distil {
        Distil::SameCall => "written in the call for the answer",
        Distil::SecondCall => "written in a second call",
    };
    let content = match learning.content {
        Content::Strategy => format!("texts {written}"),
        Content::WorkedExample => "worked examples".to_owned(),
        Content::Both => format!("worked examples with texts {written}"),
        Content::QuestionAnswer => "questions with their answers".to_owned(),
    };
    let rule = |rule: StoreRule| match rule {
        StoreRule::CorrectOnly => format!("{} (an oracle)", rule.name()),
        _ => rule.name().to_owned(),
    };
    let rules: Vec<String> = learning.store.to_vec().into_iter().map(rule).collect();
    format!("{content}, stored by the rule {}", rules.join(" and "))
}

/// Describes the checks that an answer must pass besides λ.
fn describe_checks(checks: &[Check]) -> String {
    let names: Vec<&str> = checks.iter().map(|check| check.name()).collect();
    if names.is_empty() { String::new() } else { format!("; so is an answer that fails a check: {}", names.join(", ")) }
}

/// Describes the threshold of the gate.
fn describe_gate(deferral: &DeferralConfig) -> String {
    match deferral.threshold {
        Threshold::Fixed(threshold) => format!("below {threshold} is deferred"),
        Threshold::Calibrated { calibrate: Calibrate { alpha, delta, min_accepted, .. } } => format!(
            "below a threshold calibrated on the calibration items is deferred: risk at most {alpha} with probability {} \
             over the draw of these items, at least {min_accepted} accepted",
            1.0 - delta
        ),
    }
}
