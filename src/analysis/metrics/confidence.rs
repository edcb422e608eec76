//! Quality of the weak level's confidence over a stream, and a monitor of the guarantee.

use std::collections::BTreeMap;

use super::{ItemOutcome, Slice};
use crate::analysis::drift::{RiskMonitor, anytime_p, watch};
use crate::analysis::ranked::Ranked;
use crate::analysis::reliability::{Bin, Judged, aurc, auroc, brier, ece, reliability_table};
use crate::analysis::stats::bootstrap::Population;
use crate::analysis::stats::proportion::wilson;
use crate::analysis::stats::units::mean;
use crate::analysis::stats::{Draws, Interval, Units};
use crate::types::seed::Seed;

/// Number of rows of equal mass in a reliability table.
pub const BINS: usize = 10;

/// Number of resamples for the intervals of AUROC, ECE and Brier score. Each resample visits all answers.
pub const RESAMPLES: usize = 2000;

/// Confidence metrics: how well confidence separates correct from wrong answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Reliability {
    /// Number of answers, over all orders.
    pub n: usize,
    /// The reliability table.
    pub bins: Vec<Bin>,
    /// The expected calibration error over the table's rows.
    pub ece: Option<f64>,
    /// The Brier score: the mean squared error of confidence.
    pub brier: Option<f64>,
    /// The probability that a correct answer has a greater confidence than a wrong one.
    pub auroc: Option<f64>,
    /// The area under the risk-coverage curve.
    pub aurc: Option<f64>,
}

/// The 95 % intervals of the confidence metrics, from a bias-corrected bootstrap over groups. The correction is needed
/// since the ECE of a resample is biased upwards from the sample's, which is biased upwards from the truth. `None` if
/// too few groups contribute, or if all resamples lie on one side of the sample's figure.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ConfidenceIntervals {
    /// Interval of the AUROC. `None` if fewer than three groups have a correct answer, or fewer than three a wrong
    /// one.
    pub auroc: Option<Interval>,
    /// Interval of the ECE.
    pub ece: Option<Interval>,
    /// Interval of the Brier score.
    pub brier: Option<Interval>,
}

/// Computes the intervals for each slice, over the whole stream and over the items for which the weak level was
/// called. Intervals are empty if the metrics are undefined. Slices with the same number of groups share their
/// resamples.
#[must_use]
pub(super) fn confidence_intervals(slices: &[Slice], seed: Seed) -> Vec<[ConfidenceIntervals; 2]> {
    let mut batches: BTreeMap<usize, Vec<([usize; 2], Ranked)>> = BTreeMap::new();
    for (index, slice) in slices.iter().enumerate().filter(|(_, slice)| !slice.is_read_off()) {
        let whole = slice.is_complete().then_some((0, false));
        let asked = (slice.unasked() > 0).then_some((1, true));
        for (kind, asked_alone) in whole.into_iter().chain(asked) {
            let included = slice.outcomes.iter().filter(|outcome| !asked_alone || outcome.own_weak_answer().is_some());
            let rows: Vec<(&str, Judged)> =
                included.filter_map(|outcome| Some((outcome.group(), outcome.judged()?))).collect();
            if !rows.is_empty() {
                let ranked = Ranked::new(&rows);
                batches.entry(ranked.groups()).or_default().push(([index, kind], ranked));
            }
        }
    }
    let mut found = vec![[ConfidenceIntervals::default(); 2]; slices.len()];
    let draws = Draws { seed, labels: &["confidence"], count: RESAMPLES };
    for (groups, slices) in batches {
        let Ok(groups) = u32::try_from(groups) else { continue };
        let figures =
            |times: &[u32]| slices.iter().flat_map(|(_, ranked)| ranked.metrics(times, BINS as u64)).collect();
        let estimates = Population::distinct(groups).bias_corrected(draws, figures);
        for (([index, kind], ranked), estimates) in slices.iter().zip(estimates.chunks(3)) {
            let interval = |figure: usize| estimates[figure].and_then(|found| found.interval);
            found[*index][*kind] = ConfidenceIntervals {
                auroc: interval(0).filter(|_| ranked.has_both()),
                ece: interval(1),
                brier: interval(2),
            };
        }
    }
    for (_, found) in slices.iter().zip(&mut found).filter(|(slice, _)| slice.unasked() == 0) {
        found[1] = found[0];
    }
    found
}

/// Realised risk over the stream, compared with the guarantee.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Realised {
    /// Number of accepted answers, over all orders.
    pub accepted: usize,
    /// Number of wrong answers among the accepted ones.
    pub errors: usize,
    /// Share of wrong answers among the accepted ones. `None` if no answer was accepted.
    pub risk: Option<f64>,
    /// The greatest wealth in any order, from a stake of 1, of the bet against the guarantee.
    pub wealth: f64,
    /// The anytime-valid p-value of the guarantee: the number of orders divided by `wealth`, at most 1.
    pub p: f64,
    /// Accepted answers of that order when it reached `wealth`, and the wrong ones among them.
    pub alarmed: [usize; 2],
}

/// Points of a reliability diagram.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagram {
    /// Bins of equal mass of the answers with a confidence above 0, each with the interval of its accuracy: Wilson's if
    /// items are independent, else from a bootstrap over groups. No interval if fewer than three groups have a correct
    /// answer in the bin, or fewer than three a wrong one.
    pub bins: Vec<(Bin, Option<Interval>)>,
    /// The answers with confidence 0: those that fail a check of the gate, and those without a readable answer. `None`
    /// if there are none.
    pub zero: Option<Bin>,
    /// The answers of the bins.
    pub positive: Vec<Judged>,
}

impl Slice<'_> {
    /// Confidence metrics over the whole stream. If the arm did not call the weak level for an item, weak-only's
    /// answer is used. `None` if no answer has a confidence, if an item has no weak answer though the arm retrieves
    /// strategies, and if the slice is derived from weak-only, whose metrics are identical.
    #[must_use]
    pub fn reliability(&self) -> Option<Reliability> {
        if self.is_read_off() || !self.is_complete() {
            return None;
        }
        let judged = self.judged();
        let bins = reliability_table(&judged, BINS);
        (!judged.is_empty()).then(|| Reliability {
            n: judged.len(),
            ece: ece(&bins),
            brier: brier(&judged),
            auroc: auroc(&judged),
            aurc: aurc(&judged),
            bins,
        })
    }

    /// Computes the reliability diagram over the whole stream. `None` as in [`Self::reliability`].
    #[must_use]
    pub fn diagram(&self, seed: Seed) -> Option<Diagram> {
        self.reliability()?;
        let (zero, positive): (Vec<Judged>, Vec<Judged>) =
            self.judged().into_iter().partition(|answer| answer.confidence <= 0.0);
        let bins = reliability_table(&positive, BINS);
        let intervals = self.bin_intervals(&bins, seed);
        Some(Diagram {
            bins: bins.into_iter().zip(intervals).collect(),
            zero: reliability_table(&zero, 1).pop(),
            positive,
        })
    }

    /// Computes the interval of each bin's accuracy.
    fn bin_intervals(&self, bins: &[Bin], seed: Seed) -> Vec<Option<Interval>> {
        let judged = |outcome: &ItemOutcome| Some((outcome.group().to_owned(), outcome.judged()?));
        let rows: Vec<(String, Judged)> = self.outcomes.iter().filter_map(judged).collect();
        let interval = |(index, bin): (usize, &Bin)| {
            let within = |row: &&(String, Judged)| (bin.low..=bin.high).contains(&row.1.confidence);
            let inside = rows.iter().filter(within);
            if self.is_independent() {
                return wilson(inside.clone().filter(|(_, answer)| answer.right).count(), inside.count());
            }
            let right = |(group, answer): &(String, Judged)| (group.clone(), [f64::from(u8::from(answer.right)), 1.0]);
            let units = Units::by_group(inside.map(right)).contributing(|[right, _]| right > 0.0);
            let labels = ["reliability", self.cell.arm.name(), &index.to_string()];
            let draws = Draws { seed, labels: &labels, count: RESAMPLES };
            units.contributing(|[right, n]| right < n).percentile(draws, mean)?.interval
        };
        bins.iter().enumerate().map(interval).collect()
    }

    /// Confidence metrics over the items for which the weak level was called.
    #[must_use]
    pub fn reliability_asked(&self) -> Option<Reliability> {
        if self.unasked() == 0 { self.reliability() } else { self.weak_called_part().reliability() }
    }

    /// True if every item without a call of the weak level has weak-only's answer instead.
    fn is_complete(&self) -> bool {
        self.unasked() == self.from_weak_only()
    }

    /// True if the slice is derived from weak-only and strong-only.
    fn is_read_off(&self) -> bool {
        matches!(self.outcomes.first(), Some(ItemOutcome::Gated { .. }))
    }

    /// Computes the realised risk of the weak level's accepted answers, and tests that it is at most `alpha`. Reused
    /// strong answers are left out.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of items")]
    pub fn realised(&self, alpha: f64) -> Realised {
        let mut orders: BTreeMap<usize, Vec<bool>> = BTreeMap::new();
        for outcome in self.outcomes.iter().filter(|outcome| !outcome.deferred() && outcome.own_weak_answer().is_some())
        {
            orders.entry(outcome.record().cell.order).or_default().push(!outcome.correct());
        }
        let watched: Vec<RiskMonitor> = orders.into_values().map(|wrong| watch(wrong, alpha)).collect();
        let sum = |of: fn(&RiskMonitor) -> usize| watched.iter().map(of).sum::<usize>();
        let (accepted, errors) = (sum(|order| order.accepted), sum(|order| order.errors));
        let most = watched.iter().max_by(|one, other| one.wealth.total_cmp(&other.wealth));
        Realised {
            accepted,
            errors,
            risk: (accepted > 0).then(|| errors as f64 / accepted as f64),
            wealth: most.map_or(1.0, |most| most.wealth),
            p: most.map_or(1.0, |most| anytime_p(most.wealth, self.orders.max(1))),
            alarmed: most.map_or([0; 2], |most| [most.at, most.errors_at]),
        }
    }
}
