use proptest::prelude::*;
use rand::RngExt;
use rayon::prelude::*;

use super::*;
use crate::types::seed::Seed;

const GUARANTEE: Guarantee = Guarantee { alpha: 0.15, delta: 0.1, min_accepted: 30 };

fn judged(confidence: f64, right: bool) -> Judged {
    Judged { confidence, right }
}

/// Returns `n` answers with confidences n/n, (n-1)/n, .... The answers at the indices `wrong`, counted from the most
/// confident, are wrong.
fn ladder(n: u32, wrong: &[u32]) -> Vec<Judged> {
    (0..n).map(|i| judged(f64::from(n - i) / f64::from(n), !wrong.contains(&i))).collect()
}

#[test]
fn grids_are_descending_and_include_both_ends() {
    assert_eq!(Grid::Uniform(4).candidates(), [1.0, 0.75, 0.5, 0.25, 0.0]);
    let logit = Grid::Logit.candidates();
    assert_eq!((logit.len(), logit[0], logit[501], logit[1002]), (1003, 1.0, 0.5, 0.0));
    assert!(logit.is_sorted_by(|a, b| a > b));
    assert!(logit[1] > 1.0 - 1.1e-9);
}

#[test]
fn sets_too_small_to_certify_are_skipped() {
    let needed = |alpha, delta, min_accepted| Guarantee { alpha, delta, min_accepted }.needed();
    assert_eq!(needed(0.15, 0.1, 30), 30);
    assert_eq!((needed(0.05, 0.05, 30), needed(0.05, 0.1, 0)), (59, 45));
    for n in [1, 30, 59, 1000] {
        let alpha = smallest_certifiable_alpha(n, 0.1);
        assert!(needed(alpha * (1.0 + 1e-9), 0.1, 1) <= n && needed(alpha * (1.0 - 1e-9), 0.1, 1) > n);
    }
    assert!((smallest_certifiable_alpha(30, 0.1) - 0.0739).abs() < 5e-5);
    // Three of the most confident answers are wrong. Testing begins only at sixty answers, among which three may be
    // wrong.
    let larger = Guarantee { min_accepted: 60, ..GUARANTEE };
    let Outcome::Certified(found) = calibrate(&ladder(100, &[0, 1, 2]), Grid::Uniform(100), larger) else {
        panic!("the bound of 3 in 60 is below 0.15")
    };
    assert_eq!((found.threshold, found.n, found.errors), (0.0, 100, 3));
}

#[test]
fn the_first_failure_ends_the_sequence() {
    // Two errors in 31 fail at α = 0.15, δ = 0.1; two in 100 would pass.
    let first = calibrate(&ladder(100, &[3, 30]), Grid::Uniform(100), GUARANTEE);
    let Outcome::Certified(found) = first else { panic!("one error in 30 passes") };
    assert_eq!((found.threshold, found.n, found.errors), (0.71, 30, 1));
    assert!((found.coverage - 0.3).abs() < 1e-12 && (found.risk - 1.0 / 30.0).abs() < 1e-12);
    assert!((found.bound - upper_bound(1, 30, 0.1)).abs() < 1e-15 && found.bound <= 0.15);
}

#[test]
fn ties_are_tested_together() {
    let mut answers = vec![judged(0.9, true); 40];
    answers[7].right = false;
    answers[8].right = false;
    answers.extend(vec![judged(0.5, false); 9]);
    let Outcome::Certified(found) = calibrate(&answers, Grid::Uniform(1000), GUARANTEE) else {
        panic!("two errors in 40 pass")
    };
    assert_eq!((found.n, found.errors), (40, 2));
    assert!((found.threshold - 0.501).abs() < 1e-12, "the loosest candidate that accepts the same answers");
}

#[test]
fn impossible_and_failing_sets_have_their_outcomes() {
    let few = calibrate(&ladder(29, &[]), Grid::Uniform(1000), GUARANTEE);
    assert_eq!(few, Outcome::Impossible { n: 29, needed: 30 });
    assert_eq!(calibrate(&[], Grid::Logit, GUARANTEE), Outcome::Impossible { n: 0, needed: 30 });
    let bad = calibrate(&ladder(100, &[1, 2, 3, 4]), Grid::Uniform(1000), GUARANTEE);
    let Outcome::NothingCertified(first) = bad else { panic!("four errors in 30 fail") };
    assert_eq!((first.n, first.errors, bad.threshold()), (30, 4, None));
    assert!(first.bound > 0.15);
}

/// The reference implementation looks ahead with a fixed step, and so may stop before its grid would.
#[test]
fn the_step_is_that_of_the_grid() {
    for n in [7, 100, 1000, 5000] {
        let Outcome::Certified(found) = calibrate(&ladder(200, &[150, 151]), Grid::Uniform(n), GUARANTEE) else {
            panic!("the surest 150 are right")
        };
        assert_eq!(found.n, 200, "with {n} steps");
    }
}

/// The reference implementation computes the error count from a float32 rate, which turns 3 of 37 into 2.
#[test]
fn errors_are_counted_in_integers() {
    for (delta, bound) in [(0.1, 0.171_724_532_935_993_7), (0.05, 0.196_428_939_824_466_16)] {
        let guarantee = Guarantee { alpha: bound - 1e-9, delta, min_accepted: 37 };
        let answers = ladder(37, &[4, 20, 36]);
        let Outcome::NothingCertified(found) = calibrate(&answers, Grid::Uniform(1000), guarantee) else {
            panic!("the bound of 3 in 37 is above α")
        };
        assert_eq!((found.n, found.errors), (37, 3));
        assert!((found.bound - bound).abs() < 1e-10);
        let certified = calibrate(&answers, Grid::Uniform(1000), Guarantee { alpha: bound + 1e-9, ..guarantee });
        assert!(certified.threshold().is_some());
    }
}

/// The reference implementation fails to compute a bound if all answers are wrong.
#[test]
fn answers_that_are_all_wrong_have_the_bound_1() {
    let all: Vec<u32> = (0..50).collect();
    let Outcome::NothingCertified(found) = calibrate(&ladder(50, &all), Grid::Uniform(1000), GUARANTEE) else {
        panic!("all are wrong")
    };
    assert!((found.risk - 1.0).abs() < 1e-15 && (found.bound - 1.0).abs() < 1e-15);
}

/// The reference implementation returns its strictest threshold if nothing passes.
#[test]
fn a_failing_set_has_no_threshold() {
    let answers: Vec<Judged> = (0..200).map(|i| judged(f64::from(i % 10) / 10.0, i % 3 > 0)).collect();
    let outcome = calibrate(&answers, Grid::Uniform(1000), GUARANTEE);
    assert!(matches!(outcome, Outcome::NothingCertified(_)));
    assert_eq!(outcome.threshold(), None);
}

#[test]
fn bounds_match_known_values() {
    let known = [
        (0, 30, 0.0950, 0.0739),
        (0, 50, 0.0582, 0.0450),
        (0, 100, 0.0295, 0.0228),
        (5, 100, 0.1023, 0.0908),
        (15, 200, 0.1131, 0.1048),
    ];
    for (k, n, at_5, at_10) in known {
        assert!((upper_bound(k, n, 0.05) - at_5).abs() < 5.1e-5, "{k} of {n}");
        assert!((upper_bound(k, n, 0.1) - at_10).abs() < 5.1e-5, "{k} of {n}");
    }
}

#[test]
fn one_item_of_each_group_is_drawn_uniformly() {
    let groups = ["b", "a", "b", "c", "b"];
    let mut rng = Seed(4).stream(&["calibration"]);
    let mut drawn = [0_i32; 5];
    for _ in 0..9000 {
        let picked = one_per_group(&groups, &mut rng);
        assert!(picked.len() == 3 && picked.is_sorted());
        for index in picked {
            drawn[index] += 1;
        }
    }
    assert_eq!((drawn[1], drawn[3]), (9000, 9000));
    assert!([0, 2, 4].into_iter().all(|index: usize| (drawn[index] - 3000).abs() < 200), "{drawn:?}");
}

proptest! {
    #[test]
    fn outcome_equals_sequential_testing_of_candidates(
        answers in prop::collection::vec((0_u8..=20, prop::bool::weighted(0.9)), 0..200),
        steps in 1_u32..60,
    ) {
        let answers: Vec<Judged> =
            answers.into_iter().map(|(c, right)| judged(f64::from(c) / 20.0, right)).collect();
        let mut expected = None;
        for threshold in Grid::Uniform(steps).candidates() {
            let accepted: Vec<&Judged> = answers.iter().filter(|a| a.confidence >= threshold).collect();
            if accepted.len() < GUARANTEE.needed() {
                continue;
            }
            let errors = accepted.iter().filter(|a| !a.right).count();
            if upper_bound(errors, accepted.len(), GUARANTEE.delta) > GUARANTEE.alpha {
                break;
            }
            expected = Some(threshold);
        }
        prop_assert_eq!(calibrate(&answers, Grid::Uniform(steps), GUARANTEE).threshold(), expected);
    }
}

proptest! {
    #[test]
    fn smallest_alpha_certifies_and_no_smaller_one_does(
        answers in prop::collection::vec((0_u8..=20, prop::bool::weighted(0.8)), 1..60),
        min_accepted in 1_usize..20,
    ) {
        let answers: Vec<Judged> =
            answers.into_iter().map(|(c, right)| judged(f64::from(c) / 20.0, right)).collect();
        let (grid, delta) = (Grid::Uniform(40), 0.1);
        let rows = certifiable(&answers, grid, delta, min_accepted);
        for row in &rows {
            let reached = |alpha: f64| {
                let guarantee = Guarantee { alpha, delta, min_accepted };
                let certified = calibrate(&answers, grid, guarantee).threshold();
                guarantee.needed() <= row.tested.n && certified.is_some_and(|found| found <= row.tested.threshold)
            };
            let Some(alpha) = row.smallest_alpha else {
                prop_assert!(row.tested.n < min_accepted);
                continue;
            };
            if alpha < 1.0 {
                prop_assert!(reached(alpha + 1e-9), "{row:?}");
            }
            for step in 1..50 {
                let smaller = alpha * f64::from(step) / 50.0;
                prop_assert!(smaller > alpha - 1e-9 || !reached(smaller), "{row:?} at {smaller}");
            }
        }
    }
}

/// How confidence follows from the rank `u` of an item in (0, 1), the surest at 1.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Even,
    CrowdedNearOne,
    InTwentySteps,
}

impl Shape {
    fn confidence(self, u: f64) -> f64 {
        match self {
            Self::Even => u,
            Self::CrowdedNearOne => 1.0 - (1.0 - u).powi(4),
            Self::InTwentySteps => (u * 20.0).floor() / 20.0,
        }
    }

    /// Share of all items that λ accepts.
    fn coverage(self, threshold: f64) -> f64 {
        match self {
            Self::Even => 1.0 - threshold,
            Self::CrowdedNearOne => (1.0 - threshold).powf(0.25),
            Self::InTwentySteps => 1.0 - (threshold * 20.0 - 1e-9).ceil() / 20.0,
        }
    }
}

/// Items whose chance of an error is `worst` at rank 0 and falls to 0 at rank 1 as the `fall`-th power.
#[derive(Debug, Clone, Copy)]
struct World {
    items: usize,
    shape: Shape,
    worst: f64,
    fall: i32,
}

impl World {
    fn calibration_set(self, rng: &mut ChaCha8Rng) -> Vec<Judged> {
        let item = |_| {
            let u: f64 = rng.random();
            let error = rng.random::<f64>() < self.worst * (1.0 - u).powi(self.fall);
            judged(self.shape.confidence(u), !error)
        };
        (0..self.items).map(item).collect()
    }

    /// The mean of the error over the ranks that λ accepts.
    fn true_risk(self, threshold: f64) -> f64 {
        self.worst * self.shape.coverage(threshold).powi(self.fall) / f64::from(self.fall + 1)
    }

    /// Share of calibration sets that certify a threshold with a true risk above α.
    fn misled(self, sets: u32) -> f64 {
        let wrong = (0..sets).into_par_iter().filter(|set| {
            let mut rng = Seed(11).stream(&["simulation", &format!("{self:?}"), &set.to_string()]);
            let found = calibrate(&self.calibration_set(&mut rng), Grid::Uniform(1000), GUARANTEE);
            found.threshold().is_some_and(|threshold| self.true_risk(threshold) > GUARANTEE.alpha)
        });
        f64::from(u32::try_from(wrong.count()).expect("small")) / f64::from(sets)
    }
}

#[test]
fn at_most_delta_of_the_calibration_sets_mislead() {
    const SETS: u32 = 10_000;
    let margin = 4.0 * (GUARANTEE.delta * (1.0 - GUARANTEE.delta) / f64::from(SETS)).sqrt();
    for items in [60, 200, 500] {
        for shape in [Shape::Even, Shape::CrowdedNearOne, Shape::InTwentySteps] {
            for (worst, fall) in [(0.17, 0), (0.5, 1), (0.9, 2)] {
                let world = World { items, shape, worst, fall };
                let misled = world.misled(SETS);
                assert!(misled <= GUARANTEE.delta + margin, "{misled} of {world:?}");
            }
        }
    }
}

/// With the same chance of an error everywhere, just above α, a set misleads if the first test passes: the level of
/// the exact test of 30 answers, so the bound is no wider than it must be.
#[test]
fn a_flat_error_just_above_alpha_misleads_at_the_exact_level() {
    const SETS: u32 = 10_000;
    let misled = |set: &u32| {
        let mut rng = Seed(12).stream(&["flat", &set.to_string()]);
        let answers: Vec<Judged> =
            (0..200).map(|i| judged(f64::from(i) / 200.0, rng.random::<f64>() >= GUARANTEE.alpha + 1e-6)).collect();
        calibrate(&answers, Grid::Uniform(1000), GUARANTEE).threshold().is_some()
    };
    let share = f64::from(u32::try_from((0..SETS).into_par_iter().filter(misled).count()).expect("small"));
    let level = lower_tail(1, 30, GUARANTEE.alpha);
    assert!((level - 0.048).abs() < 5e-4, "{level}");
    assert!((share / f64::from(SETS) - level).abs() < 4.0 * (level * (1.0 - level) / f64::from(SETS)).sqrt());
}
