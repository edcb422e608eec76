//! "Did you mean": the nearest of the names that would have been right.

use anyhow::{Result, anyhow};

/// Below this similarity a suggestion would only confuse.
const NEAR: f64 = 0.75;

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
pub fn find<'a, T>(what: &str, name: &str, entries: &'a [T], name_of: impl Fn(&T) -> &str) -> Result<&'a T> {
    entries.iter().find(|entry| name_of(entry) == name).ok_or_else(|| {
        let names: Vec<&str> = entries.iter().map(name_of).collect();
        let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        anyhow!("there is no {what} `{name}`{}; there are: {there}", nearest(name, &names))
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
