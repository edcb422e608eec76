//! Changes of an arm from one run to another: paired over the items of both, or between two independent samples.
#![expect(clippy::redundant_closure_for_method_calls, reason = "a method is not one for every lifetime of its records")]

use super::changes::{Changes, RESAMPLES};
use super::fees::{Prices, by_group, item_fee};
use super::slices::{ItemOutcome, Slice};
use crate::analysis::stats::independent::{difference, of_means};
use crate::analysis::stats::units::{differ, relative_change};
use crate::analysis::stats::{Draws, Estimate, Units};
use crate::types::seed::Seed;

/// Changes of an arm from a base run to another run, as shares: the difference for accuracies, the relative change for
/// strong calls and fees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RunChanges {
    /// True if the changes are paired by item and order; false if the items of each run are an independent sample.
    pub paired: bool,
    /// Difference of the accuracies.
    pub accuracy: Estimate,
    /// Difference of the weak level's accuracies. `None` if an item of either run has no weak answer.
    pub weak_accuracy: Option<Estimate>,
    /// Relative change of the share of items that the strong level answers. `None` if it answers none in the base.
    pub strong_calls: Option<Estimate>,
    /// Relative change of the fee per item, each run at its own prices. `None` if a model has no price, or if the base
    /// pays nothing.
    pub fee: Option<Estimate>,
}

/// An arm in a run, with the prices of the run.
#[derive(Clone, Copy)]
pub struct ArmInRun<'s, 'a> {
    /// Outcomes of the arm.
    pub slice: &'s Slice<'a>,
    /// Prices by model.
    pub prices: &'s Prices,
}

impl RunChanges {
    /// Compares an arm with the same arm of the base run over the items that both have. `None` if they share no item.
    #[must_use]
    pub fn paired(new: ArmInRun, base: ArmInRun, seed: Seed) -> Option<Self> {
        let found = Changes::between(new.slice, base.slice, seed)?;
        let paid = by_group(&new.slice.paired(base.slice), |one, other| {
            Some([item_fee(one, None, new.prices)?, item_fee(other, None, base.prices)?])
        });
        let change = |paid: Units<2>, draws: Draws| paid.contributing(differ).bca(draws, relative_change);
        let fee = paid.and_then(|paid| drawn(&new, seed, &["fee"], |draws| change(paid, draws)));
        Some(Self {
            paired: true,
            accuracy: found.accuracy,
            weak_accuracy: found.weak_accuracy,
            strong_calls: found.strong_calls,
            fee,
        })
    }

    /// Compares an arm with the same arm of the base run as independent samples, each over all of its items. `None` if
    /// a run has no item.
    #[must_use]
    pub fn unpaired(new: ArmInRun, base: ArmInRun, seed: Seed) -> Option<Self> {
        let compared = |what: &str, samples: Option<[Units<2>; 2]>, figure: fn([f64; 2]) -> Option<f64>| {
            let [own, other] = samples?;
            drawn(&new, seed, &["unpaired", what], |draws| of_means([&own, &other], draws, figure))
        };
        let both = |of: &dyn Fn(&ArmInRun) -> Option<Units<2>>| Some([of(&new)?, of(&base)?]);
        let mixed = |is: fn(ItemOutcome) -> bool| {
            move |arm: &ArmInRun| {
                let units = units(arm, |outcome| Some(f64::from(u8::from(is(outcome)))))?;
                Some(units.contributing(|[right, _]| right > 0.0).contributing(|[right, n]| right < n))
            }
        };
        let weak = mixed(|outcome| outcome.weak_correct());
        let known = |arm: &ArmInRun| arm.slice.outcomes.iter().all(|outcome| outcome.weak().is_some());
        let paying = |[sum, _]: [f64; 2]| sum > 0.0;
        let calls = |arm: &ArmInRun| {
            Some(units(arm, |outcome| Some(f64::from(u8::from(outcome.deferred()))))?.contributing(paying))
        };
        let fees =
            |arm: &ArmInRun| Some(units(arm, |outcome| item_fee(outcome, None, arm.prices))?.contributing(paying));
        Some(Self {
            paired: false,
            accuracy: compared("accuracy", both(&mixed(|outcome| outcome.correct())), difference)?,
            weak_accuracy: compared("weak", both(&|arm| weak(arm).filter(|_| known(arm))), difference),
            strong_calls: compared("strong-calls", both(&calls), relative_change),
            fee: compared("fee", both(&fees), relative_change),
        })
    }
}

/// Sums a figure of each item by group, with the number of items. `None` if the figure of an item is unknown.
fn units<'a>(arm: &ArmInRun<'_, 'a>, figure: impl Fn(ItemOutcome<'a>) -> Option<f64>) -> Option<Units<2>> {
    let row = |outcome: &ItemOutcome<'a>| Some((outcome.group(), [figure(*outcome)?, 1.0]));
    Some(Units::by_group(arm.slice.outcomes.iter().map(row).collect::<Option<Vec<_>>>()?))
}

/// Computes a figure with the random draws of its labels, the arm and the threshold.
fn drawn<T>(new: &ArmInRun, seed: Seed, figure: &[&str], compute: impl FnOnce(Draws) -> T) -> T {
    let threshold = new.slice.cell.threshold.map(|threshold| threshold.to_string()).unwrap_or_default();
    let labels = [figure, &[new.slice.cell.arm.name(), &threshold]].concat();
    compute(Draws { seed, labels: &labels, count: RESAMPLES })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::analysis::fixtures::close;
    use crate::analysis::metrics::slices;
    use crate::types::arm::Arm;
    use crate::types::chat::Usage;
    use crate::types::level::Level;
    use crate::types::price::Price;
    use crate::types::record::{Call, CellKey, Graded, LevelAnswer, Purpose, Record, Score};
    use crate::types::testing;

    /// Items of the cascade: the first `weak` are answered by the weak level, of all the first `right` correctly.
    fn records(items: std::ops::Range<usize>, weak: usize, right: usize) -> Vec<Record> {
        let within = Arc::new(CellKey { dataset: "d".into(), arm: Arm::Cascade, order: 0, threshold: Some(0.5) });
        let first = items.start;
        let record = |item: usize| {
            let score = if item - first < right { Score::Correct } else { Score::Incorrect };
            let graded = Graded { answer: None, score };
            let deferred = item - first >= weak;
            let call = |level| Call {
                usage: Usage { input: 10, cached_input: 0, output: 0 },
                model: if level == Level::FIRST { "small".into() } else { "large".into() },
                ..testing::call(level, Purpose::Answer)
            };
            let calls = [call(Level::FIRST)].into_iter().chain(deferred.then(|| call(Level::SECOND)));
            Record {
                levels: vec![LevelAnswer::new(Level::FIRST, graded.clone())],
                deferred,
                graded,
                calls: calls.collect(),
                ..testing::record(&within, item)
            }
        };
        items.map(record).collect()
    }

    fn prices(large: f64) -> Prices {
        let price =
            |input| Some(Price { input, cached_input: None, output: 0.0, batch: None, read: None, nominal: false });
        [("small".to_owned(), price(1.0)), ("large".to_owned(), price(large))].into()
    }

    #[test]
    fn independent_samples_are_compared_per_item() {
        let (base, new) = (records(0..40, 20, 20), records(100..120, 15, 15));
        let (prices, other) = (prices(9.0), prices(19.0));
        let [base, new] = [&base, &new].map(|records| slices(records));
        let base = ArmInRun { slice: &base[0], prices: &prices };
        let new = ArmInRun { slice: &new[0], prices: &other };
        assert_eq!(RunChanges::paired(new, base, Seed(1)), None, "no item in common");
        let found = RunChanges::unpaired(new, base, Seed(1)).expect("items");
        assert!(!found.paired);
        close(found.accuracy.value, 15.0 / 20.0 - 20.0 / 40.0, 1e-12);
        assert_eq!(found.weak_accuracy.map(|change| change.value), Some(found.accuracy.value));
        // A quarter is deferred instead of half.
        close(found.strong_calls.expect("the base defers").value, -0.5, 1e-12);
        // Per item 1 + 0.5 · 9 = 5.5 before, 1 + 0.25 · 19 = 5.75 after.
        close(found.fee.expect("prices").value, 5.75 / 5.5 - 1.0, 1e-12);
        let halves = [found.accuracy, found.strong_calls.expect("calls"), found.fee.expect("prices")];
        assert!(halves.iter().all(|change| change.interval.is_some() && change.p_value.is_none()), "{halves:?}");
    }

    #[test]
    fn shared_items_are_compared_pairwise_at_the_prices_of_each_run() {
        let (base, new) = (records(0..40, 20, 20), records(0..40, 30, 24));
        let (prices, other) = (prices(9.0), prices(19.0));
        let [base, new] = [&base, &new].map(|records| slices(records));
        let base = ArmInRun { slice: &base[0], prices: &prices };
        let found = RunChanges::paired(ArmInRun { slice: &new[0], prices: &other }, base, Seed(1)).expect("items");
        assert!(found.paired && found.accuracy.p_value.is_some());
        close(found.accuracy.value, 0.1, 1e-12);
        close(found.fee.expect("prices").value, 5.75 / 5.5 - 1.0, 1e-12);
        assert!(found.fee.is_some_and(|fee| fee.interval.is_some()));
        let none = Prices::new();
        let unpriced = RunChanges::paired(ArmInRun { slice: &new[0], prices: &none }, base, Seed(1)).expect("items");
        assert_eq!(unpriced.fee, None);
    }
}
