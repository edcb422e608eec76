//! The strategies of one stream, by the position of the item that each came from, and the walk that picks some.

use std::sync::Arc;

use super::ranking::{Ranked, Rankings};
use crate::types::item::ItemId;
use crate::types::record::Strategy;

/// What is known of an earlier item's strategy.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Slot {
    /// Its item is not decided yet.
    Pending,
    /// Its item was not deferred, or gave no readable strategy.
    None,
    /// It can be shown.
    Contributed(Arc<Strategy>),
}

/// The repository of the weak level in one cell.
#[derive(Debug)]
pub struct Repository {
    slots: Vec<Slot>,
}

/// What a walk may pick.
#[derive(Debug, Clone, Copy)]
pub struct RetrievalRule {
    /// Strategies at most.
    pub k: usize,
    /// The walk over a ranking by similarity ends below this cosine.
    pub min_similarity: f64,
    /// Whether items of the own group are passed over: what is learned is then transfer, and no look-up.
    pub exclude_same_group: bool,
}

/// A strategy that is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Retrieved {
    /// The strategy.
    pub strategy: Arc<Strategy>,
    /// Cosine similarity of its query and the query that it is shown for. `None` if it is the same for all queries.
    pub similarity: Option<f64>,
}

/// The texts of what is shown, in the order shown.
pub(super) fn texts(shown: &[Retrieved]) -> Vec<&str> {
    shown.iter().map(|shown| shown.strategy.text.as_str()).collect()
}

/// The items that it comes from, in the same order.
pub(super) fn sources(shown: &[Retrieved]) -> Vec<ItemId> {
    shown.iter().map(|shown| shown.strategy.source.clone()).collect()
}

/// One item's walk down its ranking. It goes on where it stopped.
#[derive(Debug)]
pub struct Walk {
    position: usize,
    block: Arc<[Ranked]>,
    at: usize,
    picked: Vec<Retrieved>,
}

/// Where a walk has come to.
#[derive(Debug, PartialEq)]
pub enum WalkState {
    /// Its end: what is shown, best first.
    End(Vec<Retrieved>),
    /// An item that is not decided yet, by its position.
    Pending(usize),
}

impl Repository {
    /// The empty repository of a stream of `n` items, all pending.
    #[must_use]
    pub fn new(n: usize) -> Self {
        Self { slots: vec![Slot::Pending; n] }
    }

    /// Settles what the item at `position` contributed.
    pub fn record_outcome(&mut self, position: usize, strategy: Option<Arc<Strategy>>) {
        self.slots[position] = strategy.map_or(Slot::None, Slot::Contributed);
    }

    /// The strategies, each with the position of its item, in the stream's order.
    pub fn strategies(&self) -> impl Iterator<Item = (usize, &Arc<Strategy>)> {
        self.slots.iter().enumerate().filter_map(|(position, slot)| match slot {
            Slot::Contributed(strategy) => Some((position, strategy)),
            Slot::Pending | Slot::None => None,
        })
    }
}

impl Walk {
    /// The walk for the item at `position`.
    #[must_use]
    pub fn new(rankings: &Rankings, position: usize) -> Self {
        Self { position, block: rankings.first_block(position), at: 0, picked: Vec::new() }
    }

    /// The position of the item that the walk is for.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// Walks down the ranking and picks the first `k` items that contributed; ends early below `min_similarity`.
    pub fn advance(&mut self, rankings: &Rankings, repository: &Repository, rule: RetrievalRule) -> WalkState {
        while self.picked.len() < rule.k {
            if self.at == self.block.len() {
                match rankings.longer(self.position, &self.block) {
                    Some(longer) => self.block = longer,
                    None => break,
                }
            }
            let Ranked { position, similarity } = self.block[self.at];
            if rankings.is_by_similarity() && similarity < rule.min_similarity {
                break;
            }
            if rule.exclude_same_group && rankings.are_siblings(self.position, position) {
                self.at += 1;
                continue;
            }
            match &repository.slots[position] {
                Slot::Pending => return WalkState::Pending(position),
                Slot::None => {}
                Slot::Contributed(strategy) => {
                    self.picked.push(Retrieved { strategy: Arc::clone(strategy), similarity: Some(similarity) });
                }
            }
            self.at += 1;
        }
        WalkState::End(std::mem::take(&mut self.picked))
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

    /// Five items, the last of which is most like the fourth, then the first, the third, the second.
    fn rankings() -> Rankings {
        let embedded = |cosine: f32| Embedded { vector: vec![cosine, (1.0 - cosine * cosine).sqrt()], tokens: 1 };
        let items = (0..5).map(|i: usize| item(i.to_string(), "g")).collect();
        let embeddings = [0.8, 0.1, 0.4, 0.9, 1.0].map(embedded).into_iter().collect();
        Rankings::new(Selection::Nearest, (&items, &embeddings), (&(0..5).collect(), 0), Seed(1), 0)
    }

    fn met(repository: &Repository, k: usize, min_similarity: f64) -> Result<Vec<String>, usize> {
        let rankings = rankings();
        match Walk::new(&rankings, 4).advance(
            &rankings,
            repository,
            RetrievalRule { k, min_similarity, exclude_same_group: false },
        ) {
            WalkState::End(shown) => Ok(shown.iter().map(|shown| shown.strategy.text.clone()).collect()),
            WalkState::Pending(position) => Err(position),
        }
    }

    #[test]
    fn the_walk_skips_what_contributed_nothing() {
        let mut repository = Repository::new(5);
        repository.record_outcome(0, None);
        for position in 1..4 {
            repository.record_outcome(position, Some(strategy(position)));
        }
        let names = |names: &[&str]| Ok(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(met(&repository, 2, -1.0), names(&["3", "2"]));
        assert_eq!(met(&repository, 9, -1.0), names(&["3", "2", "1"]));
        assert_eq!(met(&repository, 2, 0.5), names(&["3"]));
        assert_eq!(met(&repository, 0, -1.0), names(&[]));
        assert_eq!(repository.strategies().map(|(position, _)| position).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn siblings_are_passed_over_where_that_is_the_rule() {
        let mut repository = Repository::new(5);
        (0..4).for_each(|position| repository.record_outcome(position, Some(strategy(position))));
        let rankings = rankings();
        let rule = RetrievalRule { k: 2, min_similarity: -1.0, exclude_same_group: true };
        assert_eq!(
            Walk::new(&rankings, 4).advance(&rankings, &repository, rule),
            WalkState::End(Vec::new()),
            "all are of one group"
        );
    }

    #[test]
    fn the_walk_waits_only_for_what_it_meets_and_goes_on_from_there() {
        let mut repository = Repository::new(5);
        repository.record_outcome(3, Some(strategy(3)));
        assert_eq!(met(&repository, 1, -1.0), Ok(vec!["3".to_owned()]));
        assert_eq!(met(&repository, 2, -1.0), Err(0));
        let (rankings, rule) = (rankings(), RetrievalRule { k: 2, min_similarity: -1.0, exclude_same_group: false });
        let mut walk = Walk::new(&rankings, 4);
        assert_eq!(walk.advance(&rankings, &repository, rule), WalkState::Pending(0));
        repository.record_outcome(0, None);
        assert_eq!(walk.advance(&rankings, &repository, rule), WalkState::Pending(2));
        repository.record_outcome(2, Some(strategy(2)));
        let WalkState::End(shown) = walk.advance(&rankings, &repository, rule) else { panic!("all are decided") };
        assert_eq!(shown.iter().map(|shown| &*shown.strategy.text).collect::<Vec<_>>(), ["3", "2"]);
    }
}
