//! The check of a `[[model]]`: what its server gives, and the keys of the entry that say otherwise.

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
use crate::fetch::weights::Catalogue;
use crate::report::files::write_file;
use crate::task::Task;
use crate::task::confidence::Signal;
use crate::task::prompt::Style;
use crate::types::arm::Deferral;

/// The file whose models can be named without a config.
const MODELS: &str = "configs/models.toml";

/// The file of the entry called `name`; `None` if it is not where entries are looked for without a config.
#[must_use]
pub fn usual_file(name: &str) -> Option<PathBuf> {
    let path = Path::new(MODELS);
    entries::find(path, name).is_ok().then(|| path.to_owned())
}

/// An entry that can be checked, with the file that it stands in.
pub struct ModelCheck {
    /// The config or file of models that was named.
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
    /// Names the file and what is wrong in it, or a backend that has no server to ask.
    pub fn find(config: &Path, name: &str) -> Result<Self> {
        let (file, raw) = entries::find(config, name)?;
        let at = || format!("{}", file.display());
        let entry = ModelEntry::resolve(raw, &Catalogue::near(Some(config))?).with_context(at)?;
        let Some(server) = entry.backend.openai().cloned() else {
            bail!(
                "{}: model `{name}` is of backend `{}`: a check asks servers (backend `openai`)",
                at(),
                entry.backend.kind().name()
            );
        };
        let style = style(config, &entry).with_context(at)?;
        let needs_logprobs = needs_logprobs(config, name);
        Ok(Self { config: config.to_owned(), file, entry, server, style, needs_logprobs })
    }

    /// A warning before the check; `None` if there is no reason for one.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let day = self.entry.retired.as_ref()?;
        Some(format!("model `{}`: its provider ended it on {day}", self.entry.name))
    }

    /// The line that says what is asked, and where.
    #[must_use]
    pub fn title(&self) -> String {
        let Self { entry, server, .. } = self;
        let preset = server.preset.map(|preset| format!(", preset `{}`", preset.name())).unwrap_or_default();
        format!("model `{}`: {} at {}{preset}", entry.name, entry.server_name(), server.base_url)
    }

    /// Asks the server by a few small calls.
    ///
    /// # Errors
    /// [`RunError::Stopped`] if it is stopped before their end.
    pub async fn ask(&self, progress: &Progress) -> Result<Report, RunError> {
        let asked = Box::pin(check::check(&self.entry, &self.server, self.style));
        progress.unless_stopped(async { Ok(asked.await) }).await
    }

    /// True if a run of the config can use the entry; with `written`, once the keys whose right values are known have them.
    #[must_use]
    pub fn passes(&self, report: &Report, written: bool) -> bool {
        let answers = if written { passes_when_written(report) } else { report.passes() };
        answers && !self.lacks_confidence(report)
    }

    /// True if the server gives no log-probabilities and the config's confidence needs them.
    fn lacks_confidence(&self, report: &Report) -> bool {
        let off = |(key, value): (&str, toml::Value)| key == "logprobs" && value.as_bool() == Some(false);
        self.needs_logprobs && (!self.entry.capabilities().logprobs || report.changes().into_iter().any(off))
    }

    /// The lines on what was found, and what the check has taken.
    #[must_use]
    pub fn lines(&self, report: &Report) -> Vec<String> {
        let findings = report.findings.iter().map(ToString::to_string);
        let mut lines: Vec<String> =
            findings.flat_map(|finding| finding.lines().map(|line| format!("  {line}")).collect::<Vec<_>>()).collect();
        let fee = self.entry.price.as_ref().map(|price| format!(", {:.6} USD", price.fee(report.usage).usd()));
        if self.lacks_confidence(report) {
            let others = Signal::ALL.into_iter().filter(|signal| !signal.needs_logprobs()).map(Signal::name);
            lines.push(format!(
                "  NO: `{}` is the first level of {}, whose confidence is computed from log-probabilities; set deferral.signal to one \
                 that needs none ({}), or use another model",
                self.entry.name,
                self.config.display(),
                others.collect::<Vec<_>>().join(", ")
            ));
        }
        lines.push(format!(
            "{} calls, {} tokens read, {} written{}",
            report.calls,
            report.usage.input,
            report.usage.output,
            fee.unwrap_or_default()
        ));
        lines
    }

    /// The line that offers to write; `None` if there is nothing to write.
    #[must_use]
    pub fn offer(&self, report: &Report) -> Option<String> {
        let some = !report.changes().is_empty();
        some.then(|| format!("with --write these keys are changed in {}", self.file.display()))
    }

    /// Changes the keys whose right values are known, and gives the lines that show what that changes.
    ///
    /// # Errors
    /// Names the file if it cannot be changed.
    pub fn write(&self, report: &Report) -> Result<Vec<String>> {
        let Self { file, entry, .. } = self;
        let changes = report.changes();
        if changes.is_empty() {
            return Ok(vec!["nothing to write".to_owned()]);
        }
        // A link stays a link.
        let place = file.canonicalize().with_context(|| format!("cannot write {}", file.display()))?;
        let old = std::fs::read_to_string(&place).with_context(|| format!("cannot read {}", file.display()))?;
        let new = with_keys(&old, &entry.name, &changes).with_context(|| format!("{}", file.display()))?;
        let permissions = std::fs::metadata(&place)?.permissions();
        write_file(&place, new.as_bytes())?;
        std::fs::set_permissions(&place, permissions).with_context(|| format!("{}", file.display()))?;
        let lines = difference(&old, &new).into_iter().map(|line| match line {
            Changed::Out(line) => format!("-{line}"),
            Changed::In(line) => format!("+{line}"),
        });
        Ok(std::iter::once(format!("written to {}:", file.display())).chain(lines).collect())
    }
}

/// Whether a run can go by the entry once the keys whose right values are known have them.
fn passes_when_written(report: &Report) -> bool {
    let known = |finding: &Finding| finding.fix.as_ref().is_some_and(|fix| fix.value.is_some());
    report.findings.iter().all(|finding| finding.verdict != Verdict::Bad || known(finding))
}

/// True if the config's first level is the model called `name` and a gate compares a confidence from log-probabilities. A config
/// without a signal uses one of these whenever the questions have no options to score.
fn needs_logprobs(config: &Path, name: &str) -> bool {
    let Ok(config) = Config::load(config, &[]) else { return false };
    let is_gated = config.arms.iter().any(|arm| arm.deferral() == Deferral::BelowThreshold);
    let is_first = config.levels.first().is_some_and(|first| first == name);
    is_gated && is_first && config.deferral.signal.is_none_or(Signal::needs_logprobs)
}

/// The style of the entry's prompt, whichever questions it is for.
fn style(config: &Path, entry: &ModelEntry) -> Result<Style> {
    let prompts = Prompts::near(Some(config))?;
    let found = prompts.find(entry.prompt(), Task::Math).or_else(|_| prompts.find(entry.prompt(), Task::Choice));
    Ok(found?.style)
}
