//! Metrics of confidence: calibration (ECE, Brier 1950) and ranking (AUROC, AURC). The order of items never breaks
//! ties of confidence.
#![expect(clippy::cast_precision_loss, reason = "counts of items")]

use std::cmp::Ordering;

/// Confidence and correctness of an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// Confidence, in [0, 1].
    pub confidence: f64,
    /// True if the answer is correct. No answer counts as wrong.
    pub right: bool,
}

/// A row of the reliability table: answers of neighbouring confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Lowest confidence in the row.
    pub low: f64,
    /// Highest confidence in the row.
    pub high: f64,
    /// Number of answers.
    pub n: usize,
    /// Mean confidence.
    pub confidence: f64,
    /// Share of correct answers.
    pub accuracy: f64,
}

/// Computes the reliability table by ascending confidence, with up to `bins` rows of equal mass. A row ends at a whole
/// multiple of n / bins answers or, if confidences are tied there, after the tie. So ties make fewer and unequal rows.
#[must_use]
pub fn reliability_table(answers: &[Judged], bins: usize) -> Vec<Bin> {
    let sorted = ascending(answers);
    let mut table = Vec::new();
    let mut start = 0;
    for bin in 1..=bins {
        let mut end = (bin * sorted.len() / bins).max(start);
        while end > start && end < sorted.len() && tied(&sorted[end - 1], &sorted[end]) {
            end += 1;
        }
        if let [first, .., last] | [first @ last] = &sorted[start..end] {
            let rows = &sorted[start..end];
            let n = rows.len();
            table.push(Bin {
                low: first.confidence,
                high: last.confidence,
                n,
                confidence: rows.iter().map(|answer| answer.confidence).sum::<f64>() / n as f64,
                accuracy: right(rows) as f64 / n as f64,
            });
        }
        start = end;
    }
    table
}

/// Counts the correct and the wrong answers in `bins` intervals of confidence of equal width between 0 and 1. The last
/// interval contains 1.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index within the bins")]
pub fn histogram(answers: &[Judged], bins: usize) -> Vec<[usize; 2]> {
    let mut counts = vec![[0; 2]; bins];
    for answer in answers {
        let index = (answer.confidence.clamp(0.0, 1.0) * bins as f64) as usize;
        if let Some(count) = counts.get_mut(index.min(bins.saturating_sub(1))) {
            count[usize::from(!answer.right)] += 1;
        }
    }
    counts
}

/// Computes the expected calibration error over the rows of a reliability table. Report the number of rows with it.
/// `None` without answers.
#[must_use]
pub fn ece(table: &[Bin]) -> Option<f64> {
    let n: usize = table.iter().map(|bin| bin.n).sum();
    let gaps: f64 = table.iter().map(|bin| bin.n as f64 * (bin.accuracy - bin.confidence).abs()).sum();
    (n > 0).then(|| gaps / n as f64)
}

/// Computes the Brier score: the mean squared distance of confidence from 1 (correct) or 0 (wrong). `None` without
/// answers.
#[must_use]
pub fn brier(answers: &[Judged]) -> Option<f64> {
    let squares: f64 =
        answers.iter().map(|answer| (answer.confidence - f64::from(u8::from(answer.right))).powi(2)).sum();
    (!answers.is_empty()).then(|| squares / answers.len() as f64)
}

/// Computes the probability that a correct answer has a greater confidence than a wrong one; ties count half. `None`
/// unless both kinds exist.
#[must_use]
pub fn auroc(answers: &[Judged]) -> Option<f64> {
    let sorted = ascending(answers);
    let (mut wrong_below, mut won) = (0, 0.0);
    for tie in sorted.chunk_by(tied) {
        let right = right(tie);
        let wrong = tie.len() - right;
        won += right as f64 * (wrong_below as f64 + wrong as f64 / 2.0);
        wrong_below += wrong;
    }
    let pairs = wrong_below * (sorted.len() - wrong_below);
    (pairs > 0).then(|| won / pairs as f64)
}

/// Computes the area under the risk-coverage curve: the mean, over c = 1..n, of the share of wrong answers among the c
/// most confident (Geifman and El-Yaniv 2017). Errors are spread evenly over tied answers, which equals the mean over
/// all their orders. `None` without answers.
#[must_use]
pub fn aurc(answers: &[Judged]) -> Option<f64> {
    let mut descending = ascending(answers);
    descending.reverse();
    let (mut accepted, mut errors, mut area) = (0.0, 0.0, 0.0);
    for tie in descending.chunk_by(tied) {
        let each = (tie.len() - right(tie)) as f64 / tie.len() as f64;
        for _ in tie {
            accepted += 1.0;
            errors += each;
            area += errors / accepted;
        }
    }
    (accepted > 0.0).then(|| area / accepted)
}

pub(super) fn ascending(answers: &[Judged]) -> Vec<Judged> {
    let mut sorted = answers.to_vec();
    sorted.sort_by(by_confidence);
    sorted
}

/// Compares confidences. -0.0 and 0.0 are equal.
fn by_confidence(a: &Judged, b: &Judged) -> Ordering {
    (a.confidence + 0.0).total_cmp(&(b.confidence + 0.0))
}

pub(super) fn tied(a: &Judged, b: &Judged) -> bool {
    by_confidence(a, b).is_eq()
}

pub(super) fn right(answers: &[Judged]) -> usize {
    answers.iter().filter(|answer| answer.right).count()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::analysis::fixtures::{close, fixture};

    #[derive(Deserialize)]
    struct Case {
        confidence: Vec<f64>,
        right: Vec<bool>,
        auroc: f64,
        brier: f64,
        aurc: f64,
        ece: f64,
        ece_bins: usize,
    }

    fn answers(rows: &[(f64, bool)]) -> Vec<Judged> {
        rows.iter().map(|(confidence, right)| Judged { confidence: *confidence, right: *right }).collect()
    }

    #[test]
    fn metrics_match_scikit_learn() {
        let case: Case = fixture("reliability");
        let rows: Vec<(f64, bool)> = case.confidence.into_iter().zip(case.right).collect();
        let mut answers = answers(&rows);
        for _ in 0..2 {
            close(auroc(&answers).expect("both kinds"), case.auroc, 1e-12);
            close(brier(&answers).expect("answers"), case.brier, 1e-12);
            close(aurc(&answers).expect("answers"), case.aurc, 1e-12);
            close(ece(&reliability_table(&answers, case.ece_bins)).expect("answers"), case.ece, 1e-12);
            answers.reverse();
        }
    }

    #[test]
    fn ties_are_never_split() {
        let mut rows = vec![(0.2, false); 3];
        rows.extend([(0.5, true), (0.5, false), (0.5, true), (0.5, true), (0.9, true), (0.95, true), (1.0, true)]);
        let table = reliability_table(&answers(&rows), 5);
        let rows: Vec<(f64, f64, usize)> = table.iter().map(|bin| (bin.low, bin.high, bin.n)).collect();
        assert_eq!(rows, [(0.2, 0.2, 3), (0.5, 0.5, 4), (0.9, 0.9, 1), (0.95, 1.0, 2)]);
        assert!((table[1].accuracy - 0.75).abs() < 1e-12);
    }

    #[test]
    fn a_histogram_counts_every_answer_once() {
        let rows = answers(&[(0.0, false), (0.249, true), (0.25, true), (0.5, false), (1.0, true), (0.999, false)]);
        assert_eq!(histogram(&rows, 4), [[1, 1], [1, 0], [0, 1], [1, 1]]);
        assert_eq!(histogram(&[], 2), [[0; 2]; 2]);
        assert_eq!(histogram(&rows, 0), [[0; 2]; 0]);
    }

    #[test]
    fn a_perfect_ranking_and_one_without_information() {
        let perfect = answers(&[(0.1, false), (0.4, false), (0.8, true), (0.9, true)]);
        assert_eq!(auroc(&perfect), Some(1.0));
        close(aurc(&perfect).expect("answers"), (0.0 + 0.0 + 1.0 / 3.0 + 0.5) / 4.0, 1e-12);
        let flat = answers(&[(0.5, false), (0.5, true), (0.5, true), (0.5, false)]);
        assert_eq!((auroc(&flat), aurc(&flat)), (Some(0.5), Some(0.5)));
    }

    #[test]
    fn both_zeros_are_one_confidence() {
        let rows =
            |zero: f64| answers(&[(0.0, true), (zero, false), (0.0, false), (zero, true), (1.0, true), (0.5, false)]);
        let [mixed, plain] = [rows(-0.0), rows(0.0)];
        assert_eq!((auroc(&mixed), aurc(&mixed)), (auroc(&plain), aurc(&plain)));
        assert_eq!(reliability_table(&mixed, 3).len(), reliability_table(&plain, 3).len());
        assert_eq!(ece(&reliability_table(&mixed, 3)), ece(&reliability_table(&plain, 3)));
    }

    #[test]
    fn metrics_without_answers_are_undefined() {
        assert_eq!((ece(&reliability_table(&[], 10)), brier(&[]), auroc(&[]), aurc(&[])), (None, None, None, None));
        assert_eq!(auroc(&answers(&[(0.3, true)])), None);
    }
}
