//! The scheduler compared with the sequential run: equal records, equal calls.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use intercascade::analysis::metrics::calibrated::CalibrationTask;
use intercascade::cascade::answer::ConfidenceEstimator;
use intercascade::cascade::calibration::CalibrationPlan;
use intercascade::cascade::gate::WithoutExample;
use intercascade::cascade::level::{LevelModel, Levels};
use intercascade::cascade::repository::{RetrievalRule, Retrieved};
use intercascade::cascade::schedule::{CellOutcome, run_concurrently, run_sequentially};
use intercascade::cascade::setup::ExperimentContext;
use intercascade::cascade::teach::{Distil, TeachingPolicy, worked_example};
use intercascade::config::prompts::Prompts;
use intercascade::dataset::stream::permutation;
use intercascade::gateway::concurrency::{ConcurrencyLimiter, QueueSettings};
use intercascade::gateway::journal::Journal;
use intercascade::gateway::{AnswerSource, Gateway, ModelService, Retries};
use intercascade::retrieval::hashed;
use intercascade::task::calculations::AtLeast;
use intercascade::task::confidence::Signal;
use intercascade::task::{Grader, Task};
use intercascade::types::arm::{Arm, Content};
use intercascade::types::check::Check;
use intercascade::types::item::Item;
use intercascade::types::model::{Identity, Model};
use intercascade::types::seed::Seed;
use intercascade::types::store_rule::StoreRule;
use intercascade::types::testing;
use proptest::prelude::*;
use serde_json::json;

use super::{Oracle, Watch};

/// Stream, arms, and behaviour of the models.
#[derive(Debug, Clone)]
struct Case {
    seed: u64,
    items: usize,
    /// Number of calibration items at the end, which learning arms process before the stream.
    before: usize,
    words: usize,
    arms: Vec<Arm>,
    orders: usize,
    thresholds: Vec<f64>,
    k: usize,
    min_similarity: f64,
    exclude_same_group: bool,
    unreadable: f64,
    content: Content,
    distil: Distil,
    store: Vec<StoreRule>,
    checks: Vec<Check>,
    without_example: WithoutExample,
    top_level_examples: bool,
    slowest: [u64; 2],
    concurrency: usize,
    caps: [usize; 2],
    local: bool,
}

fn cases() -> impl Strategy<Value = Case> {
    let stream = (any::<u64>(), 0_usize..40, prop_oneof![Just(0_usize), 1_usize..8], 1_usize..12);
    let arms = proptest::sample::subsequence(Arm::ALL.to_vec(), 1..=6);
    let cells = (arms, 1_usize..3, proptest::collection::vec(0.0..1.0, 1..3));
    let rule = (0_usize..4, -1.0..0.9, any::<bool>());
    let contents = [Content::Strategy, Content::WorkedExample, Content::Both, Content::QuestionAnswer];
    let rules: Vec<StoreRule> = StoreRule::ALL.into_iter().filter(|rule| *rule != StoreRule::Always).collect();
    let teaching = (
        prop_oneof![Just(0.0), Just(1.0), 0.0..1.0],
        proptest::sample::select(contents.to_vec()),
        prop_oneof![Just(Distil::SameCall), Just(Distil::SecondCall)],
        proptest::sample::subsequence(rules, 0..3),
    );
    let gate = (
        proptest::sample::subsequence(Check::ALL.to_vec(), 0..3),
        prop_oneof![Just(WithoutExample::Ask), Just(WithoutExample::Defer)],
        any::<bool>(),
    );
    let models = ([0_u64..2000, 0_u64..2000], 1_usize..20, [1_usize..8, 1_usize..8], any::<bool>());
    (stream, cells, rule, teaching, gate, models).prop_map(|(stream, cells, rule, teaching, gate, models)| {
        let (seed, items, before, words) = stream;
        let (arms, orders, thresholds) = cells;
        let (k, min_similarity, exclude_same_group) = rule;
        let (unreadable, content, distil, store) = teaching;
        let (checks, without_example, top_level_examples) = gate;
        let (slowest, concurrency, caps, local) = models;
        Case {
            seed,
            items,
            before,
            words,
            arms,
            orders,
            thresholds,
            k,
            min_similarity,
            exclude_same_group,
            unreadable,
            content,
            distil,
            store,
            checks,
            without_example,
            top_level_examples,
            slowest,
            concurrency,
            caps,
            local,
        }
    })
}

/// Example for the arm `fixed-example`.
fn fixed(prompts: &Prompts) -> Retrieved {
    let item = Item { query: "What is twice 4?".to_owned(), ..testing::item("fixed".to_owned(), "fixed".to_owned()) };
    let prompt = prompts.find("chat", Task::Math).expect("there");
    let strategy = worked_example(&item, &Grader::usual(Task::Math), "4 + 4 = 8\n#### 8", prompt);
    Retrieved { strategy: Arc::new(strategy), similarity: None }
}

impl Case {
    fn items(&self) -> Arc<[Item]> {
        let seed = Seed(self.seed);
        let item = |i: usize| {
            let word = |w: usize| seed.hash(&["word", &i.to_string(), &w.to_string()]) % self.words as u64;
            let query = format!("w{} w{} w{} number {i}?", word(0), word(1), word(2));
            Item { query, ..testing::item(i.to_string(), (i / 2).to_string()) }
        };
        (0..self.items + self.before).map(item).collect()
    }

    /// Builds the experiment with a separate journal.
    fn setup(&self, journal: Journal) -> (Arc<ExperimentContext>, Arc<ConcurrencyLimiter>, [Arc<Watch>; 2]) {
        let journal = Arc::new(journal);
        let gate = ConcurrencyLimiter::new(self.concurrency);
        let prompts = Prompts::near(None).expect("good files");
        let watches = [(); 2].map(|()| Arc::new(Watch::default()));
        let level = |index: usize| {
            let name = ["small", "large"][index];
            let model: Arc<dyn Model> = Arc::new(Oracle {
                seed: Seed(self.seed),
                name,
                unreadable: self.unreadable,
                slowest: Duration::from_millis(self.slowest[index]),
                watch: Arc::clone(&watches[index]),
            });
            let identity = Identity { fixed: json!({ "name": name }), per_item: false };
            let line = gate.add_queue(QueueSettings { cap: self.caps[index], local: self.local, probed: index == 0 });
            let retries = Retries { most: 0, first_wait: Duration::ZERO, longest_wait: Duration::ZERO };
            let served = ModelService { name: name.to_owned(), identity, source: AnswerSource::Model(model) };
            LevelModel {
                name: name.into(),
                model: Gateway::new(served, Arc::clone(&journal), (Arc::clone(&gate), line), retries),
                prompt: prompts.find("chat", Task::Math).expect("there").clone(),
                max_tokens: 9,
                temperature: 0.0,
                calculator: false,
            }
        };
        let items = self.items();
        let embeddings = items.iter().map(|item| hashed::embed(&item.query)).collect();
        let setup = ExperimentContext {
            dataset: "d".into(),
            grader: Grader::usual(Task::Math),
            items,
            embeddings,
            embedder: "hashed-words".into(),
            levels: Levels::new(vec![level(0)], level(1)),
            estimator: Some(ConfidenceEstimator {
                signal: Signal::MeanTokenProbability,
                quantile: 0.1,
                draws: 2,
                draw_temperature: 0.7,
            }),
            rule: RetrievalRule {
                k: self.k,
                min_similarity: self.min_similarity,
                exclude_same_group: self.exclude_same_group,
            },
            reuse_from: 0.7,
            without_example: self.without_example,
            fixed_example: Some(fixed(&prompts)),
            teaching: TeachingPolicy {
                content: Some(self.content),
                distil: self.distil,
                store: self.store.clone(),
                confident_from: 0.5,
                checked_at_least: AtLeast::Count(0),
                verify_temperature: 0.7,
                majority_draws: 4,
                top_level_examples: self.top_level_examples,
                max_tokens: None,
            },
            seed: Seed(self.seed),
        };
        (Arc::new(setup), gate, watches)
    }

    /// Runs the case with a new journal; returns the outputs, the prompts that were sent, and the largest number of
    /// calls in flight for each level.
    fn run(&self, in_parallel: bool) -> (Vec<CellOutcome>, Vec<usize>, [usize; 2]) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Journal::open(&folder.path().join("journal.sqlite")).expect("a journal");
        let (setup, gate, watches) = self.setup(journal);
        let gates = CalibrationPlan {
            arms: self.arms.clone(),
            task: CalibrationTask { guarantee: None, recalibrate: None },
            per_arm: true,
            calibration: (self.items..self.items + self.before).collect(),
            checks: self.checks.clone(),
            tuned: Some(0.5),
        };
        let orders = (0..self.orders).map(|order| permutation(setup.seed, order, self.items).into()).collect();
        let cells = gates.cells(&[], &self.thresholds, orders);
        let streams = cells.streams(&setup);
        let outcomes = runtime.expect("a runtime").block_on(async {
            if in_parallel {
                let outcomes = run_concurrently(&setup, &streams, &gate, self.concurrency * 3, |_| ()).await;
                outcomes.map(|cells| cells.into_iter().map(|cell| cell.expect("every call may be made")).collect())
            } else {
                run_sequentially(&setup, &streams, |_| ()).await
            }
        });
        for watch in &watches {
            let requests_by_prompt = watch.requests_by_prompt.lock().expect("no panic");
            assert!(requests_by_prompt.values().all(|times| *times == 1), "a call was made twice");
        }
        let most = [0, 1].map(|index| watches[index].most.load(Ordering::SeqCst));
        (outcomes.expect("every call is answered"), watches.iter().map(|watch| watch.calls()).collect(), most)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn parallel_items_match_the_sequential_run(case in cases()) {
        let (sequential, calls, _) = case.run(false);
        let (parallel, calls_together, most) = case.run(true);
        prop_assert_eq!(sequential, parallel);
        prop_assert_eq!(calls, calls_together, "neither a call more nor one less");
        prop_assert!(most[0] <= case.caps[0] && most[1] <= case.caps[1], "{:?} in flight", most);
        prop_assert!(most[0] + most[1] <= 2 * case.concurrency);
        if case.local {
            // Only one local model computes at a time, but the calls to that model still run in parallel.
            prop_assert!(most[0] <= case.concurrency && most[1] <= case.concurrency);
        }
    }
}
