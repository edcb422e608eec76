//! What the weak level's confidence is worth over a stream, and whether the gate keeps what was guaranteed.

use std::collections::BTreeMap;

use super::{ItemOutcome, Slice};
use crate::analysis::drift::{RiskMonitor, anytime_p, watch};
use crate::analysis::ranked::Ranked;
use crate::analysis::reliability::{Bin, Judged, aurc, auroc, brier, ece, reliability_table};
use crate::analysis::stats::bootstrap::Population;
use crate::analysis::stats::{Draws, Interval};
use crate::types::seed::Seed;

/// Rows of equal mass in a reliability table.
pub const BINS: usize = 10;

/// Resamples of the intervals of AUROC, ECE and Brier's score: each goes through all answers again.
pub const RESAMPLES: usize = 2000;

/// How well confidence tells right answers from wrong ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Reliability {
    /// Answers, over all orders.
    pub n: usize,
    /// The table.
    pub bins: Vec<Bin>,
    /// The expected calibration error over the table's rows.
    pub ece: Option<f64>,
    /// The mean squared error of confidence.
    pub brier: Option<f64>,
    /// The chance that a right answer is the surer one.
    pub auroc: Option<f64>,
    /// The area under the risk-coverage curve.
    pub aurc: Option<f64>,
}

/// The 95 % intervals of what confidence is worth: bias-corrected bootstrap over groups, since a resample's ECE lies above the
/// sample's as that lies above the truth. None where too few groups contribute, or where all resamples lie on one side.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Ends {
    /// Of the AUROC. None if fewer than three groups have a right answer, or fewer than three a wrong one.
    pub auroc: Option<Interval>,
    /// Of the ECE.
    pub ece: Option<Interval>,
    /// Of Brier's score.
    pub brier: Option<Interval>,
}

/// The intervals of each of some slices, of the whole stream and of the items of which the weak level was asked; empty ones where
/// there is no such figure. Slices with as many groups are resampled together.
#[must_use]
pub(super) fn ends(slices: &[Slice], seed: Seed) -> Vec<[Ends; 2]> {
    let mut batches: BTreeMap<usize, Vec<([usize; 2], Ranked)>> = BTreeMap::new();
    for (place, slice) in slices.iter().enumerate().filter(|(_, slice)| !slice.is_read_off()) {
        let whole = slice.is_complete().then_some((0, false));
        let asked = (slice.unasked() > 0).then_some((1, true));
        for (kind, asked_alone) in whole.into_iter().chain(asked) {
            let kept = slice.taken.iter().filter(|taken| !asked_alone || taken.asked_answer().is_some());
            let rows: Vec<(&str, Judged)> = kept.filter_map(|taken| Some((taken.group(), taken.judged()?))).collect();
            if !rows.is_empty() {
                let ranked = Ranked::new(&rows);
                batches.entry(ranked.groups()).or_default().push(([place, kind], ranked));
            }
        }
    }
    let mut found = vec![[Ends::default(); 2]; slices.len()];
    let draws = Draws { seed, labels: &["confidence"], count: RESAMPLES };
    for (groups, slices) in batches {
        let Ok(groups) = u32::try_from(groups) else { continue };
        let figures = |times: &[u32]| slices.iter().flat_map(|(_, ranked)| ranked.worth(times, BINS as u64)).collect();
        let told = Population::distinct(groups).bias_corrected(draws, figures);
        for (([place, kind], ranked), told) in slices.iter().zip(told.chunks(3)) {
            let interval = |figure: usize| told[figure].and_then(|found| found.interval);
            found[*place][*kind] =
                Ends { auroc: interval(0).filter(|_| ranked.has_both()), ece: interval(1), brier: interval(2) };
        }
    }
    for (_, found) in slices.iter().zip(&mut found).filter(|(slice, _)| slice.unasked() == 0) {
        found[1] = found[0];
    }
    found
}

/// What became of a guarantee over the stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Realised {
    /// Accepted answers, over all orders.
    pub accepted: usize,
    /// Wrong ones among them.
    pub errors: usize,
    /// Their share; none where nothing was accepted.
    pub risk: Option<f64>,
    /// The greatest wealth of any order, from a stake of 1, of the bet against the guarantee.
    pub wealth: f64,
    /// The p-value at any time of the guarantee: the number of orders over that wealth, at most 1.
    pub p: f64,
    /// The accepted answers of that order by then, and the wrong ones among them.
    pub alarmed: [usize; 2],
}

impl Slice<'_> {
    /// What the weak level's confidence is worth over the whole stream, weak-only's answers among them where those are there instead.
    /// `None` if there is no confidence, if an item has no weak answer though the arm shows examples, and if the slice is read off
    /// weak-only, which has the same.
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

    /// The same over the items of which the weak level was asked.
    #[must_use]
    pub fn reliability_asked(&self) -> Option<Reliability> {
        if self.unasked() == 0 { self.reliability() } else { self.asked_part().reliability() }
    }

    /// Whether every item that the arm did not ask the weak level of has weak-only's answer instead.
    fn is_complete(&self) -> bool {
        self.unasked() == self.from_weak_only()
    }

    /// Whether it is read off weak-only and strong-only.
    fn is_read_off(&self) -> bool {
        matches!(self.taken.first(), Some(ItemOutcome::Gated { .. }))
    }

    /// Whether accepted answers of the weak level keep to a risk of `alpha`; strong ones given again are not the weak level's.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of items")]
    pub fn realised(&self, alpha: f64) -> Realised {
        let mut orders: BTreeMap<usize, Vec<bool>> = BTreeMap::new();
        for taken in self.taken.iter().filter(|taken| !taken.deferred() && taken.asked_answer().is_some()) {
            orders.entry(taken.record().cell.order).or_default().push(!taken.correct());
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
