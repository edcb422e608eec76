//! Overlap of two sets of items, such as calibration items and stream: shared groups, and nearly identical
//! questions.

use std::collections::BTreeSet;

use super::search::cosine;
use crate::types::embedding::Embedded;
use crate::types::item::{Item, ItemId};

/// Default cosine from which two questions count as near-duplicates. Among GSM8K's test questions, one in ten has a
/// nearest neighbour with a cosine above 0.75.
pub const NEAR: f64 = 0.9;

/// A question of one set and the most similar question of the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// Item of the first set.
    pub one: ItemId,
    /// Item of the second set.
    pub other: ItemId,
    /// Cosine of the embeddings of the two queries.
    pub similarity: f64,
}

/// Overlap of two sets.
#[derive(Debug, Clone, PartialEq)]
pub struct Leakage {
    /// Number of groups with items in both sets.
    pub shared_groups: usize,
    /// Items of the first set with a near-duplicate in the second set, the most similar pairs first.
    pub near: Vec<Pair>,
}

/// Compares two sets, each given as items with their embeddings in the same order. Two questions are
/// near-duplicates if their cosine is at least `threshold`.
#[must_use]
pub fn leakage(one: (&[Item], &[Embedded]), other: (&[Item], &[Embedded]), threshold: f64) -> Leakage {
    // An item that is its own group may only have the number of its row as a name, which means nothing in another
    // file.
    let named = |item: &&Item| *item.group != *item.id.0;
    let groups =
        |items: &[Item]| items.iter().filter(named).map(|item| item.group.to_string()).collect::<BTreeSet<_>>();
    let shared_groups = groups(one.0).intersection(&groups(other.0)).count();
    let nearest = |(item, embedded): (&Item, &Embedded)| {
        let similar = other.0.iter().zip(other.1).map(|(candidate, row)| {
            let similarity = cosine(&embedded.vector, &row.vector);
            Pair { one: item.id.clone(), other: candidate.id.clone(), similarity }
        });
        similar.max_by(|a, b| a.similarity.total_cmp(&b.similarity)).filter(|pair| pair.similarity >= threshold)
    };
    let mut near: Vec<Pair> = one.0.iter().zip(one.1).filter_map(nearest).collect();
    near.sort_by(|a, b| b.similarity.total_cmp(&a.similarity));
    Leakage { shared_groups, near }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieval::hashed;
    use crate::types::testing;

    fn set(rows: &[(&str, &str, &str)]) -> (Vec<Item>, Vec<Embedded>) {
        let item =
            |(id, group, query): &(&str, &str, &str)| Item { query: (*query).to_owned(), ..testing::item(*id, *group) };
        (rows.iter().map(item).collect(), rows.iter().map(|row| hashed::embed(row.2)).collect())
    }

    #[test]
    fn shared_groups_and_near_duplicates_are_found() {
        let (one, one_rows) = set(&[
            ("a", "x", "Ann has five red pens."),
            ("b", "y", "How far is the moon?"),
            ("c", "z", "Two and two?"),
        ]);
        let (other, other_rows) = set(&[("d", "x", "A boat sails north."), ("e", "w", "How far is the moon?")]);
        let found = leakage((&one, &one_rows), (&other, &other_rows), NEAR);
        assert_eq!((found.shared_groups, found.near.len()), (1, 1));
        assert_eq!((&*found.near[0].one.0, &*found.near[0].other.0), ("b", "e"));
        assert_eq!(leakage((&one, &one_rows), (&[], &[]), NEAR), Leakage { shared_groups: 0, near: Vec::new() });
    }
}
