//! From records to a run folder: tables, manifest and summary. Nothing here calls a model.

pub mod calibration;
pub mod files;
pub mod folder;
pub mod grid;
pub mod manifest;
pub mod outputs;
pub mod summary;
pub mod tables;
