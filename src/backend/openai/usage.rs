//! Token counts, under every name that servers have for them. A count that cannot be true is replaced by an estimate.

use serde_json::Value;

use crate::types::chat::Usage;

/// Tokens read.
const INPUT: [&str; 7] = [
    "prompt_tokens",
    "input_tokens",
    "promptTokenCount",
    "prompt_token_count",
    "inputTokens",
    "inputTokenCount",
    "prompt_eval_count",
];
/// Those of [`INPUT`] that leave out what was read from a cache or written to it, if the counts of [`BESIDE`] stand by them.
const WITHOUT_CACHE: [&str; 2] = ["input_tokens", "inputTokens"];
/// Tokens written.
const OUTPUT: [&str; 7] = [
    "completion_tokens",
    "output_tokens",
    "candidatesTokenCount",
    "candidates_token_count",
    "outputTokens",
    "outputTokenCount",
    "eval_count",
];
/// Both together.
const TOTAL: [&str; 4] = ["total_tokens", "totalTokenCount", "total_token_count", "totalTokens"];
/// Tokens read from a cache, as a part of those read.
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
/// Tokens read from a cache, and written to it, as Anthropic and Bedrock count them: beside those read.
const BESIDE: [&[&str]; 2] = [
    &["cache_read_input_tokens", "cacheReadInputTokens", "cacheReadInputTokenCount"],
    &["cache_creation_input_tokens", "cacheWriteInputTokens", "cacheWriteInputTokenCount"],
];
/// Hidden reasoning, as a part of the tokens written, or beside them.
const REASONING: [&str; 4] = ["reasoning_tokens", "thinking_tokens", "reasoningTokens", "reasoning_token_count"];
/// Hidden reasoning that is always counted beside the tokens written.
const THOUGHTS: [&str; 2] = ["thoughtsTokenCount", "thoughts_token_count"];
/// Where parts of the counts stand.
const DETAILS: [&str; 6] = [
    "prompt_tokens_details",
    "input_tokens_details",
    "completion_tokens_details",
    "output_tokens_details",
    "prompt_details",
    "completion_details",
];

/// No call takes more tokens.
const MOST: f64 = 1e8;
/// A token has about this many bytes.
const BYTES_PER_TOKEN: usize = 4;

/// What the program knows of a call itself.
pub(super) struct Known {
    /// Bytes of the prompt.
    pub(super) prompt: usize,
    /// Bytes of what was written, reasoning included as far as the server shows it.
    pub(super) written: usize,
    /// Tokens that the answer lists.
    pub(super) listed: usize,
    /// The token limit, if the answer ended at it.
    pub(super) limit: Option<u32>,
}

impl Known {
    fn input(&self) -> u64 {
        self.prompt.div_ceil(BYTES_PER_TOKEN).max(1) as u64
    }

    fn output(&self) -> u64 {
        let counted = self.written.div_ceil(BYTES_PER_TOKEN).max(self.listed) as u64;
        self.limit.map_or(counted, |limit| u64::from(limit).max(counted))
    }
}

/// A count, or what stands in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Count {
    Absent,
    /// Not a count: negative, a fraction, a word, more than any call takes.
    Untrue,
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
            Some(number) if (0.0..=MOST).contains(&number) && number.fract() == 0.0 => Self::Of(number as u64),
            _ => Self::Untrue,
        }
    }

    /// The largest count under any of these names in any of these objects.
    fn largest(places: &[&Value], names: &[&str]) -> Self {
        let found = places.iter().flat_map(|place| names.iter().filter_map(|name| place.get(*name)));
        found.map(Self::read).fold(Self::Absent, |most, next| match (most, next) {
            (Self::Of(most), Self::Of(next)) => Self::Of(most.max(next)),
            (Self::Of(most), _) => Self::Of(most),
            (_, Self::Of(next)) => Self::Of(next),
            (Self::Untrue, _) | (_, Self::Untrue) => Self::Untrue,
            (Self::Absent, Self::Absent) => Self::Absent,
        })
    }

    fn known(self) -> Option<u64> {
        match self {
            Self::Of(count) => Some(count),
            Self::Absent | Self::Untrue => None,
        }
    }

    fn is_untrue(self) -> bool {
        self == Self::Untrue
    }
}

/// The counts, and whether one of them is an estimate.
///
/// Hidden reasoning is a part of the tokens written at some servers, beside them at others, and in the total alone at a third kind, so
/// the largest reading is taken: nothing that is charged goes uncounted. Tokens written to a cache are tokens read.
pub(super) fn read(usage: &Value, known: &Known) -> (Usage, bool) {
    let details: Vec<&Value> = DETAILS.iter().filter_map(|name| usage.get(*name)).collect();
    let places = [&[usage][..], &details].concat();
    let top = |names: &[&str]| Count::largest(&[usage], names);
    let within = |names: &[&str]| Count::largest(&places, names);

    let (read, total) = (top(&INPUT), top(&TOTAL));
    let [hits, writes] = BESIDE.map(within);
    let beside = hits.known().unwrap_or(0) + writes.known().unwrap_or(0);
    let hits = match (hits, within(&CACHED)) {
        (Count::Of(one), Count::Of(other)) => Count::Of(one.max(other)),
        (Count::Absent, other) | (Count::Untrue, other @ Count::Of(_)) => other,
        (one, _) => one,
    };
    let excluded = beside > 0
        && read.known().is_some_and(|read| {
            let named = top(&WITHOUT_CACHE).known() == Some(read) && usage.get("input_tokens_details").is_none();
            named || beside > read
        });
    let true_input = read.known().filter(|input| *input > 0 || beside > 0);
    let input = true_input.map(|input| if excluded { input + beside } else { input });

    let (written, thoughts) = (top(&OUTPUT), within(&THOUGHTS).known().unwrap_or(0));
    let reasoning = within(&REASONING).known().unwrap_or(0);
    let with_reasoning = written.known().map(|written| {
        let all = if reasoning > written { written + reasoning } else { written };
        all.max(written + thoughts)
    });
    let rest = true_input.filter(|_| !excluded).and_then(|input| total.known()?.checked_sub(input));
    let output = with_reasoning.into_iter().chain(rest).max();
    let wrote = known.written > 0 || known.listed > 0;
    let true_output = output.filter(|output| *output > 0 || !wrote);

    // What is missing of two counts is the total less the other.
    let left = |other: Option<u64>| total.known()?.checked_sub(other?).filter(|left| *left > 0);
    let derived = if read == Count::Absent { left(true_output.filter(|_| written.known().is_some())) } else { None };
    let input_read = input.or(derived);
    let cached = hits.known().unwrap_or(0);
    let input = input_read.unwrap_or_else(|| known.input());
    let fits = cached <= input && input_read.is_some();
    let estimated = input_read.is_none()
        || true_output.is_none()
        || written.is_untrue()
        || hits.is_untrue()
        || (cached > 0 && !fits);
    let cached_input = if fits { cached } else { 0 };
    (Usage { input, cached_input, output: true_output.unwrap_or_else(|| known.output()) }, estimated)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A prompt of 100 tokens, and an answer of 20, as the program counts them.
    const KNOWN: Known = Known { prompt: 400, written: 80, listed: 0, limit: None };

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "written where it is used")]
    fn reads(usage: Value, [input, cached_input, output]: [u64; 3], estimated: bool) {
        assert_eq!(read(&usage, &KNOWN), (Usage { input, cached_input, output }, estimated), "{usage}");
    }

    #[test]
    fn every_name_is_read() {
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
    fn reasoning_is_counted_once_wherever_it_stands() {
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
    fn a_count_is_read_in_every_form() {
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
    fn what_cannot_be_true_is_estimated() {
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
    fn an_estimate_goes_by_all_that_is_known() {
        let empty = Known { written: 0, ..KNOWN };
        let counted = json!({"prompt_tokens": 7, "completion_tokens": 0});
        assert_eq!(
            read(&counted, &empty),
            (Usage { input: 7, cached_input: 0, output: 0 }, false),
            "nothing was written"
        );
        assert_eq!(read(&Value::Null, &Known { listed: 33, ..KNOWN }).0.output, 33);
        assert_eq!(read(&Value::Null, &Known { limit: Some(400), ..KNOWN }).0.output, 400);
        assert_eq!(read(&Value::Null, &Known { prompt: 0, ..empty }).0, Usage { input: 1, cached_input: 0, output: 0 });
    }
}
