//! All arms over many thresholds: what accuracy costs, against routers that choose at random or know the answers, and
//! what an arm saves where it is as accurate as the cascade.
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

/// Resamples of a saving at equal accuracy: each takes every threshold of two arms anew.
pub const RESAMPLES: usize = 2000;

/// The relative difference up to which two costs are one.
const SAME: f64 = 1e-9;

/// An arm's figures over its thresholds, on one axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Routing {
    /// The arm.
    pub arm: Arm,
    /// Each λ with what it costs and gives.
    pub points: Vec<(f64, Point)>,
    /// The mean accuracy between the corners' costs.
    pub area: Option<f64>,
    /// RouteLLM's average performance gap recovered.
    pub apgr: Option<f64>,
    /// RouteLLM's call-performance thresholds for half and four fifths of the gap.
    pub cpt: [Option<f64>; 2],
    /// Where the area lies between the random router's (0) and the oracle's (1).
    pub oracle_normalised: Option<f64>,
}

/// What an arm saves at the accuracy of the cascade at one threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct Saving {
    /// The arm.
    pub arm: Arm,
    /// The cascade's λ.
    pub threshold: f64,
    /// The cascade's accuracy there.
    pub accuracy: f64,
    /// The relative change of cost along the curves through each arm's thresholds and both corners; none where the arm's
    /// curve does not reach that accuracy, or starts above it, or where both reach it at the strong level alone.
    pub change: Option<Estimate>,
    /// Whether the cheapest point of both curves with that accuracy is the strong level alone, so that neither arm is of use.
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
    /// All that can be chosen, with what it costs and gives.
    choices: Vec<(Choice, Point)>,
}

impl<'c, 'a> Swept<'c, 'a> {
    /// None without both levels alone, or without a price where fees are asked for.
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

    /// Both levels alone.
    #[must_use]
    pub fn corners(&self) -> Corners {
        self.corners
    }

    /// The router that knows which level is right.
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

    /// Each arm's curve and what it is worth.
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

    /// All that can be chosen, with what it costs and gives.
    #[must_use]
    pub fn choices(&self) -> &[(Choice, Point)] {
        &self.choices
    }

    /// What each other arm with a gate saves at the cascade's accuracy, threshold by threshold.
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

    /// The most accurate choice that costs no more than `budget`: an arm at a threshold, or two neighbouring ones of an arm that are
    /// mixed at random. `None` if nothing is so cheap.
    #[must_use]
    pub fn within(&self, budget: f64) -> Option<Found<Choice>> {
        best_within(&self.paths(), budget)
    }

    /// The cheapest choice that is at least as accurate, in the same way. `None` if nothing is.
    #[must_use]
    pub fn reaching(&self, accuracy: f64) -> Option<Found<Choice>> {
        cheapest_reaching(&self.paths(), accuracy)
    }

    /// Both levels and the arms without a gate alone, then each arm with a gate through its thresholds and both levels.
    fn paths(&self) -> Vec<Vec<(Choice, Point)>> {
        let of = |is: &dyn Fn(&Choice) -> bool| {
            self.choices.iter().filter(|(choice, _)| is(choice)).cloned().collect::<Vec<(Choice, Point)>>()
        };
        let alone = of(&|choice| choice.threshold.is_none()).into_iter().map(|choice| vec![choice]);
        let gated =
            self.arms().into_iter().map(|arm| path(of(&|choice| choice.arm == arm || choice.arm.is_one_level())));
        alone.chain(gated).collect()
    }

    /// The confidence that all answers of the weak level alone have which one of two thresholds defers and the other does not, and
    /// their number; an absent threshold lies below or above all. `None` unless there are several, all alike.
    #[must_use]
    pub fn tied(&self, from: Option<f64>, to: Option<f64>) -> Option<(f64, usize)> {
        let (weak, _) = self.comparison.of_arm(Arm::WeakOnly).next()?;
        let sure = weak.taken.iter().filter_map(|taken| Some(taken.asked_answer()?.gate_confidence()?.value()));
        let between: Vec<f64> =
            sure.filter(|sure| from.is_none_or(|from| *sure >= from) && to.is_none_or(|to| *sure < to)).collect();
        let first = *between.first()?;
        let alike = between.len() > 1 && between.iter().all(|sure| sure.total_cmp(&first).is_eq());
        alike.then_some((first, between.len()))
    }

    /// Answers of the weak level alone that any threshold defers: they fail a check of the gate, or have no confidence.
    #[must_use]
    pub fn always_deferred(&self) -> usize {
        let weak = self.comparison.of_arm(Arm::WeakOnly).next().map(|(weak, _)| weak);
        let unsure =
            |taken: &&ItemOutcome| taken.asked_answer().is_some_and(|answer| answer.gate_confidence().is_none());
        weak.map_or(0, |weak| weak.taken.iter().filter(unsure).count())
    }

    /// A threshold with the fewest digits that make the same decisions.
    #[must_use]
    pub fn readable(&self, threshold: f64) -> f64 {
        self.comparison.readable(threshold)
    }

    /// The curve through an arm's thresholds and both corners.
    fn curve(&self, arm: Arm) -> Option<Curve> {
        self.corners.join(self.points(arm).into_iter().map(|(_, point)| point))
    }

    fn points(&self, arm: Arm) -> Vec<(f64, Point)> {
        let own = self.choices.iter().filter(|(choice, _)| choice.arm == arm);
        own.filter_map(|(choice, point)| Some((choice.threshold?, *point))).collect()
    }

    fn cost(&self, taken: ItemOutcome) -> Option<f64> {
        match self.axis {
            Axis::StrongCalls => Some(f64::from(u8::from(taken.deferred()))),
            Axis::Fee => item_fee(taken, None, self.comparison.prices),
        }
    }
}

/// What an arm at a threshold costs and gives.
fn point(comparison: &Comparison, slice: &Slice, axis: Axis) -> Option<Point> {
    let cost = match axis {
        Axis::StrongCalls => slice.strong_calls() as f64 / slice.taken.len() as f64,
        Axis::Fee => comparison.fee(slice)?.usd() / slice.taken.len() as f64,
    };
    Some(Point { cost, accuracy: slice.accuracy() })
}

/// What both levels make of each item and order; none where a fee is asked for and a model has no price.
fn both(comparison: &Comparison, weak: &Slice, strong: &Slice, axis: Axis) -> Option<Vec<BothAnswers>> {
    let fee = |taken: ItemOutcome| match axis {
        Axis::StrongCalls => Some(0.0),
        Axis::Fee => item_fee(taken, None, comparison.prices),
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

/// Each item's answer, right or not, and what it costs.
type ReadOnlyJournals = (Vec<bool>, Vec<f64>);

/// An arm at all its thresholds and at both corners, the same items in the same order everywhere.
struct Aligned {
    groups: Vec<String>,
    thresholds: Vec<f64>,
    /// At each threshold, then weak-only and strong-only.
    answers: Vec<ReadOnlyJournals>,
}

impl Aligned {
    fn of(swept: &Swept, arm: Arm) -> Option<Self> {
        let slices = |arm| swept.comparison.of_arm(arm).map(|(slice, _)| slice);
        let thresholds: Vec<f64> = slices(arm).filter_map(|slice| slice.cell.threshold).collect();
        let all = slices(arm).chain(slices(Arm::WeakOnly)).chain(slices(Arm::StrongOnly));
        let answers: Vec<ReadOnlyJournals> = all.map(|slice| answers(swept, slice)).collect::<Option<_>>()?;
        let groups = in_order(slices(arm).next()?).iter().map(|taken| taken.group().to_owned()).collect();
        Some(Self { groups, thresholds, answers })
    }

    fn rows(&self) -> Vec<AtThreshold<'_>> {
        self.answers.iter().map(|(right, cost)| AtThreshold { right, cost }).collect()
    }
}

fn answers(swept: &Swept, slice: &Slice) -> Option<ReadOnlyJournals> {
    let taken = in_order(slice);
    let costs: Option<Vec<f64>> = taken.iter().map(|taken| swept.cost(*taken)).collect();
    Some((taken.iter().map(|taken| taken.correct()).collect(), costs?))
}

/// The items by order and id, whatever their places in the stream.
fn in_order<'a>(slice: &Slice<'a>) -> Vec<ItemOutcome<'a>> {
    let mut taken = slice.taken.clone();
    taken.sort_by(|a, b| {
        let [a, b] = [a.record(), b.record()];
        (a.cell.order, &a.item_id.0).cmp(&(b.cell.order, &b.item_id.0))
    });
    taken
}
