//! Which key of a model's entry, or what else, corrects a request that is refused for every item.

use std::sync::LazyLock;

use regex::Regex;
use reqwest::header::HeaderMap;

use super::Settings;
use super::complaint::Complaint;
use crate::task::prompt::Style;

/// Ways in which servers say that a number is beyond what they take.
const BEYOND: [&str; 9] = [
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

/// Names and words of accounts that have nothing left, in lower case.
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

/// Whether an account has nothing left, or its day's share: waiting for seconds cannot help.
pub(super) fn out_of_quota(complaint: &Complaint, body: &str) -> bool {
    let said = complaint.everything();
    NO_QUOTA.iter().any(|words| said.contains(words))
        || (said.contains("quota") && body.contains("PerDay"))
        || complaint.tags.contains("exceeded_quota")
}

/// What to change in the config after a refusal; `None` if nothing is known.
pub(super) fn hint(settings: &Settings, status: u16, headers: &HeaderMap, complaint: &Complaint) -> Option<String> {
    match status {
        401 | 403 => Some(match (&settings.api_key, &settings.api_key_env) {
            (Some(_), Some(variable)) => format!("check the key in the variable {variable}"),
            (None, Some(variable)) => format!("the variable {variable} holds no key"),
            _ => "no key was sent; name the variable that holds it as api_key_env".to_owned(),
        }),
        402 => Some("the account has no quota left".to_owned()),
        407 => Some("the proxy asks for a name and a password: http://NAME:PASSWORD@HOST in its variable".to_owned()),
        404 | 405 | 501 if settings.style == Style::Plain => Some(
            "plain prompts go to /completions, which not every server has: set prompt = \"chat\", or check base_url"
                .to_owned(),
        ),
        404 | 405 => Some(format!("check base_url, and that the server has a model {:?}", settings.model)),
        300..=399 => headers
            .get(reqwest::header::LOCATION)
            .and_then(|place| place.to_str().ok())
            .map(|place| format!("base_url should perhaps begin as {place}")),
        _ => of_request(settings, complaint),
    }
}

/// Which key of the model's entry keeps out what the server complains of.
fn of_request(settings: &Settings, complaint: &Complaint) -> Option<String> {
    let said = complaint.everything();
    let has = |words: &str| said.contains(words);
    let any = |words: &[&str]| words.iter().any(|words| said.contains(words));
    if has("http request was sent to https") || has("http request to an https server") {
        return Some("the server speaks https: begin base_url with https://".to_owned());
    }
    if has("logprobs") && (has("top_logprobs") || any(&BEYOND)) {
        let most = last_number(&complaint.message).map_or("N".to_owned(), |most| most.to_string());
        let key = if settings.style == Style::Plain { "logprobs" } else { "top_logprobs" };
        return Some(format!(
            "extra_body = {{ {key} = {most} }} asks for no more alternatives than the server gives; or choose a \
             deferral.signal that needs none. A model that gives no log-probabilities needs logprobs = false"
        ));
    }
    if has("logprobs") || has("logprob") {
        return Some(
            "a model without log-probabilities needs logprobs = false, and a weak level another model or signal"
                .to_owned(),
        );
    }
    if has("temperature") {
        return Some("send_temperature = false leaves the temperature out".to_owned());
    }
    if any(&["max_tokens", "max_completion_tokens", "max_output_tokens", "max_new_tokens"]) {
        // Both names are known to be in use; the one that was not sent is the one to try.
        let other =
            if settings.token_limit_key == "max_completion_tokens" { "max_tokens" } else { "max_completion_tokens" };
        return Some(format!(
            "token_limit_key = {other:?} names the limit in another way; a limit that is too large is lowered by max_tokens"
        ));
    }
    if is_about_stop(&said) {
        return Some("send_stop = false leaves the stop texts out; answers are then cut here".to_owned());
    }
    if is_about_system(&said) {
        return Some("send_system = false puts the system text in front of the user's".to_owned());
    }
    if any(&["enable_thinking"]) {
        return Some("extra_body = { enable_thinking = false } turns the thinking off".to_owned());
    }
    if let Some(key) = settings.extra_body.keys().find(|key| said.contains(&key.to_lowercase())) {
        return Some(format!("extra_body sets {key:?}: take it out, or give it another value"));
    }
    if any(&["chat template", "chat_template"]) {
        return Some("a model without a chat template needs prompt = \"plain\"".to_owned());
    }
    if any(&["only support stream", "only supports stream", "stream mode"]) {
        return Some("the model answers in a stream alone, which is not read here: choose another".to_owned());
    }
    if any(&["api key", "api_key", "apikey"]) {
        return Some(match &settings.api_key_env {
            Some(variable) => format!("check the key in the variable {variable}"),
            None => "no key was sent; name the variable that holds it as api_key_env".to_owned(),
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
            "model = {:?} is what the server was asked for: check that it has one of this name",
            settings.model
        ));
    }
    None
}

/// Whether the words are about the parameter `stop`: as a name in quotes, at the end, or as the one that is not taken.
fn is_about_stop(said: &str) -> bool {
    static STOP: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"['"`]stop(?:_sequences)?['"`]|\bstop sequences?\b|(?:parameter|argument|field|:)s?:? stop\b|\bstop(?:_sequences)?[.)]*\s*$|\bstop is not\b|\bstop (?:invalid|bad|unsupported)"#)
            .expect("the pattern is valid")
    });
    STOP.is_match(said.trim())
}

/// Whether the words are about a system message that the model does not take.
fn is_about_system(said: &str) -> bool {
    static SYSTEM: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?:system|developer)['`]?\s*(?:role|messages?|prompts?|instructions?)|roles?\b.{0,40}['`]?system|messages\[0\]\.role|conversation roles must alternate")
            .expect("the pattern is valid")
    });
    SYSTEM.is_match(said)
}

fn last_number(text: &str) -> Option<u32> {
    let digits = text.split(|c: char| !c.is_ascii_digit()).rfind(|part| !part.is_empty())?;
    digits.parse().ok().filter(|most| *most <= 100)
}
