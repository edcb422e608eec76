//! Which to take of the strong level alone, the cascade and the taught cascade: a rule on accuracy and cost, with the groups that
//! are missing if these do not decide it. docs/METHODOLOGY.md has the rule in words.
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

/// The accuracy that may be lost against the strong level alone, as a share, unless another one is named.
pub const MARGIN: f64 = 0.02;

/// The test that missing groups are counted for.
const POWER: Power = Power { alpha: 0.05, power: 0.8 };
/// The chance that each end of a 95 % interval is wrong.
const EACH_END: f64 = 0.025;
/// The queries that costs are stated for.
pub const QUERIES: f64 = 1000.0;

/// What costs are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// USD.
    Usd,
    /// Requests of the strong level for any purpose, if a model has no price.
    RequestsWithoutPrice,
    /// The same, if the strong level alone costs nothing.
    RequestsOfFree,
}

/// What is shown of an arm against the strong level alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It loses no more accuracy than the margin, and costs less: both intervals say so.
    Pays,
    /// It costs less on these items, and neither is shown.
    Open,
    /// It loses more accuracy than the margin, or costs no less.
    DoesNotPay,
}

/// What an arm changes against the strong level alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AgainstStrong {
    /// The difference of the accuracies, as a share. If fewer than three groups differ, the interval reaches as far as the exact
    /// 97.5 % bound of the share of groups that differ, to both sides.
    pub accuracy: Estimate,
    /// Whether the interval of the accuracy is that bound.
    pub bounded: bool,
    /// The relative change of the cost. `None` if the strong level costs nothing, or a model has no price.
    pub cost: Option<Estimate>,
    /// What both intervals show.
    pub verdict: Verdict,
    /// The groups that are missing for an open verdict to become one in the arm's favour, if what was seen is true. `None` if the
    /// verdict is not open, or if more groups would rather show the contrary.
    pub more_groups: Option<usize>,
}

/// An arm at a threshold with what it gives and costs.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'c, 'a> {
    /// The arm at its threshold.
    pub slice: &'c Slice<'a>,
    /// Share of right answers with its interval.
    pub accuracy: Estimate,
    /// The cost of a thousand queries in the recommendation's unit, what calibrating the threshold took included.
    pub cost: f64,
    /// Requests of the strong level for any purpose in a thousand queries.
    pub strong_requests: f64,
    /// The changes against the strong level alone. `None` for that itself, and if the run does not have it.
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

/// What to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecommendationOutcome {
    /// This candidate: the cheapest of those that pay.
    Take(usize),
    /// The strong level alone: no candidate is open, and none pays.
    NothingPays,
    /// The strong level alone until this candidate, the most promising of the open ones, has been shown to pay.
    Insufficient(usize),
    /// Nothing: the run has no strong-only.
    NoStrong,
    /// Nothing: the run has neither a cascade nor an arm that learns.
    NoCandidate,
}

/// A candidate against another one, which it does not cost more than.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairwiseComparison {
    /// The place of the other one.
    pub other: usize,
    /// The difference of the accuracies, as a share.
    pub accuracy: f64,
    /// The relative change of the cost. `None` if the other one costs nothing.
    pub cost: Option<Estimate>,
}

/// The arms that can be taken, and which to take.
pub struct Recommendation<'c, 'a> {
    /// The accuracy that may be lost, as a share.
    pub margin: f64,
    /// What costs are counted in.
    pub unit: Unit,
    /// The strong level alone. `None` if the run does not have it.
    pub strong: Option<Candidate<'c, 'a>>,
    /// The cascades at their thresholds, then the arm that learns at its.
    pub candidates: Vec<Candidate<'c, 'a>>,
    /// The place of the cascade that is shown beside the others. `None` without one.
    pub cascade: Option<usize>,
    /// The place of the arm that learns that is shown beside the others. `None` without one.
    pub taught: Option<usize>,
    /// What to take.
    pub outcome: RecommendationOutcome,
    /// The candidate that is taken beside the one of the other kind. `None` if none is taken, or there is no other kind.
    pub beside: Option<PairwiseComparison>,
    /// Groups of items.
    pub groups: usize,
}

impl<'c, 'a> Recommendation<'c, 'a> {
    /// What to take of a run's arms, if `margin` of accuracy may be lost.
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
        let against = |place: usize| changes.as_ref().and_then(|changes| changes[place]);
        let candidates: Vec<Candidate> =
            slices.iter().enumerate().map(|(place, slice)| judge.candidate(slice, against(place))).collect();
        let of = |is: &dyn Fn(&Slice) -> bool| {
            let places: Vec<usize> = (0..slices.len()).filter(|place| is(slices[*place])).collect();
            best(&candidates, &places, margin)
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

    /// Thresholds of the arm of a candidate that could have been taken.
    #[must_use]
    pub fn thresholds(&self, place: usize) -> usize {
        let arm = self.candidates[place].slice.cell.arm;
        self.candidates.iter().filter(|other| other.slice.cell.arm == arm).count()
    }
}

/// The arm that learns: Inter-Cascade, or the first that shows or gives again what it learned and is no control. `None` without one.
fn taught_arm(comparison: &Comparison) -> Option<Arm> {
    let arms = || comparison.learners().map(|slice| slice.cell.arm);
    let no_control = |arm: &Arm| !matches!(arm, Arm::InterCascadeRandom | Arm::StrongWithExamples);
    arms().find(|arm| *arm == Arm::InterCascade).or_else(|| arms().find(no_control))
}

/// What the costs of these slices can be counted in.
fn unit(comparison: &Comparison, strong: Option<&Slice>, slices: &[&Slice]) -> Unit {
    if !strong.iter().chain(slices).all(|slice| comparison.fee(slice).is_some()) {
        Unit::RequestsWithoutPrice
    } else if strong.and_then(|strong| comparison.fee(strong)).is_some_and(|fee| fee.usd() <= 0.0) {
        Unit::RequestsOfFree
    } else {
        Unit::Usd
    }
}

/// The candidate among these that is worth showing: the cheapest that pays; else the cheapest open one that lost no more than the
/// margin; else the most accurate open one; else the most accurate one.
fn best(candidates: &[Candidate], places: &[usize], margin: f64) -> Option<usize> {
    let with =
        |is: &dyn Fn(&Candidate) -> bool| places.iter().copied().filter(|place| is(&candidates[*place])).collect();
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
        .or_else(|| most_accurate(places.to_vec()))
}

/// What to take of the best of each kind.
fn outcome(
    has_strong: bool,
    candidates: &[Candidate],
    best_of: [Option<usize>; 2],
    margin: f64,
) -> RecommendationOutcome {
    let places: Vec<usize> = best_of.into_iter().flatten().collect();
    match best(candidates, &places, margin) {
        _ if !has_strong => RecommendationOutcome::NoStrong,
        None => RecommendationOutcome::NoCandidate,
        Some(place) => match candidates[place].verdict() {
            Some(Verdict::Pays) => RecommendationOutcome::Take(place),
            Some(Verdict::Open) => RecommendationOutcome::Insufficient(place),
            Some(Verdict::DoesNotPay) | None => RecommendationOutcome::NothingPays,
        },
    }
}

/// What verdicts are reached by.
struct Judge<'c, 'a> {
    comparison: &'c Comparison<'a>,
    unit: Unit,
    margin: f64,
}

impl<'c, 'a> Judge<'c, 'a> {
    fn candidate(&self, slice: &'c Slice<'a>, against: Option<AgainstStrong>) -> Candidate<'c, 'a> {
        let per_query = |sum: f64| sum / slice.taken.len() as f64 * QUERIES;
        let strong_requests = per_query(slice.strong_calls_all() as f64);
        let fee = self.comparison.fee(slice).map(Fee::usd).map(per_query);
        let place = self.comparison.slices.iter().position(|other| std::ptr::eq(other, slice));
        let interval = place.and_then(|place| self.comparison.accuracy_intervals()[place]);
        Candidate {
            slice,
            accuracy: Estimate::new(slice.accuracy(), interval),
            cost: fee.filter(|_| self.unit == Unit::Usd).unwrap_or(strong_requests),
            strong_requests,
            against,
        }
    }

    /// What an item costs in the unit; `None` if a model has no price.
    fn cost(&self, taken: ItemOutcome) -> Option<f64> {
        match self.unit {
            Unit::Usd => item_fee(taken, None, self.comparison.prices),
            Unit::RequestsWithoutPrice | Unit::RequestsOfFree => Some(taken.strong_calls_all() as f64),
        }
    }

    /// What calibrating the threshold of a slice took, in the unit.
    fn apart(&self, slice: &Slice) -> f64 {
        if self.unit == Unit::Usd { self.comparison.calibration_fee(slice, None) } else { 0.0 }
    }

    /// What each slice changes against the strong level alone; `None` if they share no item.
    fn against(&self, strong: &Slice, slices: &[&Slice]) -> Vec<Option<AgainstStrong>> {
        let paid: Vec<Option<Units<2>>> = slices.iter().map(|slice| self.paid(slice, strong)).collect();
        let found = self.cost_changes(strong, slices, &paid);
        let each = slices.iter().zip(&paid).zip(found);
        each.map(|((slice, paid), cost)| self.judged(slice, strong, paid.as_ref(), cost)).collect()
    }

    /// What each group costs in both; `None` if a model has no price.
    fn paid(&self, slice: &Slice, base: &Slice) -> Option<Units<2>> {
        by_group(&slice.paired(base), |one, other| Some([self.cost(one)?, self.cost(other)?]))
    }

    /// The relative changes of the costs, from the same resamples.
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
        let differences = differences(slice, strong, |taken| f64::from(u8::from(taken.correct())));
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

    /// The groups that show the difference of the costs that was seen.
    fn needed_for_cost(&self, slice: &Slice, strong: &Slice) -> Option<usize> {
        let costs = differences(slice, strong, |taken| self.cost(taken).unwrap_or(0.0));
        let mean = costs.iter().sum::<f64>() / costs.len() as f64;
        let variance = costs.iter().map(|cost| (cost - mean).powi(2)).sum::<f64>() / costs.len() as f64;
        (mean != 0.0).then(|| POWER.needed_units(mean.abs(), variance.sqrt()))
    }

    fn beside(&self, own: &Slice, other: &Slice, place: usize) -> PairwiseComparison {
        let paid = [self.paid(own, other)];
        PairwiseComparison {
            other: place,
            accuracy: own.accuracy() - other.accuracy(),
            cost: self.cost_changes(other, &[own], &paid)[0],
        }
    }
}

/// The differences of a figure by group, each over the mean number of rows of a group, so that their mean is that over all items.
fn differences(slice: &Slice, base: &Slice, figure: impl Fn(ItemOutcome) -> f64) -> Vec<f64> {
    let pairs = slice.paired(base);
    let mut groups: BTreeMap<&str, f64> = BTreeMap::new();
    for (one, other) in &pairs {
        *groups.entry(one.group()).or_default() += figure(*one) - figure(*other);
    }
    let rows = pairs.len() as f64 / groups.len().max(1) as f64;
    groups.into_values().map(|sum| sum / rows).collect()
}

/// How far accuracies can lie apart of which `differing` of so many groups differ. `None` without groups.
fn bounds(differing: usize, groups: usize) -> Option<Interval> {
    let most = (groups > 0).then(|| upper_bound(differing, groups, EACH_END))?;
    Some(Interval { low: -most, high: most })
}

/// The groups with which the lower end of the difference's interval lies above minus the margin in four of five draws, if the
/// difference lies `distance` above that and groups differ as these do. `None` if it does not lie above it.
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
    fn missing_groups_are_counted_by_the_share_that_differs() {
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
        // If a point is lost already, half of the margin is left: four times as many.
        assert_eq!(needed(&differences, 0.01, 0.02), Some(15_698));
        assert_eq!(needed(&differences, 0.0, 0.02), None);
        // If none differs: 0.98^183 < 0.025 < 0.98^182.
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
