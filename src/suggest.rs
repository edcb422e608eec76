//! "Did you mean": the nearest of the names that would have been right.

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

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn names_the_nearest_or_nothing() {
        assert_eq!(nearest("treshold", &["signal", "threshold"]), " (did you mean `threshold`?)");
        assert_eq!(nearest("zzz", &["signal", "threshold"]), "");
    }
}
