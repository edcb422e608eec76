//! From a config file to an experiment that is ready to run. All that can be found wrong is found here, before
//! anything is called.

pub mod ablation;
pub mod data;
mod deferral;
mod describe;
pub mod edit;
pub mod entries;
pub mod error;
pub mod forecast;
mod identity;
mod load;
mod overrides;
mod parse;
mod prices;
pub mod prompts;
pub mod reproduction;
mod resolve;
pub mod resolved;
pub mod schema;
pub mod suggest;
mod usual;
mod validate;
