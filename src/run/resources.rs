//! Builds the models of a config: levels behind their gateways, the concurrency limiter and the fee limit. Only this
//! module knows which backend is behind which gateway.

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

/// Resources that the calls of a run share.
pub struct RunResources {
    /// Journal that stores the calls.
    pub journal: Arc<Journal>,
    /// Local servers that are started for the calls.
    pub servers: Servers,
    /// True if only recorded answers may be used: no model, no weights, no network.
    pub offline: bool,
    /// Models of backend `custom`, by the name of the `[[model]]` entry.
    pub registered: BTreeMap<String, CustomModel>,
    /// Handler of notices about unreachable servers.
    pub on_notice: NoticeHandler,
}

/// Embeddings of a run's queries.
#[derive(Debug, Default)]
pub struct Embeddings {
    /// Embeddings of a prefix of the items, in the order of the items. Empty if an embedding that learning arms need is
    /// missing.
    pub rows: Vec<Embedded>,
    /// First embedding that learning arms need and no recording holds; `None` if no embedding is missing.
    pub lacks: Option<Unrecorded>,
}

/// Models of a run, ready for calls.
pub struct Models {
    /// Items, embeddings, levels and rules that each step needs.
    pub context: Arc<ExperimentContext>,
    /// Limiter of calls in flight, shared by all calls.
    pub limiter: Arc<ConcurrencyLimiter>,
    /// First embedding that learning arms need and no recording holds; `None` if no embedding is missing or no arm
    /// learns.
    pub lacks: Option<Unrecorded>,
    /// Fee limit; `None` if the config sets no limit.
    pub budget: Option<Arc<Budget>>,
}

impl Models {
    /// Builds the models of a config. The weights must be in the cache folder, unless `resources.offline`.
    ///
    /// # Errors
    /// A model cannot be built, or the journal's calls have no known price although the config limits fees.
    pub fn new(resolved: &ResolvedConfig, embeddings: Embeddings, resources: &RunResources) -> Result<Self> {
        let Embeddings { rows, lacks } = embeddings;
        let config = &resolved.config;
        let budget = budget(resolved, &resources.journal)?.map(Arc::new);
        let limiter = ConcurrencyLimiter::new(config.limits.concurrency);
        let level = |entry, prompt| level(resolved, entry, prompt, resources, &limiter, budget.as_ref());
        let learning = &config.learning;
        let context = ExperimentContext {
            dataset: resolved.dataset.as_str().into(),
            grader: resolved.grader.clone(),
            items: Arc::clone(&resolved.items),
            embeddings: rows.into(),
            embedder: learning.embedder.name().into(),
            levels: Levels::new(
                vec![level(&resolved.weak, &resolved.prompts[0])?],
                level(&resolved.strong, &resolved.prompts[1])?,
            ),
            estimator: confidence_estimator(resolved),
            rule: RetrievalRule {
                k: learning.k,
                min_similarity: learning.min_similarity,
                exclude_same_group: learning.exclude_same_group,
            },
            reuse_from: learning.reuse_from,
            without_example: config.deferral.without_example,
            fixed_example: learning.fixed_example.as_ref().map(|example| fixed_example(resolved, example)),
            teaching: teaching_policy(config),
            seed: config.seed,
        };
        Ok(Self { context: Arc::new(context), limiter, lacks, budget })
    }
}

/// Builds the gateway of one level, with its backend, limits and prompt.
fn level(
    resolved: &ResolvedConfig,
    entry: &ModelEntry,
    prompt: &Prompt,
    resources: &RunResources,
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
    let journal: Arc<dyn RecordedCalls> = Arc::<Journal>::clone(&resources.journal);
    let sources = Sources {
        recording,
        journal: &journal,
        servers: &resources.servers,
        custom: resources.registered.get(&entry.name),
    };
    let served = ModelService {
        name: entry.name.clone(),
        identity: entry.identity(&resolved.weak, data)?,
        source: match (entry.is_recorded(), resources.offline) {
            (true, _) => AnswerSource::Recorded(entry.make(&resolved.weak, data, sources)?),
            (false, true) => AnswerSource::Journal,
            (false, false) => AnswerSource::Model(entry.make(&resolved.weak, data, sources)?),
        },
    };
    let line = limiter.add_queue(entry.queue_settings(limits.concurrency));
    let [requests, tokens] = entry.rates();
    let mut model = Gateway::new(served, Arc::clone(&resources.journal), (Arc::clone(limiter), line), entry.retries())
        .with_rate_limit(RateLimit::new(requests, tokens))
        .with_refusals(Refusals::new(limits.max_refused))
        .with_notice_handler(Arc::clone(&resources.on_notice));
    if let (Some(budget), Some(price)) = (budget, &entry.price) {
        model = model.with_budget(price.clone(), Arc::clone(budget));
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

/// Plan of how the deferral gates of the arms are fixed or calibrated.
#[must_use]
pub fn calibration_plan(resolved: &ResolvedConfig) -> CalibrationPlan {
    resolved.config.calibration_plan(resolved.calibration())
}

/// Orders of the stream. Each order maps a position to the index of an item.
#[must_use]
pub fn orders(resolved: &ResolvedConfig) -> Vec<Arc<[usize]>> {
    let permuted = |order| stream::permutation(resolved.config.seed, order, resolved.stream().len()).into();
    (0..resolved.config.dataset.orders).map(permuted).collect()
}

fn confidence_estimator(resolved: &ResolvedConfig) -> Option<ConfidenceEstimator> {
    let DeferralConfig { quantile, draws, draw_temperature, .. } = resolved.config.deferral;
    resolved.signal.map(|signal| ConfidenceEstimator { signal, quantile, draws, draw_temperature })
}

fn teaching_policy(config: &Config) -> TeachingPolicy {
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

/// Worked example that precedes every query of the arm `fixed-example`.
fn fixed_example(resolved: &ResolvedConfig, FixedExample { question, solution, answer }: &FixedExample) -> Retrieved {
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

/// Fee limits with the fee already spent under each. `limits.max_fee_usd` counts all calls of the run's journal, for
/// any model. `limits.max_total_fee_usd` also counts the calls of neighbouring runs.
fn budget(resolved: &ResolvedConfig, journal: &Journal) -> Result<Option<Budget>> {
    let limits = &resolved.config.limits;
    let prices = money::prices(resolved);
    let run = FeeTotal::of(&journal.account()?, &prices);
    let spent_under = |total: &FeeTotal, key: &str, subject: &dyn Fn() -> String| match total.unpriced.first() {
        None => Ok(total.upper_bound()),
        Some(name) => Err(anyhow!(
            "{key} cannot be enforced: {} calls of `{name}`, which has no price. Set a price for `{name}` in the config or in models.toml",
            subject()
        )),
    };
    let mut limited = Vec::new();
    if let Some(limit) = limits.max_fee_usd {
        let key = "limits.max_fee_usd";
        let subject = || format!("the journal {} has", journal.path().display());
        limited.push(FeeLimit { key, usd: limit, before: spent_under(&run, key, &subject)? });
    }
    if let Some(limit) = limits.max_total_fee_usd {
        let key = "limits.max_total_fee_usd";
        let mut all = money::neighbours(journal, &prices)?;
        all.add(&run);
        let subject = || "this run and its neighbouring runs have".to_owned();
        limited.push(FeeLimit { key, usd: limit, before: spent_under(&all, key, &subject)? });
    }
    Ok((!limited.is_empty()).then(|| Budget::with_limits(limited)))
}

/// Adds the fee in USD to each model's spend; `None` if the model has no price.
#[must_use]
pub fn priced(prices: &Prices, spends: BTreeMap<String, Spend>) -> BTreeMap<String, (Spend, Option<Fee>)> {
    let with_fee = |(name, spend): (String, Spend)| {
        let fee = prices.get(&name).and_then(Option::as_ref).map(|price| price.fee(spend.usage));
        (name, (spend, fee))
    };
    spends.into_iter().map(with_fee).collect()
}
