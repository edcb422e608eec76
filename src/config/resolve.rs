//! From a config file to all that it names: data, models, prompts, recordings. Everything that can be wrong is found here,
//! before any model is called.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::data::SelectedItems;
use super::error::{At as _, ConfigError, ConfigFault, refused};
use super::prompts::Prompts;
use super::resolved::ResolvedConfig;
use super::schema::Config;
use super::{usual, validate};
use crate::backend::entry::ModelEntry;
use crate::backend::raw::RawEntry;
use crate::backend::replay::Recording;
use crate::fetch::weights::Catalogue;
use crate::task::Grader;

impl ResolvedConfig {
    /// Reads the config and the data and checks all of it.
    ///
    /// # Errors
    /// One error that names the place and the mend.
    pub fn load(path: &Path, sets: &[String]) -> Result<Self, ConfigError> {
        let config = Config::load(path, sets)?;
        let weights = Catalogue::near(Some(path)).map_err(ConfigFault::from)?;
        let known = config.known_entries(path)?;
        let entries = config.level_entries(&known, path)?;
        let resolved = Self::with(config, known, entries, weights, path)?;
        validate::resolved(&resolved).at(path.display())?;
        Ok(resolved)
    }

    fn with(
        config: Config,
        known: Vec<RawEntry>,
        entries: Vec<RawEntry>,
        weights: Catalogue,
        path: &Path,
    ) -> Result<Self, ConfigError> {
        let chosen = SelectedItems::of(&config, path).at("dataset").at(path.display())?;
        let task = chosen.format.task();
        let entries = entries.into_iter().map(|raw| ModelEntry::resolve(raw, &weights)).collect::<Result<Vec<_>, _>>();
        let entries = entries.map_err(ConfigFault::model).at(path.display())?;
        let [weak, strong] = <[ModelEntry; 2]>::try_from(entries).map_err(|_| refused("levels: name two models"))?;
        weak.check_shared(&strong, &weights).map_err(ConfigFault::model).at(path.display())?;
        let recordings = recordings([&weak, &strong]).at(path.display())?;
        let recorded = recordings.get(&weak.name).map(Arc::as_ref);
        let signal = config.deferral.signal.or_else(|| usual::signal(&weak, recorded, task));
        validate::signal(signal, &config, &weak, recorded, task).at("deferral.signal").at(path.display())?;
        let words = Prompts::near(Some(path))?;
        let prompt = |entry: &ModelEntry| {
            let found = words.find(entry.prompt(), task).cloned();
            found.at("prompt").at(format!("model `{}`", entry.name)).at(path.display())
        };
        let prompts = [prompt(&weak)?, prompt(&strong)?];
        let usual = || usual::rules(task, signal, &chosen.stream);
        let rules = config.dataset.extraction.clone().unwrap_or_else(usual);
        let grader = Grader { task, rules, calculations_at_least: config.deferral.calculations_at_least };
        let SelectedItems { name: dataset, sha256, notices, stream, calibration, .. } = chosen;
        let places = [0..stream.len(), stream.len()..stream.len() + calibration.len()];
        let items = stream.into_iter().chain(calibration).collect();
        Ok(Self {
            config,
            known,
            weak,
            strong,
            dataset,
            sha256,
            notices,
            grader,
            prompts,
            items,
            places,
            signal,
            recordings,
            weights,
        })
    }
}

/// The recordings of these entries, read.
fn recordings(entries: [&ModelEntry; 2]) -> Result<BTreeMap<String, Arc<Recording>>, ConfigError> {
    let read = |entry: &ModelEntry| {
        let path = entry.recording()?;
        let recording = Recording::read(path, entry.server_name()).map_err(ConfigFault::model);
        let recording = recording.at(format!("model `{}`", entry.name));
        Some(recording.map(|recording| (entry.name.clone(), Arc::new(recording))))
    };
    entries.into_iter().filter_map(read).collect()
}
