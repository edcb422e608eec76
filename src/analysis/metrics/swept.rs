//! Arms over many thresholds: accuracy by cost, comparison with a random and an oracle router, and savings at the
//! cascade's accuracy.
#![expect(clippy::cast_precision_loss, reason = "counts of items")]

use super::comparison::Comparison;
use super::fees::item_fee;
use super::{BASELINE, ItemOutcome, Slice};
use crate::analysis::curves::both::BothAnswers;
use crate::analysis::curves::budget::{Found, best_within, cheapest_reaching, path};
use crate::analysis::curves::equal_accuracy::{AtThreshold, change_at_equal_accuracy};
use crate::analysis::curves::routers::{Corners, oracle_router};
use crate::analysis::curves::{Axis, Curve, Point};
use crate::analysis::stats::{Draws, Estimate};
use crate::types::arm::Arm;

/// Number of resamples for a saving at equal accuracy. Each one recomputes both arms at every threshold.
pub const RESAMPLES: usize = 2000;

/// Relative difference up to which two costs are equal.
const SAME: f64 = 1e-9;

/// Figures of an arm over its thresholds, on one cost axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Routing {
    /// The arm.
    pub arm: Arm,
    /// Each λ with its cost and accuracy.
    pub points: Vec<(f64, Point)>,
    /// Mean accuracy between the corners' costs.
    pub area: Option<f64>,
    /// RouteLLM's average performance gap recovered.
    pub apgr: Option<f64>,
    /// RouteLLM's call-performance thresholds for half and four fifths of the gap.
    pub cpt: [Option<f64>; 2],
    /// Position of the area between the random router's (0) and the oracle's (1).
    pub oracle_normalised: Option<f64>,
}

/// Saving of an arm at the accuracy of the cascade at one threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct Saving {
    /// The arm.
    pub arm: Arm,
    /// The cascade's λ.
    pub threshold: f64,
    /// The cascade's accuracy at this λ.
    pub accuracy: f64,
    /// The relative change of cost along the curves through each arm's thresholds and both corners. `None` if the
    /// arm's curve does not reach that accuracy, if it starts above, or if both curves reach it with strong-only.
    pub change: Option<Estimate>,
    /// True if the cheapest point of both curves with that accuracy is strong-only, so that neither arm saves cost.
    pub at_strong_only: bool,
}

/// An arm at a threshold, or one without a gate.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The arm.
    pub arm: Arm,
    /// λ. `None` if the arm has no gate.
    pub threshold: Option<f64>,
}

/// The comparison of arms at all thresholds, on one axis.
pub struct Swept<'c, 'a> {
    comparison: &'c Comparison<'a>,
    axis: Axis,
    corners: Corners,
    oracle: Curve,
    /// All choices, with their cost and accuracy.
    choices: Vec<(Choice, Point)>,
}

impl<'c, 'a> Swept<'c, 'a> {
    /// Compares the arms of `comparison` on `axis`. `None` without weak-only and strong-only, or if `axis` is the fee
    /// and a model has no price.
    #[must_use]
    pub fn new(comparison: &'c Comparison<'a>, axis: Axis) -> Option<Self> {
        let alone = |arm| comparison.of_arm(arm).next().map(|(slice, _)| slice);
        let both = both(comparison, alone(Arm::WeakOnly)?, alone(Arm::StrongOnly)?, axis)?;
        let choice = |slice: &Slice| {
            let chosen = Choice { arm: slice.cell.arm, threshold: slice.cell.threshold };
            Some((chosen, point(comparison, slice, axis)?))
        };
        Some(Self {
            comparison,
            axis,
            corners: Corners::of(&both, axis)?,
            oracle: oracle_router(&both, axis)?,
            choices: comparison.slices.iter().filter_map(choice).collect(),
        })
    }

    /// Returns the points of weak-only and strong-only.
    #[must_use]
    pub fn corners(&self) -> Corners {
        self.corners
    }

    /// Returns the curve of the router that knows which level is right.
    #[must_use]
    pub fn oracle(&self) -> &Curve {
        &self.oracle
    }

    /// The arms that have a gate.
    #[must_use]
    pub fn arms(&self) -> Vec<Arm> {
        let mut arms = Vec::new();
        for slice in self.comparison.slices.iter().filter(|slice| slice.cell.threshold.is_some()) {
            if !arms.contains(&slice.cell.arm) {
                arms.push(slice.cell.arm);
            }
        }
        arms
    }

    /// Computes each arm's curve and its figures.
    #[must_use]
    pub fn routing(&self) -> Vec<Routing> {
        let of = |arm| {
            let (points, curve) = (self.points(arm), self.curve(arm)?);
            Some(Routing {
                arm,
                area: self.corners.area(&curve),
                apgr: self.corners.apgr(&curve),
                cpt: [0.5, 0.8].map(|share| self.corners.cpt(&curve, share)),
                oracle_normalised: self.corners.oracle_normalised_area(&curve, &self.oracle),
                points,
            })
        };
        self.arms().into_iter().filter_map(of).collect()
    }

    /// All choices, with their cost and accuracy.
    #[must_use]
    pub fn choices(&self) -> &[(Choice, Point)] {
        &self.choices
    }

    /// Computes what each other gated arm saves at the cascade's accuracy, threshold by threshold.
    #[must_use]
    pub fn savings(&self) -> Vec<Saving> {
        let others: Vec<Arm> = self.arms().into_iter().filter(|arm| *arm != BASELINE).collect();
        let base = if others.is_empty() { None } else { Aligned::of(self, BASELINE) };
        let Some(base) = base else { return Vec::new() };
        let mut savings = Vec::new();
        for arm in others {
            let Some(own) = Aligned::of(self, arm) else { continue };
            let curves = [arm, BASELINE].map(|arm| self.curve(arm));
            let [rows, base_rows] = [&own, &base].map(Aligned::rows);
            for (at, threshold) in base.thresholds.iter().enumerate() {
                let right = &base.answers[at].0;
                let labels = ["equal-accuracy", arm.name(), &threshold.to_string()];
                let draws = Draws { seed: self.comparison.seed, labels: &labels, count: RESAMPLES };
                let accuracy = right.iter().filter(|right| **right).count() as f64 / right.len() as f64;
                let at_strong = |curve: &Option<Curve>| {
                    let cost = curve.as_ref().and_then(|curve| curve.cost_at(accuracy));
                    cost.is_some_and(|cost| (cost - self.corners.strong.cost).abs() <= cost.abs() * SAME)
                };
                let at_strong_only = curves.iter().all(at_strong);
                let change = || change_at_equal_accuracy(&rows, &base_rows, at, &base.groups, draws);
                let change = if at_strong_only { None } else { change() };
                savings.push(Saving { arm, threshold: *threshold, accuracy, change, at_strong_only });
            }
        }
        savings
    }

    /// Returns the most accurate choice that costs no more than `budget`: an arm at a threshold, or a random mixture
    /// of two neighbouring thresholds of an arm. `None` if every choice costs more.
    #[must_use]
    pub fn within(&self, budget: f64) -> Option<Found<Choice>> {
        best_within(&self.paths(), budget)
    }

    /// Returns the cheapest choice that is at least as accurate as `accuracy`, possibly a mixture. `None` if no choice
    /// is.
    #[must_use]
    pub fn reaching(&self, accuracy: f64) -> Option<Found<Choice>> {
        cheapest_reaching(&self.paths(), accuracy)
    }

    /// Returns the levels and the arms without a gate as single points, then for each gated arm the path through its
    /// thresholds and both levels.
    fn paths(&self) -> Vec<Vec<(Choice, Point)>> {
        let of = |is: &dyn Fn(&Choice) -> bool| {
            self.choices.iter().filter(|(choice, _)| is(choice)).cloned().collect::<Vec<(Choice, Point)>>()
        };
        let alone = of(&|choice| choice.threshold.is_none()).into_iter().map(|choice| vec![choice]);
        let gated =
            self.arms().into_iter().map(|arm| path(of(&|choice| choice.arm == arm || choice.arm.is_one_level())));
        alone.chain(gated).collect()
    }

    /// Returns the common confidence of all weak-only answers between two thresholds, and their number. `None` for a
    /// threshold means no limit on that side. `None` unless there are several such answers with one confidence.
    #[must_use]
    pub fn tied(&self, from: Option<f64>, to: Option<f64>) -> Option<(f64, usize)> {
        let (weak, _) = self.comparison.of_arm(Arm::WeakOnly).next()?;
        let confidences =
            weak.outcomes.iter().filter_map(|outcome| Some(outcome.own_weak_answer()?.gate_confidence()?.value()));
        let between: Vec<f64> =
            confidences.filter(|at| from.is_none_or(|from| *at >= from) && to.is_none_or(|to| *at < to)).collect();
        let first = *between.first()?;
        let alike = between.len() > 1 && between.iter().all(|at| at.total_cmp(&first).is_eq());
        alike.then_some((first, between.len()))
    }

    /// Number of weak-only answers that every threshold defers: they fail a check of the gate, or have no confidence.
    #[must_use]
    pub fn always_deferred(&self) -> usize {
        let weak = self.comparison.of_arm(Arm::WeakOnly).next().map(|(weak, _)| weak);
        let unsure =
            |outcome: &&ItemOutcome| outcome.own_weak_answer().is_some_and(|answer| answer.gate_confidence().is_none());
        weak.map_or(0, |weak| weak.outcomes.iter().filter(unsure).count())
    }

    /// Returns the threshold with the fewest digits that makes the same decisions.
    #[must_use]
    pub fn readable(&self, threshold: f64) -> f64 {
        self.comparison.readable(threshold)
    }

    /// Returns the curve through an arm's thresholds and both corners.
    fn curve(&self, arm: Arm) -> Option<Curve> {
        self.corners.join(self.points(arm).into_iter().map(|(_, point)| point))
    }

    fn points(&self, arm: Arm) -> Vec<(f64, Point)> {
        let own = self.choices.iter().filter(|(choice, _)| choice.arm == arm);
        own.filter_map(|(choice, point)| Some((choice.threshold?, *point))).collect()
    }

    fn cost(&self, outcome: ItemOutcome) -> Option<f64> {
        match self.axis {
            Axis::StrongCalls => Some(f64::from(u8::from(outcome.deferred()))),
            Axis::Fee => item_fee(outcome, None, self.comparison.prices),
        }
    }
}

/// Cost and accuracy of an arm at a threshold.
fn point(comparison: &Comparison, slice: &Slice, axis: Axis) -> Option<Point> {
    let cost = match axis {
        Axis::StrongCalls => slice.strong_calls() as f64 / slice.outcomes.len() as f64,
        Axis::Fee => comparison.fee(slice)?.usd() / slice.outcomes.len() as f64,
    };
    Some(Point { cost, accuracy: slice.accuracy() })
}

/// Pairs both levels' answers to each item and order. `None` if `axis` is the fee and a model has no price.
fn both(comparison: &Comparison, weak: &Slice, strong: &Slice, axis: Axis) -> Option<Vec<BothAnswers>> {
    let fee = |outcome: ItemOutcome| match axis {
        Axis::StrongCalls => Some(0.0),
        Axis::Fee => item_fee(outcome, None, comparison.prices),
    };
    let answers = |(weak, strong): &(ItemOutcome, ItemOutcome)| {
        Some(BothAnswers {
            weak_right: weak.correct(),
            strong_right: strong.correct(),
            weak_fee: fee(*weak)?,
            strong_fee: fee(*strong)?,
        })
    };
    weak.paired(strong).iter().map(answers).collect()
}

/// Correctness and cost of each item.
type AnswersAndCosts = (Vec<bool>, Vec<f64>);

/// An arm at all its thresholds and at both corners, with the same items in the same order.
struct Aligned {
    groups: Vec<String>,
    thresholds: Vec<f64>,
    /// Answers at each threshold, then of weak-only and strong-only.
    answers: Vec<AnswersAndCosts>,
}

impl Aligned {
    fn of(swept: &Swept, arm: Arm) -> Option<Self> {
        let slices = |arm| swept.comparison.of_arm(arm).map(|(slice, _)| slice);
        let thresholds: Vec<f64> = slices(arm).filter_map(|slice| slice.cell.threshold).collect();
        let all = slices(arm).chain(slices(Arm::WeakOnly)).chain(slices(Arm::StrongOnly));
        let answers: Vec<AnswersAndCosts> = all.map(|slice| answers(swept, slice)).collect::<Option<_>>()?;
        let groups = in_order(slices(arm).next()?).iter().map(|outcome| outcome.group().to_owned()).collect();
        Some(Self { groups, thresholds, answers })
    }

    fn rows(&self) -> Vec<AtThreshold<'_>> {
        self.answers.iter().map(|(right, cost)| AtThreshold { right, cost }).collect()
    }
}

fn answers(swept: &Swept, slice: &Slice) -> Option<AnswersAndCosts> {
    let outcomes = in_order(slice);
    let costs: Option<Vec<f64>> = outcomes.iter().map(|outcome| swept.cost(*outcome)).collect();
    Some((outcomes.iter().map(|outcome| outcome.correct()).collect(), costs?))
}

/// Sorts the items by order and id, independent of their positions in the stream.
fn in_order<'a>(slice: &Slice<'a>) -> Vec<ItemOutcome<'a>> {
    let mut outcomes = slice.outcomes.clone();
    outcomes.sort_by(|a, b| {
        let [a, b] = [a.record(), b.record()];
        (a.cell.order, &a.item_id.0).cmp(&(b.cell.order, &b.item_id.0))
    });
    outcomes
}
