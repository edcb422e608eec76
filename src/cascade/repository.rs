//! The strategies of one stream, by the position of the item that each came from, and the walk that picks some.

use super::ranking::Ranked;
use crate::types::record::Strategy;

/// What is known of an earlier item's strategy.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Slot {
    /// Its item is not decided yet.
    Pending,
    /// Its item was not deferred, or gave no readable strategy.
    None,
    /// It can be shown.
    Contributed(Strategy),
}

/// The repository of the weak level in one cell.
#[derive(Debug)]
pub struct Repository {
    slots: Vec<Slot>,
    size: usize,
}

impl Repository {
    /// The empty repository of a stream of `n` items, all pending.
    #[must_use]
    pub fn new(n: usize) -> Self {
        Self { slots: vec![Slot::Pending; n], size: 0 }
    }

    /// Settles what the item at `position` contributed.
    pub fn settle(&mut self, position: usize, strategy: Option<Strategy>) {
        self.size += usize::from(strategy.is_some());
        self.slots[position] = strategy.map_or(Slot::None, Slot::Contributed);
    }

    /// Number of strategies.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// The strategy of the item at `position`, where there is one.
    #[must_use]
    pub fn strategy(&self, position: usize) -> Option<&Strategy> {
        match &self.slots[position] {
            Slot::Contributed(strategy) => Some(strategy),
            Slot::Pending | Slot::None => None,
        }
    }

    /// Walks down a ranking and picks the first `k` items that contributed; ends early below `min_similarity`,
    /// where one is given. None where the walk meets an item that is still pending.
    #[must_use]
    pub fn pick(&self, ranking: &[Ranked], k: usize, min_similarity: Option<f64>) -> Option<Vec<Ranked>> {
        let mut picked = Vec::new();
        for ranked in ranking {
            if picked.len() == k || min_similarity.is_some_and(|least| ranked.similarity < least) {
                break;
            }
            match self.slots[ranked.position] {
                Slot::Pending => return None,
                Slot::None => {}
                Slot::Contributed(_) => picked.push(*ranked),
            }
        }
        Some(picked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::item::ItemId;
    use crate::types::record::Score;

    fn strategy(name: &str) -> Strategy {
        Strategy {
            source: ItemId(name.into()),
            group: "g".into(),
            text: name.into(),
            model: "m".into(),
            source_score: Score::Correct,
        }
    }

    fn ranking() -> Vec<Ranked> {
        [(3, 0.9), (0, 0.8), (2, 0.4), (1, 0.1)].map(|(position, similarity)| Ranked { position, similarity }).to_vec()
    }

    fn picked(repository: &Repository, k: usize, least: Option<f64>) -> Option<Vec<usize>> {
        Some(repository.pick(&ranking(), k, least)?.iter().map(|r| r.position).collect())
    }

    #[test]
    fn the_walk_skips_what_contributed_nothing() {
        let mut repository = Repository::new(4);
        repository.settle(0, None);
        repository.settle(1, Some(strategy("1")));
        repository.settle(2, Some(strategy("2")));
        repository.settle(3, Some(strategy("3")));
        assert_eq!(picked(&repository, 2, None), Some(vec![3, 2]));
        assert_eq!(picked(&repository, 9, None), Some(vec![3, 2, 1]));
        assert_eq!(picked(&repository, 2, Some(0.5)), Some(vec![3]));
        assert_eq!(picked(&repository, 0, None), Some(vec![]));
        assert_eq!(repository.size(), 3);
    }

    #[test]
    fn the_walk_waits_only_for_what_it_meets() {
        let mut repository = Repository::new(4);
        repository.settle(3, Some(strategy("3")));
        assert_eq!(picked(&repository, 1, None), Some(vec![3]));
        assert_eq!(picked(&repository, 2, None), None);
    }
}
