//! intercascade runs the standard LLM cascade and Inter-Cascade side by side and reports accuracy, strong calls
//! and fees. docs/ARCHITECTURE.md says which module owns what; modules import their own layer or a lower one.

pub mod arm;
pub mod assembly;
pub mod cascade;
pub mod chat;
pub mod cli;
pub mod confidence;
pub mod config;
pub mod dataset;
pub mod experiment;
pub mod files;
pub mod item;
pub mod metrics;
pub mod model;
pub mod price;
pub mod prompt;
pub mod record;
pub mod report;
pub mod retrieval;
pub mod seed;
pub mod stats;
pub mod suggest;
pub mod task;
