//! The embedders by name, and embedding with them.

use std::path::Path;

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::hashed;
use super::minilm::Minilm;
use crate::types::chat::CallKey;
use crate::types::embedding::Embedded;

/// An embedder, by its name in configs and outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EmbedderName {
    /// all-MiniLM-L6-v2, 384 dimensions, computed in this process.
    #[default]
    #[serde(rename = "all-minilm-l6-v2")]
    AllMiniLmL6V2,
    /// Hashed word counts: no model, for tests.
    HashedWords,
}

impl EmbedderName {
    /// Returns the name used in configs and outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AllMiniLmL6V2 => "all-minilm-l6-v2",
            Self::HashedWords => "hashed-words",
        }
    }

    /// Returns the embedder of this name; `None` if the name is unknown.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::AllMiniLmL6V2, Self::HashedWords].into_iter().find(|embedder| embedder.name() == name)
    }

    /// Returns the key under which the embedding of `text` is stored: the SHA-256 of everything that determines it.
    #[must_use]
    pub fn key(self, text: &str) -> CallKey {
        let mut hasher = Sha256::new();
        // The name identifies the weights: a set of weights never changes under its name.
        hasher.update(format!("embedding\n{}\n", self.name()));
        hasher.update(text);
        CallKey(hasher.finalize().into())
    }

    /// Returns the name in [`crate::fetch::weights`] of the weights that the embedder needs. `None` if it needs
    /// none.
    #[must_use]
    pub fn weights(self) -> Option<&'static str> {
        match self {
            Self::AllMiniLmL6V2 => Some("all-minilm-l6-v2"),
            Self::HashedWords => None,
        }
    }
}

/// Embeds all texts, in their order. `weights` is the folder of the embedder's files, if it has any. `progress`
/// receives the number of embedded texts.
///
/// # Errors
/// If the weights cannot be loaded.
pub fn embed(
    name: EmbedderName,
    weights: Option<&Path>,
    texts: &[String],
    mut progress: impl FnMut(usize),
) -> Result<Vec<Embedded>> {
    match (name, weights) {
        (EmbedderName::AllMiniLmL6V2, Some(folder)) => {
            let rows = Minilm::load(folder)?.embed(texts, &mut progress)?;
            Ok(rows.into_iter().map(|(vector, tokens)| Embedded { vector, tokens: tokens as u64 }).collect())
        }
        (EmbedderName::AllMiniLmL6V2, None) => anyhow::bail!("the weights of all-minilm-l6-v2 are missing"),
        (EmbedderName::HashedWords, _) => {
            let rows = texts.iter().map(|text| hashed::embed(text)).collect();
            progress(texts.len());
            Ok(rows)
        }
    }
}
