//! What is wrong with an address that a server does not know: the path, or the model's name.

use reqwest::Url;

use super::ask::{Asker, Sent};
use super::settle::Settled;
use super::{Fix, Report, settled};
use crate::backend::openai::probe::Exchange;

/// Models that are named at most.
const NAMED: usize = 8;

/// Looks for the right address at the same server, and reports it; gives the first answer from there.
pub(super) async fn located(asker: &mut Asker, report: &mut Report, sent: Sent, first: Exchange) -> Option<Settled> {
    let said = match &first.moved {
        Some(place) => format!("{}: moved to {place}", first.status),
        None => format!("{}: {}", first.status, first.message),
    };
    if let Some(names) = asker.listed(&sent).await.filter(|names| !names.is_empty()) {
        let wanted = sent.server_name();
        let is_there = names.iter().any(|name| name == wanted);
        let more = if names.len() > NAMED { ", …" } else { "" };
        let there = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        let advice = if is_there {
            "it lists the model, and refuses it all the same".to_owned()
        } else {
            format!("it has {there}{more}")
        };
        report.bad("model", said, Fix::advise("model", advice));
        return None;
    }
    for address in candidates(&sent) {
        let mut elsewhere = sent.clone();
        elsewhere.server.base_url.clone_from(&address);
        let Ok(exchange) = asker.ask(&elsewhere).await else { continue };
        let understood = matches!(exchange.status, 400 | 422) && exchange.body.is_object();
        if exchange.answered() || understood {
            report.bad("address", said, Fix::set("base_url", address));
            return if exchange.answered() {
                Some(Settled { sent: elsewhere, exchange, off: Vec::new(), reasons: Vec::new() })
            } else {
                settled(asker, report, elsewhere, exchange).await
            };
        }
    }
    let advice = format!("check it, and that the server has a model `{}`", sent.server_name());
    report.bad("address", said, Fix::advise("base_url", advice));
    None
}

/// Other addresses at the same server, the likeliest first: keys go nowhere else.
fn candidates(sent: &Sent) -> Vec<String> {
    let bare = sent.server.base_url.trim_end_matches('/');
    let cut = bare.strip_suffix("/chat/completions").or_else(|| bare.strip_suffix("/completions"));
    let usual = sent.server.preset.and_then(|preset| {
        let usual = preset.dialect().entry.get("base_url").and_then(toml::Value::as_str);
        let path = Url::parse(usual.or(preset.dialect().address.as_deref())?).ok()?.path().to_owned();
        let mut here = Url::parse(bare).ok()?;
        here.set_path(&path);
        Some(here.to_string().trim_end_matches('/').to_owned())
    });
    let mut found: Vec<String> = Vec::new();
    for candidate in [cut.map(str::to_owned), usual, Some(format!("{bare}/v1"))].into_iter().flatten() {
        if candidate != bare && !found.contains(&candidate) {
            found.push(candidate);
        }
    }
    found
}
