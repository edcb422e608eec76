//! What to do about a request that got no answer: try again, or end with an error that names the mend.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::wire::Complaint;
use super::{OpenAi, Settings};
use crate::model::{ModelError, http};
use crate::task::prompt::Style;

/// The longest excerpt of a server's message that goes into an error.
const EXCERPT: usize = 400;

impl OpenAi {
    /// What is left of a connection that could not be made, was cut or was silent for too long.
    pub(super) fn transport(&self, error: reqwest::Error) -> ModelError {
        let settings = &self.settings;
        // The URL is left out because the server is named, the sources are added because reqwest's own text does not
        // say what happened.
        let error = error.without_url();
        let said = if error.is_timeout() && error.is_connect() {
            format!("no connection within {} s", settings.connect_timeout.as_secs_f64())
        } else if error.is_timeout() {
            format!("no answer within {} s (timeout_s)", settings.read_timeout.as_secs_f64())
        } else {
            http::chain(&error)
        };
        // Once connected, the server may have worked before it was cut off.
        ModelError::Passing { reason: self.at_server(&said), wait: None, charged: !error.is_connect() }
    }

    /// What an answer means that says that there is none.
    pub(super) fn status(&self, status: StatusCode, headers: &HeaderMap, body: &str) -> ModelError {
        let complaint = Complaint::read(body);
        let said = self.excerpt(&complaint.message);
        let everything = format!("{} {}", complaint.message, complaint.tags).to_lowercase();
        let out_of_quota = everything.contains("insufficient_quota");
        let passing = matches!(status.as_u16(), 408 | 409 | 429) || status.is_server_error();
        if passing && !out_of_quota {
            let reason = self.at_server(&format!("{status}: {said}"));
            // Who stands before the server has waited for it in vain: it may have worked.
            let charged = matches!(status.as_u16(), 408 | 504 | 524);
            return ModelError::Passing { reason, wait: retry_after(headers, OffsetDateTime::now_utc()), charged };
        }
        let hint = if out_of_quota {
            Some("the account has no quota left".to_owned())
        } else {
            hint(&self.settings, status, headers, &everything)
        };
        let hint = hint.map_or_else(String::new, |hint| format!(" ({hint})"));
        ModelError::Refused(
            self.named(&format!("{} refused the request with {status}: {said}{hint}", self.settings.base_url)),
        )
    }

    fn at_server(&self, what: &str) -> String {
        self.named(&format!("{}: {what}", self.settings.base_url))
    }
}

/// How the config mends a refusal.
fn hint(settings: &Settings, status: StatusCode, headers: &HeaderMap, said: &str) -> Option<String> {
    match status.as_u16() {
        401 | 403 => Some(match (&settings.api_key, &settings.api_key_env) {
            (Some(_), Some(variable)) => format!("check the key in the variable {variable}"),
            (None, Some(variable)) => format!("the variable {variable} holds no key"),
            _ => "no key was sent; name the variable that holds it as api_key_env".to_owned(),
        }),
        404 | 405 | 501 if settings.style == Style::Plain => Some(
            "plain prompts go to /completions, which not every server has: set prompt = \"chat\", or check base_url"
                .to_owned(),
        ),
        404 => Some(format!("check base_url, and that the server has a model {:?}", settings.model)),
        300..400 => headers
            .get(reqwest::header::LOCATION)
            .and_then(|place| place.to_str().ok())
            .map(|place| format!("base_url should perhaps begin as {place}")),
        400 | 422 => bad_request_hint(settings, said),
        _ => None,
    }
}

/// Which key of the model's entry keeps out what the server complains of; `said` is in lower case.
fn bad_request_hint(settings: &Settings, said: &str) -> Option<String> {
    if said.contains("logprobs") {
        return Some(
            "a model without log-probabilities needs logprobs = false, and a weak level another model or signal"
                .to_owned(),
        );
    }
    if said.contains("temperature") {
        return Some("send_temperature = false leaves the temperature out".to_owned());
    }
    if said.contains("max_tokens") || said.contains("max_completion_tokens") {
        // Both names are known to be in use; the one that was not sent is the one to try.
        let other =
            if settings.token_limit_key == "max_completion_tokens" { "max_tokens" } else { "max_completion_tokens" };
        return Some(format!(
            "token_limit_key = {other:?} names the limit in another way; a limit that is too large is mended by max_tokens"
        ));
    }
    if said.contains("'stop'") || said.ends_with(" stop") {
        return Some("send_stop = false leaves the stop texts out; answers are then cut here".to_owned());
    }
    if said.contains("context") && (said.contains("exceed") || said.contains("maximum") || said.contains("length")) {
        return Some("the prompt is longer than the model's context: show fewer strategies, shorten the question, or give a local model more context".to_owned());
    }
    if said.contains("api key") {
        return settings.api_key_env.as_ref().map(|variable| format!("check the key in the variable {variable}"));
    }
    None
}

/// How long a server that still answered wants no further request: until the limit that is used up is reset.
pub(super) fn used_up(headers: &HeaderMap) -> Option<Duration> {
    ["requests", "tokens"]
        .into_iter()
        .filter(|what| text(headers, &format!("x-ratelimit-remaining-{what}")) == Some("0"))
        .filter_map(|what| spoken_duration(text(headers, &format!("x-ratelimit-reset-{what}"))?))
        .max()
}

/// A duration as `OpenAI`'s headers have it: `6m0s`, `1.5s`, `250ms`; a bare number is in seconds.
fn spoken_duration(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, later) = after.split_at(end);
        let seconds = match unit {
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * seconds;
        rest = later;
    }
    Duration::try_from_secs_f64(total).ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// The wait that the server asks for, in seconds or as a date.
fn retry_after(headers: &HeaderMap, now: OffsetDateTime) -> Option<Duration> {
    if let Some(milliseconds) = text(headers, "retry-after-ms").and_then(|value| value.parse().ok()) {
        return Some(Duration::from_millis(milliseconds));
    }
    let value = text(headers, RETRY_AFTER.as_str())?;
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    // An HTTP date is an RFC 2822 date in GMT; one that has passed means now.
    let at = OffsetDateTime::parse(value, &Rfc2822).ok()?;
    Some(Duration::try_from(at - now).unwrap_or_default())
}

impl OpenAi {
    /// A server's text as it may be shown: on one line, shortened, without keys.
    pub(super) fn excerpt(&self, text: &str) -> String {
        let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for secret in self.settings.secrets().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret, "[key]");
        }
        // Some servers repeat the key with its middle starred out.
        let mut shown =
            text.split(' ').map(|word| if word.contains("***") { "[key]" } else { word }).collect::<Vec<_>>().join(" ");
        if let Some((end, _)) = shown.char_indices().nth(EXCERPT) {
            shown.truncate(end);
            shown.push('…');
        }
        if shown.is_empty() {
            shown.push_str("it gave no reason");
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    #[test]
    fn reads_both_forms_of_retry_after() {
        let now = OffsetDateTime::parse("Wed, 21 Oct 2026 07:28:00 GMT", &Rfc2822).expect("a date");
        let milliseconds = HeaderMap::from_iter([(HeaderName::from_static("retry-after-ms"), HeaderValue::from(1500))]);
        assert_eq!(retry_after(&milliseconds, now), Some(Duration::from_millis(1500)));
        for (value, expected) in [
            ("20", Some(20)),
            ("Wed, 21 Oct 2026 07:28:30 GMT", Some(30)),
            ("Wed, 21 Oct 2026 07:27:00 GMT", Some(0)),
            ("soon", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn reads_the_limits_that_are_used_up() {
        for (remaining, reset, expected) in [
            ("0", "6m0s", Some(360.0)),
            ("0", "1.5s", Some(1.5)),
            ("0", "250ms", Some(0.25)),
            ("0", "2", Some(2.0)),
            ("0", "soon", None),
            ("3", "6m0s", None),
        ] {
            let headers = HeaderMap::from_iter([
                (HeaderName::from_static("x-ratelimit-remaining-tokens"), HeaderValue::from_static(remaining)),
                (HeaderName::from_static("x-ratelimit-reset-tokens"), HeaderValue::from_static(reset)),
            ]);
            assert_eq!(used_up(&headers).map(|pause| pause.as_secs_f64()), expected, "{reset}");
        }
    }
}
