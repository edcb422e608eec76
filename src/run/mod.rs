//! From a config to a finished run: what its calls go through, what comes of them, and the files that are written.

pub mod audit;
pub mod data_sets;
pub mod dataset_check;
pub mod export;
pub mod model_check;
pub mod resources;
pub mod shown_prompt;
pub mod transfers;
pub mod waits;
