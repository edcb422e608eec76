//! Turns a server's answer into a [`Response`]: text, the tokens of that text, counts, and why it ended.

use super::OpenAi;
use super::wire;
use crate::model::ModelError;
use crate::types::chat::{Alternatives, Finish, Response, Token, Usage};

/// What the request asked for that matters when its answer is read.
pub(super) struct Wanted<'a> {
    /// Texts that end the answer.
    pub(super) stop: &'a [String],
    /// Whether log-probabilities have to be there.
    pub(super) logprobs: bool,
    /// The alternatives that are kept.
    pub(super) alternatives: Alternatives,
}

/// At or below this a log-probability means "unknown, but very unlikely" (-9999 at `OpenAI` and vLLM).
const UNKNOWN: f64 = -9999.0;

impl OpenAi {
    /// Reads an answer.
    ///
    /// - A refusal text is the answer, with [`Finish::ContentFilter`]; so is an empty text where the server withheld
    ///   everything. No log-probabilities are demanded of such an answer.
    /// - An answer without usage is [`ModelError::Unusable`]: nobody could say what it cost.
    /// - Tokens outside the text (hidden reasoning, stop texts, end markers) are left out.
    pub(super) fn read(&self, completion: wire::Completion, wanted: &Wanted<'_>) -> Result<Response, ModelError> {
        let unusable = |what: &str| ModelError::Unusable(self.named(what));
        let usage = self.usage(completion.usage)?;
        let choice = completion
            .choices
            .and_then(|choices| choices.into_iter().next())
            .ok_or_else(|| unusable("the answer holds no choices"))?;
        let mut finish = self.finish(choice.finish_reason.as_deref())?;

        let message = choice.message.unwrap_or_default();
        let refusal = message.refusal.filter(|text| !text.is_empty());
        let logprobs = choice.logprobs.unwrap_or_default();
        let (mut text, tokens) = match (message.content.map(wire::Content::into_text).or(choice.text), refusal) {
            (None | Some(_), Some(refusal)) => {
                finish = Finish::ContentFilter;
                (refusal, logprobs.refusal)
            }
            (Some(text), None) => (text, logprobs.into_tokens()),
            (None, None) if finish == Finish::ContentFilter => (String::new(), None),
            (None, None) if finish == Finish::Length => (String::new(), None),
            (None, None) => return Err(unusable("the answer's text is null")),
        };
        if finish == Finish::Length && text.is_empty() {
            return Err(unusable(&format!(
                "all {} tokens went by without a word of the answer, as happens to models that reason first: raise max_tokens",
                usage.output
            )));
        }

        // Servers that were not sent the stop texts, or ignore them, write on.
        let stops = wanted.stop.iter().filter(|stop| !stop.is_empty());
        let cut = stops.filter_map(|stop| text.find(stop)).min();
        if cut.is_some() && finish == Finish::Length {
            finish = Finish::Stop;
        }
        let length = cut.unwrap_or(text.len());
        let tokens = match tokens {
            Some(tokens) if wanted.logprobs => tokens_of(&text, length, &tokens, wanted.alternatives),
            _ => Vec::new(),
        };
        text.truncate(length);
        let bare = !tokens.iter().any(|token| token.logprob.is_some());
        if wanted.logprobs && bare && !text.is_empty() && finish != Finish::ContentFilter {
            return Err(unusable(
                "the answer has no log-probabilities, which the confidence signal needs: take another model or another signal, or set logprobs = false if this level needs none",
            ));
        }
        Ok(Response {
            text,
            tokens,
            usage,
            finish,
            model: completion.model.unwrap_or_else(|| self.settings.model.clone()),
            ..Response::default()
        })
    }

    /// The counts.
    ///
    /// `completion_tokens` includes hidden reasoning at `OpenAI`, but other servers count that only in `total_tokens`
    /// (translations of Gemini's counts do) or beside it, so the largest of the readings is taken: nothing that is
    /// charged goes uncounted.
    fn usage(&self, usage: Option<wire::Usage>) -> Result<Usage, ModelError> {
        let missing =
            || {
                ModelError::Unusable(self.named(
                    "the answer does not say how many tokens were read and written, so that it could not be priced",
                ))
            };
        let usage = usage.ok_or_else(missing)?;
        let input = usage.prompt_tokens.ok_or_else(missing)?;
        let rest = usage.total_tokens.map(|total| total.saturating_sub(input));
        let reasoning = usage.completion_tokens_details.and_then(|details| details.reasoning_tokens);
        let output = [usage.completion_tokens, rest, reasoning].into_iter().flatten().max();
        if usage.completion_tokens.is_none() && rest.is_none() {
            return Err(missing());
        }
        let cached = usage.prompt_tokens_details.and_then(|details| details.cached_tokens).unwrap_or(0);
        Ok(Usage { input, cached_input: cached.min(input), output: output.ok_or_else(missing)? })
    }

    /// Why the server stopped; an unnamed or unknown reason is an ordinary end.
    fn finish(&self, reason: Option<&str>) -> Result<Finish, ModelError> {
        match reason.unwrap_or("stop") {
            "length" | "max_tokens" => Ok(Finish::Length),
            "error" | "abort" => Err(ModelError::Unusable(self.named("the server broke the answer off"))),
            reason if reason.starts_with("content_filter") => Ok(Finish::ContentFilter),
            _ => Ok(Finish::Stop),
        }
    }
}

/// The tokens that make up the first `length` bytes of `text`.
///
/// Where the tokens' bytes hold the text, those that lie outside it are left out. Where they do not (a server that
/// trims or names tokens by number), all are kept but the end marker.
fn tokens_of(text: &str, length: usize, tokens: &[wire::Token], kept: Alternatives) -> Vec<Token> {
    let plain = |token: &wire::Token| plain(token, kept);
    if length == 0 {
        return Vec::new();
    }
    let mut joined: Vec<u8> = Vec::new();
    let mut spans = Vec::with_capacity(tokens.len());
    for token in tokens {
        let start = joined.len();
        joined.extend_from_slice(bytes_of(token));
        spans.push((start, joined.len()));
    }
    // The last occurrence: reasoning that the server took out of the text stands before it.
    let place = joined.windows(text.len()).rposition(|window| window == text.as_bytes());
    let Some(place) = place else {
        let mut all: Vec<Token> = tokens.iter().map(plain).collect();
        all.pop_if(|token| is_end_marker(&token.text));
        return all;
    };
    // A token without bytes is a piece of a character that a later token shows whole (vLLM), or an end marker. At the
    // very start it can only be the former.
    let inside = |(start, end): (usize, usize)| start < place + length && (end > place || place == 0);
    tokens.iter().zip(spans).filter(|(_, span)| inside(*span)).map(|(token, _)| plain(token)).collect()
}

/// A token's bytes, which some servers give beside its text.
fn bytes_of(token: &wire::Token) -> &[u8] {
    match (&token.bytes, &token.text) {
        (Some(bytes), _) if !bytes.is_empty() => bytes,
        (_, Some(text)) => text.as_bytes(),
        _ => &[],
    }
}

/// The token as the rest of the program knows it.
fn plain(token: &wire::Token, kept: Alternatives) -> Token {
    let text = |token: &wire::Token| String::from_utf8_lossy(bytes_of(token)).into_owned();
    let known = |logprob: &f64| *logprob > UNKNOWN;
    let written = text(token);
    let mut alternatives: Vec<(String, f64)> = Vec::new();
    if kept.are_kept(&written) {
        let listed = token.top_logprobs.iter().flatten();
        alternatives.extend(listed.filter_map(|other| Some((text(other), other.logprob.filter(known)?))));
        // Servers list them in this order, but for those that send a map.
        alternatives.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        alternatives.truncate(kept.most as usize);
    }
    Token { text: written, logprob: token.logprob.filter(known), forced: false, alternatives }
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

    fn kept(text: &str, length: usize, tokens: &[&str]) -> Vec<String> {
        let tokens: Vec<_> = tokens.iter().map(|text| token(text)).collect();
        let kept = tokens_of(text, length, &tokens, Alternatives::NONE);
        kept.into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn keeps_the_tokens_of_the_text() {
        assert_eq!(kept("a b", 3, &["a", " b", "<|im_end|>"]), ["a", " b"]);
        assert_eq!(kept("a b", 3, &["a", " b", "\n\n", "Question"]), ["a", " b"]);
        assert_eq!(kept("7", 1, &["<think>", "7?", "</think>", "7"]), ["7"]);
        assert_eq!(kept("a b", 3, &["a", " b", ""]), ["a", " b"]);
        assert_eq!(kept("é é", 5, &["", "é", " ", "", "é", ""]), ["", "é", " ", "", "é"]);
    }

    #[test]
    fn keeps_what_stands_before_a_cut() {
        assert_eq!(kept("7\n\nQ: 7", 1, &["7", "\n\n", "Q:", " 7"]), ["7"]);
        assert!(kept("\n\nQ", 0, &["\n\n", "Q"]).is_empty());
    }

    #[test]
    fn keeps_all_but_the_end_where_the_text_is_not_found() {
        let tokens = ["token_id:5", "token_id:9", "</s>"];
        assert_eq!(kept("a b", 3, &tokens), ["token_id:5", "token_id:9"]);
    }

    #[test]
    fn a_split_character_becomes_a_replacement_character() {
        let half = |bytes: &[u8]| wire::Token {
            text: Some("?".to_owned()),
            logprob: Some(UNKNOWN),
            bytes: Some(bytes.to_vec()),
            top_logprobs: None,
        };
        let kept = tokens_of("é!", 3, &[half(&[0xc3]), half(&[0xa9]), token("!")], Alternatives::NONE);
        let texts: Vec<&str> = kept.iter().map(|token| token.text.as_str()).collect();
        assert_eq!(texts, ["\u{fffd}", "\u{fffd}", "!"]);
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
