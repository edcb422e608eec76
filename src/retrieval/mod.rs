//! Embeddings of queries, and the search over them.

pub mod embedder;
pub mod hashed;
pub mod leakage;
pub mod minilm;
pub mod search;
