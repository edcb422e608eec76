//! The summary's section on how answers ended: cut at the token limit, or without text.

use crate::analysis::metrics::Comparison;
use crate::analysis::metrics::ends::FinishCounts;
use crate::report::columns::{Column, Sheet};
use crate::report::format::{or_dash, percent};
use crate::types::level::Level;

/// Returns the section: a row for each arm, with the shares of both levels. Empty if all answers are complete.
pub(super) fn section(comparison: &Comparison) -> String {
    let ends = comparison
        .slices
        .iter()
        .map(|slice| (slice, [Level::FIRST, slice.top].map(|level| FinishCounts::of(slice, level))));
    let ends: Vec<_> = ends.collect();
    if ends.iter().flat_map(|(_, levels)| levels).all(|level| level.cut == 0 && level.empty == 0) {
        return String::new();
    }
    let share = |level: usize, of: fn(&FinishCounts) -> (usize, f64)| {
        let cell = move |levels: &[FinishCounts; 2]| {
            let (count, share) = of(&levels[level]);
            let answers = levels[level].answers;
            or_dash((answers > 0).then(|| format!("{} ({count} of {answers})", percent(share))))
        };
        Column::preformatted(ends.iter().map(move |(_, levels)| cell(levels)))
    };
    let cut = |ends: &FinishCounts| (ends.cut, ends.cut_share());
    let empty = |ends: &FinishCounts| (ends.empty, ends.empty_share());
    let columns = vec![
        Column::text(ends.iter().map(|(slice, _)| slice.cell.arm.to_string())).in_documents("arm"),
        Column::exact(ends.iter().map(|(slice, _)| slice.readable)).in_documents("λ"),
        share(0, cut).in_documents("weak cut"),
        share(1, cut).in_documents("strong cut"),
        share(0, empty).in_documents("weak without text"),
        share(1, empty).in_documents("strong without text"),
    ];
    let sheet = Sheet { name: "ends", columns };
    format!(
        "\n## How answers ended\n\n{}\nA cut answer ended at its model's token limit (max_tokens). An answer without \
         text holds only reasoning, or nothing at all, and counts as wrong. The columns `weak_cut`, `strong_cut`, \
         `weak_empty` and `strong_empty` of `records` mark these answers.\n",
        sheet.markdown()
    )
}
