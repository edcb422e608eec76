//! Diagnosis of an address that a server does not know: a wrong path, or a wrong name of the model.

use reqwest::Url;

use super::ask::{ProbeConfig, Prober};
use super::settle::AcceptedConfig;
use super::{Fix, Report, find_accepted};
use crate::backend::openai::probe::Exchange;
use crate::types::one_or_many::OneOrMany;

/// Maximum number of models that a finding lists.
const NAMED: usize = 8;

/// Searches for the right address at the same server and reports it. Returns the first answer from that address, or
/// `None` if no answer was received.
pub(super) async fn locate(
    prober: &mut Prober,
    report: &mut Report,
    config: ProbeConfig,
    first: Exchange,
) -> Option<AcceptedConfig> {
    let message = match &first.location {
        Some(location) => format!("{}: moved to {location}", first.status),
        None => format!("{}: {}", first.status, first.message),
    };
    if let Some(names) = prober.listed(&config).await.filter(|names| !names.is_empty()) {
        let requested = config.server_name();
        let is_listed = names.iter().any(|name| name == requested);
        let more = if names.len() > NAMED { ", …" } else { "" };
        let listed = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        let advice = if is_listed {
            "the server lists the model, but refuses it".to_owned()
        } else {
            format!("the server has {listed}{more}")
        };
        report.bad("model", message, Fix::advise("model", advice));
        return None;
    }
    for address in candidates(&config) {
        let mut candidate = config.clone();
        candidate.server.base_url = OneOrMany::One(address.clone());
        let Ok(exchange) = prober.ask(&candidate).await else { continue };
        let is_understood = matches!(exchange.status, 400 | 422) && exchange.body.is_object();
        if exchange.is_success() || is_understood {
            report.bad("address", message, Fix::set("base_url", address));
            return if exchange.is_success() {
                Some(AcceptedConfig { config: candidate, exchange, omitted: Vec::new(), reasons: Vec::new() })
            } else {
                find_accepted(prober, report, candidate, exchange).await
            };
        }
    }
    let advice = format!("check the address, and that the server has a model `{}`", config.server_name());
    report.bad("address", message, Fix::advise("base_url", advice));
    None
}

/// Returns other addresses at the same server, the likeliest first. Keys are never sent to another host.
fn candidates(config: &ProbeConfig) -> Vec<String> {
    let bare = config.base_url().trim_end_matches('/');
    let cut = bare.strip_suffix("/chat/completions").or_else(|| bare.strip_suffix("/completions"));
    let from_preset = config.server.preset.and_then(|preset| {
        let base_url = preset.dialect().entry.get("base_url").and_then(toml::Value::as_str);
        let path = Url::parse(base_url.or(preset.dialect().address.as_deref())?).ok()?.path().to_owned();
        let mut url = Url::parse(bare).ok()?;
        url.set_path(&path);
        Some(url.to_string().trim_end_matches('/').to_owned())
    });
    let mut found: Vec<String> = Vec::new();
    for candidate in [cut.map(str::to_owned), from_preset, Some(format!("{bare}/v1"))].into_iter().flatten() {
        if candidate != bare && !found.contains(&candidate) {
            found.push(candidate);
        }
    }
    found
}
