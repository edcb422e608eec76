//! The tokens that make up an answer's text, found among all that a server lists.

use super::wire;
use crate::types::chat::{Alternatives, Token};
use crate::types::marks;

/// At or below this a log-probability means "unknown, but very unlikely" (-9999 at `OpenAI` and vLLM).
pub(super) const FLOOR: f64 = -9999.0;

/// How a list of tokens writes their texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// As they are.
    Plain,
    /// As the entries of a byte-level vocabulary: a letter for each byte, `Ġ` for a space.
    Bytes,
    /// As the entries of a sentencepiece vocabulary: `▁` for a space, `<0x0A>` for a byte.
    Pieces,
}

/// The tokens of a text.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Placed {
    /// The tokens; if they were matched with the text, their texts together are the text.
    pub(super) tokens: Vec<Token>,
    /// Whether they could not be matched.
    pub(super) unplaced: bool,
}

/// The tokens that make up the first `length` bytes of `text`.
///
/// They are matched with the text in every spelling, byte by byte, or else but for spaces; those that lie outside the text are left
/// out. Tokens that cannot be matched all count but for the end marker; with reasoning among them (`reasoned`), those behind the
/// mark that ends it, or none.
pub(super) fn placed(text: &str, length: usize, tokens: &[wire::Token], kept: Alternatives, reasoned: bool) -> Placed {
    if text[..length].trim().is_empty() {
        return Placed::default();
    }
    let spellings = spellings(text, tokens);
    let matches: [Match; 2] = [exactly, but_for_spaces];
    let found = matches.iter().find_map(|matched| {
        spellings.iter().find_map(|spelling| {
            let texts: Vec<Vec<u8>> = tokens.iter().map(|token| bytes_of(token, *spelling)).collect();
            Some((matched(text, &texts)?, *spelling))
        })
    });
    let Some((spans, spelling)) = found else { return unplaced(tokens, spellings[0], kept, reasoned) };
    let mut end = 0;
    let mut placed = Vec::new();
    for (token, span) in tokens.iter().zip(spans) {
        let Some((start, stop)) = span.filter(|(start, _)| *start < length) else { continue };
        debug_assert!(start <= stop);
        // A character that is split between tokens stands with the last of them.
        let next = text.floor_char_boundary(stop.min(length)).max(end);
        placed.push(plain(token, text[end..next].to_owned(), spelling, kept));
        end = next;
    }
    if let Some(last) = placed.last_mut() {
        last.text.push_str(&text[end..length]);
    }
    Placed { tokens: placed, unplaced: false }
}

/// For each token, where it stands in the text; `None` outside it.
type Spans = Vec<Option<(usize, usize)>>;
/// How tokens are matched with a text.
type Match = fn(&str, &[Vec<u8>]) -> Option<Spans>;

/// The spans of tokens whose bytes hold the text.
fn exactly(text: &str, texts: &[Vec<u8>]) -> Option<Spans> {
    let joined = texts.concat();
    // The last occurrence: reasoning that the server took out of the text stands before it.
    let place = joined.windows(text.len()).rposition(|window| window == text.as_bytes())?;
    let mut end = 0;
    let span = |bytes: &Vec<u8>| {
        let start = end;
        end += bytes.len();
        // A token without bytes is a piece of a character that a later token shows whole (vLLM), or an end marker. At the
        // very start it can only be the former.
        let inside = start < place + text.len() && (end > place || place == 0);
        inside.then(|| (start.saturating_sub(place), end - place))
    };
    Some(texts.iter().map(span).collect())
}

/// The same if the server changed spaces and line breaks.
fn but_for_spaces(text: &str, texts: &[Vec<u8>]) -> Option<Spans> {
    let solid = |bytes: &[u8]| -> Vec<(usize, u8)> {
        bytes.iter().copied().enumerate().filter(|(_, byte)| !byte.is_ascii_whitespace()).collect()
    };
    let wanted = solid(text.as_bytes());
    let given: Vec<(usize, u8)> = texts
        .iter()
        .enumerate()
        .flat_map(|(token, bytes)| solid(bytes).into_iter().map(move |(_, byte)| (token, byte)))
        .collect();
    let same = |window: &[(usize, u8)]| window.iter().zip(&wanted).all(|((_, one), (_, other))| one == other);
    let place = given.windows(wanted.len().max(1)).rposition(same)?;
    let mut spans: Spans = vec![None; texts.len()];
    for ((token, _), (at, _)) in given[place..].iter().zip(&wanted) {
        let start = spans[*token].map_or(*at, |(start, _)| start);
        spans[*token] = Some((start, at + 1));
    }
    Some(spans)
}

/// Tokens that do not make up the text.
fn unplaced(tokens: &[wire::Token], spelling: Spelling, kept: Alternatives, reasoned: bool) -> Placed {
    let text = |token: &wire::Token| lossy(&bytes_of(token, spelling));
    let closed = tokens.iter().rposition(|token| marks::ends_in(&text(token)));
    let behind = match closed {
        Some(closed) => &tokens[closed + 1..],
        None if reasoned => &[],
        None => tokens,
    };
    let mut all: Vec<Token> = behind.iter().map(|token| plain(token, text(token), spelling, kept)).collect();
    all.pop_if(|token| is_end_marker(&token.text));
    Placed { tokens: all, unplaced: true }
}

/// The spellings, likeliest first.
fn spellings(text: &str, tokens: &[wire::Token]) -> [Spelling; 3] {
    let entries = || tokens.iter().chain(tokens.iter().flat_map(|token| token.top_logprobs.iter().flatten()));
    let shows = |marks: &[&str]| {
        let has = |token: &wire::Token| {
            token.text.as_deref().is_some_and(|text| marks.iter().any(|mark| text.contains(mark)))
        };
        !marks.iter().any(|mark| text.contains(mark)) && entries().any(has)
    };
    if shows(&["Ġ", "Ċ"]) {
        [Spelling::Bytes, Spelling::Plain, Spelling::Pieces]
    } else if shows(&["▁", "<0x"]) {
        [Spelling::Pieces, Spelling::Plain, Spelling::Bytes]
    } else {
        [Spelling::Plain, Spelling::Bytes, Spelling::Pieces]
    }
}

/// A token's bytes: those that the server gives beside its text, or those that its text stands for.
fn bytes_of(token: &wire::Token, spelling: Spelling) -> Vec<u8> {
    let text = token.text.as_deref().unwrap_or_default();
    match &token.bytes {
        // Some give the bytes of the vocabulary's entry.
        Some(bytes) if !bytes.is_empty() && (bytes != text.as_bytes() || spelling == Spelling::Plain) => bytes.clone(),
        _ => match spelling {
            Spelling::Plain => text.as_bytes().to_vec(),
            Spelling::Bytes => {
                // What is no entry of the alphabet is a special token, which stands as it is.
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

/// The byte that a letter of a byte-level vocabulary stands for (GPT-2's `bytes_to_unicode`): printable ones stand for themselves,
/// and the others, in their order, for the letters from U+0100 on.
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

/// The token as the rest of the program knows it, with the `text` that is its part of the answer.
fn plain(token: &wire::Token, text: String, spelling: Spelling, kept: Alternatives) -> Token {
    let usable = |logprob: &f64| logprob.is_finite() && *logprob > FLOOR;
    let mut alternatives: Vec<(String, f64)> = Vec::new();
    if kept.are_kept(&lossy(&bytes_of(token, spelling))) {
        let listed = token.top_logprobs.iter().flatten();
        let listed = listed.filter_map(|other| Some((lossy(&bytes_of(other, spelling)), other.logprob?)));
        let (known, floors): (Vec<_>, Vec<_>) = listed.partition(|(_, logprob)| usable(logprob));
        alternatives = known;
        // That all others are all but impossible is known of a token whose alternatives are floors.
        if alternatives.len() == 1 {
            alternatives.extend(floors.into_iter().map(|(text, _)| (text, FLOOR)));
        }
        // Servers list them in this order, but for those that send a map.
        alternatives.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        alternatives.truncate(kept.most as usize);
    }
    let logprob = token.logprob.filter(usable).map(|logprob| logprob.min(0.0));
    Token { text, logprob, forced: false, alternatives }
}

/// Whether a token's text is that of an end marker, such as `<|im_end|>`, `</s>` or nothing at all.
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

    fn tokens_of(text: &str, length: usize, tokens: &[wire::Token], kept: Alternatives) -> Vec<Token> {
        placed(text, length, tokens, kept, false).tokens
    }

    fn kept(text: &str, length: usize, tokens: &[&str]) -> Vec<String> {
        let tokens: Vec<_> = tokens.iter().map(|text| token(text)).collect();
        let kept = placed(text, length, &tokens, Alternatives::NONE, true);
        assert!(!kept.unplaced);
        let texts: Vec<String> = kept.tokens.into_iter().map(|token| token.text).collect();
        assert_eq!(texts.concat(), text[..length]);
        texts
    }

    #[test]
    fn keeps_the_tokens_of_the_text() {
        assert_eq!(kept("a b", 3, &["a", " b", "<|im_end|>"]), ["a", " b"]);
        assert_eq!(kept("a b", 3, &["a", " b", "\n\n", "Question"]), ["a", " b"]);
        assert_eq!(kept("7", 1, &["<think>", "7?", "</think>", "7"]), ["7"]);
        assert_eq!(kept("a b", 3, &["a", " b", ""]), ["a", " b"]);
        assert_eq!(kept("é é", 5, &["", "é", " ", "", "é", ""]), ["", "é", " ", "", "é"]);
        assert_eq!(kept("b c", 3, &["a", " b", " c"]), ["b", " c"], "the server trimmed the text");
    }

    #[test]
    fn keeps_what_stands_before_a_cut() {
        assert_eq!(kept("7\n\nQ: 7", 1, &["7", "\n\n", "Q:", " 7"]), ["7"]);
        assert!(kept("Q", 0, &["Q"]).is_empty());
        assert!(placed("\n\nQ", 2, &[token("\n\n"), token("Q")], Alternatives::NONE, false).tokens.is_empty());
    }

    #[test]
    fn entries_of_a_vocabulary_are_matched_too() {
        assert_eq!(
            kept("It is.\n#### é", 14, &["Hm", "Ġ</think>", "It", "Ġis", ".", "Ċ", "####", "ĠÃ", "©"]),
            ["It", " is", ".", "\n", "####", " ", "é"]
        );
        assert_eq!(kept("It is\n4", 7, &["▁It", "▁is", "<0x0A>", "4", "</s>"]), ["It", " is", "\n", "4"]);
        let entry = wire::Token { bytes: Some("Ġis".as_bytes().to_vec()), ..token("Ġis") };
        assert_eq!(tokens_of("It is", 5, &[token("It"), entry], Alternatives::NONE)[1].text, " is");
        let listing = wire::Token { top_logprobs: Some(vec![token("ĠB"), token("A")]), ..token("B") };
        let read = tokens_of("B", 1, &[listing], Alternatives { most: 5, letters_only: true });
        assert_eq!(read[0].alternatives.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>(), [" B", "A"]);
    }

    #[test]
    fn spaces_that_the_server_changed_do_not_matter() {
        assert_eq!(kept("a\n\n b c ", 8, &["x", "a", "\n", "b", " c"]), ["a", "\n\n b", " c "]);
    }

    #[test]
    fn the_alphabet_of_bytes_is_complete() {
        let mut bytes: Vec<u8> = (0..0x200).filter_map(char::from_u32).filter_map(byte_of).collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=u8::MAX).collect::<Vec<_>>());
        assert_eq!(['Ġ', 'Ċ', 'ĉ', 'č'].map(byte_of), [b' ', b'\n', b'\t', b'\r'].map(Some));
    }

    #[test]
    fn what_cannot_be_matched_counts_only_without_reasoning() {
        let tokens = |texts: &[&str]| texts.iter().map(|text| token(text)).collect::<Vec<_>>();
        let read = |texts: &[&str], reasoned| {
            let placed = placed("a b", 3, &tokens(texts), Alternatives::NONE, reasoned);
            assert!(placed.unplaced);
            placed.tokens.into_iter().map(|token| token.text).collect::<Vec<_>>()
        };
        assert_eq!(read(&["token_id:5", "token_id:9", "</s>"], false), ["token_id:5", "token_id:9"]);
        assert!(read(&["token_id:5", "token_id:9", "</s>"], true).is_empty());
        assert_eq!(read(&["hm", "</think>", "c", "d"], true), ["c", "d"]);
    }

    #[test]
    fn a_split_character_stands_with_its_last_token() {
        let half = |bytes: &[u8]| wire::Token {
            text: Some("?".to_owned()),
            logprob: Some(FLOOR),
            bytes: Some(bytes.to_vec()),
            top_logprobs: None,
        };
        let kept = tokens_of("é!", 3, &[half(&[0xc3]), half(&[0xa9]), token("!")], Alternatives::NONE);
        let texts: Vec<&str> = kept.iter().map(|token| token.text.as_str()).collect();
        assert_eq!(texts, ["", "é", "!"]);
        assert_eq!(kept[0].logprob, None);
        assert_eq!(kept[2].logprob, Some(-0.5));
    }

    #[test]
    fn alternatives_are_kept_where_they_are_wanted_and_in_order() {
        let with = |text: &str, tops: &[(&str, f64)]| {
            let top = |(text, logprob): &(&str, f64)| wire::Token { logprob: Some(*logprob), ..token(text) };
            wire::Token { top_logprobs: Some(tops.iter().map(top).collect()), ..token(text) }
        };
        let tokens = [with("It is", &[("It", -1.0)]), with(" (B", &[("A", -3.0), (" (B", -0.1), ("C", -9999.0)])];
        let letters = Alternatives { most: 2, letters_only: true };
        let kept = tokens_of("It is (B", 8, &tokens, letters);
        assert!(kept[0].alternatives.is_empty());
        assert_eq!(kept[1].alternatives, [(" (B".to_owned(), -0.1), ("A".to_owned(), -3.0)]);
        let all = tokens_of("It is (B", 8, &tokens, Alternatives { most: 1, letters_only: false });
        assert_eq!(all.iter().map(|token| token.alternatives.len()).collect::<Vec<_>>(), [1, 1]);
        let sure = [with("B", &[("B", 0.0), ("A", -9999.0), ("C", -3.4e38)])];
        let kept = tokens_of("B", 1, &sure, Alternatives { most: 3, letters_only: true });
        assert_eq!(kept[0].alternatives.iter().map(|(_, logprob)| *logprob).collect::<Vec<_>>(), [0.0, FLOOR, FLOOR]);
    }

    #[test]
    fn the_older_form_of_log_probabilities_is_read_too() {
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
