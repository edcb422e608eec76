//! Three levels through `step`, one item after the other: the level at which each item stops, the requests to each
//! level, their fees, and the output tables. Configs have two levels; the library supports any number.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use intercascade::analysis::metrics::{Prices, Slice, fee_rows, slices};
use intercascade::cascade::answer::ConfidenceEstimator;
use intercascade::cascade::experiment::{Cells, collect_outcomes};
use intercascade::cascade::gate::{DeferralGate, WithoutExample};
use intercascade::cascade::level::{LevelModel, Levels};
use intercascade::cascade::repository::RetrievalRule;
use intercascade::cascade::schedule::run_sequentially;
use intercascade::cascade::setup::ExperimentContext;
use intercascade::cascade::teach::{Distil, TeachingPolicy};
use intercascade::config::prompts;
use intercascade::gateway::concurrency::{ConcurrencyLimiter, QueueSettings};
use intercascade::gateway::journal::Journal;
use intercascade::gateway::{AnswerSource, Gateway, ModelService, Retries};
use intercascade::report::read;
use intercascade::report::tables::{OF_STREAM, of_records};
use intercascade::retrieval::hashed;
use intercascade::task::calculations::AtLeast;
use intercascade::task::confidence::Signal;
use intercascade::task::{Grader, Task};
use intercascade::types::arm::{Arm, Content};
use intercascade::types::chat::{Request, RequestKind, Response, Token, Usage};
use intercascade::types::item::{Item, Target};
use intercascade::types::level::Level;
use intercascade::types::model::{Identity, Model, ModelError};
use intercascade::types::price::Price;
use intercascade::types::record::{LevelAnswer, Record};
use intercascade::types::seed::Seed;
use serde_json::json;

const NAMES: [&str; 3] = ["small", "medium", "large"];
/// Confidence of the two lower levels for each item. The first item stops at the first level, the second at the second
/// level, and the others reach the top.
const SURE: [[f64; 2]; 4] = [[0.9, 0.1], [0.2, 0.8], [0.2, 0.3], [0.4, 0.5]];
/// Thresholds of the two lower levels.
const THRESHOLDS: [f64; 2] = [0.5, 0.6];

/// Level and prompt of each call.
type Prompts = Arc<Mutex<Vec<(usize, String)>>>;

/// Model that answers with the index of its level, with the confidence in [`SURE`].
struct Scripted {
    level: usize,
    prompts: Prompts,
}

#[async_trait]
impl Model for Scripted {
    async fn call(&self, request: &Request) -> Result<Response, ModelError> {
        let prompt: String = request.messages.iter().map(|message| message.content.as_str()).collect();
        self.prompts.lock().expect("no panic").push((self.level, prompt));
        let item: usize = request.item.0.parse().expect("a number");
        let strategy = format!("\nSTRATEGY:\nNote on {item}.");
        let strategy = if request.wanted == RequestKind::AnswerAndStrategy { &strategy } else { "" };
        let text = format!("#### {}{strategy}", self.level);
        let logprob = SURE[item].get(self.level).map(|sure| sure.ln());
        let tokens = vec![Token { text: text.clone(), logprob, ..Token::default() }];
        let usage = Usage { input: 10 * (self.level as u64 + 1), cached_input: 0, output: 2 };
        Ok(Response { text, tokens, usage, model: NAMES[self.level].to_owned(), ..Response::default() })
    }
}

/// Builds a cascade of three levels with a journal in `folder`, and a log of the prompts that the levels receive.
fn setup(folder: &std::path::Path) -> (ExperimentContext, Prompts) {
    let journal = Arc::new(Journal::open(&folder.join("journal.sqlite")).expect("a journal"));
    let limiter = ConcurrencyLimiter::new(1);
    let prompts = prompts::Prompts::near(None).expect("good files");
    let prompt_log = Arc::new(Mutex::new(Vec::new()));
    let level = |level: usize| {
        let name = NAMES[level];
        let model: Arc<dyn Model> = Arc::new(Scripted { level, prompts: Arc::clone(&prompt_log) });
        let identity = Identity { fixed: json!({ "name": name }), per_item: false };
        let line = limiter.add_queue(QueueSettings { cap: 1, local: false, probed: false });
        let retries = Retries { most: 0, first_wait: Duration::ZERO, longest_wait: Duration::ZERO };
        let served = ModelService { name: name.to_owned(), identity, source: AnswerSource::Model(model) };
        LevelModel {
            name: name.into(),
            model: Gateway::new(served, Arc::clone(&journal), (Arc::clone(&limiter), line), retries),
            prompt: prompts.find("chat", Task::Math).expect("there").clone(),
            max_tokens: 9,
            temperature: 0.0,
            calculator: false,
        }
    };
    let item = |i: usize| Item {
        id: i.to_string().into(),
        group: i.to_string().into(),
        query: format!("How much is problem {i}?"),
        options: Vec::new(),
        target: Target::Number("2".into()),
        solution: None,
        subject: None,
    };
    let items: Arc<[Item]> = (0..SURE.len()).map(item).collect();
    let setup = ExperimentContext {
        dataset: "d".into(),
        grader: Grader::usual(Task::Math),
        embeddings: items.iter().map(|item| hashed::embed(&item.query)).collect(),
        items,
        embedder: "hashed-words".into(),
        levels: Levels::new(vec![level(0), level(1)], level(2)),
        estimator: Some(ConfidenceEstimator {
            signal: Signal::MeanTokenProbability,
            quantile: 0.1,
            draws: 2,
            draw_temperature: 0.7,
        }),
        rule: RetrievalRule { k: 1, min_similarity: -1.0, exclude_same_group: false },
        reuse_from: 0.99,
        without_example: WithoutExample::Ask,
        fixed_example: None,
        teaching: TeachingPolicy {
            content: Some(Content::Strategy),
            distil: Distil::SameCall,
            store: Vec::new(),
            confident_from: 0.5,
            checked_at_least: AtLeast::Count(0),
            verify_temperature: 0.7,
            majority_draws: 3,
            top_level_examples: false,
            max_tokens: None,
        },
        seed: Seed(1),
    };
    (setup, prompt_log)
}

/// Runs the items through the given arms; returns the records and the prompts.
fn run(arms: &[Arm]) -> (Vec<Record>, Vec<(usize, String)>) {
    let folder = tempfile::tempdir().expect("a folder");
    let (setup, prompt_log) = setup(folder.path());
    let gates: Arc<[DeferralGate]> = THRESHOLDS
        .map(|threshold| DeferralGate { threshold, recalibration: None, checks: Arc::from([]) })
        .into_iter()
        .collect();
    let cells = Cells {
        arms: arms.iter().map(|arm| (*arm, vec![Arc::clone(&gates)])).collect(),
        orders: vec![(0..SURE.len()).collect()],
        warmup: Arc::new([]),
        only: None,
    };
    let streams = cells.streams(&setup);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let outcomes = runtime.block_on(run_sequentially(&setup, &streams, |_| ())).expect("every call is answered");
    let prompts = prompt_log.lock().expect("no panic").clone();
    (collect_outcomes(&streams, outcomes.into_iter().map(Ok).collect()).records, prompts)
}

/// Levels that each record called; the flag is true if the level deferred.
fn path(record: &Record) -> Vec<(usize, bool)> {
    record.levels.iter().map(|answer| (answer.level.index(), answer.deferred)).collect()
}

#[test]
fn items_stop_at_the_first_level_above_its_threshold() {
    let (records, prompts) = run(&[Arm::Cascade]);
    let paths: Vec<_> = records.iter().map(path).collect();
    let to_the_top = vec![(0, true), (1, true), (2, false)];
    assert_eq!(paths, [vec![(0, false)], vec![(0, true), (1, false)], to_the_top.clone(), to_the_top]);
    for (record, sure) in records.iter().zip(SURE) {
        let last = record.levels.last().expect("a level");
        assert_eq!((record.answering_level, &record.graded), (Some(last.level), &last.graded));
        assert_eq!(record.graded.answer.as_deref(), Some(last.level.index().to_string().as_str()));
        assert_eq!(record.deferred, !last.level.is_first());
        for LevelAnswer { level, confidence, threshold, .. } in &record.levels {
            let at = level.index();
            assert_eq!(*threshold, THRESHOLDS.get(at).copied());
            let read = confidence.map(|confidence| (confidence.value() * 1e9).round() / 1e9);
            assert_eq!(read, sure.get(at).copied(), "the top level is not asked how sure it is");
        }
        let called: Vec<Option<usize>> = record.calls.iter().map(|call| call.level.map(Level::index)).collect();
        assert_eq!(called, record.levels.iter().map(|answer| Some(answer.level.index())).collect::<Vec<_>>());
    }
    let calls = [0, 1, 2].map(|level| prompts.iter().filter(|(of, _)| *of == level).count());
    assert_eq!(calls, [4, 3, 2], "no level is asked what the one before it has answered for good");
}

#[test]
fn arms_without_a_gate_use_the_first_or_the_last_level() {
    let (records, _) = run(&[Arm::WeakOnly, Arm::StrongOnly]);
    for record in &records {
        let expected = if record.cell.arm == Arm::WeakOnly { 0 } else { 2 };
        assert_eq!(path(record), [(expected, false)]);
        assert_eq!((record.levels[0].threshold, record.cell.threshold), (None, None));
        assert_eq!(record.deferred, expected > 0);
    }
}

#[test]
fn only_the_first_level_retrieves_strategies() {
    let (records, prompts) = run(&[Arm::InterCascade]);
    let retrieved: Vec<Vec<usize>> =
        records.iter().map(|record| record.levels.iter().map(|answer| answer.strategies_shown).collect()).collect();
    assert_eq!(retrieved, [vec![0], vec![0, 0], vec![0, 0, 0], vec![1, 0, 0]]);
    assert_eq!(records[3].strategies_used, ["2".to_owned().into()]);
    let noted: Vec<usize> =
        prompts.iter().filter(|(_, prompt)| prompt.contains("Note on 2.")).map(|(level, _)| *level).collect();
    assert_eq!(noted, [0], "one prompt holds the top level's strategy");
}

#[test]
fn fees_are_reported_for_each_level() {
    let (records, _) = run(&[Arm::Cascade]);
    let slices: Vec<Slice> = slices(&records);
    let cascade = &slices[0];
    let price =
        |each| Some(Price { input: each, cached_input: None, output: 0.0, batch: None, read: None, nominal: true });
    let prices: Prices = NAMES.map(str::to_owned).into_iter().zip([price(1.0), price(2.0), price(5.0)]).collect();
    let fees: BTreeMap<String, (usize, f64)> = fee_rows(cascade, &[], &prices)
        .into_iter()
        .filter(|row| row.purpose.is_none())
        .map(|row| (row.model, (row.calls, (row.fee.expect("a price").usd() * 1e6).round())))
        .collect();
    let expected = [("small", (4, 40.0)), ("medium", (3, 3.0 * 20.0 * 2.0)), ("large", (2, 2.0 * 30.0 * 5.0))];
    assert_eq!(fees, expected.map(|(name, fee)| (name.to_owned(), fee)).into());
    assert_eq!(cascade.top, Level::at(2));
    assert_eq!((cascade.strong_calls(), cascade.strong_calls_all()), (3, 5));
    assert!((cascade.coverage() - 0.25).abs() < 1e-12);
}

#[test]
fn all_levels_are_read_back_from_the_tables() {
    let (records, _) = run(&[Arm::Cascade, Arm::StrongOnly, Arm::InterCascade]);
    let folder = tempfile::tempdir().expect("a folder");
    for mut table in of_records(OF_STREAM, &records).expect("tables") {
        for (name, bytes) in table.files().expect("files") {
            std::fs::write(folder.path().join(name), bytes).expect("written");
        }
    }
    let (read_back, missing) = read::records(folder.path(), OF_STREAM, &[]).expect("readable");
    assert_eq!(missing, []);
    // The tables keep the score under the strict rule for the first level only.
    let mut expected = records;
    for answer in expected.iter_mut().flat_map(|record| &mut record.levels).filter(|answer| !answer.level.is_first()) {
        answer.strict = None;
    }
    assert_eq!(read_back, expected);
}
