//! Counts of the items that a provider refused. A run stops above a share of them, because it would measure the
//! provider's filter instead of the model.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::types::item::ItemId;
use crate::types::model::ModelError;

/// Number of refused items that is always allowed, whatever their share: a share of few items says little.
const FEW: usize = 5;

/// The items that one model received, and the items that it refused.
#[derive(Debug, Default)]
pub struct Refusals {
    /// Largest allowed share of refused items, in [0, 1].
    max_share: f64,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    items: HashSet<ItemId>,
    refused: HashSet<ItemId>,
}

impl Refusals {
    /// Creates counts that allow a share of `max_share` refused items, in [0, 1].
    #[must_use]
    pub fn new(max_share: f64) -> Self {
        Self { max_share, counts: Mutex::default() }
    }

    /// Counts a request about an item, and the item as refused if `refused`.
    pub(super) fn count(&self, item: &ItemId, refused: bool) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.items.insert(item.clone());
        if refused {
            counts.refused.insert(item.clone());
        }
    }

    /// Checks that the run may continue after the model `model` refused an item for `reason`. It may if at most
    /// five items of the model were refused, or at most the allowed share. If the allowed share is 0, the first
    /// refusal is an error.
    ///
    /// # Errors
    /// [`ModelError::TooManyRefused`] if too many items were refused.
    pub(super) fn check(&self, model: &str, reason: &str) -> Result<(), ModelError> {
        let (items, refused) = {
            let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            (counts.items.len(), counts.refused.len())
        };
        let few = if self.max_share > 0.0 { FEW } else { 0 };
        #[expect(clippy::cast_precision_loss, reason = "numbers of items")]
        let too_many = refused > few && refused as f64 > self.max_share * items as f64;
        if !too_many {
            return Ok(());
        }
        Err(ModelError::TooManyRefused(format!(
            "model {model:?}: {refused} of the {items} items so far were refused, more than limits.max_refused = {} allows; the \
             last: {reason}. Choose another model or other data, or raise limits.max_refused: refused items then count as items \
             without an answer",
            self.max_share
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns true if a run continues after `refused` of `items` items were refused, each counted twice.
    fn continues(max_share: f64, refused: usize, items: usize) -> bool {
        let refusals = Refusals::new(max_share);
        for item in (0..items).chain(0..items) {
            refusals.count(&item.to_string().into(), item < refused);
        }
        refusals.check("m", "filtered").is_ok()
    }

    #[test]
    fn few_refusals_or_a_small_share_are_allowed() {
        assert!(continues(0.01, 5, 5) && !continues(0.01, 6, 6));
        assert!(continues(0.01, 6, 600) && !continues(0.01, 6, 599));
        assert!(continues(0.01, 0, 1) && !continues(0.0, 1, 1000));
        assert!(continues(1.0, 50, 50));
        let refusals = Refusals::new(0.0);
        refusals.count(&"7".into(), true);
        let error = refusals.check("m", "filtered").expect_err("none is allowed").to_string();
        assert!(error.contains("1 of the 1 items") && error.contains("limits.max_refused = 0 "), "{error}");
    }
}
