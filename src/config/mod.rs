//! Configs: parsing, validation, and resolution of data, models, prompts and recordings. All errors in a config are
//! reported here, before any model is called.

pub mod ablation;
pub mod data;
mod defaults;
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
pub mod reference;
pub mod reproduction;
mod resolve;
pub mod resolved;
pub mod schema;
pub mod suggest;
mod validate;
