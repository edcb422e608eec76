//! From records to a run folder: tables, manifest and summary. Nothing here calls a model.

pub mod ablation;
pub mod arms;
pub mod audit;
pub mod calibration;
mod calls;
pub mod claims;
pub mod columns;
pub mod compare;
pub mod files;
pub mod folder;
mod format;
pub mod grid;
mod levels;
pub mod manifest;
pub mod matrix;
pub mod read;
pub mod recommendation;
mod records;
pub mod reproduction;
mod rows;
pub mod splice;
pub mod summary;
pub mod sweep;
mod table;
pub mod tables;
pub mod unparsed;
