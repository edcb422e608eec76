//! Repository of the strategies of one stream, indexed by the position of the source item, and the walk that retrieves
//! strategies from it.

use std::sync::Arc;

use super::ranking::{Ranked, Rankings};
use crate::types::item::ItemId;
use crate::types::record::Strategy;

/// State of an item's contribution to the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Slot {
    /// The item has no final answer yet.
    Pending,
    /// The item was not deferred, or its strategy was not stored.
    Empty,
    /// The strategy is stored and can be retrieved.
    Stored(Arc<Strategy>),
}

/// Repository of the weak level's strategies in one cell.
#[derive(Debug)]
pub struct Repository {
    slots: Vec<Slot>,
}

/// Constraints on the strategies that are retrieved.
#[derive(Debug, Clone, Copy)]
pub struct RetrievalRule {
    /// Maximum number of strategies.
    pub k: usize,
    /// Smallest cosine similarity, in [-1, 1]. Applies only to rankings by similarity.
    pub min_similarity: f64,
    /// True if strategies from the item's own group are skipped, which leaves transfer and removes look-up.
    pub exclude_same_group: bool,
}

/// A strategy that was retrieved for a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Retrieved {
    /// Strategy.
    pub strategy: Arc<Strategy>,
    /// Cosine similarity of the two queries, in [-1, 1]. `None` for the fixed example, which is the same for all
    /// queries.
    pub similarity: Option<f64>,
}

/// Texts of the strategies, in the given order.
pub(super) fn texts(strategies: &[Retrieved]) -> Vec<&str> {
    strategies.iter().map(|retrieved| retrieved.strategy.text.as_str()).collect()
}

/// Source items of the strategies, in the given order.
pub(super) fn sources(strategies: &[Retrieved]) -> Vec<ItemId> {
    strategies.iter().map(|retrieved| retrieved.strategy.source.clone()).collect()
}

/// Walk of one item down its ranking. A walk can pause and resume.
#[derive(Debug)]
pub struct Walk {
    position: usize,
    block: Arc<[Ranked]>,
    /// Index in `block` of the next earlier item.
    next: usize,
    retrieved: Vec<Retrieved>,
}

/// State of a walk.
#[derive(Debug, PartialEq)]
pub enum WalkState {
    /// The walk has ended, with the retrieved strategies, best first.
    End(Vec<Retrieved>),
    /// The walk waits for the pending item at this position.
    Pending(usize),
}

impl Repository {
    /// Returns the repository of a stream of `n` items, all pending.
    #[must_use]
    pub fn new(n: usize) -> Self {
        Self { slots: vec![Slot::Pending; n] }
    }

    /// Records the strategy of the item at `position`. `None` if nothing is stored.
    pub fn record_outcome(&mut self, position: usize, strategy: Option<Arc<Strategy>>) {
        self.slots[position] = strategy.map_or(Slot::Empty, Slot::Stored);
    }

    /// Stored strategies, each with the position of its source item, in stream order.
    pub fn strategies(&self) -> impl Iterator<Item = (usize, &Arc<Strategy>)> {
        self.slots.iter().enumerate().filter_map(|(position, slot)| match slot {
            Slot::Stored(strategy) => Some((position, strategy)),
            Slot::Pending | Slot::Empty => None,
        })
    }
}

impl Walk {
    /// Returns the walk for the item at `position`.
    #[must_use]
    pub fn new(rankings: &Rankings, position: usize) -> Self {
        Self { position, block: rankings.first_block(position), next: 0, retrieved: Vec::new() }
    }

    /// Position of the item that strategies are retrieved for.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// Walks down the ranking and retrieves the first `k` stored strategies. Ends early below `min_similarity`. Pauses
    /// at an item that is still pending.
    pub fn advance(&mut self, rankings: &Rankings, repository: &Repository, rule: RetrievalRule) -> WalkState {
        while self.retrieved.len() < rule.k {
            if self.next == self.block.len() {
                match rankings.longer(self.position, &self.block) {
                    Some(longer) => self.block = longer,
                    None => break,
                }
            }
            let Ranked { position, similarity } = self.block[self.next];
            if rankings.is_by_similarity() && similarity < rule.min_similarity {
                break;
            }
            if rule.exclude_same_group && rankings.are_siblings(self.position, position) {
                self.next += 1;
                continue;
            }
            match &repository.slots[position] {
                Slot::Pending => return WalkState::Pending(position),
                Slot::Empty => {}
                Slot::Stored(strategy) => {
                    self.retrieved.push(Retrieved { strategy: Arc::clone(strategy), similarity: Some(similarity) });
                }
            }
            self.next += 1;
        }
        WalkState::End(std::mem::take(&mut self.retrieved))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::arm::Selection;
    use crate::types::embedding::Embedded;
    use crate::types::record::Score;
    use crate::types::seed::Seed;
    use crate::types::testing::item;

    fn strategy(position: usize) -> Arc<Strategy> {
        let name = position.to_string();
        Arc::new(Strategy {
            source: name.clone().into(),
            group: "g".into(),
            text: name,
            cut: 0,
            model: "m".into(),
            source_score: Score::Correct,
            answer: None,
            solved: Arc::default(),
        })
    }

    /// Five items. The last is most similar to the fourth, then the first, the third and the second.
    fn rankings() -> Rankings {
        let embedded = |cosine: f32| Embedded { vector: vec![cosine, (1.0 - cosine * cosine).sqrt()], tokens: 1 };
        let items = (0..5).map(|i: usize| item(i.to_string(), "g")).collect();
        let embeddings = [0.8, 0.1, 0.4, 0.9, 1.0].map(embedded).into_iter().collect();
        Rankings::new(Selection::Nearest, (&items, &embeddings), (&(0..5).collect(), 0), Seed(1), 0)
    }

    fn retrieve(repository: &Repository, k: usize, min_similarity: f64) -> Result<Vec<String>, usize> {
        let rankings = rankings();
        match Walk::new(&rankings, 4).advance(
            &rankings,
            repository,
            RetrievalRule { k, min_similarity, exclude_same_group: false },
        ) {
            WalkState::End(retrieved) => Ok(retrieved.iter().map(|one| one.strategy.text.clone()).collect()),
            WalkState::Pending(position) => Err(position),
        }
    }

    #[test]
    fn walk_skips_items_without_a_strategy() {
        let mut repository = Repository::new(5);
        repository.record_outcome(0, None);
        for position in 1..4 {
            repository.record_outcome(position, Some(strategy(position)));
        }
        let names = |names: &[&str]| Ok(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(retrieve(&repository, 2, -1.0), names(&["3", "2"]));
        assert_eq!(retrieve(&repository, 9, -1.0), names(&["3", "2", "1"]));
        assert_eq!(retrieve(&repository, 2, 0.5), names(&["3"]));
        assert_eq!(retrieve(&repository, 0, -1.0), names(&[]));
        assert_eq!(repository.strategies().map(|(position, _)| position).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn walk_skips_siblings_if_the_rule_excludes_them() {
        let mut repository = Repository::new(5);
        (0..4).for_each(|position| repository.record_outcome(position, Some(strategy(position))));
        let rankings = rankings();
        let rule = RetrievalRule { k: 2, min_similarity: -1.0, exclude_same_group: true };
        assert_eq!(
            Walk::new(&rankings, 4).advance(&rankings, &repository, rule),
            WalkState::End(Vec::new()),
            "all items belong to one group"
        );
    }

    #[test]
    fn walk_waits_for_a_pending_item_and_resumes_there() {
        let mut repository = Repository::new(5);
        repository.record_outcome(3, Some(strategy(3)));
        assert_eq!(retrieve(&repository, 1, -1.0), Ok(vec!["3".to_owned()]));
        assert_eq!(retrieve(&repository, 2, -1.0), Err(0));
        let (rankings, rule) = (rankings(), RetrievalRule { k: 2, min_similarity: -1.0, exclude_same_group: false });
        let mut walk = Walk::new(&rankings, 4);
        assert_eq!(walk.advance(&rankings, &repository, rule), WalkState::Pending(0));
        repository.record_outcome(0, None);
        assert_eq!(walk.advance(&rankings, &repository, rule), WalkState::Pending(2));
        repository.record_outcome(2, Some(strategy(2)));
        let WalkState::End(retrieved) = walk.advance(&rankings, &repository, rule) else { panic!("none is pending") };
        assert_eq!(retrieved.iter().map(|one| &*one.strategy.text).collect::<Vec<_>>(), ["3", "2"]);
    }
}
