//! The summary's section on the comparison with the cascade at its own λ.

use crate::analysis::metrics::{AgainstReference, BASELINE, Comparison, Reference, Slice};
use crate::analysis::stats::Estimate;
use crate::report::columns::{Column, Sheet};
use crate::types::arm::Arm;

/// Returns the section: a row for each arm that combines the levels. Empty if the run does not have the arm
/// cascade-tuned.
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
        "\n## Against the cascade at a λ of its own\n\n{}\nChanges are against cascade-tuned, paired item by item, \
         with 95 % intervals in brackets; p is unadjusted. The λ of the other arms need not be the best one for the \
         cascade, so this table compares them with a cascade at its own λ.\n",
        sheet(&rows).markdown()
    )
}

fn sheet(rows: &[(&Slice, AgainstReference)]) -> Sheet {
    let each = || rows.iter();
    let figure = |of: fn(&AgainstReference) -> Option<Estimate>| rows.iter().map(move |(_, against)| of(against));
    let columns = vec![
        Column::text(each().map(|(slice, _)| slice.cell.arm.to_string())).in_documents("arm"),
        Column::exact(each().map(|(slice, _)| slice.readable)).in_documents("λ"),
        Column::points(figure(|against| Some(against.accuracy))).in_documents("accuracy, change"),
        Column::p_value(each().map(|(_, against)| against.accuracy.p_value)).in_documents("p"),
        Column::relative(figure(|against| against.strong_calls)).in_documents("strong calls, change"),
        Column::relative(figure(|against| against.fee)).in_documents("fee, change"),
    ];
    Sheet { name: "against_tuned", columns }
}
