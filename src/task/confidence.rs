//! Confidence signals as pure functions of what a call gave. Definitions: the token probabilities' geometric mean
//! (length-normalised sequence probability), and an option's share of the probability of all options.

use serde::{Deserialize, Serialize};

use crate::types::chat::{Response, Token};

/// The signals by the names that stand in configs and outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signal {
    /// exp of the mean log-probability of the tokens that the model chose itself; range (0, 1].
    MeanTokenProbability,
    /// The confidence that was recorded with the answer; range [0, 1].
    Recorded,
    /// The likeliest option's share after a softmax over the options' summed log-probabilities; range [1/n, 1].
    OptionProbability,
}

impl Signal {
    /// The name used in configs and outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MeanTokenProbability => "mean-token-probability",
            Self::OptionProbability => "option-probability",
            Self::Recorded => "recorded",
        }
    }

    /// Whether it is read from the log-probabilities of the tokens that are written.
    #[must_use]
    pub fn needs_logprobs(self) -> bool {
        self == Self::MeanTokenProbability
    }

    /// The confidence that the signal reads from a response.
    ///
    /// # Errors
    /// [`NoConfidence`] where the response does not hold what the signal needs.
    pub fn read(self, response: &Response) -> Result<f64, NoConfidence> {
        match self {
            Self::MeanTokenProbability => mean_token_probability(&response.tokens),
            Self::OptionProbability => option_probability(&response.option_logprobs),
            Self::Recorded => response.confidence.ok_or(NoConfidence::NotRecorded),
        }
    }
}

/// Why a response has no confidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoConfidence {
    /// The backend gave no log-probabilities, or not for every token.
    #[error("the answer carries no log-probabilities, or not for every token")]
    NoLogprobs,
    /// No confidence was recorded.
    #[error("the answer was recorded without a confidence")]
    NotRecorded,
    /// The options were not scored.
    #[error("the options were not scored by likelihood")]
    NotScored,
}

/// exp(Σ ln p / n) over the tokens that the model chose itself. An answer without such a token has confidence 0.
///
/// # Errors
/// [`NoConfidence::NoLogprobs`] where a token's log-probability is missing.
#[expect(clippy::cast_precision_loss, reason = "no answer has 2^53 tokens")]
pub fn mean_token_probability(tokens: &[Token]) -> Result<f64, NoConfidence> {
    let mut sum = 0.0;
    let mut count = 0_usize;
    for token in tokens.iter().filter(|token| !token.forced) {
        sum += token.logprob.ok_or(NoConfidence::NoLogprobs)?;
        count += 1;
    }
    Ok(if count == 0 { 0.0 } else { (sum / count as f64).exp() })
}

/// max softmax(l) over the options' summed log-probabilities.
///
/// # Errors
/// [`NoConfidence::NotScored`] where there are none.
pub fn option_probability(logprobs: &[f64]) -> Result<f64, NoConfidence> {
    let best = logprobs.iter().copied().max_by(f64::total_cmp).ok_or(NoConfidence::NotScored)?;
    let total: f64 = logprobs.iter().map(|l| (l - best).exp()).sum();
    Ok(1.0 / total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(logprob: Option<f64>, forced: bool) -> Token {
        Token { text: "x".into(), logprob, forced, ..Token::default() }
    }

    #[test]
    fn mean_token_probability_is_the_geometric_mean() {
        let tokens = [token(Some(0.5_f64.ln()), false), token(Some(0.125_f64.ln()), false)];
        let value = mean_token_probability(&tokens).expect("has log-probabilities");
        assert!((value - 0.25).abs() < 1e-12);
    }

    #[test]
    fn calculator_tokens_do_not_count() {
        let tokens = [token(Some(0.5_f64.ln()), false), token(None, true), token(Some(-9.0), true)];
        let value = mean_token_probability(&tokens).expect("forced tokens need no log-probability");
        assert!((value - 0.5).abs() < 1e-12);
    }

    #[test]
    fn missing_logprobs_are_an_error_and_an_empty_answer_has_no_confidence() {
        assert_eq!(mean_token_probability(&[token(None, false)]), Err(NoConfidence::NoLogprobs));
        assert_eq!(mean_token_probability(&[]), Ok(0.0));
    }

    #[test]
    fn option_probability_is_the_likeliest_share() {
        let logprobs = [0.2_f64.ln() - 900.0, 0.6_f64.ln() - 900.0, 0.1_f64.ln() - 900.0, 0.1_f64.ln() - 900.0];
        let value = option_probability(&logprobs).expect("scored");
        assert!((value - 0.6).abs() < 1e-9, "{value}");
        assert_eq!(option_probability(&[]), Err(NoConfidence::NotScored));
    }
}
