//! One ranking for every learning arm: the earlier items of the stream, best first. It is known before any model
//! has answered, so that what an item waits for can be told in advance. It is made a block at a time, since a walk
//! seldom goes far.

use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use crate::retrieval::search::cosine;
use crate::types::arm::Selection;
use crate::types::embedding::Embedded;
use crate::types::item::Item;
use crate::types::seed::Seed;

/// Length of a ranking's first block.
const FIRST_BLOCK: usize = 16;
/// Each further block makes the ranking so many times longer.
const GROWTH: usize = 8;
/// The order that stands for all where they are alike.
const FIRST_ORDER: &str = "0";
/// Fewer earlier items than this are not worth sharing out between cores.
const WORTH_SHARING: usize = 4096;

/// An earlier item in the ranking.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    /// Its position in the stream.
    pub position: usize,
    /// Cosine similarity of its query and this one's.
    pub similarity: f64,
}

/// The rankings of one order of the stream, for all cells that walk over it.
pub struct Rankings {
    selection: Selection,
    items: Arc<[Item]>,
    embeddings: Arc<[Embedded]>,
    stream: Arc<[usize]>,
    seed: Seed,
    /// The stream's first positions, which all orders have alike.
    before: usize,
    order: String,
    first_blocks: Vec<OnceLock<Arc<[Ranked]>>>,
}

impl Rankings {
    /// Rankings over `stream`: the `order`-th permutation of the items, each of which has its embedding, behind the first
    /// `before` ones, which do not depend on the order.
    #[must_use]
    pub fn new(
        selection: Selection,
        (items, embeddings): (&Arc<[Item]>, &Arc<[Embedded]>),
        (stream, before): (&Arc<[usize]>, usize),
        seed: Seed,
        order: usize,
    ) -> Self {
        Self {
            selection,
            items: Arc::clone(items),
            embeddings: Arc::clone(embeddings),
            stream: Arc::clone(stream),
            seed,
            before,
            order: order.to_string(),
            first_blocks: (0..stream.len()).map(|_| OnceLock::new()).collect(),
        }
    }

    /// Whether the ranking goes by similarity.
    #[must_use]
    pub fn is_by_similarity(&self) -> bool {
        self.selection == Selection::Nearest
    }

    /// Whether the items at two positions are of one group.
    #[must_use]
    pub fn are_siblings(&self, position: usize, other: usize) -> bool {
        self.items[self.stream[position]].group == self.items[self.stream[other]].group
    }

    /// The first block of the ranking of the items before `position`.
    #[must_use]
    pub fn first_block(&self, position: usize) -> Arc<[Ranked]> {
        Arc::clone(self.first_blocks[position].get_or_init(|| self.best(position, FIRST_BLOCK)))
    }

    /// The same ranking as `block`, longer; none where `block` is all of it.
    #[must_use]
    pub fn longer(&self, position: usize, block: &[Ranked]) -> Option<Arc<[Ranked]>> {
        (block.len() < position).then(|| self.best(position, block.len() * GROWTH))
    }

    /// The best `n` of the items before `position`, best first; equals stand in stream order.
    fn best(&self, position: usize, n: usize) -> Arc<[Ranked]> {
        match self.selection {
            Selection::Nearest => {
                let nearest =
                    first_of(position, n, |earlier| self.similarity(position, earlier), |a, b| b.total_cmp(a));
                nearest.into_iter().map(|(position, similarity)| Ranked { position, similarity }).collect()
            }
            Selection::Random => {
                let id = |position: usize| &*self.items[self.stream[position]].id.0;
                let order = if position < self.before { FIRST_ORDER } else { &self.order };
                let prefix = self.seed.prefix(&["random-strategy", order, id(position)]);
                let drawn = first_of(position, n, |earlier| prefix.hash(&[id(earlier)]), Ord::cmp);
                let ranked =
                    |(earlier, _)| Ranked { position: earlier, similarity: self.similarity(position, earlier) };
                drawn.into_iter().map(ranked).collect()
            }
        }
    }

    fn similarity(&self, position: usize, earlier: usize) -> f64 {
        let vector = |position: usize| self.embeddings[self.stream[position]].vector.as_slice();
        cosine(vector(position), vector(earlier))
    }
}

/// The `n` of the numbers below `end` whose keys come first, in that order; equals stand in the numbers' order.
fn first_of<K: Send>(
    end: usize,
    n: usize,
    key: impl Fn(usize) -> K + Sync,
    compare: impl Fn(&K, &K) -> std::cmp::Ordering,
) -> Vec<(usize, K)> {
    let mut keyed: Vec<(usize, K)> =
        (0..end).into_par_iter().with_min_len(WORTH_SHARING).map(|number| (number, key(number))).collect();
    let before = |a: &(usize, K), b: &(usize, K)| compare(&a.1, &b.1).then(a.0.cmp(&b.0));
    if n < keyed.len() {
        keyed.select_nth_unstable_by(n, before);
        keyed.truncate(n);
    }
    keyed.sort_unstable_by(before);
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
    fn nearest_ranks_by_similarity_and_only_what_came_before() {
        assert_eq!(positions(Selection::Nearest, 0, 4), [0, 2, 1, 3]);
        assert_eq!(positions(Selection::Nearest, 0, 1), [0]);
        assert!(positions(Selection::Nearest, 0, 0).is_empty());
    }

    #[test]
    fn random_is_a_permutation_that_the_order_changes() {
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
            let whole = rankings.longer(199, &second).expect("more than two");
            assert_eq!((first.len(), second.len(), whole.len()), (16, 128, 199));
            assert!(whole.starts_with(&second) && second.starts_with(&first));
            assert!(rankings.longer(199, &whole).is_none());
            let mut all: Vec<usize> = whole.iter().map(|ranked| ranked.position).collect();
            all.sort_unstable();
            assert_eq!(all, (0..199).collect::<Vec<_>>());
        }
    }
}
