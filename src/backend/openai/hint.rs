//! Remedies for requests that a server refuses for every item, mostly a key of the model's entry.

use std::sync::LazyLock;

use regex::Regex;
use reqwest::header::HeaderMap;

use super::Settings;
use super::server_error::ServerError;
use crate::task::prompt::Style;

/// Phrases for a number that exceeds a server's limit, in lower case.
const OVER_LIMIT: [&str; 9] = [
    "greater than",
    "at most",
    "less than or equal",
    "must be between",
    "in the range",
    "maximum",
    "max allowed",
    "exceed",
    "<=",
];

/// Names and phrases for an exhausted account, in lower case.
const NO_QUOTA: [&str; 10] = [
    "insufficient_quota",
    "insufficient quota",
    "insufficient balance",
    "insufficient_balance",
    "insufficient credits",
    "insufficient funds",
    "credit balance is too low",
    "billing_hard_limit",
    "exceeded_current_quota",
    "account is not active",
];

/// Returns true if the quota of the account or of the day is exhausted, so a short wait cannot help.
pub(super) fn out_of_quota(server_error: &ServerError, body: &str) -> bool {
    let text = server_error.searchable_text();
    NO_QUOTA.iter().any(|words| text.contains(words))
        || (text.contains("quota") && body.contains("PerDay"))
        || server_error.tags.contains("exceeded_quota")
}

/// Returns the remedy after a refusal. `None` if no remedy is known.
pub(super) fn hint(
    settings: &Settings,
    status: u16,
    headers: &HeaderMap,
    server_error: &ServerError,
) -> Option<String> {
    match status {
        401 | 403 => Some(match (&settings.api_key, &settings.api_key_env) {
            (Some(_), Some(variable)) => format!("check the key in the variable {variable}"),
            (None, Some(variable)) => format!("the variable {variable} has no key: set it"),
            _ => "no key was sent: set api_key_env to the variable that holds it".to_owned(),
        }),
        402 => Some("the account has no quota left".to_owned()),
        407 => Some("the proxy needs a name and a password: set its variable to http://NAME:PASSWORD@HOST".to_owned()),
        404 | 405 | 501 if settings.style == Style::Plain => Some(
            "plain prompts use /completions, which some servers lack: set prompt = \"chat\", or check base_url"
                .to_owned(),
        ),
        404 | 405 => Some(format!("check base_url, and that the server has a model {:?}", settings.model)),
        300..=399 => headers
            .get(reqwest::header::LOCATION)
            .and_then(|location| location.to_str().ok())
            .map(|location| format!("the server redirects to {location}: change base_url accordingly")),
        _ => request_hint(settings, server_error),
    }
}

/// Returns the key of the model's entry that removes the refused part of a request. `None` if no key is known.
fn request_hint(settings: &Settings, server_error: &ServerError) -> Option<String> {
    let text = server_error.searchable_text();
    let has = |words: &str| text.contains(words);
    let any = |words: &[&str]| words.iter().any(|words| text.contains(words));
    if has("http request was sent to https") || has("http request to an https server") {
        return Some("the server uses https: begin base_url with https://".to_owned());
    }
    if has("logprobs") && (has("top_logprobs") || any(&OVER_LIMIT)) {
        let most = last_number(&server_error.message).map_or("N".to_owned(), |most| most.to_string());
        let key = if settings.style == Style::Plain { "logprobs" } else { "top_logprobs" };
        return Some(format!(
            "set extra_body = {{ {key} = {most} }} to respect the server's limit of alternatives, or choose a \
             deferral.signal that needs none. A model without log-probabilities needs logprobs = false"
        ));
    }
    if has("logprobs") || has("logprob") {
        return Some(
            "set logprobs = false for a model without log-probabilities; a weak level then needs another model \
            or signal"
                .to_owned(),
        );
    }
    if has("temperature") {
        return Some("set send_temperature = false to leave the temperature out".to_owned());
    }
    if any(&["max_tokens", "max_completion_tokens", "max_output_tokens", "max_new_tokens"]) {
        // Servers use one of two names. The hint suggests the name that was not sent.
        let other =
            if settings.token_limit_key == "max_completion_tokens" { "max_tokens" } else { "max_completion_tokens" };
        return Some(format!(
            "set token_limit_key = {other:?} for the other name of the limit, or lower max_tokens if the limit \
            is too large"
        ));
    }
    if is_about_stop(&text) {
        return Some(
            "set send_stop = false to leave the stop texts out; this program then cuts the answers".to_owned(),
        );
    }
    if is_about_system(&text) {
        return Some("set send_system = false to prepend the system text to the user's message".to_owned());
    }
    if any(&["enable_thinking"]) {
        return Some("set extra_body = { enable_thinking = false } to turn the thinking off".to_owned());
    }
    if let Some(key) = settings.extra_body.keys().find(|key| text.contains(&key.to_lowercase())) {
        return Some(format!("extra_body sets {key:?}: remove it, or change its value"));
    }
    if any(&["chat template", "chat_template"]) {
        return Some("set prompt = \"plain\" for a model without a chat template".to_owned());
    }
    if any(&["only support stream", "only supports stream", "stream mode"]) {
        return Some(
            "the model supports only streamed answers, which this program does not read: choose another model"
                .to_owned(),
        );
    }
    if any(&["api key", "api_key", "apikey"]) {
        return Some(match &settings.api_key_env {
            Some(variable) => format!("check the key in the variable {variable}"),
            None => "no key was sent: set api_key_env to the variable that holds it".to_owned(),
        });
    }
    if any(&[
        "model_not_found",
        "model not found",
        "not a valid model",
        "invalid model",
        "model not exist",
        "unknown model",
    ]) || (has("model") && has("does not exist"))
    {
        return Some(format!(
            "the request has model = {:?}: check that the server has this model, or change the key",
            settings.model
        ));
    }
    None
}

/// Returns true if a message is about the parameter `stop`: a quoted name, the last word, or a rejected parameter.
fn is_about_stop(message: &str) -> bool {
    static STOP: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"['"`]stop(?:_sequences)?['"`]|\bstop sequences?\b|(?:parameter|argument|field|:)s?:? stop\b|\bstop(?:_sequences)?[.)]*\s*$|\bstop is not\b|\bstop (?:invalid|bad|unsupported)"#)
            .expect("the pattern is valid")
    });
    STOP.is_match(message.trim())
}

/// Returns true if a message is about a system message that the model refuses.
fn is_about_system(message: &str) -> bool {
    static SYSTEM: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?:system|developer)['`]?\s*(?:role|messages?|prompts?|instructions?)|roles?\b.{0,40}['`]?system|messages\[0\]\.role|conversation roles must alternate")
            .expect("the pattern is valid")
    });
    SYSTEM.is_match(message)
}

fn last_number(text: &str) -> Option<u32> {
    let digits = text.split(|c: char| !c.is_ascii_digit()).rfind(|part| !part.is_empty())?;
    digits.parse().ok().filter(|most| *most <= 100)
}
