//! Texts that are not UTF-8: recognised by their first bytes or by the bytes that are wrong, and refused by name with the
//! command that converts them.

use std::path::Path;

use super::stored::uncompressed;

/// Bytes at the start of a file that are looked at.
const LOOKED_AT: usize = 4096;
/// The bytes that Windows-1252 leaves undefined.
const UNDEFINED: [u8; 5] = [0x81, 0x8d, 0x8f, 0x90, 0x9d];

/// What is wrong with a text that begins with these bytes; `None` if nothing is.
pub(super) fn of_start(head: &[u8], path: &Path) -> Option<String> {
    let head = &head[..head.len().min(LOOKED_AT)];
    let name = match head {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => "UTF-32",
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "UTF-16",
        _ => unmarked(head)?,
    };
    Some(refusal(name, name, path))
}

/// UTF-16 without a mark: every other byte of Western text is zero.
fn unmarked(head: &[u8]) -> Option<&'static str> {
    let (pairs, _) = head.as_chunks::<2>();
    let zeros = |place: usize| pairs.iter().filter(|pair| pair[place] == 0).count();
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

/// What is wrong with a text in which these bytes stand; `None` if it is UTF-8.
pub(super) fn of_bytes(bytes: &[u8], path: &Path) -> Option<String> {
    let error = std::str::from_utf8(bytes).err()?;
    let at = error.valid_up_to();
    let column = String::from_utf8_lossy(&bytes[..at]).chars().count() + 1;
    let wrong = bytes.get(at).copied().unwrap_or_default();
    let windows = bytes.iter().filter(|byte| **byte >= 0x80).all(|byte| !UNDEFINED.contains(byte));
    let what = format!("is not UTF-8: byte 0x{wrong:02X} at character {column}");
    Some(if windows {
        format!("{what}; {}", refusal("Windows-1252, as it seems", "WINDOWS-1252", path))
    } else {
        format!("{what}: write the file as UTF-8")
    })
}

fn refusal(name: &str, from: &str, path: &Path) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let plain = uncompressed(&file);
    format!(
        "the text is {name}, and only UTF-8 is read; convert it: iconv -f {from} -t UTF-8 '{plain}' > 'utf8-{plain}'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn other_encodings_are_named_with_the_command_that_converts_them() {
        let path = Path::new("folder/rows.csv.gz");
        let text = "question,A,B,C,D,answer\nWhat is 2+2?,3,4,5,6,B\n";
        let told = |bytes: &[u8]| of_start(bytes, path).unwrap_or_default();
        for (bytes, from) in [
            (utf16(&format!("\u{feff}{text}"), u16::to_le_bytes), "UTF-16"),
            (utf16(&format!("\u{feff}{text}"), u16::to_be_bytes), "UTF-16"),
            (utf16(text, u16::to_le_bytes), "UTF-16LE"),
            (utf16(text, u16::to_be_bytes), "UTF-16BE"),
        ] {
            let error = told(&bytes);
            assert!(error.ends_with(&format!("iconv -f {from} -t UTF-8 'rows.csv' > 'utf8-rows.csv'")), "{error}");
        }
        assert_eq!((told(text.as_bytes()), told(b"\xef\xbb\xbfa"), told(b"")), Default::default());
        let error = of_bytes(b"caf\xe9 \x96 5 \x80", path).expect("not UTF-8");
        assert!(error.contains("0xE9 at character 4") && error.contains("-f WINDOWS-1252 "), "{error}");
        let error = of_bytes("é\u{fc}".as_bytes().get(..3).expect("bytes"), path).expect("cut");
        assert!(error.contains("at character 2"), "{error}");
        let error = of_bytes(b"a\x81", path).expect("not UTF-8");
        assert!(!error.contains("WINDOWS") && of_bytes("été".as_bytes(), path).is_none(), "{error}");
    }
}
