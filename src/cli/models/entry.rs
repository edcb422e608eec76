//! `intercascade models check` of a `[[model]]`: what its server gives, and the keys of the entry that say otherwise.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::backend::check::{self, Report};
use crate::backend::entry::ModelEntry;
use crate::cli::{Status, block_on, say, unless_interrupted, warn};
use crate::config::edit::{Changed, difference, with_keys};
use crate::config::entries;
use crate::config::prompts::Prompts;
use crate::fetch::weights::Catalogue;
use crate::report::files::write_file;
use crate::task::Task;
use crate::task::prompt::Style;

/// The file whose models can be named without a config.
const MODELS: &str = "configs/models.toml";

/// The file of the entry called `name`, if there is one where entries are looked for without a config.
pub(super) fn usual(name: &str) -> Option<PathBuf> {
    let path = Path::new(MODELS);
    entries::find(path, name).is_ok().then(|| path.to_owned())
}

/// Checks the entry called `name`, and writes the right values into its file if that is wanted.
pub(super) fn run(config: &Path, name: &str, write: bool) -> Result<Status> {
    let (file, raw) = entries::find(config, name)?;
    let at = || format!("{}", file.display());
    let entry = ModelEntry::resolve(raw, &Catalogue::near(Some(config))?).with_context(at)?;
    let Some(server) = entry.backend.openai() else {
        bail!(
            "{}: model `{name}` is of backend `{}`: a check asks servers (backend `openai`)",
            at(),
            entry.backend.kind().name()
        );
    };
    let style = style(config, &entry).with_context(at)?;
    if let Some(day) = &entry.retired {
        warn(&format!("model `{name}`: its provider ended it on {day}"));
    }
    let preset = server.preset.map(|preset| format!(", preset `{}`", preset.name())).unwrap_or_default();
    say(&format!("model `{name}`: {} at {}{preset}", entry.server_name(), server.base_url));
    let report = block_on(unless_interrupted(async { Ok(check::check(&entry, server, style).await) }))?;
    for finding in &report.findings {
        for line in finding.to_string().lines() {
            say(&format!("  {line}"));
        }
    }
    say(&taken(&entry, &report));
    if write {
        return written(&file, name, &report);
    }
    if !report.changes().is_empty() {
        say(&format!("with --write these keys are changed in {}", file.display()));
    }
    Ok(if report.passes() { Status::Done } else { Status::CheckFailed })
}

/// The style of the entry's prompt, whichever questions it is for.
fn style(config: &Path, entry: &ModelEntry) -> Result<Style> {
    let prompts = Prompts::near(Some(config))?;
    let found = prompts.find(entry.prompt(), Task::Math).or_else(|_| prompts.find(entry.prompt(), Task::Choice));
    Ok(found?.style)
}

/// What the check has taken.
fn taken(entry: &ModelEntry, report: &Report) -> String {
    let fee = entry.price.as_ref().map(|price| format!(", {:.6} USD", price.fee(report.usage).usd()));
    format!(
        "{} calls, {} tokens read, {} written{}",
        report.calls,
        report.usage.input,
        report.usage.output,
        fee.unwrap_or_default()
    )
}

/// Changes the keys whose right values are known, and shows what that changes.
fn written(file: &Path, name: &str, report: &Report) -> Result<Status> {
    let changes = report.changes();
    if changes.is_empty() {
        say("nothing to write");
        return Ok(if report.passes() { Status::Done } else { Status::CheckFailed });
    }
    // A link stays a link.
    let place = file.canonicalize().with_context(|| format!("cannot write {}", file.display()))?;
    let old = std::fs::read_to_string(&place).with_context(|| format!("cannot read {}", file.display()))?;
    let new = with_keys(&old, name, &changes).with_context(|| format!("{}", file.display()))?;
    let permissions = std::fs::metadata(&place)?.permissions();
    write_file(&place, new.as_bytes())?;
    std::fs::set_permissions(&place, permissions).with_context(|| format!("{}", file.display()))?;
    say(&format!("written to {}:", file.display()));
    for line in difference(&old, &new) {
        match line {
            Changed::Out(line) => say(&format!("-{line}")),
            Changed::In(line) => say(&format!("+{line}")),
        }
    }
    let known = |finding: &check::Finding| finding.fix.as_ref().is_some_and(|fix| fix.value.is_some());
    let left = report.findings.iter().any(|finding| finding.verdict == check::Verdict::Bad && !known(finding));
    Ok(if left { Status::CheckFailed } else { Status::Done })
}
