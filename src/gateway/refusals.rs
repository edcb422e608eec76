//! How many items a provider has refused, and when a run that goes on would measure the filter and no model.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::types::item::ItemId;
use crate::types::model::ModelError;

/// So many items of a model may be refused whatever their share is: a share of few items says little.
const FEW: usize = 5;

/// The items that one model was asked about, and those that it refused.
#[derive(Debug, Default)]
pub struct Refusals {
    /// The share of items from which on the run stops, in [0, 1].
    most: f64,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    asked: HashSet<ItemId>,
    refused: HashSet<ItemId>,
}

impl Refusals {
    /// A count that allows a share of `most` of the items in [0, 1].
    #[must_use]
    pub fn new(most: f64) -> Self {
        Self { most, seen: Mutex::default() }
    }

    /// Counts a request about an item, and whether it was refused.
    pub(super) fn count(&self, item: &ItemId, refused: bool) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.asked.insert(item.clone());
        if refused {
            seen.refused.insert(item.clone());
        }
    }

    /// Whether the run may go on after a refusal in these words by the model of this name. It may as long as at most five of
    /// the model's items were refused, or at most the allowed share; where none is allowed, not after the first.
    ///
    /// # Errors
    /// [`ModelError::TooManyRefused`].
    pub(super) fn check(&self, model: &str, words: &str) -> Result<(), ModelError> {
        let (asked, refused) = {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            (seen.asked.len(), seen.refused.len())
        };
        let few = if self.most > 0.0 { FEW } else { 0 };
        #[expect(clippy::cast_precision_loss, reason = "numbers of items")]
        let too_many = refused > few && refused as f64 > self.most * asked as f64;
        if !too_many {
            return Ok(());
        }
        Err(ModelError::TooManyRefused(format!(
            "model {model:?}: {refused} of the {asked} items so far were refused, more than limits.max_refused = {} allows; the \
             last: {words}. Choose another model or other data; or raise limits.max_refused, and they count as items without an \
             answer",
            self.most
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a run goes on at the last refusal of `refused` among `asked` items, each counted twice.
    fn goes_on(most: f64, refused: usize, asked: usize) -> bool {
        let refusals = Refusals::new(most);
        for item in (0..asked).chain(0..asked) {
            refusals.count(&item.to_string().into(), item < refused);
        }
        refusals.check("m", "filtered").is_ok()
    }

    #[test]
    fn a_few_are_allowed_and_a_share() {
        assert!(goes_on(0.01, 5, 5) && !goes_on(0.01, 6, 6));
        assert!(goes_on(0.01, 6, 600) && !goes_on(0.01, 6, 599));
        assert!(goes_on(0.01, 0, 1) && !goes_on(0.0, 1, 1000));
        assert!(goes_on(1.0, 50, 50));
        let refusals = Refusals::new(0.0);
        refusals.count(&"7".into(), true);
        let error = refusals.check("m", "filtered").expect_err("none is allowed").to_string();
        assert!(error.contains("1 of the 1 items") && error.contains("limits.max_refused = 0 "), "{error}");
    }
}
