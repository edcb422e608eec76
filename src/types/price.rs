//! Fees: integer tokens are summed first and priced once, in integer pico-dollars (1 USD = 10^12).

use serde::{Deserialize, Serialize};

use crate::types::chat::Usage;

const PICO_PER_USD: f64 = 1e12;
/// A price of 1 USD a million tokens is this many pico-dollars a token.
const PICO_PER_TOKEN: f64 = 1e6;

/// What a model charges, in USD per million tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Tokens read.
    pub input: f64,
    /// Tokens read from the server's cache; as `input` where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<f64>,
    /// Tokens written.
    pub output: f64,
    /// The day on which the price was read, as written in the config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<String>,
    /// Whether nobody charges this price, so that fees made with it are no money.
    #[serde(default)]
    pub nominal: bool,
}

/// What is wrong with a price.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PriceError {
    /// The value is negative or no number.
    #[error("price.{field} must be a number of USD from 0 up, not {value}")]
    Range {
        /// The field.
        field: &'static str,
        /// The value.
        value: f64,
    },
    /// The value is finer than a pico-dollar a token.
    #[error("price.{field} = {value} has more than six decimals")]
    Decimals {
        /// The field.
        field: &'static str,
        /// The value.
        value: f64,
    },
}

/// An amount of money in pico-dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Fee(i128);

impl Fee {
    /// The amount in USD.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "shown to far fewer digits than a double has")]
    pub fn usd(self) -> f64 {
        self.0 as f64 / PICO_PER_USD
    }

    /// An amount in USD, to the nearest pico-dollar.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "far below 2^63 pico-dollars, nine million USD")]
    pub fn of_usd(usd: f64) -> Self {
        Self(i128::from((usd * PICO_PER_USD).round() as i64))
    }

    /// The sum of two amounts.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// The difference of two amounts.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Price {
    /// What these tokens cost.
    #[must_use]
    pub fn fee(&self, usage: Usage) -> Fee {
        let cached = usage.cached_input.min(usage.input);
        let part = |tokens: u64, price: f64| i128::from(tokens) * pico_per_token(price);
        Fee(part(usage.input - cached, self.input)
            + part(cached, self.cached_input.unwrap_or(self.input))
            + part(usage.output, self.output))
    }

    /// Says what is wrong with the price, if anything is.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn check(&self) -> Result<(), PriceError> {
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
        Price { input: 0.0375, cached_input: Some(0.01), output: 0.15, read: None, nominal: false }
    }

    #[test]
    fn cached_tokens_are_part_of_the_input_and_cost_their_own_price() {
        let fee = price().fee(Usage { input: 1000, cached_input: 400, output: 10 });
        assert_eq!(fee, Fee(600 * 37_500 + 400 * 10_000 + 10 * 150_000));
        assert!((fee.usd() - 28e-6).abs() < 1e-18);
    }

    #[test]
    fn adding_one_token_at_a_time_gives_the_same_sum() {
        let one = price().fee(Usage { input: 1, cached_input: 0, output: 0 });
        let sum = (0..1_000_000).fold(Fee::default(), |sum, _| sum.plus(one));
        assert_eq!(sum, price().fee(Usage { input: 1_000_000, cached_input: 0, output: 0 }));
    }

    #[test]
    fn senseless_prices_are_refused() {
        assert!(price().check().is_ok());
        assert!(Price { output: -1.0, ..price() }.check().is_err_and(|e| e.to_string().contains("price.output")));
        assert!(Price { input: f64::NAN, ..price() }.check().is_err());
        assert!(Price { input: 0.000_000_1, ..price() }.check().is_err());
    }
}
