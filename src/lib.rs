//! intercascade runs the standard LLM cascade and Inter-Cascade side by side and reports accuracy, strong calls
//! and fees. The floors from the top down; a module imports its own floor or a lower one (docs/ARCHITECTURE.md).

// 7: a verb a file, exit status, progress.
pub mod cli;

// 6: from a config to a finished run.
pub mod run;

// 5: from a file to a ready experiment.
pub mod config;

// 4: from records to what people read, and the algorithm.
pub mod cascade;
pub mod report;

// 3: calls and what answers them, data, embeddings.
pub mod backend;
pub mod dataset;
pub mod gateway;
pub mod retrieval;

// 2: files.
pub mod fetch;
pub mod tables;

// 1: pure rules and arithmetic.
pub mod analysis;
pub mod task;

// 0: plain data.
pub mod types;
