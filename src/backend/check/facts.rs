//! Findings from the answers of a server.

use serde_json::Value;

use super::ask::{ALTERNATIVES, BEFORE_STOP, LIMIT, OptionalSetting, ProbeConfig, Prober, STOP};
use super::settle::AcceptedConfig;
use super::{Fix, Report};
use crate::backend::openai::probe::Exchange;
use crate::backend::openai::settings::OpenAiSettings;
use crate::types::chat::{Response, Token};
use crate::types::model::ModelError;

/// Tolerance for the token limit, in tokens, because some servers count end markers.
const SLACK: u64 = 2;
/// Largest log-probability above 0 that is attributed to rounding.
const ROUNDED: f64 = 1e-6;

/// Reports the findings from the first answer and a few further ones. `entry` has the server
/// settings of the entry.
pub(super) async fn report_facts(
    prober: &mut Prober,
    report: &mut Report,
    entry: &OpenAiSettings,
    accepted: AcceptedConfig,
) {
    let AcceptedConfig { mut config, exchange, omitted, .. } = accepted;
    let is_omitted = |setting| omitted.contains(&setting);
    match &entry.api_key_env {
        Some(variable) => report.good("key", format!("accepted (from {variable})")),
        None => report.good("key", "no key is sent, and the server needs none"),
    }
    report_model_name(report, &config, &exchange);
    if !is_omitted(OptionalSetting::Temperature) {
        let message = if entry.send_temperature { "accepted" } else { "not sent (send_temperature = false)" };
        report.good("temperature", message);
    }
    if !is_omitted(OptionalSetting::Stop) {
        report_stop(report, entry, &exchange);
    }
    if !is_omitted(OptionalSetting::System) {
        let message = if entry.send_system { "accepted" } else { "not sent (send_system = false)" };
        report.good("system role", message);
    }
    report_usage(report, &exchange);

    let mut answer = prober.call(&config).await;
    if config.server.logprobs {
        if let Some(why) = logprobs_defect(&exchange, &answer) {
            report.bad("log-probabilities", why, OptionalSetting::Logprobs.fix(&config));
            config = config.without(&[OptionalSetting::Logprobs]);
            answer = prober.call(&config).await;
        } else if let Ok(answer) = &answer {
            report.good("log-probabilities", range(&answer.tokens));
        }
        if config.server.logprobs && !is_omitted(OptionalSetting::Alternatives) {
            let most = alternatives(&exchange.body);
            report.note("alternatives", format!("{most} of {ALTERNATIVES} requested{}", documented_limit(entry)));
        }
    } else if !entry.logprobs {
        report_undeclared_logprobs(prober, report, &config).await;
    }
    match &answer {
        Ok(answer) => {
            report_token_limit(prober, report, &config, &exchange, answer, is_omitted(OptionalSetting::TokenLimit))
                .await;
        }
        Err(error) => report.bad("answer", error.to_string(), None),
    }
    let limits: Vec<String> = exchange.limits.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    report.note("limits", if limits.is_empty() { "the answer reports none".to_owned() } else { limits.join(", ") });
}

/// Reports the model's name in the answer.
fn report_model_name(report: &mut Report, config: &ProbeConfig, exchange: &Exchange) {
    match exchange.body["model"].as_str() {
        Some(name) if name == config.server_name() => report.good("model", format!("answered as {name}")),
        Some(name) => {
            let name = config.model().map_or_else(|_| String::new(), |model| model.safe_excerpt(name));
            report.note("model", format!("requested {}, answered as {name}", config.server_name()));
        }
        None => report.note("model", "the answer names no model"),
    }
}

/// Reports whether the answer ended at the stop text.
fn report_stop(report: &mut Report, entry: &OpenAiSettings, exchange: &Exchange) {
    let text = text(&exchange.body).to_lowercase();
    let message = match (entry.send_stop, text.contains(STOP), text.contains(BEFORE_STOP)) {
        (false, _, _) => "not sent (send_stop = false); this program cuts the answers",
        (true, true, _) => {
            "accepted but ignored; this program cuts the answers, and the tokens after the stop text are charged"
        }
        (true, false, true) => "honoured",
        (true, false, false) => "accepted; the answer did not reach the stop text",
    };
    report.good("stop texts", message);
}

/// Reports which token counts the answer contains.
fn report_usage(report: &mut Report, exchange: &Exchange) {
    let usage = &exchange.body["usage"];
    let is_count = |name: &str| usage[name].is_u64();
    let any = |pointers: [&'static str; 3]| {
        pointers.into_iter().find(|pointer| usage.pointer(pointer).is_some_and(Value::is_u64))
    };
    if !(is_count("prompt_tokens") && (is_count("completion_tokens") || is_count("total_tokens"))) {
        report.bad("usage", "the answer has no token counts, so a run estimates them; no key changes this", None);
        return;
    }
    let describe = |pointer: Option<&str>| {
        pointer.map_or("not reported".to_owned(), |pointer| format!("reported ({})", &pointer[1..]))
    };
    let cached = any(["/prompt_tokens_details/cached_tokens", "/prompt_cache_hit_tokens", "/cached_tokens"]);
    let reasoning = any([
        "/completion_tokens_details/reasoning_tokens",
        "/output_tokens_details/reasoning_tokens",
        "/reasoning_tokens",
    ]);
    report.good(
        "usage",
        format!("tokens are counted; cached tokens: {}; reasoning tokens: {}", describe(cached), describe(reasoning)),
    );
}

/// Returns the reason why the log-probabilities cannot be used. `None` if they can.
fn logprobs_defect(first: &Exchange, answer: &Result<Response, ModelError>) -> Option<String> {
    let present = first.body.pointer("/choices/0/logprobs").is_some_and(|logprobs| !logprobs.is_null());
    let answer = match answer {
        Ok(answer) => answer,
        Err(_) if !present => return Some("requested, but not returned".to_owned()),
        Err(error) => return Some(error.to_string()).filter(|message| message.contains("log-prob")),
    };
    let values: Vec<f64> = answer.tokens.iter().filter_map(|token| token.logprob).collect();
    let (known, all) = (values.len(), answer.tokens.len());
    match () {
        () if answer.text.is_empty() => None,
        () if known == 0 => Some("requested, but not returned".to_owned()),
        () if known < all => Some(format!("only {known} of {all} tokens have one")),
        () if values.iter().any(|value| !value.is_finite() || *value > ROUNDED) => {
            Some("some are above 0, so they are not log-probabilities".to_owned())
        }
        () if all > 1 && values.iter().all(|value| *value == 0.0) => {
            Some("each is 0, which is the value of servers that do not compute them".to_owned())
        }
        () => None,
    }
}

/// Describes the number and the range of the log-probabilities.
fn range(tokens: &[Token]) -> String {
    let values = tokens.iter().filter_map(|token| token.logprob);
    let least = values.clone().fold(f64::INFINITY, f64::min);
    let most = values.fold(f64::NEG_INFINITY, f64::max);
    if tokens.is_empty() {
        return "returned; the answer was empty, so no value was read".to_owned();
    }
    format!("returned for all {} tokens, from {least:.3} to {most:.3}", tokens.len())
}

/// Reports whether the server returns log-probabilities although the entry has `logprobs = false`.
async fn report_undeclared_logprobs(prober: &mut Prober, report: &mut Report, config: &ProbeConfig) {
    let mut with_logprobs = config.clone();
    with_logprobs.server.logprobs = true;
    let returned = prober.ask(&with_logprobs).await.is_ok_and(|exchange| {
        let lists = ["/choices/0/logprobs/content", "/choices/0/logprobs/token_logprobs"];
        let is_filled = |pointer: &str| exchange.body.pointer(pointer).is_some_and(|list| list.get(0).is_some());
        exchange.is_success() && lists.into_iter().any(is_filled)
    });
    let message = if returned {
        "returned, although the entry has logprobs = false: with logprobs = true the model could be a weak level"
    } else {
        "not returned, in accordance with the entry"
    };
    report.note("log-probabilities", message);
}

/// Returns the largest number of alternatives of a token.
fn alternatives(body: &Value) -> usize {
    let chat = body.pointer("/choices/0/logprobs/content").and_then(Value::as_array);
    let chat = chat.into_iter().flatten().filter_map(|token| token["top_logprobs"].as_array().map(Vec::len));
    let plain = body.pointer("/choices/0/logprobs/top_logprobs").and_then(Value::as_array);
    let plain = plain.into_iter().flatten().filter_map(|token| token.as_object().map(serde_json::Map::len));
    chat.chain(plain).max().unwrap_or_default()
}

fn documented_limit(entry: &OpenAiSettings) -> String {
    let most = entry.preset.and_then(|preset| preset.dialect().alternatives);
    most.map(|most| format!("; its documentation allows {most}")).unwrap_or_default()
}

/// Reports whether the answer respects the token limit, and otherwise whether the other name of the limit works.
async fn report_token_limit(
    prober: &mut Prober,
    report: &mut Report,
    config: &ProbeConfig,
    first: &Exchange,
    answer: &Response,
    other_key_works: bool,
) {
    let most = u64::from(LIMIT) + SLACK;
    let key = &config.server.token_limit_key;
    let reasoning = first.body.pointer("/usage/completion_tokens_details/reasoning_tokens").and_then(Value::as_u64);
    if answer.usage.output <= most {
        if !other_key_works {
            report.good("token limit", format!("respected ({} tokens, {key})", answer.usage.output));
        }
    } else if reasoning.is_some_and(|tokens| tokens > 0) {
        report.note("token limit", format!("{} tokens, including hidden reasoning", answer.usage.output));
    } else {
        let message = format!("{key} is ignored: {} tokens instead of {LIMIT}", answer.usage.output);
        let other = config.without(&[OptionalSetting::TokenLimit]);
        let is_respected = prober.ask_long(&other).await.is_ok_and(|exchange| {
            exchange.is_success() && exchange.body["usage"]["completion_tokens"].as_u64().is_some_and(|n| n <= most)
        });
        let none = || Fix::advise("token_limit_key", "the server ignores both names, so a fee limit would not hold");
        report.bad(
            "token limit",
            message,
            if is_respected { OptionalSetting::TokenLimit.fix(config) } else { Some(none()) },
        );
    }
}

/// Returns the text of an answer.
fn text(body: &Value) -> String {
    let choice = &body["choices"][0];
    match (&choice["message"]["content"], &choice["text"]) {
        (Value::String(text), _) | (_, Value::String(text)) => text.clone(),
        (Value::Array(parts), _) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}
