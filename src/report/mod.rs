//! From records to a run folder: tables, manifest and summary. Nothing here calls a model.

pub mod ablation;
pub mod arm_tables;
pub mod audit;
pub mod calibration;
pub mod claims;
pub mod compare;
mod ends;
pub mod figures;
pub mod files;
pub mod folder;
mod format;
pub mod grid;
pub mod manifest;
pub mod matrix;
mod pays;
pub mod read;
pub mod reproduction;
pub mod splice;
pub mod summary;
pub mod sweep;
pub mod tables;
pub mod unparsed;
