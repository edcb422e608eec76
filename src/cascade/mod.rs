//! The algorithm: the step that runs one item through an arm, the retrieval of strategies, and the run of all cells.

pub mod answer;
pub mod calibration;
pub mod experiment;
pub mod gate;
pub mod level;
pub mod matrix;
pub mod orders;
pub mod ranking;
pub mod repository;
pub mod schedule;
pub mod setup;
pub mod step;
pub mod teach;
