//! Threshold grid chosen from the observed confidences, dense enough that a curve misses no large step.

/// Selects at most `count` distinct confidences as thresholds, ascending. The least and the greatest are always
/// included. Next come both ends of every large step, greatest step first: a confidence that more than 1/`count` of
/// the answers share, and the next confidence, since no threshold lies between the two. The others halve the widest
/// gap, counted in deferred answers.
#[must_use]
pub fn grid(confidences: &[f64], count: usize) -> Vec<f64> {
    let mut sorted = confidences.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut values: Vec<f64> = sorted.clone();
    values.dedup();
    if values.len() <= count {
        return values;
    }
    // Number of answers that each value defers as a threshold.
    let below: Vec<usize> =
        values.iter().map(|value| sorted.partition_point(|confidence| confidence < value)).collect();
    let last = values.len() - 1;
    if count <= 1 {
        let middle = nearest(&below, 0, last, below[last]);
        return values.get(middle).copied().filter(|_| count == 1).into_iter().collect();
    }
    let mut chosen = vec![false; values.len()];
    chosen[0] = true;
    chosen[last] = true;
    let mut left = count - 2;
    let mut steps: Vec<usize> = (0..last).filter(|at| (below[at + 1] - below[*at]) * count > sorted.len()).collect();
    steps.sort_by_key(|at| std::cmp::Reverse(below[at + 1] - below[*at]));
    for end in steps.into_iter().flat_map(|at| [at, at + 1]) {
        if left > 0 && !chosen[end] {
            chosen[end] = true;
            left -= 1;
        }
    }
    while left > 0 {
        let indices: Vec<usize> = (0..values.len()).filter(|index| chosen[*index]).collect();
        let gaps = indices.windows(2).filter(|pair| pair[1] - pair[0] > 1);
        // Ties go to the first gap.
        let Some(widest) = gaps.rev().max_by_key(|pair| below[pair[1]] - below[pair[0]]) else { break };
        chosen[nearest(&below, widest[0], widest[1], below[widest[0]] + below[widest[1]])] = true;
        left -= 1;
    }
    values.into_iter().zip(chosen).filter_map(|(value, chosen)| chosen.then_some(value)).collect()
}

/// Returns the index strictly between `from` and `to` whose count is nearest to half of `twice`, or `from` if none
/// lies between.
fn nearest(below: &[usize], from: usize, to: usize, twice: usize) -> usize {
    (from + 1..to).min_by_key(|index| (2 * below[*index]).abs_diff(twice)).unwrap_or(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_confidences_are_thinned_evenly_with_both_ends() {
        let values: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(grid(&values, 3), [0.0, 49.0, 99.0]);
        assert_eq!(grid(&values, 5), [0.0, 24.0, 49.0, 74.0, 99.0]);
        assert_eq!(grid(&values, 1), [49.0]);
        assert_eq!((grid(&values[..2], 5), grid(&[], 5)), (vec![0.0, 1.0], vec![]));
    }

    #[test]
    fn both_ends_of_a_large_step_are_thresholds() {
        // 108 of 267 answers have confidence 0, forty have 0.9; the others differ.
        let mut confidences = vec![0.0; 108];
        confidences.extend((0..118).map(|at| 0.5 + f64::from(at) / 1000.0));
        confidences.extend([0.9; 40]);
        confidences.push(0.95);
        let found = grid(&confidences, 8);
        assert_eq!(found.len(), 8);
        // Deferred: 0 at λ 0, 108 at the next, 226 at 0.9, 266 at 0.95.
        assert!([0.0, 0.5, 0.9, 0.95].iter().all(|threshold| found.contains(threshold)), "{found:?}");
        // The remaining four halve the 118 answers between.
        let between = found.iter().filter(|threshold| (0.501..0.7).contains(*threshold)).count();
        assert_eq!(between, 4);
        assert_eq!(grid(&confidences, 3), [0.0, 0.5, 0.95], "the greatest step first");
    }
}
