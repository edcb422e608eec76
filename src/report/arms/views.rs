//! The places that show what each arm reached and what it changes.

use crate::report::columns::View;

/// The file of the accuracies.
pub const ACCURACY: View = "accuracy";
/// The file of the strong level's calls.
pub const STRONG_CALLS: View = "strong_calls";
/// The summary's table of results.
pub const RESULTS: View = "results";
