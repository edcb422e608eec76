//! Suggestions for unknown names ("did you mean …?").

use std::fmt::{self, Display, Formatter};

/// Minimum Jaro-Winkler similarity of a suggestion.
const NEAR: f64 = 0.75;

/// Error for a name that does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName {
    /// Kind of the named thing, as in `data set`.
    pub what: String,
    /// Unknown name.
    pub name: String,
    /// Existing names.
    pub known: Vec<String>,
}

impl UnknownName {
    /// ` (did you mean …?)`. Empty if no existing name is similar.
    #[must_use]
    pub fn hint(&self) -> String {
        nearest(&self.name, &self.known.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Existing names in one line, or `none`.
    #[must_use]
    pub fn listed(&self) -> String {
        if self.known.is_empty() { "none".to_owned() } else { self.known.join(", ") }
    }
}

impl Display for UnknownName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "no {} is called `{}`{}; known: {}", self.what, self.name, self.hint(), self.listed())
    }
}

impl std::error::Error for UnknownName {}

/// Names of earlier versions, each with its replacement.
const REPLACED: [(&str, &str); 3] = [
    ("worked-case", "now \"worked-example\""),
    ("worked_case", "now `worked_example`"),
    (
        "checked-token-probability",
        "the signal is now \"mean-token-probability\" with deferral.checks = [\"calculations\"] (for questions with options [\"conclusions\"]); \
     deferral.calculations_at_least = 0 makes the same decisions as before",
    ),
];

/// Replacement of a name of earlier versions, in brackets. `None` if the name was not replaced.
#[must_use]
pub fn replaced(name: &str) -> Option<String> {
    REPLACED.iter().find(|(old, _)| *old == name).map(|(_, new)| format!(" ({new})"))
}

/// ` (did you mean …?)` with the candidate most similar to `name`. Empty if no candidate is similar.
#[must_use]
pub fn nearest(name: &str, candidates: &[&str]) -> String {
    candidates
        .iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity >= NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| format!(" (did you mean `{candidate}`?)"))
        .unwrap_or_default()
}

/// Finds the entry called `name`. `what` is the kind of the entries in the error.
///
/// # Errors
/// If no entry has the name. The error lists the existing names and suggests the nearest one.
pub fn find<'a, T>(
    what: &str,
    name: &str,
    entries: &'a [T],
    name_of: impl Fn(&T) -> &str,
) -> Result<&'a T, UnknownName> {
    entries.iter().find(|entry| name_of(entry) == name).ok_or_else(|| UnknownName {
        what: what.to_owned(),
        name: name.to_owned(),
        known: entries.iter().map(|entry| name_of(entry).to_owned()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_name_is_suggested_if_similar() {
        assert_eq!(nearest("treshold", &["signal", "threshold"]), " (did you mean `threshold`?)");
        assert_eq!(nearest("zzz", &["signal", "threshold"]), "");
    }

    #[test]
    fn unknown_name_lists_existing_names() {
        let entries = ["gsm8k", "mmlu"];
        assert_eq!(find("data set", "mmlu", &entries, |name| name).expect("there"), &"mmlu");
        let error = find("data set", "gsm8", &entries, |name| name).expect_err("missing").to_string();
        assert_eq!(error, "no data set is called `gsm8` (did you mean `gsm8k`?); known: gsm8k, mmlu");
    }
}
