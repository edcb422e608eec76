//! Embeddings of texts.

/// Embedding of a text with its token count.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    /// Vector of unit length; the dot product of two vectors is their cosine similarity.
    pub vector: Vec<f32>,
    /// Number of tokens that the embedder read.
    pub tokens: u64,
}

impl Embedded {
    /// Vector as little-endian 32-bit floats.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.vector.iter().flat_map(|float| float.to_le_bytes()).collect()
    }
}

/// Decodes a vector of little-endian 32-bit floats.
#[must_use]
pub fn floats(bytes: &[u8]) -> Vec<f32> {
    let (floats, _) = bytes.as_chunks::<4>();
    floats.iter().map(|float| f32::from_le_bytes(*float)).collect()
}
