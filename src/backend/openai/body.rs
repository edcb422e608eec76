//! Conversion of a body's bytes to JSON: decompression, byte-order marks, and repair of known syntax errors of servers.

use std::io::{self, Read};

use reqwest::header::{CONTENT_ENCODING, HeaderMap};
use serde_json::Value;

/// Maximum length of a body in bytes, both compressed and decompressed. An answer with twenty alternatives for each
/// of 8192 tokens has a fifth of this.
pub(super) const MAX_BYTES: usize = 64 << 20;

/// Error while a body is read.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// The compression is not supported.
    #[error("the body is compressed by `{0}`, which is not supported")]
    Compression(String),
    /// The body cannot be decompressed.
    #[error("the body cannot be decompressed by `{compression}` ({error})")]
    Damaged { compression: String, error: io::Error },
    /// The body has more than [`MAX_BYTES`] bytes.
    #[error("the body is longer than {} MiB", MAX_BYTES >> 20)]
    TooLong,
}

/// Returns the text of a body, decompressed by its `Content-Encoding`, or by its first bytes if no header names the
/// compression.
///
/// # Errors
/// Returns an error that names the failed compression, or that the body is too long.
pub(super) fn text(headers: &HeaderMap, bytes: &[u8]) -> Result<String, BodyError> {
    let mut bytes = bytes.to_vec();
    let named: Vec<String> = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_lowercase())
        .filter(|name| !name.is_empty() && name != "identity")
        .collect();
    for name in named.iter().rev() {
        // Some proxies decompress a body and leave the header unchanged.
        if !is_plain(&bytes) {
            bytes = unpack(name, &bytes)?;
        }
    }
    if let Some(name) = magic(&bytes) {
        bytes = unpack(name, &bytes)?;
    }
    let text = match bytes.as_slice() {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        bytes => String::from_utf8_lossy(bytes).into_owned(),
    };
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}

/// Parses the JSON value in a text. A repeated key has its last value. Half a surrogate pair becomes U+FFFD, `NaN`
/// becomes null, and infinities become numbers beyond all log-probabilities.
///
/// # Errors
/// Returns serde's error about the original text.
pub(super) fn json(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text).or_else(|error| serde_json::from_str(&repair(text)).map_err(|_| error))
}

fn is_plain(bytes: &[u8]) -> bool {
    let first = bytes.trim_ascii_start().first();
    matches!(first, None | Some(b'{' | b'['))
}

fn magic(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x1f, 0x8b, ..] => Some("gzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
        _ => None,
    }
}

fn unpack(name: &str, bytes: &[u8]) -> Result<Vec<u8>, BodyError> {
    match name {
        "gzip" | "x-gzip" => read(name, flate2::read::MultiGzDecoder::new(bytes)),
        // The standard requires zlib's header. Old servers omit it.
        "deflate" => read(name, flate2::read::ZlibDecoder::new(bytes))
            .or_else(|_| read(name, flate2::read::DeflateDecoder::new(bytes))),
        "br" => read(name, brotli::Decompressor::new(bytes, 4096)),
        "zstd" => {
            zstd::stream::read::Decoder::new(bytes).map_err(|error| broken(name, error)).and_then(|r| read(name, r))
        }
        other => Err(BodyError::Compression(other.to_owned())),
    }
}

fn read(name: &str, reader: impl Read) -> Result<Vec<u8>, BodyError> {
    let mut bytes = Vec::new();
    reader.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(|error| broken(name, error))?;
    if bytes.len() > MAX_BYTES { Err(BodyError::TooLong) } else { Ok(bytes) }
}

fn broken(name: &str, error: io::Error) -> BodyError {
    BodyError::Damaged { compression: name.to_owned(), error }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let (pairs, _) = bytes.as_chunks::<2>();
    char::decode_utf16(pairs.iter().copied().map(unit))
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

/// Replaces invalid JSON: lone surrogates and control characters in strings, and numbers that JSON does not have.
fn repair(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut inside = false;
    while let Some(c) = rest.chars().next() {
        let (length, replacement): (usize, Option<String>) = match c {
            '"' => {
                inside = !inside;
                (1, None)
            }
            '\\' if inside => escape(rest),
            c if inside && c < ' ' => (1, Some(format!("\\u{:04x}", u32::from(c)))),
            c if !inside && is_word_character(c) => {
                let word = &rest[..rest.find(|c| !is_word_character(c)).unwrap_or(rest.len())];
                (word.len(), number(word).map(str::to_owned))
            }
            c => (c.len_utf8(), None),
        };
        match replacement {
            Some(replacement) => out.push_str(&replacement),
            None => out.push_str(&rest[..length]),
        }
        rest = &rest[length..];
    }
    out
}

/// Returns true if a character belongs to a number or a bare word.
fn is_word_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.')
}

/// Returns the replacement of a number that JSON does not have. `None` for any other word.
fn number(word: &str) -> Option<&'static str> {
    match word.to_ascii_lowercase().as_str() {
        "nan" | "-nan" | "+nan" => Some("null"),
        "-inf" | "-infinity" => Some("-1e300"),
        "inf" | "+inf" | "infinity" | "+infinity" => Some("1e300"),
        _ => None,
    }
}

/// Returns the length of the escape at the start of a text, and its replacement if it is half a surrogate pair.
fn escape(rest: &str) -> (usize, Option<String>) {
    let unit = |index: usize| {
        let digits = rest.get(index..index + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    match (unit(0), unit(6)) {
        (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (12, None),
        (Some(0xd800..=0xdfff), _) => (6, Some("\\ufffd".to_owned())),
        (Some(_), _) => (6, None),
        (None, _) => (1 + rest[1..].chars().next().map_or(0, char::len_utf8), None),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use reqwest::header::HeaderValue;
    use serde_json::json;

    use super::*;

    const BODY: &str = r#"{"a": "é"}"#;

    fn headers(encoding: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(encoding))])
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).expect("written");
        encoder.finish().expect("whole")
    }

    #[test]
    fn compressed_bodies_are_decompressed() {
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        zlib.write_all(BODY.as_bytes()).expect("written");
        let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        raw.write_all(BODY.as_bytes()).expect("written");
        let mut brotli = Vec::new();
        brotli::CompressorWriter::new(&mut brotli, 4096, 5, 20).write_all(BODY.as_bytes()).expect("written");
        let zstd = zstd::encode_all(BODY.as_bytes(), 1).expect("packed");
        for (name, bytes) in [
            ("gzip", gzip(BODY.as_bytes())),
            ("deflate", zlib.finish().expect("whole")),
            ("deflate", raw.finish().expect("whole")),
            ("br", brotli),
            ("zstd", zstd.clone()),
            ("gzip, zstd", zstd::encode_all(&*gzip(BODY.as_bytes()), 1).expect("packed")),
            ("identity", BODY.as_bytes().to_vec()),
            ("gzip", BODY.as_bytes().to_vec()),
            ("identity", zstd),
            ("identity", gzip(BODY.as_bytes())),
        ] {
            assert_eq!(text(&headers(name), &bytes).expect("unpacked"), BODY, "{name}");
        }
        assert!(text(&headers("gzip"), b"\x1f\x8bcut").expect_err("broken").to_string().contains("gzip"));
        assert!(text(&headers("compress"), b"\x1f\x9d").expect_err("unknown").to_string().contains("`compress`"));
        let bomb = gzip(&vec![b' '; MAX_BYTES + 1]);
        assert!(text(&headers("gzip"), &bomb).expect_err("too long").to_string().contains("64 MiB"));
    }

    #[test]
    fn byte_order_marks_are_removed() {
        let marked = |bytes: &[u8]| text(&HeaderMap::new(), bytes).expect("text");
        assert_eq!(marked(b"\xef\xbb\xbf{}"), "{}");
        assert_eq!(marked(b"\xff\xfe{\x00}\x00"), "{}");
        assert_eq!(marked(b"\xfe\xff\x00{\x00}"), "{}");
        assert_eq!(marked(b"a\xffb"), "a\u{fffd}b");
    }

    #[test]
    fn syntax_errors_are_repaired_and_strings_unchanged() {
        for (sent, read) in [
            (r#"{"a": 1, "a": 2}"#, json!({"a": 2})),
            (
                r#"["\ud83d x", "\ude00", "\ud83d\ude00", "\\ud83d"]"#,
                json!(["\u{fffd} x", "\u{fffd}", "😀", "\\ud83d"]),
            ),
            (
                r#"[NaN, -Infinity, Infinity, -inf, nan, -1, "NaN -Infinity \"NaN"]"#,
                json!([null, -1e300, 1e300, -1e300, null, -1, "NaN -Infinity \"NaN"]),
            ),
            ("[\"a\tb\nc\"]", json!(["a\tb\nc"])),
        ] {
            assert_eq!(json(sent).expect("JSON"), read, "{sent}");
        }
        assert!(
            json("data: {}").is_err()
                && json("[nothing]").is_err()
                && json("").is_err()
                && json(r#"{"a": "\ud8"#).is_err()
        );
    }
}
