//! The figures of the paper's abstract beside those of the run.

use anyhow::Result;

use super::style::{Area, Canvas, Ink, MARK, Marker, Role, Rows, Scale, Side, Unit, arm_ink, arm_marker};
use super::{Figure, minus};
use crate::analysis::metrics::Comparison;
use crate::analysis::stats::Estimate;
use crate::report::claims::{ABSTRACT, Figure as Quantity};
use crate::report::format::{change, hundredths};
use crate::types::arm::Arm;

/// Mark of the paper's figures.
const PAPER: Marker = Marker::OpenDiamond;

/// Distance of both marks of a row from its middle in pixels, so that neither covers the other.
const APART: f64 = 6.0;

/// Draws the figure. `None` without both arms.
///
/// # Errors
/// If the figure cannot be drawn.
pub(super) fn figure(comparison: &Comparison) -> Result<Option<Figure>> {
    let found = comparison.of_arm(Arm::InterCascade).find_map(|(slice, changes)| Some((slice, changes?)));
    let Some((slice, changes)) = found else { return Ok(None) };
    Ok(Some(drawn(|quantity| quantity.change(comparison, slice, changes), "this run")?))
}

/// Draws the changes, as shares, that `change` returns for the paper's figures. `subject` names where they are from.
///
/// # Errors
/// If the figure cannot be drawn.
pub(in crate::report) fn drawn(change_of: impl Fn(Quantity) -> Option<Estimate>, subject: &str) -> Result<Figure> {
    let rows: Vec<(Quantity, f64, Option<Estimate>)> =
        ABSTRACT.iter().map(|(quantity, paper)| (*quantity, paper / 100.0, change_of(*quantity))).collect();
    let title = format!("The paper's claims and {subject}: inter-cascade against the cascade");
    let notes = [
        format!(
            "The paper's figures are the greatest over its data sets and pairs of models (“up to” in the abstract of arXiv \
             2509.22984 v1), not estimates for the data and models of {subject}: a smaller figure here contradicts none. Version 2 \
             states +6.35 for the system's accuracy."
        ),
        "Bars: 95 % bootstrap intervals over groups; none if fewer than three groups differ. Accuracies change in \
         percentage points, calls and fees in percent."
            .to_owned(),
    ];
    let mut canvas = Canvas::new(&title, Rows::height(rows.len() + 1), &notes);
    let names: Vec<String> =
        std::iter::once(String::new()).chain(rows.iter().map(|(quantity, ..)| quantity.name().to_owned())).collect();
    let here = |row: &(Quantity, f64, Option<Estimate>)| {
        row.2.map_or_else(|| "not known".to_owned(), |found| minus(&format!("{} {}", change(found), row.0.unit())))
    };
    let paper = |row: &(Quantity, f64, Option<Estimate>)| minus(&stated(row.0, row.1));
    let widest = |texts: &[String]| texts.iter().map(|text| Role::Label.width(text)).fold(0.0, f64::max);
    let heads = [subject.to_owned(), "paper, up to".to_owned()];
    let here: Vec<String> = heads[..1].iter().cloned().chain(rows.iter().map(here)).collect();
    let papers: Vec<String> = heads[1..].iter().cloned().chain(rows.iter().map(paper)).collect();
    let legend = 2.0 * MARK + 6.0;
    let (wide, wide_paper) = (widest(&here) + legend, widest(&papers) + legend);
    let body = canvas.body;
    let ends = rows.iter().flat_map(|(_, paper, found)| {
        let interval = found.and_then(|found| found.interval);
        [Some(*paper), found.map(|found| found.value), interval.map(|ends| ends.low), interval.map(|ends| ends.high)]
    });
    let scale = Scale::around(ends.flatten().chain([0.0]), Unit::Signed);
    let axis = (scale, "change against the cascade, points or percent");
    let area = Area { right: body.right - wide - wide_paper - 36.0, ..body };
    let plot = Rows::new(&mut canvas, area, &names, axis, &[]);
    plot.upright(&mut canvas, 0.0, Ink::Limit);
    let (ink, marker) = (arm_ink(Arm::InterCascade), arm_marker(Arm::InterCascade));
    let columns = [body.right - wide_paper - 14.0 - wide, body.right - wide_paper];
    for (index, texts) in here.iter().zip(&papers).enumerate() {
        let y = plot.y(index);
        for ((left, text), (marker, ink)) in
            columns.into_iter().zip([texts.0, texts.1]).zip([(marker, ink), (PAPER, Ink::Muted)])
        {
            if index == 0 {
                canvas.marker(marker, (left + MARK, y), MARK, ink);
            }
            canvas.text(text, (left + legend, y), Role::Label, Side::Right);
        }
    }
    for (index, (_, paper, found)) in rows.iter().enumerate() {
        let y = plot.y(index + 1);
        canvas.marker(PAPER, (plot.x(*paper), y + APART), MARK, Ink::Muted);
        let Some(found) = found else { continue };
        let y = y - APART;
        if let Some(interval) = found.interval {
            plot.interval(&mut canvas, y, interval, ink);
        }
        canvas.marker(marker, (plot.x(found.value), y), MARK, ink);
    }
    Figure::new("claims", &title, description(&rows, subject), &canvas)
}

/// The paper's figure with all its digits.
fn stated(quantity: Quantity, paper: f64) -> String {
    format!("{:+.2} {}", hundredths(paper), quantity.unit())
}

fn description(rows: &[(Quantity, f64, Option<Estimate>)], subject: &str) -> String {
    let each = |(quantity, paper, found): &(Quantity, f64, Option<Estimate>)| {
        let (name, unit) = (quantity.name(), quantity.unit());
        let here = found.map_or_else(|| "not known".to_owned(), |found| format!("{} {unit}", change(found)));
        format!("{name} {here}, paper up to {}", stated(*quantity, *paper))
    };
    let each: Vec<String> = rows.iter().map(each).collect();
    format!(
        "Changes of inter-cascade against the cascade in {subject} with 95 % intervals, beside the figures of the paper's \
         abstract: {}. The paper's figures are maxima over its data sets and models, not estimates for this pair.",
        each.join("; ")
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::{EIGHT, Run, check};
    use super::*;

    #[test]
    fn the_four_claims_stand_beside_the_runs_figures() {
        let figure = figure(&Run::of(&EIGHT, 60).comparison()).expect("drawn").expect("both arms");
        let names =
            ["weak accuracy", "system accuracy", "strong calls", "fee", "paper, up to", "+33.06 pp", "−49.63 %"];
        let drawing = check(&figure, &names);
        assert!(drawing.marks(arm_ink(Arm::InterCascade)) > 4);
        assert!(figure.description.contains("not estimates for this pair"));
    }

    #[test]
    fn missing_figures_are_named_and_a_run_without_both_arms_has_no_figure() {
        for run in Run::all() {
            if let Some(figure) = figure(&run.comparison()).expect("drawn") {
                check(&figure, &["paper, up to"]);
            }
        }
        let unpriced = figure(&Run::of(&EIGHT, 40).without_prices().comparison()).expect("drawn").expect("both arms");
        check(&unpriced, &["not known"]);
        assert_eq!(figure(&Run::of(&[Arm::InterCascade], 40).comparison()).expect("drawn"), None);
    }
}
