//! Reference figures by scipy, statsmodels and scikit-learn for tests, written by `scripts/stats-fixtures.py`.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Parses one part of the fixtures as a `T`.
pub(super) fn fixture<T: DeserializeOwned>(name: &str) -> T {
    let mut parts: BTreeMap<String, Value> =
        serde_json::from_str(include_str!("../../tests/fixtures/stats.json")).expect("JSON");
    serde_json::from_value(parts.remove(name).expect("a part of this name")).expect("the part's shape")
}

/// Fails if two numbers differ by more than `tolerance`.
#[track_caller]
pub(super) fn close(ours: f64, theirs: f64, tolerance: f64) {
    assert!((ours - theirs).abs() <= tolerance, "{ours} is not within {tolerance} of {theirs}");
}
