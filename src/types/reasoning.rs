//! Reasoning that a model writes into its text, kept apart from the answer. What is journaled keeps it; what is graded, split and
//! judged does not have it.

use std::ops::Range;
use std::sync::Arc;

use super::chat::{Response, Token};
use super::marks::visible;

/// The answer without its reasoning: what is left of its text, with the tokens of that. Usage stays that of all. Tokens that do not
/// make up the text cannot be told apart, and are left out.
#[must_use]
pub fn without(response: Arc<Response>) -> Arc<Response> {
    let text = &response.text;
    let visible = visible(text);
    if text.is_empty() || visible.first() == Some(&(0..text.len())) {
        return response;
    }
    let left: String = visible.iter().map(|range| &text[range.clone()]).collect();
    let fits = response.tokens.iter().map(|token| token.text.as_str()).collect::<String>() == *text;
    let tokens = if fits { split_tokens(&response.tokens, text, &visible) } else { Vec::new() };
    let unplaced = response.unplaced || (!fits && !response.tokens.is_empty());
    Arc::new(Response { text: left, tokens, unplaced, ..Response::clone(&response) })
}

/// The tokens that touch the visible parts, each with what of it is visible.
fn split_tokens(tokens: &[Token], text: &str, visible: &[Range<usize>]) -> Vec<Token> {
    let mut end = 0;
    let mut left = Vec::new();
    for token in tokens {
        let start = end;
        end += token.text.len();
        let touched: Vec<Range<usize>> = visible
            .iter()
            .map(|range| range.start.max(start)..range.end.min(end))
            .filter(|part| !part.is_empty())
            .collect();
        // A piece of a character that a later token shows whole has no text.
        let within = start == end && visible.iter().any(|range| range.contains(&start));
        if within || !touched.is_empty() {
            let text = touched.into_iter().map(|part| &text[part]).collect();
            left.push(Token { text, ..token.clone() });
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_go_with_their_text() {
        let token = |text: &&str| Token { text: (*text).into(), ..Token::default() };
        let response = |pieces: &[&str], text: &str| {
            let tokens = pieces.iter().map(token).collect();
            without(Arc::new(Response { text: text.into(), tokens, ..Response::default() }))
        };
        let text = "<think>no</think>\n\nIt is é.";
        let told = response(&["<think>", "no", "</think>", "\n\nIt", " is ", "", "é", "."], text);
        assert_eq!(told.text, "It is é.");
        assert_eq!(told.tokens.iter().map(|token| &*token.text).collect::<Vec<_>>(), ["It", " is ", "", "é", "."]);
        let other = response(&["token:1", "token:2"], text);
        assert!(other.tokens.is_empty() && other.unplaced && other.text == "It is é.");
        let plain = response(&["token:1"], "It is 4.");
        assert!(plain.tokens.len() == 1 && !plain.unplaced);
    }
}
