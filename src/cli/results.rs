//! From records to outputs, for the verbs that make them: run, sweep and report.

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::analysis::metrics::{Calibrated, Comparison};
use crate::cascade::gating::Gates;
use crate::config::file::Config;
use crate::report::manifest::Manifest;
use crate::report::summary::Context;
use crate::report::sweep::Sweep;
use crate::report::tables::{Gauged, OF_CALIBRATION, OF_STREAM, of_arms, of_records};
use crate::report::{summary, tables};
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
    calibration: &'a [Record],
    calibrated: Vec<Calibrated>,
}

impl<'a> Results<'a> {
    /// What the manifest and the records tell together.
    pub(super) fn new(manifest: &'a Manifest, records: &'a [Record], calibration: &'a [Record]) -> Result<Self> {
        let config: Config = serde_json::from_value(manifest.config.clone())
            .context("the manifest's config is not one that this version reads")?;
        let mut wanted = config.deferral.wanted();
        if manifest.swept.is_some() {
            wanted.guarantee = None;
        }
        let gates = Gates {
            arms: config.arms.clone(),
            wanted,
            per_arm: config.deferral.calibrate_per_arm,
            calibration: [].into(),
        };
        let signal = manifest.identity.pointer("/deferral/signal").and_then(Value::as_str).map(str::to_owned);
        Ok(Self {
            name: config.name,
            seed: config.seed,
            signal,
            weak: config.levels.first().cloned().unwrap_or_default(),
            manifest,
            records,
            calibration,
            calibrated: if calibration.is_empty() { Vec::new() } else { gates.tell(calibration) },
        })
    }

    /// The arms compared.
    pub(super) fn comparison(&self) -> Comparison<'_> {
        let prices = &self.manifest.prices;
        match &self.manifest.swept {
            None => Comparison::new(self.records, &self.calibrated, prices, self.seed),
            Some(thresholds) => Comparison::swept(self.records, thresholds, &self.calibrated, prices, self.seed),
        }
    }

    /// All outputs but the manifest: name and bytes.
    pub(super) fn files(&self, comparison: &Comparison) -> Result<Vec<(String, Vec<u8>)>> {
        let warnings = [&self.manifest.warnings[..], &self.manifest.price_notes].concat();
        let gauged = self.signal.as_deref().map(|signal| Gauged { model: &self.weak, signal });
        let context =
            Context { name: &self.name, setting: &self.manifest.setting, warnings: &warnings, comparison, gauged };
        let mut tables: Vec<tables::Table> = of_records(OF_STREAM, self.records)?;
        if !self.calibration.is_empty() {
            tables.extend(of_records(OF_CALIBRATION, self.calibration)?);
        }
        tables.extend(of_arms(comparison, gauged)?);
        let mut summary = summary::markdown(&context);
        if self.manifest.swept.is_some() {
            let sweep = Sweep::new(comparison);
            tables.extend(sweep.tables()?);
            summary = summary::swept(&context, &sweep);
        }
        let mut files = vec![("summary.md".to_owned(), summary.into_bytes())];
        for table in &mut tables {
            files.extend(table.files()?);
        }
        Ok(files)
    }

    /// What a reader must know, line by line.
    pub(super) fn notes(&self, comparison: &Comparison) -> Vec<String> {
        let noted = self.manifest.warnings.iter().chain(&self.manifest.price_notes).cloned();
        noted.chain(summary::cautions(comparison)).collect()
    }
}
