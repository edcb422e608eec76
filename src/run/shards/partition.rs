//! Division of a run's cells among the shards. Every shard computes the same division, without communication.

use std::collections::BTreeSet;

use crate::cascade::experiment::Cells;
use crate::report::manifest::ShardPart;
use crate::types::arm::Arm;
use crate::types::shard::{Assignment, CellPlace, Shard, ShardCell};

/// Cells of a run with the shard that runs each of them.
pub(in crate::run) struct Partition {
    shard: Shard,
    assignment: Assignment,
    cells: Vec<ShardCell>,
    everywhere: Option<Arm>,
}

impl Partition {
    /// Division of a run, as `shard` sees it. A whole run has all cells.
    pub(in crate::run) fn of(shard: Shard) -> Self {
        Self { shard, assignment: Assignment::to(shard.count()), cells: Vec::new(), everywhere: None }
    }

    /// Assigns further cells in the order of the records, by their steps. Cells of the arm `everywhere` count no steps,
    /// because every shard runs them.
    pub(in crate::run) fn add(&mut self, cells: &Cells, everywhere: Option<Arm>) {
        self.everywhere = self.everywhere.or(everywhere);
        for place in cells.places() {
            let steps = if Some(place.arm) == everywhere { 0 } else { cells.steps_of(place) };
            self.cells.push(ShardCell { place, threshold: None, shard: self.assignment.next(steps) });
        }
    }

    /// Arm whose cells every shard runs. `None` if there is none.
    pub(in crate::run) fn everywhere(&self) -> Option<Arm> {
        self.everywhere
    }

    /// Cells of all shards so far, in the order of the records.
    pub(in crate::run) fn cells(&self) -> &[ShardCell] {
        &self.cells
    }

    /// Places of this shard's cells so far. `None` for a whole run.
    pub(in crate::run) fn own(&self) -> Option<BTreeSet<CellPlace>> {
        let own = || self.cells.iter().filter(|cell| cell.shard == self.shard.index());
        (!self.shard.is_whole()).then(|| own().map(|cell| cell.place).collect())
    }

    /// True if this shard has a cell of the arm, so far.
    pub(in crate::run) fn has(&self, arm: Arm) -> bool {
        self.cells.iter().any(|cell| cell.place.arm == arm && cell.shard == self.shard.index())
    }

    /// Notes λ for the cells of these arms, whichever shard runs them.
    pub(in crate::run) fn note_thresholds(&mut self, cells: &Cells) {
        for cell in &mut self.cells {
            cell.threshold = cell.threshold.or_else(|| cells.threshold_of(cell.place));
        }
    }

    /// The share in the manifest of a shard that has begun. `None` for a whole run.
    pub(in crate::run) fn begun(&self) -> Option<ShardPart> {
        let (index, count) = (self.shard.index(), self.shard.count());
        (!self.shard.is_whole()).then(|| ShardPart { index, count, ..ShardPart::default() })
    }

    /// The share as the manifest stores it, with warnings that hold for the whole run. `None` for a whole run.
    pub(in crate::run) fn part(self, warnings: Vec<String>) -> Option<ShardPart> {
        let (index, count) = (self.shard.index(), self.shard.count());
        (!self.shard.is_whole()).then_some(ShardPart { index, count, cells: self.cells, warnings })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

    use super::*;
    use crate::cascade::gate::DeferralGate;

    /// Cells with this number of thresholds for each arm.
    fn cells(thresholds: &[usize], orders: usize, items: usize, warmup: usize) -> Cells {
        let gate = || Arc::from([DeferralGate { threshold: 0.5, recalibration: None, checks: Arc::from([]) }]);
        let arms = Arm::ALL.into_iter().zip(thresholds);
        Cells {
            arms: arms.map(|(arm, count)| (arm, (0..*count).map(|_| gate()).collect())).collect(),
            orders: (0..orders).map(|_| (0..items).collect()).collect(),
            warmup: (0..warmup).collect(),
            only: None,
        }
    }

    proptest! {
        #[test]
        fn any_number_of_shards_runs_each_cell_exactly_once(
            thresholds in prop::collection::vec(0_usize..5, 1..13),
            orders in 1_usize..5,
            items in 1_usize..50,
            warmup in 0_usize..20,
            count in 2_usize..9,
            free in any::<bool>(),
        ) {
            let cells = cells(&thresholds, orders, items, warmup);
            let all: Vec<CellPlace> = cells.places().collect();
            let mut seen = Vec::new();
            let mut steps = Vec::new();
            for index in 1..=count {
                let mut partition = Partition::of(Shard::new(index, count).expect("a shard"));
                partition.add(&cells, free.then_some(Arm::WeakOnly));
                let own = partition.own().expect("a shard");
                prop_assert!(own.iter().all(|place| partition.has(place.arm)));
                let part = partition.part(Vec::new()).expect("a shard");
                prop_assert_eq!(part.cells.iter().map(|cell| cell.place).collect::<Vec<_>>(), all.clone());
                prop_assert_eq!(part.own().map(|cell| cell.place).collect::<BTreeSet<_>>(), own.clone());
                let counted = own.iter().filter(|place| !free || place.arm != Arm::WeakOnly);
                steps.push(counted.map(|place| cells.steps_of(*place)).sum::<usize>());
                seen.extend(own);
            }
            let mut expected = all;
            expected.sort();
            seen.sort();
            prop_assert_eq!(seen, expected);
            let spread = steps.iter().max().expect("a shard") - steps.iter().min().expect("a shard");
            prop_assert!(spread <= items + warmup, "{steps:?}");
        }
    }
}
