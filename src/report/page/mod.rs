//! `report.html`: a run's figures, tables and single items in one file that needs no network. The template, the script
//! and the style are in `assets/`; everything that comes from data is escaped, or is data that the script shows as text.

mod columns;
mod rows;
mod sections;
mod texts;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use self::rows::{Items, Rows};
use self::sections::{PageTable, sections};
pub use self::texts::CallTexts;
use self::texts::{PER_CHUNK, Texts};
use super::figures::Figure;
use super::template::rendered;
use crate::analysis::metrics::Comparison;
use crate::types::arm::Arm;
use crate::types::chat::{CallKey, Message};
use crate::types::escaped::escaped;
use crate::types::item::ItemId;
use crate::types::level::Level;
use crate::types::record::Purpose;

/// The page's file name.
pub const FILE: &str = "report.html";

const TEMPLATE: &str = include_str!("assets/report.html");
const STYLE: &str = include_str!("assets/report.css");
/// The script: its parts in the order in which they need each other.
const SCRIPT: &str = concat!(
    include_str!("assets/script/text.js"),
    "\n",
    include_str!("assets/script/data.js"),
    "\n",
    include_str!("assets/script/table.js"),
    "\n",
    include_str!("assets/script/static.js"),
    "\n",
    include_str!("assets/script/item.js"),
    "\n",
    include_str!("assets/script/items.js"),
    "\n",
    include_str!("assets/script/strategies.js"),
    "\n",
    include_str!("assets/script/compare.js"),
    "\n",
    include_str!("assets/script/main.js"),
);

/// Data that the browser decodes when it needs them: base64 of gzip.
#[derive(Debug, Serialize)]
struct Block {
    id: String,
    data: String,
}

/// A strategy as stored in a run's folder.
#[derive(Debug, Clone)]
pub struct SavedText {
    /// Arm whose repository holds it.
    pub arm: Arm,
    /// Zero-based index of the order.
    pub order: usize,
    /// Threshold λ of the cell. `None` for an arm without a threshold.
    pub threshold: Option<f64>,
    /// Position of the source item; negative for a calibration item.
    pub position: i64,
    /// Source item.
    pub source: ItemId,
    /// Group of the source item.
    pub group: String,
    /// Text in the prompts of later queries.
    pub text: String,
}

/// Question and gold answer of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Question with its options.
    pub text: String,
    /// Gold answer in the form of answers in records. `None` if there is no answer.
    pub target: Option<String>,
}

/// Questions by item.
pub type Questions = BTreeMap<ItemId, Question>;

/// Contents of a page.
pub struct PageContents<'a> {
    /// Name of the run.
    pub name: &'a str,
    /// Lines that describe the run.
    pub setting: &'a [String],
    /// Lines of the recommendation.
    pub headline: &'a [String],
    /// The summary as Markdown. Its tables and texts are shown.
    pub summary: &'a str,
    /// Figures.
    pub figures: &'a [Figure],
    /// Arms with their records.
    pub comparison: &'a Comparison<'a>,
    /// Model of the weak and of the strong level.
    pub models: [&'a str; 2],
    /// Confidence signal. `None` if no arm uses one.
    pub signal: Option<&'a str>,
    /// Strategies with their texts.
    pub strategies: &'a [SavedText],
    /// Texts of calls. `None` if no journal is at hand.
    pub texts: Option<&'a dyn CallTexts>,
    /// Questions by item. `None` if they may not be shown, or if the data set is not at hand.
    pub questions: Option<&'a Questions>,
    /// True if texts that contain questions may be shown: prompts and strategies.
    pub shows_prompts: bool,
    /// Sentences on what the page lacks.
    pub missing: &'a [String],
    /// Config as TOML.
    pub config: &'a str,
    /// Versions, checksums and other facts on how the run was made, by name.
    pub environment: &'a [(String, String)],
}

/// Prompt as sent to a model.
#[derive(Debug, Serialize)]
struct SentPrompt {
    title: String,
    messages: Vec<Message>,
}

/// Returns the page as HTML.
///
/// # Errors
/// If a text cannot be read from the journal.
pub fn html(contents: &PageContents) -> Result<Vec<u8>> {
    let mut texts = Texts::default();
    let mut items = Items::new(contents.comparison);
    // Questions come first, so that a search decodes few chunks.
    items.add_questions(contents.questions, &mut texts)?;
    let mut rows = Rows::new(contents.comparison, items, &mut texts, contents.texts)?;
    let strategies = rows.strategies(contents.strategies, &mut texts, contents.shows_prompts)?;
    let items = rows.items.block(contents.questions, &mut texts)?;
    let mut meta = rows.meta();
    let [weak, strong] = contents.models;
    for (key, value) in [
        ("weak", json!(weak)),
        ("strong", json!(strong)),
        ("signal", json!(contents.signal)),
        ("texts", json!(texts.count())),
        ("texts_per_chunk", json!(PER_CHUNK)),
        ("chunks", json!(texts.count().div_ceil(u32::try_from(PER_CHUNK)?))),
        ("has_questions", json!(contents.questions.is_some())),
        ("currency", json!("USD")),
    ] {
        meta[key] = value;
    }
    let mut blocks = rows.blocks()?;
    blocks.extend([items, strategies]);
    let mut missing = contents.missing.to_vec();
    missing.extend(texts.left_out());
    blocks.extend(texts.into_chunks()?);
    let summary = sections(contents.summary);
    let context = TemplateContext {
        style: STYLE,
        script: SCRIPT,
        script_hash: STANDARD.encode(Sha256::digest(SCRIPT)),
        name: contents.name,
        program: concat!("intercascade ", env!("CARGO_PKG_VERSION")),
        setting: contents.setting,
        notes: summary.cautions,
        missing,
        headline: contents.headline,
        figures: contents.figures.iter().map(EmbeddedFigure::of).collect(),
        tables: summary.tables,
        config: contents.config,
        environment: contents.environment,
        prompts: prompts(contents)?,
        meta_json: inert_json(&meta)?,
        blocks,
    };
    // Characters that are invisible or reorder text are in no block, and only escaped in the facts.
    Ok(escaped(&rendered(FILE, TEMPLATE, &context)?).into_owned().into_bytes())
}

/// Values of the template.
#[derive(Serialize)]
struct TemplateContext<'a> {
    style: &'static str,
    script: &'static str,
    /// Base64 of the script's SHA-256: the page's policy permits this script and no other.
    script_hash: String,
    name: &'a str,
    program: &'static str,
    setting: &'a [String],
    notes: Vec<String>,
    missing: Vec<String>,
    headline: &'a [String],
    figures: Vec<EmbeddedFigure<'a>>,
    tables: Vec<PageTable>,
    config: &'a str,
    environment: &'a [(String, String)],
    prompts: Vec<SentPrompt>,
    meta_json: String,
    blocks: Vec<Block>,
}

/// A figure as a data URI.
#[derive(Serialize)]
struct EmbeddedFigure<'a> {
    name: &'a str,
    title: &'a str,
    description: &'a str,
    src: String,
}

impl<'a> EmbeddedFigure<'a> {
    fn of(figure: &'a Figure) -> Self {
        Self { name: figure.name, title: &figure.title, description: &figure.description, src: figure.data_uri() }
    }
}

/// JSON in ASCII that cannot end the script element that holds it.
fn inert_json(value: &Value) -> Result<String> {
    let mut text = String::new();
    for unit in serde_json::to_string(value)?.encode_utf16() {
        match u8::try_from(unit).map(char::from) {
            Ok(letter @ (' '..='~')) if letter != '<' => text.push(letter),
            _ => write!(text, "\\u{unit:04x}")?,
        }
    }
    Ok(text)
}

/// The first prompt of each arm and level, without and with strategies. Equal prompts of several arms are shown once.
fn prompts(contents: &PageContents) -> Result<Vec<SentPrompt>> {
    let (Some(store), true) = (contents.texts, contents.shows_prompts) else { return Ok(Vec::new()) };
    let mut prompts = Vec::new();
    let mut known: BTreeSet<CallKey> = BTreeSet::new();
    for slice in &contents.comparison.slices {
        for (level, model) in [Level::FIRST, slice.top].into_iter().zip(contents.models) {
            for with_strategies in [false, true] {
                let records = slice.outcomes.iter().map(|outcome| outcome.record());
                let mut records = records.filter(|record| record.strategies_used.is_empty() != with_strategies);
                let key = records.find_map(|record| {
                    let mut answers = record.calls.iter().filter(|call| call.purpose == Purpose::Answer);
                    answers.find(|call| call.level == Some(level))?.journal_key
                });
                let Some(key) = key.filter(|key| known.insert(*key)) else { continue };
                let Some(request) = store.request(&key)?.filter(|request| !request.is_empty()) else { continue };
                let request: Value = serde_json::from_str(&request)?;
                let messages = serde_json::from_value(request["messages"].clone())?;
                let strategies = if with_strategies { ", with strategies" } else { "" };
                prompts.push(SentPrompt { title: format!("{}, {model}{strategies}", slice.cell.arm), messages });
            }
        }
    }
    Ok(prompts)
}
