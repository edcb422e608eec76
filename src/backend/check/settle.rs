//! Determines the settings that a server refuses, first from its error message, otherwise by leaving all out and
//! restoring each.

use super::ask::{OptionalSetting, ProbeConfig, Prober};
use crate::backend::openai::probe::Exchange;

/// Configuration that the server accepts, with its answer.
pub(super) struct AcceptedConfig {
    /// Configuration of the request.
    pub(super) config: ProbeConfig,
    /// Answer of the server.
    pub(super) exchange: Exchange,
    /// The settings that had to be left out.
    pub(super) omitted: Vec<OptionalSetting>,
    /// Error messages of the server about single settings.
    pub(super) reasons: Vec<(OptionalSetting, String)>,
}

/// Determines the smallest set of settings that must be left out. `None` if the server also refuses a request without
/// any of them.
pub(super) async fn settle(prober: &mut Prober, config: &ProbeConfig, first: Exchange) -> Option<AcceptedConfig> {
    let mut omitted: Vec<OptionalSetting> = Vec::new();
    let mut refusal = first;
    let mut reasons = Vec::new();
    loop {
        let message = refusal.body_text.to_lowercase();
        let is_named = |setting: &OptionalSetting| {
            setting.is_sent(config)
                && !omitted.contains(setting)
                && setting.keywords().iter().any(|word| message.contains(word))
        };
        let Some(setting) = OptionalSetting::ALL.into_iter().find(is_named) else { break };
        omitted.push(setting);
        reasons.push((setting, refusal.message));
        let exchange = prober.ask(&config.without(&omitted)).await.ok()?;
        if exchange.is_success() {
            return Some(AcceptedConfig { reasons, ..restore_accepted(prober, config, omitted, exchange).await });
        }
        refusal = exchange;
    }
    let all: Vec<OptionalSetting> =
        OptionalSetting::ALL.into_iter().filter(|setting| setting.is_sent(config)).collect();
    let mut tried = vec![all.clone()];
    // A server may accept only one name of the token limit.
    tried.push(all.into_iter().filter(|setting| *setting != OptionalSetting::TokenLimit).collect());
    for omitted in tried {
        let exchange = prober.ask(&config.without(&omitted)).await.ok()?;
        if exchange.is_success() {
            return Some(restore_accepted(prober, config, omitted, exchange).await);
        }
    }
    None
}

/// Restores each setting that need not be left out.
async fn restore_accepted(
    prober: &mut Prober,
    config: &ProbeConfig,
    mut omitted: Vec<OptionalSetting>,
    mut exchange: Exchange,
) -> AcceptedConfig {
    // The number of alternatives comes last: it can be refused only if log-probabilities are sent.
    let mut order = omitted.clone();
    order.sort_by_key(|setting| *setting == OptionalSetting::Alternatives);
    for setting in order {
        if omitted.len() == 1 {
            break;
        }
        let fewer: Vec<OptionalSetting> = omitted.iter().copied().filter(|other| *other != setting).collect();
        if let Ok(found) = prober.ask(&config.without(&fewer)).await
            && found.is_success()
        {
            (omitted, exchange) = (fewer, found);
        }
    }
    AcceptedConfig { config: config.without(&omitted), exchange, omitted, reasons: Vec::new() }
}
