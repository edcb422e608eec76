//! The summary's part on what the arms change against the cascade at a λ of its own.

use crate::analysis::metrics::{AgainstReference, BASELINE, Comparison, Reference, Slice};
use crate::analysis::stats::Estimate;
use crate::report::columns::{Column, Sheet};
use crate::types::arm::Arm;

/// A row for each arm that combines the levels; empty if the run does not have the arm.
pub(super) fn section(comparison: &Comparison) -> String {
    let against = comparison.slices.iter().zip(comparison.against(Reference::CascadeTuned));
    let compared = |arm: Arm| arm != BASELINE && !arm.is_one_level();
    let rows: Vec<(&Slice, AgainstReference)> = against
        .filter(|(slice, _)| compared(slice.cell.arm))
        .filter_map(|(slice, against)| Some((slice, (*against)?)))
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "\n## Against the cascade at a λ of its own\n\n{}\nPaired with cascade-tuned item by item, in brackets 95 % intervals; p unadjusted. \
         A λ that was set for another arm need not be the cascade's best: this is the comparison with a cascade at its own.\n",
        sheet(&rows).markdown()
    )
}

fn sheet(rows: &[(&Slice, AgainstReference)]) -> Sheet {
    let each = || rows.iter();
    let figure = |of: fn(&AgainstReference) -> Option<Estimate>| rows.iter().map(move |(_, against)| of(against));
    let columns = vec![
        Column::text(each().map(|(slice, _)| slice.cell.arm.to_string())).aside("arm"),
        Column::exact(each().map(|(slice, _)| slice.readable)).aside("λ"),
        Column::points(figure(|against| Some(against.accuracy))).aside("accuracy, change"),
        Column::p_value(each().map(|(_, against)| against.accuracy.p_value)).aside("p"),
        Column::relative(figure(|against| against.strong_calls)).aside("strong calls, change"),
        Column::relative(figure(|against| against.fee)).aside("fee, change"),
    ];
    Sheet { name: "against_tuned", columns }
}
