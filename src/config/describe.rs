//! What a run says of itself before any model has answered: its setting, and what a reader must know of it.

use super::resolved::ResolvedConfig;
use super::schema::{Calibrate, Config, DeferralConfig, LearningConfig, Threshold};
use crate::analysis::metrics::calibrated::Recalibrate;
use crate::backend::raw::BackendKind;
use crate::cascade::gate::WithoutExample;
use crate::cascade::teach::Distil;
use crate::task::extraction;
use crate::types::arm::{Arm, Content, Deferral};
use crate::types::check::Check;
use crate::types::store_rule::StoreRule;

impl ResolvedConfig {
    /// Lines that say what ran.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        self.describe_with_gate(&gate(&self.config.deferral))
    }

    /// The same with a gate other than the config's.
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
        if let Some(signal) = self.signal {
            lines.push(format!("gate: {} {gate}{}", signal.name(), checks(&config.deferral.checks)));
        }
        lines.extend(self.calibrates());
        if self.learns() {
            lines.push(format!(
                "strategies: {}, at most {} shown{}, ranked by {}, similarity at least {}{}",
                taught(&config.learning),
                config.learning.k,
                if self.shows_to_top() && config.learning.top_level_examples { ", to the top level too" } else { "" },
                config.learning.embedder.name(),
                config.learning.min_similarity,
                match config.deferral.without_example {
                    WithoutExample::Ask => "",
                    WithoutExample::Defer => "; without one the weak level is not asked and the query is deferred",
                }
            ));
            lines.push(format!(
                "baseline of every gain: the weak level with nothing shown, asked in {}'s form for answering alone; with \
                 strategies it is asked in the form for following them",
                self.prompts[0].name
            ));
        }
        let calculator = if config.dataset.calculator { "; with calculator" } else { "" };
        lines.push(format!("answers read by: {}{calculator}", extraction::describe(&self.grader.rules)));
        lines
    }

    /// What the calibration items are for, where anything is told from them.
    fn calibrates(&self) -> Option<String> {
        let deferral = &self.config.deferral;
        let n = self.calibration().len();
        let split = self.config.dataset.calibration_split.as_ref().map(|split| format!(" of split {split}"));
        let whose = if deferral.calibrate_per_arm {
            "each learning arm on its own answers while it learns from them, deferring all, before its stream begins (the \
             repository goes on)"
        } else {
            "for all arms on the weak level's answers without strategies"
        };
        let map = deferral.recalibrate.map(|map| match map {
            Recalibrate::Platt => "; confidence recalibrated by Platt scaling",
            Recalibrate::Isotonic => "; confidence recalibrated by isotonic regression",
        });
        deferral.calibration_task().asks().then(|| {
            format!(
                "calibration: {n} items{}, one of each of {n} groups {}, {whose}{}",
                split.unwrap_or_default(),
                if self.config.dataset.group_split {
                    "that the stream does not hold"
                } else {
                    "that may be in the stream too"
                },
                map.unwrap_or_default()
            )
        })
    }

    /// What a reader must know before any model has answered.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut lines = self.notices.clone();
        lines.extend(self.one_recording());
        lines.extend(self.unused());
        if self.learns() && self.stream().len() > 1 && self.groups() == self.stream().len() {
            lines.push(
                "The data name no groups: every question is its own. If some are variants of one problem, name the column that says so with dataset.group (or \
                 call it `group`): intervals and the split of gains into look-up and transfer go by it."
                    .to_owned(),
            );
        }
        if [&self.weak, &self.strong].iter().any(|entry| entry.backend.kind() == BackendKind::Reference) {
            lines.push(
                "The strong level is the data set's own worked solutions (backend reference): always right, and its strategies \
                 come from the same hand as the questions. It is the upper bound of a strong level, not a model's result."
                    .to_owned(),
            );
        }
        if [&self.weak, &self.strong].iter().any(|entry| entry.backend.kind() == BackendKind::Simulated) {
            lines.push("A level is simulated: the figures test the program and say nothing of any model.".to_owned());
        }
        if !self.config.dataset.group_split && !self.calibration().is_empty() {
            lines.push(
                "Calibration items have siblings in the stream (group_split = false): what is told from them holds for problems \
                 that were seen, not for new ones."
                    .to_owned(),
            );
        }
        if !self.config.deferral.calibration_task().asks() && !self.calibration().is_empty() {
            lines.push(format!(
                "{} items are set apart for calibration (dataset.calibration), and nothing is told from them: the threshold is stated.",
                self.calibration().len()
            ));
        }
        for entry in [&self.weak, &self.strong] {
            let slots = entry.backend.llama_server().and_then(|server| server.slots);
            if let Some(slots) = slots.filter(|slots| slots.get() > 1) {
                lines.push(format!(
                    "`{}` computes {slots} sequences at once: what runs beside a sequence can change its late digits, so another \
                     run may differ from this one; the journal is the record.",
                    entry.name
                ));
            }
        }
        lines
    }

    /// The keys that are set and that none of the run's arms uses.
    fn unused(&self) -> Option<String> {
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
        (!unused.is_empty()).then(|| format!("No arm of `arms` uses what is set: {}.", unused.join(", ")))
    }

    /// That both levels answer from the same rows of one recording, as a name that was copied and not changed would make them.
    fn one_recording(&self) -> Option<String> {
        let [weak, strong] = [&self.weak, &self.strong].map(|entry| self.recordings.get(&entry.name));
        let (weak, strong) = (weak?, strong?);
        let parted = weak.has("model") && self.weak.server_name() != self.strong.server_name();
        (weak.sha256() == strong.sha256() && !parted).then(|| {
            format!(
                "The recordings of `{}` and `{}` are one file (sha256 {}…): both levels give the same answers, so nothing can be \
                 gained by deferring. Name another recording, or give the file a column `model`.",
                self.weak.name,
                self.strong.name,
                &weak.sha256()[..12]
            )
        })
    }
}

/// What is kept, and where.
fn taught(learning: &LearningConfig) -> String {
    let written = match learning.distil {
        Distil::SameCall => "written in the answer's own call",
        Distil::SecondCall => "written in a second call",
    };
    let content = match learning.content {
        Content::Strategy => format!("texts {written}"),
        Content::WorkedCase => "worked cases".to_owned(),
        Content::Both => format!("worked cases with texts {written}"),
        Content::QuestionAnswer => "questions with their answers".to_owned(),
    };
    let rule = |rule: StoreRule| match rule {
        StoreRule::CorrectOnly => format!("{} (an oracle)", rule.name()),
        _ => rule.name().to_owned(),
    };
    let rules: Vec<String> = learning.store.to_vec().into_iter().map(rule).collect();
    format!("{content}, kept by the rule {}", rules.join(" and "))
}

/// What an answer must pass besides λ.
fn checks(checks: &[Check]) -> String {
    let names: Vec<&str> = checks.iter().map(|check| check.name()).collect();
    if names.is_empty() { String::new() } else { format!("; so is an answer that fails a check: {}", names.join(", ")) }
}

/// What the gate does.
fn gate(deferral: &DeferralConfig) -> String {
    match deferral.threshold {
        Threshold::Stated(threshold) => format!("below {threshold} is deferred"),
        Threshold::Told { calibrate: Calibrate { alpha, delta, min_accepted, .. } } => format!(
            "below a threshold told from the calibration items is deferred: risk at most {alpha} with probability {} \
             over their draw, at least {min_accepted} accepted",
            1.0 - delta
        ),
    }
}
