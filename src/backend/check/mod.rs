//! Check of a server by a few small calls: its capabilities, and the keys of a model's entry that contradict them.

mod ask;
mod facts;
mod locate;
mod settle;

use std::fmt;

use self::ask::{ProbeConfig, Prober};
use self::settle::AcceptedConfig;
use super::entry::ModelEntry;
use super::openai::probe::Exchange;
use super::openai::servers::Place;
use super::openai::settings::OpenAiSettings;
use crate::task::prompt::Style;
use crate::types::chat::Usage;
use crate::types::one_or_many::OneOrMany;

/// Verdict of one finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The server behaves as a run needs.
    Good,
    /// A run would stop or be wrong.
    Bad,
    /// Information without harm to a run.
    Note,
}

/// Change of an entry that corrects a problem.
#[derive(Debug, Clone, PartialEq)]
pub struct Fix {
    /// Key of the entry.
    pub key: &'static str,
    /// Correct value of the key. `None` if only the user can know the value.
    pub value: Option<toml::Value>,
    /// Advice to the user. Empty if the value is known.
    pub advice: String,
}

impl Fix {
    fn set(key: &'static str, value: impl Into<toml::Value>) -> Self {
        Self { key, value: Some(value.into()), advice: String::new() }
    }

    fn advise(key: &'static str, advice: impl Into<String>) -> Self {
        Self { key, value: None, advice: advice.into() }
    }
}

impl fmt::Display for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "set {} = {value}", self.key),
            None => write!(f, "{}: {}", self.key, self.advice),
        }
    }
}

/// One finding about a server.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Topic of the finding, one or two words.
    pub topic: &'static str,
    /// Verdict of the finding.
    pub verdict: Verdict,
    /// Text of the finding.
    pub message: String,
    /// Change that corrects the problem. `None` if no change helps or is needed.
    pub fix: Option<Fix>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.verdict == Verdict::Bad { "NO: " } else { "" };
        write!(f, "{:<18} {mark}{}", self.topic, self.message)?;
        self.fix.iter().try_for_each(|fix| write!(f, "\n{:<18} -> {fix}", ""))
    }
}

/// Findings of a check.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Findings, in the order of the checks.
    pub findings: Vec<Finding>,
    /// Number of requests that were sent to the model.
    pub calls: usize,
    /// Tokens that the server counted.
    pub usage: Usage,
}

impl Report {
    /// Returns true if a run can use the entry unchanged.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.findings.iter().all(|finding| finding.verdict != Verdict::Bad)
    }

    /// Returns the keys to change whose correct values are known, with the values.
    #[must_use]
    pub fn changes(&self) -> Vec<(&'static str, toml::Value)> {
        let fixes = self.findings.iter().filter_map(|finding| finding.fix.as_ref());
        let mut changes: Vec<(&'static str, toml::Value)> = Vec::new();
        for (key, value) in fixes.filter_map(|fix| Some((fix.key, fix.value.clone()?))) {
            // Findings on several servers can change the same key; the last one has all addresses.
            match changes.iter_mut().find(|(changed, _)| *changed == key) {
                Some((_, old)) => *old = value,
                None => changes.push((key, value)),
            }
        }
        changes
    }

    fn good(&mut self, topic: &'static str, message: impl Into<String>) {
        self.findings.push(Finding { topic, verdict: Verdict::Good, message: message.into(), fix: None });
    }

    fn note(&mut self, topic: &'static str, message: impl Into<String>) {
        self.findings.push(Finding { topic, verdict: Verdict::Note, message: message.into(), fix: None });
    }

    fn bad(&mut self, topic: &'static str, message: impl Into<String>, fix: impl Into<Option<Fix>>) {
        self.findings.push(Finding { topic, verdict: Verdict::Bad, message: message.into(), fix: fix.into() });
    }
}

/// Checks the servers of an entry. `server` has the entry's server settings, and `style` is the form of its prompt.
pub async fn check(entry: &ModelEntry, server: &OpenAiSettings, style: Style) -> Report {
    let mut report = Report::default();
    let places = match server.places() {
        Ok(places) => places,
        Err(error) => {
            report.bad("entry", error.to_string(), Fix::advise("base_url", "nothing was sent yet"));
            return report;
        }
    };
    let several = places.len() > 1;
    let mut addresses = server.base_url.as_slice().to_vec();
    for place in places {
        if several {
            report.note("server", server.address(place));
        }
        let from = report.findings.len();
        check_server(entry, server, style, place, &mut report).await;
        if let OneOrMany::Many(_) = server.base_url {
            name_in_list(&mut report.findings[from..], &mut addresses, place.address);
        }
    }
    report
}

/// Turns a correct address in the findings on one server into the whole list with this address.
fn name_in_list(findings: &mut [Finding], addresses: &mut [String], index: usize) {
    let fixes = findings.iter_mut().filter_map(|finding| finding.fix.as_mut());
    for value in fixes.filter(|fix| fix.key == "base_url").filter_map(|fix| fix.value.as_mut()) {
        if let Some(address) = value.as_str() {
            address.clone_into(&mut addresses[index]);
            *value = addresses.to_vec().into();
        }
    }
}

/// Checks one server of an entry.
async fn check_server(entry: &ModelEntry, server: &OpenAiSettings, style: Style, place: Place, report: &mut Report) {
    let config = ProbeConfig::new(entry, server, style, place);
    if let Err(error) = config.model() {
        let message = format!("{error:#}");
        let keys = ["api_key_env", "headers_env", "extra_body", "base_url"];
        let key = keys.into_iter().find(|key| message.contains(key));
        report.bad("entry", message, key.map(|key| Fix::advise(key, "nothing was sent yet")));
        return;
    }
    let mut prober = Prober::new(entry.timeout_s());
    let first = first_answer(&mut prober, report, config).await;
    if let Some(accepted) = first {
        facts::report_facts(&mut prober, report, server, accepted).await;
    }
    report.calls += prober.calls;
    report.usage = report.usage.plus(prober.usage);
}

/// Obtains a first answer, with changed settings if necessary, and reports the changes. `None` if no settings lead to
/// an answer.
async fn first_answer(prober: &mut Prober, report: &mut Report, config: ProbeConfig) -> Option<AcceptedConfig> {
    let first = match prober.ask(&config).await {
        Ok(exchange) => exchange,
        Err(error) => {
            let advice = "check the address, and that the server is running";
            report.bad("reachable", error.to_string(), Fix::advise("base_url", advice));
            return None;
        }
    };
    report.good("reachable", format!("yes, {:.0} ms", first.latency_ms));
    if first.is_success() {
        return Some(AcceptedConfig { config, exchange: first, omitted: Vec::new(), reasons: Vec::new() });
    }
    let body = first.body_text.to_lowercase();
    match first.status {
        401 | 403 => report_refused_key(report, &config, &first),
        402 => report.bad("account", format!("{}: {}", first.status, first.message), None),
        429 => {
            let advice = "the limit of the account is used up: try later, or set a lower rate";
            let message = format!("{}: {}", first.status, first.message);
            report.bad("limits", message, Fix::advise("requests_per_minute", advice));
        }
        300..=399 | 404 | 405 | 410 | 501 => return locate::locate(prober, report, config, first).await,
        _ if is_key_error(&body) => report_refused_key(report, &config, &first),
        _ if is_model_error(&body) => return locate::locate(prober, report, config, first).await,
        _ => return find_accepted(prober, report, config, first).await,
    }
    None
}

/// Determines and reports the settings that the server refuses.
async fn find_accepted(
    prober: &mut Prober,
    report: &mut Report,
    config: ProbeConfig,
    first: Exchange,
) -> Option<AcceptedConfig> {
    let (status, words) = (first.status, first.message.clone());
    let accepted = settle::settle(prober, &config, first).await;
    if let Some(accepted) = &accepted {
        report_refused(report, &config, accepted, &words);
    } else {
        let message = format!("refused with {status}, even without the optional settings: {words}");
        let key = if config.server.extra_body.is_empty() { "model" } else { "extra_body" };
        report.bad("request", message, Fix::advise(key, "correct the key according to the server's message"));
    }
    accepted
}

/// Reports the settings that had to be left out.
fn report_refused(report: &mut Report, config: &ProbeConfig, accepted: &AcceptedConfig, first: &str) {
    for setting in &accepted.omitted {
        let reason = accepted.reasons.iter().find(|(refused, _)| refused == setting);
        let words = reason.map_or(first, |(_, words)| words);
        match setting.fix(config) {
            Some(fix) => report.bad(setting.topic(), format!("refused ({words})"), fix),
            None => report.note(setting.topic(), format!("the server refuses more than one ({words})")),
        }
    }
}

fn report_refused_key(report: &mut Report, config: &ProbeConfig, exchange: &Exchange) {
    let advice = match &config.server.api_key_env {
        Some(variable) => format!("check the key in the variable {variable}"),
        None => "no key was sent; set api_key_env to the variable that holds it".to_owned(),
    };
    let message = format!("refused with {}: {}", exchange.status, exchange.message);
    report.bad("key", message, Fix::advise("api_key_env", advice));
}

fn is_key_error(body: &str) -> bool {
    let wrong = ["invalid", "not valid", "incorrect", "missing", "no api key", "provide"];
    ["api key", "api_key", "api-key"].iter().any(|key| body.contains(key))
        && wrong.iter().any(|wrong| body.contains(wrong))
}

fn is_model_error(body: &str) -> bool {
    body.contains("model")
        && ["not found", "does not exist", "not exist", "unknown model", "invalid model"]
            .iter()
            .any(|w| body.contains(w))
}
