//! `report.html` of a run: the questions, texts and facts around its records, which the page shows.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::error::RunError;
use super::outputs::{FinishedRun, Outputs, config_of};
use super::{shards, strategies};
use crate::config::data::SelectedItems;
use crate::config::resolved::ResolvedConfig;
use crate::config::schema::Config;
use crate::dataset::catalogue::Catalogue;
use crate::gateway::journal::read_only::ReadOnlyJournals;
use crate::report::files::write_file;
use crate::report::folder::JOURNAL;
use crate::report::manifest::{FILE as MANIFEST, Manifest};
use crate::report::page::{self, CallTexts, PageContents, Question, Questions, SavedText};
use crate::report::summary::SUMMARY;
use crate::types::chat::CallKey;
use crate::types::item::{Item, ItemId, Target};

/// Sources of a page's texts.
#[derive(Debug, Clone, Default)]
pub struct PageSources {
    /// Further journals with texts of the calls, besides those in the run's folder.
    pub journals: Vec<PathBuf>,
    /// True if questions are shown even if the data set's licence does not permit passing them on, for a page that
    /// stays here.
    pub private: bool,
}

/// Page of a run.
pub struct RunPage {
    /// Name and bytes of the file.
    pub file: (String, Vec<u8>),
    /// True if nothing is missing that another state of this machine could supply: journal and data are at hand.
    pub is_complete: bool,
}

/// Makes the page of a finished run. `files` has the summary and, if they are not in `folder`, the strategies; `folder`
/// has the journal.
///
/// # Errors
/// [`RunError::Output`] with the file that cannot be read.
pub fn of_finished(
    run: &FinishedRun,
    outputs: &Outputs,
    files: &[(String, Vec<u8>)],
    folder: &Path,
    sources: &PageSources,
) -> Result<RunPage, RunError> {
    let config = config_of(&run.manifest).map_err(RunError::Output)?;
    let data = PageData::read(&config, &run.manifest, folder);
    of_run(run, outputs, files, folder, (&data, sources))
}

/// Makes the page of a run with its data, as [`of_finished`] does.
pub(super) fn of_run(
    run: &FinishedRun,
    outputs: &Outputs,
    files: &[(String, Vec<u8>)],
    folder: &Path,
    (data, sources): (&PageData, &PageSources),
) -> Result<RunPage, RunError> {
    let made = || {
        let in_files = |name: &str| files.iter().find(|(file, _)| file == name).map(|(_, bytes)| &bytes[..]);
        let summary = std::str::from_utf8(in_files(SUMMARY).unwrap_or_default())?;
        let config = config_of(&run.manifest)?;
        let mut missing = Vec::new();
        let journals = journals(folder, sources)?;
        if journals.0.is_empty() {
            missing.push(
                "No journal is at hand, so no answer, strategy or prompt is shown as text. Name one with --journal."
                    .to_owned(),
            );
        }
        let permitted = sources.private || data.redistributable;
        if let (true, Err(why)) = (permitted, &data.questions) {
            missing.push(why.clone());
        }
        let is_complete = missing.is_empty();
        if !permitted {
            missing.push(
                "The licence of this data set does not permit passing on its questions, so questions, prompts and \
                 strategies are not shown."
                    .to_owned(),
            );
        }
        let strategies = match in_files(strategies::FILE) {
            Some(bytes) => strategies::parse(std::str::from_utf8(bytes)?, &folder.join(strategies::FILE))?,
            None => strategies::saved(folder)?,
        };
        let saved: Vec<SavedText> = strategies.into_iter().map(SavedText::from).collect();
        // The advice comes first, then the figures that it rests on.
        let [strong, cascade, taught, take, limits] = outputs.recommendation();
        let headline = [take, strong, cascade, taught, limits];
        let model = |level: usize| config.levels.get(level).map_or("", String::as_str);
        let html = page::html(&PageContents {
            name: &run.facts.name,
            setting: &outputs.setting(),
            headline: &headline,
            summary,
            figures: outputs.figures()?,
            comparison: outputs.comparison(),
            models: [model(0), model(1)],
            signal: run.facts.signal.as_deref(),
            strategies: &saved,
            texts: (!journals.0.is_empty()).then_some(&journals),
            questions: data.questions.as_ref().ok().filter(|_| permitted),
            shows_prompts: permitted,
            missing: &missing,
            config: &as_toml(&run.manifest.config)?,
            environment: &environment(&run.manifest),
        })?;
        Ok(RunPage { file: (page::FILE.to_owned(), html), is_complete })
    };
    made().map_err(RunError::Output)
}

/// Returns the path of a run's page, and true if the page was missing and has been made.
///
/// # Errors
/// [`RunError::Output`] if the folder holds no finished run, or a file cannot be read or written.
pub fn find_or_make(folder: &Path, sources: &PageSources) -> Result<(PathBuf, bool), RunError> {
    let path = folder.join(page::FILE);
    if path.is_file() {
        return Ok((path, false));
    }
    let finished = FinishedRun::read(folder).map_err(RunError::Output)?;
    let comparison = finished.comparison();
    let outputs = Outputs::new(&finished, &comparison);
    let files = [outputs.summary_file()];
    let RunPage { file: (_, html), .. } = of_finished(&finished, &outputs, &files, folder, sources)?;
    write_file(&path, &html).map_err(RunError::Output)?;
    Ok((path, true))
}

/// The opened journals of a run.
struct Journals(Vec<ReadOnlyJournals>);

impl Journals {
    fn call<T>(&self, key: &CallKey, of: impl Fn(crate::gateway::journal::JournaledCall) -> T) -> Result<Option<T>> {
        let found = self.0.iter().find_map(|journal| journal.call(key).transpose());
        Ok(found.transpose()?.map(of))
    }
}

impl CallTexts for Journals {
    fn answer(&self, key: &CallKey) -> Result<Option<String>> {
        // For a refused answer, the text is the provider's refusal.
        self.call(key, |call| call.response.refusal.unwrap_or(call.response.text))
    }

    fn request(&self, key: &CallKey) -> Result<Option<String>> {
        self.call(key, |call| call.request)
    }
}

/// Opens the journal of the folder, or the parts of an export there, the journals of its shards, and the further
/// journals.
fn journals(folder: &Path, sources: &PageSources) -> Result<Journals> {
    let own = folder.join(JOURNAL);
    let mut opened = Vec::new();
    if own.is_file() {
        opened.push(ReadOnlyJournals::of_run(&own)?);
    } else if crate::gateway::journal::check_exists(folder).is_ok() {
        opened.push(ReadOnlyJournals::open(folder)?);
    }
    for (_, shard) in shards::folders(folder)?.iter().filter(|(_, shard)| shard.join(JOURNAL).is_file()) {
        opened.push(ReadOnlyJournals::of_run(&shard.join(JOURNAL))?);
    }
    for journal in &sources.journals {
        opened.push(ReadOnlyJournals::open(journal)?);
    }
    Ok(Journals(opened))
}

/// Questions of a run's items, and whether they may be shown.
pub(super) struct PageData {
    /// True if the licence permits passing on the questions, or if the data are the user's own.
    redistributable: bool,
    /// Questions by item, or the reason why they cannot be shown.
    questions: Result<Questions, String>,
}

impl PageData {
    /// Data of a run that has just ended.
    pub(super) fn of(resolved: &ResolvedConfig) -> Self {
        let questions = resolved.items.iter().map(question).collect();
        Self { redistributable: resolved.redistributable, questions: Ok(questions) }
    }

    /// Data of a run in a folder, as far as they are at hand and unchanged.
    fn read(config: &Config, manifest: &Manifest, folder: &Path) -> Self {
        let near = folder.join(MANIFEST);
        let selected = match SelectedItems::of(config, &near) {
            Ok(selected) => selected,
            Err(error) => {
                let why = format!("Questions are not shown, because the data set cannot be read here: {error}.");
                return Self { redistributable: is_redistributable(config, &near), questions: Err(why) };
            }
        };
        let redistributable = selected.redistributable;
        if manifest.identity.pointer("/dataset/sha256").and_then(Value::as_str) != Some(&selected.sha256) {
            let why = "Questions are not shown, because the data set has changed since the run.".to_owned();
            return Self { redistributable, questions: Err(why) };
        }
        let items = selected.stream.iter().chain(&selected.calibration);
        Self { redistributable, questions: Ok(items.map(question).collect()) }
    }
}

/// True if the questions of a data set that cannot be read may be passed on. False if no catalogue knows the data set.
fn is_redistributable(config: &Config, near: &Path) -> bool {
    let Some(name) = config.dataset.name.as_deref().filter(|_| config.dataset.path.is_none()) else { return true };
    let known = |catalogue: Catalogue| catalogue.entries.into_iter().find(|entry| entry.name == name);
    Catalogue::find(Some(near)).ok().and_then(known).is_some_and(|entry| entry.redistributable)
}

/// An item's question with its options, and its gold answer.
fn question(item: &Item) -> (ItemId, Question) {
    let letter = |index: usize| char::from(b'A'.saturating_add(u8::try_from(index).unwrap_or(u8::MAX)));
    let options = item.options.iter().enumerate().map(|(index, option)| format!("\n{}. {option}", letter(index)));
    let target = match &item.target {
        Target::Number(text) | Target::Expression(text) => Some(text.clone()),
        Target::Unanswerable => None,
        Target::Choice(index) => Some(letter(*index).to_string()),
    };
    (item.id.clone(), Question { text: item.query.clone() + &options.collect::<String>(), target })
}

/// A config as TOML. Keys without a value are left out.
fn as_toml(config: &Value) -> Result<String> {
    fn without_nulls(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let set = fields.iter().filter(|(_, value)| !value.is_null());
                set.map(|(key, value)| (key.clone(), without_nulls(value))).collect()
            }
            Value::Array(values) => values.iter().map(without_nulls).collect(),
            value => value.clone(),
        }
    }
    toml::to_string_pretty(&without_nulls(config)).context("the config of the manifest")
}

/// Facts on how the run was made.
fn environment(manifest: &Manifest) -> Vec<(String, String)> {
    let text = |pointer: &str| manifest.identity.pointer(pointer).map(as_text);
    let known = [
        ("version of intercascade", Some(manifest.version.clone())),
        ("data set", text("/dataset/name")),
        ("split", text("/dataset/split").filter(|split| split != "null")),
        ("SHA-256 of the data", text("/dataset/sha256")),
        ("seed", text("/seed")),
        ("extraction rules", text("/extraction")),
        ("embedder", text("/learning/embedder")),
    ];
    let mut facts: Vec<(String, String)> =
        known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    if let Value::Array(prompts) = &manifest.prompts {
        facts.extend(prompts.iter().enumerate().map(|(level, prompt)| {
            let [name, version, sha256] = ["name", "version", "sha256"].map(|key| as_text(&prompt[key]));
            (format!("prompt of level {level}"), format!("{name} v{version}, SHA-256 {sha256}"))
        }));
    }
    if let Value::Object(models) = &manifest.answered_by {
        facts.extend(models.iter().map(|(model, names)| {
            let names = names.as_array().map_or_else(Vec::new, |names| names.iter().map(as_text).collect());
            (format!("answers of {model} came from"), names.join(", "))
        }));
    }
    facts
}

fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
