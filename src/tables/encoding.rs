//! Detection of texts that are not UTF-8, by their first bytes or by invalid bytes. The error names the encoding
//! and the command that converts the file.

use std::path::Path;

use super::stored::uncompressed;

/// Number of bytes examined at the start of a file.
const EXAMINED: usize = 4096;
/// Bytes that are undefined in Windows-1252.
const UNDEFINED: [u8; 5] = [0x81, 0x8d, 0x8f, 0x90, 0x9d];

/// Returns the fault of a text that begins with these bytes; `None` if there is none.
pub(super) fn of_start(head: &[u8], path: &Path) -> Option<String> {
    let head = &head[..head.len().min(EXAMINED)];
    let name = match head {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => "UTF-32",
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "UTF-16",
        _ => unmarked(head)?,
    };
    Some(refusal(name, name, path))
}

/// Recognises UTF-16 without a byte order mark: every other byte of Western text is zero.
fn unmarked(head: &[u8]) -> Option<&'static str> {
    let (pairs, _) = head.as_chunks::<2>();
    let zeros = |index: usize| pairs.iter().filter(|pair| pair[index] == 0).count();
    let (first, second) = (zeros(0), zeros(1));
    if pairs.len() < 2 {
        None
    } else if second * 2 > pairs.len() && first * 10 < pairs.len() {
        Some("UTF-16LE")
    } else if first * 2 > pairs.len() && second * 10 < pairs.len() {
        Some("UTF-16BE")
    } else {
        None
    }
}

/// Returns the fault of a text that contains these bytes; `None` if the bytes are UTF-8.
pub(super) fn of_bytes(bytes: &[u8], path: &Path) -> Option<String> {
    let error = std::str::from_utf8(bytes).err()?;
    let at = error.valid_up_to();
    let column = String::from_utf8_lossy(&bytes[..at]).chars().count() + 1;
    let wrong = bytes.get(at).copied().unwrap_or_default();
    let windows = bytes.iter().filter(|byte| **byte >= 0x80).all(|byte| !UNDEFINED.contains(byte));
    let what = format!("is not UTF-8: byte 0x{wrong:02X} at character {column}");
    Some(if windows {
        format!("{what}; {}", refusal("probably Windows-1252", "WINDOWS-1252", path))
    } else {
        format!("{what}: save the file as UTF-8")
    })
}

fn refusal(name: &str, from: &str, path: &Path) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let plain = uncompressed(&file);
    format!("the text is {name}, but must be UTF-8; convert it: iconv -f {from} -t UTF-8 '{plain}' > 'utf8-{plain}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn other_encodings_are_named_with_a_conversion_command() {
        let path = Path::new("folder/rows.csv.gz");
        let text = "question,A,B,C,D,answer\nWhat is 2+2?,3,4,5,6,B\n";
        let fault = |bytes: &[u8]| of_start(bytes, path).unwrap_or_default();
        for (bytes, from) in [
            (utf16(&format!("\u{feff}{text}"), u16::to_le_bytes), "UTF-16"),
            (utf16(&format!("\u{feff}{text}"), u16::to_be_bytes), "UTF-16"),
            (utf16(text, u16::to_le_bytes), "UTF-16LE"),
            (utf16(text, u16::to_be_bytes), "UTF-16BE"),
        ] {
            let error = fault(&bytes);
            assert!(error.ends_with(&format!("iconv -f {from} -t UTF-8 'rows.csv' > 'utf8-rows.csv'")), "{error}");
        }
        assert_eq!((fault(text.as_bytes()), fault(b"\xef\xbb\xbfa"), fault(b"")), Default::default());
        let error = of_bytes(b"caf\xe9 \x96 5 \x80", path).expect("not UTF-8");
        assert!(error.contains("0xE9 at character 4") && error.contains("-f WINDOWS-1252 "), "{error}");
        let error = of_bytes("é\u{fc}".as_bytes().get(..3).expect("bytes"), path).expect("cut");
        assert!(error.contains("at character 2"), "{error}");
        let error = of_bytes(b"a\x81", path).expect("not UTF-8");
        assert!(!error.contains("WINDOWS") && of_bytes("été".as_bytes(), path).is_none(), "{error}");
    }
}
