//! From a config file to a resolved config: all that the file names, checked. Everything that can be wrong is found here,
//! before any model is called.

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
