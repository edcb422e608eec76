//! How an answer ended, by the words that servers have for it. docs/SERVERS.md shows the same table.

use crate::types::chat::Finish;

/// What a server's word for the end of an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// There is an answer, which ended like this.
    Ended(Finish),
    /// The server broke off; another attempt may succeed.
    Broken,
}

/// Every word by its meaning. Case and punctuation do not matter, so that `MAX_TOKENS` is `max_tokens`.
const WORDS: [(Ending, &[&str]); 5] = [
    (
        Ending::Ended(Finish::Stop),
        &[
            "stop",
            "STOP",
            "end",
            "eos",
            "eos_token",
            "end_turn",
            "stop_sequence",
            "stop_token",
            "stop_str",
            "complete",
            "completed",
            "finish",
            "finished",
            "done",
            "normal",
            "pause_turn",
        ],
    ),
    (
        Ending::Ended(Finish::Length),
        &[
            "length",
            "max_tokens",
            "MAX_TOKENS",
            "model_length",
            "max_length",
            "max_output_tokens",
            "max_completion_tokens",
            "max_new_tokens",
            "max_tokens_reached",
            "token_limit",
            "token_limit_reached",
            "limit",
            "length_limit",
            "context_length",
            "context_length_exceeded",
            "context_window_exceeded",
            "model_context_window_exceeded",
            "ERROR_LIMIT",
            "incomplete",
            "truncated",
            "repetition",
            "repetition_truncation",
        ],
    ),
    (
        Ending::Ended(Finish::ContentFilter),
        &[
            "content_filter",
            "content_filtered",
            "content_filter_error",
            "content_moderation",
            "SAFETY",
            "safety_filter",
            "sensitive",
            "RECITATION",
            "LANGUAGE",
            "BLOCKLIST",
            "PROHIBITED_CONTENT",
            "SPII",
            "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT",
            "IMAGE_RECITATION",
            "MODEL_ARMOR",
            "refusal",
            "blocked",
            "moderation",
            "guardrail",
            "guardrails",
            "guardrail_intervened",
            "ERROR_TOXIC",
        ],
    ),
    (
        Ending::Ended(Finish::ToolCalls),
        &[
            "tool_calls",
            "tool_call",
            "tool_use",
            "function_call",
            "function_calls",
            "MALFORMED_FUNCTION_CALL",
            "UNEXPECTED_TOOL_CALL",
            "TOO_MANY_TOOL_CALLS",
        ],
    ),
    (
        Ending::Broken,
        &[
            "error",
            "ERROR",
            "abort",
            "aborted",
            "cancel",
            "cancelled",
            "canceled",
            "timeout",
            "timed_out",
            "insufficient_system_resource",
            "network_error",
            "server_error",
            "internal_error",
            "internal_server_error",
            "engine_error",
            "engine_overloaded",
            "overloaded",
            "service_unavailable",
            "interrupted",
            "preempted",
            "load",
            "unload",
        ],
    ),
];

/// The meaning of a server's word; `None` if no meaning is known.
pub(super) fn of(word: &str) -> Option<Ending> {
    let asked = plain(word);
    // `FinishReason.MAX_TOKENS` and `FINISH_REASON_MAX_TOKENS` are how libraries write the same.
    let asked = asked.strip_prefix("finishreason").unwrap_or(&asked);
    let exact = WORDS.iter().find(|(_, words)| words.iter().any(|word| plain(word) == asked));
    let filtered = || asked.starts_with("contentfilter").then_some(Ending::Ended(Finish::ContentFilter));
    exact.map(|(ending, _)| *ending).or_else(filtered)
}

fn plain(word: &str) -> String {
    word.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn words_are_known_in_any_spelling_and_only_those() {
        for (word, ending) in [
            ("stop", Ending::Ended(Finish::Stop)),
            ("EndTurn", Ending::Ended(Finish::Stop)),
            ("MAX_TOKENS", Ending::Ended(Finish::Length)),
            ("FinishReason.MAX_TOKENS", Ending::Ended(Finish::Length)),
            ("model-length", Ending::Ended(Finish::Length)),
            ("content_filter: hate", Ending::Ended(Finish::ContentFilter)),
            ("Sensitive", Ending::Ended(Finish::ContentFilter)),
            ("toolCalls", Ending::Ended(Finish::ToolCalls)),
            ("insufficient_system_resource", Ending::Broken),
            ("network_error", Ending::Broken),
        ] {
            assert_eq!(of(word), Some(ending), "{word}");
        }
        for word in ["", "OTHER", "FINISH_REASON_UNSPECIFIED", "tired", "eject"] {
            assert_eq!(of(word), None, "{word}");
        }
    }

    #[test]
    fn no_word_has_two_meanings() {
        for (ending, words) in WORDS {
            assert!(words.iter().all(|word| of(word) == Some(ending)), "{ending:?}");
        }
    }

    #[test]
    fn the_document_has_the_same_words() {
        let document = include_str!("../../../docs/SERVERS.md");
        let (_, table) = document.split_once("| the server's word |").expect("a table of the words");
        let table = table.split_once("\n\n").map_or(table, |(table, _)| table);
        let shown = |row: &str| -> BTreeSet<String> { row.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
        let rows: Vec<_> = table.lines().skip(2).map(|row| shown(row.split('|').nth(1).unwrap_or_default())).collect();
        let words: Vec<_> =
            WORDS.iter().map(|(_, words)| words.iter().map(|word| (*word).to_owned()).collect()).collect();
        assert_eq!(rows, words);
    }
}
