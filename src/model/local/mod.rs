//! Models that run in this process: weight files and where they come from, the tokenizer, the architecture, and the
//! backend that owns a thread that owns the weights.

pub mod calculator;
pub mod gguf;
pub mod llama;
pub mod tokenizer;
pub mod weights;
