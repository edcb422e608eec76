//! The algorithm: arms as values, the step that takes one item through any of them, what a learning arm shows, and a
//! run as cells.

pub mod answer;
pub mod experiment;
pub mod gating;
pub mod level;
pub mod matrix;
pub mod ranking;
pub mod repository;
pub mod schedule;
pub mod step;
pub mod teach;
