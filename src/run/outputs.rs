//! Outputs from records. A run that has just ended and a run that is read from its folder produce equal files.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::error::RunError;
use super::shards;
use crate::analysis::metrics::chosen::Rule;
use crate::analysis::metrics::{Calibrated, Comparison, Prices};
use crate::config::resolved::ResolvedConfig;
use crate::config::schema::Config;
use crate::report::arms::gates::ConfidenceSource;
use crate::report::arms::of_arms;
use crate::report::figures::{self, Figure};
use crate::report::manifest::{FILE, Manifest};
use crate::report::read::{self, Lacking};
use crate::report::recommendation::{self, Advice};
use crate::report::summary::{self, Context};
use crate::report::sweep::Sweep;
pub use crate::report::sweep::Wanted;
use crate::report::tables::{OF_CALIBRATION, OF_STREAM, Table, of_records};
use crate::report::{chosen, left_out};
use crate::task::confidence::Signal;
use crate::types::price::Price;
use crate::types::record::Record;
use crate::types::seed::Seed;

/// Settings of a run on which its figures depend.
#[derive(Debug, Clone, PartialEq)]
pub struct RunFacts {
    /// Name of the run.
    pub name: String,
    /// Seed of all random choices.
    pub seed: Seed,
    /// Name of the weak level's model.
    pub weak: String,
    /// Name of the confidence signal; `None` if no arm uses a signal.
    pub signal: Option<String>,
    /// Prices from which fees are computed, by model.
    pub prices: Prices,
    /// Thresholds λ of a sweep; `None` if the run is no sweep.
    pub swept: Option<Vec<f64>>,
    /// Share of the groups on which a sweep chooses λ; `None` if no λ is chosen.
    pub choose: Option<f64>,
}

impl RunFacts {
    /// Facts of a config. `swept` holds the thresholds of a sweep.
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

    /// Reads the facts from a manifest and its config.
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

/// Results of the calibration items.
#[derive(Debug, Default)]
pub struct Calibration {
    /// Calibrated gate of each arm; empty if no arm is calibrated.
    pub arms: Vec<Calibrated>,
    /// Records of the calibration items.
    pub records: Vec<Record>,
}

/// Records of a run or of a shard, as its tables hold them.
pub(super) struct RunTables {
    /// One record per item and cell.
    pub(super) records: Vec<Record>,
    /// Records of the calibration items.
    pub(super) calibration: Vec<Record>,
    /// Columns that the tables lack because an earlier version wrote them.
    pub(super) missing_columns: Vec<Lacking>,
}

impl RunTables {
    /// Reads the tables in a folder.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let (calibration, mut missing_columns) = read::records(folder, OF_CALIBRATION, &[])?;
        let (records, of_stream) = read::records(folder, OF_STREAM, &calibration)?;
        missing_columns.extend(of_stream);
        Ok(Self { records, calibration, missing_columns })
    }
}

/// Data of a finished run from which all outputs are made.
pub struct FinishedRun {
    /// Manifest of the run.
    pub manifest: Manifest,
    /// Settings on which the figures depend.
    pub facts: RunFacts,
    /// One record per item and cell.
    pub records: Vec<Record>,
    /// Results of the calibration items.
    pub calibration: Calibration,
    /// Columns that the tables lack because an earlier version wrote them.
    pub missing_columns: Vec<Lacking>,
}

impl FinishedRun {
    /// Reads the folder of a finished run.
    ///
    /// # Errors
    /// If the folder holds no run, an unfinished run or a shard, or if a file cannot be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let manifest = Manifest::read(folder)?;
        if manifest.is_none() && !shards::folders(folder)?.is_empty() {
            bail!("{0} holds shards of a run. Merge them first, with `intercascade report {0}`", folder.display());
        }
        let manifest = manifest.with_context(|| format!("{} holds no run: {FILE} is missing", folder.display()))?;
        if let Some(part) = &manifest.shard {
            let whole = shards::whole(folder).display();
            bail!(
                "{} holds only shard {} of {} of a run. Name the folder of the whole run, {whole}",
                folder.display(),
                part.index,
                part.count
            );
        }
        if manifest.ended.is_none() {
            bail!("the run in {} is not finished. Repeat the command that started the run", folder.display());
        }
        Self::of_tables(manifest, RunTables::read(folder)?)
    }

    /// The run of a manifest and its tables.
    ///
    /// # Errors
    /// If this version cannot read the config of the manifest.
    pub(super) fn of_tables(mut manifest: Manifest, tables: RunTables) -> Result<Self> {
        let RunTables { records, calibration, missing_columns } = tables;
        if missing_columns.iter().any(|lacking| lacking.column == "cached_input_tokens") {
            // The number of cached input tokens is unknown, so a price that depends on it cannot be applied.
            let has_cache_price =
                |price: &Price| price.cached_input.is_some_and(|cached| (cached - price.input).abs() > 0.0);
            manifest
                .prices
                .values_mut()
                .for_each(|price| *price = price.take().filter(|price| !has_cache_price(price)));
        }
        let config = config_of(&manifest)?;
        let mut plan = config.calibration_plan([]);
        if manifest.swept.is_some() {
            plan = plan.swept();
        }
        let calibration = Calibration { arms: plan.fit(&calibration), records: calibration };
        Ok(Self { facts: RunFacts::read(&manifest, &config), manifest, records, calibration, missing_columns })
    }

    /// Replaces the prices of the models that `prices` names, with a note for readers.
    pub(super) fn reprice(&mut self, prices: Prices, note: String) {
        self.manifest.prices.extend(prices);
        self.facts.prices.clone_from(&self.manifest.prices);
        self.manifest.price_notes = vec![note];
    }

    /// Sets the accuracy loss, a share in (0, 1), that the recommendation accepts against strong-only.
    pub(super) fn set_margin(&mut self, margin: f64) {
        self.manifest.margin = Some(margin);
    }

    /// Compares the arms. Each call computes every interval and test anew.
    #[must_use]
    pub fn comparison(&self) -> Comparison<'_> {
        let RunFacts { prices, seed, swept, .. } = &self.facts;
        match swept {
            None => Comparison::new(&self.records, &self.calibration.arms, prices, *seed),
            Some(thresholds) => Comparison::swept(&self.records, thresholds, &self.calibration.arms, prices, *seed),
        }
    }
}

/// Renames a signal of an earlier version to its current name. Confidences of such a run are 0 if a calculation failed
/// its check; the records are reported unchanged.
fn rename_signal(signal: &mut Value) {
    if signal == "checked-token-probability" {
        *signal = Signal::MeanTokenProbability.name().into();
    }
}

/// Parses the config of a manifest.
///
/// # Errors
/// If this version cannot read the config.
pub fn config_of(manifest: &Manifest) -> Result<Config> {
    let mut config = manifest.config.clone();
    if let Some(signal) = config.pointer_mut("/deferral/signal") {
        rename_signal(signal);
    }
    serde_json::from_value(config).context("this version cannot read the config of the manifest")
}

/// Outputs of a run, for files and for a terminal.
pub struct Outputs<'a> {
    run: &'a FinishedRun,
    comparison: &'a Comparison<'a>,
    /// Recommendation of an arm.
    advice: Advice<'a, 'a>,
    /// Figures over thresholds; `None` if the run is no sweep.
    sweep: Option<Sweep<'a, 'a>>,
    /// Figures, drawn once for files and page.
    figures: OnceCell<Vec<Figure>>,
}

impl<'a> Outputs<'a> {
    /// Outputs of a run, from its comparison.
    #[must_use]
    pub fn new(run: &'a FinishedRun, comparison: &'a Comparison<'a>) -> Self {
        let sweep = run.facts.swept.is_some().then(|| Sweep::new(comparison));
        Self { run, comparison, advice: Advice::new(comparison, &run.manifest), sweep, figures: OnceCell::new() }
    }

    /// The comparison that the outputs show.
    pub(super) fn comparison(&self) -> &'a Comparison<'a> {
        self.comparison
    }

    /// Returns the figures, which are drawn at the first call.
    pub(super) fn figures(&self) -> Result<&[Figure]> {
        if let Some(drawn) = self.figures.get() {
            return Ok(drawn);
        }
        let drawn = figures::of_run(self.comparison, self.sweep.as_ref())?;
        Ok(self.figures.get_or_init(|| drawn))
    }

    /// Returns name and bytes of every output file except the manifest.
    pub(super) fn files(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let manifest = &self.run.manifest;
        let mut tables = self.record_tables()?;
        tables.extend(of_arms(self.comparison, self.gauged())?);
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
        let mut files = vec![(summary::SUMMARY.to_owned(), self.summary(chosen.as_ref()).into_bytes())];
        files.push((summary::LATEX.to_owned(), self.latex().into_bytes()));
        files.push((recommendation::FILE.to_owned(), self.advice.json(manifest)?));
        for table in &mut tables {
            files.extend(table.files()?);
        }
        files.extend(self.figures()?.iter().map(Figure::file));
        Ok(files)
    }

    /// Returns name and bytes of the files with the records, which a shard has alone.
    pub(super) fn record_files(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let mut files = Vec::new();
        for mut table in self.record_tables()? {
            files.extend(table.files()?);
        }
        Ok(files)
    }

    fn record_tables(&self) -> Result<Vec<Table>> {
        let FinishedRun { records, calibration, missing_columns, .. } = self.run;
        let mut tables = of_records(OF_STREAM, records)?;
        if !calibration.records.is_empty() {
            tables.extend(of_records(OF_CALIBRATION, &calibration.records)?);
        }
        for table in &mut tables {
            let name = table.name;
            table
                .empty(missing_columns.iter().filter(|lacking| lacking.table == name).map(|lacking| lacking.column))?;
        }
        Ok(tables)
    }

    /// Sentences on the shards that a merged run lacks. Empty if nothing is missing.
    #[must_use]
    pub fn notices(&self) -> Vec<String> {
        let readable = |threshold| self.comparison.readable(threshold);
        self.run.manifest.merged.as_ref().map(|merged| merged.notices(readable)).unwrap_or_default()
    }

    /// Lines that describe the run, after what is missing.
    pub(super) fn setting(&self) -> Vec<String> {
        self.notices().into_iter().chain(self.run.manifest.setting.iter().cloned()).collect()
    }

    /// Source of the confidence that arms defer on. `None` if no arm uses a signal.
    fn gauged(&self) -> Option<ConfidenceSource<'a>> {
        let facts = &self.run.facts;
        facts.signal.as_deref().map(|signal| ConfidenceSource { model: &facts.weak, signal })
    }

    /// Returns the summary as Markdown, with the λ that are `chosen` if there are any.
    fn summary(&self, chosen: Option<&chosen::JudgedChoice>) -> String {
        let FinishedRun { manifest, facts, missing_columns, .. } = self.run;
        let missing: Vec<String> = missing_columns.iter().map(Lacking::note).collect();
        let left_out = left_out::lines(&manifest.left_out, |threshold| self.comparison.readable(threshold));
        let warnings = [&left_out[..], &missing, &manifest.warnings, &manifest.price_notes].concat();
        let decision = self.advice.section();
        let context = Context {
            name: &facts.name,
            setting: &self.setting(),
            warnings: &warnings,
            comparison: self.comparison,
            confidence: self.gauged(),
            decision: &decision,
        };
        match &self.sweep {
            Some(sweep) => {
                summary::swept(&context, sweep) + &chosen.map(chosen::JudgedChoice::section).unwrap_or_default()
            }
            None => summary::markdown(&context),
        }
    }

    /// The summary as an output file, for a page without the other files.
    pub(super) fn summary_file(&self) -> (String, Vec<u8>) {
        (summary::SUMMARY.to_owned(), self.summary(self.chosen(Rule::default()).as_ref()).into_bytes())
    }

    /// Returns the main tables as LaTeX.
    fn latex(&self) -> String {
        summary::latex(&self.run.facts.name, self.comparison, self.sweep.as_ref())
    }

    /// λ of each arm, chosen on a part of the groups. `None` if the run is no sweep or the config does not set
    /// `dataset.choose`.
    fn chosen(&self, rule: Rule) -> Option<chosen::JudgedChoice> {
        let share = self.run.facts.choose.filter(|_| self.sweep.is_some())?;
        Some(chosen::JudgedChoice::new(self.comparison, share, rule))
    }

    /// Returns the recommendation of an arm, in five lines.
    #[must_use]
    pub fn recommendation(&self) -> [String; 5] {
        self.advice.lines()
    }

    /// Texts for a terminal of `width` columns: results, notes and, for a sweep, the arm and threshold that meet
    /// `targets`.
    #[must_use]
    pub fn lines(&self, width: u16, targets: Wanted) -> Vec<String> {
        let mut lines = self.notices();
        lines.push(match &self.sweep {
            None => summary::terminal(self.comparison, width),
            Some(sweep) => sweep.terminal(width),
        });
        let FinishedRun { manifest, missing_columns, .. } = self.run;
        let notes = left_out::lines(&manifest.left_out, |threshold| self.comparison.readable(threshold))
            .into_iter()
            .chain(missing_columns.iter().map(Lacking::note));
        let notes = notes.chain(manifest.warnings.iter().chain(&manifest.price_notes).cloned());
        lines.extend(notes.chain(summary::cautions(self.comparison)).map(|note| format!("note: {note}")));
        lines.extend(summary::guarantees(self.comparison));
        let rule = Rule { budget: targets.budget, accuracy: targets.accuracy };
        lines.extend(self.chosen(rule).iter().flat_map(|chosen| chosen.terminal(width)));
        lines.extend(self.sweep.iter().flat_map(|sweep| sweep.answers(targets, &manifest.left_out)));
        lines
    }
}

/// Earlier outputs that differ from the new outputs and were moved to another folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Folder that holds the earlier outputs now.
    pub folder: PathBuf,
    /// Names of the moved files.
    pub names: Vec<String>,
}

impl SetAside {
    /// Converts the outcome of [`crate::report::folder::place`] or [`crate::report::folder::replace`].
    pub(super) fn of(placed: Result<Option<(PathBuf, Vec<String>)>>) -> Result<Option<Self>, RunError> {
        Ok(placed.map_err(RunError::Output)?.map(|(folder, names)| Self { folder, names }))
    }

    /// Message for the user: the files and the folder.
    #[must_use]
    pub fn message(&self) -> String {
        format!("{} changed; the old versions are in {}", self.names.join(", "), self.folder.display())
    }
}
