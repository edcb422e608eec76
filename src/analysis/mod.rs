//! Arithmetic over records: rates, money, and how sure a difference is. Pure: no I/O, no async, no clock.

#[cfg(test)]
mod fixtures;
pub mod metrics;
pub mod price;
pub mod stats;
