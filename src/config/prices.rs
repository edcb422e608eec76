//! The prices of a run's models, and what a reader must know of them.

use std::collections::BTreeMap;

use super::resolved::ResolvedConfig;
use crate::analysis::metrics::Prices;
use crate::backend::entry::ModelEntry;
use crate::types::price::Price;

impl ResolvedConfig {
    /// Prices by the model's name; the embedder in this process has none to pay.
    #[must_use]
    pub fn prices(&self) -> Prices {
        let local = Price { input: 0.0, cached_input: None, output: 0.0, read: None, nominal: false };
        let of = |entry: &ModelEntry| {
            let told = self.recordings.get(&entry.name).is_none_or(|recording| recording.is_priced());
            (entry.name.clone(), entry.price.clone().filter(|_| told))
        };
        BTreeMap::from([
            of(&self.weak),
            of(&self.strong),
            (self.config.learning.embedder.name().to_owned(), Some(local)),
        ])
    }

    /// What a reader must know of the prices.
    #[must_use]
    pub fn price_notes(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for entry in [&self.weak, &self.strong] {
            let recording = self.recordings.get(&entry.name);
            match &entry.price {
                _ if recording.is_some_and(|recording| !recording.is_priced()) => lines.push(format!(
                    "The recording of `{}` holds neither token counts nor fees: its tokens are 0 and its fees empty.",
                    entry.name
                )),
                _ if recording.is_some_and(|recording| recording.has("fee_usd")) => lines.push(format!(
                    "The fees of `{}` are those of its recording.",
                    entry.name
                )),
                None => lines.push(format!("Model `{}` has no price: its fees are empty.", entry.name)),
                Some(price) if price.nominal => lines.push(format!(
                    "The price of `{}` is nominal ({} USD a million tokens in, {} out): nobody charges it, and its fees are \
                     no money.",
                    entry.name, price.input, price.output
                )),
                Some(_) => {}
            }
        }
        lines
    }
}
