//! Holm's step-down adjustment (1979) for several comparisons in one table, which bounds the probability of any false
//! claim.

/// Returns the adjusted p-values in the order of the input.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "rows of a table")]
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut ascending: Vec<usize> = (0..p_values.len()).collect();
    ascending.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut least = 0.0_f64;
    for (rank, index) in ascending.into_iter().enumerate() {
        // No adjusted p-value may be smaller than that of a hypothesis with a smaller p.
        least = least.max(p_values[index] * (p_values.len() - rank) as f64);
        adjusted[index] = least.min(1.0);
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::analysis::fixtures::{close, fixture};

    #[test]
    fn adjusted_values_match_statsmodels() {
        #[derive(Deserialize)]
        struct Case {
            p: Vec<f64>,
            adjusted: Vec<f64>,
        }
        let case: Case = fixture("holm");
        for (ours, theirs) in holm(&case.p).into_iter().zip(case.adjusted) {
            close(ours, theirs, 1e-12);
        }
        assert!(holm(&[]).is_empty());
    }
}
