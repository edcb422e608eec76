//! All checks of a config: of its values alone, and of what it names. They run in one order, before any model is called.

use super::error::{At as _, ConfigError, ConfigFault, refused};
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

/// More calls in flight than any server takes.
const MOST_AT_ONCE: usize = 65_536;

type Checked = Result<(), ConfigError>;

/// Checks the values of a config, without what they name.
pub(super) fn config(config: &Config) -> Checked {
    names(config)?;
    ranges(config)?;
    counts(config)?;
    if config.limits.concurrency > MOST_AT_ONCE {
        return Err(refused(format!(
            "limits.concurrency: must be at most {MOST_AT_ONCE}, not {}",
            config.limits.concurrency
        )));
    }
    let limits = &config.limits;
    for (key, limit) in [("max_fee_usd", limits.max_fee_usd), ("max_total_fee_usd", limits.max_total_fee_usd)] {
        if limit.is_some_and(|limit| !(limit >= 0.0 && limit.is_finite())) {
            return Err(refused(format!("limits.{key}: must be a number of USD from 0 on")));
        }
    }
    dataset(&config.dataset)?;
    deferral(&config.deferral, config.dataset.calibration)?;
    arms(config)
}

/// The keys that single arms need.
fn arms(config: &Config) -> Checked {
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
    for (arm, key, there, what) in needs {
        if has(arm) && !there {
            return Err(refused(format!("arms: `{}` needs {key}: {what}", arm.name())));
        }
    }
    if deferral.tuned_threshold.is_some_and(|threshold| !(0.0..=1.0).contains(&threshold)) {
        return Err(refused("deferral.tuned_threshold: must be from 0 to 1"));
    }
    if has(Arm::CascadeTuned) && deferral.recalibrate.is_some() {
        return Err(refused(
            "arms: `cascade-tuned` compares the score as it is with its λ, and deferral.recalibrate maps scores: leave one of them out",
        ));
    }
    Ok(())
}

/// The name of the run, the levels and the arms.
fn names(config: &Config) -> Checked {
    if config.name.is_empty() || config.name.contains(['/', '\\']) || config.name.starts_with('.') {
        return Err(refused(format!("name: `{}` cannot name a folder", config.name)));
    }
    if config.levels.len() != 2 || config.levels[0] == config.levels[1] {
        return Err(refused(format!("levels: name two different models, the weak one first, not {:?}", config.levels)));
    }
    if config.arms.is_empty() {
        return Err(refused("arms: name at least one"));
    }
    let twice = |(i, arm)| config.arms[..i].contains(arm).then_some(arm);
    match config.arms.iter().enumerate().find_map(twice) {
        Some(arm) => Err(refused(format!("arms: `{}` stands twice", arm.name()))),
        None => Ok(()),
    }
}

fn ranges(config: &Config) -> Checked {
    let ranges = [
        ("learning.min_similarity", config.learning.min_similarity, -1.0, 1.0),
        ("learning.confident_from", config.learning.confident_from, 0.0, 1.0),
        ("learning.verify_temperature", config.learning.verify_temperature, 0.0, 2.0),
        ("learning.reuse_from", config.learning.reuse_from, -1.0, 1.0),
        ("limits.max_refused", config.limits.max_refused, 0.0, 1.0),
    ];
    match ranges.into_iter().find(|(_, value, least, most)| !(least..=most).contains(&value)) {
        Some((key, value, least, most)) => Err(refused(format!("{key}: must be from {least} to {most}, not {value}"))),
        None => Ok(()),
    }
}

fn counts(config: &Config) -> Checked {
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
        Some((key, _)) => Err(refused(format!("{key}: must be at least 1"))),
        None => Ok(()),
    }
}

fn dataset(dataset: &DatasetConfig) -> Checked {
    if let Some(choose) = dataset.choose.filter(|choose| !(*choose > 0.0 && *choose < 1.0)) {
        return Err(refused(format!("dataset.choose: must lie between 0 and 1, not {choose}")));
    }
    if dataset.name.is_none() && dataset.path.is_none() {
        return Err(refused("dataset: give the name of a data set (`intercascade datasets list`) or a path"));
    }
    if dataset.limit.is_some() && dataset.sample.is_some() {
        return Err(refused("dataset: `limit` takes the first items and `sample` draws some; give one of them"));
    }
    let other = [("limit", dataset.limit), ("sample", dataset.sample)];
    let other = other.into_iter().find(|(_, items)| items.is_some()).filter(|_| dataset.sample_groups.is_some());
    if let Some((key, _)) = other {
        return Err(refused(format!(
            "dataset: `sample_groups` counts whole groups and `{key}` counts items; give one of them"
        )));
    }
    if dataset.calibration_split.is_some() && dataset.calibration == 0 {
        return Err(refused("dataset.calibration_split: say with dataset.calibration how many of its items are drawn"));
    }
    Ok(())
}

/// The gate, with `calibration` items set apart.
fn deferral(deferral: &DeferralConfig, calibration: usize) -> Checked {
    if let Some(threshold) = deferral.stated().filter(|threshold| !(0.0..=1.0).contains(threshold)) {
        return Err(refused(format!("deferral.threshold: must be from 0 to 1, not {threshold}")));
    }
    for (key, value) in [("quantile", deferral.quantile), ("draw_temperature", deferral.draw_temperature / 2.0)] {
        if !(0.0..=1.0).contains(&value) {
            let most = if key == "quantile" { 1 } else { 2 };
            return Err(refused(format!("deferral.{key}: must be from 0 to {most}")));
        }
    }
    if deferral.draws == 0 {
        return Err(refused("deferral.draws: must be at least 1"));
    }
    if deferral.calibrate_per_arm && !deferral.calibration_task().asks() {
        return Err(refused(
            "deferral.calibrate_per_arm: there is nothing to calibrate; give threshold = { calibrate = … } or recalibrate",
        ));
    }
    if deferral.calibration_task().asks() && calibration == 0 {
        return Err(refused(
            "deferral: calibrating needs items that the stream does not hold; set dataset.calibration to their number",
        ));
    }
    guarantee(deferral, calibration)
}

/// Refuses a set that can never certify α, before anything is asked of it.
fn guarantee(deferral: &DeferralConfig, calibration: usize) -> Checked {
    let Threshold::Told { calibrate } = deferral.threshold else { return Ok(()) };
    let Calibrate { alpha, delta, grid, min_accepted } = calibrate;
    for (key, value) in [("alpha", alpha), ("delta", delta)] {
        if !(value > 0.0 && value < 1.0) {
            return Err(refused(format!("deferral.threshold.calibrate.{key}: must lie between 0 and 1, not {value}")));
        }
    }
    if grid == GridName::Steps(0) || min_accepted == 0 {
        return Err(refused("deferral.threshold.calibrate: grid and min_accepted must be at least 1"));
    }
    let told_from = deferral.calibration_task().n_for_threshold(calibration);
    let needed = calibrate.guarantee().needed();
    if told_from < needed {
        let half =
            if deferral.recalibrate.is_some() { ", half of them, since the others fit the recalibration" } else { "" };
        let smallest = smallest_certifiable_alpha(told_from, delta);
        return Err(refused(format!(
            "deferral.threshold.calibrate: {told_from} items tell λ{half}, and α {alpha} with δ {delta} and min_accepted \
             {min_accepted} needs {needed} accepted answers, all right: set more apart with dataset.calibration, or ask for \
             less (the smallest α that {told_from} can certify is {smallest:.4})"
        )));
    }
    Ok(())
}

/// Checks that the weak level can give the signal. Without one, no arm may be gated by confidence.
pub(super) fn signal(
    signal: Option<Signal>,
    config: &Config,
    weak: &ModelEntry,
    recorded: Option<&Recording>,
    task: Task,
) -> Checked {
    let can = weak.capabilities();
    let scores = task == Task::Choice && can.scores_options;
    let gated = config.arms.iter().any(|arm| arm.deferral() == Deferral::BelowThreshold);
    let message = match signal {
        None if !gated => return Ok(()),
        None if recorded.is_some() => format!(
            "the recording of model `{}` holds no confidence, so nothing can be gated by it: leave the gated arms out",
            weak.name
        ),
        Some(signal) if signal.scores_options() && !scores => format!(
            "{} needs multiple-choice questions and a weak model that scores options (backend gguf), and `{}` is no such pair with {:?} questions",
            signal.name(),
            weak.name,
            task
        ),
        Some(signal) if recorded.is_some() && signal != Signal::Recorded => format!(
            "{} is read from a model, and `{}` is a recording: leave `signal` out, or say \"recorded\"",
            signal.name(),
            weak.name
        ),
        None if !can.logprobs => no_logprobs(Signal::MeanTokenProbability, weak),
        Some(signal) if (signal.needs_logprobs() || signal.further() == Further::IsItRight) && !can.logprobs => {
            no_logprobs(signal, weak)
        }
        Some(Signal::Recorded) if !recorded.is_some_and(|recording| recording.has("confidence")) => format!(
            "`recorded` needs a model of backend replay whose recording holds a confidence, and `{}` is none",
            weak.name
        ),
        _ => return Ok(()),
    };
    Err(refused(message))
}

fn no_logprobs(signal: Signal, weak: &ModelEntry) -> String {
    format!(
        "{} needs log-probabilities, and model `{}` gives none (logprobs = false); choose another weak model, or a signal that \
         needs none: verbalised, self-consistency",
        signal.name(),
        weak.name
    )
}

/// Checks a config together with what it names.
pub(super) fn resolved(resolved: &ResolvedConfig) -> Checked {
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
                return Err(refused(format!("limits.{key} needs a price for model `{}`", entry.name)));
            }
        }
    }
    Ok(())
}

/// The calculator, the extraction rules and the signal must fit the questions and each other.
fn reading(resolved: &ResolvedConfig) -> Checked {
    let grader = &resolved.grader;
    let generates = grader.task == Task::Math
        && [&resolved.weak, &resolved.strong].iter().any(|entry| entry.capabilities().calculator);
    if resolved.config.dataset.calculator && !generates {
        return Err(refused(
            "dataset.calculator works for math questions and a model that runs in this process (backend gguf)",
        ));
    }
    if let Some(rule) = grader.rules.iter().find(|rule| !rule.reads(grader.task)) {
        return Err(refused(format!(
            "dataset.extraction: the rule `{}` does not read answers to these questions",
            rule.name()
        )));
    }
    if !grader.rules.iter().any(|rule| rule.reads_texts()) {
        return Err(refused("dataset.extraction: name a rule that reads texts too, for what a level writes"));
    }
    let normalised = grader.rules.contains(&Extraction::OptionLikelihoodNormalised);
    let other =
        |signal: Signal| signal.scores_options() && (signal == Signal::OptionProbabilityNormalised) != normalised;
    if resolved.signal.is_some_and(other) {
        return Err(refused(
            "deferral.signal: option-probability-normalised and the rule option-likelihood-normalised go together, so that the \
             option that is answered is the one that confidence is told of",
        ));
    }
    Ok(())
}

/// A recording must hold what the arms ask: of the strong level one answer to each item, with the strategy or without.
fn recordings(resolved: &ResolvedConfig) -> Checked {
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
            return Err(refused(format!(
                "arms: a learning arm asks model `{}` what its recording does not hold (it has no column `{column}`): leave the learning arms out",
                entry.name
            )));
        }
    }
    let drawn = resolved.learns() && learning.store.to_vec().iter().any(|rule| rule.needs_draws());
    let more = [(drawn, "a further draw"), (written && second, "a strategy in a second call")];
    let strong = &resolved.strong.name;
    match more.iter().find(|(asked, _)| *asked && resolved.recordings.contains_key(strong)) {
        Some((_, what)) => Err(refused(format!(
            "learning: {what} is asked of model `{strong}`, and its recording holds one answer to each item"
        ))),
        None => Ok(()),
    }
}

/// The strong level must be able to give what decides what is kept.
fn store_rules(resolved: &ResolvedConfig) -> Checked {
    let learning = &resolved.config.learning;
    let confident = resolved.learns() && learning.store.to_vec().contains(&StoreRule::Confident);
    if confident && !resolved.strong.capabilities().logprobs {
        return Err(refused(format!(
            "learning.store: `confident` needs log-probabilities, and model `{}` gives none",
            resolved.strong.name
        )));
    }
    if resolved.grader.task != Task::Choice {
        return Ok(());
    }
    let checking = learning.store.to_vec().into_iter().find(|rule| rule.needs_calculations());
    if let Some(rule) = checking.filter(|_| resolved.learns()) {
        return Err(refused(format!(
            "learning.store: `{}` looks at calculations, and answers to questions with options have none: leave it out",
            rule.name()
        )));
    }
    match resolved.config.arms.iter().find(|arm| matches!(arm, Arm::ExampleReplay | Arm::FixedExample)) {
        Some(arm) => {
            Err(refused(format!("arms: `{}` is for word problems, and these are questions with options", arm.name())))
        }
        None => Ok(()),
    }
}

/// The checks must have a meaning for the questions and the arms.
fn checks(resolved: &ResolvedConfig) -> Checked {
    let deferral = &resolved.config.deferral;
    let options = resolved.grader.task == Task::Choice;
    if let Some(check) = deferral.checks.iter().find(|check| check.is_for_options() != options) {
        let reason = if options {
            "looks at calculations, and answers to questions with options have none"
        } else {
            "compares letter and text of an option, and these are word problems"
        };
        return Err(refused(format!("deferral.checks: `{}` {reason}: leave it out", check.name())));
    }
    if !deferral.calculations_at_least.is_usual() && !deferral.checks.contains(&Check::Calculations) {
        return Err(refused(
            "deferral.calculations_at_least: the check `calculations` is not in deferral.checks: leave the key out",
        ));
    }
    let shows = resolved.config.arms.iter().any(|arm| arm.shows_examples());
    match deferral.checks.iter().find(|check| check.needs_example()) {
        Some(check) if shows && deferral.calibration_task().asks() && !deferral.calibrate_per_arm => {
            Err(refused(format!(
                "deferral.checks: `{}` is for learning arms, whose threshold is then their own: set deferral.calibrate_per_arm = true",
                check.name()
            )))
        }
        _ => Ok(()),
    }
}

/// The prompts must have the forms that the arms and the signal use.
fn prompts(resolved: &ResolvedConfig) -> Checked {
    let [weak, strong] = &resolved.prompts;
    if let Some(prompt) = resolved.prompts.iter().find(|prompt| prompt.names_subject())
        && let Some(item) = resolved.items.iter().find(|item| item.subject.is_none())
    {
        return Err(refused(format!(
            "the prompt `{}` names the question's subject, and item `{}` has none: choose another prompt",
            prompt.name, item.id
        )));
    }
    let (written, second) = (resolved.needs_strategies(), resolved.config.learning.distil == Distil::SecondCall);
    if written && !second && resolved.shows_to_top() {
        return Err(refused(
            "learning: the top level is shown examples (top_level_examples or the arm strong-with-examples), and a request for an answer and a \
             strategy in one call has no place for them: set learning.distil = \"second-call\" or another learning.content",
        ));
    }
    let further = resolved.signal.map(Signal::further);
    let wanted = [
        (&resolved.strong, strong, "distil", strong.distil.is_some(), written && !second),
        (&resolved.strong, strong, "distil_after", strong.distil_after.is_some(), written && second),
        (&resolved.weak, weak, "p_true", weak.p_true.is_some(), further == Some(Further::IsItRight)),
        (&resolved.weak, weak, "verbalised", weak.verbalised.is_some(), further == Some(Further::HowLikely)),
    ];
    match wanted.into_iter().find(|(_, _, _, there, needed)| *needed && !there) {
        Some((entry, prompt, form, ..)) => Err(refused(format!(
            "model `{}`: its prompt `{}` has no form `{form}`: choose another prompt",
            entry.name, prompt.name
        ))),
        None => Ok(()),
    }
}
