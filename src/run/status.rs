//! State of a run that makes calls: finished items of each arm, calls in flight, tokens and fee. Rates and the time
//! left follow from samples of this state.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::resources::Models;
use crate::analysis::metrics::Prices;
use crate::cascade::experiment::Cells;
use crate::cascade::level::LevelModel;
use crate::cascade::setup::ExperimentContext;
use crate::gateway::budget::Budget;
use crate::gateway::concurrency::QueueLoad;
use crate::types::arm::{Arm, Deferral};
use crate::types::chat::Usage;
use crate::types::item::ItemId;
use crate::types::price::Fee;
use crate::types::record::Record;

/// State of a run at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunStatus {
    /// Progress of each arm, in the order of the run. Empty if the calls belong to no arm.
    pub arms: Vec<ArmStatus>,
    /// Calls of each model, the weak level's model first.
    pub models: Vec<ModelStatus>,
    /// Fee so far. `None` if a model that was called has no price.
    pub fee: Option<FeeStatus>,
}

/// Progress of an arm, over all orders of the stream and all thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArmStatus {
    /// Arm.
    pub arm: Arm,
    /// Number of finished items, warm-up items included.
    pub done: u64,
    /// Number of all items, warm-up items included.
    pub total: u64,
    /// Number of finished items for which the arm decided whether to defer. 0 for an arm that always or never defers.
    pub gated: u64,
    /// Number of these items that were deferred.
    pub deferred: u64,
}

/// Calls of one model in this execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelStatus {
    /// Name of the model in the config.
    pub name: String,
    /// Number of calls in flight.
    pub in_flight: usize,
    /// Number of output tokens of the answered calls.
    pub output_tokens: u64,
}

/// Fee so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FeeStatus {
    /// Fee in USD: all that counts against the limit, or without a limit the answered calls of this execution.
    pub usd: f64,
    /// Fee limit in USD with the smallest remainder. `None` without a limit.
    pub limit_usd: Option<f64>,
    /// True if a price is nominal, so the fee is not real money.
    pub nominal: bool,
}

impl RunStatus {
    /// Number of calls in flight over all models.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.models.iter().map(|model| model.in_flight).sum()
    }

    /// Number of output tokens over all models.
    #[must_use]
    pub fn output_tokens(&self) -> u64 {
        self.models.iter().map(|model| model.output_tokens).sum()
    }
}

/// Minimum age of the older of two samples from which a rate is computed, once there are such samples.
const WINDOW: Duration = Duration::from_mins(1);

/// Minimum number of steps from which the time left is computed, once there are so many.
const WINDOW_STEPS: u64 = 20;

/// Minimum time between two stored samples.
const BETWEEN_SAMPLES: Duration = Duration::from_secs(1);

/// Time in which no rate is stated.
const TOO_SHORT: Duration = Duration::from_secs(1);

/// Number of finished steps and output tokens at one moment.
#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    done: u64,
    tokens: u64,
}

/// Rates over a sliding window of samples. A window begins at least a minute ago, or at the first sample.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Samples from the earliest that any window needs.
    samples: VecDeque<Sample>,
    latest: Sample,
}

impl Pace {
    /// A window that begins now, with these numbers of finished steps and output tokens.
    #[must_use]
    pub fn new(at: Instant, done: u64, tokens: u64) -> Self {
        let latest = Sample { at, done, tokens };
        Self { samples: VecDeque::from([latest]), latest }
    }

    /// Adds the numbers of finished steps and output tokens at a later moment.
    pub fn sample(&mut self, at: Instant, done: u64, tokens: u64) {
        self.latest = Sample { at, done, tokens };
        if self.samples.back().is_none_or(|last| at.duration_since(last.at) >= BETWEEN_SAMPLES) {
            self.samples.push_back(self.latest);
        }
        while self.samples.get(1).is_some_and(|second| self.is_window(second) && self.has_steps(second)) {
            self.samples.pop_front();
        }
    }

    /// Output tokens per second. `None` in the first second.
    #[must_use]
    pub fn tokens_per_s(&self) -> Option<f64> {
        let from = self.samples.iter().rev().find(|sample| self.is_window(sample)).or(self.samples.front())?;
        self.rate(from, self.latest.tokens - from.tokens)
    }

    /// Steps per second. `None` in the first second.
    #[must_use]
    pub fn steps_per_s(&self) -> Option<f64> {
        let from = self.samples.front()?;
        self.rate(from, self.latest.done - from.done)
    }

    /// Time until `total` steps are finished. `None` in the first second, at the end, or if no step was finished.
    #[must_use]
    pub fn time_left(&self, total: u64) -> Option<Duration> {
        let rest = total.checked_sub(self.latest.done).filter(|rest| *rest > 0)?;
        let rate = self.steps_per_s().filter(|rate| *rate > 0.0)?;
        #[expect(clippy::cast_precision_loss, reason = "a number of steps")]
        Duration::try_from_secs_f64(rest as f64 / rate).ok()
    }

    fn is_window(&self, sample: &Sample) -> bool {
        self.latest.at.duration_since(sample.at) >= WINDOW
    }

    fn has_steps(&self, sample: &Sample) -> bool {
        self.latest.done - sample.done >= WINDOW_STEPS
    }

    #[expect(clippy::cast_precision_loss, reason = "a number of steps or tokens")]
    fn rate(&self, from: &Sample, count: u64) -> Option<f64> {
        let passed = self.latest.at.duration_since(from.at);
        (passed >= TOO_SHORT).then(|| count as f64 / passed.as_secs_f64())
    }
}

/// Counts of a run's finished items, with access to its models.
pub(super) struct StatusSource {
    arms: Mutex<Vec<ArmStatus>>,
    /// Ids of the items before the stream, which learning arms always defer.
    warmup: BTreeSet<ItemId>,
    context: Arc<ExperimentContext>,
    budget: Option<Arc<Budget>>,
    prices: Prices,
}

impl StatusSource {
    /// State of a run before its first item. Without `cells`, the calls belong to no arm.
    pub(super) fn new(models: &Models, cells: Option<&Cells>, prices: Prices) -> Self {
        let Models { context, budget, .. } = models;
        let warmup = cells.iter().flat_map(|cells| cells.warmup.iter()).map(|index| context.items[*index].id.clone());
        Self {
            arms: Mutex::new(cells.map(Cells::steps_of_arms).unwrap_or_default().into_iter().map(arm_status).collect()),
            warmup: warmup.collect(),
            context: Arc::clone(context),
            budget: budget.clone(),
            prices,
        }
    }

    /// Counts a finished item.
    pub(super) fn count(&self, record: &Record) {
        let mut arms = self.arms();
        let Some(status) = arms.iter_mut().find(|status| status.arm == record.cell.arm) else { return };
        status.done += 1;
        let decides = !matches!(status.arm.deferral(), Deferral::Never | Deferral::Always);
        if decides && !self.warmup.contains(&record.item_id) {
            status.gated += 1;
            status.deferred += u64::from(record.deferred);
        }
    }

    /// State of the run now.
    pub(super) fn status(&self) -> RunStatus {
        let levels = &self.context.levels;
        let all = levels.below_top().map(|(_, level)| level).chain([levels.top().1]);
        let loads: Vec<(&str, QueueLoad)> = all.map(|LevelModel { model, .. }| model.load()).collect();
        let mut models: Vec<ModelStatus> = Vec::new();
        for (name, QueueLoad { in_flight, answered }) in &loads {
            if let Some(known) = models.iter_mut().find(|model| model.name == *name) {
                known.in_flight += in_flight;
                known.output_tokens += answered.output;
            } else {
                let name = (*name).to_owned();
                models.push(ModelStatus { name, in_flight: *in_flight, output_tokens: answered.output });
            }
        }
        RunStatus { arms: self.arms().clone(), models, fee: self.fee(&loads) }
    }

    /// Fee against the limit, or without a limit the fee of this execution's answered calls. `None` if one of these
    /// calls has no price.
    fn fee(&self, loads: &[(&str, QueueLoad)]) -> Option<FeeStatus> {
        let called = loads.iter().filter(|(_, load)| load.answered != Usage::default());
        let price = |name: &str| self.prices.get(name).and_then(Option::as_ref);
        let fees = called.map(|(name, load)| Some(price(name)?.fee(load.answered)));
        let fee = fees.collect::<Option<Vec<Fee>>>()?.into_iter().fold(Fee::default(), Fee::plus).usd();
        let nominal = loads.iter().any(|(name, _)| price(name).is_some_and(|price| price.nominal));
        Some(match self.budget.as_deref().map(Budget::level) {
            Some((usd, limit)) => FeeStatus { usd, limit_usd: Some(limit), nominal },
            None => FeeStatus { usd: fee, limit_usd: None, nominal },
        })
    }

    fn arms(&self) -> MutexGuard<'_, Vec<ArmStatus>> {
        self.arms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn arm_status((arm, total): (Arm, usize)) -> ArmStatus {
    ArmStatus { arm, done: 0, total: total as u64, gated: 0, deferred: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a sample each second: `done` steps and `tokens` tokens are added each time.
    fn run_for(pace: &mut Pace, seconds: u64, done: u64, tokens: u64) {
        for _ in 0..seconds {
            let Sample { at, done: before, tokens: earlier } = pace.latest;
            pace.sample(at + Duration::from_secs(1), before + done, earlier + tokens);
        }
    }

    #[test]
    fn rates_forget_what_is_older_than_the_window() {
        let mut pace = Pace::new(Instant::now(), 0, 0);
        assert_eq!((pace.tokens_per_s(), pace.time_left(10)), (None, None));
        // A resumed run: a thousand items come from the journal in the first second, without a call.
        run_for(&mut pace, 1, 1000, 0);
        assert_eq!(pace.time_left(2000), Some(Duration::from_secs(1)));
        run_for(&mut pace, 100, 2, 50);
        assert_eq!(pace.tokens_per_s(), Some(50.0));
        assert_eq!(pace.steps_per_s(), Some(2.0));
        assert_eq!(pace.time_left(1300), Some(Duration::from_secs(50)));
        assert_eq!(pace.time_left(1200), None);
        assert!(pace.samples.len() <= 62, "{} samples", pace.samples.len());
        // A stalled server: the token rate falls, and the time left keeps the last twenty items.
        run_for(&mut pace, 60, 0, 0);
        assert_eq!(pace.tokens_per_s(), Some(0.0));
        assert!(pace.time_left(1300) > Some(Duration::from_secs(50)));
    }
}
