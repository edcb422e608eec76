//! From records to outputs, for the verbs that make them: run, sweep and report.

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::session::Told;
use super::{say, terminal_width};
use crate::analysis::metrics::Comparison;
use crate::config::file::Config;
use crate::report::arms::gates::Gauged;
use crate::report::arms::of_arms;
use crate::report::manifest::Manifest;
use crate::report::read::Lacking;
use crate::report::summary::{self, Context};
use crate::report::sweep::Sweep;
use crate::report::tables::{OF_CALIBRATION, OF_STREAM, of_records};
use crate::types::record::Record;
use crate::types::seed::Seed;

/// A run's records and what its manifest says of them.
pub(super) struct Results<'a> {
    name: String,
    seed: Seed,
    signal: Option<String>,
    weak: String,
    manifest: &'a Manifest,
    records: &'a [Record],
    told: &'a Told,
    lacking: &'a [Lacking],
}

impl<'a> Results<'a> {
    /// What the manifest and the records tell together.
    pub(super) fn new(manifest: &'a Manifest, records: &'a [Record], told: &'a Told) -> Result<Self> {
        let config = config_of(manifest)?;
        Ok(Self {
            name: config.name,
            seed: config.seed,
            signal: manifest.identity.pointer("/deferral/signal").and_then(Value::as_str).map(str::to_owned),
            weak: config.levels.first().cloned().unwrap_or_default(),
            manifest,
            records,
            told,
            lacking: &[],
        })
    }

    /// The same of records whose tables lack columns.
    pub(super) fn lacking(self, lacking: &'a [Lacking]) -> Self {
        Self { lacking, ..self }
    }

    /// The arms compared.
    pub(super) fn comparison(&self) -> Comparison<'_> {
        let prices = &self.manifest.prices;
        match &self.manifest.swept {
            None => Comparison::new(self.records, &self.told.arms, prices, self.seed),
            Some(thresholds) => Comparison::swept(self.records, thresholds, &self.told.arms, prices, self.seed),
        }
    }

    /// The figures over thresholds, where the run is a sweep.
    pub(super) fn sweep<'c>(&self, comparison: &'c Comparison<'c>) -> Option<Sweep<'c, 'c>> {
        self.manifest.swept.is_some().then(|| Sweep::new(comparison))
    }

    /// All outputs but the manifest: name and bytes.
    pub(super) fn files(&self, comparison: &Comparison, sweep: Option<&Sweep>) -> Result<Vec<(String, Vec<u8>)>> {
        let lacking: Vec<String> = self.lacking.iter().map(Lacking::told).collect();
        let warnings = [&lacking[..], &self.manifest.warnings, &self.manifest.price_notes].concat();
        let gauged = self.signal.as_deref().map(|signal| Gauged { model: &self.weak, signal });
        let context =
            Context { name: &self.name, setting: &self.manifest.setting, warnings: &warnings, comparison, gauged };
        let mut tables = of_records(OF_STREAM, self.records)?;
        if !self.told.records.is_empty() {
            tables.extend(of_records(OF_CALIBRATION, &self.told.records)?);
        }
        for table in &mut tables {
            let name = table.name;
            table.empty(self.lacking.iter().filter(|lacking| lacking.table == name).map(|lacking| lacking.column))?;
        }
        tables.extend(of_arms(comparison, gauged)?);
        if let Some(sweep) = sweep {
            tables.extend(sweep.tables()?);
        }
        let summary = match sweep {
            Some(sweep) => summary::swept(&context, sweep),
            None => summary::markdown(&context),
        };
        let mut files = vec![(summary::SUMMARY.to_owned(), summary.into_bytes())];
        for table in &mut tables {
            files.extend(table.files()?);
        }
        Ok(files)
    }

    /// Says what was reached, what a sweep was asked, and what a reader must know.
    pub(super) fn show(
        &self,
        comparison: &Comparison,
        sweep: Option<&Sweep>,
        asked: impl FnOnce(&Sweep) -> Vec<String>,
    ) {
        match sweep {
            None => say(&summary::terminal(comparison, terminal_width())),
            Some(sweep) => {
                say(&sweep.terminal(terminal_width()));
                for line in asked(sweep) {
                    say(&line);
                }
            }
        }
        for lacking in self.lacking {
            say(&format!("note: {}", lacking.told()));
        }
        let noted = self.manifest.warnings.iter().chain(&self.manifest.price_notes).cloned();
        for note in noted.chain(summary::cautions(comparison)) {
            say(&format!("note: {note}"));
        }
    }
}

/// The config that a manifest holds.
pub(super) fn config_of(manifest: &Manifest) -> Result<Config> {
    serde_json::from_value(manifest.config.clone()).context("the manifest's config is not one that this version reads")
}
