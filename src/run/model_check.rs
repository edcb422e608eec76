//! Check of a `[[model]]`: the capabilities of its server, and the keys of the entry that do not match.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::error::RunError;
use super::progress::Progress;
use crate::backend::check::{self, Finding, Report, Verdict};
use crate::backend::entry::ModelEntry;
use crate::backend::openai::settings::OpenAiSettings;
use crate::config::edit::{Changed, difference, with_keys};
use crate::config::entries;
use crate::config::prompts::Prompts;
use crate::config::schema::Config;
use crate::fetch::shipped;
use crate::fetch::weights::Catalogue;
use crate::report::files::write_file;
use crate::task::Task;
use crate::task::confidence::Signal;
use crate::task::prompt::Style;
use crate::types::arm::Deferral;

/// File whose models can be named without a config.
const MODELS: &str = "configs/models.toml";

/// Default file of entries, if it holds an entry called `name`; otherwise `None`.
#[must_use]
pub fn default_file(name: &str) -> Option<PathBuf> {
    let path = Path::new(MODELS);
    entries::find(path, name).is_ok().then(|| path.to_owned())
}

/// An entry to check, with its file.
pub struct ModelCheck {
    /// Config or file of models that the user named.
    config: PathBuf,
    file: PathBuf,
    entry: ModelEntry,
    server: OpenAiSettings,
    style: Style,
    /// True if the entry is the first level of the config and the config's confidence needs log-probabilities.
    needs_logprobs: bool,
}

impl ModelCheck {
    /// Finds the entry called `name` in a config or a file of models.
    ///
    /// # Errors
    /// If the file is faulty or lacks the entry, or if the entry's backend has no server.
    pub fn find(config: &Path, name: &str) -> Result<Self> {
        let (file, raw) = entries::find(config, name)?;
        let path = || format!("{}", file.display());
        let entry = ModelEntry::resolve(raw, &Catalogue::near(Some(config))?).with_context(path)?;
        let Some(server) = entry.backend.openai().cloned() else {
            bail!(
                "{}: model `{name}` has the backend `{}`, but only models of backend `openai` have a server to check",
                path(),
                entry.backend.kind().name()
            );
        };
        let style = style(config, &entry).with_context(path)?;
        let needs_logprobs = needs_logprobs(config, name);
        Ok(Self { config: config.to_owned(), file, entry, server, style, needs_logprobs })
    }

    /// Warning before the check; `None` if the model is not retired.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let day = self.entry.retired.as_ref()?;
        Some(format!("model `{}`: retired by its provider on {day}", self.entry.name))
    }

    /// Line with the model, its server and its preset.
    #[must_use]
    pub fn title(&self) -> String {
        let Self { entry, server, .. } = self;
        let preset = server.preset.map(|preset| format!(", preset `{}`", preset.name())).unwrap_or_default();
        let addresses = server.base_url.as_slice().join(", ");
        format!("model `{}`: {} at {addresses}{preset}", entry.name, entry.server_name())
    }

    /// Tests the server with a few small calls.
    ///
    /// # Errors
    /// [`RunError::Stopped`] if a stop is requested before the last call ends.
    pub async fn run(&self, progress: &Progress) -> Result<Report, RunError> {
        let report = Box::pin(check::check(&self.entry, &self.server, self.style));
        progress.unless_stopped(async { Ok(report.await) }).await
    }

    /// True if a run of the config can use the entry. If `written`, the detected values count as written to the entry.
    #[must_use]
    pub fn passes(&self, report: &Report, written: bool) -> bool {
        let answers = if written { passes_when_written(report) } else { report.passes() };
        answers && !self.lacks_confidence(report)
    }

    /// True if the server returns no log-probabilities and the config's confidence signal needs them.
    fn lacks_confidence(&self, report: &Report) -> bool {
        let off = |(key, value): (&str, toml::Value)| key == "logprobs" && value.as_bool() == Some(false);
        self.needs_logprobs && (!self.entry.capabilities().logprobs || report.changes().into_iter().any(off))
    }

    /// Lines on the findings, and on calls, tokens and fee of the check.
    #[must_use]
    pub fn lines(&self, report: &Report) -> Vec<String> {
        let findings = report.findings.iter().map(ToString::to_string);
        let mut lines: Vec<String> =
            findings.flat_map(|finding| finding.lines().map(|line| format!("  {line}")).collect::<Vec<_>>()).collect();
        let fee = self.entry.price.as_ref().map(|price| format!(", {:.6} USD", price.fee(report.usage).usd()));
        if self.lacks_confidence(report) {
            let others = Signal::ALL.into_iter().filter(|signal| !signal.needs_logprobs()).map(Signal::name);
            lines.push(format!(
                "  NO: `{}` is the first level of {}, and the confidence signal needs log-probabilities. Set deferral.signal to a signal \
                 without log-probabilities ({}), or use another model",
                self.entry.name,
                self.config.display(),
                others.collect::<Vec<_>>().join(", ")
            ));
        }
        lines.push(format!(
            "{} calls, {} input tokens, {} output tokens{}",
            report.calls,
            report.usage.input,
            report.usage.output,
            fee.unwrap_or_default()
        ));
        lines
    }

    /// Line that offers `--write`; `None` if no key would change.
    #[must_use]
    pub fn offer(&self, report: &Report) -> Option<String> {
        let some = !report.changes().is_empty();
        some.then(|| format!("--write changes these keys in {}", self.file.display()))
    }

    /// Writes the detected values to the entry, and returns lines that show the changes.
    ///
    /// # Errors
    /// If the file cannot be read, edited or written.
    pub fn write(&self, report: &Report) -> Result<Vec<String>> {
        let Self { file, entry, .. } = self;
        let changes = report.changes();
        if changes.is_empty() {
            return Ok(vec!["nothing to write".to_owned()]);
        }
        if shipped::is_copy(file) || !file.is_file() {
            bail!(
                "{}: this file is part of the program. Copy the [[model]] into a config of your own first",
                shipped::described(file)
            );
        }
        // Write to the target of a link, so the link stays.
        let target = file.canonicalize().with_context(|| format!("cannot write {}", file.display()))?;
        let old = std::fs::read_to_string(&target).with_context(|| format!("cannot read {}", file.display()))?;
        let new = with_keys(&old, &entry.name, &changes).with_context(|| format!("{}", file.display()))?;
        let permissions = std::fs::metadata(&target)?.permissions();
        write_file(&target, new.as_bytes())?;
        std::fs::set_permissions(&target, permissions).with_context(|| format!("{}", file.display()))?;
        let lines = difference(&old, &new).into_iter().map(|line| match line {
            Changed::Out(line) => format!("-{line}"),
            Changed::In(line) => format!("+{line}"),
        });
        Ok(std::iter::once(format!("written to {}:", file.display())).chain(lines).collect())
    }
}

/// True if a run can use the entry after the detected values are written.
fn passes_when_written(report: &Report) -> bool {
    let known = |finding: &Finding| finding.fix.as_ref().is_some_and(|fix| fix.value.is_some());
    report.findings.iter().all(|finding| finding.verdict != Verdict::Bad || known(finding))
}

/// True if the config's first level is the model called `name` and a deferral gate uses a confidence from
/// log-probabilities. A config without `deferral.signal` uses such a confidence if the questions have no options to
/// score.
fn needs_logprobs(config: &Path, name: &str) -> bool {
    let Ok(config) = Config::load(config, &[]) else { return false };
    let is_gated = config.arms.iter().any(|arm| arm.deferral() == Deferral::BelowThreshold);
    let is_first = config.levels.first().is_some_and(|first| first == name);
    is_gated && is_first && config.deferral.signal.is_none_or(Signal::needs_logprobs)
}

/// Style of the entry's prompt, for either task.
fn style(config: &Path, entry: &ModelEntry) -> Result<Style> {
    let prompts = Prompts::near(Some(config))?;
    let found = prompts.find(entry.prompt(), Task::Math).or_else(|_| prompts.find(entry.prompt(), Task::Choice));
    Ok(found?.style)
}
