//! Changes of each arm against strong-only and against the cascade at its own λ: the last columns of `accuracy` and
//! `strong_calls`.

use super::views::{ACCURACY, RESULTS, STRONG_CALLS};
use crate::analysis::metrics::{AgainstReference, Comparison, Reference};
use crate::analysis::stats::Estimate;
use crate::report::columns::{Column, TERMINAL};

/// Returns the columns of both references. They are empty if the run does not have the arm.
pub(super) fn columns(comparison: &Comparison) -> Vec<Column> {
    Reference::ALL.into_iter().flat_map(|reference| of_reference(comparison, reference)).collect()
}

fn of_reference(comparison: &Comparison, reference: Reference) -> Vec<Column> {
    let name = reference.arm().name();
    let key = name.replace('-', "_");
    let figure = |of: fn(&AgainstReference) -> Option<Estimate>| {
        comparison.against(reference).iter().map(move |against| of(against.as_ref()?))
    };
    let points = ends(Column::points(figure(|against| Some(against.accuracy))), &format!("change_vs_{key}"), "pp")
        .named(ACCURACY, format!("change_vs_{key}_pp"));
    let relative = |of, figure_key: &str| {
        let key = format!("{figure_key}_vs_{key}");
        ends(Column::relative(figure(of)), &key, "percent").named(STRONG_CALLS, format!("{key}_percent"))
    };
    let p_value = |against: &AgainstReference| against.accuracy.p_value;
    let p_values = comparison.against(reference).iter().map(|against| p_value(against.as_ref()?));
    let points = if comparison.reference(reference).is_some() {
        points.named(RESULTS, format!("accuracy against {name}")).short(TERMINAL, heading(reference))
    } else {
        points
    };
    vec![
        points,
        Column::p_value(p_values).named(ACCURACY, format!("p_vs_{key}")),
        Column::p_value(comparison.adjusted_against(reference).into_iter()).named(ACCURACY, format!("p_holm_vs_{key}")),
        relative(|against| against.strong_calls, "change"),
        relative(|against| against.fee, "fee_change"),
    ]
}

/// The heading for a terminal.
fn heading(reference: Reference) -> &'static str {
    match reference {
        Reference::StrongOnly => "accuracy vs strong-only, points",
        Reference::CascadeTuned => "accuracy vs cascade-tuned, points",
    }
}

/// Names the ends of the column's interval `KEY_low_UNIT` and `KEY_high_UNIT`.
fn ends(column: Column, key: &str, unit: &str) -> Column {
    let [low, high] = ["low", "high"].map(|end| format!("{key}_{end}_{unit}"));
    column.ends([&low, &high])
}
