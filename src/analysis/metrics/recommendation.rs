//! Recommendation of strong-only, the cascade or the inter-cascade by a rule on accuracy and cost, with the number of
//! groups that are missing if the evidence does not decide. docs/METHODOLOGY.md states the rule.
#![expect(clippy::cast_precision_loss, reason = "counts of items")]

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::changes::relative_changes;
use super::fees::{by_group, item_fee};
use super::{Comparison, ItemOutcome, Reference, Slice};
use crate::analysis::stats::power::Power;
use crate::analysis::stats::proportion::upper_bound;
use crate::analysis::stats::units::differ;
use crate::analysis::stats::{Estimate, FEWEST, Interval, Units};
use crate::types::arm::Arm;
use crate::types::price::Fee;

/// Accepted loss of accuracy against strong-only, as a share, unless the user names another one.
pub const MARGIN: f64 = 0.02;

/// Error rates of the test for which missing groups are counted.
const POWER: Power = Power { alpha: 0.05, power: 0.8 };
/// Error probability of each end of a 95 % interval.
const EACH_END: f64 = 0.025;
/// Number of queries for which costs are reported.
pub const QUERIES: f64 = 1000.0;

/// Unit of costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// USD.
    Usd,
    /// Strong calls incl. distillation, since a model has no price.
    RequestsWithoutPrice,
    /// Strong calls incl. distillation, since strong-only costs nothing.
    RequestsOfFree,
}

/// Verdict on an arm against strong-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The arm loses no more accuracy than the margin and costs less: both intervals confirm it.
    Pays,
    /// The arm costs less on these items, but an interval does not confirm the cost or the accuracy.
    Open,
    /// The arm loses more accuracy than the margin, or does not cost less.
    DoesNotPay,
}

/// Changes of an arm against strong-only.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AgainstStrong {
    /// The difference of the accuracies, as a share. If fewer than three groups differ, the interval extends to both
    /// sides by the exact 97.5 % upper bound of the share of groups that differ.
    pub accuracy: Estimate,
    /// True if the interval of the accuracy is that bound.
    pub bounded: bool,
    /// The relative change of the cost. `None` if strong-only costs nothing, or if a model has no price.
    pub cost: Option<Estimate>,
    /// Verdict from both intervals.
    pub verdict: Verdict,
    /// Number of further groups with which an open verdict would turn in the arm's favour, if the observed figures are
    /// true. `None` if the verdict is not open, or if more groups would more likely confirm the opposite.
    pub more_groups: Option<usize>,
}

/// An arm at a threshold with its accuracy and cost.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'c, 'a> {
    /// The arm at its threshold.
    pub slice: &'c Slice<'a>,
    /// Share of right answers with its interval.
    pub accuracy: Estimate,
    /// Cost of a thousand queries in the recommendation's unit, the calibration of the threshold included.
    pub cost: f64,
    /// Strong calls incl. distillation in a thousand queries.
    pub strong_requests: f64,
    /// The changes against strong-only. `None` for strong-only itself, and if the run does not have it.
    pub against: Option<AgainstStrong>,
}

impl Candidate<'_, '_> {
    fn verdict(&self) -> Option<Verdict> {
        self.against.map(|against| against.verdict)
    }

    /// Cheaper first, then the more accurate.
    fn by_cost(&self, other: &Self) -> Ordering {
        self.cost.total_cmp(&other.cost).then(other.accuracy.value.total_cmp(&self.accuracy.value))
    }
}

/// Recommended choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecommendationOutcome {
    /// This candidate, the cheapest of those that pay.
    Take(usize),
    /// Strong-only: no candidate pays and none is open.
    NothingPays,
    /// Strong-only, until more data confirm that this candidate, the most promising open one, pays.
    Insufficient(usize),
    /// No recommendation: the run has no strong-only.
    NoStrong,
    /// No recommendation: the run has neither a cascade nor an arm that learns.
    NoCandidate,
}

/// Comparison of a candidate with another one that costs at least as much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairwiseComparison {
    /// Index of the other candidate.
    pub other: usize,
    /// The difference of the accuracies, as a share.
    pub accuracy: f64,
    /// The relative change of the cost. `None` if the other candidate costs nothing.
    pub cost: Option<Estimate>,
}

/// Candidate arms and the recommended choice.
pub struct Recommendation<'c, 'a> {
    /// Accepted loss of accuracy, as a share.
    pub margin: f64,
    /// Unit of costs.
    pub unit: Unit,
    /// Strong-only. `None` if the run does not have it.
    pub strong: Option<Candidate<'c, 'a>>,
    /// The cascades at their thresholds, then the learning arm at its thresholds.
    pub candidates: Vec<Candidate<'c, 'a>>,
    /// Index of the cascade in the overview. `None` without a cascade.
    pub cascade: Option<usize>,
    /// Index of the learning arm in the overview. `None` without a learning arm.
    pub taught: Option<usize>,
    /// Recommended choice.
    pub outcome: RecommendationOutcome,
    /// Comparison of the recommended candidate with the candidate of the other kind. `None` if no candidate is
    /// recommended, or if the other kind does not exist.
    pub beside: Option<PairwiseComparison>,
    /// Number of groups of items.
    pub groups: usize,
}

impl<'c, 'a> Recommendation<'c, 'a> {
    /// Computes the recommendation for a run's arms if a loss of `margin` is accepted.
    #[must_use]
    pub fn new(comparison: &'c Comparison<'a>, margin: f64) -> Self {
        let strong = comparison.reference(Reference::StrongOnly);
        let taught = taught_arm(comparison);
        let is_cascade = |slice: &Slice| matches!(slice.cell.arm, Arm::Cascade | Arm::CascadeTuned);
        let is_taught = |slice: &Slice| taught == Some(slice.cell.arm);
        let slices: Vec<&'c Slice<'a>> =
            comparison.slices.iter().filter(|slice| is_cascade(slice) || is_taught(slice)).collect();
        let unit = unit(comparison, strong, &slices);
        let judge = Judge { comparison, unit, margin };
        let changes = strong.map(|strong| judge.against(strong, &slices));
        let against = |index: usize| changes.as_ref().and_then(|changes| changes[index]);
        let candidates: Vec<Candidate> =
            slices.iter().enumerate().map(|(index, slice)| judge.candidate(slice, against(index))).collect();
        let of = |is: &dyn Fn(&Slice) -> bool| {
            let indices: Vec<usize> = (0..slices.len()).filter(|index| is(slices[*index])).collect();
            best(&candidates, &indices, margin)
        };
        let (cascade, taught) = (of(&is_cascade), of(&is_taught));
        let outcome = outcome(strong.is_some(), &candidates, [cascade, taught], margin);
        let beside = match outcome {
            RecommendationOutcome::Take(own) => [cascade, taught]
                .into_iter()
                .flatten()
                .find(|other| is_taught(slices[*other]) != is_taught(slices[own]))
                .map(|other| judge.beside(slices[own], slices[other], other)),
            _ => None,
        };
        let first = strong.or(slices.first().copied());
        Self {
            margin,
            unit,
            strong: strong.map(|strong| judge.candidate(strong, None)),
            candidates,
            cascade,
            taught,
            outcome,
            beside,
            groups: first.map_or(0, Slice::groups),
        }
    }

    /// Number of thresholds at which a candidate's arm was considered.
    #[must_use]
    pub fn thresholds(&self, index: usize) -> usize {
        let arm = self.candidates[index].slice.cell.arm;
        self.candidates.iter().filter(|other| other.slice.cell.arm == arm).count()
    }
}

/// Returns the learning arm: inter-cascade, or else the first that retrieves strategies or reuses answers and is no
/// control. `None` without such an arm.
fn taught_arm(comparison: &Comparison) -> Option<Arm> {
    let arms = || comparison.learners().map(|slice| slice.cell.arm);
    let no_control = |arm: &Arm| !matches!(arm, Arm::InterCascadeRandom | Arm::StrongWithExamples);
    arms().find(|arm| *arm == Arm::InterCascade).or_else(|| arms().find(no_control))
}

/// Determines the unit in which the costs of all these slices can be counted.
fn unit(comparison: &Comparison, strong: Option<&Slice>, slices: &[&Slice]) -> Unit {
    if !strong.iter().chain(slices).all(|slice| comparison.fee(slice).is_some()) {
        Unit::RequestsWithoutPrice
    } else if strong.and_then(|strong| comparison.fee(strong)).is_some_and(|fee| fee.usd() <= 0.0) {
        Unit::RequestsOfFree
    } else {
        Unit::Usd
    }
}

/// Index of the candidate to report: the cheapest that pays; else the cheapest open one that lost no more than the
/// margin; else the most accurate open one; else the most accurate one.
fn best(candidates: &[Candidate], indices: &[usize], margin: f64) -> Option<usize> {
    let with =
        |is: &dyn Fn(&Candidate) -> bool| indices.iter().copied().filter(|index| is(&candidates[*index])).collect();
    let cheapest = |of: Vec<usize>| of.into_iter().min_by(|a, b| candidates[*a].by_cost(&candidates[*b]));
    let most_accurate = |of: Vec<usize>| {
        of.into_iter().min_by(|a, b| {
            let [a, b] = [&candidates[*a], &candidates[*b]];
            b.accuracy.value.total_cmp(&a.accuracy.value).then(a.cost.total_cmp(&b.cost))
        })
    };
    let open = |candidate: &Candidate| candidate.verdict() == Some(Verdict::Open);
    let near = |candidate: &Candidate| candidate.against.is_some_and(|against| against.accuracy.value >= -margin);
    cheapest(with(&|candidate| candidate.verdict() == Some(Verdict::Pays)))
        .or_else(|| cheapest(with(&|candidate| open(candidate) && near(candidate))))
        .or_else(|| most_accurate(with(&open)))
        .or_else(|| most_accurate(indices.to_vec()))
}

/// Recommended choice among the best candidates of both kinds.
fn outcome(
    has_strong: bool,
    candidates: &[Candidate],
    best_of: [Option<usize>; 2],
    margin: f64,
) -> RecommendationOutcome {
    let indices: Vec<usize> = best_of.into_iter().flatten().collect();
    match best(candidates, &indices, margin) {
        _ if !has_strong => RecommendationOutcome::NoStrong,
        None => RecommendationOutcome::NoCandidate,
        Some(index) => match candidates[index].verdict() {
            Some(Verdict::Pays) => RecommendationOutcome::Take(index),
            Some(Verdict::Open) => RecommendationOutcome::Insufficient(index),
            Some(Verdict::DoesNotPay) | None => RecommendationOutcome::NothingPays,
        },
    }
}

/// Context in which candidates are judged.
struct Judge<'c, 'a> {
    comparison: &'c Comparison<'a>,
    unit: Unit,
    margin: f64,
}

impl<'c, 'a> Judge<'c, 'a> {
    fn candidate(&self, slice: &'c Slice<'a>, against: Option<AgainstStrong>) -> Candidate<'c, 'a> {
        let per_query = |sum: f64| sum / slice.outcomes.len() as f64 * QUERIES;
        let strong_requests = per_query(slice.strong_calls_all() as f64);
        let fee = self.comparison.fee(slice).map(Fee::usd).map(per_query);
        let index = self.comparison.slices.iter().position(|other| std::ptr::eq(other, slice));
        let interval = index.and_then(|index| self.comparison.accuracy_intervals()[index]);
        Candidate {
            slice,
            accuracy: Estimate::new(slice.accuracy(), interval),
            cost: fee.filter(|_| self.unit == Unit::Usd).unwrap_or(strong_requests),
            strong_requests,
            against,
        }
    }

    /// Cost of an item in the unit. `None` if a model has no price.
    fn cost(&self, outcome: ItemOutcome) -> Option<f64> {
        match self.unit {
            Unit::Usd => item_fee(outcome, None, self.comparison.prices),
            Unit::RequestsWithoutPrice | Unit::RequestsOfFree => Some(outcome.strong_calls_all() as f64),
        }
    }

    /// Cost of calibrating a slice's threshold, in the unit.
    fn apart(&self, slice: &Slice) -> f64 {
        if self.unit == Unit::Usd { self.comparison.calibration_fee(slice, None) } else { 0.0 }
    }

    /// Computes the changes of each slice against strong-only. `None` if the two share no item.
    fn against(&self, strong: &Slice, slices: &[&Slice]) -> Vec<Option<AgainstStrong>> {
        let paid: Vec<Option<Units<2>>> = slices.iter().map(|slice| self.paid(slice, strong)).collect();
        let found = self.cost_changes(strong, slices, &paid);
        let each = slices.iter().zip(&paid).zip(found);
        each.map(|((slice, paid), cost)| self.judged(slice, strong, paid.as_ref(), cost)).collect()
    }

    /// Computes what each group costs in both slices. `None` if a model has no price.
    fn paid(&self, slice: &Slice, base: &Slice) -> Option<Units<2>> {
        by_group(&slice.paired(base), |one, other| Some([self.cost(one)?, self.cost(other)?]))
    }

    /// Computes the relative changes of the costs, all from the same resamples.
    fn cost_changes(&self, base: &Slice, slices: &[&Slice], paid: &[Option<Units<2>>]) -> Vec<Option<Estimate>> {
        let costs = slices.iter().zip(paid).filter_map(|(slice, paid)| {
            Some((paid.clone()?.contributing(differ), [self.apart(slice), self.apart(base)]))
        });
        let mut found = relative_changes(&costs.collect::<Vec<_>>(), self.comparison.seed).into_iter();
        paid.iter().map(|paid| paid.as_ref().and_then(|_| found.next()?)).collect()
    }

    fn judged(
        &self,
        slice: &Slice,
        strong: &Slice,
        paid: Option<&Units<2>>,
        cost: Option<Estimate>,
    ) -> Option<AgainstStrong> {
        let found = self.comparison.of_slice_against(slice, Reference::StrongOnly)?.accuracy;
        let differences = differences(slice, strong, |outcome| f64::from(u8::from(outcome.correct())));
        let differing = differences.iter().filter(|difference| **difference != 0.0).count();
        let accuracy = Estimate { interval: found.interval.or_else(|| bounds(differing, differences.len())), ..found };
        let ends = accuracy.interval?;
        let costs_differ = paid.map_or(0, |paid| paid.count(differ));
        let cheaper = cost.is_some_and(|cost| {
            cost.value < 0.0 && costs_differ >= FEWEST && cost.interval.is_none_or(|ends| ends.high < 0.0)
        });
        let verdict = match cost {
            Some(cost) if cost.value < 0.0 && ends.high >= -self.margin => {
                if cheaper && ends.low >= -self.margin {
                    Verdict::Pays
                } else {
                    Verdict::Open
                }
            }
            _ => Verdict::DoesNotPay,
        };
        let more_groups = match verdict {
            Verdict::Open => {
                let accuracy = if ends.low >= -self.margin {
                    Some(0)
                } else {
                    needed(&differences, accuracy.value.min(0.0) + self.margin, self.margin)
                };
                let costs = if cheaper { Some(0) } else { self.needed_for_cost(slice, strong) };
                accuracy.zip(costs).map(|(one, other)| one.max(other).saturating_sub(differences.len()).max(1))
            }
            Verdict::Pays | Verdict::DoesNotPay => None,
        };
        Some(AgainstStrong { accuracy, bounded: found.interval.is_none(), cost, verdict, more_groups })
    }

    /// Number of groups with which a test detects the observed difference of the costs.
    fn needed_for_cost(&self, slice: &Slice, strong: &Slice) -> Option<usize> {
        let costs = differences(slice, strong, |outcome| self.cost(outcome).unwrap_or(0.0));
        let mean = costs.iter().sum::<f64>() / costs.len() as f64;
        let variance = costs.iter().map(|cost| (cost - mean).powi(2)).sum::<f64>() / costs.len() as f64;
        (mean != 0.0).then(|| POWER.needed_units(mean.abs(), variance.sqrt()))
    }

    fn beside(&self, own: &Slice, other: &Slice, index: usize) -> PairwiseComparison {
        let paid = [self.paid(own, other)];
        PairwiseComparison {
            other: index,
            accuracy: own.accuracy() - other.accuracy(),
            cost: self.cost_changes(other, &[own], &paid)[0],
        }
    }
}

/// Computes the differences of a figure by group, each divided by the mean number of rows of a group, so that their
/// mean is the mean over all items.
fn differences(slice: &Slice, base: &Slice, figure: impl Fn(ItemOutcome) -> f64) -> Vec<f64> {
    let pairs = slice.paired(base);
    let mut groups: BTreeMap<&str, f64> = BTreeMap::new();
    for (one, other) in &pairs {
        *groups.entry(one.group()).or_default() += figure(*one) - figure(*other);
    }
    let rows = pairs.len() as f64 / groups.len().max(1) as f64;
    groups.into_values().map(|sum| sum / rows).collect()
}

/// Bound of the difference of accuracies if `differing` of `groups` groups differ. `None` without groups.
fn bounds(differing: usize, groups: usize) -> Option<Interval> {
    let most = (groups > 0).then(|| upper_bound(differing, groups, EACH_END))?;
    Some(Interval { low: -most, high: most })
}

/// Number of groups with which the lower end of the difference's interval lies above minus the margin with a
/// probability of 80 %, if the true difference lies `distance` above minus the margin and groups vary as in
/// `differences`. `None` if `distance` is not positive.
fn needed(differences: &[f64], distance: f64, margin: f64) -> Option<usize> {
    let squares = differences.iter().map(|difference| difference.powi(2)).sum::<f64>();
    let spread = (squares / differences.len() as f64).sqrt();
    let none_differs = EACH_END.ln() / (-margin).ln_1p();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of groups")]
    let fewest = none_differs.ceil() as usize;
    (distance > 0.0).then(|| POWER.needed_units(distance, spread).max(fewest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixtures::close;

    #[test]
    fn missing_groups_follow_from_the_share_that_differs() {
        // Forty of 200 groups differ: (1.96 + 0.8416)^2 * 0.2 / 0.02^2.
        let differences: Vec<f64> = (0..200)
            .map(|group| {
                if group < 20 {
                    1.0
                } else if group < 40 {
                    -1.0
                } else {
                    0.0
                }
            })
            .collect();
        assert_eq!(needed(&differences, 0.02, 0.02), Some(3925));
        // If one point is lost already, half of the margin remains: four times as many groups.
        assert_eq!(needed(&differences, 0.01, 0.02), Some(15_698));
        assert_eq!(needed(&differences, 0.0, 0.02), None);
        // If no group differs: 0.98^183 < 0.025 < 0.98^182.
        assert_eq!(needed(&[0.0; 50], 0.02, 0.02), Some(183));
    }

    #[test]
    fn few_groups_that_differ_bound_the_difference() {
        let ends = bounds(0, 100).expect("groups");
        close(ends.high, 1.0 - 0.025_f64.powf(0.01), 1e-9);
        close(ends.low, -ends.high, 0.0);
        assert_eq!(bounds(0, 0), None);
    }
}
