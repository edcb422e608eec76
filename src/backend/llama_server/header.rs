//! Header of a GGUF file: its metadata and the positions of its tensors. candle's reader refuses most of llama.cpp's
//! tensor types. This reader ignores the type. Source: ggml's docs/gguf.md.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

/// Maximum length of a text in bytes, and maximum number of entries. A larger number indicates damage.
const MAX_COUNT: u64 = 1 << 24;
/// Default alignment of the tensors, in bytes.
const ALIGNMENT: u64 = 32;

/// Metadata of a file.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Header {
    /// Whole numbers and lists of them, by key.
    numbers: BTreeMap<String, Vec<u64>>,
    /// Texts, by key.
    texts: BTreeMap<String, String>,
    /// Start of the last tensor, in bytes from the start of the file.
    pub(super) last_tensor: u64,
}

/// Value of the metadata.
enum Value {
    Numbers(Vec<u64>),
    Text(String),
    Other,
}

impl Header {
    /// Reads the header of a file.
    ///
    /// # Errors
    /// `UnexpectedEof` if the header is incomplete, `InvalidData` if the file is not a GGUF file, and the errors of
    /// reading.
    pub(super) fn read(file: &Path) -> io::Result<Self> {
        let mut reader = Reader(BufReader::new(File::open(file)?));
        if reader.bytes::<4>()? != *b"GGUF" {
            return Err(invalid_data("the file is not a GGUF file: choose another"));
        }
        let version = reader.u32()?;
        if !(2..=3).contains(&version) {
            return Err(invalid_data(format!(
                "the file has GGUF version {version}; versions 2 and 3 are supported: convert it again"
            )));
        }
        let (tensors, entries) = (reader.count()?, reader.count()?);
        let mut header = Self::default();
        for _ in 0..entries {
            let (key, kind) = (reader.text()?, reader.u32()?);
            match reader.value(kind)? {
                Value::Numbers(numbers) => _ = header.numbers.insert(key, numbers),
                Value::Text(text) => _ = header.texts.insert(key, text),
                Value::Other => {}
            }
        }
        let mut last = 0;
        for _ in 0..tensors {
            reader.text()?;
            for _ in 0..reader.u32()? {
                reader.u64()?;
            }
            reader.u32()?;
            last = last.max(reader.u64()?);
        }
        let alignment = header.number("general.alignment").filter(|bytes| *bytes > 0).unwrap_or(ALIGNMENT);
        header.last_tensor = reader.0.stream_position()?.next_multiple_of(alignment).saturating_add(last);
        Ok(header)
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.texts.get(key).map(String::as_str)
    }

    /// Returns the number under a key, or the largest number of a list. `None` if the key has neither.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        self.numbers.get(key)?.iter().max().copied()
    }

    /// Returns the number under a key of the file's architecture, such as `context_length`.
    pub(super) fn of_architecture(&self, key: &str) -> Option<u64> {
        self.number(&format!("{}.{key}", self.text("general.architecture")?))
    }
}

/// Reader of GGUF's numbers (little-endian) and texts (preceded by their length).
struct Reader(BufReader<File>);

impl Reader {
    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn u32(&mut self) -> io::Result<u32> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> io::Result<u64> {
        self.bytes().map(u64::from_le_bytes)
    }

    fn count(&mut self) -> io::Result<u64> {
        match self.u64()? {
            count if count <= MAX_COUNT => Ok(count),
            _ => Err(invalid_data("the header is damaged: fetch the file again")),
        }
    }

    fn text(&mut self) -> io::Result<String> {
        let length = self.count()?;
        let mut bytes = Vec::new();
        if self.0.by_ref().take(length).read_to_end(&mut bytes)? as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Reads a value of a kind. Kinds that are not needed are skipped.
    fn value(&mut self, kind: u32) -> io::Result<Value> {
        Ok(match kind {
            0 => Value::Numbers(vec![self.bytes::<1>().map(|[byte]| u64::from(byte))?]),
            2 => Value::Numbers(vec![self.bytes().map(u16::from_le_bytes)?.into()]),
            // Some tools write counts as signed numbers.
            4 | 5 => Value::Numbers(vec![self.u32()?.into()]),
            10 | 11 => Value::Numbers(vec![self.u64()?]),
            8 => Value::Text(self.text()?),
            9 => self.list()?,
            _ => {
                self.skip(width(kind)?)?;
                Value::Other
            }
        })
    }

    /// Reads a list. A list of numbers is returned if it is short enough to have one number per layer. Other lists
    /// are skipped.
    fn list(&mut self) -> io::Result<Value> {
        let (kind, count) = (self.u32()?, self.count()?);
        if matches!(kind, 4 | 5) && count < 1024 {
            let numbers: io::Result<Vec<u64>> = (0..count).map(|_| self.u32().map(u64::from)).collect();
            return numbers.map(Value::Numbers);
        }
        if kind == 8 {
            for _ in 0..count {
                let length = self.count()?;
                self.skip(length)?;
            }
        } else {
            self.skip(count.saturating_mul(width(kind)?))?;
        }
        Ok(Value::Other)
    }

    /// Skips `bytes` bytes. A position beyond the end of the file leads to an error at the next read.
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        self.0.seek_relative(
            i64::try_from(bytes).map_err(|_| invalid_data("the header is damaged: fetch the file again"))?,
        )
    }
}

/// Returns the size of a value of a kind, in bytes.
fn width(kind: u32) -> io::Result<u64> {
    match kind {
        0 | 1 | 7 => Ok(1),
        2 | 3 => Ok(2),
        4..=6 => Ok(4),
        10..=12 => Ok(8),
        _ => Err(invalid_data(format!("the header contains a value of the unknown kind {kind}: fetch the file again"))),
    }
}

fn invalid_data(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.into())
}
