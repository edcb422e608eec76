//! From a config to what its calls go through: levels behind their gateways, the concurrency limiter, the fee limit. This
//! is the one place that knows which backend stands behind which gateway.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Result, anyhow};

use super::money::{self, FeeTotal};
use crate::analysis::metrics::Prices;
use crate::backend::custom::CustomModel;
use crate::backend::entry::{ModelEntry, Sources};
use crate::backend::llama_server::Servers;
use crate::backend::settings::Data;
use crate::cascade::answer::ConfidenceEstimator;
use crate::cascade::calibration::CalibrationPlan;
use crate::cascade::level::{LevelModel, Levels};
use crate::cascade::repository::{RetrievalRule, Retrieved};
use crate::cascade::setup::ExperimentContext;
use crate::cascade::teach::{TeachingPolicy, worked_example};
use crate::config::resolved::ResolvedConfig;
use crate::config::schema::{Config, DeferralConfig, FixedExample};
use crate::dataset::stream;
use crate::gateway::budget::{Budget, FeeLimit};
use crate::gateway::concurrency::ConcurrencyLimiter;
use crate::gateway::journal::{Journal, Spend};
use crate::gateway::rate_limit::RateLimit;
use crate::gateway::refusals::Refusals;
use crate::gateway::{AnswerSource, Gateway, ModelService, NoticeHandler};
use crate::task::prompt::Prompt;
use crate::types::arm::Arm;
use crate::types::embedding::Embedded;
use crate::types::item::{Item, Target};
use crate::types::left_out::Unrecorded;
use crate::types::price::Fee;
use crate::types::recorded::RecordedCalls;

/// What the calls of a run may use.
pub struct RunResources {
    /// The journal that they are kept in.
    pub journal: Arc<Journal>,
    /// The local servers that are started for them.
    pub servers: Servers,
    /// Whether only recorded answers may be used: no model, no weights, no network.
    pub offline: bool,
    /// The models of backend custom, by the name of their entry.
    pub registered: BTreeMap<String, CustomModel>,
    /// A function that shows notices about servers that cannot be reached.
    pub hear: NoticeHandler,
}

/// The embeddings of a run's queries.
#[derive(Debug, Default)]
pub struct Embeddings {
    /// Those of the first items of all; empty if one is lacking that learning arms need.
    pub rows: Vec<Embedded>,
    /// The first one that learning arms need and that no recording holds. `None` if there is no such one.
    pub lacks: Option<Unrecorded>,
}

/// Models that can be called.
pub struct Models {
    /// All that a step needs, both levels among it.
    pub setup: Arc<ExperimentContext>,
    /// The limiter that all calls pass.
    pub limiter: Arc<ConcurrencyLimiter>,
    /// The first embedding that learning arms need and that no recording holds. `None` if they have all, or there is none.
    pub lacks: Option<Unrecorded>,
    /// The fee limit; `None` if the config sets none.
    pub budget: Option<Arc<Budget>>,
}

impl Models {
    /// Makes the models of a config and puts everything together. The weights must be there, unless only recorded answers
    /// may be used.
    ///
    /// # Errors
    /// Names a model that cannot be made.
    pub fn new(resolved: &ResolvedConfig, embeddings: Embeddings, means: &RunResources) -> Result<Self> {
        let Embeddings { rows, lacks } = embeddings;
        let config = &resolved.config;
        let budget = budget(resolved, &means.journal)?.map(Arc::new);
        let limiter = ConcurrencyLimiter::new(config.limits.concurrency);
        let level = |entry, prompt| level(resolved, entry, prompt, means, &limiter, budget.as_ref());
        let learning = &config.learning;
        let setup = ExperimentContext {
            dataset: resolved.dataset.as_str().into(),
            grader: resolved.grader.clone(),
            items: Arc::clone(&resolved.items),
            embeddings: rows.into(),
            embedder: learning.embedder.name().into(),
            levels: Levels::new(
                vec![level(&resolved.weak, &resolved.prompts[0])?],
                level(&resolved.strong, &resolved.prompts[1])?,
            ),
            gauge: gauge(resolved),
            rule: RetrievalRule {
                k: learning.k,
                min_similarity: learning.min_similarity,
                exclude_same_group: learning.exclude_same_group,
            },
            reuse_from: learning.reuse_from,
            without_example: config.deferral.without_example,
            fixed_example: learning.fixed_example.as_ref().map(|example| fixed(resolved, example)),
            teaching: teaching(config),
            seed: config.seed,
        };
        Ok(Self { setup: Arc::new(setup), limiter, lacks, budget })
    }
}

/// A model behind its gateway, at its place in the cascade.
fn level(
    resolved: &ResolvedConfig,
    entry: &ModelEntry,
    prompt: &Prompt,
    means: &RunResources,
    limiter: &Arc<ConcurrencyLimiter>,
    budget: Option<&Arc<Budget>>,
) -> Result<LevelModel> {
    let Config { seed, limits, dataset, .. } = &resolved.config;
    let data = Data {
        items: &resolved.items,
        sha256: &resolved.sha256,
        seed: *seed,
        weights: &resolved.weights,
        style: prompt.style,
    };
    let recording = resolved.recordings.get(&entry.name);
    let journal: Arc<dyn RecordedCalls> = Arc::<Journal>::clone(&means.journal);
    let sources =
        Sources { recording, journal: &journal, servers: &means.servers, custom: means.registered.get(&entry.name) };
    let served = ModelService {
        name: entry.name.clone(),
        identity: entry.identity(&resolved.weak, data)?,
        source: match (entry.is_recorded(), means.offline) {
            (true, _) => AnswerSource::Recorded(entry.make(&resolved.weak, data, sources)?),
            (false, true) => AnswerSource::Journal,
            (false, false) => AnswerSource::Model(entry.make(&resolved.weak, data, sources)?),
        },
    };
    let line = limiter.line(entry.line(limits.concurrency));
    let [requests, tokens] = entry.rates();
    let mut model = Gateway::new(served, Arc::clone(&means.journal), (Arc::clone(limiter), line), entry.retries())
        .limited(RateLimit::new(requests, tokens))
        .refusing(Refusals::new(limits.max_refused))
        .telling(Arc::clone(&means.hear));
    if let (Some(budget), Some(price)) = (budget, &entry.price) {
        model = model.within(price.clone(), Arc::clone(budget));
    }
    Ok(LevelModel {
        name: entry.name.as_str().into(),
        model,
        prompt: prompt.clone(),
        max_tokens: entry.max_tokens,
        temperature: entry.temperature,
        calculator: dataset.calculator && entry.capabilities().calculator,
    })
}

/// How the arms get their gates.
#[must_use]
pub fn gates(resolved: &ResolvedConfig) -> CalibrationPlan {
    resolved.config.gates(resolved.calibration())
}

/// The orders of the stream: at each position the item's index.
#[must_use]
pub fn orders(resolved: &ResolvedConfig) -> Vec<Arc<[usize]>> {
    let permuted = |order| stream::permutation(resolved.config.seed, order, resolved.stream().len()).into();
    (0..resolved.config.dataset.orders).map(permuted).collect()
}

fn gauge(resolved: &ResolvedConfig) -> Option<ConfidenceEstimator> {
    let DeferralConfig { quantile, draws, draw_temperature, .. } = resolved.config.deferral;
    resolved.signal.map(|signal| ConfidenceEstimator { signal, quantile, draws, draw_temperature })
}

fn teaching(config: &Config) -> TeachingPolicy {
    let learning = &config.learning;
    TeachingPolicy {
        content: Some(learning.content),
        distil: learning.distil,
        store: learning.store.to_vec(),
        confident_from: learning.confident_from,
        checked_at_least: learning.checked_at_least,
        verify_temperature: learning.verify_temperature,
        majority_draws: learning.majority_draws,
        top_level_examples: learning.top_level_examples,
        max_tokens: learning.max_strategy_tokens,
    }
}

/// The example that is shown before every query.
fn fixed(resolved: &ResolvedConfig, FixedExample { question, solution, answer }: &FixedExample) -> Retrieved {
    let item = Item {
        id: Arm::FixedExample.name().into(),
        group: Arm::FixedExample.name().into(),
        query: question.clone(),
        options: Vec::new(),
        target: Target::Number(answer.clone()),
        solution: None,
        subject: None,
    };
    let strategy = worked_example(&item, &resolved.grader, solution, &resolved.prompts[0]);
    Retrieved { strategy: Arc::new(strategy), similarity: None }
}

/// The fee limits, with what is spent of each: the run's own counts all calls of its journal, whichever models they asked;
/// the total counts those of the runs beside it too.
fn budget(resolved: &ResolvedConfig, journal: &Journal) -> Result<Option<Budget>> {
    let limits = &resolved.config.limits;
    let prices = money::prices(resolved);
    let run = FeeTotal::of(&journal.account()?, &prices);
    let known = |paid: &FeeTotal, key: &str, place: &dyn Fn() -> String| match paid.unpriced.first() {
        None => Ok(paid.most()),
        Some(name) => Err(anyhow!(
            "{key} cannot be kept: {} calls of `{name}`, for which no price is known; give it one in the config or in models.toml",
            place()
        )),
    };
    let mut limited = Vec::new();
    if let Some(limit) = limits.max_fee_usd {
        let key = "limits.max_fee_usd";
        let place = || format!("the journal {} has", journal.path().display());
        limited.push(FeeLimit { key, usd: limit, before: known(&run, key, &place)? });
    }
    if let Some(limit) = limits.max_total_fee_usd {
        let key = "limits.max_total_fee_usd";
        let mut all = money::beside(journal, &prices)?;
        all.add(&run);
        let place = || "this run and those beside it have".to_owned();
        limited.push(FeeLimit { key, usd: limit, before: known(&all, key, &place)? });
    }
    Ok((!limited.is_empty()).then(|| Budget::of(limited)))
}

/// What some tokens cost, by the model; `None` if it has no price.
#[must_use]
pub fn priced(prices: &Prices, taken: BTreeMap<String, Spend>) -> BTreeMap<String, (Spend, Option<Fee>)> {
    let with_fee = |(name, taken): (String, Spend)| {
        let fee = prices.get(&name).and_then(Option::as_ref).map(|price| price.fee(taken.usage));
        (name, (taken, fee))
    };
    taken.into_iter().map(with_fee).collect()
}
