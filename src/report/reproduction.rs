//! The tables that reproduce a paper over several experiments. Each table is one function of the records.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::columns::{Column, Sheet};
use super::format::threshold;
use crate::analysis::metrics::changes::RESAMPLES;
use crate::analysis::metrics::confidence::{ConfidenceIntervals, Reliability};
use crate::analysis::metrics::fees::TOKENS;
use crate::analysis::metrics::growth::{Point, break_even_item, growth};
use crate::analysis::metrics::learning::theorem;
use crate::analysis::metrics::price_ratio::{Curve, Shape, curves, ratios};
use crate::analysis::metrics::{Changes, Comparison, Reference, Slice};
use crate::analysis::stats::{Draws, Estimate, Interval};
use crate::analysis::theorem::Constants;
use crate::types::level::Level;
use crate::types::price::Fee;
use crate::types::record::Purpose;

/// The available tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shows {
    /// The paper's claims and the measured figures.
    Headline,
    /// Accuracy, strong calls and coverage of every arm.
    Pipeline,
    /// The weak level without strategies, with random strategies and with retrieved ones.
    Weak,
    /// Quality of the weak level's confidence.
    Calibration,
    /// Tokens by purpose, and fees.
    Fees,
    /// Saving due to learning as the price ratio between the strong and the weak level grows.
    PriceRatio,
    /// Accuracy, deferrals, fee and repository along the stream.
    ColdStart,
    /// Duration of a call by its purpose.
    Latency,
    /// The paper's constants ε and b.
    Theorem,
}

impl Shows {
    /// Returns the name of the table's files.
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

/// An experiment that was run.
pub struct Experiment<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its arms.
    pub comparison: &'a Comparison<'a>,
    /// The reason why the paper's figures cannot be judged on this experiment: a synthetic data set, or a teacher that
    /// is not a model. `None` if they can.
    pub yardstick: Option<&'static str>,
}

/// Returns any table except the headline, over all experiments.
#[must_use]
pub fn figures(shows: Shows, experiments: &[Experiment]) -> Sheet {
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
    Sheet { name: shows.name(), columns }
}

/// An arm of an experiment.
#[derive(Clone, Copy)]
struct Row<'a> {
    experiment: &'a str,
    comparison: &'a Comparison<'a>,
    slice: &'a Slice<'a>,
    changes: Option<&'a Changes>,
}

fn rows<'a>(experiments: &'a [Experiment<'a>]) -> impl Iterator<Item = Row<'a>> {
    experiments.iter().flat_map(|Experiment { name, comparison, .. }| {
        let row = move |(slice, changes)| Row { experiment: name, comparison, slice, changes };
        comparison.rows().map(row)
    })
}

/// Returns the arms that retrieve strategies, each with its cascade.
fn learners<'a>(experiments: &'a [Experiment<'a>]) -> impl Iterator<Item = (Row<'a>, &'a Slice<'a>)> {
    rows(experiments).filter_map(|row| {
        let base = row.slice.learns().then(|| row.comparison.base(row.slice)).flatten()?;
        Some((row, base))
    })
}

/// The columns with experiment, arm and λ.
fn head<'a>(rows: impl Iterator<Item = Row<'a>> + Clone) -> Vec<Column> {
    vec![
        Column::text(rows.clone().map(|row| row.experiment.to_owned())).file("experiment").heading("experiment"),
        Column::text(rows.clone().map(|row| row.slice.cell.arm.to_string())).file("arm").heading("arm"),
        Column::text(rows.map(|row| threshold(row.slice))).file("threshold").heading("λ"),
    ]
}

fn pipeline(experiments: &[Experiment]) -> Vec<Column> {
    let rows: Vec<Row> = rows(experiments).collect();
    let each = || rows.iter();
    let change = |of: fn(&Changes) -> Option<Estimate>| rows.iter().map(move |row| of(row.changes?));
    let mut columns = head(each().copied());
    columns.extend([
        Column::count(each().map(|row| row.slice.n)).file("n").in_documents("items"),
        Column::count(each().map(|row| row.slice.orders)).file("orders").in_documents("orders"),
        Column::share(each().map(|row| row.slice.accuracy())).file("accuracy").heading("accuracy"),
        Column::change(change(|changes| Some(changes.accuracy))).file("change_pp").heading("accuracy change, points"),
        Column::share(each().map(|row| row.slice.coverage())).file("coverage").heading("coverage"),
        Column::count(each().map(|row| row.slice.strong_calls())).file("strong_calls").heading("strong calls"),
        Column::change(change(|changes| changes.strong_calls))
            .file("strong_calls_change_percent")
            .heading("strong calls change, %"),
        Column::count(each().map(|row| row.slice.strong_calls_all()))
            .file("strong_calls_all")
            .in_documents("strong calls incl. distillation"),
        Column::change(change(|changes| changes.strong_calls_all))
            .file("strong_calls_all_change_percent")
            .in_documents("strong calls incl. distillation change, %"),
        Column::change(each().map(|row| {
            let against = row.comparison.of_slice_against(row.slice, Reference::StrongOnly);
            Some(against?.accuracy)
        }))
        .file("change_vs_strong_only_pp")
        .in_documents("accuracy vs strong-only, points"),
    ]);
    columns
}

fn weak(experiments: &[Experiment]) -> Vec<Column> {
    let rows: Vec<Row> =
        rows(experiments).filter(|row| row.slice.weak_accuracy().is_some() || row.slice.unasked() > 0).collect();
    let each = || rows.iter();
    let mut columns = head(each().copied());
    columns.extend([
        Column::number(2, each().map(|row| row.slice.strategies_shown()))
            .file("strategies_shown")
            .heading("strategies per query"),
        Column::share(each().map(|row| row.slice.weak_accuracy())).file("weak_accuracy").heading("weak accuracy"),
        Column::change(each().map(|row| row.changes?.weak_accuracy))
            .file("change_pp")
            .heading("weak accuracy change, points"),
        Column::p_value(each().map(|row| row.changes?.weak_accuracy?.p_value)).file("p_value").heading("p"),
        Column::count(each().map(|row| row.slice.asked())).file("weak_asked").in_documents("asked"),
        Column::count(each().map(|row| row.slice.from_weak_only()))
            .file("weak_from_weak_only")
            .in_documents("from weak-only"),
        Column::share(each().map(|row| row.slice.weak_accuracy_asked()))
            .file("weak_accuracy_asked")
            .in_documents("weak accuracy, asked"),
    ]);
    columns
}

fn calibration(experiments: &[Experiment]) -> Vec<Column> {
    let found = rows(experiments).filter_map(|row| Some((row, row.slice.reliability()?)));
    let found: Vec<(Row, Reliability)> = found.collect();
    let ends: Vec<ConfidenceIntervals> =
        found.iter().map(|(row, _)| row.comparison.confidence_intervals(row.slice)).collect();
    let each = || found.iter();
    let mut columns = head(each().map(|(row, _)| *row));
    columns.extend([
        Column::count(each().map(|(_, worth)| worth.n)).file("n").in_documents("answers"),
        Column::number(3, each().map(|(_, worth)| worth.auroc)).file("auroc").heading("AUROC"),
        Column::number(3, each().map(|(_, worth)| worth.ece)).file("ece").heading("ECE"),
        Column::number(3, each().map(|(_, worth)| worth.brier)).file("brier").heading("Brier"),
        Column::number(3, each().map(|(_, worth)| worth.aurc)).file("aurc").in_documents("AURC"),
        Column::share(each().map(|(row, _)| row.slice.accepted_accuracy()))
            .file("accepted_accuracy")
            .heading("selective accuracy"),
    ]);
    let mut sure = |keys: [&'static str; 2],
                    headings: [&'static str; 2],
                    of: fn(&ConfidenceIntervals) -> Option<Interval>| {
        let ends = || ends.iter().map(of);
        columns.push(Column::number(3, ends().map(|ends| Some(ends?.low))).file(keys[0]).in_documents(headings[0]));
        columns.push(Column::number(3, ends().map(|ends| Some(ends?.high))).file(keys[1]).in_documents(headings[1]));
    };
    sure(["auroc_low", "auroc_high"], ["AUROC low", "AUROC high"], |ends| ends.auroc);
    sure(["ece_low", "ece_high"], ["ECE low", "ECE high"], |ends| ends.ece);
    sure(["brier_low", "brier_high"], ["Brier low", "Brier high"], |ends| ends.brier);
    columns
}

fn fees(experiments: &[Experiment]) -> Vec<Column> {
    /// The heading of each of [`TOKENS`], and whether the terminal omits the column.
    const HEADINGS: [(&str, bool); TOKENS.len()] = [
        ("weak tokens read", true),
        ("weak tokens written", false),
        ("strong tokens read", true),
        ("strong tokens written", false),
        ("tokens for strategies", false),
        ("tokens for second draws", true),
        ("tokens embedded", true),
    ];
    let rows: Vec<Row> = rows(experiments).collect();
    let each = || rows.iter();
    let tokens = TOKENS.into_iter().zip(HEADINGS).map(|((key, of), (heading, aside))| {
        let column = Column::count(rows.iter().map(|row| of(row.slice))).file(key);
        if aside { column.in_documents(heading) } else { column.heading(heading) }
    });
    let mut columns = head(each().copied());
    columns.extend(tokens);
    columns.extend([
        Column::number(5, each().map(|row| row.comparison.fee(row.slice).map(Fee::usd)))
            .file("fee_usd")
            .heading("fee, USD"),
        Column::change(each().map(|row| row.comparison.fee_change(row.slice)))
            .file("fee_change_percent")
            .heading("fee change, %"),
    ]);
    columns
}

fn price_ratio(experiments: &[Experiment]) -> Vec<Column> {
    let mut found: Vec<(Row, Rc<Curve>, f64, Option<Estimate>)> = Vec::new();
    for experiment in experiments {
        let learning: Vec<(Row, &Slice)> = learners(std::slice::from_ref(experiment)).collect();
        let arms: Vec<_> = learning.iter().map(|(row, base)| (row.slice, *base)).collect();
        let shapes = Shape::reported(experiment.comparison);
        for ((row, _), curves) in learning.iter().zip(curves(experiment.comparison, &arms, &shapes, ratios)) {
            for curve in curves.into_iter().map(Rc::new) {
                let at = |(times, change): (f64, &Option<Estimate>)| (*row, Rc::clone(&curve), times, *change);
                found.extend(ratios(curve.own).into_iter().zip(&curve.changes).map(at));
            }
        }
    }
    let each = || found.iter();
    let mut columns = head(each().map(|(row, ..)| *row));
    columns.extend([
        Column::number(1, each().map(|(_, _, times, _)| *times)).file("price_ratio").heading("price, strong to weak"),
        Column::change(each().map(|(.., change)| *change)).file("fee_change_percent").heading("fee change, %"),
        Column::number(1, each().map(|(_, curve, ..)| curve.own)).file("own_ratio").in_documents("ratio of the config"),
        Column::number(2, each().map(|(_, curve, ..)| curve.pays_from))
            .file("break_even_ratio")
            .heading("break-even price ratio"),
        Column::text(each().map(|(_, curve, ..)| curve.shape.name()))
            .file("read_to_written")
            .heading("price, read : written"),
        Column::number(2, each().map(|(_, curve, ..)| Some(curve.interval?.low)))
            .file("break_even_low")
            .in_documents("break-even price ratio, low"),
        Column::number(2, each().map(|(_, curve, ..)| Some(curve.interval?.high)))
            .file("break_even_high")
            .in_documents("break-even price ratio, high"),
    ]);
    columns
}

fn cold_start(experiments: &[Experiment]) -> Vec<Column> {
    let mut found: Vec<(Row, Point, Option<usize>)> = Vec::new();
    for (row, base) in learners(experiments) {
        let along = growth(row.slice, base, row.comparison.prices);
        let (from, last) = (break_even_item(&along), along.len());
        // One row for each tenth of the stream.
        let tenths = along.into_iter().filter(|point| (point.items * 10) / last != ((point.items - 1) * 10) / last);
        found.extend(tenths.map(|point| (row, point, from)));
    }
    let each = || found.iter();
    let points = || each().map(|(_, point, _)| point);
    let mut columns = head(each().map(|(row, ..)| *row));
    columns.extend([
        Column::count(points().map(|point| point.items)).file("items").heading("items so far"),
        Column::share(points().map(|point| point.accuracy)).file("accuracy").heading("accuracy so far"),
        Column::share(points().map(|point| point.base_accuracy))
            .file("cascade_accuracy")
            .in_documents("cascade's accuracy"),
        Column::share(points().map(|point| point.deferred)).file("deferred").heading("deferred so far"),
        Column::share(points().map(|point| point.base_deferred))
            .file("cascade_deferred")
            .in_documents("cascade's deferred"),
        Column::share(points().map(|point| point.deferred_lately))
            .file("deferred_lately")
            .in_documents("deferred of the last tenth"),
        Column::number(1, points().map(|point| point.repository)).file("repository").heading("strategies"),
        Column::number(5, points().map(|point| point.fee)).file("fee_usd").heading("fee so far, USD"),
        Column::number(5, points().map(|point| point.base_fee)).file("cascade_fee_usd").heading("cascade's fee, USD"),
        Column::optional_count(each().map(|(.., from)| *from)).file("break_even_item").heading("break-even item"),
    ]);
    columns
}

fn latency(experiments: &[Experiment]) -> Vec<Column> {
    let mut found: Vec<(Row, String, Vec<f64>)> = Vec::new();
    for row in rows(experiments) {
        let mut stages: Vec<(Option<Level>, Purpose, Vec<f64>)> = Vec::new();
        // Output that was part of a call for another purpose took no separate time.
        let calls = row.slice.outcomes.iter().flat_map(|outcome| outcome.calls());
        for (call, _) in calls.filter(|(call, earlier)| !call.shares_with(earlier) && !call.is_batched()) {
            match stages.iter_mut().find(|(level, purpose, _)| (*level, *purpose) == (call.level, call.purpose)) {
                Some((.., times)) => times.push(call.latency_ms),
                None => stages.push((call.level, call.purpose, vec![call.latency_ms])),
            }
        }
        for (level, purpose, mut times) in stages {
            let who = level.map_or("embedder".into(), |level| level.name(row.slice.top));
            times.sort_by(f64::total_cmp);
            found.push((row, format!("{who}, {}", purpose.name()), times));
        }
    }
    let each = || found.iter();
    // The percentile: the smallest time that at least `share` percent of the calls do not exceed.
    let at = |share: usize| {
        found.iter().map(move |(.., times)| times.get((times.len() * share).div_ceil(100).saturating_sub(1)).copied())
    };
    let mut columns = head(each().map(|(row, ..)| *row));
    columns.extend([
        Column::text(each().map(|(_, stage, _)| stage.clone())).file("stage").heading("stage"),
        Column::count(each().map(|(.., times)| times.len())).file("calls").heading("calls"),
        Column::number(0, at(50)).file("median_ms").heading("median, ms"),
        Column::number(0, at(90)).file("p90_ms").heading("9 in 10 within, ms"),
        Column::number(1, each().map(|(.., times)| times.iter().sum::<f64>() / 1000.0))
            .file("sum_s")
            .heading("total, s"),
    ]);
    columns
}

fn constants(experiments: &[Experiment]) -> Vec<Column> {
    // An arm without a gate has no λ.
    let gated = learners(experiments).filter(|(row, _)| row.slice.cell.threshold.is_some());
    let found = gated.map(|(row, base)| {
        let labels = ["theorem", row.slice.cell.arm.name(), &threshold(row.slice)];
        let draws = Draws { seed: row.comparison.seed, labels: &labels, count: RESAMPLES };
        (row, theorem(row.slice, base, draws))
    });
    let found: Vec<(Row, Constants)> = found.collect();
    let each = || found.iter();
    let mut columns = head(each().map(|(row, _)| *row));
    let mut ratio = |keys: [&'static str; 3], symbol, of: fn(&Constants) -> Option<Estimate>| {
        let ratios = || found.iter().map(move |(_, constants)| of(constants));
        columns.extend([
            Column::number(2, ratios().map(|ratio| Some(ratio?.value))).file(keys[0]).heading(symbol),
            Column::number(2, ratios().map(|ratio| Some(ratio?.interval?.low)))
                .file(keys[1])
                .heading(&format!("{symbol} low")),
            Column::number(2, ratios().map(|ratio| Some(ratio?.interval?.high)))
                .file(keys[2])
                .heading(&format!("{symbol} high")),
        ]);
    };
    ratio(["error_ratio", "error_ratio_low", "error_ratio_high"], "ε", |constants| constants.error_ratio);
    ratio(["coverage_ratio", "coverage_ratio_low", "coverage_ratio_high"], "b", |constants| constants.coverage_ratio);
    columns
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::report::columns::{TERMINAL, TEXT, is_known};

    #[test]
    fn headings_are_unique_and_explained_on_terminals() {
        for shows in [
            Shows::Pipeline,
            Shows::Weak,
            Shows::Calibration,
            Shows::Fees,
            Shows::PriceRatio,
            Shows::ColdStart,
            Shows::Latency,
            Shows::Theorem,
        ] {
            let sheet = figures(shows, &[]);
            for heading in sheet.headings(TERMINAL) {
                assert!(is_known(heading), "{}: {heading}", shows.name());
            }
            for view in [TERMINAL, TEXT] {
                let headings = sheet.headings(view);
                let once: HashSet<_> = headings.iter().collect();
                assert!(!headings.is_empty() && once.len() == headings.len(), "{}: {headings:?}", shows.name());
            }
        }
    }
}
