//! From a config file to an experiment that is ready to run. All that can be found wrong is found here, before
//! anything is called.

pub mod ablation;
pub mod assembly;
pub mod data;
pub mod deferral;
pub mod edit;
pub mod entries;
pub mod file;
pub mod plan;
pub mod prompts;
pub mod reproduction;
pub mod setting;
mod signal;
pub mod suggest;
