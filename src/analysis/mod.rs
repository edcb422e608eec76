//! Statistics over records: rates, fees, and the uncertainty of differences. Pure functions: no I/O, no async, no
//! clock.

pub mod calibration;
pub mod curves;
pub mod drift;
#[cfg(test)]
mod fixtures;
pub mod metrics;
pub mod ranked;
pub mod recalibration;
pub mod reliability;
pub mod stats;
pub mod theorem;
