//! What a run goes by if its config does not say: the confidence signal, and the rules that read answers.

use crate::backend::entry::ModelEntry;
use crate::backend::replay::Recording;
use crate::task::Task;
use crate::task::confidence::Signal;
use crate::task::extraction::Extraction;
use crate::types::item::{Item, Target};

/// The signal that fits the weak level. `None` if it gives neither option scores nor log-probabilities, or is a recording
/// without confidences.
pub(super) fn signal(weak: &ModelEntry, recorded: Option<&Recording>, task: Task) -> Option<Signal> {
    let can = weak.capabilities();
    match recorded {
        Some(recording) => recording.has("confidence").then_some(Signal::Recorded),
        None if task == Task::Choice && can.scores_options => Some(Signal::OptionProbability),
        None if can.logprobs => Some(Signal::MeanTokenProbability),
        None => None,
    }
}

/// The rules: the usual ones, and in front of them those that the signal or the questions need.
pub(super) fn rules(task: Task, signal: Option<Signal>, items: &[Item]) -> Vec<Extraction> {
    let normalised = signal == Some(Signal::OptionProbabilityNormalised);
    let unanswerable = items.iter().any(|item| item.target == Target::Unanswerable);
    let first =
        [normalised.then_some(Extraction::OptionLikelihoodNormalised), unanswerable.then_some(Extraction::NoneStated)];
    first.into_iter().flatten().chain(Extraction::usual(task).iter().copied()).collect()
}
