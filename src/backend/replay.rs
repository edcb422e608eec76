//! Recorded answers in the place of a model: a table of somebody's outputs, or the answers of a journal. What is not
//! there is an error that names it; nothing is ever called, and nothing is ever spent.

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
use crate::tables::{self, Wanted};
use crate::types::canonical::canonical;
use crate::types::chat::{self, CallKey, Request, Response, Usage};
use crate::types::item::ItemId;
use crate::types::model::{Capabilities, Model, ModelError};
use crate::types::recorded::RecordedCalls;

/// The settings of recorded answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplaySettings {
    /// The model's name in the recording; `None` for the entry's.
    pub model: Option<String>,
    /// A table of recorded answers (.jsonl, .csv, .parquet); `None` for the answers of journals.
    pub recording: Option<PathBuf>,
}

impl ReplaySettings {
    /// The keys of this backend.
    pub const KEYS: &'static [&'static str] = &["model", "recording"];

    /// The settings of an entry.
    #[must_use]
    pub fn read(raw: &RawEntry) -> Self {
        Self { model: raw.model.clone(), recording: raw.recording.clone() }
    }
}

impl BackendSettings for ReplaySettings {
    fn capabilities(&self) -> Capabilities {
        // A table holds none; what a journal holds is seen when it is read.
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

/// The answers under a model's name: those of a recording if there is one, else those of the journal.
///
/// # Errors
/// If the journal cannot be read.
pub fn model(
    name: &str,
    recording: Option<&Arc<Recording>>,
    journal: &Arc<dyn RecordedCalls>,
) -> Result<Arc<dyn Model>> {
    Ok(match recording {
        Some(recording) => Arc::<Recording>::clone(recording),
        None => Arc::new(Replay::of(name, Arc::clone(journal))?),
    })
}

/// A row of a recording.
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

/// The columns that are read.
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

/// What an answer is looked up by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct CallContext {
    item: ItemId,
    /// The source items of the strategies shown, `;`-joined.
    strategies: String,
    distil: bool,
}

/// A table of recorded answers of one model.
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    sha256: String,
    columns: BTreeSet<String>,
    answers: HashMap<CallContext, Response>,
}

impl Recording {
    /// Reads the answers of `model` from a table with `item_id` and `text` and, where known, `confidence`,
    /// `input_tokens`, `output_tokens`, `fee_usd`, `latency_ms`; `model` where the table holds several; `strategies` (the
    /// source items shown, `;`-joined) and `distil` where it holds answers to prompts with strategies and for them.
    ///
    /// # Errors
    /// Names the file, the line and what is wrong.
    pub fn read(path: &Path, model: &str) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read the recording {}", path.display()))?;
        // A model may have answered with nothing, which is an answer all the same.
        let (rows, columns) = tables::read(path, Wanted { columns: &COLUMNS, empty: &["text"] })?;
        let mut answers = HashMap::new();
        for (line, fields) in rows {
            let at = || format!("{}: line {line}", path.display());
            let (asked, row) = parsed(fields).with_context(at)?;
            if row.model.as_ref().is_some_and(|name| name != model) {
                continue;
            }
            let item = asked.item.clone();
            if answers.insert(asked, row.response(&columns, model).with_context(at)?).is_some() {
                bail!("{}: item `{item}` is answered twice in the same way", at());
            }
        }
        if answers.is_empty() {
            bail!("{} holds no answers of a model `{model}`", path.display());
        }
        Ok(Self { path: path.to_owned(), sha256: hex::encode(Sha256::digest(bytes)), columns, answers })
    }

    /// The file's checksum, in hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Whether each answer comes with this.
    #[must_use]
    pub fn has(&self, column: &str) -> bool {
        self.columns.contains(column)
    }

    /// The answer to an item with these source items of strategies shown, with a strategy or without; `None` if the table
    /// has none.
    #[must_use]
    pub fn answer(&self, item: &ItemId, strategies: &[ItemId], distil: bool) -> Option<&Response> {
        let sources: Vec<&str> = strategies.iter().map(|source| &*source.0).collect();
        self.answers.get(&CallContext { item: item.clone(), strategies: sources.join(";"), distil })
    }

    /// Whether its answers have fees, recorded or told from their tokens.
    #[must_use]
    pub fn is_priced(&self) -> bool {
        self.has("fee_usd") || (self.has("input_tokens") && self.has("output_tokens"))
    }
}

/// A row with numbers for texts, as CSV has them, and the other way round for ids.
fn parsed(mut fields: Map<String, Value>) -> Result<(CallContext, Row)> {
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
        None => bail!("field `text`: missing; an answer of length zero is an empty text"),
    }
    for name in ["confidence", "input_tokens", "output_tokens", "fee_usd", "latency_ms", "distil"] {
        if let Some(Value::String(text)) = fields.get(name) {
            let value = serde_json::from_str(&text.to_lowercase());
            let value = value.map_err(|_| anyhow!("field `{name}`: `{text}` is no number, true or false"))?;
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
    /// The answer; what one row has, every row must have.
    fn response(self, columns: &BTreeSet<String>, model: &str) -> Result<Response> {
        let told = [
            ("confidence", self.confidence.is_some()),
            ("input_tokens", self.input_tokens.is_some()),
            ("output_tokens", self.output_tokens.is_some()),
            ("fee_usd", self.fee_usd.is_some()),
        ];
        if let Some((name, _)) = told.iter().find(|(name, here)| !here && columns.contains(*name)) {
            bail!("field `{name}`: missing here, and other rows have it");
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
            let with = if sources.is_empty() {
                String::new()
            } else {
                format!(" with the strategies of {}", sources.join(";"))
            };
            let distil = if distil { " together with a strategy" } else { "" };
            ModelError::Refused(format!("the recording {} holds no answer to it{with}{distil}", self.path.display()))
        })
    }
}

/// The answers of journals under a model's name, whatever backend gave them.
pub struct Replay {
    journal: Arc<dyn RecordedCalls>,
    /// By what was asked.
    answers: HashMap<[u8; 32], CallKey>,
}

impl Replay {
    /// The answers of `model` in the journal and those that it looks into; reads its requests at once.
    ///
    /// # Errors
    /// Where a journal cannot be read.
    pub fn of(model: &str, journal: Arc<dyn RecordedCalls>) -> Result<Self> {
        let mut answers = HashMap::new();
        for (key, request) in journal.requests(model)? {
            let asked = without_identity(&request).with_context(|| format!("call {key}"))?;
            answers.entry(asked).or_insert(key);
        }
        Ok(Self { journal, answers })
    }
}

/// The hash of a canonical request, whoever answers it.
fn without_identity(canonical: &str) -> Result<[u8; 32]> {
    let mut asked: Map<String, Value> = serde_json::from_str(canonical)?;
    asked.remove("identity");
    Ok(Sha256::digest(Value::Object(asked).to_string()).into())
}

#[async_trait]
impl Model for Replay {
    async fn call(&self, request: &Request) -> Result<Response, ModelError> {
        let broken = |error: anyhow::Error| ModelError::Unavailable(format!("the journal failed: {error:#}"));
        let asked = without_identity(&canonical(Value::Null, request)).map_err(broken)?;
        let found = match self.answers.get(&asked) {
            Some(key) => self.journal.answer(key).await.map_err(broken)?,
            None => None,
        };
        found.ok_or_else(|| {
            ModelError::Refused("no journal holds an answer to it, and backend `replay` makes no call".to_owned())
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
        let wanted = if distil { RequestKind::AnswerAndStrategy } else { RequestKind::Answer };
        let mode = Mode::Generate(Generation { max_tokens: 1, ..Generation::default() });
        let strategies = strategies.iter().map(|source| (*source).into()).collect();
        recording.call(&Request { item: item.into(), messages: vec![], mode, wanted, draw: 0, strategies }).await
    }

    #[tokio::test]
    async fn answers_are_found_by_item_and_what_was_shown() {
        let recording = read(
            "item_id,model,text,confidence,fee_usd,strategies,distil\n7,m,seven,0.5,0.01,,\n7,other,no,0.1,0.1,,\n\
             7,m,taught,0.9,0.02,1;2,\n7,m,both,0.9,0.03,,TRUE\n",
        )
        .expect("good rows");
        let plain = ask(&recording, "7", &[], false).await.expect("there");
        assert_eq!((plain.text.as_str(), plain.confidence, plain.fee_usd), ("seven", Some(0.5), Some(0.01)));
        assert_eq!(ask(&recording, "7", &["1", "2"], false).await.expect("there").text, "taught");
        assert_eq!(ask(&recording, "7", &[], true).await.expect("there").text, "both");
        let error = ask(&recording, "7", &["2", "1"], false).await.expect_err("another order").to_string();
        assert!(error.contains("recorded.csv") && error.contains("2;1"), "{error}");
        assert!(recording.is_priced() && !recording.has("latency_ms"));
    }

    #[test]
    fn bad_rows_are_told_with_their_line_and_field() {
        for (csv, line, what) in [
            ("item_id,text\n1,a\n,b\n", 3, "item_id"),
            ("item_id,confidence\n1,0.5\n", 2, "field `text`: missing"),
            ("item_id,text,latency_ms\n1,a,-3\n", 2, "latency_ms"),
            ("item_id,text,confidence\n1,a,0.5\n2,b,\n", 3, "confidence"),
            ("item_id,text,confidence\n1,a,1.5\n", 2, "from 0 to 1"),
            ("item_id,text,fee_usd\n1,a,-1\n", 2, "fee_usd"),
            ("item_id,text,input_tokens\n1,a,many\n", 2, "`many`"),
            ("item_id,text\n1,a\n1,b\n", 3, "twice"),
        ] {
            let error = format!("{:#}", read(csv).expect_err(what));
            assert!(error.contains(&format!("recorded.csv: line {line}")) && error.contains(what), "{error}");
        }
        let error = format!("{:#}", read("item_id,text,model\n1,a,other\n").expect_err("another model's"));
        assert!(error.contains("no answers of a model `m`"), "{error}");
    }
}
