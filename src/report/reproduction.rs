//! The tables that reproduce a paper, over several experiments: one function a table, all from records alone.

use serde::{Deserialize, Serialize};

use super::figures::{Cells, Column, Figures};
use super::summary::threshold;
use super::tables::points;
use crate::analysis::metrics::changes::RESAMPLES;
use crate::analysis::metrics::growth::{Point, growth, pays_from};
use crate::analysis::metrics::learning::theorem;
use crate::analysis::metrics::price_ratio::Ratio;
use crate::analysis::metrics::{Changes, Comparison, Relative, STRONG, Slice};
use crate::analysis::price::Fee;
use crate::analysis::stats::{Difference, Draws, Interval};
use crate::cascade::arm::Arm;
use crate::types::record::{Call, Purpose};

/// The tables there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shows {
    /// What the paper claims, and what comes out here.
    Headline,
    /// Accuracy, strong calls and coverage of every arm.
    Pipeline,
    /// The weak level with nothing, random strategies and retrieved ones before it.
    Weak,
    /// What the weak level's confidence is worth.
    Calibration,
    /// Tokens by purpose, and fees.
    Fees,
    /// What learning saves as the strong level's price rises against the weak one's.
    PriceRatio,
    /// Accuracy, deferrals, fee and repository along the stream.
    ColdStart,
    /// Time of a call by what it is for.
    Latency,
    /// The paper's constants ε and b.
    Theorem,
}

impl Shows {
    /// The name of the table's files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Headline => "headline",
            Self::Pipeline => "pipeline",
            Self::Weak => "weak",
            Self::Calibration => "calibration",
            Self::Fees => "fees",
            Self::PriceRatio => "price-ratio",
            Self::ColdStart => "cold-start",
            Self::Latency => "latency",
            Self::Theorem => "theorem",
        }
    }
}

/// What a claim is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
    /// How reports call it, with its unit.
    #[must_use]
    pub fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::WeakAccuracy => ("weak accuracy", "pp"),
            Self::Accuracy => ("system accuracy", "pp"),
            Self::StrongCalls => ("strong calls", "%"),
            Self::StrongRequests => ("all strong requests", "%"),
            Self::Fee => ("fee", "%"),
        }
    }

    /// Whether less is better.
    fn falls(self) -> bool {
        matches!(self, Self::StrongCalls | Self::StrongRequests | Self::Fee)
    }

    /// The change in an arm against its cascade, in the claim's unit.
    fn of(self, comparison: &Comparison, slice: &Slice, changes: &Changes) -> Change {
        match self {
            Self::WeakAccuracy => changes.weak_accuracy.as_ref().map_or((None, None), in_points),
            Self::Accuracy => in_points(&changes.accuracy),
            Self::StrongCalls => in_percent(&changes.strong_calls),
            Self::StrongRequests => in_percent(&changes.strong_calls_all),
            Self::Fee => fee_change(comparison, slice),
        }
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
    /// What a recording gives: the figure, and how far another may be from it before the exit status says so.
    pub expected: Option<Expected>,
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

/// An experiment that was run.
pub struct Experiment<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its arms.
    pub comparison: &'a Comparison<'a>,
    /// Whether the paper's own verdicts cannot be given on it, and why: a data set written here, or a teacher that is no
    /// model.
    pub yardstick: Option<&'static str>,
}

/// A claim with what came out.
pub struct Judged<'a> {
    /// The claim.
    pub claim: &'a Claim,
    /// The change here, with its interval.
    pub change: Change,
    /// What the interval allows to say.
    pub verdict: &'static str,
    /// Why no more can be said, where it is so.
    pub yardstick: Option<&'static str>,
}

impl<'a> Judged<'a> {
    /// Judges a claim; none where the family has no such experiment.
    #[must_use]
    pub fn new(claim: &'a Claim, experiments: &[Experiment]) -> Option<Self> {
        let found = experiments.iter().find(|experiment| experiment.name == claim.experiment)?;
        let mut slices = found.comparison.of_arm(claim.arm.name());
        let change = slices.find_map(|(slice, changes)| Some(claim.figure.of(found.comparison, slice, changes?)));
        let change = change.unwrap_or((None, None));
        let verdict = verdict(claim, change.1, found.yardstick.is_some());
        Some(Self { claim, change, verdict, yardstick: found.yardstick })
    }

    /// Whether it is as far from what was expected as the file allows; true where nothing was expected.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.claim.expected.is_none_or(|expected| {
            self.change.0.is_some_and(|change| (change - expected.value).abs() <= expected.within)
        })
    }
}

/// What a 95 % interval allows to say of a claim: `reached` where all of it is at least as good as the paper's figure, a
/// direction where it does not hold zero. On a yardstick it is never the paper's claim that is judged.
fn verdict(claim: &Claim, interval: Option<Interval>, yardstick: bool) -> &'static str {
    let Some(interval) = interval else { return "not shown" };
    // As gains: more is better.
    let sign = if claim.figure.falls() { -1.0 } else { 1.0 };
    let least = (interval.low * sign).min(interval.high * sign);
    let most = (interval.low * sign).max(interval.high * sign);
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
pub fn headline(judged: &[Judged]) -> Figures {
    let each = || judged.iter();
    let words = |of: fn(&Judged) -> String| Cells::Text(judged.iter().map(of).collect());
    Figures {
        name: Shows::Headline.name(),
        columns: vec![
            Column::new("claim", "change of", words(|judged| judged.claim.figure.told().0.to_owned())),
            Column::new("unit", "unit", words(|judged| judged.claim.figure.told().1.to_owned())),
            Column::new("experiment", "experiment", words(|judged| judged.claim.experiment.clone())),
            Column::new("arm", "arm", words(|judged| judged.claim.arm.name().to_owned())),
            Column::new("paper_up_to", "paper, up to", {
                Cells::Number(each().map(|judged| Some(judged.claim.paper)).collect(), 2)
            }),
            Column::new("versions", "versions", words(|judged| judged.claim.versions.clone())),
            Column::new("change", "here", Cells::Change(each().map(|judged| judged.change).collect())),
            Column::new("verdict", "verdict", words(|judged| judged.verdict.to_owned())),
            Column::new("yardstick", "why not the paper's", words(|judged| judged.yardstick.unwrap_or("").to_owned())),
        ],
    }
}

/// A table but the headline, over all experiments.
#[must_use]
pub fn figures(shows: Shows, experiments: &[Experiment]) -> Figures {
    let columns = match shows {
        Shows::Headline => Vec::new(),
        Shows::Pipeline => pipeline(experiments),
        Shows::Weak => weak(experiments),
        Shows::Calibration => calibration(experiments),
        Shows::Fees => fees(experiments),
        Shows::PriceRatio => price_ratio(experiments),
        Shows::ColdStart => cold_start(experiments),
        Shows::Latency => latency(experiments),
        Shows::Theorem => constants(experiments),
    };
    Figures { name: shows.name(), columns }
}

/// A change with its interval, in points or percent.
type Change = (Option<f64>, Option<Interval>);

/// An arm of an experiment.
struct Row<'a> {
    experiment: &'a str,
    comparison: &'a Comparison<'a>,
    slice: &'a Slice<'a>,
    changes: Option<&'a Changes>,
}

impl Row<'_> {
    fn change(&self, of: impl Fn(&Changes) -> Change) -> Change {
        self.changes.map_or((None, None), of)
    }
}

fn rows<'a>(experiments: &'a [Experiment<'a>]) -> impl Iterator<Item = Row<'a>> {
    experiments.iter().flat_map(|Experiment { name, comparison, .. }| {
        let row = move |(slice, changes)| Row { experiment: name, comparison, slice, changes };
        comparison.rows().map(row)
    })
}

/// The arms that show strategies, each with its cascade.
fn learners<'a>(experiments: &'a [Experiment<'a>]) -> impl Iterator<Item = (Row<'a>, &'a Slice<'a>)> {
    rows(experiments).filter_map(|row| {
        let base = row.slice.learns().then(|| row.comparison.base(row.slice)).flatten()?;
        Some((row, base))
    })
}

/// Experiment, arm and λ.
fn head<'r, 'a: 'r>(rows: &(impl Iterator<Item = &'r Row<'a>> + Clone)) -> Vec<Column> {
    let words = |of: fn(&Row) -> String| Cells::Text(rows.clone().map(of).collect());
    vec![
        Column::new("experiment", "experiment", words(|row| row.experiment.to_owned())),
        Column::new("arm", "arm", words(|row| row.slice.cell.arm.to_string())),
        Column::new("threshold", "λ", words(|row| threshold(row.slice))),
    ]
}

fn pipeline(experiments: &[Experiment]) -> Vec<Column> {
    let rows: Vec<Row> = rows(experiments).collect();
    let each = || rows.iter();
    let mut columns = head(&each());
    columns.extend([
        Column::new("n", "items", Cells::Count(each().map(|row| Some(row.slice.n)).collect())),
        Column::new("orders", "orders", Cells::Count(each().map(|row| Some(row.slice.orders)).collect())),
        Column::new("accuracy", "accuracy", Cells::Share(each().map(|row| Some(row.slice.accuracy())).collect())),
        Column::new("change_pp", "change, pp", {
            Cells::Change(each().map(|row| row.change(|changes| in_points(&changes.accuracy))).collect())
        }),
        Column::new("coverage", "coverage", Cells::Share(each().map(|row| Some(row.slice.coverage())).collect())),
        Column::new("strong_calls", "strong calls", {
            Cells::Count(each().map(|row| Some(row.slice.strong_calls())).collect())
        }),
        Column::new("strong_calls_change_percent", "change, %", {
            Cells::Change(each().map(|row| row.change(|changes| in_percent(&changes.strong_calls))).collect())
        }),
        Column::new("strong_calls_all", "all strong requests", {
            Cells::Count(each().map(|row| Some(row.slice.strong_calls_all())).collect())
        }),
        Column::new("strong_calls_all_change_percent", "change, %", {
            Cells::Change(each().map(|row| row.change(|changes| in_percent(&changes.strong_calls_all))).collect())
        }),
    ]);
    columns
}

fn weak(experiments: &[Experiment]) -> Vec<Column> {
    let rows: Vec<Row> = rows(experiments).filter(|row| row.slice.weak_accuracy().is_some()).collect();
    let each = || rows.iter();
    let of_weak = |changes: &Changes| changes.weak_accuracy.as_ref().map_or((None, None), in_points);
    let mut columns = head(&each());
    columns.extend([
        Column::new("strategies_shown", "strategies shown", {
            Cells::Number(each().map(|row| Some(row.slice.strategies_shown())).collect(), 2)
        }),
        Column::new("weak_accuracy", "weak accuracy", {
            Cells::Share(each().map(|row| row.slice.weak_accuracy()).collect())
        }),
        Column::new("change_pp", "change, pp", Cells::Change(each().map(|row| row.change(of_weak)).collect())),
        Column::new("p_value", "p", {
            let p = |changes: &Changes| changes.weak_accuracy.as_ref().map(|change| change.p);
            Cells::Number(each().map(|row| row.changes.and_then(p)).collect(), 3)
        }),
    ]);
    columns
}

fn calibration(experiments: &[Experiment]) -> Vec<Column> {
    let rows: Vec<Row> = rows(experiments).filter(|row| row.slice.reliability().is_some()).collect();
    let worth: Vec<_> = rows.iter().filter_map(|row| row.slice.reliability()).collect();
    let each = || worth.iter();
    let mut columns = head(&rows.iter());
    columns.extend([
        Column::new("n", "answers", Cells::Count(each().map(|worth| Some(worth.n)).collect())),
        Column::new("auroc", "AUROC", Cells::Number(each().map(|worth| worth.auroc).collect(), 3)),
        Column::new("ece", "ECE", Cells::Number(each().map(|worth| worth.ece).collect(), 3)),
        Column::new("brier", "Brier", Cells::Number(each().map(|worth| worth.brier).collect(), 3)),
        Column::new("aurc", "AURC", Cells::Number(each().map(|worth| worth.aurc).collect(), 3)),
        Column::new("accepted_accuracy", "right if accepted", {
            Cells::Share(rows.iter().map(|row| row.slice.accepted_accuracy()).collect())
        }),
    ]);
    columns
}

fn fees(experiments: &[Experiment]) -> Vec<Column> {
    let rows: Vec<Row> = rows(experiments).collect();
    let each = || rows.iter();
    let tokens = |key, heading, of: fn(&Slice) -> u64| {
        let counts = rows.iter().map(|row| usize::try_from(of(row.slice)).ok()).collect();
        Column::new(key, heading, Cells::Count(counts))
    };
    let mut columns = head(&each());
    columns.extend([
        tokens("weak_input_tokens", "weak, read", |slice| slice.usage(Some(0), Purpose::Answer).input),
        tokens("weak_output_tokens", "weak, written", |slice| slice.usage(Some(0), Purpose::Answer).output),
        tokens("strong_input_tokens", "strong, read", |slice| slice.usage(Some(STRONG), Purpose::Answer).input),
        tokens("strong_output_tokens", "strong, written", |slice| slice.usage(Some(STRONG), Purpose::Answer).output),
        tokens("distil_output_tokens", "for strategies", |slice| slice.usage(Some(STRONG), Purpose::Distil).output),
        tokens("verify_output_tokens", "for second draws", |slice| slice.usage(Some(STRONG), Purpose::Verify).output),
        tokens("embed_tokens", "embedded", |slice| slice.usage(None, Purpose::Embed).input),
        Column::new("fee_usd", "fee, USD", {
            Cells::Number(each().map(|row| row.comparison.fee(row.slice).map(Fee::usd)).collect(), 5)
        }),
        Column::new("fee_change_percent", "change, %", {
            Cells::Change(each().map(|row| fee_change(row.comparison, row.slice)).collect())
        }),
    ]);
    columns
}

fn price_ratio(experiments: &[Experiment]) -> Vec<Column> {
    let found: Vec<(Row, Ratio, f64, Change)> = learners(experiments)
        .filter_map(|(row, base)| Some((Ratio::new(row.comparison, row.slice, base)?, row, base)))
        .flat_map(|(ratio, row, base)| {
            let at = move |times: f64| {
                let (change, interval) = ratio.change_at(row.comparison, row.slice, base, times);
                let row = Row { ..row };
                (row, ratio, times, (change, interval.map(hundredfold)))
            };
            ratio.curve().into_iter().map(at)
        })
        .collect();
    let each = || found.iter();
    let mut columns = head(&each().map(|(row, ..)| row));
    columns.extend([
        Column::new(
            "price_ratio",
            "price, strong to weak",
            Cells::Number(each().map(|(_, _, at, _)| Some(*at)).collect(), 1),
        ),
        Column::new(
            "fee_change_percent",
            "change of the fee, %",
            Cells::Change(each().map(|(.., change)| *change).collect()),
        ),
        Column::new(
            "own_ratio",
            "ratio of the config",
            Cells::Number(each().map(|(_, ratio, ..)| Some(ratio.own)).collect(), 1),
        ),
        Column::new(
            "pays_from_ratio",
            "cheaper from",
            Cells::Number(each().map(|(_, ratio, ..)| ratio.pays_from).collect(), 2),
        ),
    ]);
    columns
}

fn cold_start(experiments: &[Experiment]) -> Vec<Column> {
    let mut found: Vec<(Row, Point, Option<usize>)> = Vec::new();
    for (row, base) in learners(experiments) {
        let along = growth(row.slice, base, row.comparison.prices);
        let from = pays_from(&along);
        let last = along.len();
        // A tenth of the stream between two rows.
        let tenths = along.into_iter().enumerate().filter(|(at, _)| ((at + 1) * 10) / last != (at * 10) / last);
        found.extend(tenths.map(|(_, point)| (Row { ..row }, point, from)));
    }
    let each = || found.iter();
    let count = |of: fn(&Point) -> usize| Cells::Count(found.iter().map(|(_, point, _)| Some(of(point))).collect());
    let share = |of: fn(&Point) -> f64| Cells::Share(found.iter().map(|(_, point, _)| Some(of(point))).collect());
    let fee = |of: fn(&Point) -> Option<f64>| Cells::Number(found.iter().map(|(_, point, _)| of(point)).collect(), 5);
    let mut columns = head(&each().map(|(row, ..)| row));
    columns.extend([
        Column::new("items", "items so far", count(|point| point.items)),
        Column::new("accuracy", "accuracy so far", share(|point| point.accuracy)),
        Column::new("cascade_accuracy", "cascade's", share(|point| point.base_accuracy)),
        Column::new("deferred", "deferred so far", share(|point| point.deferred)),
        Column::new("cascade_deferred", "cascade's", share(|point| point.base_deferred)),
        Column::new("deferred_lately", "of the last tenth", share(|point| point.deferred_lately)),
        Column::new(
            "repository",
            "strategies",
            Cells::Number(each().map(|(_, point, _)| Some(point.repository)).collect(), 1),
        ),
        Column::new("fee_usd", "fee so far, USD", fee(|point| point.fee)),
        Column::new("cascade_fee_usd", "cascade's", fee(|point| point.base_fee)),
        Column::new("cheaper_from", "cheaper from item", Cells::Count(each().map(|(.., from)| *from).collect())),
    ]);
    columns
}

fn latency(experiments: &[Experiment]) -> Vec<Column> {
    let mut found: Vec<(Row, String, Vec<f64>)> = Vec::new();
    for row in rows(experiments) {
        let mut stages: Vec<(Option<usize>, Purpose, Vec<f64>)> = Vec::new();
        for (Call { level, purpose, latency_ms, .. }, earlier) in row.slice.taken.iter().flat_map(|taken| taken.calls())
        {
            // What was written in another purpose's call took no time of its own.
            if earlier.iter().any(|other| other.level == *level) && *latency_ms == 0.0 {
                continue;
            }
            match stages.iter_mut().find(|(at, what, _)| at == level && what == purpose) {
                Some((.., times)) => times.push(*latency_ms),
                None => stages.push((*level, *purpose, vec![*latency_ms])),
            }
        }
        for (level, purpose, times) in stages {
            let who = level.map_or("embedder", |level| if level == STRONG { "strong" } else { "weak" });
            found.push((Row { ..row }, format!("{who}, {}", purpose.name()), times));
        }
    }
    for (.., times) in &mut found {
        times.sort_by(f64::total_cmp);
    }
    let each = || found.iter();
    let at = |share: usize| {
        let of = move |times: &Vec<f64>| times.get((times.len() - 1) * share / 100).copied();
        Cells::Number(found.iter().map(|(.., times)| of(times)).collect(), 0)
    };
    let mut columns = head(&each().map(|(row, ..)| row));
    columns.extend([
        Column::new("stage", "stage", Cells::Text(each().map(|(_, stage, _)| stage.clone()).collect())),
        Column::new("calls", "calls", Cells::Count(each().map(|(.., times)| Some(times.len())).collect())),
        Column::new("median_ms", "median, ms", at(50)),
        Column::new("p90_ms", "9 in 10 within, ms", at(90)),
        Column::new("sum_s", "in all, s", {
            Cells::Number(each().map(|(.., times)| Some(times.iter().sum::<f64>() / 1000.0)).collect(), 1)
        }),
    ]);
    columns
}

fn constants(experiments: &[Experiment]) -> Vec<Column> {
    let found: Vec<_> = learners(experiments)
        .map(|(row, base)| {
            let labels = ["theorem", &*row.slice.cell.arm, &threshold(row.slice)];
            let draws = Draws { seed: row.comparison.seed, labels: &labels, count: RESAMPLES };
            let constants = theorem(row.slice, base, draws);
            (row, constants)
        })
        .collect();
    let each = || found.iter();
    let mut columns = head(&each().map(|(row, _)| row));
    for (key, heading, ends, of) in [
        ("error_ratio", "ε", ["error_ratio_low", "error_ratio_high"], true),
        ("coverage_ratio", "b", ["coverage_ratio_low", "coverage_ratio_high"], false),
    ] {
        let ratio = || each().map(move |(_, found)| if of { found.error_ratio } else { found.coverage_ratio });
        let low = ratio().map(|ratio| Some(ratio?.interval?.low)).collect();
        let high = ratio().map(|ratio| Some(ratio?.interval?.high)).collect();
        columns.push(Column::new(key, heading, Cells::Number(ratio().map(|ratio| Some(ratio?.value)).collect(), 2)));
        columns.push(Column::new(ends[0], "low", Cells::Number(low, 2)));
        columns.push(Column::new(ends[1], "high", Cells::Number(high, 2)));
    }
    columns
}

fn in_points(difference: &Difference) -> Change {
    (Some(points(difference.mean)), difference.interval.map(hundredfold))
}

fn in_percent(relative: &Relative) -> Change {
    (relative.change.map(points), relative.interval.map(hundredfold))
}

fn fee_change(comparison: &Comparison, slice: &Slice) -> Change {
    let (percent, interval) = comparison.fee_change(slice);
    (percent, interval.map(hundredfold))
}

fn hundredfold(ends: Interval) -> Interval {
    Interval { low: points(ends.low), high: points(ends.high) }
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
            expected: None,
        };
        let (weak, calls) = (claim(Figure::WeakAccuracy, 33.06), claim(Figure::StrongCalls, -48.05));
        let ends = |low, high| Some(Interval { low, high });
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
