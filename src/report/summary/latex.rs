//! `summary.tex`: the main tables of the summary as floats for a paper.

use super::{against_strong, gains};
use crate::analysis::metrics::Comparison;
use crate::report::arms::views::RESULTS;
use crate::report::arms::{fees, figures, frontier};
use crate::report::grid::{Caption, INTERVAL_NOTE, document};
use crate::report::sweep::Sweep;

/// The file's name.
pub const LATEX: &str = "summary.tex";

/// Returns the main tables of a run, or of a sweep with its curves, each in a separate float.
#[must_use]
pub fn latex(name: &str, comparison: &Comparison, sweep: Option<&Sweep>) -> String {
    let caption = |label: &str, title: &str| Caption::new(name, label, &format!("{title}. {INTERVAL_NOTE}"));
    let mut floats = vec![
        figures::sheet(comparison).latex_of(RESULTS, &caption("results", "Results of each arm")),
        frontier::sheet(comparison).latex(&caption("frontier", "Accuracy and cost")),
    ];
    if let Some(sweep) = sweep {
        floats.extend(sweep.latex(name));
        return document(&floats);
    }
    let against = against_strong::sheet_of(comparison).map(|(sheet, _)| sheet);
    let gains = gains::sheets(comparison);
    floats.extend(against.map(|sheet| sheet.latex(&caption("against-strong", "Against the strong level alone"))));
    floats.extend(gains.iter().enumerate().map(|(index, sheet)| {
        let label = if index == 0 { "gains".to_owned() } else { format!("gains-{}", index + 1) };
        sheet.latex(&caption(&label, "Changes due to learning, and the share that random strategies bring as well"))
    }));
    let fees = fees::sheet(&fees::rows(comparison));
    floats.push(fees.latex(&Caption::new(name, "fees", "Tokens and fees of each arm")));
    document(&floats)
}
