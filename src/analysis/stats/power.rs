//! Power analysis before any call: detectable differences and needed sample sizes, from normal approximations for a
//! two-sided test.

use statrs::distribution::{ContinuousCDF, Normal};

/// Error rates of a test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Power {
    /// Probability of a false claim if there is no difference, for instance 0.05.
    pub alpha: f64,
    /// Probability of a claim if there is a difference, for instance 0.8.
    pub power: f64,
}

impl Power {
    /// Computes the smallest mean difference that `n` independent units (items or groups) can detect, if their
    /// differences have standard deviation `sd`.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of items")]
    pub fn detectable_difference(self, n: usize, sd: f64) -> f64 {
        let (claim, miss) = self.points();
        (claim + miss) * sd / (n as f64).sqrt()
    }

    /// Computes the number of units needed to detect a mean difference.
    #[must_use]
    pub fn needed_units(self, difference: f64, sd: f64) -> usize {
        let (claim, miss) = self.points();
        whole(((claim + miss) * sd / difference).powi(2))
    }

    /// Computes the smallest difference of accuracies that `n` items can detect between two arms that differ on a
    /// share `discordance` of them. `None` if even a difference equal to that share cannot be detected.
    #[must_use]
    pub fn detectable_accuracy_difference(self, n: usize, discordance: f64) -> Option<f64> {
        if self.needed_items(discordance, discordance) > n {
            return None;
        }
        let (mut low, mut high) = (0.0_f64, discordance);
        for _ in 0..60 {
            let middle = low.midpoint(high);
            if self.needed_items(middle, discordance) > n { low = middle } else { high = middle }
        }
        Some(high)
    }

    /// Computes the number of items needed to detect a difference of accuracies between two arms that differ on a
    /// share `discordance` of them (Connor 1987, for McNemar's test).
    #[must_use]
    pub fn needed_items(self, difference: f64, discordance: f64) -> usize {
        let (claim, miss) = self.points();
        let spread = (discordance - difference * difference).max(0.0).sqrt();
        whole(((claim * discordance.sqrt() + miss * spread) / difference).powi(2))
    }

    /// Returns the normal quantiles for both error rates.
    fn points(self) -> (f64, f64) {
        let normal = Normal::standard();
        (normal.inverse_cdf(1.0 - self.alpha / 2.0), normal.inverse_cdf(self.power))
    }
}

/// Rounds up.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count; beyond 2^64 it saturates")]
fn whole(n: f64) -> usize {
    n.ceil() as usize
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::analysis::fixtures::fixture;
    use crate::analysis::stats::proportion::{lower_tail, mcnemar};

    const USUAL: Power = Power { alpha: 0.05, power: 0.8 };

    #[test]
    fn needed_units_match_statsmodels() {
        #[derive(Deserialize)]
        struct Case {
            difference: f64,
            sd: f64,
            alpha: f64,
            power: f64,
            needed: f64,
        }
        let case: Case = fixture("power");
        let power = Power { alpha: case.alpha, power: case.power };
        let needed = power.needed_units(case.difference, case.sd);
        assert_eq!(needed, whole(case.needed));
        assert!(power.detectable_difference(needed, case.sd) <= case.difference);
        assert!(power.detectable_difference(needed - 1, case.sd) > case.difference);
    }

    #[test]
    fn needed_items_are_close_to_the_exact_test() {
        let (difference, discordance) = (0.05, 0.2);
        let n = USUAL.needed_items(difference, discordance);
        let shown = USUAL.detectable_accuracy_difference(n, discordance).expect("enough items");
        assert!(shown <= difference && USUAL.needed_items(shown, discordance) <= n);
        // Power of exact McNemar at the usual number of discordant items.
        let differing = whole(discordance * f64::from(u32::try_from(n).expect("small")));
        let gained = f64::midpoint(1.0, difference / discordance);
        let point =
            |k| lower_tail(k, differing, gained) - if k > 0 { lower_tail(k - 1, differing, gained) } else { 0.0 };
        let power: f64 = (0..=differing).filter(|k| mcnemar(*k, differing - k) <= 0.05).map(point).sum();
        assert!((0.74..0.82).contains(&power), "{power}");
        assert_eq!(USUAL.detectable_accuracy_difference(10, 0.2), None);
    }
}
