//! Alignment of a server's token list with the text of an answer.

use super::wire;
use crate::types::chat::{Alternatives, Token};
use crate::types::marks;

/// Floor of log-probabilities. A value at or below it means "unknown, but very unlikely" (-9999 at `OpenAI` and vLLM).
pub(super) const FLOOR: f64 = -9999.0;

/// Spelling of the texts in a token list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// Literal text.
    Plain,
    /// Entries of a byte-level vocabulary: a letter for each byte, `Ġ` for a space.
    Bytes,
    /// Entries of a sentencepiece vocabulary: `▁` for a space, `<0x0A>` for a byte.
    Pieces,
}

/// Tokens of a text.
#[derive(Debug, Default, PartialEq)]
pub(super) struct AlignedTokens {
    /// Tokens. If they are aligned, their concatenated texts are the text.
    pub(super) tokens: Vec<Token>,
    /// True if the tokens could not be aligned with the text.
    pub(super) unplaced: bool,
}

/// Returns the tokens of the first `length` bytes of `text`, with the alternatives that `retain` selects.
///
/// The tokens are aligned with the text in every spelling, first byte by byte, then without whitespace. Tokens
/// outside the text are left out. If the alignment fails, all tokens except an end marker are returned. If the answer
/// contains reasoning (`reasoned`), only the tokens after the mark that ends the reasoning are returned, or none if
/// there is no mark.
pub(super) fn align(
    text: &str,
    length: usize,
    tokens: &[wire::Token],
    retain: Alternatives,
    reasoned: bool,
) -> AlignedTokens {
    if text[..length].trim().is_empty() {
        return AlignedTokens::default();
    }
    let spellings = spellings(text, tokens);
    let matches: [Match; 2] = [exact, ignoring_whitespace];
    let found = matches.iter().find_map(|matcher| {
        spellings.iter().find_map(|spelling| {
            let texts: Vec<Vec<u8>> = tokens.iter().map(|token| bytes_of(token, *spelling)).collect();
            Some((matcher(text, &texts)?, *spelling))
        })
    });
    let Some((spans, spelling)) = found else { return unaligned(tokens, spellings[0], retain, reasoned) };
    let mut end = 0;
    let mut aligned = Vec::new();
    for (token, span) in tokens.iter().zip(spans) {
        let Some((start, stop)) = span.filter(|(start, _)| *start < length) else { continue };
        debug_assert!(start <= stop);
        // A character that is split between tokens belongs to the last of them.
        let next = text.floor_char_boundary(stop.min(length)).max(end);
        aligned.push(convert(token, text[end..next].to_owned(), spelling, retain));
        end = next;
    }
    if let Some(last) = aligned.last_mut() {
        last.text.push_str(&text[end..length]);
    }
    AlignedTokens { tokens: aligned, unplaced: false }
}

/// Byte range of each token in the text. `None` for a token outside the text.
type Spans = Vec<Option<(usize, usize)>>;
/// Function that aligns tokens with a text.
type Match = fn(&str, &[Vec<u8>]) -> Option<Spans>;

/// Returns the spans of tokens whose concatenated bytes contain the text. `None` if they do not.
fn exact(text: &str, texts: &[Vec<u8>]) -> Option<Spans> {
    let joined = texts.concat();
    // The last occurrence, because reasoning that the server has removed from the text precedes it.
    let offset = joined.windows(text.len()).rposition(|window| window == text.as_bytes())?;
    let mut end = 0;
    let span = |bytes: &Vec<u8>| {
        let start = end;
        end += bytes.len();
        // A token without bytes is either part of a character that a later token has complete (vLLM), or an end
        // marker. At the start of the text it is never an end marker.
        let inside = start < offset + text.len() && (end > offset || offset == 0);
        inside.then(|| (start.saturating_sub(offset), end - offset))
    };
    Some(texts.iter().map(span).collect())
}

/// Returns the spans of tokens that equal the text except for whitespace. `None` if they do not.
fn ignoring_whitespace(text: &str, texts: &[Vec<u8>]) -> Option<Spans> {
    let non_whitespace = |bytes: &[u8]| -> Vec<(usize, u8)> {
        bytes.iter().copied().enumerate().filter(|(_, byte)| !byte.is_ascii_whitespace()).collect()
    };
    let expected = non_whitespace(text.as_bytes());
    let listed: Vec<(usize, u8)> = texts
        .iter()
        .enumerate()
        .flat_map(|(token, bytes)| non_whitespace(bytes).into_iter().map(move |(_, byte)| (token, byte)))
        .collect();
    let same = |window: &[(usize, u8)]| window.iter().zip(&expected).all(|((_, one), (_, other))| one == other);
    let offset = listed.windows(expected.len().max(1)).rposition(same)?;
    let mut spans: Spans = vec![None; texts.len()];
    for ((token, _), (index, _)) in listed[offset..].iter().zip(&expected) {
        let start = spans[*token].map_or(*index, |(start, _)| start);
        spans[*token] = Some((start, index + 1));
    }
    Some(spans)
}

/// Returns the tokens of an answer if the alignment has failed.
fn unaligned(tokens: &[wire::Token], spelling: Spelling, retain: Alternatives, reasoned: bool) -> AlignedTokens {
    let text = |token: &wire::Token| lossy(&bytes_of(token, spelling));
    let closed = tokens.iter().rposition(|token| marks::ends_in(&text(token)));
    let after = match closed {
        Some(closed) => &tokens[closed + 1..],
        None if reasoned => &[],
        None => tokens,
    };
    let mut all: Vec<Token> = after.iter().map(|token| convert(token, text(token), spelling, retain)).collect();
    all.pop_if(|token| is_end_marker(&token.text));
    AlignedTokens { tokens: all, unplaced: true }
}

/// Returns the spellings, the likeliest first.
fn spellings(text: &str, tokens: &[wire::Token]) -> [Spelling; 3] {
    let entries = || tokens.iter().chain(tokens.iter().flat_map(|token| token.top_logprobs.iter().flatten()));
    let has_marks = |marks: &[&str]| {
        let has = |token: &wire::Token| {
            token.text.as_deref().is_some_and(|text| marks.iter().any(|mark| text.contains(mark)))
        };
        !marks.iter().any(|mark| text.contains(mark)) && entries().any(has)
    };
    if has_marks(&["Ġ", "Ċ"]) {
        [Spelling::Bytes, Spelling::Plain, Spelling::Pieces]
    } else if has_marks(&["▁", "<0x"]) {
        [Spelling::Pieces, Spelling::Plain, Spelling::Bytes]
    } else {
        [Spelling::Plain, Spelling::Bytes, Spelling::Pieces]
    }
}

/// Returns a token's bytes: the bytes that the server lists, or the decoded bytes of its text.
fn bytes_of(token: &wire::Token, spelling: Spelling) -> Vec<u8> {
    let text = token.text.as_deref().unwrap_or_default();
    match &token.bytes {
        // Some servers list the bytes of the vocabulary's entry.
        Some(bytes) if !bytes.is_empty() && (bytes != text.as_bytes() || spelling == Spelling::Plain) => bytes.clone(),
        _ => match spelling {
            Spelling::Plain => text.as_bytes().to_vec(),
            Spelling::Bytes => {
                // A text with a character outside the alphabet is a special token, used literally.
                let bytes: Option<Vec<u8>> = text.chars().map(byte_of).collect();
                bytes.unwrap_or_else(|| text.as_bytes().to_vec())
            }
            Spelling::Pieces => {
                let byte = text.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
                let byte = byte.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                byte.map_or_else(|| text.replace('▁', " ").into_bytes(), |byte| vec![byte])
            }
        },
    }
}

/// Returns the byte of a letter in a byte-level vocabulary (GPT-2's `bytes_to_unicode`). Printable bytes are their
/// own letters. The letters from U+0100 encode the other bytes in ascending order.
fn byte_of(letter: char) -> Option<u8> {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let code = u32::from(letter);
    match u8::try_from(code) {
        Ok(byte) => printable(byte).then_some(byte),
        Err(_) => (0..=u8::MAX).filter(|byte| !printable(*byte)).nth(usize::try_from(code.checked_sub(0x100)?).ok()?),
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Converts a token to the program's type. `text` is the token's part of the answer.
fn convert(token: &wire::Token, text: String, spelling: Spelling, retain: Alternatives) -> Token {
    let usable = |logprob: &f64| logprob.is_finite() && *logprob > FLOOR;
    let mut alternatives: Vec<(String, f64)> = Vec::new();
    if retain.are_kept(&lossy(&bytes_of(token, spelling))) {
        let listed = token.top_logprobs.iter().flatten();
        let listed = listed.filter_map(|other| Some((lossy(&bytes_of(other, spelling)), other.logprob?)));
        let (known, floors): (Vec<_>, Vec<_>) = listed.partition(|(_, logprob)| usable(logprob));
        alternatives = known;
        // If all other alternatives are floors, they are known to be nearly impossible.
        if alternatives.len() == 1 {
            alternatives.extend(floors.into_iter().map(|(text, _)| (text, FLOOR)));
        }
        // Servers list alternatives in this order, except servers that send a map.
        alternatives.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        alternatives.truncate(retain.most as usize);
    }
    let logprob = token.logprob.filter(usable).map(|logprob| logprob.min(0.0));
    Token { text, logprob, forced: false, alternatives }
}

/// Returns true if a text is an end marker, such as `<|im_end|>`, `</s>` or an empty text.
fn is_end_marker(text: &str) -> bool {
    text.is_empty()
        || (text.starts_with("<|") && text.ends_with("|>"))
        || matches!(text, "</s>" | "<eos>" | "<end_of_turn>" | "<｜end▁of▁sentence｜>" | "[EOS]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> wire::Token {
        wire::Token { text: Some(text.to_owned()), logprob: Some(-0.5), ..wire::Token::default() }
    }

    fn tokens_of(text: &str, length: usize, tokens: &[wire::Token], retain: Alternatives) -> Vec<Token> {
        align(text, length, tokens, retain, false).tokens
    }

    fn texts_of(text: &str, length: usize, tokens: &[&str]) -> Vec<String> {
        let tokens: Vec<_> = tokens.iter().map(|text| token(text)).collect();
        let aligned = align(text, length, &tokens, Alternatives::NONE, true);
        assert!(!aligned.unplaced);
        let texts: Vec<String> = aligned.tokens.into_iter().map(|token| token.text).collect();
        assert_eq!(texts.concat(), text[..length]);
        texts
    }

    #[test]
    fn tokens_of_the_text_are_retained() {
        assert_eq!(texts_of("a b", 3, &["a", " b", "<|im_end|>"]), ["a", " b"]);
        assert_eq!(texts_of("a b", 3, &["a", " b", "\n\n", "Question"]), ["a", " b"]);
        assert_eq!(texts_of("7", 1, &["<think>", "7?", "</think>", "7"]), ["7"]);
        assert_eq!(texts_of("a b", 3, &["a", " b", ""]), ["a", " b"]);
        assert_eq!(texts_of("é é", 5, &["", "é", " ", "", "é", ""]), ["", "é", " ", "", "é"]);
        assert_eq!(texts_of("b c", 3, &["a", " b", " c"]), ["b", " c"], "the server trimmed the text");
    }

    #[test]
    fn tokens_before_a_cut_are_retained() {
        assert_eq!(texts_of("7\n\nQ: 7", 1, &["7", "\n\n", "Q:", " 7"]), ["7"]);
        assert!(texts_of("Q", 0, &["Q"]).is_empty());
        assert!(align("\n\nQ", 2, &[token("\n\n"), token("Q")], Alternatives::NONE, false).tokens.is_empty());
    }

    #[test]
    fn vocabulary_entries_are_aligned() {
        assert_eq!(
            texts_of("It is.\n#### é", 14, &["Hm", "Ġ</think>", "It", "Ġis", ".", "Ċ", "####", "ĠÃ", "©"]),
            ["It", " is", ".", "\n", "####", " ", "é"]
        );
        assert_eq!(texts_of("It is\n4", 7, &["▁It", "▁is", "<0x0A>", "4", "</s>"]), ["It", " is", "\n", "4"]);
        let entry = wire::Token { bytes: Some("Ġis".as_bytes().to_vec()), ..token("Ġis") };
        assert_eq!(tokens_of("It is", 5, &[token("It"), entry], Alternatives::NONE)[1].text, " is");
        let listing = wire::Token { top_logprobs: Some(vec![token("ĠB"), token("A")]), ..token("B") };
        let read = tokens_of("B", 1, &[listing], Alternatives { most: 5, letters_only: true });
        assert_eq!(read[0].alternatives.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>(), [" B", "A"]);
    }

    #[test]
    fn changed_whitespace_is_aligned() {
        assert_eq!(texts_of("a\n\n b c ", 8, &["x", "a", "\n", "b", " c"]), ["a", "\n\n b", " c "]);
    }

    #[test]
    fn byte_alphabet_is_complete() {
        let mut bytes: Vec<u8> = (0..0x200).filter_map(char::from_u32).filter_map(byte_of).collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=u8::MAX).collect::<Vec<_>>());
        assert_eq!(['Ġ', 'Ċ', 'ĉ', 'č'].map(byte_of), [b' ', b'\n', b'\t', b'\r'].map(Some));
    }

    #[test]
    fn unaligned_tokens_are_used_without_reasoning() {
        let tokens = |texts: &[&str]| texts.iter().map(|text| token(text)).collect::<Vec<_>>();
        let read = |texts: &[&str], reasoned| {
            let align = align("a b", 3, &tokens(texts), Alternatives::NONE, reasoned);
            assert!(align.unplaced);
            align.tokens.into_iter().map(|token| token.text).collect::<Vec<_>>()
        };
        assert_eq!(read(&["token_id:5", "token_id:9", "</s>"], false), ["token_id:5", "token_id:9"]);
        assert!(read(&["token_id:5", "token_id:9", "</s>"], true).is_empty());
        assert_eq!(read(&["hm", "</think>", "c", "d"], true), ["c", "d"]);
    }

    #[test]
    fn split_character_belongs_to_its_last_token() {
        let half = |bytes: &[u8]| wire::Token {
            text: Some("?".to_owned()),
            logprob: Some(FLOOR),
            bytes: Some(bytes.to_vec()),
            top_logprobs: None,
        };
        let tokens = tokens_of("é!", 3, &[half(&[0xc3]), half(&[0xa9]), token("!")], Alternatives::NONE);
        let texts: Vec<&str> = tokens.iter().map(|token| token.text.as_str()).collect();
        assert_eq!(texts, ["", "é", "!"]);
        assert_eq!(tokens[0].logprob, None);
        assert_eq!(tokens[2].logprob, Some(-0.5));
    }

    #[test]
    fn alternatives_are_filtered_and_sorted() {
        let with = |text: &str, tops: &[(&str, f64)]| {
            let top = |(text, logprob): &(&str, f64)| wire::Token { logprob: Some(*logprob), ..token(text) };
            wire::Token { top_logprobs: Some(tops.iter().map(top).collect()), ..token(text) }
        };
        let listed = [with("It is", &[("It", -1.0)]), with(" (B", &[("A", -3.0), (" (B", -0.1), ("C", -9999.0)])];
        let letters = Alternatives { most: 2, letters_only: true };
        let tokens = tokens_of("It is (B", 8, &listed, letters);
        assert!(tokens[0].alternatives.is_empty());
        assert_eq!(tokens[1].alternatives, [(" (B".to_owned(), -0.1), ("A".to_owned(), -3.0)]);
        let all = tokens_of("It is (B", 8, &listed, Alternatives { most: 1, letters_only: false });
        assert_eq!(all.iter().map(|token| token.alternatives.len()).collect::<Vec<_>>(), [1, 1]);
        let sure = [with("B", &[("B", 0.0), ("A", -9999.0), ("C", -3.4e38)])];
        let tokens = tokens_of("B", 1, &sure, Alternatives { most: 3, letters_only: true });
        assert_eq!(tokens[0].alternatives.iter().map(|(_, logprob)| *logprob).collect::<Vec<_>>(), [0.0, FLOOR, FLOOR]);
    }

    #[test]
    fn older_form_of_log_probabilities_is_read() {
        let older: wire::Logprobs = serde_json::from_str(
            r#"{"tokens": [" B", "."], "token_logprobs": [-0.5, null], "top_logprobs": [{" A": -1.0, " B": -0.5}, null]}"#,
        )
        .expect("JSON");
        let tokens = older.into_tokens().expect("tokens");
        let read = tokens_of(" B.", 3, &tokens, Alternatives { most: 9, letters_only: false });
        assert_eq!((read[0].logprob, read[1].logprob), (Some(-0.5), None));
        assert_eq!(read[0].alternatives, [(" B".to_owned(), -0.5), (" A".to_owned(), -1.0)]);
    }
}
