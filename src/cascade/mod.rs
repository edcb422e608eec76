//! The algorithm: the step that takes one item through any arm, what a learning arm shows, and a run as cells.

pub mod answer;
pub mod calibration;
pub mod experiment;
pub mod gate;
pub mod level;
pub mod matrix;
pub mod ranking;
pub mod repository;
pub mod schedule;
pub mod setup;
pub mod step;
pub mod teach;
