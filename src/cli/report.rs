//! `intercascade report`: a run's outputs made again from its records.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

use super::results::{Results, config_of};
use super::session::Told;
use super::{Status, say};
use crate::analysis::metrics::Prices;
use crate::report::files::write_file;
use crate::report::folder::{place, replace};
use crate::report::manifest::{FILE, Manifest};
use crate::report::read::{self, Lacking};
use crate::report::splice::spliced;
use crate::report::summary::SUMMARY;
use crate::report::tables::{OF_CALIBRATION, OF_STREAM};
use crate::types::price::Price;
use crate::types::record::Record;

/// Arguments of `report`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  intercascade report results/quickstart\n  intercascade report results/quickstart --prices prices.toml --out results/quickstart-repriced\n  intercascade report --splice README.md\n\nA file of prices has a line for each model: small = { input = 0.1, output = 0.4 }, in USD a million tokens. No model is called. Outputs that change are set aside, none is written over."
)]
pub(super) struct Args {
    /// The run's folder
    #[arg(required_unless_present = "splice")]
    run: Option<PathBuf>,
    /// Put tables of runs into a document, between <!-- from FOLDER: HEADING --> and <!-- end -->
    #[arg(long, value_name = "FILE", conflicts_with_all = ["run", "prices", "out"])]
    splice: Option<PathBuf>,
    /// Prices to tell fees by, instead of the run's (TOML)
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// Another folder for the outputs [default: the run's own]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// What is read back of a run.
pub(super) struct Kept {
    pub(super) manifest: Manifest,
    pub(super) records: Vec<Record>,
    pub(super) told: Told,
    /// Columns that its tables lack, since an earlier version wrote them.
    pub(super) lacking: Vec<Lacking>,
}

impl Kept {
    /// Reads a finished run's folder.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let manifest = Manifest::read(folder)?;
        let mut manifest =
            manifest.with_context(|| format!("{} holds no run: there is no {FILE}", folder.display()))?;
        if manifest.ended.is_none() {
            bail!("the run in {} is not finished; finish it with the command that began it", folder.display());
        }
        let (calibration, mut lacking) = read::records(folder, OF_CALIBRATION, &[])?;
        let (records, of_stream) = read::records(folder, OF_STREAM, &calibration)?;
        lacking.extend(of_stream);
        if lacking.iter().any(|lacking| lacking.column == "cached_input_tokens") {
            // How much of the input was cheaper is not known.
            let split = |price: &Price| price.cached_input.is_some_and(|cached| (cached - price.input).abs() > 0.0);
            manifest.prices.values_mut().for_each(|price| *price = price.take().filter(|price| !split(price)));
        }
        let mut gates = config_of(&manifest)?.gates([]);
        if manifest.swept.is_some() {
            gates = gates.swept();
        }
        let told = Told { arms: gates.tell(&calibration), records: calibration };
        Ok(Self { manifest, records, told, lacking })
    }
}

pub(super) fn run(args: &Args) -> Result<Status> {
    match (&args.splice, &args.run) {
        (Some(document), _) => splice(document),
        (None, Some(run)) => again(run, args),
        (None, None) => unreachable!("one of them is required"),
    }
}

/// Puts the tables of the runs that a document names into it; folders count from where it lies.
fn splice(document: &Path) -> Result<Status> {
    let shown = document.display();
    let text = std::fs::read_to_string(document).with_context(|| format!("cannot read {shown}"))?;
    let summary = |folder: &str| {
        let path = document.with_file_name(folder).join(SUMMARY);
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let (new, tables) = spliced(&text, summary).with_context(|| shown.to_string())?;
    let told = if new == text { "nothing changed" } else { "written" };
    if new != text {
        write_file(document, new.as_bytes())?;
    }
    say(&format!("{shown}: {tables} tables of runs, {told}"));
    Ok(Status::Done)
}

/// Makes a run's outputs again.
fn again(run: &Path, args: &Args) -> Result<Status> {
    let Kept { mut manifest, records, told, lacking } = Kept::read(run)?;
    if let Some(path) = &args.prices {
        manifest.prices.extend(prices(path, &manifest.prices)?);
        manifest.price_notes = vec![format!("Fees are told by the prices of {}.", path.display())];
    }
    let results = Results::new(&manifest, &records, &told)?.lacking(&lacking);
    let comparison = results.comparison();
    let sweep = results.sweep(&comparison);
    let mut files = results.files(&comparison, sweep.as_ref())?;
    files.push((FILE.to_owned(), manifest.bytes()?));
    let folder = args.out.as_deref().unwrap_or(run);
    if folder == run {
        match replace(folder, files)? {
            None => say(&format!("nothing changed in {}", folder.display())),
            Some((aside, names)) => {
                say(&format!("made again: {}; the old ones are in {}", names.join(", "), aside.display()));
            }
        }
    } else {
        if folder.exists() {
            bail!("{} is there already; name another folder with --out", folder.display());
        }
        place(folder, files)?;
        say(&format!("reports are in {}", folder.display()));
    }
    results.show(&comparison, sweep.as_ref(), |_| Vec::new());
    Ok(Status::Done)
}

/// The prices of a file, for models of the run.
fn prices(path: &Path, known: &Prices) -> Result<Prices> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the prices {}", path.display()))?;
    let read: BTreeMap<String, Price> = toml::from_str(&text).map_err(|error| {
        anyhow!(
            "{}: {}: one line for each model, as in small = {{ input = 0.1, output = 0.4 }}",
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
