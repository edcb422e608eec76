//! The summary's section on tokens and fees by model and purpose.

use crate::analysis::metrics::Comparison;
use crate::report::arms::fees::{rows, sheet};

/// Returns the section: a row for each arm, model and purpose.
pub(super) fn section(comparison: &Comparison) -> String {
    let mut rows = rows(comparison);
    rows.retain(|row| row.paid.purpose.is_some());
    format!("\n## Where the money goes\n\n{}", sheet(&rows).markdown())
}
