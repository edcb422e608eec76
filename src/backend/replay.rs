//! Recorded answers instead of a model: a table of outputs, or the answers of a journal. A missing answer is an error
//! that names the request. No call is made, and no fee arises.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::raw::RawEntry;
use super::settings::{BackendSettings, Caller, Data};
use crate::tables::{self, ColumnSelection};
use crate::types::canonical::canonical;
use crate::types::chat::{self, CallKey, Request, Response, Usage};
use crate::types::item::ItemId;
use crate::types::model::{Capabilities, Model, ModelError};
use crate::types::recorded::RecordedCalls;

/// Settings of recorded answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplaySettings {
    /// Name of the model in the recording. `None` selects the entry's name.
    pub model: Option<String>,
    /// Path of a table of recorded answers (.jsonl, .csv, .parquet). `None` selects the answers of journals.
    pub recording: Option<PathBuf>,
}

impl ReplaySettings {
    /// Keys of this backend.
    pub const KEYS: &'static [&'static str] = &["model", "recording"];

    /// Reads the settings of an entry.
    #[must_use]
    pub fn read(raw: &RawEntry) -> Self {
        Self { model: raw.model.clone(), recording: raw.recording.clone() }
    }
}

impl BackendSettings for ReplaySettings {
    fn capabilities(&self) -> Capabilities {
        // A table has no log-probabilities. A journal can have them, which is known only after it is read.
        Capabilities { logprobs: self.recording.is_none(), scores_options: false, calculator: false }
    }

    fn identity(&self, caller: Caller<'_>, _data: Data<'_>) -> Result<Value> {
        Ok(json!({ "name": caller.name }))
    }

    fn server_name(&self) -> Option<&str> {
        self.model.as_deref()
    }

    fn describe(&self, _caller: Caller<'_>) -> String {
        match &self.recording {
            Some(path) => format!("recorded answers of {}", path.display()),
            None => "the answers of journals".to_owned(),
        }
    }

    fn write(&self, raw: &mut RawEntry) {
        raw.model.clone_from(&self.model);
        raw.recording.clone_from(&self.recording);
    }
}

/// Returns the recorded answers of a model, from the recording if there is one, otherwise from the journal.
///
/// # Errors
/// Returns an error if the journal cannot be read.
pub fn model(
    name: &str,
    recording: Option<&Arc<Recording>>,
    journal: &Arc<dyn RecordedCalls>,
) -> Result<Arc<dyn Model>> {
    Ok(match recording {
        Some(recording) => Arc::<Recording>::clone(recording),
        None => Arc::new(Replay::new(name, Arc::clone(journal))?),
    })
}

/// Row of a recording.
#[derive(Debug, Deserialize)]
struct Row {
    text: String,
    model: Option<String>,
    confidence: Option<f64>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    fee_usd: Option<f64>,
    latency_ms: Option<f64>,
    #[serde(default)]
    strategies: String,
    #[serde(default)]
    distil: bool,
}

/// Columns that are read.
const COLUMNS: [&str; 10] = [
    "item_id",
    "text",
    "model",
    "confidence",
    "input_tokens",
    "output_tokens",
    "fee_usd",
    "latency_ms",
    "strategies",
    "distil",
];

/// Lookup key of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct CallContext {
    item: ItemId,
    /// Source items of the strategies in the prompt, joined by `;`.
    strategies: String,
    distil: bool,
}

/// Table of recorded answers of one model.
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    sha256: String,
    columns: BTreeSet<String>,
    answers: HashMap<CallContext, Response>,
}

impl Recording {
    /// Reads the answers of `model` from a table with the columns `item_id` and `text`. Optional columns are
    /// `confidence`, `input_tokens`, `output_tokens`, `fee_usd` and `latency_ms`; `model` if the table has several
    /// models; `strategies` (source items of the strategies in the prompt, joined by `;`) if it has answers to
    /// prompts with strategies; and `distil` if it has answers that include a distilled strategy.
    ///
    /// # Errors
    /// Returns an error that names the file, the line and the problem.
    pub fn read(path: &Path, model: &str) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read the recording {}", path.display()))?;
        // An empty text is a valid answer.
        let (rows, columns) = tables::read(path, ColumnSelection { columns: &COLUMNS, empty: &["text"] })?;
        let mut answers = HashMap::new();
        for (line, fields) in rows {
            let location = || format!("{}: line {line}", path.display());
            let (context, row) = parse_row(fields).with_context(location)?;
            if row.model.as_ref().is_some_and(|name| name != model) {
                continue;
            }
            let item = context.item.clone();
            if answers.insert(context, row.response(&columns, model).with_context(location)?).is_some() {
                bail!("{}: item `{item}` has two answers to the same prompt: remove one", location());
            }
        }
        if answers.is_empty() {
            bail!("{} has no answers of a model `{model}`: correct the key `model`", path.display());
        }
        Ok(Self { path: path.to_owned(), sha256: hex::encode(Sha256::digest(bytes)), columns, answers })
    }

    /// SHA-256 of the file, in hex.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Returns true if every answer has a value in the column.
    #[must_use]
    pub fn has(&self, column: &str) -> bool {
        self.columns.contains(column)
    }

    /// Returns the answer to an item. `strategies` has the source items of the strategies in the prompt. `distil`
    /// selects the answer that includes a distilled strategy. `None` if the table lacks the answer.
    #[must_use]
    pub fn answer(&self, item: &ItemId, strategies: &[ItemId], distil: bool) -> Option<&Response> {
        let sources: Vec<&str> = strategies.iter().map(|source| &*source.0).collect();
        self.answers.get(&CallContext { item: item.clone(), strategies: sources.join(";"), distil })
    }

    /// Returns true if fees are recorded or can be computed from recorded tokens.
    #[must_use]
    pub fn is_priced(&self) -> bool {
        self.has("fee_usd") || (self.has("input_tokens") && self.has("output_tokens"))
    }
}

/// Parses a row. Converts texts to numbers, as needed for CSV, and numbers to ids.
fn parse_row(mut fields: Map<String, Value>) -> Result<(CallContext, Row)> {
    let item = match fields.remove("item_id") {
        Some(Value::String(id)) => id,
        Some(Value::Number(number)) => match number.as_f64() {
            Some(float) if float.fract() == 0.0 && float.abs() < 1e15 => format!("{float:.0}"),
            _ => number.to_string(),
        },
        _ => bail!("field `item_id`: missing"),
    };
    match fields.get("text") {
        Some(Value::String(_)) => {}
        Some(other) => bail!("field `text`: must be a text, not {other}"),
        None => bail!("field `text`: missing; write an empty text for an empty answer"),
    }
    for name in ["confidence", "input_tokens", "output_tokens", "fee_usd", "latency_ms", "distil"] {
        if let Some(Value::String(text)) = fields.get(name) {
            let value = serde_json::from_str(&text.to_lowercase());
            let value = value.map_err(|_| anyhow!("field `{name}`: `{text}` is neither a number nor true or false"))?;
            fields.insert(name.to_owned(), value);
        }
    }
    let row: Row = serde_path_to_error::deserialize(Value::Object(fields)).map_err(|error| {
        let field = error.path().to_string();
        anyhow!("field `{field}`: {}", error.into_inner())
    })?;
    Ok((CallContext { item: item.into(), strategies: row.strategies.clone(), distil: row.distil }, row))
}

impl Row {
    /// Converts the row to a response. A row must have a value in each of the columns.
    fn response(self, columns: &BTreeSet<String>, model: &str) -> Result<Response> {
        let present = [
            ("confidence", self.confidence.is_some()),
            ("input_tokens", self.input_tokens.is_some()),
            ("output_tokens", self.output_tokens.is_some()),
            ("fee_usd", self.fee_usd.is_some()),
        ];
        if let Some((name, _)) = present.iter().find(|(name, is_present)| !is_present && columns.contains(*name)) {
            bail!("field `{name}`: missing, but other rows have it: fill it in, or remove the column");
        }
        if let Some(confidence) = self.confidence.filter(|confidence| !(0.0..=1.0).contains(confidence)) {
            bail!("field `confidence`: must be from 0 to 1, not {confidence}");
        }
        if let Some(time) = self.latency_ms.filter(|time| !(time.is_finite() && *time >= 0.0)) {
            bail!("field `latency_ms`: must be a number of milliseconds from 0 up, not {time}");
        }
        if let Some(fee) = self.fee_usd.filter(|fee| !(fee.is_finite() && *fee >= 0.0)) {
            bail!("field `fee_usd`: must be a number of USD from 0 up, not {fee}");
        }
        let usage = Usage {
            input: self.input_tokens.unwrap_or_default(),
            cached_input: 0,
            output: self.output_tokens.unwrap_or_default(),
        };
        Ok(Response {
            text: self.text,
            usage,
            model: model.to_owned(),
            latency_ms: self.latency_ms.unwrap_or_default(),
            confidence: self.confidence,
            fee_usd: self.fee_usd,
            ..Response::default()
        })
    }
}

#[async_trait]
impl Model for Recording {
    async fn call(&self, request: &Request) -> Result<Response, ModelError> {
        let Request { item, strategies, .. } = request;
        let distil = request.wanted == chat::RequestKind::AnswerAndStrategy;
        self.answer(item, strategies, distil).cloned().ok_or_else(|| {
            let sources: Vec<&str> = strategies.iter().map(|source| &*source.0).collect();
            let with_strategies = if sources.is_empty() {
                String::new()
            } else {
                format!(" with the strategies of {}", sources.join(";"))
            };
            let distil = if distil { " together with a strategy" } else { "" };
            ModelError::Refused(format!(
                "the recording {} has no answer to this item{with_strategies}{distil}",
                self.path.display()
            ))
        })
    }
}

/// Answers of journals under a model's name, of any backend.
pub struct Replay {
    journal: Arc<dyn RecordedCalls>,
    /// Call keys by the hash of the request without the model's identity.
    answers: HashMap<[u8; 32], CallKey>,
}

impl Replay {
    /// Collects the requests to `model` in the journal and in the other journals that this journal refers to.
    ///
    /// # Errors
    /// Returns an error if a journal cannot be read.
    pub fn new(model: &str, journal: Arc<dyn RecordedCalls>) -> Result<Self> {
        let mut answers = HashMap::new();
        for (key, request) in journal.requests(model)? {
            let hash = hash_without_identity(&request).with_context(|| format!("call {key}"))?;
            answers.entry(hash).or_insert(key);
        }
        Ok(Self { journal, answers })
    }
}

/// Returns the SHA-256 of a canonical request without the model's identity.
fn hash_without_identity(canonical: &str) -> Result<[u8; 32]> {
    let mut request: Map<String, Value> = serde_json::from_str(canonical)?;
    request.remove("identity");
    Ok(Sha256::digest(Value::Object(request).to_string()).into())
}

#[async_trait]
impl Model for Replay {
    async fn call(&self, request: &Request) -> Result<Response, ModelError> {
        let broken = |error: anyhow::Error| ModelError::Unavailable(format!("the journal failed: {error:#}"));
        let hash = hash_without_identity(&canonical(Value::Null, request)).map_err(broken)?;
        let found = match self.answers.get(&hash) {
            Some(key) => self.journal.answer(key).await.map_err(broken)?,
            None => None,
        };
        found.ok_or_else(|| {
            ModelError::Refused("no journal has an answer to this item, and backend `replay` makes no calls".to_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::chat::{Generation, Mode, RequestKind};

    fn read(csv: &str) -> Result<Recording> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("recorded.csv");
        std::fs::write(&path, csv)?;
        Recording::read(&path, "m")
    }

    async fn ask(recording: &Recording, item: &str, strategies: &[&str], distil: bool) -> Result<Response, ModelError> {
        let kind = if distil { RequestKind::AnswerAndStrategy } else { RequestKind::Answer };
        let mode = Mode::Generate(Generation { max_tokens: 1, ..Generation::default() });
        let strategies = strategies.iter().map(|source| (*source).into()).collect();
        recording.call(&Request { item: item.into(), messages: vec![], mode, wanted: kind, draw: 0, strategies }).await
    }

    #[tokio::test]
    async fn answers_are_found_by_item_and_strategies() {
        let recording = read(
            "item_id,model,text,confidence,fee_usd,strategies,distil\n7,m,seven,0.5,0.01,,\n7,other,no,0.1,0.1,,\n\
             7,m,taught,0.9,0.02,1;2,\n7,m,both,0.9,0.03,,TRUE\n",
        )
        .expect("good rows");
        let plain = ask(&recording, "7", &[], false).await.expect("recorded");
        assert_eq!((plain.text.as_str(), plain.confidence, plain.fee_usd), ("seven", Some(0.5), Some(0.01)));
        assert_eq!(ask(&recording, "7", &["1", "2"], false).await.expect("recorded").text, "taught");
        assert_eq!(ask(&recording, "7", &[], true).await.expect("recorded").text, "both");
        let error = ask(&recording, "7", &["2", "1"], false).await.expect_err("another order").to_string();
        assert!(error.contains("recorded.csv") && error.contains("2;1"), "{error}");
        assert!(recording.is_priced() && !recording.has("latency_ms"));
    }

    #[test]
    fn bad_row_errors_name_line_and_field() {
        for (csv, line, what) in [
            ("item_id,text\n1,a\n,b\n", 3, "item_id"),
            ("item_id,confidence\n1,0.5\n", 2, "field `text`: missing"),
            ("item_id,text,latency_ms\n1,a,-3\n", 2, "latency_ms"),
            ("item_id,text,confidence\n1,a,0.5\n2,b,\n", 3, "confidence"),
            ("item_id,text,confidence\n1,a,1.5\n", 2, "from 0 to 1"),
            ("item_id,text,fee_usd\n1,a,-1\n", 2, "fee_usd"),
            ("item_id,text,input_tokens\n1,a,many\n", 2, "`many`"),
            ("item_id,text\n1,a\n1,b\n", 3, "two answers"),
        ] {
            let error = format!("{:#}", read(csv).expect_err(what));
            assert!(error.contains(&format!("recorded.csv: line {line}")) && error.contains(what), "{error}");
        }
        let error = format!("{:#}", read("item_id,text,model\n1,a,other\n").expect_err("another model's"));
        assert!(error.contains("no answers of a model `m`"), "{error}");
    }
}
