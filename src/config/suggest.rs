//! "Did you mean": the nearest of the names that would have been right.

use std::fmt::{self, Display, Formatter};

/// Below this similarity a suggestion would only confuse.
const NEAR: f64 = 0.75;

/// A name that is not among those that exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName {
    /// The kind of thing that was looked for.
    pub what: String,
    /// The name.
    pub name: String,
    /// The names that exist.
    pub known: Vec<String>,
}

impl UnknownName {
    /// ` (did you mean …?)`, or nothing if no name that exists is near.
    #[must_use]
    pub fn hint(&self) -> String {
        nearest(&self.name, &self.known.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The names that exist, in one line; `none` if there is none.
    #[must_use]
    pub fn listed(&self) -> String {
        if self.known.is_empty() { "none".to_owned() } else { self.known.join(", ") }
    }
}

impl Display for UnknownName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "there is no {} `{}`{}; there are: {}", self.what, self.name, self.hint(), self.listed())
    }
}

impl std::error::Error for UnknownName {}

/// Names of earlier versions, each with what has its place.
const REPLACED: [(&str, &str); 1] = [(
    "checked-token-probability",
    "the signal is now \"mean-token-probability\" with deferral.checks = [\"calculations\"] (for questions with options [\"conclusions\"]); \
     deferral.calculations_at_least = 0 makes the same decisions as before",
)];

/// What has the place of a name of earlier versions, in brackets. `None` if no version had the name.
#[must_use]
pub fn replaced(name: &str) -> Option<String> {
    REPLACED.iter().find(|(old, _)| *old == name).map(|(_, new)| format!(" ({new})"))
}

/// ` (did you mean …?)` for the candidate most like `name`, or nothing where none is near.
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

/// The entry called `name`; `what` says what the entries are.
///
/// # Errors
/// Lists the names there are and the nearest one.
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
    fn names_the_nearest_or_nothing() {
        assert_eq!(nearest("treshold", &["signal", "threshold"]), " (did you mean `threshold`?)");
        assert_eq!(nearest("zzz", &["signal", "threshold"]), "");
    }

    #[test]
    fn what_is_missing_is_told_with_what_is_there() {
        let entries = ["gsm8k", "mmlu"];
        assert_eq!(find("data set", "mmlu", &entries, |name| name).expect("there"), &"mmlu");
        let error = find("data set", "gsm8", &entries, |name| name).expect_err("missing").to_string();
        assert_eq!(error, "there is no data set `gsm8` (did you mean `gsm8k`?); there are: gsm8k, mmlu");
    }
}
