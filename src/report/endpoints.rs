//! The endpoints of an earlier judgement, read from its table.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::analysis::stats::{Estimate, Interval};
use crate::types::arm::Arm;

/// An endpoint that an earlier judgement has in its table.
#[derive(Debug, Clone, PartialEq)]
pub struct StatedEndpoint {
    set: String,
    measure: String,
    against: String,
    /// The change, as a share.
    pub change: Estimate,
    /// Number of orders.
    pub orders: usize,
}

impl StatedEndpoint {
    /// True for the measure of this name on a data set against an arm.
    #[must_use]
    pub fn is_of(&self, set: &str, measure: &str, against: Arm) -> bool {
        self.set == set && self.measure == measure && self.against == against.name()
    }
}

/// Reads the endpoints that have a figure from the table `judgement` of an earlier judgement (CSV).
///
/// # Errors
/// If the file cannot be read; the error names it.
pub fn read_endpoints(path: &Path) -> Result<Vec<StatedEndpoint>> {
    #[derive(Deserialize)]
    struct Row {
        set: String,
        change_of: String,
        against: String,
        change: Option<f64>,
        change_low: Option<f64>,
        change_high: Option<f64>,
        orders: usize,
    }
    let read = || -> Result<Vec<StatedEndpoint>> {
        let mut endpoints = Vec::new();
        for row in csv::Reader::from_path(path)?.deserialize() {
            let Row { set, change_of: measure, against, change, change_low, change_high, orders } = row?;
            let interval = change_low.zip(change_high).map(|(low, high)| Interval { low, high }.times(0.01));
            let Some(change) = change.map(|change| Estimate::new(change / 100.0, interval)) else { continue };
            endpoints.push(StatedEndpoint { set, measure, against, change, orders });
        }
        Ok(endpoints)
    };
    read().with_context(|| format!("cannot read {}", path.display()))
}
