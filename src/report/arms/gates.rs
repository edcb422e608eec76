//! Quality of the weak level's confidence in each arm, and the outcome of its guarantee: the tables `calibration` and
//! `reliability`, and two tables of the summary.

use crate::analysis::calibration::Tested;
use crate::analysis::metrics::calibrated::Guaranteed;
use crate::analysis::metrics::confidence::{ConfidenceIntervals, Realised, Reliability};
use crate::analysis::metrics::{Calibrated, Comparison, Slice};
use crate::analysis::stats::{Estimate, Interval};
use crate::report::calibration::{GuaranteeScope, SMALLEST_ALPHA};
use crate::report::columns::{Column, Sheet, View};
use crate::report::format::{lambda, marked, or_dash, percent};

/// The summary's table of the quality of confidence.
pub const CONFIDENCE: View = "confidence";
/// The summary's table of guarantees.
pub const GUARANTEE: View = "guarantee";

/// The source of a confidence: the model, and the signal.
#[derive(Debug, Clone, Copy)]
pub struct ConfidenceSource<'a> {
    /// The weak level's model.
    pub model: &'a str,
    /// The signal that the confidence is computed from.
    pub signal: &'a str,
}

/// The gate of one arm at one threshold.
pub struct Row<'c> {
    slice: &'c Slice<'c>,
    /// Quality of the confidence over the whole stream. `None` if the arm has no confidence of its own, or if a weak
    /// answer is missing.
    worth: Option<Reliability>,
    ends: ConfidenceIntervals,
    /// Quality of the confidence over the items that the weak level was asked.
    asked: Option<Reliability>,
    ends_asked: ConfidenceIntervals,
    /// The guarantee. `None` if the threshold is set in the config.
    guaranteed: Option<Guaranteed>,
    /// The scope of the guarantee. `None` if nothing was certified, or if the threshold is set in the config.
    covers: Option<GuaranteeScope>,
    /// The source of the answers that the threshold was calibrated on.
    calibrated_on: Option<&'static str>,
    realised: Option<Realised>,
}

impl<'c> Row<'c> {
    fn new(comparison: &Comparison, slice: &'c Slice<'c>, [worth, asked]: [Option<Reliability>; 2]) -> Self {
        let guaranteed = comparison.guaranteed(slice);
        Self {
            slice,
            ends: if worth.is_some() { comparison.confidence_intervals(slice) } else { ConfidenceIntervals::default() },
            worth,
            ends_asked: if asked.is_some() {
                comparison.confidence_intervals_asked(slice)
            } else {
                ConfidenceIntervals::default()
            },
            asked,
            guaranteed,
            covers: comparison
                .calibrated(slice.cell.arm)
                .filter(|_| guaranteed.is_some_and(|found| found.certified))
                .map(GuaranteeScope::of),
            calibrated_on: comparison.calibrated(slice.cell.arm).map(Calibrated::answer_source),
            realised: guaranteed.map(|found| slice.realised(found.guarantee.alpha)),
        }
    }
}

/// Returns the arms whose weak level has its own confidence.
#[must_use]
pub fn with_confidence<'c>(comparison: &'c Comparison<'c>) -> Vec<Row<'c>> {
    let row = |slice: &'c Slice<'c>| {
        let worth = [slice.reliability(), slice.reliability_asked()];
        worth.iter().any(Option::is_some).then(|| Row::new(comparison, slice, worth))
    };
    comparison.slices.iter().filter_map(row).collect()
}

/// Returns the arms whose threshold was calibrated for a guarantee.
#[must_use]
pub fn with_guarantee<'c>(comparison: &'c Comparison<'c>) -> Vec<Row<'c>> {
    let rows = comparison.slices.iter().map(|slice| Row::new(comparison, slice, [None, None]));
    rows.filter(|row| row.guaranteed.is_some() && row.calibrated_on.is_some()).collect()
}

/// Returns the table of these rows.
#[must_use]
pub fn sheet(rows: &[Row], source: Option<ConfidenceSource>) -> Sheet {
    let columns = [head(rows, source), confidence(rows), guarantee(rows), ends(rows), asked(rows)];
    Sheet { name: "calibration", columns: columns.into_iter().flatten().collect() }
}

fn head(rows: &[Row], source: Option<ConfidenceSource>) -> Vec<Column> {
    let each = || rows.iter();
    vec![
        Column::text(each().map(|row| row.slice.cell.dataset.to_string())).file("dataset"),
        Column::text(each().map(|row| row.slice.cell.arm.to_string())).file("arm").placed(GUARANTEE, 0, "arm"),
        Column::text(each().map(|row| marked(row.slice.cell.arm.name(), row.slice.from_weak_only() > 0)))
            .placed(CONFIDENCE, 0, "arm"),
        Column::text(each().map(|_| source.map(|source| source.model.to_owned()))).file("model"),
        Column::text(each().map(|_| source.map(|source| source.signal.to_owned()))).file("signal"),
    ]
}

fn confidence(rows: &[Row]) -> Vec<Column> {
    let worth = || rows.iter().map(|row| row.worth.as_ref());
    let sure = |figure: fn(&Reliability) -> Option<f64>, ends: fn(&ConfidenceIntervals) -> Option<Interval>| {
        let estimate = |row: &Row| Some(Estimate::new(figure(row.worth.as_ref()?)?, ends(&row.ends)));
        Column::estimate(3, rows.iter().map(estimate))
    };
    vec![
        Column::optional_count(worth().map(|worth| Some(worth?.n))).file("n").placed(CONFIDENCE, 2, "answers"),
        sure(|worth| worth.ece, |ends| ends.ece).file("ece").placed(CONFIDENCE, 4, "ECE"),
        sure(|worth| worth.brier, |ends| ends.brier).file("brier").placed(CONFIDENCE, 6, "Brier"),
        sure(|worth| worth.auroc, |ends| ends.auroc).file("auroc").placed(CONFIDENCE, 3, "AUROC"),
        Column::number(3, worth().map(|worth| worth?.aurc)).file("aurc").placed(CONFIDENCE, 7, "AURC"),
        Column::exact(rows.iter().map(|row| row.slice.cell.threshold)).file("threshold"),
        Column::exact(rows.iter().map(|row| row.slice.readable)).placed(CONFIDENCE, 1, "λ"),
    ]
}

fn guarantee(rows: &[Row]) -> Vec<Column> {
    let found = || rows.iter().map(|row| row.guaranteed.as_ref());
    let tested = || found().map(|found| found?.tested.as_ref());
    let realised = || rows.iter().map(|row| row.realised);
    let share = |figure: fn(&Tested) -> f64| Column::share(tested().map(move |tested| tested.map(figure)));
    let bins = rows.iter().map(|row| Some(row.worth.as_ref()?.bins.len()));
    let over_the_stream = |realised: Option<Realised>| {
        let Realised { accepted, risk, .. } = realised?;
        Some(format!("{} of {accepted}", percent(risk?)))
    };
    vec![
        Column::preformatted(rows.iter().map(certified_at)).placed(GUARANTEE, 1, "λ"),
        Column::share(found().map(|found| Some(found?.guarantee.alpha))).file("alpha").placed(GUARANTEE, 8, "α"),
        Column::exact(found().map(|found| Some(found?.guarantee.delta))).file("delta").placed(GUARANTEE, 9, "δ"),
        Column::flag(found().map(|found| Some(found?.certified))).file("certified"),
        Column::optional_count(bins).file("ece_bins").placed(CONFIDENCE, 5, "bins"),
        Column::text(rows.iter().map(|row| row.calibrated_on.map(str::to_owned))).file("calibrated_on").placed(
            GUARANTEE,
            2,
            "calibrated on",
        ),
        Column::optional_count(found().map(|found| Some(found?.threshold_answers)))
            .file("calibration_n")
            .placed(GUARANTEE, 3, "items"),
        Column::optional_count(tested().map(|tested| Some(tested?.n)))
            .file("calibration_accepted")
            .placed(GUARANTEE, 4, "accepted"),
        Column::optional_count(tested().map(|tested| Some(tested?.errors)))
            .file("calibration_errors")
            .placed(GUARANTEE, 5, "wrong"),
        share(|tested| tested.risk).file("calibration_risk").placed(GUARANTEE, 6, "risk"),
        share(|tested| tested.bound).file("risk_bound").placed(GUARANTEE, 7, "bound"),
        Column::share(found().map(|found| Some(found?.smallest_alpha))).file("smallest_alpha").placed(
            GUARANTEE,
            10,
            SMALLEST_ALPHA,
        ),
        Column::text(rows.iter().map(|row| row.covers.map(|covers| covers.short().to_owned())))
            .file("covers")
            .placed(GUARANTEE, 11, "covers"),
        Column::share(realised().map(|realised| realised?.risk)).file("realised_risk"),
        Column::preformatted(realised().map(over_the_stream).map(or_dash)).placed(GUARANTEE, 12, "over the stream"),
        Column::number(2, realised().map(|realised| Some(realised?.wealth))).file("drift_wealth").placed(
            GUARANTEE,
            13,
            "greatest wealth",
        ),
        Column::p_value(realised().map(|realised| Some(realised?.p))).file("drift_p_value").placed(GUARANTEE, 14, "p"),
    ]
}

/// Formats the certified λ.
fn certified_at(row: &Row) -> String {
    if row.guaranteed.is_some_and(|found| found.certified) {
        or_dash(row.slice.readable.map(lambda))
    } else {
        format!("{} (nothing certified)", lambda(f64::INFINITY))
    }
}

/// The columns of the ends of the intervals, which only files have.
fn ends(rows: &[Row]) -> Vec<Column> {
    let end = |key: &str, of: fn(&ConfidenceIntervals) -> Option<Interval>, end: fn(Interval) -> f64| {
        Column::number(3, rows.iter().map(move |row| of(&row.ends).map(end))).file(key)
    };
    vec![
        end("auroc_low", |ends| ends.auroc, |ends| ends.low),
        end("auroc_high", |ends| ends.auroc, |ends| ends.high),
        end("ece_low", |ends| ends.ece, |ends| ends.low),
        end("ece_high", |ends| ends.ece, |ends| ends.high),
        end("brier_low", |ends| ends.brier, |ends| ends.low),
        end("brier_high", |ends| ends.brier, |ends| ends.high),
    ]
}

/// The columns of the quality of confidence on the items that the weak level was asked. The summary has them only if it
/// was not asked every item.
fn asked(rows: &[Row]) -> Vec<Column> {
    let asked = || rows.iter().map(|row| row.asked.as_ref());
    let sure = |figure: fn(&Reliability) -> Option<f64>, ends: fn(&ConfidenceIntervals) -> Option<Interval>| {
        let estimate = |row: &Row| Some(Estimate::new(figure(row.asked.as_ref()?)?, ends(&row.ends_asked)));
        Column::estimate(3, rows.iter().map(estimate))
    };
    let end = |key: &str, end: fn(Interval) -> f64| {
        Column::number(3, rows.iter().map(move |row| row.ends_asked.auroc.map(end))).file(key)
    };
    let [count, auroc, ece, brier] = [
        Column::optional_count(asked().map(|asked| Some(asked?.n))).file("n_asked"),
        sure(|worth| worth.auroc, |ends| ends.auroc).file("auroc_asked"),
        sure(|worth| worth.ece, |ends| ends.ece).file("ece_asked"),
        sure(|worth| worth.brier, |ends| ends.brier).file("brier_asked"),
    ];
    let from = Column::count(rows.iter().map(|row| row.slice.from_weak_only())).file("weak_from_weak_only");
    let (low, high) = (end("auroc_asked_low", |ends| ends.low), end("auroc_asked_high", |ends| ends.high));
    if rows.iter().all(|row| row.slice.unasked() == 0) {
        return vec![count, from, auroc, low, high, ece, brier];
    }
    let shown = |column: Column, heading: &str| column.named(CONFIDENCE, heading);
    let (count, auroc) = (shown(count, "asked"), shown(auroc, "AUROC, asked"));
    vec![count, from, auroc, low, high, shown(ece, "ECE, asked"), shown(brier, "Brier, asked")]
}

/// Returns the reliability tables of these rows.
#[must_use]
pub fn reliability(rows: &[Row]) -> Sheet {
    let bins = |row: &'_ Row| row.worth.iter().flat_map(|worth| worth.bins.clone()).enumerate().collect::<Vec<_>>();
    let rows: Vec<_> = rows.iter().flat_map(|row| bins(row).into_iter().map(|bin| (row.slice, bin))).collect();
    let each = || rows.iter();
    let columns = vec![
        Column::text(each().map(|(slice, _)| slice.cell.dataset.to_string())).file("dataset"),
        Column::text(each().map(|(slice, _)| slice.cell.arm.to_string())).file("arm"),
        Column::exact(each().map(|(slice, _)| slice.cell.threshold)).file("threshold"),
        Column::count(each().map(|(_, (place, _))| *place)).file("bin"),
        Column::number(3, each().map(|(_, (_, bin))| bin.low)).file("low"),
        Column::number(3, each().map(|(_, (_, bin))| bin.high)).file("high"),
        Column::count(each().map(|(_, (_, bin))| bin.n)).file("n"),
        Column::number(3, each().map(|(_, (_, bin))| bin.confidence)).file("confidence"),
        Column::share(each().map(|(_, (_, bin))| bin.accuracy)).file("accuracy"),
    ];
    Sheet { name: "reliability", columns }
}
