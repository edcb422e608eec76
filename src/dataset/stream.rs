//! Selection of the stream's items from a data set, and their orders.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rand::seq::SliceRandom;

use crate::analysis::calibration::one_per_group;
use crate::types::item::Item;
use crate::types::seed::Seed;

/// Returns the items of the stream: the first `per_group` items of each group, then the first `limit` of these. The
/// file's order is preserved, so a file that lists a group's variants together keeps them together.
#[must_use]
pub fn take(mut items: Vec<Item>, per_group: Option<usize>, limit: Option<usize>) -> Vec<Item> {
    if let Some(most) = per_group {
        let mut counts: HashMap<Arc<str>, usize> = HashMap::new();
        items.retain(|item| {
            let count = counts.entry(Arc::clone(&item.group)).or_default();
            *count += 1;
            *count <= most
        });
    }
    items.truncate(limit.unwrap_or(usize::MAX));
    items
}

/// Returns the rank of each group in an order drawn by seed, from 0.
fn ranks(items: &[Item], seed: Seed) -> HashMap<Arc<str>, usize> {
    let mut groups: Vec<Arc<str>> = items.iter().map(|item| Arc::clone(&item.group)).collect();
    groups.sort_unstable();
    groups.dedup();
    groups.shuffle(&mut seed.stream(&["sample"]));
    groups.into_iter().zip(0..).collect()
}

/// Returns the items of `n` whole groups, drawn by seed, in the file's order. [`sample`] starts with the same
/// groups.
///
/// # Errors
/// The number of groups, if there are fewer than `n`.
pub fn sample_groups(mut items: Vec<Item>, n: usize, seed: Seed) -> Result<Vec<Item>, usize> {
    let rank = ranks(&items, seed);
    if rank.len() < n {
        return Err(rank.len());
    }
    items.retain(|item| rank[&item.group] < n);
    Ok(items)
}

/// Returns `n` items in the file's order, or all if there are fewer: whole groups, drawn by seed, and the first
/// items of the last group.
#[must_use]
pub fn sample(mut items: Vec<Item>, n: usize, seed: Seed) -> Vec<Item> {
    let rank = ranks(&items, seed);
    let mut drawn: Vec<usize> = (0..items.len()).collect();
    drawn.sort_by_key(|&index| rank[&items[index].group]);
    let drawn: HashSet<usize> = drawn.into_iter().take(n).collect();
    let mut index = 0..;
    items.retain(|_| index.next().is_some_and(|index| drawn.contains(&index)));
    items
}

/// Returns the indices of one item per group, drawn by seed, in the order of drawing.
#[must_use]
pub fn drawn_for_calibration(items: &[Item], seed: Seed) -> Vec<usize> {
    let mut rng = seed.stream(&["calibration"]);
    let groups: Vec<&str> = items.iter().map(|item| &*item.group).collect();
    let mut drawn = one_per_group(&groups, &mut rng);
    drawn.shuffle(&mut rng);
    drawn
}

/// Returns the `order`-th seeded permutation of `n` items: the item's index at each position.
#[must_use]
pub fn permutation(seed: Seed, order: usize, n: usize) -> Vec<usize> {
    let mut indices: Vec<usize> = (0..n).collect();
    indices.shuffle(&mut seed.stream(&["order", &order.to_string()]));
    indices
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the `i`-th item of a file in which three consecutive items form a group.
    fn item(i: usize) -> Item {
        crate::types::testing::item(i.to_string(), (i / 3).to_string())
    }

    #[test]
    fn a_sample_has_whole_groups_from_the_whole_file() {
        let drawn = |n, seed| -> Vec<usize> {
            let drawn = sample((0..300).map(item).collect(), n, Seed(seed));
            drawn.iter().map(|item| item.id.to_string().parse().expect("a number")).collect()
        };
        let ids = drawn(61, 7);
        assert_eq!(ids.len(), 61);
        assert!(ids.is_sorted(), "the file's order");
        let whole = (0..100).filter(|group| (0..3).all(|i| ids.contains(&(group * 3 + i)))).count();
        assert_eq!(whole, 20, "and of one more group the first item");
        assert!(ids.iter().filter(|&&id| id >= 150).count() > 15);
        assert_eq!(ids, drawn(61, 7));
        assert_ne!(ids, drawn(61, 8));
        assert_eq!(drawn(1000, 7).len(), 300);
    }

    #[test]
    fn a_sample_of_groups_keeps_each_group_whole() {
        let ids = |items: Vec<Item>| items.iter().map(|item| item.id.to_string()).collect::<Vec<_>>();
        let all = || (0..300).map(item).collect::<Vec<_>>();
        let drawn = |n, seed| sample_groups(all(), n, Seed(seed)).map(ids);
        let seven = drawn(20, 7).expect("there are 100 groups");
        assert_eq!(seven.len(), 60);
        assert_eq!(seven, ids(sample(all(), 60, Seed(7))), "the groups that a sample of as many items has");
        assert_ne!(Ok(seven), drawn(20, 8));
        assert_eq!(drawn(100, 7), Ok(ids(all())), "all groups, in the file's order");
        assert_eq!(drawn(101, 7), Err(100));

        // Groups of one to three items: a group counts once, whatever its size.
        let uneven =
            || all().into_iter().filter(|item| item.id.to_string().parse::<usize>().expect("a number") % 7 != 0);
        let drawn = sample_groups(uneven().collect(), 20, Seed(7)).expect("there are 100 groups");
        let groups: HashSet<&str> = drawn.iter().map(|item| &*item.group).collect();
        assert_eq!(groups.len(), 20);
        assert_eq!(drawn.len(), uneven().filter(|item| groups.contains(&*item.group)).count());
    }

    #[test]
    fn the_first_items_of_each_group_are_selected() {
        let ids = |per_group, limit| -> Vec<String> {
            take((0..9).map(item).collect(), per_group, limit).iter().map(|item| item.id.to_string()).collect()
        };
        assert_eq!(ids(Some(2), Some(5)), ["0", "1", "3", "4", "6"]);
        assert_eq!(ids(None, Some(2)), ["0", "1"]);
        assert_eq!(ids(None, None).len(), 9);
    }

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
