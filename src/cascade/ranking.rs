//! Rankings of earlier items of the stream, best first, for retrieval in learning arms. A ranking does not depend on
//! any model's answer, so the earlier items that an item must wait for are known in advance. Rankings are computed
//! block by block, because a walk rarely needs more than the first block.

use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use crate::retrieval::search::cosine;
use crate::types::arm::Selection;
use crate::types::embedding::Embedded;
use crate::types::item::Item;
use crate::types::seed::Seed;

/// Number of items in the first block of a ranking.
const FIRST_BLOCK: usize = 16;
/// Factor by which each further block lengthens the ranking.
const GROWTH: usize = 8;
/// Label of the order for positions that are the same in all orders.
const FIRST_ORDER: &str = "0";
/// Smallest number of earlier items that one thread processes.
const MIN_ITEMS_PER_THREAD: usize = 4096;

/// An earlier item in a ranking.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    /// Position of the earlier item in the stream.
    pub position: usize,
    /// Cosine similarity of the two queries, in [-1, 1].
    pub similarity: f64,
}

/// Rankings of one order of the stream, shared by all cells that retrieve from it.
pub struct Rankings {
    selection: Selection,
    items: Arc<[Item]>,
    embeddings: Arc<[Embedded]>,
    stream: Arc<[usize]>,
    seed: Seed,
    /// Number of positions at the start of the stream that are the same in all orders (calibration items).
    warmup: usize,
    order: String,
    first_blocks: Vec<OnceLock<Arc<[Ranked]>>>,
}

impl Rankings {
    /// Returns the rankings over `stream`, the `order`-th permutation of the items. The first `warmup` positions do not
    /// depend on the order. `embeddings` holds one embedding per item.
    #[must_use]
    pub fn new(
        selection: Selection,
        (items, embeddings): (&Arc<[Item]>, &Arc<[Embedded]>),
        (stream, warmup): (&Arc<[usize]>, usize),
        seed: Seed,
        order: usize,
    ) -> Self {
        Self {
            selection,
            items: Arc::clone(items),
            embeddings: Arc::clone(embeddings),
            stream: Arc::clone(stream),
            seed,
            warmup,
            order: order.to_string(),
            first_blocks: (0..stream.len()).map(|_| OnceLock::new()).collect(),
        }
    }

    /// True if items are ranked by similarity.
    #[must_use]
    pub fn is_by_similarity(&self) -> bool {
        self.selection == Selection::Nearest
    }

    /// True if the items at the two positions belong to one group.
    #[must_use]
    pub fn are_siblings(&self, position: usize, other: usize) -> bool {
        self.items[self.stream[position]].group == self.items[self.stream[other]].group
    }

    /// First block of the ranking of the items before `position`.
    #[must_use]
    pub fn first_block(&self, position: usize) -> Arc<[Ranked]> {
        Arc::clone(self.first_blocks[position].get_or_init(|| self.top(position, FIRST_BLOCK)))
    }

    /// Returns a longer part of the ranking that begins with `block`. `None` if `block` is the whole ranking.
    #[must_use]
    pub fn longer(&self, position: usize, block: &[Ranked]) -> Option<Arc<[Ranked]>> {
        (block.len() < position).then(|| self.top(position, block.len() * GROWTH))
    }

    /// The best `n` items before `position`, best first. Ties are in stream order.
    fn top(&self, position: usize, n: usize) -> Arc<[Ranked]> {
        match self.selection {
            Selection::Nearest => {
                let nearest =
                    first_by_key(position, n, |earlier| self.similarity(position, earlier), |a, b| b.total_cmp(a));
                nearest.into_iter().map(|(position, similarity)| Ranked { position, similarity }).collect()
            }
            Selection::Random => {
                let id = |position: usize| &*self.items[self.stream[position]].id.0;
                let order = if position < self.warmup { FIRST_ORDER } else { &self.order };
                let prefix = self.seed.prefix(&["random-strategy", order, id(position)]);
                let drawn = first_by_key(position, n, |earlier| prefix.hash(&[id(earlier)]), Ord::cmp);
                let ranked =
                    |(earlier, _)| Ranked { position: earlier, similarity: self.similarity(position, earlier) };
                drawn.into_iter().map(ranked).collect()
            }
        }
    }

    /// Cosine similarity of the queries at two positions.
    fn similarity(&self, position: usize, earlier: usize) -> f64 {
        let vector = |position: usize| self.embeddings[self.stream[position]].vector.as_slice();
        cosine(vector(position), vector(earlier))
    }
}

/// Returns the `n` indices below `end` with the first keys, with their keys, in the order of the keys. Ties are in the
/// order of the indices.
fn first_by_key<K: Send>(
    end: usize,
    n: usize,
    key: impl Fn(usize) -> K + Sync,
    compare: impl Fn(&K, &K) -> std::cmp::Ordering,
) -> Vec<(usize, K)> {
    let mut keyed: Vec<(usize, K)> =
        (0..end).into_par_iter().with_min_len(MIN_ITEMS_PER_THREAD).map(|index| (index, key(index))).collect();
    let order = |a: &(usize, K), b: &(usize, K)| compare(&a.1, &b.1).then(a.0.cmp(&b.0));
    if n < keyed.len() {
        keyed.select_nth_unstable_by(n, order);
        keyed.truncate(n);
    }
    keyed.sort_unstable_by(order);
    keyed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieval::hashed;
    use crate::types::testing;

    fn rankings(selection: Selection, order: usize, queries: &[String]) -> Rankings {
        let item =
            |(i, query): (usize, &String)| Item { query: query.clone(), ..testing::item(i.to_string(), i.to_string()) };
        let items: Arc<[Item]> = queries.iter().enumerate().map(item).collect();
        let embeddings = items.iter().map(|item| hashed::embed(&item.query)).collect();
        let stream = (0..items.len()).collect();
        Rankings::new(selection, (&items, &embeddings), (&stream, 0), Seed(1), order)
    }

    fn positions(selection: Selection, order: usize, position: usize) -> Vec<usize> {
        let queries = ["red apples", "the moon", "red apples here", "a moon", "red apples"].map(str::to_owned);
        let rankings = rankings(selection, order, &queries);
        rankings.first_block(position).iter().map(|ranked| ranked.position).collect()
    }

    #[test]
    fn nearest_ranks_only_earlier_items_by_similarity() {
        assert_eq!(positions(Selection::Nearest, 0, 4), [0, 2, 1, 3]);
        assert_eq!(positions(Selection::Nearest, 0, 1), [0]);
        assert!(positions(Selection::Nearest, 0, 0).is_empty());
    }

    #[test]
    fn random_ranking_is_a_permutation_that_depends_on_the_order() {
        let mut orders = std::collections::HashSet::new();
        for order in 0..20 {
            let mut drawn = positions(Selection::Random, order, 4);
            assert_eq!(drawn, positions(Selection::Random, order, 4));
            orders.insert(drawn.clone());
            drawn.sort_unstable();
            assert_eq!(drawn, [0, 1, 2, 3]);
        }
        assert!(orders.len() > 5);
    }

    #[test]
    fn a_longer_block_begins_with_the_shorter_one() {
        let queries: Vec<String> = (0..200).map(|i| format!("word{} word{} word{}", i % 7, i % 5, i % 3)).collect();
        for selection in [Selection::Nearest, Selection::Random] {
            let rankings = rankings(selection, 3, &queries);
            let first = rankings.first_block(199);
            let second = rankings.longer(199, &first).expect("more than one block");
            let whole = rankings.longer(199, &second).expect("more than two blocks");
            assert_eq!((first.len(), second.len(), whole.len()), (16, 128, 199));
            assert!(whole.starts_with(&second) && second.starts_with(&first));
            assert!(rankings.longer(199, &whole).is_none());
            let mut all: Vec<usize> = whole.iter().map(|ranked| ranked.position).collect();
            all.sort_unstable();
            assert_eq!(all, (0..199).collect::<Vec<_>>());
        }
    }
}
