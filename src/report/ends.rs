//! The summary's part on how answers ended: cut at the token limit, or without a text.

use super::format::threshold;
use super::grid;
use crate::analysis::metrics::Comparison;
use crate::analysis::metrics::ends::Ends;

/// A row for each arm, with the shares of both levels; empty if all answers are whole.
pub(super) fn section(comparison: &Comparison) -> String {
    let ends = comparison.slices.iter().map(|slice| (slice, [0, 1].map(|level| Ends::of(slice, level))));
    let ends: Vec<_> = ends.collect();
    if ends.iter().flat_map(|(_, levels)| levels).all(|level| level.cut == 0 && level.empty == 0) {
        return String::new();
    }
    let header = ["arm", "λ", "weak cut", "strong cut", "weak without text", "strong without text"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for (slice, [weak, strong]) in ends {
        let share = |level: Ends, count: usize, share: f64| {
            if level.answers == 0 {
                "–".to_owned()
            } else {
                format!("{:.1} % ({count} of {})", share * 100.0, level.answers)
            }
        };
        rows.push(vec![
            slice.cell.arm.to_string(),
            threshold(slice),
            share(weak, weak.cut, weak.cut_share()),
            share(strong, strong.cut, strong.cut_share()),
            share(weak, weak.empty, weak.empty_share()),
            share(strong, strong.empty, strong.empty_share()),
        ]);
    }
    format!(
        "\n## How answers ended\n\n{}\nA cut answer ended at its model's token limit (max_tokens). One without a text holds nothing besides \
         reasoning, or nothing at all; it counts as wrong. The columns `weak_cut`, `strong_cut`, `weak_empty` and `strong_empty` of \
         records say which.\n",
        grid::markdown(&rows)
    )
}
