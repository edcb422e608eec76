//! What a learning arm shows: embeddings of queries, one ranking of the earlier items, and the repository that the
//! ranking is walked over.

pub mod embedder;
pub mod hashed;
pub mod minilm;
pub mod ranking;
pub mod repository;
