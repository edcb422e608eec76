//! Shards: shares of the cells of a run, for runs that are spread over the tasks of a job array.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::arm::Arm;

/// Number of a share of a run: share `index` of `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// The whole run: shard 1 of 1.
    pub const WHOLE: Self = Self { index: 1, count: 1 };

    /// Returns shard `index` of `count`.
    ///
    /// # Errors
    /// If `index` is not between 1 and `count`.
    pub fn new(index: usize, count: usize) -> Result<Self, String> {
        if index == 0 || index > count {
            return Err(format!("shard {index} of {count} does not exist: shards are numbered from 1 to N, as in 1/4"));
        }
        Ok(Self { index, count })
    }

    /// Number of this shard, from 1 to [`Shard::count`].
    #[must_use]
    pub fn index(self) -> usize {
        self.index
    }

    /// Number of shards of the run.
    #[must_use]
    pub fn count(self) -> usize {
        self.count
    }

    /// True if the run is not divided.
    #[must_use]
    pub fn is_whole(self) -> bool {
        self.count == 1
    }

    /// Name of the shard's folder, inside the folder of the run.
    #[must_use]
    pub fn folder_name(self) -> String {
        format!("shard-{}-of-{}", self.index, self.count)
    }

    /// Shard whose folder this is, by the folder's name. `None` for any other folder.
    #[must_use]
    pub fn of_folder(folder: &Path) -> Option<Self> {
        let (index, count) = folder.file_name()?.to_str()?.strip_prefix("shard-")?.split_once("-of-")?;
        let shard = Self::new(index.parse().ok()?, count.parse().ok()?).ok()?;
        (folder.ends_with(shard.folder_name()) && !shard.is_whole()).then_some(shard)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        let (index, count) =
            numbers.ok_or_else(|| format!("`{text}` is not a shard I/N: write the second of four as 2/4"))?;
        Self::new(index, count)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {} of {}", self.index, self.count)
    }
}

/// Place of a cell among the cells of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CellPlace {
    /// Arm.
    pub arm: Arm,
    /// Zero-based order of the stream.
    pub order: usize,
    /// Zero-based place of λ among the thresholds of the arm; 0 for an arm with one λ or none.
    pub lambda: usize,
}

/// A cell of a run that is divided, and the shard that runs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShardCell {
    /// Place of the cell.
    #[serde(flatten)]
    pub place: CellPlace,
    /// Threshold λ. `None` if the arm has none, or if it is calibrated by the shards that run the arm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Number of the shard that runs the cell.
    pub shard: usize,
}

/// Assignment of cells, or of whole runs, to shards. It depends on the number of shards and on the steps alone, so
/// every shard computes the same one.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// Number of steps of each shard so far.
    steps: Vec<usize>,
}

impl Assignment {
    /// Assignment to `count` shards.
    #[must_use]
    pub fn to(count: usize) -> Self {
        Self { steps: vec![0; count.max(1)] }
    }

    /// Assigns a piece of work with this number of steps to the shard with the fewest steps, the first one of several,
    /// and returns the number of that shard. No two shards differ by more than the largest piece.
    pub fn next(&mut self, steps: usize) -> usize {
        let mut least = 0;
        for (shard, sum) in self.steps.iter().enumerate() {
            if *sum < self.steps[least] {
                least = shard;
            }
        }
        self.steps[least] += steps;
        least + 1
    }

    /// Numbers of the shards of pieces with these steps, in the order of the pieces.
    #[must_use]
    pub fn of(count: usize, steps: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let mut assignment = Self::to(count);
        steps.into_iter().map(|steps| assignment.next(steps)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn shard_is_read_from_text_and_folder_name() {
        let second = Shard::new(2, 4).expect("a shard");
        assert_eq!("2/4".parse(), Ok(second));
        assert_eq!("1/1".parse(), Ok(Shard::WHOLE));
        assert_eq!(Shard::of_folder(Path::new("results/trial/shard-2-of-4")), Some(second));
        for other in ["shard-2-of-4x", "shard-02-of-4", "shard-5-of-4", "shard-1-of-1", "trial", ".."] {
            assert_eq!(Shard::of_folder(Path::new(other)), None, "{other}");
        }
        for wrong in ["0/4", "5/4", "2", "2/", "a/b", "-1/4", "1/0"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_number_of_shards_divides_the_work_evenly(
            steps in prop::collection::vec(0_usize..500, 0..80),
            count in 1_usize..20,
        ) {
            let shards = Assignment::of(count, steps.iter().copied());
            prop_assert_eq!(shards.len(), steps.len());
            prop_assert!(shards.iter().all(|shard| (1..=count).contains(shard)));
            let of = |shard: usize| shards.iter().zip(&steps).filter(|(own, _)| **own == shard).map(|(_, n)| n).sum::<usize>();
            let sums: Vec<usize> = (1..=count).map(of).collect();
            prop_assert_eq!(sums.iter().sum::<usize>(), steps.iter().sum::<usize>());
            let (least, most) = (sums.iter().min().expect("a shard"), sums.iter().max().expect("a shard"));
            prop_assert!(most - least <= steps.iter().copied().max().unwrap_or(0));
            // A longer list does not change the shards of its beginning.
            let half = steps.len() / 2;
            prop_assert_eq!(&shards[..half], &Assignment::of(count, steps[..half].iter().copied())[..]);
        }
    }
}
