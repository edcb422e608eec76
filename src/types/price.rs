//! Fees: integer tokens are summed first and priced once, in integer pico-dollars (1 USD = 10^12).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::types::chat::Usage;

const PICO_PER_USD: f64 = 1e12;
/// Pico-dollars per token at a price of 1 USD per million tokens.
const PICO_PER_TOKEN: f64 = 1e6;

/// Prices of a model, in USD per million tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Price of input tokens.
    pub input: f64,
    /// Price of input tokens from the server's cache. `None` if they cost as much as other input tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<f64>,
    /// Price of output tokens.
    pub output: f64,
    /// Price of a call in a batch (`--batch`) as a share of the other prices, from 0 to 1, such as 0.5; absent: unknown,
    /// and the full price is assumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<f64>,
    /// Date on which the price was looked up, as written in the config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<String>,
    /// True if no provider charges this price. Fees computed from it are not real costs.
    #[serde(default)]
    pub nominal: bool,
}

/// Error in a price.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PriceError {
    /// The value is negative or not a number.
    #[error("price.{field} must be a number of USD from 0 up, not {value}")]
    Range {
        /// Name of the field.
        field: &'static str,
        /// Value.
        value: f64,
    },
    /// The share of a call in a batch is not from 0 to 1.
    #[error("price.batch must be a share of the price from 0 to 1, not {0}")]
    Batch(f64),
    /// The value has a finer resolution than one pico-dollar per token.
    #[error("price.{field} = {value} has more than six decimals")]
    Decimals {
        /// Name of the field.
        field: &'static str,
        /// Value.
        value: f64,
    },
}

/// Amount of money in pico-dollars (1 USD = 10^12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Fee(i128);

impl Fee {
    /// Amount in USD.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "displayed with far fewer digits than a double has")]
    pub fn usd(self) -> f64 {
        self.0 as f64 / PICO_PER_USD
    }

    /// Converts USD to an amount, rounded to the nearest pico-dollar.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "far below 2^63 pico-dollars, nine million USD")]
    pub fn of_usd(usd: f64) -> Self {
        Self(i128::from((usd * PICO_PER_USD).round() as i64))
    }

    /// Sum of two amounts.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// Difference of two amounts.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Price {
    /// Fee for these tokens.
    #[must_use]
    pub fn fee(&self, usage: Usage) -> Fee {
        let cached = usage.cached_input.min(usage.input);
        let part = |tokens: u64, price: f64| i128::from(tokens) * pico_per_token(price);
        Fee(part(usage.input - cached, self.input)
            + part(cached, self.cached_input.unwrap_or(self.input))
            + part(usage.output, self.output))
    }

    /// Price of a call in a batch: every price times the share `batch`. The full price if the share is unknown.
    #[must_use]
    pub fn of_batch(&self) -> Self {
        let share = self.batch.unwrap_or(1.0);
        let cached_input = self.cached_input.map(|price| price * share);
        Self { input: self.input * share, cached_input, output: self.output * share, ..self.clone() }
    }

    /// Difference of the fee for these tokens if their calls are in batches.
    #[must_use]
    pub fn saved_by_batch(&self, usage: Usage) -> Fee {
        self.fee(usage).minus(self.of_batch().fee(usage))
    }

    /// Validates the price.
    ///
    /// # Errors
    /// If a value is negative, not a number, or has more than six decimals, or if the share of a batch is not from 0 to
    /// 1. The error names the field.
    pub fn check(&self) -> Result<(), PriceError> {
        if let Some(share) = self.batch.filter(|share| !(0.0..=1.0).contains(share)) {
            return Err(PriceError::Batch(share));
        }
        let fields =
            [("input", self.input), ("cached_input", self.cached_input.unwrap_or(0.0)), ("output", self.output)];
        for (field, value) in fields {
            if !value.is_finite() || value < 0.0 {
                return Err(PriceError::Range { field, value });
            }
            if (value * PICO_PER_TOKEN - (value * PICO_PER_TOKEN).round()).abs() > 1e-3 {
                return Err(PriceError::Decimals { field, value });
            }
        }
        Ok(())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a price is far below 2^63 pico-dollars a token")]
fn pico_per_token(price: f64) -> i128 {
    i128::from((price * PICO_PER_TOKEN).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price() -> Price {
        Price { input: 0.0375, cached_input: Some(0.01), output: 0.15, batch: None, read: None, nominal: false }
    }

    #[test]
    fn cached_tokens_are_input_tokens_with_a_separate_price() {
        let fee = price().fee(Usage { input: 1000, cached_input: 400, output: 10 });
        assert_eq!(fee, Fee(600 * 37_500 + 400 * 10_000 + 10 * 150_000));
        assert!((fee.usd() - 28e-6).abs() < 1e-18);
    }

    #[test]
    fn fee_is_additive_over_single_tokens() {
        let one = price().fee(Usage { input: 1, cached_input: 0, output: 0 });
        let sum = (0..1_000_000).fold(Fee::default(), |sum, _| sum.plus(one));
        assert_eq!(sum, price().fee(Usage { input: 1_000_000, cached_input: 0, output: 0 }));
    }

    #[test]
    fn invalid_prices_are_rejected() {
        assert!(price().check().is_ok());
        assert!(Price { output: -1.0, ..price() }.check().is_err_and(|e| e.to_string().contains("price.output")));
        assert!(Price { input: f64::NAN, ..price() }.check().is_err());
        assert!(Price { input: 0.000_000_1, ..price() }.check().is_err());
        for share in [-0.1, 1.1, f64::NAN] {
            let error = Price { batch: Some(share), ..price() }.check().expect_err("no share");
            assert!(error.to_string().contains("price.batch"), "{error}");
        }
    }

    #[test]
    fn a_batch_costs_its_share_of_every_price() {
        let usage = Usage { input: 1000, cached_input: 400, output: 10 };
        let half = Price { batch: Some(0.5), ..price() };
        assert_eq!(half.of_batch().fee(usage), Fee(600 * 18_750 + 400 * 5_000 + 10 * 75_000));
        assert_eq!(price().of_batch().fee(usage), price().fee(usage), "an unknown share is the whole price");
    }
}
