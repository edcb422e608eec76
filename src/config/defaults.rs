//! Defaults that depend on data and model: the confidence signal and the extraction rules.

use crate::backend::entry::ModelEntry;
use crate::backend::replay::Recording;
use crate::task::Task;
use crate::task::confidence::Signal;
use crate::task::extraction::Extraction;
use crate::types::item::{Item, Target};

/// Default signal for the weak level. `None` if the level returns neither option scores nor log-probabilities, or is a recording
/// without confidences.
pub(super) fn signal(weak: &ModelEntry, recorded: Option<&Recording>, task: Task) -> Option<Signal> {
    let capabilities = weak.capabilities();
    match recorded {
        Some(recording) => recording.has("confidence").then_some(Signal::Recorded),
        None if task == Task::Choice && capabilities.scores_options => Some(Signal::OptionProbability),
        None if capabilities.logprobs => Some(Signal::MeanTokenProbability),
        None => None,
    }
}

/// Default extraction rules. Rules that the signal or the items need come before the standard rules of the task.
pub(super) fn rules(task: Task, signal: Option<Signal>, items: &[Item]) -> Vec<Extraction> {
    let normalised = signal == Some(Signal::OptionProbabilityNormalised);
    let unanswerable = items.iter().any(|item| item.target == Target::Unanswerable);
    let additional =
        [normalised.then_some(Extraction::OptionLikelihoodNormalised), unanswerable.then_some(Extraction::NoneStated)];
    additional.into_iter().flatten().chain(Extraction::usual(task).iter().copied()).collect()
}
