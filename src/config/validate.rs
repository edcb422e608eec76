//! Validation of a config: first its values, then everything it names, before any model is called.

use super::error::{At as _, ConfigError, ConfigFault, invalid};
use super::resolved::ResolvedConfig;
use super::schema::{Calibrate, Config, DatasetConfig, DeferralConfig, GridName, Threshold};
use crate::analysis::calibration::smallest_certifiable_alpha;
use crate::backend::entry::ModelEntry;
use crate::backend::raw::BackendKind;
use crate::backend::reference::Reference;
use crate::backend::replay::Recording;
use crate::cascade::teach::Distil;
use crate::task::Task;
use crate::task::confidence::{Further, Signal};
use crate::task::extraction::Extraction;
use crate::types::arm::{Arm, Deferral};
use crate::types::check::Check;
use crate::types::store_rule::StoreRule;

/// Maximum of `limits.concurrency`.
const MAX_CONCURRENCY: usize = 65_536;

type Validation = Result<(), ConfigError>;

/// Validates the values of a config, without the files and models that they name.
pub(super) fn config(config: &Config) -> Validation {
    names(config)?;
    ranges(config)?;
    counts(config)?;
    if config.limits.concurrency > MAX_CONCURRENCY {
        return Err(invalid(format!(
            "limits.concurrency: must be at most {MAX_CONCURRENCY}, not {}",
            config.limits.concurrency
        )));
    }
    let limits = &config.limits;
    for (key, limit) in [("max_fee_usd", limits.max_fee_usd), ("max_total_fee_usd", limits.max_total_fee_usd)] {
        if limit.is_some_and(|limit| !(limit >= 0.0 && limit.is_finite())) {
            return Err(invalid(format!("limits.{key}: must be a number of USD from 0 on")));
        }
    }
    dataset(&config.dataset)?;
    deferral(&config.deferral, config.dataset.calibration)?;
    arms(config)
}

/// Validates the keys that individual arms need.
fn arms(config: &Config) -> Validation {
    let has = |arm| config.arms.contains(&arm);
    let (deferral, learning) = (&config.deferral, &config.learning);
    let needs = [
        (Arm::CascadeTuned, "deferral.tuned_threshold", deferral.tuned_threshold.is_some(), "its λ, from 0 to 1"),
        (
            Arm::FixedExample,
            "learning.fixed_example",
            learning.fixed_example.is_some(),
            "the example as { question = …, solution = …, answer = … }",
        ),
    ];
    for (arm, key, is_set, what) in needs {
        if has(arm) && !is_set {
            return Err(invalid(format!("arms: `{}` needs {key}: {what}", arm.name())));
        }
    }
    if deferral.tuned_threshold.is_some_and(|threshold| !(0.0..=1.0).contains(&threshold)) {
        return Err(invalid("deferral.tuned_threshold: must be from 0 to 1"));
    }
    if has(Arm::CascadeTuned) && deferral.recalibrate.is_some() {
        return Err(invalid(
            "arms: `cascade-tuned` compares the unmapped score with its λ, but deferral.recalibrate maps scores. Remove one of them",
        ));
    }
    Ok(())
}

/// Validates the name of the run, the levels and the arms.
fn names(config: &Config) -> Validation {
    // A run's folder must be possible on every system.
    let is_possible = !config.name.contains(['/', '\\', ':', '*', '?', '<', '>', '|', '"'])
        && !config.name.starts_with('.')
        && !config.name.ends_with(['.', ' ']);
    if config.name.is_empty() || !is_possible {
        return Err(invalid(format!("name: `{}` is not a valid folder name", config.name)));
    }
    if config.levels.len() != 2 || config.levels[0] == config.levels[1] {
        return Err(invalid(format!("levels: name two different models, the weak one first, not {:?}", config.levels)));
    }
    if config.arms.is_empty() {
        return Err(invalid("arms: name at least one"));
    }
    let twice = |(i, arm)| config.arms[..i].contains(arm).then_some(arm);
    match config.arms.iter().enumerate().find_map(twice) {
        Some(arm) => Err(invalid(format!("arms: `{}` is listed twice", arm.name()))),
        None => Ok(()),
    }
}

/// Validates the ranges of real-valued keys.
fn ranges(config: &Config) -> Validation {
    let ranges = [
        ("learning.min_similarity", config.learning.min_similarity, -1.0, 1.0),
        ("learning.confident_from", config.learning.confident_from, 0.0, 1.0),
        ("learning.verify_temperature", config.learning.verify_temperature, 0.0, 2.0),
        ("learning.reuse_from", config.learning.reuse_from, -1.0, 1.0),
        ("limits.max_refused", config.limits.max_refused, 0.0, 1.0),
    ];
    match ranges.into_iter().find(|(_, value, least, most)| !(least..=most).contains(&value)) {
        Some((key, value, least, most)) => Err(invalid(format!("{key}: must be from {least} to {most}, not {value}"))),
        None => Ok(()),
    }
}

/// Validates that counts are at least 1.
fn counts(config: &Config) -> Validation {
    let counts = [
        ("dataset.orders", Some(config.dataset.orders)),
        ("dataset.limit", config.dataset.limit),
        ("dataset.sample", config.dataset.sample),
        ("dataset.sample_groups", config.dataset.sample_groups),
        ("dataset.per_group", config.dataset.per_group),
        ("limits.concurrency", Some(config.limits.concurrency)),
        ("learning.majority_draws", Some(config.learning.majority_draws as usize)),
        ("learning.max_strategy_tokens", config.learning.max_strategy_tokens),
    ];
    match counts.into_iter().find(|(_, value)| *value == Some(0)) {
        Some((key, _)) => Err(invalid(format!("{key}: must be at least 1"))),
        None => Ok(()),
    }
}

/// Validates the combination of keys in `[dataset]`.
fn dataset(dataset: &DatasetConfig) -> Validation {
    if let Some(choose) = dataset.choose.filter(|choose| !(*choose > 0.0 && *choose < 1.0)) {
        return Err(invalid(format!("dataset.choose: must be between 0 and 1, not {choose}")));
    }
    if dataset.name.is_none() && dataset.path.is_none() {
        return Err(invalid("dataset: set the name of a data set (see `intercascade datasets list`) or a path"));
    }
    if dataset.limit.is_some() && dataset.sample.is_some() {
        return Err(invalid("dataset: `limit` selects the first items and `sample` draws items; set only one of them"));
    }
    let other = [("limit", dataset.limit), ("sample", dataset.sample)];
    let other = other.into_iter().find(|(_, items)| items.is_some()).filter(|_| dataset.sample_groups.is_some());
    if let Some((key, _)) = other {
        return Err(invalid(format!(
            "dataset: `sample_groups` counts whole groups and `{key}` counts items; set only one of them"
        )));
    }
    if dataset.calibration_split.is_some() && dataset.calibration == 0 {
        return Err(invalid("dataset.calibration_split: set dataset.calibration to the number of items to draw"));
    }
    Ok(())
}

/// Validates `[deferral]`, given the number of calibration items.
fn deferral(deferral: &DeferralConfig, calibration: usize) -> Validation {
    if let Some(threshold) = deferral.fixed_threshold().filter(|threshold| !(0.0..=1.0).contains(threshold)) {
        return Err(invalid(format!("deferral.threshold: must be from 0 to 1, not {threshold}")));
    }
    for (key, value) in [("quantile", deferral.quantile), ("draw_temperature", deferral.draw_temperature / 2.0)] {
        if !(0.0..=1.0).contains(&value) {
            let most = if key == "quantile" { 1 } else { 2 };
            return Err(invalid(format!("deferral.{key}: must be from 0 to {most}")));
        }
    }
    if deferral.draws == 0 {
        return Err(invalid("deferral.draws: must be at least 1"));
    }
    if deferral.calibrate_per_arm && !deferral.calibration_task().asks() {
        return Err(invalid(
            "deferral.calibrate_per_arm: nothing is calibrated; set threshold = { calibrate = … } or recalibrate",
        ));
    }
    if deferral.calibration_task().asks() && calibration == 0 {
        return Err(invalid("deferral: calibration needs separate items; set dataset.calibration to their number"));
    }
    guarantee(deferral, calibration)
}

/// Rejects a calibration set that is too small to certify α.
fn guarantee(deferral: &DeferralConfig, calibration: usize) -> Validation {
    let Threshold::Calibrated { calibrate } = deferral.threshold else { return Ok(()) };
    let Calibrate { alpha, delta, grid, min_accepted } = calibrate;
    for (key, value) in [("alpha", alpha), ("delta", delta)] {
        if !(value > 0.0 && value < 1.0) {
            return Err(invalid(format!("deferral.threshold.calibrate.{key}: must be between 0 and 1, not {value}")));
        }
    }
    if grid == GridName::Steps(0) || min_accepted == 0 {
        return Err(invalid("deferral.threshold.calibrate: grid and min_accepted must be at least 1"));
    }
    let n = deferral.calibration_task().n_for_threshold(calibration);
    let needed = calibrate.guarantee().needed();
    if n < needed {
        let half = if deferral.recalibrate.is_some() { " (the other half fits the recalibration)" } else { "" };
        let smallest = smallest_certifiable_alpha(n, delta);
        return Err(invalid(format!(
            "deferral.threshold.calibrate: too few calibration items: certifying α = {alpha} at δ = {delta} with min_accepted = \
             {min_accepted} needs at least {needed} accepted answers without an error, and only {n} items are used for λ{half}. \
             Increase dataset.calibration or raise α (smallest certifiable α: {smallest:.4})"
        )));
    }
    Ok(())
}

/// Validates that the weak level supports the signal. Without a signal, no arm may defer on a confidence.
pub(super) fn signal(
    signal: Option<Signal>,
    config: &Config,
    weak: &ModelEntry,
    recorded: Option<&Recording>,
    task: Task,
) -> Validation {
    let capabilities = weak.capabilities();
    let scores = task == Task::Choice && capabilities.scores_options;
    let gated = config.arms.iter().any(|arm| arm.deferral() == Deferral::BelowThreshold);
    let message = match signal {
        None if !gated => return Ok(()),
        None if recorded.is_some() => format!(
            "the recording of model `{}` has no confidence column, so no arm can defer on it. Remove the gated arms",
            weak.name
        ),
        Some(signal) if signal.scores_options() && !scores => format!(
            "{} needs multiple-choice questions and a weak model that scores options (backend gguf), but `{}` with {:?} questions does not satisfy this. Choose another signal",
            signal.name(),
            weak.name,
            task
        ),
        Some(signal) if recorded.is_some() && signal != Signal::Recorded => format!(
            "{} is computed from a model's output, but `{}` is a recording. Remove `signal` or set it to \"recorded\"",
            signal.name(),
            weak.name
        ),
        None if !capabilities.logprobs => no_logprobs(Signal::MeanTokenProbability, weak),
        Some(signal)
            if (signal.needs_logprobs() || signal.further() == Further::IsItRight) && !capabilities.logprobs =>
        {
            no_logprobs(signal, weak)
        }
        Some(Signal::Recorded) if !recorded.is_some_and(|recording| recording.has("confidence")) => format!(
            "`recorded` needs a weak model with backend replay whose recording has a confidence, and `{}` is not one. Choose another signal",
            weak.name
        ),
        _ => return Ok(()),
    };
    Err(invalid(message))
}

/// Message for a signal that needs log-probabilities which the weak model does not return.
fn no_logprobs(signal: Signal, weak: &ModelEntry) -> String {
    format!(
        "{} needs log-probabilities, but model `{}` returns none (logprobs = false). Choose another weak model, or a signal that \
         needs none: verbalised, self-consistency",
        signal.name(),
        weak.name
    )
}

/// Validates a config together with the data and models that it names.
pub(super) fn resolved(resolved: &ResolvedConfig) -> Validation {
    for entry in
        [&resolved.weak, &resolved.strong].into_iter().filter(|entry| entry.backend.kind() == BackendKind::Reference)
    {
        Reference::check(&resolved.items).map_err(ConfigFault::model).at(format!("model `{}`", entry.name))?;
    }
    reading(resolved)?;
    recordings(resolved)?;
    store_rules(resolved)?;
    checks(resolved)?;
    prompts(resolved)?;
    let limits = &resolved.config.limits;
    let keys = [("max_fee_usd", limits.max_fee_usd), ("max_total_fee_usd", limits.max_total_fee_usd)];
    if let Some((key, _)) = keys.iter().find(|(_, limit)| limit.is_some()) {
        for entry in [&resolved.weak, &resolved.strong].into_iter().filter(|entry| !entry.is_recorded()) {
            if entry.price.is_none() {
                return Err(invalid(format!(
                    "limits.{key} needs a price for model `{}`. Add `price` to the model",
                    entry.name
                )));
            }
        }
    }
    Ok(())
}

/// Validates that calculator, extraction rules and signal fit the questions and each other.
fn reading(resolved: &ResolvedConfig) -> Validation {
    let grader = &resolved.grader;
    let generates = grader.task == Task::Math
        && [&resolved.weak, &resolved.strong].iter().any(|entry| entry.capabilities().calculator);
    if resolved.config.dataset.calculator && !generates {
        return Err(invalid(
            "dataset.calculator needs math questions and a model that runs in this process (backend gguf). Set it to false",
        ));
    }
    if let Some(rule) = grader.rules.iter().find(|rule| !rule.reads(grader.task)) {
        return Err(invalid(format!(
            "dataset.extraction: the rule `{}` does not apply to these questions. Remove it",
            rule.name()
        )));
    }
    if !grader.rules.iter().any(|rule| rule.reads_texts()) {
        return Err(invalid("dataset.extraction: add a rule that reads generated text"));
    }
    let normalised = grader.rules.contains(&Extraction::OptionLikelihoodNormalised);
    let other =
        |signal: Signal| signal.scores_options() && (signal == Signal::OptionProbabilityNormalised) != normalised;
    if resolved.signal.is_some_and(other) {
        return Err(invalid(
            "deferral.signal: option-probability-normalised and the extraction rule option-likelihood-normalised must be used \
             together, because the confidence must belong to the option that is answered",
        ));
    }
    Ok(())
}

/// Validates that the recordings have the columns that the arms need. A recording of the strong level has one answer
/// per item, with or without a strategy.
fn recordings(resolved: &ResolvedConfig) -> Validation {
    let learning = &resolved.config.learning;
    let (written, second) = (resolved.needs_strategies(), learning.distil == Distil::SecondCall);
    let shows = |arm: &Arm| arm.shows_examples() || *arm == Arm::FixedExample;
    let columns = [
        (&resolved.weak, "strategies", resolved.config.arms.iter().any(shows)),
        (&resolved.strong, "strategies", resolved.shows_to_top()),
        (&resolved.strong, "distil", written && !second),
    ];
    for (entry, column, needed) in columns {
        let Some(recording) = resolved.recordings.get(&entry.name).filter(|_| needed) else { continue };
        if !recording.has(column) {
            return Err(invalid(format!(
                "arms: the recording of model `{}` has no column `{column}`, which a learning arm needs. Remove the learning arms",
                entry.name
            )));
        }
    }
    let drawn = resolved.learns() && learning.store.to_vec().iter().any(|rule| rule.needs_draws());
    let more = [(drawn, "a further draw"), (written && second, "a strategy in a second call")];
    let strong = &resolved.strong.name;
    match more.iter().find(|(needed, _)| *needed && resolved.recordings.contains_key(strong)) {
        Some((_, what)) => Err(invalid(format!(
            "learning: {what} is needed from model `{strong}`, but its recording has only one answer per item. Change learning.store \
             or learning.distil"
        ))),
        None => Ok(()),
    }
}

/// Validates that the store rules fit the strong level and the questions.
fn store_rules(resolved: &ResolvedConfig) -> Validation {
    let learning = &resolved.config.learning;
    let confident = resolved.learns() && learning.store.to_vec().contains(&StoreRule::Confident);
    if confident && !resolved.strong.capabilities().logprobs {
        return Err(invalid(format!(
            "learning.store: `confident` needs log-probabilities, but model `{}` returns none. Choose another rule",
            resolved.strong.name
        )));
    }
    if resolved.grader.task != Task::Choice {
        return Ok(());
    }
    let checking = learning.store.to_vec().into_iter().find(|rule| rule.needs_calculations());
    if let Some(rule) = checking.filter(|_| resolved.learns()) {
        return Err(invalid(format!(
            "learning.store: `{}` reads calculations, but answers to questions with options have none. Remove it",
            rule.name()
        )));
    }
    match resolved.config.arms.iter().find(|arm| matches!(arm, Arm::ExampleReplay | Arm::FixedExample)) {
        Some(arm) => Err(invalid(format!(
            "arms: `{}` is for word problems, but these are questions with options. Remove it",
            arm.name()
        ))),
        None => Ok(()),
    }
}

/// Validates that the checks apply to the questions and the arms.
fn checks(resolved: &ResolvedConfig) -> Validation {
    let deferral = &resolved.config.deferral;
    let options = resolved.grader.task == Task::Choice;
    if let Some(check) = deferral.checks.iter().find(|check| check.is_for_options() != options) {
        let reason = if options {
            "reads calculations, but answers to questions with options have none"
        } else {
            "compares letter and text of an option, but these are word problems"
        };
        return Err(invalid(format!("deferral.checks: `{}` {reason}. Remove it", check.name())));
    }
    if !deferral.calculations_at_least.is_usual() && !deferral.checks.contains(&Check::Calculations) {
        return Err(invalid(
            "deferral.calculations_at_least: the check `calculations` is not in deferral.checks. Remove the key",
        ));
    }
    let shows = resolved.config.arms.iter().any(|arm| arm.shows_examples());
    match deferral.checks.iter().find(|check| check.needs_example()) {
        Some(check) if shows && deferral.calibration_task().asks() && !deferral.calibrate_per_arm => {
            Err(invalid(format!(
                "deferral.checks: `{}` applies only to learning arms, which then need their own threshold. Set deferral.calibrate_per_arm = true",
                check.name()
            )))
        }
        _ => Ok(()),
    }
}

/// Validates that the prompts have the forms that the arms and the signal use.
fn prompts(resolved: &ResolvedConfig) -> Validation {
    let [weak, strong] = &resolved.prompts;
    if let Some(prompt) = resolved.prompts.iter().find(|prompt| prompt.names_subject())
        && let Some(item) = resolved.items.iter().find(|item| item.subject.is_none())
    {
        return Err(invalid(format!(
            "the prompt `{}` names the question's subject, but item `{}` has none. Choose another prompt",
            prompt.name, item.id
        )));
    }
    let (written, second) = (resolved.needs_strategies(), resolved.config.learning.distil == Distil::SecondCall);
    if written && !second && resolved.shows_to_top() {
        return Err(invalid(
            "learning: the top level's prompt shows examples (top_level_examples or the arm strong-with-examples), but a request for \
             an answer and a strategy in one call has no placeholder for them. Set learning.distil = \"second-call\" or another \
             learning.content",
        ));
    }
    let further = resolved.signal.map(Signal::further);
    let forms = [
        (&resolved.strong, strong, "distil", strong.distil.is_some(), written && !second),
        (&resolved.strong, strong, "distil_after", strong.distil_after.is_some(), written && second),
        (&resolved.weak, weak, "p_true", weak.p_true.is_some(), further == Some(Further::IsItRight)),
        (&resolved.weak, weak, "verbalised", weak.verbalised.is_some(), further == Some(Further::HowLikely)),
    ];
    match forms.into_iter().find(|(_, _, _, exists, needed)| *needed && !exists) {
        Some((entry, prompt, form, ..)) => Err(invalid(format!(
            "model `{}`: the prompt `{}` has no form `{form}`. Choose another prompt",
            entry.name, prompt.name
        ))),
        None => Ok(()),
    }
}
