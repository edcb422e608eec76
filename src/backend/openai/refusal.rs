//! Requests that a provider refuses because of their content. The refusal is the outcome of the item, and the run
//! continues.

use super::server_error::ServerError;

/// Reason for a refusal because of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A content filter or a usage policy.
    Filter,
    /// A prompt that exceeds the limit of the model or the account.
    TooLong,
}

/// Names and phrases that only content filters use, in lower case.
const FILTER: [&str; 19] = [
    "content_filter",
    "content filter",
    "contentfilter",
    "responsibleaipolicyviolation",
    "content management policy",
    "content_policy_violation",
    "content policy",
    "content violates",
    "data_inspection_failed",
    "datainspectionfailed",
    "content exists risk",
    "inappropriate content",
    "prohibited_content",
    "our safety system",
    "usage policy",
    "usage policies",
    "usage guidelines",
    "considered high risk",
    "敏感内容",
];

/// Phrases that indicate a content filter in a refusal, but can have another meaning in a failure.
const FILTER_IF_REFUSED: [&str; 9] = [
    "flagged",
    "moderation",
    "guardrail",
    "invalid_prompt",
    "sensitive content",
    "sensitive information",
    "safety_check",
    "blocked due to safety",
    "blocked by safety",
];

/// Names and phrases for prompts that are too long, in lower case.
const TOO_LONG: [&str; 22] = [
    "context_length_exceeded",
    "exceed_context_size",
    "string_above_max_length",
    "request_too_large",
    "request too large",
    "maximum context length",
    "maximum prompt length",
    "maximum model length",
    "max_model_len",
    "context window",
    "context length",
    "context size",
    "context limit",
    "context the overflows",
    "prompt is too long",
    "prompt too long",
    "input is too long",
    "input too long",
    "range of input length",
    "too many input tokens",
    "max_new_tokens` must be <=",
    "too many tokens: total number of tokens in the prompt",
];

impl Refusal {
    /// Returns the refusal that an error with this status describes. `None` if the error is not about the content.
    pub(super) fn classify(status: u16, server_error: &ServerError) -> Option<Self> {
        // These statuses concern keys, accounts, addresses and proxies, never a single item.
        if matches!(status, 300..=399 | 401 | 402 | 404 | 405 | 407) {
            return None;
        }
        let text = server_error.searchable_text();
        let any = |words: &[&str]| words.iter().any(|word| text.contains(word));
        let refused = matches!(status, 200..=299 | 400 | 403 | 413 | 422 | 451);
        if any(&FILTER) || (refused && any(&FILTER_IF_REFUSED)) {
            return Some(Self::Filter);
        }
        let counted = text.contains("input token count") && text.contains("exceeds the maximum");
        // A limit that a key of the entry sets does not depend on the item.
        let limit_alone = text.contains("max_tokens' or 'max_completion_tokens' is too large")
            || (text.contains("max_tokens") && text.contains("too large") && !text.contains("prompt contains"));
        if (any(&TOO_LONG) || counted || status == 413) && !limit_alone && status != 403 {
            return Some(Self::TooLong);
        }
        None
    }

    /// Name used in messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Filter => "content filter",
            Self::TooLong => "prompt too long",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_distinguished_from_other_errors() {
        use Refusal::{Filter, TooLong};
        for (status, body, expected) in [
            (400, r#"{"error": {"message": "The response was filtered", "code": "content_filter"}}"#, Some(Filter)),
            (
                400,
                r#"{"error": {"message": "no", "code": null, "innererror": {"code": "ResponsibleAIPolicyViolation"}}}"#,
                Some(Filter),
            ),
            (400, r#"{"error": {"message": "Content Exists Risk", "type": "invalid_request_error"}}"#, Some(Filter)),
            (
                400,
                r#"{"error": {"message": "Input data may contain inappropriate content.", "code": "data_inspection_failed"}}"#,
                Some(Filter),
            ),
            (
                400,
                r#"{"error": {"message": "Invalid prompt: your prompt was flagged as potentially violating our usage policy.", "code": "invalid_prompt"}}"#,
                Some(Filter),
            ),
            (
                400,
                r#"{"type": "error", "error": {"type": "invalid_request_error", "message": "Output blocked by content filtering policy"}}"#,
                Some(Filter),
            ),
            (
                403,
                r#"{"error": {"message": "m requires moderation on Provider. Your input was flagged for \"violence\".", "code": 403}}"#,
                Some(Filter),
            ),
            (
                403,
                r#"{"code": "The caller does not have permission", "error": "Content violates usage guidelines."}"#,
                Some(Filter),
            ),
            (500, r#"{"error": {"message": "blocked", "code": "content_filter"}}"#, Some(Filter)),
            (
                400,
                r#"{"error": {"message": "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.", "code": "context_length_exceeded"}}"#,
                Some(TooLong),
            ),
            (
                400,
                r#"{"error": {"code": 400, "message": "the request exceeds the available context size, try increasing it", "type": "exceed_context_size_error"}}"#,
                Some(TooLong),
            ),
            (
                400,
                r#"{"object": "error", "message": "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (4500 in the messages, 500 in the completion).", "code": 400}"#,
                Some(TooLong),
            ),
            (
                422,
                r#"{"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. Given: 2000 `inputs` tokens and 512 `max_new_tokens`"}"#,
                Some(TooLong),
            ),
            (413, "Request Entity Too Large", Some(TooLong)),
            (
                429,
                r#"{"error": {"message": "Request too large for m on tokens per min (TPM): Limit 6000, Requested 7000"}}"#,
                Some(TooLong),
            ),
            (
                400,
                r#"{"error": {"message": "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."}}"#,
                Some(TooLong),
            ),
            (
                400,
                r#"{"error": {"message": "'max_tokens' or 'max_completion_tokens' is too large: 5000. This model's maximum context length is 4096 tokens and your request has 10 input tokens"}}"#,
                None,
            ),
            (400, r#"{"error": {"message": "Unsupported parameter: 'max_tokens'"}}"#, None),
            (404, r#"{"error": {"message": "No endpoints found matching your content policy"}}"#, None),
            (401, r#"{"error": {"message": "usage policy"}}"#, None),
            (403, r#"{"error": {"message": "Project has no access"}}"#, None),
            (503, r#"{"error": {"message": "the moderation service is unavailable"}}"#, None),
            (429, r#"{"error": {"message": "Rate limit reached: too many requests"}}"#, None),
        ] {
            assert_eq!(Refusal::classify(status, &ServerError::read(body)), expected, "{status} {body}");
        }
    }
}
