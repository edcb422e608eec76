//! The summary's section on the two constants of the paper's theorem.

use crate::analysis::metrics::changes::RESAMPLES;
use crate::analysis::metrics::learning::theorem;
use crate::analysis::metrics::{Comparison, Slice};
use crate::analysis::stats::Draws;
use crate::analysis::theorem::Constants;
use crate::report::columns::{Column, Sheet};
use crate::report::format::threshold;

/// Returns the section: a row for each learning arm. Empty if no arm learns.
pub(super) fn section(comparison: &Comparison) -> String {
    // An arm without a gate has no λ.
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
        "\n## The theorem's constants, estimated\n\n{}\nBoth constants compare the arms at the same λ. ε below 1: \
         with strategies, accepted answers are less often wrong. b above 1: with strategies, more answers are \
         accepted. Brackets contain 95 % bootstrap intervals over groups. A dash: fewer than ten answers are accepted \
         without strategies (for ε, with or without).\n",
        sheet(&rows).markdown()
    )
}

fn sheet(rows: &[(&Slice, Constants)]) -> Sheet {
    let each = || rows.iter();
    let accepted = |[accepted, wrong]: [usize; 2]| format!("{accepted} ({wrong})");
    let columns = vec![
        Column::text(each().map(|(slice, _)| slice.cell.arm.to_string())).in_documents("arm"),
        Column::exact(each().map(|(slice, _)| slice.readable)).in_documents("λ"),
        Column::preformatted(each().map(|(_, found)| accepted(found.with))).in_documents("accepted (wrong) with"),
        Column::preformatted(each().map(|(_, found)| accepted(found.without))).in_documents("accepted (wrong) without"),
        Column::estimate(2, each().map(|(_, found)| found.error_ratio))
            .in_documents("ε: error among accepted, with / without"),
        Column::estimate(2, each().map(|(_, found)| found.coverage_ratio)).in_documents("b: coverage, with / without"),
    ];
    Sheet { name: "theorem", columns }
}
