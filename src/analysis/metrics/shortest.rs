//! Thresholds with the fewest digits that preserve their decisions.

/// Number of decimals that are easy to read.
const READABLE: usize = 4;
/// Number of decimals that is enough for every number.
const MOST: usize = 17;

/// Returns the decimal with the fewest places that separates the observed confidences (ascending) as this threshold
/// does: above the greatest confidence below λ, and at most the least confidence from λ on. A λ of at most four places
/// is returned unchanged.
#[must_use]
pub fn shortest(threshold: f64, observed: &[f64]) -> f64 {
    if !threshold.is_finite() || observed.is_empty() || at_decimals(threshold, READABLE).total_cmp(&threshold).is_eq() {
        return threshold;
    }
    let index = observed.partition_point(|confidence| *confidence < threshold);
    let above = index.checked_sub(1).map_or(f64::NEG_INFINITY, |below| observed[below]);
    let up_to = observed.get(index).copied().unwrap_or(f64::INFINITY);
    let separates = |decimal: &f64| above < *decimal && *decimal <= up_to;
    let near = |decimals: usize| {
        let nearest = at_decimals(threshold, decimals);
        let step = at_decimals(10.0_f64.powi(-i32::try_from(decimals).unwrap_or(0)), decimals);
        [nearest, nearest - step, nearest + step].map(|decimal| at_decimals(decimal, decimals))
    };
    (1..=MOST).flat_map(near).find(separates).unwrap_or(threshold)
}

/// Rounds a number to `decimals` decimals, as parsed from the text.
fn at_decimals(number: f64, decimals: usize) -> f64 {
    format!("{number:.decimals$}").parse().unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threshold_has_the_fewest_digits_with_equal_decisions() {
        let observed = [0.0, 0.41, 0.851, 0.862_051_552_8, 0.862_149, 0.999_991_2, 0.999_992_7, 1.0];
        for (threshold, short) in [
            (0.862_051_552_8, 0.86),
            (0.862_149, 0.8621),
            (0.999_991_2, 0.9),
            (0.999_992_7, 0.999_992),
            (0.95, 0.95),
            (0.7, 0.7),
            (1.0, 1.0),
            (0.0, 0.0),
        ] {
            let found = shortest(threshold, &observed);
            assert_eq!(found.to_string(), short.to_string(), "{threshold}");
            assert!(
                observed.iter().all(|confidence| (*confidence < threshold) == (*confidence < found)),
                "{threshold}"
            );
        }
        assert!(shortest(f64::INFINITY, &observed).is_infinite());
        assert_eq!(shortest(0.123_456_789, &[]).to_string(), "0.123456789");
    }
}
