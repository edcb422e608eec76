//! The head of a GGUF file: its metadata and where its tensors lie. candle's reader knows few of llama.cpp's types of
//! tensors and refuses the others; here their type does not matter. Source: ggml's docs/gguf.md.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

/// The longest text and the most entries that are believed; more is damage.
const MOST: u64 = 1 << 24;
/// Tensors begin at a multiple of this where a file says nothing else.
const ALIGNMENT: u64 = 32;

/// What a file says of itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Header {
    /// Whole numbers, and lists of them, by their key.
    numbers: BTreeMap<String, Vec<u64>>,
    /// Texts by their key.
    texts: BTreeMap<String, String>,
    /// Where the last tensor begins, in bytes from the file's start.
    pub(super) last_tensor: u64,
}

/// One value of the metadata, as far as it matters.
enum Value {
    Numbers(Vec<u64>),
    Text(String),
    Other,
}

impl Header {
    /// Reads a file's head.
    ///
    /// # Errors
    /// `UnexpectedEof` where it is cut off within its head, `InvalidData` where it is no GGUF file, and as reading.
    pub(super) fn read(file: &Path) -> io::Result<Self> {
        let mut reader = Reader(BufReader::new(File::open(file)?));
        if reader.bytes::<4>()? != *b"GGUF" {
            return Err(damage("it is no GGUF file"));
        }
        let version = reader.u32()?;
        if !(2..=3).contains(&version) {
            return Err(damage(format!("it is a GGUF file of version {version}, and 2 or 3 is wanted")));
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

    /// The number under a key, and of a list its largest.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        self.numbers.get(key)?.iter().max().copied()
    }

    /// The number under a key of the file's own architecture, such as `context_length`.
    pub(super) fn of_architecture(&self, key: &str) -> Option<u64> {
        self.number(&format!("{}.{key}", self.text("general.architecture")?))
    }
}

/// Numbers and texts as GGUF writes them: little-endian, texts after their length.
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
            count if count <= MOST => Ok(count),
            _ => Err(damage("its head is damaged")),
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

    /// A value of this kind; what nobody asks for is passed over.
    fn value(&mut self, kind: u32) -> io::Result<Value> {
        Ok(match kind {
            0 => Value::Numbers(vec![self.bytes::<1>().map(|[byte]| u64::from(byte))?]),
            2 => Value::Numbers(vec![self.bytes().map(u16::from_le_bytes)?.into()]),
            // Counts are written signed by some tools.
            4 | 5 => Value::Numbers(vec![self.u32()?.into()]),
            10 | 11 => Value::Numbers(vec![self.u64()?]),
            8 => Value::Text(self.text()?),
            9 => self.list()?,
            _ => {
                self.pass(width(kind)?)?;
                Value::Other
            }
        })
    }

    /// A list: kept where it is of numbers and short enough to be one per layer.
    fn list(&mut self) -> io::Result<Value> {
        let (kind, count) = (self.u32()?, self.count()?);
        if matches!(kind, 4 | 5) && count < 1024 {
            let numbers: io::Result<Vec<u64>> = (0..count).map(|_| self.u32().map(u64::from)).collect();
            return numbers.map(Value::Numbers);
        }
        if kind == 8 {
            for _ in 0..count {
                let length = self.count()?;
                self.pass(length)?;
            }
        } else {
            self.pass(count.saturating_mul(width(kind)?))?;
        }
        Ok(Value::Other)
    }

    /// Goes on by so many bytes; going beyond the file's end shows at the next read.
    fn pass(&mut self, bytes: u64) -> io::Result<()> {
        self.0.seek_relative(i64::try_from(bytes).map_err(|_| damage("its head is damaged"))?)
    }
}

/// The bytes of a value of this kind.
fn width(kind: u32) -> io::Result<u64> {
    match kind {
        0 | 1 | 7 => Ok(1),
        2 | 3 => Ok(2),
        4..=6 => Ok(4),
        10..=12 => Ok(8),
        _ => Err(damage(format!("its head holds a value of the unknown kind {kind}"))),
    }
}

fn damage(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}
