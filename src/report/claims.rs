//! The claims of a paper's abstract, judged by the measured figures: the table `headline`.

use serde::Deserialize;

use super::columns::{Column, Sheet};
use super::endpoints::StatedEndpoint;
use super::format::hundredths;
use super::reproduction::{Experiment, Shows};
use crate::analysis::metrics::judged::Measure;
use crate::analysis::metrics::price_ratio::{Curve, Shape, curves};
use crate::analysis::metrics::{BASELINE, Changes, Comparison, Slice};
use crate::analysis::stats::{Estimate, Interval};
use crate::types::arm::Arm;

/// The figure that a claim is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Figure {
    /// Change of the weak level's accuracy, in points.
    WeakAccuracy,
    /// Change of the system's accuracy, in points.
    Accuracy,
    /// Relative change of the number of items that the strong level answers, in percent.
    StrongCalls,
    /// Relative change of the number of all requests to the strong level, in percent.
    StrongRequests,
    /// Relative change of the fee, in percent.
    Fee,
}

impl Figure {
    /// Returns the name of the figure in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::WeakAccuracy => "weak accuracy",
            Self::Accuracy => "system accuracy",
            Self::StrongCalls => "strong calls",
            Self::StrongRequests => "strong calls incl. distillation",
            Self::Fee => "fee",
        }
    }

    /// Returns the unit of the figure's change.
    #[must_use]
    pub fn unit(self) -> &'static str {
        if matches!(self, Self::WeakAccuracy | Self::Accuracy) { "pp" } else { "%" }
    }

    /// Returns the change of an arm against its cascade, as a share; a fee at the config's prices. `None` if it is
    /// undefined.
    #[must_use]
    pub fn change(self, comparison: &Comparison, slice: &Slice, changes: &Changes) -> Option<Estimate> {
        match self {
            Self::WeakAccuracy => changes.weak_accuracy,
            Self::Accuracy => Some(changes.accuracy),
            Self::StrongCalls => changes.strong_calls,
            Self::StrongRequests => changes.strong_calls_all,
            Self::Fee => comparison.fee_change(slice),
        }
    }

    /// Returns the endpoint of a judgement that measures the figure. `None` if there is none.
    #[must_use]
    pub fn measure(self) -> Option<Measure> {
        match self {
            Self::WeakAccuracy => Some(Measure::WeakAccuracy),
            Self::Accuracy => Some(Measure::Accuracy),
            Self::StrongCalls => Some(Measure::StrongCalls),
            Self::Fee => Some(Measure::Fee),
            Self::StrongRequests => None,
        }
    }

    /// True if a decrease is an improvement.
    fn falls(self) -> bool {
        matches!(self, Self::StrongCalls | Self::StrongRequests | Self::Fee)
    }
}

/// The figures of the paper's abstract (arXiv 2509.22984 v1), each the greatest over its data sets and pairs of models,
/// in the figure's unit. Version 2 states 6.35 for the system's accuracy.
pub const ABSTRACT: [(Figure, f64); 4] =
    [(Figure::WeakAccuracy, 33.06), (Figure::Accuracy, 5.53), (Figure::StrongCalls, -48.05), (Figure::Fee, -49.63)];

/// A figure of the paper's abstract, and the experiment and arm that are compared with it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The figure.
    pub figure: Figure,
    /// The paper's "up to" figure, in the figure's unit and with its sign.
    pub paper: f64,
    /// The versions of the abstract that contain the figure.
    pub versions: String,
    /// The experiment that is judged, or a name for the data set of `set`.
    pub experiment: String,
    /// Data set of the table's judgement that has the figure. `None` if the experiment is run.
    pub set: Option<String>,
    /// The arm that is judged.
    #[serde(default = "inter_cascade")]
    pub arm: Arm,
    /// For a fee: the price of an output token divided by that of an input token, for both levels. `None` for the
    /// config's prices.
    pub written_to_read: Option<f64>,
    /// The figure that a recording yields, and the tolerance beyond which the exit status reports a failure.
    pub expected: Option<Expected>,
}

impl Claim {
    /// Returns the name of the claim in reports.
    #[must_use]
    pub fn name(&self) -> String {
        let shape = self.written_to_read.map(|times| format!(" at {}", Shape::Written(times).name()));
        format!("{}{}", self.figure.name(), shape.unwrap_or_default())
    }

    /// Describes what is wrong with the claim's settings. `None` if they are valid.
    #[must_use]
    pub fn invalid_reason(&self) -> Option<String> {
        if self.set.is_some() && (self.written_to_read.is_some() || self.figure.measure().is_none()) {
            return Some(
                "`set` applies only to the figures of a judgement at the config's prices. Remove it.".to_owned(),
            );
        }
        let times = self.written_to_read?;
        if self.figure != Figure::Fee {
            return Some(format!(
                "`written_to_read` applies only to the figure `fee`, and this claim is about the {}. \
                                 Remove it.",
                self.figure.name()
            ));
        }
        let sound = times.is_finite() && times > 0.0;
        (!sound).then(|| format!("`written_to_read` must be a number above 0, not {times}."))
    }

    /// Returns the change of an arm against its cascade, as a share; for a fee also the curve with the price ratio from
    /// which the fee falls.
    fn of(&self, comparison: &Comparison, slice: &Slice, changes: &Changes) -> (Option<Estimate>, Option<Curve>) {
        if self.figure == Figure::Fee {
            return self.of_fee(comparison, slice);
        }
        (self.figure.change(comparison, slice, changes), None)
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
    /// The largest accepted distance from the figure.
    pub within: f64,
}

/// The reason why a judgement cannot judge the paper's figures.
const REIMPLEMENTED: &str = "the data set is a reimplementation or our own";

fn inter_cascade() -> Arm {
    Arm::InterCascade
}

/// A claim with the measured change.
pub struct JudgedClaim<'a> {
    /// The claim.
    pub claim: &'a Claim,
    /// The measured change as a share, with its interval. `None` if the arm did not run or the change is undefined.
    pub change: Option<Estimate>,
    /// Number of orders of the stream that the change covers.
    pub orders: usize,
    /// Smallest and largest change over the orders, in the claim's unit. `None` with one order, or if the figure is not
    /// computed by order.
    pub by_order: Option<(f64, f64)>,
    /// For a fee: the curve with the price ratio from which the fee falls. `None` without prices.
    pub curve: Option<Curve>,
    /// The conclusion that the interval supports.
    pub verdict: &'static str,
    /// The reason why the paper's figure itself cannot be judged. `None` if it can.
    pub yardstick: Option<&'static str>,
}

impl<'a> JudgedClaim<'a> {
    /// Judges a claim. `None` if the experiment did not run, or if `stated`, the endpoints of a judgement, do not have
    /// its figure.
    #[must_use]
    pub fn new(claim: &'a Claim, experiments: &[Experiment], stated: &[StatedEndpoint]) -> Option<Self> {
        if let Some(set) = &claim.set {
            let name = claim.figure.measure()?.name();
            let found = stated.iter().find(|endpoint| endpoint.is_of(set, &name, BASELINE))?;
            let verdict = verdict(claim, found.change.interval, true);
            let (change, orders) = (Some(found.change), found.orders);
            return Some(Self {
                claim,
                change,
                orders,
                by_order: None,
                curve: None,
                verdict,
                yardstick: Some(REIMPLEMENTED),
            });
        }
        let found = experiments.iter().find(|experiment| experiment.name == claim.experiment)?;
        let arm = found.comparison.of_arm(claim.arm).find_map(|(slice, changes)| Some((slice, changes?)));
        let (change, curve) = arm.map_or((None, None), |(slice, changes)| claim.of(found.comparison, slice, changes));
        let by_order = arm.and_then(|(_, changes)| spread(claim.figure, changes));
        let orders = arm.map_or(0, |(slice, _)| slice.orders);
        let verdict = verdict(claim, change.and_then(|change| change.interval), found.yardstick.is_some());
        Some(Self { claim, change, orders, by_order, curve, verdict, yardstick: found.yardstick })
    }

    /// Returns the change in the claim's unit, points or percent. `None` if there is none.
    #[must_use]
    pub fn in_unit(&self) -> Option<f64> {
        self.change.map(|change| hundredths(change.value))
    }

    /// True if the change is within the tolerance of the expected figure, or if no figure is expected.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.claim.expected.is_none_or(|expected| {
            self.in_unit().is_some_and(|change| (change - expected.value).abs() <= expected.within)
        })
    }
}

/// Returns the smallest and the largest change over several orders, in the claim's unit. `None` with one order, or if
/// the figure is not computed by order.
fn spread(figure: Figure, changes: &Changes) -> Option<(f64, f64)> {
    let each: Vec<f64> = match figure {
        Figure::Accuracy => changes.accuracy_by_order.clone(),
        Figure::StrongCalls => changes.strong_calls_by_order.iter().copied().flatten().collect(),
        _ => Vec::new(),
    };
    let ends = |of: fn(f64, f64) -> f64| each.iter().copied().reduce(of).map(hundredths);
    ends(f64::min).zip(ends(f64::max)).filter(|_| each.len() > 1)
}

/// Returns the conclusion that a 95 % interval supports: `reached` if the whole interval is at least as good as the
/// paper's figure, a direction if the interval excludes zero. The interval is in shares. With a yardstick the paper's
/// figure itself is never judged.
fn verdict(claim: &Claim, interval: Option<Interval>, yardstick: bool) -> &'static str {
    let Some(interval) = interval else { return "not shown" };
    // Converted to gains: more is better.
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

/// Returns the table of judged claims.
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
            Column::text(each().map(|judged| judged.claim.arm.name().to_owned())).file("arm").in_documents("arm"),
            Column::number(2, each().map(|judged| judged.claim.paper)).file("paper_up_to").heading("paper, up to"),
            Column::text(each().map(|judged| judged.claim.versions.clone())).file("versions").in_documents("versions"),
            Column::change(each().map(|judged| judged.change)).file("change").heading("here"),
            Column::text(each().map(|judged| judged.verdict.to_owned())).file("verdict").heading("verdict"),
            Column::text(each().map(|judged| judged.yardstick.unwrap_or("").to_owned()))
                .file("yardstick")
                .in_documents("no verdict on the paper, since"),
            Column::count(each().map(|judged| judged.orders)).file("orders").heading("orders"),
            Column::number(1, each().map(|judged| Some(judged.by_order?.0)))
                .file("order_least")
                .in_documents("least of the orders"),
            Column::number(1, each().map(|judged| Some(judged.by_order?.1)))
                .file("order_most")
                .in_documents("most of the orders"),
            Column::number(2, curve(|curve| curve.pays_from))
                .file("break_even_ratio")
                .heading("falls from a price ratio of"),
            Column::number(2, curve(|curve| Some(curve.interval?.low)))
                .file("break_even_low")
                .in_documents("price ratio, low"),
            Column::number(2, curve(|curve| Some(curve.interval?.high)))
                .file("break_even_high")
                .in_documents("price ratio, high"),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_follows_from_the_interval() {
        let claim = |figure, paper| Claim {
            figure,
            paper,
            versions: String::new(),
            experiment: String::new(),
            set: None,
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
