//! Removal of the reasoning that a model writes into its text. The journal stores the full text. Grading, splitting and
//! checks use the text without reasoning.

use std::ops::Range;
use std::sync::Arc;

use super::chat::{Response, Token};
use super::marks::visible;

/// Returns the response without reasoning: the visible text and its tokens. The usage still counts all tokens. If the
/// tokens do not concatenate to the text, they are dropped and the response is marked as `unplaced`.
#[must_use]
pub fn without(response: Arc<Response>) -> Arc<Response> {
    let text = &response.text;
    let visible = visible(text);
    if text.is_empty() || visible.first() == Some(&(0..text.len())) {
        return response;
    }
    let visible_text: String = visible.iter().map(|range| &text[range.clone()]).collect();
    let fits = response.tokens.iter().map(|token| token.text.as_str()).collect::<String>() == *text;
    let tokens = if fits { split_tokens(&response.tokens, text, &visible) } else { Vec::new() };
    let unplaced = response.unplaced || (!fits && !response.tokens.is_empty());
    Arc::new(Response { text: visible_text, tokens, unplaced, ..Response::clone(&response) })
}

/// Returns the tokens that overlap the visible ranges, each with its visible text.
fn split_tokens(tokens: &[Token], text: &str, visible: &[Range<usize>]) -> Vec<Token> {
    let mut end = 0;
    let mut visible_tokens = Vec::new();
    for token in tokens {
        let start = end;
        end += token.text.len();
        let overlap: Vec<Range<usize>> = visible
            .iter()
            .map(|range| range.start.max(start)..range.end.min(end))
            .filter(|part| !part.is_empty())
            .collect();
        // A token that is part of a character has no text: a later token holds the whole character.
        let within = start == end && visible.iter().any(|range| range.contains(&start));
        if within || !overlap.is_empty() {
            let text = overlap.into_iter().map(|part| &text[part]).collect();
            visible_tokens.push(Token { text, ..token.clone() });
        }
    }
    visible_tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_follow_the_visible_text() {
        let token = |text: &&str| Token { text: (*text).into(), ..Token::default() };
        let response = |pieces: &[&str], text: &str| {
            let tokens = pieces.iter().map(token).collect();
            without(Arc::new(Response { text: text.into(), tokens, ..Response::default() }))
        };
        let text = "<think>no</think>\n\nIt is é.";
        let split = response(&["<think>", "no", "</think>", "\n\nIt", " is ", "", "é", "."], text);
        assert_eq!(split.text, "It is é.");
        assert_eq!(split.tokens.iter().map(|token| &*token.text).collect::<Vec<_>>(), ["It", " is ", "", "é", "."]);
        let other = response(&["token:1", "token:2"], text);
        assert!(other.tokens.is_empty() && other.unplaced && other.text == "It is é.");
        let plain = response(&["token:1"], "It is 4.");
        assert!(plain.tokens.len() == 1 && !plain.unplaced);
    }
}
