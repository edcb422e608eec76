//! What the answers of a server show.

use serde_json::Value;

use super::ask::{ALTERNATIVES, Asker, BEFORE_STOP, LIMIT, STOP, Sent, Switch};
use super::settle::Settled;
use super::{Fix, Report};
use crate::backend::openai::probe::Exchange;
use crate::backend::openai::settings::OpenAiSettings;
use crate::types::chat::{Response, Token};
use crate::types::model::ModelError;

/// Tokens above the limit that are no sign of its being ignored: end markers are counted by some.
const SLACK: u64 = 2;
/// A log-probability above 0 by rounding.
const ROUNDED: f64 = 1e-6;

/// Reports what a first answer and a few more show, beside the entry as it is written: its token limit and its server.
pub(super) async fn found(
    asker: &mut Asker,
    report: &mut Report,
    (max_tokens, entry): (u32, &OpenAiSettings),
    settled: Settled,
) {
    let Settled { mut sent, exchange, off, .. } = settled;
    let is_off = |switch| off.contains(&switch);
    match &entry.api_key_env {
        Some(variable) => report.good("key", format!("accepted (from {variable})")),
        None => report.good("key", "none is sent, and none is wanted"),
    }
    named(report, &sent, &exchange);
    if !is_off(Switch::Temperature) {
        let said = if entry.send_temperature { "accepted" } else { "not sent (send_temperature = false)" };
        report.good("temperature", said);
    }
    if !is_off(Switch::Stop) {
        stopped(report, entry, &exchange);
    }
    if !is_off(Switch::System) {
        let said = if entry.send_system { "accepted" } else { "not sent (send_system = false)" };
        report.good("system role", said);
    }
    counted(report, &exchange);

    let mut answer = asker.call(&sent).await;
    if sent.server.logprobs {
        if let Some(why) = no_logprobs(&exchange, &answer) {
            report.bad("log-probabilities", why, Switch::Logprobs.fix(&sent));
            sent = sent.without(&[Switch::Logprobs]);
            answer = asker.call(&sent).await;
        } else if let Ok(answer) = &answer {
            report.good("log-probabilities", range(&answer.tokens));
        }
        if sent.server.logprobs && !is_off(Switch::Alternatives) {
            let most = alternatives(&exchange.body);
            report.note("alternatives", format!("{most} of {ALTERNATIVES} asked for{}", documented(entry)));
        }
    } else if !entry.logprobs {
        withheld(asker, report, &sent).await;
    }
    match &answer {
        Ok(answer) => limited(asker, report, &sent, &exchange, answer, is_off(Switch::TokenLimit)).await,
        Err(error) => unread(report, max_tokens, error),
    }
    let limits: Vec<String> = exchange.limits.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    report.note("limits", if limits.is_empty() { "its answer tells of none".to_owned() } else { limits.join(", ") });
}

/// The model's name as it was answered.
fn named(report: &mut Report, sent: &Sent, exchange: &Exchange) {
    match exchange.body["model"].as_str() {
        Some(name) if name == sent.server_name() => report.good("model", format!("answered as {name}")),
        Some(name) => {
            let name = sent.model().map_or_else(|_| String::new(), |model| model.shown(name));
            report.note("model", format!("asked for {}, answered as {name}", sent.server_name()));
        }
        None => report.note("model", "the answer names none"),
    }
}

/// Whether the answer ended at the stop text.
fn stopped(report: &mut Report, entry: &OpenAiSettings, exchange: &Exchange) {
    let text = text(&exchange.body).to_lowercase();
    let said = match (entry.send_stop, text.contains(STOP), text.contains(BEFORE_STOP)) {
        (false, _, _) => "not sent (send_stop = false); answers are cut here",
        (true, true, _) => "accepted and ignored; answers are cut here, and what is written after them is charged",
        (true, false, true) => "honoured",
        (true, false, false) => "accepted; the answer did not come to the stop text",
    };
    report.good("stop texts", said);
}

/// The forms in which tokens are counted.
fn counted(report: &mut Report, exchange: &Exchange) {
    let usage = &exchange.body["usage"];
    let is_count = |name: &str| usage[name].is_u64();
    let any = |pointers: [&'static str; 3]| {
        pointers.into_iter().find(|pointer| usage.pointer(pointer).is_some_and(Value::is_u64))
    };
    if !(is_count("prompt_tokens") && (is_count("completion_tokens") || is_count("total_tokens"))) {
        report.bad("usage", "the answer does not count its tokens, so that a run estimates them: no key helps", None);
        return;
    }
    let told = |found: Option<&str>| found.map_or("not told".to_owned(), |pointer| format!("told ({})", &pointer[1..]));
    let cached = any(["/prompt_tokens_details/cached_tokens", "/prompt_cache_hit_tokens", "/cached_tokens"]);
    let reasoning = any([
        "/completion_tokens_details/reasoning_tokens",
        "/output_tokens_details/reasoning_tokens",
        "/reasoning_tokens",
    ]);
    report.good(
        "usage",
        format!("tokens are counted; cached tokens: {}; reasoning tokens: {}", told(cached), told(reasoning)),
    );
}

/// Why the answers' log-probabilities are of no use; `None` if they are.
fn no_logprobs(first: &Exchange, answer: &Result<Response, ModelError>) -> Option<String> {
    let given = first.body.pointer("/choices/0/logprobs").is_some_and(|logprobs| !logprobs.is_null());
    let answer = match answer {
        Ok(answer) => answer,
        Err(_) if !given => return Some("asked for, and none came".to_owned()),
        Err(error) => return Some(error.to_string()).filter(|said| said.contains("log-prob")),
    };
    let values: Vec<f64> = answer.tokens.iter().filter_map(|token| token.logprob).collect();
    let (told, all) = (values.len(), answer.tokens.len());
    match () {
        () if answer.text.is_empty() => None,
        () if told == 0 => Some("asked for, and none came".to_owned()),
        () if told < all => Some(format!("{told} of {all} tokens have one")),
        () if values.iter().any(|value| !value.is_finite() || *value > ROUNDED) => {
            Some("some are above 0, which is no probability".to_owned())
        }
        () if all > 1 && values.iter().all(|value| *value == 0.0) => {
            Some("each is 0, as servers say that do not compute them".to_owned())
        }
        () => None,
    }
}

/// How many log-probabilities there are, and between which values.
fn range(tokens: &[Token]) -> String {
    let values = tokens.iter().filter_map(|token| token.logprob);
    let least = values.clone().fold(f64::INFINITY, f64::min);
    let most = values.fold(f64::NEG_INFINITY, f64::max);
    if tokens.is_empty() {
        return "given; the answer was empty, so that none was read".to_owned();
    }
    format!("given for all {} tokens, from {least:.3} to {most:.3}", tokens.len())
}

/// Whether a server gives log-probabilities whose entry says that it does not.
async fn withheld(asker: &mut Asker, report: &mut Report, sent: &Sent) {
    let mut asking = sent.clone();
    asking.server.logprobs = true;
    let given = asker.ask(&asking).await.is_ok_and(|exchange| {
        let lists = ["/choices/0/logprobs/content", "/choices/0/logprobs/token_logprobs"];
        let is_filled = |place: &str| exchange.body.pointer(place).is_some_and(|list| list.get(0).is_some());
        exchange.answered() && lists.into_iter().any(is_filled)
    });
    let said = if given {
        "given, though the entry says logprobs = false: with logprobs = true it could be a weak level"
    } else {
        "none, as the entry says"
    };
    report.note("log-probabilities", said);
}

/// The most alternatives that a token came with.
fn alternatives(body: &Value) -> usize {
    let chat = body.pointer("/choices/0/logprobs/content").and_then(Value::as_array);
    let chat = chat.into_iter().flatten().filter_map(|token| token["top_logprobs"].as_array().map(Vec::len));
    let plain = body.pointer("/choices/0/logprobs/top_logprobs").and_then(Value::as_array);
    let plain = plain.into_iter().flatten().filter_map(|token| token.as_object().map(serde_json::Map::len));
    chat.chain(plain).max().unwrap_or_default()
}

fn documented(entry: &OpenAiSettings) -> String {
    let most = entry.preset.and_then(|preset| preset.dialect().alternatives);
    most.map(|most| format!("; its documentation allows {most}")).unwrap_or_default()
}

/// Whether the answer kept to the limit, and which name of the limit does.
async fn limited(
    asker: &mut Asker,
    report: &mut Report,
    sent: &Sent,
    first: &Exchange,
    answer: &Response,
    is_other: bool,
) {
    let most = u64::from(LIMIT) + SLACK;
    let key = &sent.server.token_limit_key;
    let reasoning = first.body.pointer("/usage/completion_tokens_details/reasoning_tokens").and_then(Value::as_u64);
    if answer.usage.output <= most {
        if !is_other {
            report.good("token limit", format!("kept ({} tokens, {key})", answer.usage.output));
        }
    } else if reasoning.is_some_and(|tokens| tokens > 0) {
        report.note("token limit", format!("{} tokens, hidden reasoning among them", answer.usage.output));
    } else {
        let said = format!("{key} is ignored: {} tokens instead of {LIMIT}", answer.usage.output);
        let other = sent.without(&[Switch::TokenLimit]);
        let kept = asker.ask_long(&other).await.is_ok_and(|exchange| {
            exchange.answered() && exchange.body["usage"]["completion_tokens"].as_u64().is_some_and(|n| n <= most)
        });
        let none = || Fix::advise("token_limit_key", "neither name is kept: a fee limit would not hold");
        report.bad("token limit", said, if kept { Switch::TokenLimit.fix(sent) } else { Some(none()) });
    }
}

/// Why an answer could not be read.
fn unread(report: &mut Report, max_tokens: u32, error: &ModelError) {
    let said = error.to_string();
    if said.contains("raise max_tokens") {
        let said = format!("it reasons first: {LIMIT} tokens went by without a word; the entry allows {max_tokens}");
        report.note("token limit", said);
    } else {
        report.bad("answer", said, None);
    }
}

/// The answer's text.
fn text(body: &Value) -> String {
    let choice = &body["choices"][0];
    match (&choice["message"]["content"], &choice["text"]) {
        (Value::String(text), _) | (_, Value::String(text)) => text.clone(),
        (Value::Array(parts), _) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}
