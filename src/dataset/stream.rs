//! From a data set to streams: which items, and in which order.

use rand::seq::SliceRandom;

use crate::types::item::Item;
use crate::types::seed::Seed;

/// The items of the stream: the first `limit` of the split in the file's order, so that a file that lists a group's
/// variants together keeps them together.
#[must_use]
pub fn take(mut items: Vec<Item>, limit: Option<usize>) -> Vec<Item> {
    items.truncate(limit.unwrap_or(usize::MAX));
    items
}

/// The `order`-th seeded permutation of `n` items: at each position the item's index.
#[must_use]
pub fn permutation(seed: Seed, order: usize, n: usize) -> Vec<usize> {
    let mut indices: Vec<usize> = (0..n).collect();
    indices.shuffle(&mut seed.stream(&["order", &order.to_string()]));
    indices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_permutations_that_differ_and_repeat() {
        let first = permutation(Seed(7), 0, 50);
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
        assert_ne!(first, permutation(Seed(7), 1, 50));
        assert_eq!(first, permutation(Seed(7), 0, 50));
    }
}
