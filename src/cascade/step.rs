//! The algorithm on one screen: `step` takes one item through one arm. Standard cascade, Inter-Cascade and the
//! controls differ only in the values of [`Arm`]. Method: arXiv 2509.22984, as far as docs/METHODOLOGY.md says.

use super::arm::{Arm, Deferral};
use super::ranking::{Ranked, Ranking};
use super::repository::Repository;
use crate::model::ModelError;
use crate::model::journal::{CallKey, Journaled};
use crate::retrieval::Embedded;
use crate::task::Task;
use crate::task::confidence::{NoConfidence, Signal};
use crate::task::prompt::{self, Style};
use crate::types::chat::{Mode, Request, Response, Usage};
use crate::types::item::Item;
use crate::types::record::{Call, CellKey, Graded, Purpose, Record, Strategy, WeakAnswer};
use crate::types::seed::Seed;

const WEAK: usize = 0;
const STRONG: usize = 1;

/// A model's place in the cascade.
pub struct Level {
    /// Its name in the config.
    pub name: String,
    /// The model behind the journal.
    pub model: Journaled,
    /// How it is addressed.
    pub style: Style,
    /// The most tokens of an answer.
    pub max_tokens: u32,
    /// Sampling temperature.
    pub temperature: f64,
    /// Whether it computes the expressions that it writes.
    pub calculator: bool,
}

/// What all cells of a run share.
pub struct Setup {
    /// The data set's name.
    pub dataset: String,
    /// Its kind of question.
    pub task: Task,
    /// Its items.
    pub items: Vec<Item>,
    /// Each item's embedding; empty where no arm learns.
    pub embeddings: Vec<Embedded>,
    /// The embedder's name.
    pub embedder: String,
    /// The weak level.
    pub weak: Level,
    /// The strong level.
    pub strong: Level,
    /// How the weak level's confidence is read.
    pub signal: Signal,
    /// λ.
    pub threshold: f64,
    /// Strategies shown at most.
    pub k: usize,
    /// Cosine below which the walk over a similarity ranking ends.
    pub min_similarity: f64,
    /// The run's seed.
    pub seed: Seed,
}

/// One arm over one order of the stream.
pub struct Cell {
    /// The arm.
    pub arm: Arm,
    /// The order's number.
    pub order: usize,
    /// At each position of the stream, the item's index.
    pub stream: Vec<usize>,
}

/// Why an item could not be taken through its arm.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// A call gave no answer.
    #[error("item `{item}`, model `{model}`")]
    Call {
        /// The item.
        item: String,
        /// The model's name in the config.
        model: String,
        /// What happened.
        source: ModelError,
    },
    /// The weak answer has no confidence.
    #[error(
        "item `{item}`, model `{model}`: {missing}, and the signal `{signal}` needs them: choose a model that gives them or another deferral.signal"
    )]
    Confidence {
        /// The item.
        item: String,
        /// The model's name in the config.
        model: String,
        /// The signal's name.
        signal: &'static str,
        /// What is missing.
        missing: NoConfidence,
    },
}

/// What a step leaves: its record, and what it adds to the repository.
pub struct Step {
    /// The row.
    pub record: Record,
    /// The strategy, where the item was deferred in a learning arm and its strategy can be read.
    pub strategy: Option<Strategy>,
}

/// Takes the item at `position` of the cell's stream through the cell's arm. `picked` are the strategies to show.
///
/// # Errors
/// Where a call gave no usable answer; nothing is scored then.
pub async fn step(
    setup: &Setup,
    cell: &Cell,
    position: usize,
    picked: &[Ranked],
    repository: &Repository,
) -> Result<Step, StepError> {
    let item = &setup.items[cell.stream[position]];
    let learns = cell.arm.learning().is_some();
    let shown: Vec<&Strategy> = picked.iter().filter_map(|ranked| repository.strategy(ranked.position)).collect();
    let mut calls = Vec::new();
    if learns {
        calls.push(setup.embed_call(cell.stream[position]));
    }

    let weak = match cell.arm.deferral() {
        Deferral::Always => None,
        Deferral::Never | Deferral::BelowThreshold => Some(setup.ask_weak(item, &shown, &mut calls).await?),
    };
    let deferred = match (cell.arm.deferral(), &weak) {
        (Deferral::BelowThreshold, Some(weak)) => weak.confidence < setup.threshold,
        (deferral, _) => deferral == Deferral::Always,
    };
    let strong = if deferred { Some(setup.ask_strong(item, learns, &mut calls).await?) } else { None };
    let (strong, strategy) = strong.unzip();

    let graded = match (strong, &weak) {
        (Some(strong), _) => strong,
        (None, Some(weak)) => weak.graded.clone(),
        (None, None) => unreachable!("an arm that does not ask the weak level defers"),
    };
    let record = Record {
        cell: setup.key(cell),
        item_id: item.id.clone(),
        group: item.group.clone(),
        position,
        strategies_used: shown.iter().map(|strategy| strategy.source.clone()).collect(),
        strategy_groups: shown.iter().map(|strategy| strategy.group.clone()).collect(),
        similarity_max: picked.iter().map(|ranked| ranked.similarity).max_by(f64::total_cmp),
        weak,
        deferred,
        answering_level: if deferred { STRONG } else { WEAK },
        graded,
        repository_size: repository.size(),
        calls,
    };
    Ok(Step { record, strategy: strategy.flatten() })
}

/// What the arm shows at `position`, or none while an item that the walk meets is undecided.
#[must_use]
pub fn select(setup: &Setup, cell: &Cell, position: usize, repository: &Repository) -> Option<Vec<Ranked>> {
    let Some(selection) = cell.arm.learning() else { return Some(Vec::new()) };
    let ranking = Ranking {
        selection,
        items: &setup.items,
        embeddings: &setup.embeddings,
        stream: &cell.stream,
        seed: setup.seed,
        order: cell.order,
    };
    let least = (selection == super::arm::Selection::Nearest).then_some(setup.min_similarity);
    repository.pick(&ranking.earlier(position), setup.k, least)
}

impl Setup {
    fn key(&self, cell: &Cell) -> CellKey {
        let gated = cell.arm.deferral() == Deferral::BelowThreshold;
        CellKey {
            dataset: self.dataset.clone(),
            arm: cell.arm.name().to_owned(),
            order: cell.order,
            threshold: gated.then_some(self.threshold),
        }
    }

    async fn ask_weak(&self, item: &Item, shown: &[&Strategy], calls: &mut Vec<Call>) -> Result<WeakAnswer, StepError> {
        let level = &self.weak;
        let texts: Vec<&str> = shown.iter().map(|strategy| strategy.text.as_str()).collect();
        let scored = self.signal == Signal::OptionProbability;
        let mode = if scored { Mode::Score { options: item.options.clone() } } else { level.generate(true) };
        let messages = prompt::answer(level.style, self.task, item, &texts, !scored);
        let request = Request { item: item.id.clone(), messages, mode, distil: false, draw: 0 };
        let (key, response) = level.call(item, &request).await?;
        let confidence = self.signal.read(&response).map_err(|missing| StepError::Confidence {
            item: item.id.to_string(),
            model: level.name.clone(),
            signal: self.signal.name(),
            missing,
        })?;
        let call = level.row(WEAK, Purpose::Answer, response.usage, &response, &key);
        calls.push(Call { confidence: Some(confidence), ..call });
        Ok(WeakAnswer { graded: Task::grade(item, &response, &response.text), confidence })
    }

    async fn ask_strong(
        &self,
        item: &Item,
        distil: bool,
        calls: &mut Vec<Call>,
    ) -> Result<(Graded, Option<Strategy>), StepError> {
        let level = &self.strong;
        let messages = if distil {
            prompt::answer_and_distil(self.task, item)
        } else {
            prompt::answer(level.style, self.task, item, &[], true)
        };
        let request = Request { item: item.id.clone(), messages, mode: level.generate(false), distil, draw: 0 };
        let (key, response) = level.call(item, &request).await?;
        let (text, strategy) =
            if distil { prompt::split_strategy(&response.text) } else { (response.text.as_str(), None) };
        let written = output_before(&response, text.len());
        let answering = Usage { output: written, ..response.usage };
        calls.push(level.row(STRONG, Purpose::Answer, answering, &response, &key));
        if distil {
            let distilling = Usage { input: 0, cached_input: 0, output: response.usage.output - written };
            let row = level.row(STRONG, Purpose::Distil, distilling, &response, &key);
            calls.push(Call { latency_ms: 0.0, ..row });
        }
        let graded = Task::grade(item, &response, text);
        let strategy = strategy.map(|text| Strategy {
            source: item.id.clone(),
            group: item.group.clone(),
            text: text.to_owned(),
            model: level.name.clone(),
            source_score: graded.score,
        });
        Ok((graded, strategy))
    }

    fn embed_call(&self, index: usize) -> Call {
        Call {
            level: None,
            model: self.embedder.clone(),
            purpose: Purpose::Embed,
            usage: Usage { input: self.embeddings[index].tokens, ..Usage::default() },
            confidence: None,
            latency_ms: 0.0,
            answered_by: None,
            journal_key: None,
            journal_hit: false,
        }
    }
}

impl Level {
    fn generate(&self, logprobs: bool) -> Mode {
        Mode::Generate {
            max_tokens: self.max_tokens,
            temperature: self.temperature,
            stop: prompt::stops(self.style),
            logprobs,
            calculator: self.calculator,
        }
    }

    async fn call(&self, item: &Item, request: &Request) -> Result<(CallKey, Response), StepError> {
        self.model.call(request).await.map_err(|source| StepError::Call {
            item: item.id.to_string(),
            model: self.name.clone(),
            source,
        })
    }

    fn row(&self, level: usize, purpose: Purpose, usage: Usage, response: &Response, key: &CallKey) -> Call {
        Call {
            level: Some(level),
            model: self.name.clone(),
            purpose,
            usage,
            confidence: None,
            latency_ms: response.latency_ms,
            answered_by: Some(response.model.clone()),
            journal_key: Some(key.0.clone()),
            journal_hit: false,
        }
    }
}

/// How many of the output tokens lie before byte `end` of the text. Exact where the backend tells the tokens; else
/// the tokens are shared out by bytes. Hidden tokens (reasoning) count as the answer's.
fn output_before(response: &Response, end: usize) -> u64 {
    let text = response.text.len();
    if end >= text {
        return response.usage.output;
    }
    let after = if response.tokens.is_empty() {
        let output = u128::from(response.usage.output);
        u64::try_from(output * (text - end) as u128 / text as u128).unwrap_or(response.usage.output)
    } else {
        let mut seen = 0;
        let before = response.tokens.iter().take_while(|token| {
            seen += token.text.len();
            seen <= end
        });
        (response.tokens.len() - before.count()) as u64
    };
    response.usage.output.saturating_sub(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::chat::{Finish, Token};

    fn response(pieces: &[&str], output: u64) -> Response {
        let token = |text: &&str| Token { text: (*text).to_owned(), logprob: None, forced: false };
        Response {
            text: "#### 4\nSTRATEGY:\nAdd them".into(),
            tokens: pieces.iter().map(token).collect(),
            option_logprobs: Vec::new(),
            usage: Usage { input: 1, cached_input: 0, output },
            finish: Finish::Stop,
            model: "m".into(),
            latency_ms: 0.0,
        }
    }

    #[test]
    fn output_is_parted_at_the_mark() {
        let answer = "#### 4\n".len();
        let told = response(&["####", " 4\n", "STRATEGY", ":\n", "Add", " them"], 6);
        assert_eq!(output_before(&told, answer), 2);
        let reasoned = response(&["####", " 4\n", "STRATEGY", ":\n", "Add", " them"], 26);
        assert_eq!(output_before(&reasoned, answer), 22, "hidden tokens belong to the answer");
        let untold = response(&[], 50);
        assert_eq!(output_before(&untold, answer), 50 - 50 * 18 / 25);
        assert_eq!(output_before(&untold, 25), 50, "no mark, no strategy");
    }
}
