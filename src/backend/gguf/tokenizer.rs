//! The tokenizer that a GGUF file describes in its metadata, for byte-level vocabularies with the pre-tokeniser
//! `smollm`: single digits, then GPT-2's split, without a leading space. Ordinary text never becomes a control token.
//! Control tokens enter only by their id.

use candle_core::quantized::gguf_file::{Content, Value};
use tokenizers::Tokenizer as BytePairs;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;

/// Value of a control token in `tokenizer.ggml.token_type`.
const CONTROL: u32 = 3;

/// Error of a tokenizer: in the metadata, or while a text is encoded.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// A metadata key is missing or has another type.
    #[error("the GGUF metadata lack a usable `{0}`: the file is damaged or of another kind; fetch it again")]
    Metadata(String),
    /// The kind of vocabulary is not supported.
    #[error("the GGUF's `{key}` is `{found}`; this program supports `{supported}` only: choose another weights file")]
    Unsupported {
        /// The metadata key.
        key: &'static str,
        /// Value in the file.
        found: String,
        /// Supported value.
        supported: &'static str,
    },
    /// The tokenizer itself failed.
    #[error("tokenizer: {0}")]
    Inner(String),
}

/// Converts texts to token ids and back.
pub struct Tokenizer {
    inner: BytePairs,
    /// Bytes of each token, by id.
    bytes: Vec<Vec<u8>>,
    control: Vec<bool>,
    bos: Option<u32>,
    eos: Option<u32>,
}

impl Tokenizer {
    /// Builds the tokenizer from a GGUF file's metadata.
    ///
    /// # Errors
    /// [`TokenizerError`] if a key is missing or the kind of vocabulary is not supported.
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

    /// Returns the ids of a text, all of which is ordinary text. Control characters that the vocabulary lacks are
    /// dropped, as in llama.cpp.
    ///
    /// # Errors
    /// [`TokenizerError::Inner`] if the split fails.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        Ok(self.inner.encode_fast(text, false).map_err(inner)?.get_ids().to_vec())
    }

    /// Number of tokens in a text.
    ///
    /// # Errors
    /// The errors of [`Tokenizer::encode`].
    pub fn count(&self, text: &str) -> Result<usize, TokenizerError> {
        Ok(self.encode(text)?.len())
    }

    /// Returns the text of the ids. Invalid UTF-8 becomes U+FFFD. Control tokens have no text.
    #[must_use]
    pub fn decode(&self, ids: &[u32]) -> String {
        let bytes: Vec<u8> = ids.iter().flat_map(|id| self.bytes(*id)).copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Returns the bytes of a token. Empty for a control token and for an id outside the vocabulary.
    #[must_use]
    pub fn bytes(&self, id: u32) -> &[u8] {
        if self.is_control(id) {
            return &[];
        }
        self.bytes.get(id as usize).map_or(&[], Vec::as_slice)
    }

    /// Returns the id of a control token by its name, for a chat template. `None` if no control token has the name.
    #[must_use]
    pub fn control(&self, name: &str) -> Option<u32> {
        let id = self.inner.token_to_id(name)?;
        self.is_control(id).then_some(id)
    }

    /// Returns true if a token is a control token. An answer contains no control tokens.
    #[must_use]
    pub fn is_control(&self, id: u32) -> bool {
        self.control.get(id as usize).copied().unwrap_or(false)
    }

    /// Id that is prepended to every prompt. `None` if the metadata request none.
    #[must_use]
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// Id that ends an answer. `None` if the metadata name none.
    #[must_use]
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }
}

/// Incremental decoder. The concatenated pieces are the whole text. A character that is split between tokens belongs
/// to the piece of its last token. Bytes that do not form a character become U+FFFD.
#[derive(Debug, Default)]
pub struct Pieces {
    pending: Vec<u8>,
}

impl Pieces {
    /// Appends a token's bytes and returns the text that they complete.
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

    /// Ends the text. Returns U+FFFD if the last character is incomplete, otherwise an empty text.
    pub fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.pending)).into_owned()
    }
}

#[allow(clippy::needless_pass_by_value, reason = "signature required by `map_err`")]
fn inner(error: tokenizers::Error) -> TokenizerError {
    TokenizerError::Inner(error.to_string())
}

fn expect(content: &Content, key: &'static str, supported: &'static str) -> Result<(), TokenizerError> {
    match content.metadata.get(key) {
        Some(Value::String(found)) if found == supported => Ok(()),
        Some(Value::String(found)) => Err(TokenizerError::Unsupported { key, found: found.clone(), supported }),
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

/// Reads a count or an id of any integer type.
fn number(value: &Value) -> Option<u32> {
    match value {
        Value::I32(number) => u32::try_from(*number).ok(),
        other => other.to_u64().ok().and_then(|number| u32::try_from(number).ok()),
    }
}

/// Decodes GPT-2's encoding of bytes as printable characters. Printable Latin-1 characters encode themselves. The
/// characters from U+0100 encode the other bytes in ascending order.
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
    fn printable_characters_decode_to_bytes() {
        assert_eq!(bytes_of("Ġthe"), b" the");
        assert_eq!(bytes_of("Ċ"), b"\n");
        assert_eq!(bytes_of("Ã©"), "é".as_bytes());
        assert_eq!(bytes_of("ŁŃ"), [0x9F, 0xAD]);
    }

    #[test]
    fn pieces_concatenate_to_the_text_for_any_split() {
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
