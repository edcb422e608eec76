//! Texts of a page: each text once, in compressed chunks that the browser decodes when it shows one of them.

use std::collections::HashMap;
use std::io::Write as _;
use std::ops::Range;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Block;
use crate::task::calculations;
use crate::types::chat::CallKey;

/// Number of texts in a chunk.
pub(super) const PER_CHUNK: usize = 256;

/// A store of the texts of calls.
pub trait CallTexts {
    /// Returns the answer to a call. `None` if the store does not have the call.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn answer(&self, key: &CallKey) -> Result<Option<String>>;

    /// Returns the canonical request of a call. `None` if the store does not have it.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn request(&self, key: &CallKey) -> Result<Option<String>>;
}

/// Most bytes of texts in a page, about 10 MB compressed: a page stays below 40 MB with a million rows.
const MOST_BYTES: usize = 40_000_000;

/// Collected texts, numbered in the order in which they were added.
#[derive(Default)]
pub(super) struct Texts {
    count: u32,
    /// Text of each call: its number plus one, or 0 if the store does not have the call.
    of_calls: HashMap<CallKey, u32>,
    /// Numbers of texts by their SHA-256.
    by_hash: HashMap<[u8; 32], u32>,
    /// Entries of the chunk that is not yet full.
    pending: Vec<Value>,
    chunks: Vec<Block>,
    /// Sum of the lengths.
    bytes: usize,
    /// Number of texts that were left out because the page was full.
    left_out: usize,
}

impl Texts {
    /// Number of texts.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Adds the answer to a call. Returns the number of its text plus one, or 0 if the store does not have the call.
    pub(super) fn add_answer(&mut self, key: &CallKey, store: &dyn CallTexts) -> Result<u32> {
        if let Some(known) = self.of_calls.get(key) {
            return Ok(*known);
        }
        let place = match store.answer(key)? {
            Some(text) => self.add(&text, || calculations::lines(&text))?.map_or(0, |number| number + 1),
            None => 0,
        };
        self.of_calls.insert(*key, place);
        Ok(place)
    }

    /// Adds a text without marks. Returns its number; `None` if the page is full.
    pub(super) fn add_plain(&mut self, text: &str) -> Result<Option<u32>> {
        self.add(text, Vec::new)
    }

    /// Sentence on the texts that were left out. `None` if the page has all.
    pub(super) fn left_out(&self) -> Option<String> {
        (self.left_out > 0).then(|| {
            format!(
                "{} texts are left out to keep this page small; the journal has them. The first arms of the run have \
                 theirs.",
                self.left_out
            )
        })
    }

    /// Adds a text, with the byte ranges of its lines with calculations and whether these are right. Returns its number;
    /// `None` if the page is full.
    fn add(&mut self, text: &str, marks: impl FnOnce() -> Vec<(Range<usize>, bool)>) -> Result<Option<u32>> {
        let hash: [u8; 32] = Sha256::digest(text).into();
        if let Some(known) = self.by_hash.get(&hash) {
            return Ok(Some(*known));
        }
        if self.bytes + text.len() > MOST_BYTES {
            self.left_out += 1;
            return Ok(None);
        }
        let number = self.count;
        self.by_hash.insert(hash, number);
        self.count += 1;
        self.bytes += text.len();
        let utf16 = |at: usize| text[..at].encode_utf16().count();
        let marks: Vec<Value> = marks()
            .iter()
            .map(|(range, right)| json!([utf16(range.start), utf16(range.end), u8::from(*right)]))
            .collect();
        self.pending.push(if marks.is_empty() { json!([text]) } else { json!([text, marks]) });
        if self.pending.len() == PER_CHUNK {
            self.end_chunk()?;
        }
        Ok(Some(number))
    }

    fn end_chunk(&mut self) -> Result<()> {
        let chunk = std::mem::take(&mut self.pending);
        self.chunks.push(Block::json(format!("texts-{}", self.chunks.len()), &chunk)?);
        Ok(())
    }

    /// Returns the chunks.
    pub(super) fn into_chunks(mut self) -> Result<Vec<Block>> {
        if !self.pending.is_empty() {
            self.end_chunk()?;
        }
        Ok(self.chunks)
    }
}

impl Block {
    /// A block with a JSON value.
    pub(super) fn json(id: impl Into<String>, value: &impl serde::Serialize) -> Result<Self> {
        Self::bytes(id, &serde_json::to_vec(value)?)
    }

    /// A block with bytes.
    pub(super) fn bytes(id: impl Into<String>, bytes: &[u8]) -> Result<Self> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes)?;
        Ok(Self { id: id.into(), data: STANDARD.encode(encoder.finish()?) })
    }
}
