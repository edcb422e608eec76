//! Prices of a run's models, and notes about them.

use std::collections::BTreeMap;

use super::resolved::ResolvedConfig;
use crate::analysis::metrics::Prices;
use crate::backend::entry::ModelEntry;
use crate::types::price::Price;

impl ResolvedConfig {
    /// Prices by the name of the model. `None` for a model without a price or with an unpriced recording. The local
    /// embedder costs nothing.
    #[must_use]
    pub fn prices(&self) -> Prices {
        let local = Price { input: 0.0, cached_input: None, output: 0.0, batch: None, read: None, nominal: false };
        let price_of = |entry: &ModelEntry| {
            let is_priced = self.recordings.get(&entry.name).is_none_or(|recording| recording.is_priced());
            (entry.name.clone(), entry.price.clone().filter(|_| is_priced))
        };
        BTreeMap::from([
            price_of(&self.weak),
            price_of(&self.strong),
            (self.config.learning.embedder.name().to_owned(), Some(local)),
        ])
    }

    /// Notes on missing, recorded and nominal prices.
    #[must_use]
    pub fn price_notes(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for entry in [&self.weak, &self.strong] {
            let recording = self.recordings.get(&entry.name);
            match &entry.price {
                _ if recording.is_some_and(|recording| !recording.is_priced()) => lines.push(format!(
                    "The recording of `{}` has neither token counts nor fees. Its tokens are reported as 0 and its fees as empty.",
                    entry.name
                )),
                _ if recording.is_some_and(|recording| recording.has("fee_usd")) => lines.push(format!(
                    "The fees of `{}` come from its recording.",
                    entry.name
                )),
                None => lines.push(format!("Model `{}` has no price. Its fees are empty.", entry.name)),
                Some(price) if price.nominal => lines.push(format!(
                    "The price of `{}` is nominal ({} USD per million input tokens, {} output): no provider charges it, and its fees are \
                     not real costs.",
                    entry.name, price.input, price.output
                )),
                Some(_) => {}
            }
        }
        lines
    }
}
