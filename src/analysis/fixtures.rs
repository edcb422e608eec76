//! Figures by scipy, statsmodels and scikit-learn that tests compare with; `scripts/stats-fixtures.py` makes them.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;

/// One part of the fixtures, read as a `T`.
pub(super) fn fixture<T: DeserializeOwned>(name: &str) -> T {
    let mut parts: BTreeMap<String, Value> =
        serde_json::from_str(include_str!("../../tests/fixtures/stats.json")).expect("JSON");
    serde_json::from_value(parts.remove(name).expect("a part of this name")).expect("the part's shape")
}

/// Fails unless two numbers differ by no more than `tolerance`.
#[track_caller]
pub(super) fn close(ours: f64, theirs: f64, tolerance: f64) {
    assert!((ours - theirs).abs() <= tolerance, "{ours} is not within {tolerance} of {theirs}");
}
