//! A run's outputs made again from its records, and tables of runs put into documents.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

use super::error::RunError;
use super::outputs::{FinishedRun, Outputs, SetAside};
use crate::analysis::metrics::Prices;
use crate::report::files::write_file;
use crate::report::folder::{place, replace};
use crate::report::manifest::FILE;
use crate::report::splice::spliced;
use crate::report::summary::SUMMARY;
use crate::types::price::Price;

/// A document with tables of runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spliced {
    /// The number of tables.
    pub tables: usize,
    /// Whether any of them was another before.
    pub changed: bool,
}

/// Puts the tables of the runs that a document names into it; folders count from where it lies.
///
/// # Errors
/// [`RunError::Output`] names the file, and what is wrong in the document.
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

/// Where outputs that are made again went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rewritten {
    /// Into the run's own folder, where nothing changed or old ones were set aside.
    Own(Option<SetAside>),
    /// Into another folder.
    Other(PathBuf),
}

/// Reads a finished run, with the prices of a file in place of its own if one is named, and with another margin of the recommendation,
/// a share.
///
/// # Errors
/// [`RunError::Output`] names the file that cannot be read.
pub fn read(run: &Path, prices: Option<&Path>, margin: Option<f64>) -> Result<FinishedRun, RunError> {
    let read = || {
        let mut kept = FinishedRun::read(run)?;
        if let Some(path) = prices {
            let prices = read_prices(path, &kept.facts.prices)?;
            let note = prices_note(path, &prices, &kept.facts.prices);
            kept.reprice(prices, note);
        }
        if let Some(margin) = margin {
            kept.allow(margin);
        }
        Ok(kept)
    };
    read().map_err(RunError::Output)
}

/// Writes a run's outputs again, into its own folder or into another one that is not there yet.
///
/// # Errors
/// [`RunError::Output`] names the file or the folder.
pub fn again(kept: &FinishedRun, outputs: &Outputs, run: &Path, out: Option<&Path>) -> Result<Rewritten, RunError> {
    let written = || {
        let mut files = outputs.files()?;
        files.push((FILE.to_owned(), kept.manifest.bytes()?));
        let folder = out.unwrap_or(run);
        if folder == run {
            return Ok(Rewritten::Own(replace(folder, files)?.map(|(folder, names)| SetAside { folder, names })));
        }
        if folder.exists() {
            bail!("{} is there already; name another folder with --out", folder.display());
        }
        place(folder, files)?;
        Ok(Rewritten::Other(folder.to_owned()))
    };
    written().map_err(RunError::Output)
}

/// Says which prices the fees are computed by: those of the file, and for models that it does not name those of the run.
fn prices_note(path: &Path, prices: &Prices, of_run: &Prices) -> String {
    let is_charged = |price: &Option<Price>| price.as_ref().is_none_or(|price| price.input > 0.0 || price.output > 0.0);
    let others = of_run.iter().filter(|(name, price)| !prices.contains_key(*name) && is_charged(price));
    let others: Vec<String> = others.map(|(name, _)| format!("`{name}`")).collect();
    let rest = if others.is_empty() {
        String::new()
    } else {
        format!(" It does not name {}: the run's own price is used there, so fees mix both.", others.join(", "))
    };
    format!("Fees are computed with the prices of {}.{rest}", path.display())
}

/// The prices of a file, for models of the run.
fn read_prices(path: &Path, known: &Prices) -> Result<Prices> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the prices {}", path.display()))?;
    let read: BTreeMap<String, Price> = toml::from_str(&text).map_err(|error| {
        anyhow!(
            "{}: {}: one line for each model, as in small = {{ input = 0.1, output = 0.4 }}; a name with a dot needs quotes, as in \
             \"model-0.5b\" = {{ … }}",
            path.display(),
            error.message()
        )
    })?;
    for (name, price) in &read {
        if !known.contains_key(name) {
            let names: Vec<&str> = known.keys().map(String::as_str).collect();
            bail!("{}: the run has no model `{name}`; it has: {}", path.display(), names.join(", "));
        }
        price.check().map_err(|fault| anyhow!("{}: {name}: {fault}", path.display()))?;
    }
    Ok(read.into_iter().map(|(name, price)| (name, Some(price))).collect())
}
