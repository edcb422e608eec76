//! The names of the views with the arms' results and changes.

use crate::report::columns::View;

/// The file of the accuracies.
pub const ACCURACY: View = "accuracy";
/// The file of the strong level's calls.
pub const STRONG_CALLS: View = "strong_calls";
/// The summary's table of results.
pub const RESULTS: View = "results";
