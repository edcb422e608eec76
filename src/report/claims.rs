//! The claims of a paper's abstract, judged by what came out: the table of the headline.

use serde::Deserialize;

use super::columns::{Column, Sheet};
use super::format::hundredths;
use super::reproduction::{Experiment, Shows};
use crate::analysis::metrics::price_ratio::{Curve, Shape, curves};
use crate::analysis::metrics::{Changes, Comparison, Slice};
use crate::analysis::stats::{Estimate, Interval};
use crate::types::arm::Arm;

/// What a claim is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Figure {
    /// The change of the weak level's accuracy, in points.
    WeakAccuracy,
    /// The change of the system's accuracy, in points.
    Accuracy,
    /// The relative change of the items that the strong level answers, in percent.
    StrongCalls,
    /// The same of all its requests.
    StrongRequests,
    /// The relative change of the fee, in percent.
    Fee,
}

impl Figure {
    /// How reports call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::WeakAccuracy => "weak accuracy",
            Self::Accuracy => "system accuracy",
            Self::StrongCalls => "strong calls",
            Self::StrongRequests => "all strong requests",
            Self::Fee => "fee",
        }
    }

    /// The unit of its change.
    #[must_use]
    pub fn unit(self) -> &'static str {
        if matches!(self, Self::WeakAccuracy | Self::Accuracy) { "pp" } else { "%" }
    }

    /// Whether less is better.
    fn falls(self) -> bool {
        matches!(self, Self::StrongCalls | Self::StrongRequests | Self::Fee)
    }
}

/// A figure of the paper's abstract, and the cell that is judged by it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// What it is about.
    pub figure: Figure,
    /// The paper's "up to" figure, in the figure's unit and with its sign.
    pub paper: f64,
    /// The versions of the abstract that have it.
    pub versions: String,
    /// The experiment that is judged.
    pub experiment: String,
    /// The arm that is judged.
    #[serde(default = "inter_cascade")]
    pub arm: Arm,
    /// Of a fee: what a written token costs in read ones, for both levels alike; none: the config's prices.
    pub written_to_read: Option<f64>,
    /// What a recording gives: the figure, and how far another may be from it before the exit status says so.
    pub expected: Option<Expected>,
}

impl Claim {
    /// How reports call what it is about.
    #[must_use]
    pub fn name(&self) -> String {
        let shape = self.written_to_read.map(|times| format!(" at {}", Shape::Written(times).name()));
        format!("{}{}", self.figure.name(), shape.unwrap_or_default())
    }

    /// What is wrong with it; none where nothing is.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let times = self.written_to_read?;
        if self.figure != Figure::Fee {
            return Some(format!("written_to_read is of a fee, and the claim is about the {}", self.figure.name()));
        }
        let sound = times.is_finite() && times > 0.0;
        (!sound).then(|| format!("written_to_read must be a number above 0, not {times}"))
    }

    /// The change in an arm against its cascade, as a share; of a fee with the price ratio from which on it falls.
    fn of(&self, comparison: &Comparison, slice: &Slice, changes: &Changes) -> (Option<Estimate>, Option<Curve>) {
        let change = match self.figure {
            Figure::WeakAccuracy => changes.weak_accuracy,
            Figure::Accuracy => Some(changes.accuracy),
            Figure::StrongCalls => changes.strong_calls,
            Figure::StrongRequests => changes.strong_calls_all,
            Figure::Fee => return self.of_fee(comparison, slice),
        };
        (change, None)
    }

    fn of_fee(&self, comparison: &Comparison, slice: &Slice) -> (Option<Estimate>, Option<Curve>) {
        let shape = self.written_to_read.map_or(Shape::Config, Shape::Written);
        let base = comparison.base(slice).map(|base| [(slice, base)]);
        let found = base.map(|arms| curves(comparison, &arms, &[shape], |own| vec![own]));
        let curve = found.and_then(|mut found| found.pop()?.pop());
        let change = match shape {
            Shape::Config => comparison.fee_change(slice),
            Shape::Written(_) => curve.as_ref().and_then(|curve| *curve.changes.first()?),
        };
        (change, curve)
    }
}

/// A figure and a tolerance, in the claim's unit.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The figure.
    pub value: f64,
    /// How far off is still the same.
    pub within: f64,
}

fn inter_cascade() -> Arm {
    Arm::InterCascade
}

/// A claim with what came out.
pub struct JudgedClaim<'a> {
    /// The claim.
    pub claim: &'a Claim,
    /// The change here as a share, with its interval. `None` if the arm did not run or the change is undefined.
    pub change: Option<Estimate>,
    /// Orders of the stream that it is over.
    pub orders: usize,
    /// The least and the most over the orders of what changes by order; none in one order, or of another figure.
    pub by_order: Option<(f64, f64)>,
    /// Of a fee: from which price ratio on it falls; none without prices.
    pub curve: Option<Curve>,
    /// What the interval allows to say.
    pub verdict: &'static str,
    /// Why no more can be said, where it is so.
    pub yardstick: Option<&'static str>,
}

impl<'a> JudgedClaim<'a> {
    /// Judges a claim; none where the family has no such experiment.
    #[must_use]
    pub fn new(claim: &'a Claim, experiments: &[Experiment]) -> Option<Self> {
        let found = experiments.iter().find(|experiment| experiment.name == claim.experiment)?;
        let arm = found.comparison.of_arm(claim.arm).find_map(|(slice, changes)| Some((slice, changes?)));
        let (change, curve) = arm.map_or((None, None), |(slice, changes)| claim.of(found.comparison, slice, changes));
        let by_order = arm.and_then(|(_, changes)| spread(claim.figure, changes));
        let orders = arm.map_or(0, |(slice, _)| slice.orders);
        let verdict = verdict(claim, change.and_then(|change| change.interval), found.yardstick.is_some());
        Some(Self { claim, change, orders, by_order, curve, verdict, yardstick: found.yardstick })
    }

    /// The change in the claim's unit, points or percent. `None` if there is none.
    #[must_use]
    pub fn in_unit(&self) -> Option<f64> {
        self.change.map(|change| hundredths(change.value))
    }

    /// Whether it is as far from what was expected as the file allows; true where nothing was expected.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.claim.expected.is_none_or(|expected| {
            self.in_unit().is_some_and(|change| (change - expected.value).abs() <= expected.within)
        })
    }
}

/// The least and the most over several orders of a figure that is told by order, in the claim's unit.
fn spread(figure: Figure, changes: &Changes) -> Option<(f64, f64)> {
    let each: Vec<f64> = match figure {
        Figure::Accuracy => changes.accuracy_by_order.clone(),
        Figure::StrongCalls => changes.strong_calls_by_order.iter().copied().flatten().collect(),
        _ => Vec::new(),
    };
    let ends = |of: fn(f64, f64) -> f64| each.iter().copied().reduce(of).map(hundredths);
    ends(f64::min).zip(ends(f64::max)).filter(|_| each.len() > 1)
}

/// What a 95 % interval allows to say of a claim: `reached` where all of it is at least as good as the paper's figure, a
/// direction where it does not hold zero. The interval is in shares. On a yardstick it is never the paper's claim that is judged.
fn verdict(claim: &Claim, interval: Option<Interval>, yardstick: bool) -> &'static str {
    let Some(interval) = interval else { return "not shown" };
    // As gains: more is better.
    let sign = if claim.figure.falls() { -1.0 } else { 1.0 };
    let ends = [interval.low, interval.high].map(|end| hundredths(end) * sign);
    let (least, most) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
    match (least > 0.0, most < 0.0) {
        (true, _) if yardstick => "shown",
        (true, _) if least >= claim.paper * sign => "reached",
        (true, _) => "same direction",
        (_, true) => "opposite",
        _ => "not shown",
    }
}

/// The claims, judged.
#[must_use]
pub fn headline(judged: &[JudgedClaim]) -> Sheet {
    let each = || judged.iter();
    let curve = |of: fn(&Curve) -> Option<f64>| judged.iter().map(move |judged| of(judged.curve.as_ref()?));
    Sheet {
        name: Shows::Headline.name(),
        columns: vec![
            Column::text(each().map(|judged| judged.claim.name())).file("claim").heading("change of"),
            Column::text(each().map(|judged| judged.claim.figure.unit().to_owned())).file("unit").heading("unit"),
            Column::text(each().map(|judged| judged.claim.experiment.clone())).file("experiment").heading("experiment"),
            Column::text(each().map(|judged| judged.claim.arm.name().to_owned())).file("arm").aside("arm"),
            Column::number(2, each().map(|judged| judged.claim.paper)).file("paper_up_to").heading("paper, up to"),
            Column::text(each().map(|judged| judged.claim.versions.clone())).file("versions").aside("versions"),
            Column::change(each().map(|judged| judged.change)).file("change").heading("here"),
            Column::text(each().map(|judged| judged.verdict.to_owned())).file("verdict").heading("verdict"),
            Column::text(each().map(|judged| judged.yardstick.unwrap_or("").to_owned()))
                .file("yardstick")
                .aside("no verdict on the paper, since"),
            Column::count(each().map(|judged| judged.orders)).file("orders").heading("orders"),
            Column::number(1, each().map(|judged| Some(judged.by_order?.0)))
                .file("order_least")
                .aside("least of the orders"),
            Column::number(1, each().map(|judged| Some(judged.by_order?.1)))
                .file("order_most")
                .aside("most of the orders"),
            Column::number(2, curve(|curve| curve.pays_from))
                .file("pays_from_ratio")
                .heading("falls from a price ratio of"),
            Column::number(2, curve(|curve| Some(curve.interval?.low))).file("pays_from_low").aside("price ratio, low"),
            Column::number(2, curve(|curve| Some(curve.interval?.high)))
                .file("pays_from_high")
                .aside("price ratio, high"),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_says_no_more_than_the_interval() {
        let claim = |figure, paper| Claim {
            figure,
            paper,
            versions: String::new(),
            experiment: String::new(),
            arm: Arm::InterCascade,
            written_to_read: None,
            expected: None,
        };
        let (weak, calls) = (claim(Figure::WeakAccuracy, 33.06), claim(Figure::StrongCalls, -48.05));
        let ends = |low: f64, high: f64| Some(Interval { low: low / 100.0, high: high / 100.0 });
        for (claim, interval, paper, yardstick) in [
            (&weak, ends(33.06, 40.0), "reached", "shown"),
            (&weak, ends(33.0, 40.0), "same direction", "shown"),
            (&weak, ends(0.1, 90.0), "same direction", "shown"),
            (&weak, ends(0.0, 90.0), "not shown", "not shown"),
            (&weak, ends(-9.0, -0.1), "opposite", "opposite"),
            (&weak, None, "not shown", "not shown"),
            (&calls, ends(-60.0, -48.1), "reached", "shown"),
            (&calls, ends(-60.0, -48.0), "same direction", "shown"),
            (&calls, ends(-60.0, 0.1), "not shown", "not shown"),
            (&calls, ends(0.1, 3.0), "opposite", "opposite"),
        ] {
            assert_eq!(verdict(claim, interval, false), paper, "{interval:?}");
            assert_eq!(verdict(claim, interval, true), yardstick, "{interval:?}");
        }
    }
}
