//! What a server gives, seen by a few tiny calls, and which keys of a model's entry say otherwise.

mod ask;
mod facts;
mod locate;
mod settle;

use std::fmt;

use self::ask::{Asker, Sent};
use self::settle::Settled;
use super::entry::ModelEntry;
use super::openai::probe::Exchange;
use super::openai::settings::OpenAiSettings;
use crate::task::prompt::Style;
use crate::types::chat::Usage;

/// What came of one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As a run needs it.
    Good,
    /// A run would stop, or go wrong.
    Bad,
    /// Worth knowing, with no harm to a run.
    Note,
}

/// The change of an entry that helps.
#[derive(Debug, Clone, PartialEq)]
pub struct Fix {
    /// The key of the entry.
    pub key: &'static str,
    /// Its right value; `None` if only the user can know it.
    pub value: Option<toml::Value>,
    /// What to do, if no value is known.
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

/// The answer to one question about a server.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The question, in a word or two.
    pub what: &'static str,
    /// What came of it.
    pub verdict: Verdict,
    /// The answer in words.
    pub said: String,
    /// The change that helps; `None` if none does, or none is needed.
    pub fix: Option<Fix>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.verdict == Verdict::Bad { "NO: " } else { "" };
        write!(f, "{:<18} {mark}{}", self.what, self.said)?;
        self.fix.iter().try_for_each(|fix| write!(f, "\n{:<18} -> {fix}", ""))
    }
}

/// What a check found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The answers, in the order of the questions.
    pub findings: Vec<Finding>,
    /// Requests that were sent to the model.
    pub calls: usize,
    /// The tokens that the server counted.
    pub usage: Usage,
}

impl Report {
    /// Whether a run could go by the entry as it is.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.findings.iter().all(|finding| finding.verdict != Verdict::Bad)
    }

    /// The keys whose right values are known, with them.
    #[must_use]
    pub fn changes(&self) -> Vec<(&'static str, toml::Value)> {
        let fixes = self.findings.iter().filter_map(|finding| finding.fix.as_ref());
        fixes.filter_map(|fix| Some((fix.key, fix.value.clone()?))).collect()
    }

    fn good(&mut self, what: &'static str, said: impl Into<String>) {
        self.findings.push(Finding { what, verdict: Verdict::Good, said: said.into(), fix: None });
    }

    fn note(&mut self, what: &'static str, said: impl Into<String>) {
        self.findings.push(Finding { what, verdict: Verdict::Note, said: said.into(), fix: None });
    }

    fn bad(&mut self, what: &'static str, said: impl Into<String>, fix: impl Into<Option<Fix>>) {
        self.findings.push(Finding { what, verdict: Verdict::Bad, said: said.into(), fix: fix.into() });
    }
}

/// Asks the server of an entry, whose settings are `server`, what it gives; `style` is that of the entry's prompt.
pub async fn check(entry: &ModelEntry, server: &OpenAiSettings, style: Style) -> Report {
    let mut report = Report::default();
    let sent = Sent::of(entry, server, style);
    if let Err(error) = sent.model() {
        let said = format!("{error:#}");
        let keys = ["api_key_env", "headers_env", "extra_body", "base_url"];
        let key = keys.into_iter().find(|key| said.contains(key));
        report.bad("entry", said, key.map(|key| Fix::advise(key, "nothing was sent yet")));
        return report;
    }
    let mut asker = Asker::new(entry.timeout_s());
    let answered = answered(&mut asker, &mut report, sent).await;
    if let Some(settled) = answered {
        facts::found(&mut asker, &mut report, (entry.max_tokens, server), settled).await;
    }
    report.calls = asker.calls;
    report.usage = asker.usage;
    report
}

/// Gets a first answer, by other settings if need be, and reports what had to change; `None` if no settings bring one.
async fn answered(asker: &mut Asker, report: &mut Report, sent: Sent) -> Option<Settled> {
    let first = match asker.ask(&sent).await {
        Ok(exchange) => exchange,
        Err(error) => {
            let advice = "check the address, and that the server runs";
            report.bad("reachable", error.to_string(), Fix::advise("base_url", advice));
            return None;
        }
    };
    report.good("reachable", format!("yes, {:.0} ms", first.latency_ms));
    if first.answered() {
        return Some(Settled { sent, exchange: first, off: Vec::new(), reasons: Vec::new() });
    }
    let said = first.said.to_lowercase();
    match first.status {
        401 | 403 => refused_key(report, &sent, &first),
        402 => report.bad("account", format!("{}: {}", first.status, first.message), None),
        429 => {
            let advice = "the limit of the account is used up: try later, or lower it";
            let said = format!("{}: {}", first.status, first.message);
            report.bad("limits", said, Fix::advise("requests_per_minute", advice));
        }
        300..=399 | 404 | 405 | 410 | 501 => return locate::located(asker, report, sent, first).await,
        _ if complains_of_key(&said) => refused_key(report, &sent, &first),
        _ if complains_of_model(&said) => return locate::located(asker, report, sent, first).await,
        _ => return settled(asker, report, sent, first).await,
    }
    None
}

/// Finds the settings that the server refuses.
async fn settled(asker: &mut Asker, report: &mut Report, sent: Sent, first: Exchange) -> Option<Settled> {
    let (status, words) = (first.status, first.message.clone());
    let settled = settle::settle(asker, &sent, first).await;
    if let Some(settled) = &settled {
        report_off(report, &sent, settled, &words);
    } else {
        let said = format!("refused with {status}, whichever of the known settings is left out: {words}");
        let key = if sent.server.extra_body.is_empty() { "model" } else { "extra_body" };
        report.bad("request", said, Fix::advise(key, "see what the server says"));
    }
    settled
}

/// Says which settings had to be left out.
fn report_off(report: &mut Report, sent: &Sent, settled: &Settled, first: &str) {
    for switch in &settled.off {
        let reason = settled.reasons.iter().find(|(refused, _)| refused == switch);
        let words = reason.map_or(first, |(_, words)| words);
        match switch.fix(sent) {
            Some(fix) => report.bad(switch.what(), format!("refused ({words})"), fix),
            None => report.note(switch.what(), format!("more than one is refused ({words})")),
        }
    }
}

fn refused_key(report: &mut Report, sent: &Sent, exchange: &Exchange) {
    let advice = match &sent.server.api_key_env {
        Some(variable) => format!("check the key in the variable {variable}"),
        None => "no key was sent; name the variable that holds it".to_owned(),
    };
    let said = format!("refused with {}: {}", exchange.status, exchange.message);
    report.bad("key", said, Fix::advise("api_key_env", advice));
}

fn complains_of_key(said: &str) -> bool {
    let wrong = ["invalid", "not valid", "incorrect", "missing", "no api key", "provide"];
    ["api key", "api_key", "api-key"].iter().any(|key| said.contains(key))
        && wrong.iter().any(|wrong| said.contains(wrong))
}

fn complains_of_model(said: &str) -> bool {
    said.contains("model")
        && ["not found", "does not exist", "not exist", "unknown model", "invalid model"]
            .iter()
            .any(|w| said.contains(w))
}
