//! A first config for a user's own questions and models.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, Result, anyhow};
use serde::Serialize;

use super::error::RunError;
use crate::backend::preset::Preset;
use crate::config::suggest;
use crate::dataset::{Format, Reading, read_clean};
use crate::report::files::write_files;
use crate::report::template::rendered;

/// Name of the config that is written.
pub const CONFIG: &str = "run.toml";

/// Number of questions of the first runs, if the file has more.
const FIRST: usize = 20;

/// Name of the file with sample questions.
pub const QUESTIONS: &str = "questions.jsonl";

const TEMPLATE: &str = include_str!("run.toml.jinja");

/// Word problems that show the format of the file.
const SAMPLE: &str = include_str!("questions.jsonl");

/// A model on a server with known settings.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerModel {
    /// Server.
    pub preset: Preset,
    /// Name of the model at the server.
    pub model: String,
    /// Address of the server. `None` for the preset's own.
    pub address: Option<String>,
    /// Prices of input and output in USD per million tokens. `None` if unknown, or if the model is free.
    pub price: Option<[f64; 2]>,
}

impl FromStr for ServerModel {
    type Err = String;

    /// Parses `PRESET/MODEL`, as in `ollama/llama3.2:1b`.
    fn from_str(text: &str) -> Result<Self, String> {
        let Some((preset, model)) = text.split_once('/').filter(|(_, model)| !model.is_empty()) else {
            return Err("expected PRESET/MODEL, as in ollama/llama3.2:1b or openai/gpt-4.1-mini".to_owned());
        };
        let known = Preset::ALL;
        let preset = suggest::find("preset", preset, &known, |preset| preset.name()).map_err(|error| {
            let names: Vec<&str> = known.iter().map(|preset| preset.name()).collect();
            format!("{error}. The presets are {}", names.join(", "))
        })?;
        Ok(Self { preset: *preset, model: model.to_owned(), address: None, price: None })
    }
}

impl ServerModel {
    /// Form of the address if each account of the server has its own. `None` if the address is fixed.
    #[must_use]
    pub fn address_form(&self) -> Option<&'static str> {
        self.preset.dialect().address.as_deref()
    }

    /// Environment variable with the key of the server. `None` if it needs no key.
    #[must_use]
    pub fn key_variable(&self) -> Option<&'static str> {
        self.preset.dialect().entry.get("api_key_env").and_then(toml::Value::as_str)
    }
}

/// Contents of a first config.
#[derive(Debug, Clone, PartialEq)]
pub struct FirstConfig {
    /// Folder of the config.
    pub folder: PathBuf,
    /// File with the questions. `None` to write sample questions beside the config.
    pub questions: Option<PathBuf>,
    /// The weak and the strong model.
    pub levels: [ServerModel; 2],
}

/// Values of the template.
#[derive(Serialize)]
struct Values<'a> {
    file: String,
    name: String,
    questions: String,
    /// Number of questions of the first runs. `None` for all.
    limit: Option<usize>,
    /// True if each model has a price.
    priced: bool,
    models: Vec<Shown<'a>>,
}

/// A model as the template shows it.
#[derive(Serialize)]
struct Shown<'a> {
    level: &'static str,
    preset: &'static str,
    note: String,
    model: &'a str,
    address: Option<&'a str>,
    price: Option<[f64; 2]>,
}

impl FirstConfig {
    /// Writes the config, and sample questions if none are named. Existing files stay. Returns lines on what was
    /// written and what to do next.
    ///
    /// # Errors
    /// [`RunError::Config`] if a file exists, a model needs an address, or the folder cannot be written.
    pub fn write(&self) -> Result<Vec<String>, RunError> {
        self.written().map_err(RunError::Config)
    }

    fn written(&self) -> Result<Vec<String>> {
        let config = in_folder(&self.folder, CONFIG);
        let mut files = vec![(config.clone(), self.text()?.into_bytes())];
        if self.questions.is_none() {
            files.push((in_folder(&self.folder, QUESTIONS), SAMPLE.as_bytes().to_vec()));
        }
        if let Some((taken, _)) = files.iter().find(|(path, _)| path.exists()) {
            return Err(anyhow!("{} exists and is not overwritten. Name another folder", taken.display()));
        }
        write_files(&files)?;
        let mut lines: Vec<String> = files.iter().map(|(path, _)| format!("wrote {}", path.display())).collect();
        let keys = self.levels.iter().filter_map(ServerModel::key_variable);
        let mut keys: Vec<&str> = keys.filter(|key| std::env::var_os(key).is_none()).collect();
        keys.dedup();
        lines.push("Next:".to_owned());
        lines.extend(keys.iter().map(|key| format!("  export {key}=…    the key of the server")));
        let path = config.display();
        lines.push(format!("  intercascade models check weak --config {path}    a few short calls to each server"));
        lines.push(format!("  intercascade run --config {path} --dry-run    expected calls and fee, without a call"));
        lines.push(format!("  intercascade run --config {path}"));
        Ok(lines)
    }

    /// Text of the config.
    fn text(&self) -> Result<String> {
        let count = self.questions.as_deref().map(count).transpose()?;
        let models = ["weak", "strong"].into_iter().zip(&self.levels).map(|(level, model)| {
            let address = match (&model.address, model.address_form()) {
                (None, Some(form)) => {
                    return Err(anyhow!(
                        "the preset {} needs the address of your account, as in {form}: add --{level}-address",
                        model.preset.name()
                    ));
                }
                (address, _) => address.as_deref(),
            };
            let note = match model.key_variable() {
                Some(variable) => format!("its key is read from {variable}"),
                None => "it needs no key".to_owned(),
            };
            let (preset, price) = (model.preset.name(), model.price);
            Ok(Shown { level, preset, note, model: &model.model, address, price })
        });
        let models = models.collect::<Result<Vec<_>>>()?;
        let folder = std::path::absolute(&self.folder).ok();
        let name = folder.and_then(|folder| Some(folder.file_name()?.to_str()?.to_owned()));
        let questions = match &self.questions {
            Some(questions) => questions.display().to_string(),
            None => in_folder(&self.folder, QUESTIONS).display().to_string(),
        };
        let config = Values {
            file: in_folder(&self.folder, CONFIG).display().to_string(),
            name: run_name(name.as_deref()),
            questions,
            limit: count.filter(|count| *count > FIRST).map(|_| FIRST),
            priced: models.iter().all(|model| model.price.is_some()),
            models,
        };
        rendered(CONFIG, TEMPLATE, &config)
    }
}

/// Number of questions in a file.
fn count(questions: &Path) -> Result<usize> {
    if !questions.exists() {
        return Err(anyhow!("there is no file {}", questions.display()));
    }
    let format = Format::of_path(questions)
        .with_context(|| format!("{}: name a .jsonl, .json, .csv, .tsv or .parquet file", questions.display()))?;
    Ok(read_clean(questions, &Reading::of(format))?.items.len())
}

/// Name of a run from the name of a folder: letters, digits, `-` and `_`.
fn run_name(folder: Option<&str>) -> String {
    let name: String = folder
        .unwrap_or_default()
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || "-_".contains(letter) { letter } else { '-' })
        .collect();
    if name.trim_matches('-').is_empty() { "first-run".to_owned() } else { name }
}

/// Path of a file in a folder, without a leading `./`.
fn in_folder(folder: &Path, name: &str) -> PathBuf {
    if folder == Path::new(".") { PathBuf::from(name) } else { folder.join(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_named_by_preset_and_name() {
        let read = |text: &str| text.parse::<ServerModel>();
        let found = read("openrouter/meta/llama-3").expect("valid");
        assert_eq!((found.preset, &*found.model), (Preset::Openrouter, "meta/llama-3"));
        for wrong in ["ollama", "ollama/", "olama/x", ""] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(read("olama/x").expect_err("unknown").contains("did you mean `ollama`"));
    }

    #[test]
    fn names_of_runs_are_made_of_folders() {
        assert_eq!(run_name(Some("my questions")), "my-questions");
        assert_eq!([run_name(Some("ü")), run_name(None)], ["first-run", "first-run"]);
    }
}
