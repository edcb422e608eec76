//! Sequential test that accepted answers are wrong at most with probability α. It bets item by item against "the
//! chance of a wrong answer is at most α, whatever came before". The wealth of the bettor is a test martingale (Shafer
//! et al. 2011; Waudby-Smith and Ramdas 2024): if the claim is true, the wealth reaches 1/δ with probability at most
//! δ, for any length of the stream (Ville 1939). So 1 / the greatest wealth is an anytime-valid p-value. The greatest
//! wealth itself is no e-value: its mean is above 1.
#![expect(clippy::cast_precision_loss, reason = "counts of answers")]

/// Number of bettors. Each believes in one error rate above α; the reported wealth is their mean.
const BETTORS: u32 = 64;

/// Wealth of the bet over a stream of accepted answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RiskMonitor {
    /// Number of accepted answers.
    pub accepted: usize,
    /// Number of wrong answers among the accepted ones.
    pub errors: usize,
    /// Greatest wealth over the stream, from a stake of 1.
    pub wealth: f64,
    /// Number of answers after which the greatest wealth was reached.
    pub at: usize,
    /// Number of wrong answers among these.
    pub errors_at: usize,
}

/// Computes the anytime-valid p-value of parallel streams: the number of streams divided by the greatest wealth in any
/// of them, at most 1 (Ville's inequality, with Bonferroni's correction).
#[must_use]
pub fn anytime_p(greatest_wealth: f64, streams: usize) -> f64 {
    (streams as f64 / greatest_wealth).min(1.0)
}

/// Runs the test along `wrong`, in the stream's order, against a risk of at most `alpha`.
pub fn watch(wrong: impl IntoIterator<Item = bool>, alpha: f64) -> RiskMonitor {
    let mut monitor = RiskMonitor { accepted: 0, errors: 0, wealth: 1.0, at: 0, errors_at: 0 };
    for wrong in wrong {
        monitor.accepted += 1;
        monitor.errors += usize::from(wrong);
        let wealth = wealth(monitor.accepted, monitor.errors, alpha);
        if wealth > monitor.wealth {
            (monitor.wealth, monitor.at, monitor.errors_at) = (wealth, monitor.accepted, monitor.errors);
        }
    }
    monitor
}

/// Computes the bettors' mean wealth. A bettor that believes in error rate q multiplies its wealth by q/α for a wrong
/// answer and by (1-q)/(1-α) for a correct one.
fn wealth(accepted: usize, errors: usize, alpha: f64) -> f64 {
    let (wrong, right) = (errors as f64, (accepted - errors) as f64);
    let wealth_of = |bettor: u32| {
        let q = alpha + (1.0 - alpha) * (f64::from(bettor) + 0.5) / f64::from(BETTORS);
        (wrong * (q / alpha).ln() + right * ((1.0 - q) / (1.0 - alpha)).ln()).exp()
    };
    (0..BETTORS).map(wealth_of).sum::<f64>() / f64::from(BETTORS)
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::types::seed::Seed;

    fn stream(n: usize, risk: f64, trial: usize) -> Vec<bool> {
        let mut rng = Seed(4).stream(&["drift", &trial.to_string()]);
        (0..n).map(|_| rng.random::<f64>() < risk).collect()
    }

    fn share_alarmed(risk: f64) -> f64 {
        let trials = 2000;
        let alarmed = (0..trials).filter(|trial| watch(stream(400, risk, *trial), 0.15).wealth >= 10.0).count();
        alarmed as f64 / f64::from(u32::try_from(trials).expect("small"))
    }

    #[test]
    fn a_true_claim_is_rejected_in_at_most_delta_of_the_streams() {
        // δ = 0.1 with three standard errors of 2000 trials.
        let at_alpha = share_alarmed(0.15);
        assert!(at_alpha > 0.0 && at_alpha < 0.1 + 3.0 * (0.09_f64 / 2000.0).sqrt(), "{at_alpha}");
        // Two wrong answers at the very start are enough for an alarm.
        assert!(share_alarmed(0.10) < 0.03);
    }

    #[test]
    fn one_over_the_greatest_wealth_is_a_p_value_and_no_e_value() {
        // All streams of 12 answers at a risk of exactly α = 0.2.
        let alpha = 0.2_f64;
        let (mut mean, mut below) = (0.0, [0.0; 3]);
        for stream in 0..1_u32 << 12 {
            let errors = stream.count_ones();
            let chance = alpha.powi(errors.cast_signed()) * (1.0 - alpha).powi(12 - errors.cast_signed());
            let watched = watch((0..12).map(|place| stream >> place & 1 == 1), alpha);
            mean += chance * watched.wealth;
            for (below, level) in below.iter_mut().zip([0.05, 0.1, 0.3]) {
                *below += if anytime_p(watched.wealth, 1) <= level { chance } else { 0.0 };
            }
        }
        assert!(mean > 1.5, "the mean of the greatest wealth is {mean}, and an e-value's is at most 1");
        assert!(below[0] <= 0.05 && below[1] <= 0.1 && below[2] <= 0.3 && below[2] > 0.0, "{below:?}");
        assert!((anytime_p(0.5, 1) - 1.0).abs() < 1e-12 && (anytime_p(60.0, 3) - 0.05).abs() < 1e-12);
    }

    #[test]
    fn a_risk_well_above_alpha_is_detected() {
        assert!(share_alarmed(0.25) > 0.95);
    }

    #[test]
    fn the_stake_is_one_and_a_right_answer_adds_nothing() {
        assert_eq!(watch([], 0.1), RiskMonitor { accepted: 0, errors: 0, wealth: 1.0, at: 0, errors_at: 0 });
        assert_eq!(watch([false; 50], 0.1).at, 0);
        let mean = 0.2 * wealth(1, 1, 0.2) + 0.8 * wealth(1, 0, 0.2);
        assert!((mean - 1.0).abs() < 1e-12, "a fair bet: {mean}");
        assert!(watch([true; 2000], 0.001).wealth.is_infinite() || watch([true; 20], 0.001).wealth > 1e20);
    }
}
