//! One ranking for every learning arm: the earlier items of the stream, best first. It is known before any model
//! has answered, so that what an item waits for can be told in advance.

use super::arm::Selection;
use crate::retrieval::Embedded;
use crate::retrieval::search::cosine;
use crate::types::item::Item;
use crate::types::seed::Seed;

/// An earlier item in the ranking.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    /// Its position in the stream.
    pub position: usize,
    /// Cosine similarity of its query and this one's.
    pub similarity: f64,
}

/// What a ranking is made from.
#[derive(Debug, Clone, Copy)]
pub struct Ranking<'a> {
    /// By similarity or at random.
    pub selection: Selection,
    /// The data set's items.
    pub items: &'a [Item],
    /// Each item's embedding.
    pub embeddings: &'a [Embedded],
    /// At each position of the stream, the item's index.
    pub stream: &'a [usize],
    /// Seed of the random ranking.
    pub seed: Seed,
    /// The stream's order, which the random ranking depends on.
    pub order: usize,
}

impl Ranking<'_> {
    /// The items before `position`, best first; equals stand in stream order.
    #[must_use]
    pub fn earlier(&self, position: usize) -> Vec<Ranked> {
        let here = self.stream[position];
        let mut ranked: Vec<Ranked> = (0..position)
            .map(|earlier| Ranked {
                position: earlier,
                similarity: cosine(&self.embeddings[here].vector, &self.embeddings[self.stream[earlier]].vector),
            })
            .collect();
        match self.selection {
            Selection::Nearest => ranked.sort_by(|a, b| b.similarity.total_cmp(&a.similarity)),
            Selection::Random => {
                let order = self.order.to_string();
                let id = |position: usize| self.items[self.stream[position]].id.0.as_str();
                ranked
                    .sort_by_cached_key(|r| self.seed.hash(&["random-strategy", &order, id(position), id(r.position)]));
            }
        }
        ranked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieval::hashed;
    use crate::types::item::{ItemId, Target};

    fn items(queries: &[&str]) -> Vec<Item> {
        queries
            .iter()
            .enumerate()
            .map(|(i, query)| Item {
                id: ItemId(i.to_string()),
                group: i.to_string(),
                query: (*query).to_owned(),
                options: Vec::new(),
                target: Target::Number("1".into()),
                solution: None,
            })
            .collect()
    }

    fn positions(selection: Selection, order: usize, position: usize) -> Vec<usize> {
        let items = items(&["red apples", "the moon", "red apples here", "a moon", "red apples"]);
        let embeddings: Vec<Embedded> = items.iter().map(|item| hashed::embed(&item.query)).collect();
        let stream = [0, 1, 2, 3, 4];
        let ranking =
            Ranking { selection, items: &items, embeddings: &embeddings, stream: &stream, seed: Seed(1), order };
        ranking.earlier(position).iter().map(|ranked| ranked.position).collect()
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
}
