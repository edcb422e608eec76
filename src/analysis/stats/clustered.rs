//! Cluster-robust normal interval of a mean (Liang and Zeger 1986), without resampling, for tables with many rows.

use std::collections::BTreeMap;

use super::{Estimate, FEWEST, Interval, Z};

/// Computes the mean of differences that are correlated within groups, with a normal interval, in the unit of the
/// differences. No interval if fewer than three groups have a non-zero sum, or if all groups are equal. `None` without
/// values.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of items")]
pub fn clustered_mean<'a>(values: impl IntoIterator<Item = (&'a str, f64)>) -> Option<Estimate> {
    let mut groups: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (group, value) in values {
        let (sum, count) = groups.entry(group).or_default();
        *sum += value;
        *count += 1.0;
    }
    let n: f64 = groups.values().map(|(_, count)| count).sum();
    if n == 0.0 {
        return None;
    }
    let mean = groups.values().map(|(sum, _)| sum).sum::<f64>() / n;
    let m = groups.len() as f64;
    let contributing = groups.values().filter(|(sum, _)| *sum != 0.0).count();
    let squares: f64 = groups.values().map(|(sum, count)| (sum - count * mean).powi(2)).sum();
    let half = (contributing >= FEWEST && squares > 0.0).then(|| Z * (squares * m / (m - 1.0)).sqrt() / n);
    Some(Estimate::new(mean, half.map(|half| Interval { low: mean - half, high: mean + half })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_one_have_the_usual_standard_error() {
        let names: Vec<String> = (0..100).map(|i| i.to_string()).collect();
        let values = names.iter().enumerate().map(|(i, name)| (name.as_str(), f64::from(u8::from(i < 30))));
        let estimate = clustered_mean(values).expect("values");
        let expected = Z * (0.3_f64 * 0.7 / 99.0).sqrt();
        assert!((estimate.value - 0.3).abs() < 1e-12);
        assert!((estimate.interval.expect("two groups or more").half_width() - expected).abs() < 1e-12);
    }

    #[test]
    fn siblings_that_agree_widen_the_interval() {
        let names: Vec<String> = (0..100).map(|i| (i / 10).to_string()).collect();
        let values = names.iter().enumerate().map(|(i, name)| (name.as_str(), f64::from(u8::from(i < 30))));
        let clustered = clustered_mean(values).expect("values").interval.expect("three groups of ten");
        assert!(
            (clustered.half_width() - Z * (0.3_f64 * 0.7 / 9.0).sqrt()).abs() < 1e-12,
            "as if there were ten items"
        );
        assert_eq!(clustered_mean([("a", 1.0)]).and_then(|e| e.interval), None);
        assert_eq!(clustered_mean([]), None);
    }

    #[test]
    fn figures_equal_by_construction_have_no_interval() {
        let groups = ["a", "b", "c", "d", "e"];
        for (values, wide) in [
            ([0.0; 5], false),
            ([1.0; 5], false),
            ([1.0, -1.0, 0.0, 0.0, 0.0], false),
            ([1.0, 1.0, 1.0, 0.0, 0.0], true),
        ] {
            let estimate = clustered_mean(groups.into_iter().zip(values)).expect("values");
            assert_eq!(estimate.interval.is_some(), wide, "{values:?}");
        }
    }
}
