//! From records to outputs: a run that has just ended and one that is read back from its folder give the same files.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::error::RunError;
use crate::analysis::metrics::chosen::Rule;
use crate::analysis::metrics::{Calibrated, Comparison, Prices};
use crate::config::resolved::ResolvedConfig;
use crate::config::schema::Config;
use crate::report::arms::gates::ConfidenceSource;
use crate::report::arms::of_arms;
use crate::report::manifest::{FILE, Manifest};
use crate::report::read::{self, Lacking};
use crate::report::recommendation::{self, Advice};
use crate::report::summary::{self, Context};
use crate::report::sweep::Sweep;
pub use crate::report::sweep::Wanted;
use crate::report::tables::{OF_CALIBRATION, OF_STREAM, of_records};
use crate::report::{chosen, left_out};
use crate::task::confidence::Signal;
use crate::types::price::Price;
use crate::types::record::Record;
use crate::types::seed::Seed;

/// What of its config a run's figures depend on.
#[derive(Debug, Clone, PartialEq)]
pub struct RunFacts {
    /// The run's name.
    pub name: String,
    /// The seed of everything that is drawn.
    pub seed: Seed,
    /// The weak level's model.
    pub weak: String,
    /// The name of the confidence signal; `None` if no arm needs one.
    pub signal: Option<String>,
    /// The prices that fees are computed with.
    pub prices: Prices,
    /// λs at which all arms were run; `None` if the config gives the gate.
    pub swept: Option<Vec<f64>>,
    /// The share of the groups on which a sweep chooses λ. `None` if it chooses none.
    pub choose: Option<f64>,
}

impl RunFacts {
    /// The facts of a config that is run, at these λs if it is a sweep.
    pub(super) fn of(resolved: &ResolvedConfig, swept: Option<Vec<f64>>) -> Self {
        Self {
            name: resolved.config.name.clone(),
            seed: resolved.config.seed,
            weak: resolved.weak.name.clone(),
            signal: resolved.signal.map(|signal| signal.name().to_owned()),
            prices: resolved.prices(),
            swept,
            choose: resolved.config.dataset.choose,
        }
    }

    /// The facts that a manifest holds.
    fn read(manifest: &Manifest, config: &Config) -> Self {
        Self {
            name: config.name.clone(),
            seed: config.seed,
            weak: config.levels.first().cloned().unwrap_or_default(),
            signal: manifest.identity.pointer("/deferral/signal").and_then(Value::as_str).map(str::to_owned),
            prices: manifest.prices.clone(),
            swept: manifest.swept.clone(),
            choose: config.dataset.choose,
        }
    }
}

/// What was found with the calibration items.
#[derive(Debug, Default)]
pub struct Calibration {
    /// What each arm's gate goes by; empty if nothing is calibrated.
    pub arms: Vec<Calibrated>,
    /// The records of the items.
    pub records: Vec<Record>,
}

/// All of a run that its outputs are made from.
pub struct FinishedRun {
    /// The manifest.
    pub manifest: Manifest,
    /// What the figures depend on.
    pub facts: RunFacts,
    /// One record per item and cell.
    pub records: Vec<Record>,
    /// What was found with the calibration items.
    pub calibration: Calibration,
    /// Columns that its tables lack, since an earlier version wrote them.
    pub lacking: Vec<Lacking>,
}

impl FinishedRun {
    /// Reads a finished run's folder.
    ///
    /// # Errors
    /// If the folder holds no run, or one that is not finished, or a file cannot be read back.
    pub fn read(folder: &Path) -> Result<Self> {
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
        let config = config_of(&manifest)?;
        let mut gates = config.gates([]);
        if manifest.swept.is_some() {
            gates = gates.swept();
        }
        let calibration = Calibration { arms: gates.fit(&calibration), records: calibration };
        Ok(Self { facts: RunFacts::read(&manifest, &config), manifest, records, calibration, lacking })
    }

    /// Computes fees with other prices, for the models that have one, from now on.
    pub(super) fn reprice(&mut self, prices: Prices, note: String) {
        self.manifest.prices.extend(prices);
        self.facts.prices.clone_from(&self.manifest.prices);
        self.manifest.price_notes = vec![note];
    }

    /// Lets a recommendation lose so much accuracy against the strong level alone, a share, from now on.
    pub(super) fn allow(&mut self, margin: f64) {
        self.manifest.margin = Some(margin);
    }

    /// The arms compared. This computes every interval and test.
    #[must_use]
    pub fn comparison(&self) -> Comparison<'_> {
        let RunFacts { prices, seed, swept, .. } = &self.facts;
        match swept {
            None => Comparison::new(&self.records, &self.calibration.arms, prices, *seed),
            Some(thresholds) => Comparison::swept(&self.records, thresholds, &self.calibration.arms, prices, *seed),
        }
    }
}

/// Gives a signal of an earlier version the name under which this one reads it. The confidences of such a run are 0 if the
/// calculations did not hold; their records are reported as they are.
fn as_named_now(signal: &mut Value) {
    if signal == "checked-token-probability" {
        *signal = Signal::MeanTokenProbability.name().into();
    }
}

/// The config that a manifest holds.
///
/// # Errors
/// If this version does not read it.
pub fn config_of(manifest: &Manifest) -> Result<Config> {
    let mut config = manifest.config.clone();
    if let Some(signal) = config.pointer_mut("/deferral/signal") {
        as_named_now(signal);
    }
    serde_json::from_value(config).context("the manifest's config is not one that this version reads")
}

/// A run's outputs, for files and for a terminal.
pub struct Outputs<'a> {
    kept: &'a FinishedRun,
    comparison: &'a Comparison<'a>,
    /// Which arm to take.
    advice: Advice<'a, 'a>,
    /// The figures over thresholds, if the run is a sweep.
    sweep: Option<Sweep<'a, 'a>>,
}

impl<'a> Outputs<'a> {
    /// The outputs of a run whose arms have been compared.
    #[must_use]
    pub fn new(kept: &'a FinishedRun, comparison: &'a Comparison<'a>) -> Self {
        let sweep = kept.facts.swept.is_some().then(|| Sweep::new(comparison));
        Self { kept, comparison, advice: Advice::new(comparison, &kept.manifest), sweep }
    }

    /// All files that are made from records, the manifest apart: name and bytes.
    pub(super) fn files(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let FinishedRun { manifest, facts, records, calibration, lacking } = self.kept;
        let missing: Vec<String> = lacking.iter().map(Lacking::note).collect();
        let left_out = left_out::lines(&manifest.left_out, |threshold| self.comparison.readable(threshold));
        let warnings = [&left_out[..], &missing, &manifest.warnings, &manifest.price_notes].concat();
        let gauged = facts.signal.as_deref().map(|signal| ConfidenceSource { model: &facts.weak, signal });
        let (comparison, decision) = (self.comparison, self.advice.section());
        let context = Context {
            name: &facts.name,
            setting: &manifest.setting,
            warnings: &warnings,
            comparison,
            gauged,
            decision: &decision,
        };
        let mut tables = of_records(OF_STREAM, records)?;
        if !calibration.records.is_empty() {
            tables.extend(of_records(OF_CALIBRATION, &calibration.records)?);
        }
        for table in &mut tables {
            let name = table.name;
            table.empty(lacking.iter().filter(|lacking| lacking.table == name).map(|lacking| lacking.column))?;
        }
        tables.extend(of_arms(comparison, gauged)?);
        if let Some(sweep) = &self.sweep {
            tables.extend(sweep.tables()?);
        }
        if !manifest.left_out.is_empty() {
            tables.push(left_out::sheet(&manifest.left_out).table()?);
        }
        let chosen = self.chosen(Rule::default());
        if let Some(chosen) = &chosen {
            tables.push(chosen.sheet().table()?);
        }
        let summary = match &self.sweep {
            Some(sweep) => summary::swept(&context, sweep) + &chosen.map(|chosen| chosen.section()).unwrap_or_default(),
            None => summary::markdown(&context),
        };
        let mut files = vec![(summary::SUMMARY.to_owned(), summary.into_bytes())];
        files.push((summary::LATEX.to_owned(), self.latex().into_bytes()));
        files.push((recommendation::FILE.to_owned(), self.advice.json(manifest)?));
        for table in &mut tables {
            files.extend(table.files()?);
        }
        Ok(files)
    }

    /// The main tables as LaTeX.
    fn latex(&self) -> String {
        summary::latex(&self.kept.facts.name, self.comparison, self.sweep.as_ref())
    }

    /// Each arm's λ chosen on a part of the groups, if this is a sweep whose config asks for it.
    fn chosen(&self, rule: Rule) -> Option<chosen::JudgedChoice> {
        let share = self.kept.facts.choose.filter(|_| self.sweep.is_some())?;
        Some(chosen::JudgedChoice::new(self.comparison, share, rule))
    }

    /// Which arm to take: five lines.
    #[must_use]
    pub fn recommendation(&self) -> [String; 5] {
        self.advice.lines()
    }

    /// Texts for a terminal of `width` columns: what was reached, what a reader must know, and for a sweep which threshold to take
    /// for what is wanted.
    #[must_use]
    pub fn lines(&self, width: u16, wanted: Wanted) -> Vec<String> {
        let mut lines = vec![match &self.sweep {
            None => summary::terminal(self.comparison, width),
            Some(sweep) => sweep.terminal(width),
        }];
        let FinishedRun { manifest, lacking, .. } = self.kept;
        let noted = left_out::lines(&manifest.left_out, |threshold| self.comparison.readable(threshold))
            .into_iter()
            .chain(lacking.iter().map(Lacking::note));
        let noted = noted.chain(manifest.warnings.iter().chain(&manifest.price_notes).cloned());
        lines.extend(noted.chain(summary::cautions(self.comparison)).map(|note| format!("note: {note}")));
        lines.extend(summary::guarantees(self.comparison));
        let rule = Rule { budget: wanted.budget, accuracy: wanted.accuracy };
        lines.extend(self.chosen(rule).iter().flat_map(|chosen| chosen.terminal(width)));
        lines.extend(self.sweep.iter().flat_map(|sweep| sweep.answers(wanted, &manifest.left_out)));
        lines
    }
}

/// Outputs that were there, differ from those that are written now, and were moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// The folder that they lie in now.
    pub folder: PathBuf,
    /// Their names.
    pub names: Vec<String>,
}

impl SetAside {
    /// What was set aside when files were placed.
    pub(super) fn of(placed: Result<Option<(PathBuf, Vec<String>)>>) -> Result<Option<Self>, RunError> {
        Ok(placed.map_err(RunError::Output)?.map(|(folder, names)| Self { folder, names }))
    }

    /// A message that says so.
    #[must_use]
    pub fn message(&self) -> String {
        format!("{} differ from before; the old ones are in {}", self.names.join(", "), self.folder.display())
    }
}
