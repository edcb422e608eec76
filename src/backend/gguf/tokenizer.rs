//! The tokenizer that a GGUF file describes in its metadata, for the byte-level vocabularies whose pre-tokeniser is
//! `smollm`: digits one by one, then GPT-2's split, and no space put in front.
//! Ordinary text can never become a control token: those enter only by their id.

use candle_core::quantized::gguf_file::{Content, Value};
use tokenizers::Tokenizer as BytePairs;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;

/// Marks a control token in `tokenizer.ggml.token_type`.
const CONTROL: u32 = 3;

/// Why the metadata give no tokenizer, or a text gave no tokens.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// A key is missing or of another type.
    #[error("the GGUF metadata lack a usable `{0}`: the file is damaged or of another kind; fetch it again")]
    Metadata(String),
    /// The vocabulary is of a kind that is not read here.
    #[error("the GGUF's `{key}` is `{found}`; this program reads `{wanted}` only: choose another weights file")]
    Unsupported {
        /// The metadata key.
        key: &'static str,
        /// What the file says.
        found: String,
        /// What is understood.
        wanted: &'static str,
    },
    /// The tokenizer itself failed.
    #[error("tokenizer: {0}")]
    Inner(String),
}

/// Turns texts into token ids and back.
pub struct Tokenizer {
    inner: BytePairs,
    /// The bytes that each token stands for, by id.
    bytes: Vec<Vec<u8>>,
    control: Vec<bool>,
    bos: Option<u32>,
    eos: Option<u32>,
}

impl Tokenizer {
    /// Builds the tokenizer out of a GGUF file's metadata.
    ///
    /// # Errors
    /// [`TokenizerError`] when a key is missing or the vocabulary is of another kind.
    pub fn from_gguf(content: &Content) -> Result<Self, TokenizerError> {
        expect(content, "tokenizer.ggml.model", "gpt2")?;
        expect(content, "tokenizer.ggml.pre", "smollm")?;
        let tokens = strings(content, "tokenizer.ggml.tokens")?;
        let merges = strings(content, "tokenizer.ggml.merges")?
            .iter()
            .map(|merge| merge.split_once(' ').map(|(left, right)| (left.to_owned(), right.to_owned())))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| TokenizerError::Metadata("tokenizer.ggml.merges".to_owned()))?;
        let control: Vec<bool> =
            array(content, "tokenizer.ggml.token_type")?.iter().map(|kind| number(kind) == Some(CONTROL)).collect();
        if control.len() != tokens.len() {
            return Err(TokenizerError::Metadata("tokenizer.ggml.token_type".to_owned()));
        }
        let bytes = tokens.iter().map(|token| bytes_of(token)).collect();
        let vocabulary = tokens.into_iter().zip(0..).collect::<Vocab>();
        let model = BPE::builder().vocab_and_merges(vocabulary, merges).build().map_err(inner)?;
        let mut tokenizer = BytePairs::new(model);
        let split = Sequence::new(vec![Digits::new(true).into(), ByteLevel::new(false, true, true).into()]);
        tokenizer.with_pre_tokenizer(Some(split));
        let id = |key: &str| content.metadata.get(key).and_then(number);
        let adds_bos = matches!(content.metadata.get("tokenizer.ggml.add_bos_token"), Some(Value::Bool(true)));
        Ok(Self {
            inner: tokenizer,
            bytes,
            control,
            bos: id("tokenizer.ggml.bos_token_id").filter(|_| adds_bos),
            eos: id("tokenizer.ggml.eos_token_id"),
        })
    }

    /// The ids of a text, all of it taken as ordinary text; the few control characters that the vocabulary lacks are
    /// dropped, as llama.cpp drops them.
    ///
    /// # Errors
    /// [`TokenizerError::Inner`] when the split fails.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        Ok(self.inner.encode_fast(text, false).map_err(inner)?.get_ids().to_vec())
    }

    /// How many tokens a text has.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn count(&self, text: &str) -> Result<usize, TokenizerError> {
        Ok(self.encode(text)?.len())
    }

    /// The text of these ids; bytes that are no UTF-8 become U+FFFD, control tokens nothing.
    #[must_use]
    pub fn decode(&self, ids: &[u32]) -> String {
        let bytes: Vec<u8> = ids.iter().flat_map(|id| self.bytes(*id)).copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The bytes that a token stands for: none for a control token or an id outside of the vocabulary.
    #[must_use]
    pub fn bytes(&self, id: u32) -> &[u8] {
        if self.is_control(id) {
            return &[];
        }
        self.bytes.get(id as usize).map_or(&[], Vec::as_slice)
    }

    /// The id of a control token by its name, for a chat template.
    #[must_use]
    pub fn control(&self, name: &str) -> Option<u32> {
        let id = self.inner.token_to_id(name)?;
        self.is_control(id).then_some(id)
    }

    /// Whether a token is a control token, none of which belongs into an answer.
    #[must_use]
    pub fn is_control(&self, id: u32) -> bool {
        self.control.get(id as usize).copied().unwrap_or(false)
    }

    /// The id to put in front of every prompt, where the metadata ask for one.
    #[must_use]
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// The id that ends an answer.
    #[must_use]
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }
}

/// Gives the text of each token as it comes, such that the pieces put together are the whole text: a character split
/// between tokens comes with its last one, bytes that never make a character become U+FFFD.
#[derive(Debug, Default)]
pub struct Pieces {
    pending: Vec<u8>,
}

impl Pieces {
    /// Takes a token's bytes and gives the text that they complete.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut text = String::new();
        let mut rest = self.pending.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    rest = &[];
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(valid));
                    rest = after;
                    if let Some(broken) = error.error_len() {
                        text.push('\u{FFFD}');
                        rest = &after[broken..];
                        continue;
                    }
                }
            }
            break;
        }
        self.pending = rest.to_vec();
        text
    }

    /// Ends the text: U+FFFD where a character was left unfinished.
    pub fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.pending)).into_owned()
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the form that `map_err` takes")]
fn inner(error: tokenizers::Error) -> TokenizerError {
    TokenizerError::Inner(error.to_string())
}

fn expect(content: &Content, key: &'static str, wanted: &'static str) -> Result<(), TokenizerError> {
    match content.metadata.get(key) {
        Some(Value::String(found)) if found == wanted => Ok(()),
        Some(Value::String(found)) => Err(TokenizerError::Unsupported { key, found: found.clone(), wanted }),
        _ => Err(TokenizerError::Metadata(key.to_owned())),
    }
}

fn array<'a>(content: &'a Content, key: &str) -> Result<&'a [Value], TokenizerError> {
    match content.metadata.get(key) {
        Some(Value::Array(values)) => Ok(values),
        _ => Err(TokenizerError::Metadata(key.to_owned())),
    }
}

fn strings(content: &Content, key: &str) -> Result<Vec<String>, TokenizerError> {
    array(content, key)?
        .iter()
        .map(|value| value.to_string().cloned())
        .collect::<Result<_, _>>()
        .map_err(|_| TokenizerError::Metadata(key.to_owned()))
}

/// A count or id, whichever integer type the file's writer chose.
fn number(value: &Value) -> Option<u32> {
    match value {
        Value::I32(number) => u32::try_from(*number).ok(),
        other => other.to_u64().ok().and_then(|number| u32::try_from(number).ok()),
    }
}

/// Undoes GPT-2's disguise of bytes as printable characters: printable Latin-1 stands for itself, the other bytes
/// for the characters from U+0100 on, in their order.
fn bytes_of(token: &str) -> Vec<u8> {
    token.chars().filter_map(byte_of).collect()
}

fn byte_of(character: char) -> Option<u8> {
    let code = u32::from(character);
    let printable = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    match u8::try_from(code) {
        Ok(byte) => Some(byte).filter(printable),
        Err(_) => (0..=u8::MAX).filter(|byte| !printable(byte)).nth((code - 0x100) as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::{Pieces, bytes_of};

    #[test]
    fn disguised_bytes_are_undone() {
        assert_eq!(bytes_of("Ġthe"), b" the");
        assert_eq!(bytes_of("Ċ"), b"\n");
        assert_eq!(bytes_of("Ã©"), "é".as_bytes());
        assert_eq!(bytes_of("ŁŃ"), [0x9F, 0xAD]);
    }

    #[test]
    fn pieces_make_the_whole_text_whatever_the_split() {
        let whole = "a – é 漢字 🙂 end".as_bytes();
        for size in 1..6 {
            let mut pieces = Pieces::default();
            let mut text: String = whole.chunks(size).map(|bytes| pieces.push(bytes)).collect();
            text.push_str(&pieces.finish());
            assert_eq!(text.as_bytes(), whole);
        }
    }

    #[test]
    fn broken_bytes_become_replacement_characters() {
        let mut pieces = Pieces::default();
        assert_eq!(pieces.push(&[b'a', 0xFF, b'b', 0xE6]), "a\u{FFFD}b");
        assert_eq!(pieces.push(b"c"), "\u{FFFD}c");
        assert_eq!(pieces.push(&[0xF0, 0x9F]), "");
        assert_eq!(pieces.finish(), "\u{FFFD}");
        assert_eq!(pieces.finish(), "");
    }
}
