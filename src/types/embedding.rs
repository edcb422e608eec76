//! Embeddings of texts.

/// Embedding of a text with its token count.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    /// Vector of unit length; the dot product of two vectors is their cosine similarity.
    pub vector: Vec<f32>,
    /// Number of tokens that the embedder read.
    pub tokens: u64,
}
