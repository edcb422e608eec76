//! Reasons of the end of an answer, by the words that servers use. docs/SERVERS.md has the same table.

use crate::types::chat::Finish;

/// Meaning of a server's word for the end of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The answer has ended for this reason.
    Ended(Finish),
    /// The server aborted the answer. Another attempt may succeed.
    Broken,
}

/// All known words by meaning. Case and punctuation are ignored: `MAX_TOKENS` is `max_tokens`.
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

/// Returns the meaning of a server's word. `None` if the meaning is unknown.
pub(super) fn meaning(word: &str) -> Option<Ending> {
    let normalized = normalize(word);
    // Some libraries write `FinishReason.MAX_TOKENS` or `FINISH_REASON_MAX_TOKENS`.
    let normalized = normalized.strip_prefix("finishreason").unwrap_or(&normalized);
    let exact = WORDS.iter().find(|(_, words)| words.iter().any(|word| normalize(word) == normalized));
    let filtered = || normalized.starts_with("contentfilter").then_some(Ending::Ended(Finish::ContentFilter));
    exact.map(|(ending, _)| *ending).or_else(filtered)
}

fn normalize(word: &str) -> String {
    word.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn words_are_recognized_in_any_spelling() {
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
            assert_eq!(meaning(word), Some(ending), "{word}");
        }
        for word in ["", "OTHER", "FINISH_REASON_UNSPECIFIED", "tired", "eject"] {
            assert_eq!(meaning(word), None, "{word}");
        }
    }

    #[test]
    fn no_word_has_two_meanings() {
        for (ending, words) in WORDS {
            assert!(words.iter().all(|word| meaning(word) == Some(ending)), "{ending:?}");
        }
    }

    #[test]
    fn document_lists_the_same_words() {
        let document = include_str!("../../../docs/SERVERS.md");
        let (_, table) = document.split_once("| the server's word |").expect("a table of the words");
        let table = table.split_once("\n\n").map_or(table, |(table, _)| table);
        let words_of =
            |row: &str| -> BTreeSet<String> { row.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
        let rows: Vec<_> =
            table.lines().skip(2).map(|row| words_of(row.split('|').nth(1).unwrap_or_default())).collect();
        let words: Vec<_> =
            WORDS.iter().map(|(_, words)| words.iter().map(|word| (*word).to_owned()).collect()).collect();
        assert_eq!(rows, words);
    }
}
