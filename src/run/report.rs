//! Outputs of a run rewritten from its records, and tables of runs inserted into documents.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

use super::error::RunError;
use super::outputs::{FinishedRun, Outputs, SetAside};
use super::page::{self, PageSources};
use super::shards::merge::{MergedRun, merged};
use crate::analysis::metrics::Prices;
use crate::report::files::write_file;
use crate::report::folder::{replace_outputs, write_outputs};
use crate::report::manifest::{FILE, MergedShards};
use crate::report::splice::spliced;
use crate::report::summary::SUMMARY;
use crate::types::price::Price;

/// Outcome of inserting tables of runs into a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spliced {
    /// Number of tables.
    pub tables: usize,
    /// True if the document changed.
    pub changed: bool,
}

/// Replaces the marked tables of a document by tables of the runs that it names. Folders of runs are relative to the
/// document.
///
/// # Errors
/// [`RunError::Output`] with the file and the fault.
pub fn splice(document: &Path) -> Result<Spliced, RunError> {
    let written = || {
        let text = std::fs::read_to_string(document).with_context(|| format!("cannot read {}", document.display()))?;
        let summary = |folder: &str| {
            let path = document.with_file_name(folder).join(SUMMARY);
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let (new, tables) = spliced(&text, summary).with_context(|| document.display().to_string())?;
        let changed = new != text;
        if changed {
            write_file(document, new.as_bytes())?;
        }
        Ok(Spliced { tables, changed })
    };
    written().map_err(RunError::Output)
}

/// Destination of rewritten outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rewritten {
    /// The run's folder. `None` if nothing changed, otherwise the old outputs that were moved.
    Own(Option<SetAside>),
    /// A folder that held no run before.
    Other(PathBuf),
}

/// A run that is reported again, read from its folder or merged from its shards.
pub struct ReportedRun {
    /// The run.
    pub finished: FinishedRun,
    /// Name and bytes of the files that were collected from the shards; empty for a run in one folder.
    collected: Vec<(String, Vec<u8>)>,
}

impl ReportedRun {
    /// True unless shards are missing.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.finished.manifest.merged.as_ref().is_none_or(MergedShards::is_complete)
    }
}

/// Reads a finished run, or merges the shards in its folder. Prices of the file `prices` replace the run's prices.
/// `margin`, a share in (0, 1), replaces the accuracy loss that the recommendation accepts.
///
/// # Errors
/// [`RunError::Output`] with the file that cannot be read, or with two shards that do not belong together.
pub fn read(run: &Path, prices: Option<&Path>, margin: Option<f64>) -> Result<ReportedRun, RunError> {
    let read = || {
        let mut reported = match merged(run)? {
            Some(MergedRun { finished, collected }) => ReportedRun { finished, collected },
            None => ReportedRun { finished: FinishedRun::read(run)?, collected: Vec::new() },
        };
        let finished = &mut reported.finished;
        if let Some(path) = prices {
            let prices = read_prices(path, &finished.facts.prices)?;
            let note = prices_note(path, &prices, &finished.facts.prices);
            finished.reprice(prices, note);
        }
        if let Some(margin) = margin {
            finished.set_margin(margin);
        }
        Ok(reported)
    };
    read().map_err(RunError::Output)
}

/// Rewrites a run's outputs in its folder, or writes them to a new folder `out`. `sources` are those of the page. In the
/// run's folder, an existing page stays if its journal or its data are not at hand any more.
///
/// # Errors
/// [`RunError::Output`] with the file or folder, also if `out` exists.
pub fn rewrite(
    ReportedRun { finished, collected }: &ReportedRun,
    outputs: &Outputs,
    run: &Path,
    out: Option<&Path>,
    sources: &PageSources,
) -> Result<Rewritten, RunError> {
    let mut files = outputs.files().map_err(RunError::Output)?;
    files.extend(collected.iter().cloned());
    let page = page::of_finished(finished, outputs, &files, run, sources)?;
    // A page with texts is not replaced by one without them, unless further shards were merged.
    let is_replaced = page.is_complete || !collected.is_empty() || out.is_some_and(|folder| folder != run);
    if is_replaced || !run.join(&page.file.0).exists() {
        files.push(page.file);
    }
    files.push((FILE.to_owned(), finished.manifest.bytes().map_err(RunError::Output)?));
    let written = || {
        let folder = out.unwrap_or(run);
        if folder == run {
            let is_new = finished.manifest.merged.is_some() && !run.join(FILE).exists();
            let aside = replace_outputs(folder, files)?.map(|(folder, names)| SetAside { folder, names });
            return Ok(if is_new { Rewritten::Other(folder.to_owned()) } else { Rewritten::Own(aside) });
        }
        if folder.exists() {
            bail!("{} exists already. Name another folder with --out", folder.display());
        }
        write_outputs(folder, files)?;
        Ok(Rewritten::Other(folder.to_owned()))
    };
    written().map_err(RunError::Output)
}

/// Note on the prices of the fees: prices of the file, and the run's prices for models that the file does not name.
fn prices_note(path: &Path, prices: &Prices, run_prices: &Prices) -> String {
    let is_charged = |price: &Option<Price>| price.as_ref().is_none_or(|price| price.input > 0.0 || price.output > 0.0);
    let others = run_prices.iter().filter(|(name, price)| !prices.contains_key(*name) && is_charged(price));
    let others: Vec<String> = others.map(|(name, _)| format!("`{name}`")).collect();
    let rest = if others.is_empty() {
        String::new()
    } else {
        format!(" The file does not name {}, so the run's prices apply there and fees mix both.", others.join(", "))
    };
    format!("Fees are computed with the prices of {}.{rest}", path.display())
}

/// Reads the prices of a file, for models of the run.
fn read_prices(path: &Path, known: &Prices) -> Result<Prices> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the prices {}", path.display()))?;
    let read: BTreeMap<String, Price> = toml::from_str(&text).map_err(|error| {
        anyhow!(
            "{}: {}. Write one line for each model, as in small = {{ input = 0.1, output = 0.4 }}. Quote a name that contains a dot, \
             as in \"model-0.5b\" = {{ … }}",
            path.display(),
            error.message()
        )
    })?;
    for (name, price) in &read {
        if !known.contains_key(name) {
            let names: Vec<&str> = known.keys().map(String::as_str).collect();
            bail!("{}: the run has no model `{name}`. Its models: {}", path.display(), names.join(", "));
        }
        price.check().map_err(|fault| anyhow!("{}: {name}: {fault}", path.display()))?;
    }
    Ok(read.into_iter().map(|(name, price)| (name, Some(price))).collect())
}
