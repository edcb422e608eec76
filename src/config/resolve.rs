//! Resolution of a config: reads and validates data, models, prompts and recordings before any model is called.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::data::SelectedItems;
use super::error::{At as _, ConfigError, ConfigFault, invalid};
use super::prompts::Prompts;
use super::resolved::ResolvedConfig;
use super::schema::Config;
use super::{defaults, validate};
use crate::backend::entry::ModelEntry;
use crate::backend::raw::RawEntry;
use crate::backend::replay::Recording;
use crate::fetch::weights::Catalogue;
use crate::task::Grader;

impl ResolvedConfig {
    /// Reads the config, applies the overrides `sets` (`key.path=value`), and reads and validates everything the config
    /// names.
    ///
    /// # Errors
    /// The first fault. The error names the place and the fix.
    pub fn load(path: &Path, sets: &[String]) -> Result<Self, ConfigError> {
        let config = Config::load(path, sets)?;
        let weights = Catalogue::near(Some(path)).map_err(ConfigFault::from)?;
        let known = config.known_entries(path)?;
        let entries = config.level_entries(&known, path)?;
        let resolved = Self::with(config, known, entries, weights, path)?;
        validate::resolved(&resolved).at(path.display())?;
        Ok(resolved)
    }

    /// Resolves everything that a config names.
    fn with(
        config: Config,
        known: Vec<RawEntry>,
        entries: Vec<RawEntry>,
        weights: Catalogue,
        path: &Path,
    ) -> Result<Self, ConfigError> {
        let selected = SelectedItems::of(&config, path).at("dataset").at(path.display())?;
        let task = selected.format.task();
        let entries = entries.into_iter().map(|raw| ModelEntry::resolve(raw, &weights)).collect::<Result<Vec<_>, _>>();
        let entries = entries.map_err(ConfigFault::model).at(path.display())?;
        let [weak, strong] = <[ModelEntry; 2]>::try_from(entries).map_err(|_| invalid("levels: name two models"))?;
        weak.check_shared(&strong, &weights).map_err(ConfigFault::model).at(path.display())?;
        let recordings = recordings([&weak, &strong]).at(path.display())?;
        let recorded = recordings.get(&weak.name).map(Arc::as_ref);
        let signal = config.deferral.signal.or_else(|| defaults::signal(&weak, recorded, task));
        validate::signal(signal, &config, &weak, recorded, task).at("deferral.signal").at(path.display())?;
        let available = Prompts::near(Some(path))?;
        let prompt = |entry: &ModelEntry| {
            let found = available.find(entry.prompt(), task).cloned();
            found.at("prompt").at(format!("model `{}`", entry.name)).at(path.display())
        };
        let prompts = [prompt(&weak)?, prompt(&strong)?];
        let default_rules = || defaults::rules(task, signal, &selected.stream);
        let rules = config.dataset.extraction.clone().unwrap_or_else(default_rules);
        let grader = Grader { task, rules, calculations_at_least: config.deferral.calculations_at_least };
        let SelectedItems { name: dataset, sha256, notices, redistributable, stream, calibration, .. } = selected;
        let ranges = [0..stream.len(), stream.len()..stream.len() + calibration.len()];
        let items = stream.into_iter().chain(calibration).collect();
        Ok(Self {
            config,
            known,
            weak,
            strong,
            dataset,
            sha256,
            notices,
            redistributable,
            grader,
            prompts,
            items,
            ranges,
            signal,
            recordings,
            weights,
        })
    }
}

/// Reads the recordings of these entries, by the name of the model.
fn recordings(entries: [&ModelEntry; 2]) -> Result<BTreeMap<String, Arc<Recording>>, ConfigError> {
    let read = |entry: &ModelEntry| {
        let path = entry.recording()?;
        let recording = Recording::read(path, entry.server_name()).map_err(ConfigFault::model);
        let recording = recording.at(format!("model `{}`", entry.name));
        Some(recording.map(|recording| (entry.name.clone(), Arc::new(recording))))
    };
    entries.into_iter().filter_map(read).collect()
}
