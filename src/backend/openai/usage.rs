//! Token counts under the names of all known servers. An estimate replaces a missing or impossible count.

use serde_json::Value;

use crate::types::chat::Usage;

/// Names of the number of input tokens.
const INPUT: [&str; 7] = [
    "prompt_tokens",
    "input_tokens",
    "promptTokenCount",
    "prompt_token_count",
    "inputTokens",
    "inputTokenCount",
    "prompt_eval_count",
];
/// Names of [`INPUT`] that exclude cache reads and writes if counts of [`SEPARATE_CACHE`] are present.
const WITHOUT_CACHE: [&str; 2] = ["input_tokens", "inputTokens"];
/// Names of the number of output tokens.
const OUTPUT: [&str; 7] = [
    "completion_tokens",
    "output_tokens",
    "candidatesTokenCount",
    "candidates_token_count",
    "outputTokens",
    "outputTokenCount",
    "eval_count",
];
/// Names of the total number of tokens.
const TOTAL: [&str; 4] = ["total_tokens", "totalTokenCount", "total_token_count", "totalTokens"];
/// Names of the number of cached input tokens that are included in the input.
const CACHED: [&str; 9] = [
    "cached_tokens",
    "prompt_cache_hit_tokens",
    "cachedContentTokenCount",
    "cached_content_token_count",
    "cache_read_tokens",
    "cached_input_tokens",
    "num_cached_tokens",
    "cachedInputTokens",
    "cached_prompt_tokens",
];
/// Names of the numbers of cache reads and of cache writes that are excluded from the input (Anthropic and Bedrock).
const SEPARATE_CACHE: [&[&str]; 2] = [
    &["cache_read_input_tokens", "cacheReadInputTokens", "cacheReadInputTokenCount"],
    &["cache_creation_input_tokens", "cacheWriteInputTokens", "cacheWriteInputTokenCount"],
];
/// Names of the number of hidden reasoning tokens, which are included in the output or excluded from it.
const REASONING: [&str; 4] = ["reasoning_tokens", "thinking_tokens", "reasoningTokens", "reasoning_token_count"];
/// Names of the number of hidden reasoning tokens that are always excluded from the output.
const SEPARATE_REASONING: [&str; 2] = ["thoughtsTokenCount", "thoughts_token_count"];
/// Names of the objects with details of the counts.
const DETAILS: [&str; 6] = [
    "prompt_tokens_details",
    "input_tokens_details",
    "completion_tokens_details",
    "output_tokens_details",
    "prompt_details",
    "completion_details",
];

/// Upper bound on the tokens of one call. A larger count is invalid.
const MAX_COUNT: f64 = 1e8;
/// Approximate number of bytes per token, for estimates.
const BYTES_PER_TOKEN: usize = 4;

/// Sizes of a call that are known without the server's counts.
pub(super) struct LocalCounts {
    /// Length of the prompt, in bytes.
    pub(super) prompt: usize,
    /// Length of the output in bytes, including visible reasoning.
    pub(super) written: usize,
    /// Number of tokens that the answer lists.
    pub(super) listed: usize,
    /// Token limit if the answer ended at the limit, otherwise `None`.
    pub(super) limit: Option<u32>,
}

impl LocalCounts {
    fn input(&self) -> u64 {
        self.prompt.div_ceil(BYTES_PER_TOKEN).max(1) as u64
    }

    fn output(&self) -> u64 {
        let counted = self.written.div_ceil(BYTES_PER_TOKEN).max(self.listed) as u64;
        self.limit.map_or(counted, |limit| u64::from(limit).max(counted))
    }
}

/// Value of a count's field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Count {
    Absent,
    /// Not a valid count: negative, a fraction, a word, or larger than any call.
    Invalid,
    Of(u64),
}

impl Count {
    fn read(value: &Value) -> Self {
        let number = match value {
            Value::Null => return Self::Absent,
            Value::String(text) => text.trim().parse().ok(),
            _ => value.as_f64(),
        };
        match number {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a whole number from 0 to 10^8"
            )]
            Some(number) if (0.0..=MAX_COUNT).contains(&number) && number.fract() == 0.0 => Self::Of(number as u64),
            _ => Self::Invalid,
        }
    }

    /// Returns the largest count under any of the names in any of the objects.
    fn largest(objects: &[&Value], names: &[&str]) -> Self {
        let found = objects.iter().flat_map(|object| names.iter().filter_map(|name| object.get(*name)));
        found.map(Self::read).fold(Self::Absent, |most, next| match (most, next) {
            (Self::Of(most), Self::Of(next)) => Self::Of(most.max(next)),
            (Self::Of(most), _) => Self::Of(most),
            (_, Self::Of(next)) => Self::Of(next),
            (Self::Invalid, _) | (_, Self::Invalid) => Self::Invalid,
            (Self::Absent, Self::Absent) => Self::Absent,
        })
    }

    fn known(self) -> Option<u64> {
        match self {
            Self::Of(count) => Some(count),
            Self::Absent | Self::Invalid => None,
        }
    }

    fn is_invalid(self) -> bool {
        self == Self::Invalid
    }
}

/// Returns the token counts, and true if one of them is an estimate.
///
/// Some servers include hidden reasoning in the output, some exclude it, and some count it only in the total. The
/// largest interpretation is used, so every charged token is counted. Tokens written to a cache count as input.
pub(super) fn read(usage: &Value, local: &LocalCounts) -> (Usage, bool) {
    let details: Vec<&Value> = DETAILS.iter().filter_map(|name| usage.get(*name)).collect();
    let places = [&[usage][..], &details].concat();
    let top = |names: &[&str]| Count::largest(&[usage], names);
    let within = |names: &[&str]| Count::largest(&places, names);

    let (read, total) = (top(&INPUT), top(&TOTAL));
    let [hits, writes] = SEPARATE_CACHE.map(within);
    let beside = hits.known().unwrap_or(0) + writes.known().unwrap_or(0);
    let hits = match (hits, within(&CACHED)) {
        (Count::Of(one), Count::Of(other)) => Count::Of(one.max(other)),
        (Count::Absent, other) | (Count::Invalid, other @ Count::Of(_)) => other,
        (one, _) => one,
    };
    let excluded = beside > 0
        && read.known().is_some_and(|read| {
            let named = top(&WITHOUT_CACHE).known() == Some(read) && usage.get("input_tokens_details").is_none();
            named || beside > read
        });
    let true_input = read.known().filter(|input| *input > 0 || beside > 0);
    let input = true_input.map(|input| if excluded { input + beside } else { input });

    let (written, thoughts) = (top(&OUTPUT), within(&SEPARATE_REASONING).known().unwrap_or(0));
    let reasoning = within(&REASONING).known().unwrap_or(0);
    let with_reasoning = written.known().map(|written| {
        let all = if reasoning > written { written + reasoning } else { written };
        all.max(written + thoughts)
    });
    let rest = true_input.filter(|_| !excluded).and_then(|input| total.known()?.checked_sub(input));
    let output = with_reasoning.into_iter().chain(rest).max();
    let wrote = local.written > 0 || local.listed > 0;
    let true_output = output.filter(|output| *output > 0 || !wrote);

    // A missing count is the total minus the other count.
    let left = |other: Option<u64>| total.known()?.checked_sub(other?).filter(|left| *left > 0);
    let derived = if read == Count::Absent { left(true_output.filter(|_| written.known().is_some())) } else { None };
    let input_read = input.or(derived);
    let cached = hits.known().unwrap_or(0);
    let input = input_read.unwrap_or_else(|| local.input());
    let fits = cached <= input && input_read.is_some();
    let estimated = input_read.is_none()
        || true_output.is_none()
        || written.is_invalid()
        || hits.is_invalid()
        || (cached > 0 && !fits);
    let cached_input = if fits { cached } else { 0 };
    (Usage { input, cached_input, output: true_output.unwrap_or_else(|| local.output()) }, estimated)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Sizes that correspond to an estimate of 100 input tokens and 20 output tokens.
    const LOCAL: LocalCounts = LocalCounts { prompt: 400, written: 80, listed: 0, limit: None };

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "written where it is used")]
    fn reads(usage: Value, [input, cached_input, output]: [u64; 3], estimated: bool) {
        assert_eq!(read(&usage, &LOCAL), (Usage { input, cached_input, output }, estimated), "{usage}");
    }

    #[test]
    fn all_names_are_read() {
        let with = |more: Value| {
            let mut usage = json!({"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050});
            usage.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            usage
        };
        for cached in [
            json!({"prompt_tokens_details": {"cached_tokens": 960}}),
            json!({"prompt_cache_hit_tokens": 960, "prompt_cache_miss_tokens": 40}),
            json!({"cached_tokens": 960, "prompt_tokens_details": {"cached_tokens": 0}}),
            json!({"cache_read_input_tokens": 960, "cache_creation_input_tokens": 0}),
            json!({"input_tokens_details": {"cached_tokens": 960}}),
            json!({"num_cached_tokens": "960"}),
        ] {
            reads(with(cached), [1000, 960, 50], false);
        }
        reads(
            json!({"input_tokens": 40, "cache_read_input_tokens": 900, "cache_creation_input_tokens": 60, "output_tokens": 50}),
            [1000, 900, 50],
            false,
        );
        reads(
            json!({"input_tokens": 940, "cache_creation_input_tokens": 60, "output_tokens": 50}),
            [1000, 0, 50],
            false,
        );
        reads(
            json!({"prompt_tokens": 40, "cache_read_input_tokens": 960, "completion_tokens": 50}),
            [1000, 960, 50],
            false,
        );
        reads(
            json!({"input_tokens": 1000, "input_tokens_details": {"cached_tokens": 960}, "output_tokens": 50}),
            [1000, 960, 50],
            false,
        );
        reads(
            json!({"promptTokenCount": 1000, "cachedContentTokenCount": 960, "candidatesTokenCount": 20, "thoughtsTokenCount": 30, "totalTokenCount": 1050}),
            [1000, 960, 50],
            false,
        );
        reads(json!({"inputTokens": 1000, "outputTokens": 50, "totalTokens": 1050}), [1000, 0, 50], false);
    }

    #[test]
    fn reasoning_is_counted_once_in_any_field() {
        for usage in [
            json!({"prompt_tokens": 10, "completion_tokens": 90, "total_tokens": 100, "completion_tokens_details": {"reasoning_tokens": 64}}),
            json!({"prompt_tokens": 10, "completion_tokens": 26, "total_tokens": 100}),
            json!({"prompt_tokens": 10, "completion_tokens": 26, "total_tokens": 100, "completion_tokens_details": {"reasoning_tokens": 64}}),
            json!({"prompt_tokens": 10, "completion_tokens": 26, "reasoning_tokens": 64}),
            json!({"prompt_tokens": 10, "candidatesTokenCount": 26, "thoughts_token_count": 64}),
        ] {
            reads(usage, [10, 0, 90], false);
        }
    }

    #[test]
    fn counts_are_read_in_any_form() {
        reads(
            json!({"prompt_tokens": 7.0, "completion_tokens": "3", "total_tokens": " 10 ", "prompt_tokens_details": {"cached_tokens": 0.0}}),
            [7, 0, 3],
            false,
        );
        reads(
            json!({"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": null, "completion_tokens_details": {"reasoning_tokens": null}}),
            [7, 0, 3],
            false,
        );
        reads(json!({"completion_tokens": 3, "total_tokens": 10}), [7, 0, 3], false);
        reads(json!({"prompt_tokens": 7, "total_tokens": 10}), [7, 0, 3], false);
    }

    #[test]
    fn invalid_counts_are_estimated() {
        for none in
            [Value::Null, json!({}), json!([]), json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0})]
        {
            reads(none, [100, 0, 20], true);
        }
        reads(json!({"prompt_tokens": -1, "completion_tokens": 30, "total_tokens": 29}), [100, 0, 30], true);
        reads(json!({"prompt_tokens": 7, "completion_tokens": -3}), [7, 0, 20], true);
        reads(json!({"prompt_tokens": 7, "completion_tokens": 0, "total_tokens": 7}), [7, 0, 20], true);
        reads(json!({"prompt_tokens": 7.5, "completion_tokens": "many"}), [100, 0, 20], true);
        reads(json!({"prompt_tokens": 1e30, "completion_tokens": 3}), [100, 0, 3], true);
        reads(
            json!({"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 8}}),
            [7, 0, 3],
            true,
        );
        reads(
            json!({"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": -8}}),
            [7, 0, 3],
            true,
        );
        reads(json!({"prompt_tokens": 0, "completion_tokens": 3, "cached_tokens": 5}), [100, 0, 3], true);
    }

    #[test]
    fn estimates_use_all_known_sizes() {
        let empty = LocalCounts { written: 0, ..LOCAL };
        let counted = json!({"prompt_tokens": 7, "completion_tokens": 0});
        assert_eq!(
            read(&counted, &empty),
            (Usage { input: 7, cached_input: 0, output: 0 }, false),
            "nothing was written"
        );
        assert_eq!(read(&Value::Null, &LocalCounts { listed: 33, ..LOCAL }).0.output, 33);
        assert_eq!(read(&Value::Null, &LocalCounts { limit: Some(400), ..LOCAL }).0.output, 400);
        assert_eq!(
            read(&Value::Null, &LocalCounts { prompt: 0, ..empty }).0,
            Usage { input: 1, cached_input: 0, output: 0 }
        );
    }
}
