//! Which confidence signal a run goes by, and whether its weak level can give it.

use anyhow::{Result, bail};

use super::file::Config;
use crate::backend::entry::ModelEntry;
use crate::backend::replay::Recording;
use crate::task::Task;
use crate::task::confidence::{Further, Signal};
use crate::types::arm::Deferral;

/// The signal that the config asks for, or the one that fits, if the weak level can give it; none where nothing is
/// gated by it and nothing was asked for.
pub(super) fn signal(
    config: &Config,
    weak: &ModelEntry,
    recorded: Option<&Recording>,
    task: Task,
) -> Result<Option<Signal>> {
    let can = weak.capabilities();
    let scores = task == Task::Choice && can.scores_options;
    let told = recorded.is_some_and(|recording| recording.has("confidence"));
    let fitting = match recorded {
        Some(_) if told => Some(Signal::Recorded),
        None if scores => Some(Signal::OptionProbability),
        None if can.logprobs => Some(Signal::MeanTokenProbability),
        _ => None,
    };
    let gated = config.arms.iter().any(|arm| arm.deferral() == Deferral::BelowThreshold);
    match config.deferral.signal.or(fitting) {
        None if !gated => Ok(None),
        None if recorded.is_some() => bail!(
            "the recording of model `{}` holds no confidence, so nothing can be gated by it: leave the gated arms out",
            weak.name
        ),
        Some(signal) if signal.scores_options() && !scores => bail!(
            "{} needs multiple-choice questions and a weak model that scores options (backend gguf), and `{}` is no such pair with {:?} questions",
            signal.name(),
            weak.name,
            task
        ),
        Some(signal) if recorded.is_some() && signal != Signal::Recorded => bail!(
            "{} is read from a model, and `{}` is a recording: leave `signal` out, or say \"recorded\"",
            signal.name(),
            weak.name
        ),
        None if !can.logprobs => bail!("{}", no_logprobs(Signal::MeanTokenProbability, weak)),
        Some(signal) if (signal.needs_logprobs() || signal.further() == Further::IsItRight) && !can.logprobs => {
            bail!("{}", no_logprobs(signal, weak))
        }
        Some(Signal::Recorded) if !told => {
            bail!(
                "`recorded` needs a model of backend replay whose recording holds a confidence, and `{}` is none",
                weak.name
            )
        }
        signal => Ok(signal),
    }
}

fn no_logprobs(signal: Signal, weak: &ModelEntry) -> String {
    format!(
        "{} needs log-probabilities, and model `{}` gives none (logprobs = false); choose another weak model, or a signal that \
         needs none: verbalised, self-consistency",
        signal.name(),
        weak.name
    )
}
