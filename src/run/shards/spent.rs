//! Spending of a merged run: the sum over its shards.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::analysis::metrics::Prices;
use crate::run::provenance::UNANSWERED;
use crate::types::chat::Usage;

/// Spending by model in a manifest.
#[derive(Default, Serialize, Deserialize)]
struct SpentLine {
    calls: u64,
    usage: Usage,
    fee_usd: Option<f64>,
}

/// Adds up the spending of the shards. A call that one shard copied from another counts in the shard that made it.
pub(super) fn spent<'a>(shards: impl Iterator<Item = &'a Value>, prices: &Prices) -> Result<Value> {
    let (mut answered, mut lost) = (Vec::new(), Vec::new());
    for value in shards {
        let mut lines: BTreeMap<String, Value> = serde_json::from_value(value.clone()).context("`spent` of a shard")?;
        if let Some(unanswered) = lines.remove(UNANSWERED) {
            lost.push(serde_json::from_value(unanswered).context("`spent` of a shard")?);
        }
        answered.push(lines);
    }
    let mut total = sum(answered, prices)?;
    if !lost.is_empty() {
        total[UNANSWERED] = sum(lost, prices)?;
    }
    Ok(total)
}

fn sum(shards: Vec<BTreeMap<String, Value>>, prices: &Prices) -> Result<Value> {
    let mut total: BTreeMap<String, SpentLine> = BTreeMap::new();
    for (name, line) in shards.into_iter().flatten() {
        let SpentLine { calls, usage, .. } = serde_json::from_value(line).context("`spent` of a shard")?;
        let sum = total.entry(name).or_default();
        (sum.calls, sum.usage) = (sum.calls + calls, sum.usage.plus(usage));
    }
    for (name, line) in &mut total {
        line.fee_usd = prices.get(name).and_then(Option::as_ref).map(|price| price.fee(line.usage).usd());
    }
    Ok(serde_json::to_value(total)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::types::price::Price;

    #[test]
    fn calls_and_tokens_are_added_and_the_fee_follows_from_the_sum() {
        let price = Price { input: 1.0, cached_input: None, output: 2.0, read: None, nominal: false, batch: None };
        let prices: Prices = [("small".to_owned(), Some(price)), ("free".to_owned(), None)].into();
        let line = |calls: u64| json!({"calls": calls, "usage": {"input": 100_000 * calls, "cached_input": 0, "output": 0}, "fee_usd": 0.1});
        let shards = [
            json!({"small": line(1), "free": line(2), "unanswered_at_most": {"small": line(1)}}),
            json!({"small": line(2)}),
            json!({"unanswered_at_most": {"small": line(4)}}),
        ];
        let total = spent(shards.iter(), &prices).expect("a sum");
        assert_eq!((&total["small"]["calls"], &total["small"]["usage"]["input"]), (&json!(3), &json!(300_000)));
        assert!((total["small"]["fee_usd"].as_f64().expect("a fee") - 0.3).abs() < 1e-12);
        assert_eq!((&total["free"]["calls"], &total["free"]["fee_usd"]), (&json!(2), &Value::Null));
        assert_eq!(total["unanswered_at_most"]["small"]["calls"], json!(5));
    }
}
