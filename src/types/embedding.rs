//! Embeddings of texts.

/// A text's unit vector and the tokens that were read for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    /// Unit length, so that a dot product is the cosine.
    pub vector: Vec<f32>,
    /// Tokens read.
    pub tokens: u64,
}
