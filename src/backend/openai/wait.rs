//! The wait that a server requests before the next request, read from headers and bodies in all known forms.

use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;
use reqwest::header::HeaderMap;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};

/// Headers with a wait in seconds, as a duration, or as a date.
const AFTER: [&str; 2] = ["retry-after", "x-retry-after"];

/// Headers with a wait in milliseconds.
const AFTER_MS: [&str; 3] = ["retry-after-ms", "x-ms-retry-after-ms", "x-retry-after-ms"];

/// Pairs of headers of a limit: the remaining amount, and the time of the reset.
const LIMITS: [(&str, &str); 8] = [
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    ("ratelimit-remaining", "ratelimit-reset"),
    ("x-ratelimit-remaining-requests-minute", "x-ratelimit-reset-requests-minute"),
    ("x-ratelimit-remaining-tokens-minute", "x-ratelimit-reset-tokens-minute"),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
];

/// Lower bounds of bare numbers that are times since 1970 instead of durations, with their scale to seconds:
/// nanoseconds, microseconds, milliseconds, seconds. A duration of 10⁹ seconds would be thirty years.
const EPOCH: [(f64, f64); 4] = [(1e18, 1e-9), (1e15, 1e-6), (1e12, 1e-3), (1e9, 1.0)];

/// Returns the longest wait that a server requests before the next request. `None` if no wait is found.
pub(super) fn requested_wait(headers: &HeaderMap, body: &str, now: OffsetDateTime) -> Option<Duration> {
    let after = AFTER.iter().filter_map(|name| duration(text(headers, name)?, 1.0, now));
    let after_ms = AFTER_MS.iter().filter_map(|name| duration(text(headers, name)?, 1e-3, now));
    after.chain(after_ms).chain(exhausted_limit_wait(headers, now)).chain(in_body(body, now)).max()
}

/// Returns the time until the reset of an exhausted limit. `None` if no limit is exhausted.
pub(super) fn exhausted_limit_wait(headers: &HeaderMap, now: OffsetDateTime) -> Option<Duration> {
    let is_exhausted =
        |name: &str| text(headers, name).and_then(|left| left.parse::<f64>().ok()).is_some_and(|left| left <= 0.0);
    let exhausted = LIMITS.iter().filter(|(left, _)| is_exhausted(left));
    exhausted.filter_map(|(_, reset)| duration(text(headers, reset)?, 1.0, now)).max()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// Returns the wait in the body of an error: in a field (`retryDelay`, `retry_after`), in quoted headers, or in words.
fn in_body(body: &str, now: OffsetDateTime) -> Option<Duration> {
    static WORDS: LazyLock<Regex> = LazyLock::new(|| {
        let words = r"(?i)(?:\b(?:try again|retry\w*|available|resets?)\b[^.\d]{0,40}?\b(?:in|after|for)|\bwait(?:ing)?(?: for)?(?: at least)?)\s+(?:about\s+)?";
        let unit = "(?:milliseconds?|ms|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)";
        let amount = format!(
            r"((?:\d+(?:\.\d+)?(?:ms|h|m|s))+\b|\d+(?:\.\d+)?\s*{unit}\b(?:\s+(?:and\s+)?\d+(?:\.\d+)?\s*{unit}\b)*)"
        );
        Regex::new(&format!("{words}{amount}")).expect("the pattern is valid")
    });
    let in_words =
        WORDS.captures_iter(body).filter_map(|found| duration(&found[1].replace(" and ", " "), 1.0, now)).max();
    let fields = serde_json::from_str(body).ok().and_then(|value: Value| in_fields(&value, now, 0));
    in_words.into_iter().chain(fields).max()
}

fn in_fields(value: &Value, now: OffsetDateTime, depth: usize) -> Option<Duration> {
    let deeper = |value: &Value| if depth < 8 { in_fields(value, now, depth + 1) } else { None };
    match value {
        Value::Array(parts) => parts.iter().filter_map(deeper).max(),
        Value::Object(fields) => {
            let waits = fields.iter().filter_map(|(name, value)| {
                let name = name.to_lowercase().replace(['_', '-'], "");
                let unit = match name.as_str() {
                    "retrydelay" | "retryafter" | "retryafterseconds" | "xratelimitreset" => 1.0,
                    "retryafterms" | "retryaftermilliseconds" => 1e-3,
                    _ => return deeper(value),
                };
                match value {
                    Value::String(text) => duration(text, unit, now),
                    Value::Number(number) => duration(&number.to_string(), unit, now),
                    value => deeper(value),
                }
            });
            waits.max()
        }
        _ => None,
    }
}

/// Parses a wait in any form: a number in units of `unit` seconds, a time since 1970, `6m0s`, `1.5s`, `250ms`, or a
/// date. A time in the past is a wait of zero. `None` if the form is unknown.
fn duration(text: &str, unit: f64, now: OffsetDateTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        let since = EPOCH.iter().find(|(from, _)| number >= *from);
        let seconds = match since {
            #[expect(clippy::cast_precision_loss, reason = "microseconds since 1970 fit to a thousandth of a second")]
            Some((_, scale)) => number * scale - (now.unix_timestamp_nanos() / 1_000_000) as f64 / 1e3,
            None => number * unit,
        };
        return number.is_finite().then(|| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX));
    }
    // An HTTP date is an RFC 2822 date in GMT. A past date means no wait.
    let date = OffsetDateTime::parse(text, &Rfc2822).or_else(|_| OffsetDateTime::parse(text, &Rfc3339));
    if let Ok(at) = date {
        return Some(Duration::try_from(at - now).unwrap_or_default());
    }
    with_units(text)
}

/// Parses a duration that is a sum of numbers with units.
fn with_units(text: &str) -> Option<Duration> {
    let mut total = 0.0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, later) = after.split_at(end);
        let seconds = match unit.to_lowercase().as_str() {
            "ns" => 1e-9,
            "us" => 1e-6,
            "ms" | "millisecond" | "milliseconds" => 1e-3,
            "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
            "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3600.0,
            "d" | "day" | "days" => 86_400.0,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * seconds;
        rest = later.trim_start();
    }
    Duration::try_from_secs_f64(total).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    fn now() -> OffsetDateTime {
        OffsetDateTime::parse("Wed, 21 Oct 2026 07:28:00 GMT", &Rfc2822).expect("a date")
    }

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let header = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"))
        };
        fields.iter().map(header).collect()
    }

    #[test]
    fn waits_in_headers_are_read_in_any_form() {
        let epoch = now().unix_timestamp();
        for (name, value, expected) in [
            ("retry-after", "20", Some(20.0)),
            ("retry-after", "4.5", Some(4.5)),
            ("retry-after", "0", Some(0.0)),
            ("retry-after", "-3", Some(0.0)),
            ("retry-after", "Wed, 21 Oct 2026 07:28:30 GMT", Some(30.0)),
            ("retry-after", "Wed, 21 Oct 2026 07:27:00 GMT", Some(0.0)),
            ("retry-after", "2026-10-21T07:28:07Z", Some(7.0)),
            ("retry-after", &(epoch + 9).to_string(), Some(9.0)),
            ("retry-after", &format!("{}", (epoch + 9) * 1000), Some(9.0)),
            ("retry-after", "6m0s", Some(360.0)),
            ("retry-after", "1.5s", Some(1.5)),
            ("retry-after", "120ms", Some(0.12)),
            ("retry-after", "soon", None),
            ("retry-after", "", None),
            ("retry-after", "NaN", None),
            ("retry-after-ms", "1500", Some(1.5)),
            ("retry-after-ms", "1500.5", Some(1.5005)),
            ("x-ms-retry-after-ms", "250", Some(0.25)),
        ] {
            let wait = requested_wait(&headers(&[(name, value)]), "", now());
            let expected: Option<f64> = expected;
            let near = |(wait, expected): (Duration, f64)| (wait.as_secs_f64() - expected).abs() < 1e-6;
            assert!(
                wait.is_some() == expected.is_some() && wait.zip(expected).is_none_or(near),
                "{name}: {value}: {wait:?}"
            );
        }
        let both = headers(&[("retry-after", "0"), ("retry-after-ms", "700")]);
        assert_eq!(requested_wait(&both, "", now()), Some(Duration::from_millis(700)), "the longest of several waits");
    }

    #[test]
    fn waits_in_bodies_are_read() {
        for (body, expected) in [
            (
                r#"[{"error": {"details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17s"}]}}]"#,
                Some(17.0),
            ),
            (r#"{"error": {"message": "Rate limit reached for m. Please try again in 6.2s. Visit"}}"#, Some(6.2)),
            (r#"{"error": {"message": "Please try again in 1m30.5s."}}"#, Some(90.5)),
            (r#"{"error": {"message": "Please try again in 250ms."}}"#, Some(0.25)),
            (r#"{"error": {"message": "Please retry after 20 seconds."}}"#, Some(20.0)),
            (r#"{"error": {"message": "please wait 2 minutes and 5 seconds"}}"#, Some(125.0)),
            (r#"{"message": "Try again in about 1 minute and 5 seconds"}"#, Some(65.0)),
            (r#"{"retry_after": 3}"#, Some(3.0)),
            (r#"{"error": {"metadata": {"retry_after_ms": "400"}}}"#, Some(0.4)),
            ("slow down", None),
            (r#"{"error": {"message": "model m3 is busy, try again"}}"#, None),
            (r#"{"error": {"message": "timed out after 30 seconds"}}"#, None),
            (r#"{"error": {"message": "retry with fewer than 5 strategies, in 5 steps"}}"#, None),
        ] {
            let wait = requested_wait(&HeaderMap::new(), body, now()).map(|wait| wait.as_secs_f64());
            assert_eq!(wait, expected, "{body}");
        }
    }

    #[test]
    fn exhausted_limits_are_read() {
        for (remaining, reset, expected) in [
            ("0", "6m0s", Some(360.0)),
            ("0", "1.5s", Some(1.5)),
            ("0", "250ms", Some(0.25)),
            ("0", "2", Some(2.0)),
            ("0", "soon", None),
            ("3", "6m0s", None),
        ] {
            let headers = headers(&[("x-ratelimit-remaining-tokens", remaining), ("x-ratelimit-reset-tokens", reset)]);
            assert_eq!(exhausted_limit_wait(&headers, now()).map(|pause| pause.as_secs_f64()), expected, "{reset}");
        }
        let reset = ((now().unix_timestamp() + 5) * 1000).to_string();
        let epoch = headers(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", &reset)]);
        assert_eq!(exhausted_limit_wait(&epoch, now()), Some(Duration::from_secs(5)));
    }
}
