//! Judgement of an arm over many orders of the stream: the endpoints, fixed in docs/JUDGING.md before any outcome was
//! known, and what describes the outcome (`described.rs`).

mod described;

use std::collections::BTreeMap;

pub use self::described::{ArmFigures, BySubject, ByTeacher, Ceiling, Description, GroupFigures};
use super::averaged::{AtEqual, AveragedArm, CORRECT, Figure, at_equal};
use super::changes::RESAMPLES;
use super::fees::{Prices, item_fee, token_fee};
use super::price_ratio::Shape;
use crate::analysis::stats::holm::holm;
use crate::analysis::stats::{Draws, Estimate};
use crate::types::arm::Arm;
use crate::types::seed::Seed;

/// The arm that is judged.
pub const JUDGED: Arm = Arm::InterCascade;

/// Measure of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Measure {
    /// Difference of the weak level's accuracies.
    WeakAccuracy,
    /// Difference of the system's accuracies.
    Accuracy,
    /// Relative change of the number of items that the strong level answers.
    StrongCalls,
    /// Relative change of the fee at the config's prices.
    Fee,
    /// Relative change of the fee at the accuracy of the reference, along the arm's curve, at this price ratio and
    /// [`OUTPUT_TO_INPUT`].
    FeeAtEqualAccuracy(f64),
    /// Difference of the accuracies at the fee of the reference, likewise.
    AccuracyAtEqualFee(f64),
}

/// Price of an output token in input tokens, where a measure names a price ratio.
pub const OUTPUT_TO_INPUT: f64 = 4.0;

impl Measure {
    /// Name in reports.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::WeakAccuracy => "weak accuracy".to_owned(),
            Self::Accuracy => "system accuracy".to_owned(),
            Self::StrongCalls => "strong calls".to_owned(),
            Self::Fee => "fee".to_owned(),
            Self::FeeAtEqualAccuracy(ratio) => format!("fee at equal accuracy, price ratio {ratio}"),
            Self::AccuracyAtEqualFee(ratio) => format!("accuracy at equal fee, price ratio {ratio}"),
        }
    }

    /// Unit of the change for people.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::WeakAccuracy | Self::Accuracy | Self::AccuracyAtEqualFee(_) => "pp",
            Self::StrongCalls | Self::Fee | Self::FeeAtEqualAccuracy(_) => "%",
        }
    }
}

/// An endpoint: the judged arm against a reference, in one measure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Endpoint {
    /// Measure.
    pub measure: Measure,
    /// The reference.
    pub against: Arm,
}

const fn endpoint(measure: Measure, against: Arm) -> Endpoint {
    Endpoint { measure, against }
}

/// The primary endpoint, on the first set alone.
pub const PRIMARY: Endpoint = endpoint(Measure::Accuracy, Arm::StrongOnly);

/// The secondary endpoints on each set.
pub const SECONDARY: [Endpoint; 18] = [
    endpoint(Measure::WeakAccuracy, Arm::CascadeTuned),
    endpoint(Measure::Accuracy, Arm::CascadeTuned),
    endpoint(Measure::StrongCalls, Arm::CascadeTuned),
    endpoint(Measure::Fee, Arm::CascadeTuned),
    endpoint(Measure::WeakAccuracy, Arm::Cascade),
    endpoint(Measure::Accuracy, Arm::Cascade),
    endpoint(Measure::StrongCalls, Arm::Cascade),
    endpoint(Measure::Fee, Arm::Cascade),
    endpoint(Measure::FeeAtEqualAccuracy(3.0), Arm::StrongOnly),
    endpoint(Measure::FeeAtEqualAccuracy(20.0), Arm::StrongOnly),
    endpoint(Measure::AccuracyAtEqualFee(3.0), Arm::StrongOnly),
    endpoint(Measure::AccuracyAtEqualFee(20.0), Arm::StrongOnly),
    endpoint(Measure::FeeAtEqualAccuracy(3.0), Arm::CascadeTuned),
    endpoint(Measure::FeeAtEqualAccuracy(20.0), Arm::CascadeTuned),
    endpoint(Measure::AccuracyAtEqualFee(3.0), Arm::CascadeTuned),
    endpoint(Measure::AccuracyAtEqualFee(20.0), Arm::CascadeTuned),
    endpoint(Measure::Accuracy, Arm::SimilarityRouterChecked),
    endpoint(Measure::Accuracy, Arm::ExampleReplay),
];

/// The arms that a judgement needs.
pub const NEEDED: [Arm; 7] = [
    Arm::WeakOnly,
    Arm::StrongOnly,
    Arm::Cascade,
    Arm::CascadeTuned,
    JUDGED,
    Arm::SimilarityRouterChecked,
    Arm::ExampleReplay,
];

/// Thresholds of the judged arm's curve. At the last every answer is deferred.
pub const CURVE: [f64; 14] = [0.0, 0.5, 0.7, 0.8, 0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99, f64::INFINITY];

/// Data set over which an arm is judged.
pub struct JudgedSet<'a> {
    /// Every arm at its own threshold, and the judged arm.
    pub arms: Vec<AveragedArm<'a>>,
    /// The judged arm at each threshold of [`CURVE`].
    pub curve: Vec<AveragedArm<'a>>,
    /// Prices of the config.
    pub prices: &'a Prices,
    /// Names of the weak and the strong model.
    pub models: [&'a str; 2],
    /// Seed of the resamples and sign flips.
    pub seed: Seed,
    /// Subject of each item, by id. Empty if the data set names none.
    pub subjects: &'a BTreeMap<String, String>,
}

const WEAK_CORRECT: Figure = &|outcome| outcome.weak().map(|_| f64::from(u8::from(outcome.weak_correct())));
const DEFERRED: Figure = &|outcome| Some(f64::from(u8::from(outcome.deferred())));
const ACCEPTED: Figure = &|outcome| Some(f64::from(u8::from(!outcome.deferred())));

impl<'a> JudgedSet<'a> {
    /// Returns an arm at its own threshold.
    #[must_use]
    pub fn arm(&self, arm: Arm) -> Option<&AveragedArm<'a>> {
        self.arms.iter().find(|averaged| averaged.cell.arm == arm)
    }

    /// The judged arm at its own threshold.
    #[must_use]
    pub fn judged(&self) -> Option<&AveragedArm<'a>> {
        self.arm(JUDGED)
    }

    /// Computes an endpoint as a share, with its interval and unadjusted p-value. `None` if the arm or the reference
    /// is missing, or if the endpoint is undefined.
    #[must_use]
    pub fn estimate(&self, Endpoint { measure, against }: Endpoint) -> Option<Estimate> {
        let (arm, base) = (self.judged()?, self.arm(against)?);
        let name = measure.name();
        let labels = ["judged", &name, against.name()];
        let draws = Draws { seed: self.seed, labels: &labels, count: RESAMPLES };
        let along = |at: AtEqual, ratio: f64| {
            let prices = self.prices_at(ratio)?;
            let cost: Figure = &|outcome| token_fee(outcome, None, &prices);
            at_equal(at, &self.curve.iter().collect::<Vec<_>>(), base, cost, draws)
        };
        match measure {
            Measure::WeakAccuracy => arm.difference(base, WEAK_CORRECT, draws),
            Measure::Accuracy => arm.difference(base, CORRECT, draws),
            Measure::StrongCalls => arm.relative_change(base, DEFERRED, draws),
            Measure::Fee => arm.relative_change(base, &|outcome| item_fee(outcome, None, self.prices), draws),
            Measure::FeeAtEqualAccuracy(ratio) => along(AtEqual::Accuracy, ratio),
            Measure::AccuracyAtEqualFee(ratio) => along(AtEqual::Cost, ratio),
        }
    }

    /// The config's prices with a strong output token at `ratio` times a weak one, in the shape of [`OUTPUT_TO_INPUT`].
    /// `None` if a level has no price.
    fn prices_at(&self, ratio: f64) -> Option<Prices> {
        let [weak, strong] = self.models;
        let output = self.prices.get(weak)?.as_ref()?.output * ratio;
        let mut prices = self.prices.clone();
        prices.get_mut(strong)?.as_mut()?.output = output;
        Shape::Written(OUTPUT_TO_INPUT).prices(&prices)
    }
}

/// An endpoint on a set, with its result.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// True for the primary endpoint.
    pub primary: bool,
    /// The change, as a share. `None` if it is undefined or the set is not recorded.
    pub estimate: Option<Estimate>,
    /// The p-value adjusted for all secondary endpoints of all sets; the p-value itself for the primary endpoint. `None`
    /// without an estimate.
    pub p_adjusted: Option<f64>,
}

/// Computes the endpoints of every set, the primary one on the first set. A set that is `None` is not recorded. Holm's
/// adjustment covers the secondary endpoints of all sets; an undefined one counts with p = 1.
#[must_use]
pub fn judge(sets: &[Option<JudgedSet>]) -> Vec<Vec<Judged>> {
    let on_set = |(index, set): (usize, &Option<JudgedSet>)| {
        let primary = (index == 0).then_some((PRIMARY, true));
        let judged = |(endpoint, primary): (Endpoint, bool)| {
            let estimate = set.as_ref().and_then(|set| set.estimate(endpoint));
            let p_adjusted = estimate.and_then(|estimate| estimate.p_value).filter(|_| primary);
            Judged { endpoint, primary, estimate, p_adjusted }
        };
        primary.into_iter().chain(SECONDARY.map(|endpoint| (endpoint, false))).map(judged).collect()
    };
    let mut found: Vec<Vec<Judged>> = sets.iter().enumerate().map(on_set).collect();
    let mut secondary: Vec<&mut Judged> = found.iter_mut().flatten().filter(|judged| !judged.primary).collect();
    let p_values: Vec<f64> =
        secondary.iter().map(|judged| judged.estimate.and_then(|estimate| estimate.p_value).unwrap_or(1.0)).collect();
    for (judged, adjusted) in secondary.iter_mut().zip(holm(&p_values)) {
        judged.p_adjusted = judged.estimate.is_some().then_some(adjusted);
    }
    found
}
