//! From records to a run folder: tables, manifest and summary. Nothing here calls a model.

pub mod files;
pub mod folder;
pub mod manifest;
pub mod summary;
pub mod tables;
pub mod unparsed;
