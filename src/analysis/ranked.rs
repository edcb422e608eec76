//! Answers sorted by confidence, with their groups: computes confidence metrics on a resample of groups without
//! sorting again.
#![expect(clippy::cast_precision_loss, reason = "counts of items")]

use std::collections::{BTreeMap, BTreeSet};

use super::reliability::{Judged, tied};
use super::stats::FEWEST;

/// AUROC, ECE and Brier score, as in [`super::reliability`]. `None` if a metric is undefined.
pub type ConfidenceQuality = [Option<f64>; 3];

/// Answers by ascending confidence.
#[derive(Debug, Clone)]
pub struct Ranked {
    /// Each answer with the index of its group.
    answers: Vec<(usize, Judged)>,
    /// End index of each run of tied answers.
    ties: Vec<usize>,
    /// Number of groups.
    groups: usize,
    /// True if enough groups have a correct answer, and enough a wrong one, for an interval of the AUROC.
    both: bool,
}

impl Ranked {
    /// Sorts the answers of groups.
    #[must_use]
    pub fn new<K: Ord>(rows: &[(K, Judged)]) -> Self {
        let names: BTreeSet<&K> = rows.iter().map(|(group, _)| group).collect();
        let indices: BTreeMap<&K, usize> = names.into_iter().zip(0..).collect();
        let mut answers: Vec<(usize, Judged)> = rows.iter().map(|(group, judged)| (indices[group], *judged)).collect();
        answers.sort_by(|(_, a), (_, b)| (a.confidence + 0.0).total_cmp(&(b.confidence + 0.0)));
        let mut ties = Vec::new();
        for tie in answers.chunk_by(|(_, a), (_, b)| tied(a, b)) {
            ties.push(ties.last().unwrap_or(&0) + tie.len());
        }
        let groups_with = |right: bool| {
            let some: BTreeSet<usize> =
                answers.iter().filter(|(_, answer)| answer.right == right).map(|(group, _)| *group).collect();
            some.len()
        };
        let both = groups_with(true) >= FEWEST && groups_with(false) >= FEWEST;
        Self { ties, groups: indices.len(), both, answers }
    }

    /// Number of groups.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// True if enough groups have a correct answer, and enough a wrong one, for an interval of the AUROC.
    #[must_use]
    pub fn has_both(&self) -> bool {
        self.both
    }

    /// Computes the metrics if each group occurs `times` times, with up to `bins` rows of equal mass for the ECE.
    #[must_use]
    pub fn metrics(&self, times: &[u32], bins: u64) -> ConfidenceQuality {
        let n: u64 = self.answers.iter().map(|(group, _)| u64::from(times[*group])).sum();
        let (mut seen, mut wrong_below, mut won, mut squares, mut gaps) = (0_u64, 0_u64, 0.0, 0.0, 0.0);
        // A row ends at a whole multiple of n / bins, or after the tie at that point. Rows that would be empty are
        // skipped.
        let next = |closed: u64| (1..=bins).map(|row| row * n / bins).find(|end| *end > closed);
        // Of the current row: correct answers less confidence, and its end.
        let (mut gap, mut row) = (0.0, next(0));
        let mut start = 0;
        for end in &self.ties {
            let (mut all, mut right) = (0, 0);
            let confidence = self.answers[start].1.confidence;
            for (group, answer) in &self.answers[start..*end] {
                all += u64::from(times[*group]);
                right += if answer.right { u64::from(times[*group]) } else { 0 };
            }
            start = *end;
            let wrong = all - right;
            won += right as f64 * (wrong_below as f64 + wrong as f64 / 2.0);
            wrong_below += wrong;
            seen += all;
            squares += right as f64 * (confidence - 1.0).powi(2) + wrong as f64 * confidence.powi(2);
            gap += right as f64 - all as f64 * confidence;
            if row.is_some_and(|end| seen >= end) {
                gaps += gap.abs();
                (gap, row) = (0.0, next(seen));
            }
        }
        let pairs = wrong_below * (n - wrong_below);
        let share = |sum: f64| (n > 0).then(|| sum / n as f64);
        [(pairs > 0).then(|| won / pairs as f64), share(gaps), share(squares)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    use crate::analysis::fixtures::{close, fixture};
    use crate::analysis::reliability::{auroc, brier, ece, reliability_table};
    use crate::analysis::stats::Draws;
    use crate::analysis::stats::bootstrap::Population;
    use crate::types::seed::Seed;

    #[test]
    fn metrics_of_a_resample_equal_those_of_its_answers() {
        let unit = |what: &str, i: usize| Seed(3).unit(&[what, &i.to_string()]);
        let rows: Vec<(usize, Judged)> = (0..90)
            .map(|i| {
                // A third of the answers share ten confidences, some of them 0.
                let confidence = unit("confidence", i);
                let confidence = if i % 3 == 0 { (confidence * 10.0).floor() / 10.0 } else { confidence };
                (i / 3, Judged { confidence, right: unit("right", i) < confidence })
            })
            .collect();
        let ranked = Ranked::new(&rows);
        assert_eq!((ranked.groups(), ranked.has_both()), (30, true));
        for resample in 0..60 {
            let drawn = |group: usize| Seed(3).hash(&["times", &resample.to_string(), &group.to_string()]) % 3;
            let times: Vec<u32> = (0..30).map(|group| u32::try_from(drawn(group)).expect("below 3")).collect();
            let times = if resample == 0 { vec![1; 30] } else { times };
            let written: Vec<Judged> =
                rows.iter().flat_map(|(group, judged)| (0..times[*group]).map(|_| *judged)).collect();
            let plain = [auroc(&written), ece(&reliability_table(&written, 10)), brier(&written)];
            for (ours, plain) in ranked.metrics(&times, 10).into_iter().zip(plain) {
                let (ours, plain) = (ours.expect("defined"), plain.expect("defined"));
                assert!((ours - plain).abs() < 1e-12, "resample {resample}: {ours} and {plain}");
            }
        }
        assert_eq!(ranked.metrics(&[0; 30], 10), [None; 3]);
    }

    #[test]
    fn intervals_over_groups_match_scipy() {
        #[derive(Deserialize)]
        struct Figure {
            value: f64,
            low: f64,
            high: f64,
        }
        #[derive(Deserialize)]
        struct Case {
            rows: Vec<(u32, f64, bool)>,
            auroc: Figure,
            ece: Figure,
            brier: Figure,
        }
        let case: Case = fixture("confidence_by_group");
        let rows: Vec<(u32, Judged)> = case
            .rows
            .iter()
            .map(|(group, confidence, right)| (*group, Judged { confidence: *confidence, right: *right }))
            .collect();
        let ranked = Ranked::new(&rows);
        let draws = Draws { seed: Seed(7), labels: &["test"], count: 20_000 };
        let found = Population::distinct(50).bias_corrected(draws, |times| ranked.metrics(times, 10).to_vec());
        for (ours, theirs) in found.into_iter().zip([case.auroc, case.ece, case.brier]) {
            let ours = ours.expect("defined");
            close(ours.value, theirs.value, 1e-12);
            let ends = ours.interval.expect("50 groups");
            close(ends.low, theirs.low, 6e-3);
            close(ends.high, theirs.high, 6e-3);
        }
    }

    #[test]
    fn auroc_interval_needs_three_wrong_answers() {
        let rows = |wrong: u32| -> Vec<(u32, Judged)> {
            (0..30).map(|i| (i, Judged { confidence: f64::from(i) / 30.0, right: i >= wrong })).collect()
        };
        assert_eq!([1, 2, 3].map(|wrong| Ranked::new(&rows(wrong)).has_both()), [false, false, true]);
    }
}
