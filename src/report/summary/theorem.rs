//! The summary's part on the two constants of the paper's theorem.

use crate::analysis::metrics::changes::RESAMPLES;
use crate::analysis::metrics::learning::theorem;
use crate::analysis::metrics::{Comparison, Slice};
use crate::analysis::stats::Draws;
use crate::analysis::theorem::Constants;
use crate::report::columns::{Column, Sheet};
use crate::report::format::threshold;

/// A row for each learning arm; empty if none learns.
pub(super) fn section(comparison: &Comparison) -> String {
    // An arm without a gate accepts at no λ.
    let gated = comparison.learners().filter(|slice| slice.cell.threshold.is_some());
    let found = gated.filter_map(|slice| {
        let base = comparison.base(slice)?;
        let labels = ["theorem", slice.cell.arm.name(), &threshold(slice)];
        let draws = Draws { seed: comparison.seed, labels: &labels, count: RESAMPLES };
        Some((slice, theorem(slice, base, draws)))
    });
    let rows: Vec<(&Slice, Constants)> = found.collect();
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "\n## The theorem's constants, estimated\n\n{}\nBoth at the same λ. ε below 1: strategies make accepted answers less \
         often wrong; b above 1: they let more answers be accepted. In brackets 95 % bootstrap intervals over groups; a dash where \
         fewer than ten answers are accepted without strategies, of ε on either side.\n",
        sheet(&rows).markdown()
    )
}

fn sheet(rows: &[(&Slice, Constants)]) -> Sheet {
    let each = || rows.iter();
    let accepted = |[accepted, wrong]: [usize; 2]| format!("{accepted} ({wrong})");
    let columns = vec![
        Column::text(each().map(|(slice, _)| slice.cell.arm.to_string())).aside("arm"),
        Column::exact(each().map(|(slice, _)| slice.readable)).aside("λ"),
        Column::written(each().map(|(_, found)| accepted(found.with))).aside("accepted (wrong) with"),
        Column::written(each().map(|(_, found)| accepted(found.without))).aside("accepted (wrong) without"),
        Column::sure(2, each().map(|(_, found)| found.error_ratio)).aside("ε: error among accepted, with / without"),
        Column::sure(2, each().map(|(_, found)| found.coverage_ratio)).aside("b: coverage, with / without"),
    ];
    Sheet { name: "theorem", columns }
}
