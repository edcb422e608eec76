//! Builds the models of a config: levels behind their gateways, the concurrency limiter and the fee limit. Only this
//! module knows which backend is behind which gateway.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Result, anyhow};

use super::batch::batching::{Batching, MAX_WAITING};
use super::batch::transport::Collector;
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
use crate::gateway::concurrency::{ConcurrencyLimiter, QueueSettings};
use crate::gateway::journal::{Journal, Spend};
use crate::gateway::refusals::Refusals;
use crate::gateway::{AnswerSource, Gateway, ModelService, NoticeHandler};
use crate::task::prompt::Prompt;
use crate::types::arm::Arm;
use crate::types::embedding::Embedded;
use crate::types::item::{Item, Target};
use crate::types::left_out::Unrecorded;
use crate::types::model::{Identity, Model};
use crate::types::price::{Fee, Price};
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
    /// Maximum number of calls in flight.
    pub concurrency: usize,
    /// True in the first phase of `--batch`.
    pub in_batches: bool,
}

impl Models {
    /// Builds the models of a config. The weights must be in the cache folder, unless `resources.offline`.
    ///
    /// # Errors
    /// A model cannot be built, or the journal's calls have no known price although the config limits fees.
    pub fn new(resolved: &ResolvedConfig, embeddings: Embeddings, resources: &RunResources) -> Result<Self> {
        Self::with(resolved, embeddings, resources, None)
    }

    /// Builds the models of a config for the first phase of `--batch`: those whose servers have a batch API answer in
    /// batches. There are no embeddings.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(super) fn in_batches(resolved: &ResolvedConfig, resources: &RunResources, batching: &Batching) -> Result<Self> {
        Self::with(resolved, Embeddings::default(), resources, Some(batching))
    }

    fn with(
        resolved: &ResolvedConfig,
        embeddings: Embeddings,
        resources: &RunResources,
        batching: Option<&Batching>,
    ) -> Result<Self> {
        let Embeddings { rows, lacks } = embeddings;
        let config = &resolved.config;
        let budget = budget(resolved, &resources.journal)?.map(Arc::new);
        let concurrency = batching.map_or(config.limits.concurrency, |_| MAX_WAITING);
        let limiter = ConcurrencyLimiter::new(concurrency);
        let shared = (&limiter, budget.as_ref(), batching);
        let level = |entry, prompt| level(resolved, entry, prompt, resources, shared);
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
        Ok(Self { context: Arc::new(context), limiter, lacks, budget, concurrency, in_batches: batching.is_some() })
    }
}

/// Limiter and fee limits that the levels share, and what they share in the first phase of `--batch`.
type Shared<'a> = (&'a Arc<ConcurrencyLimiter>, Option<&'a Arc<Budget>>, Option<&'a Batching>);

/// Builds the gateway of one level, with its backend, limits and prompt.
fn level(
    resolved: &ResolvedConfig,
    entry: &ModelEntry,
    prompt: &Prompt,
    resources: &RunResources,
    shared: Shared<'_>,
) -> Result<LevelModel> {
    let (limiter, budget, batching) = shared;
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
    let identity = entry.identity(&resolved.weak, data)?;
    let gateway = |source, queue| {
        let service = ModelService { name: entry.name.clone(), identity: identity.clone(), source };
        let queue = (Arc::clone(limiter), queue);
        Gateway::new(service, Arc::clone(&resources.journal), queue, entry.retries())
            .with_refusals(Refusals::new(limits.max_refused))
            .with_notice_handler(Arc::clone(&resources.on_notice))
    };
    let answered_in_batches = in_batches(resolved, (entry, &identity, data), resources, shared)?;
    let model = if let Some(model) = answered_in_batches {
        // The batch API has its own limits, and the collector reserves the fees of a whole batch.
        let queue = limiter.add_queue(QueueSettings { cap: MAX_WAITING, local: false, probed: false });
        gateway(AnswerSource::Model(model), queue)
    } else {
        let source = match (entry.is_recorded(), resources.offline) {
            (true, _) => AnswerSource::Recorded(entry.make(&resolved.weak, data, sources)?),
            (false, true) => AnswerSource::Journal,
            (false, false) => AnswerSource::Model(entry.make(&resolved.weak, data, sources)?),
        };
        let count = if let AnswerSource::Model(model) = &source { model.servers() } else { 1 };
        let queue = limiter.add_queue_of(entry.queue_settings(limits.concurrency), entry.server_settings(count));
        if let Some(batching) = batching {
            batching.direct.add(queue);
        }
        let model = gateway(source, queue);
        match (budget, &entry.price) {
            (Some(budget), Some(price)) => model.with_budget(price.clone(), Arc::clone(budget)),
            _ => model,
        }
    };
    Ok(LevelModel {
        name: entry.name.as_str().into(),
        model,
        prompt: prompt.clone(),
        max_tokens: entry.max_tokens,
        temperature: entry.temperature,
        calculator: dataset.calculator && entry.capabilities().calculator,
    })
}

/// Builds the model of a level that answers in batches. `None` outside the first phase of `--batch`, and if the server has
/// no batch API.
fn in_batches(
    resolved: &ResolvedConfig,
    (entry, identity, data): (&ModelEntry, &Identity, Data),
    resources: &RunResources,
    (limiter, budget, batching): Shared<'_>,
) -> Result<Option<Arc<dyn Model>>> {
    let Some(Batching { on_message, direct }) = batching else { return Ok(None) };
    let Some(client) = entry.batch_client(&resolved.weak, data)? else { return Ok(None) };
    let collector = Collector {
        model: entry.name.clone(),
        identity: identity.clone(),
        client: Arc::new(client),
        retries: entry.retries(),
        price: entry.price.as_ref().map(Price::of_batch),
        budget: budget.cloned(),
        journal: Arc::clone(&resources.journal),
        limiter: Arc::clone(limiter),
        direct: Arc::clone(direct),
        on_message: Arc::clone(on_message),
    };
    Ok(Some(Arc::new(collector.start())))
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
    let mut limited = Vec::new();
    if let Some(limit) = limits.max_fee_usd {
        let key = "limits.max_fee_usd";
        let subject = || format!("the journal {} has", journal.path().display());
        limited.push(FeeLimit { key, usd: limit, before: spent_under(&run, key, &subject)? });
        enforceable(journal, false, key, &prices)?;
    }
    if let Some(limit) = limits.max_total_fee_usd {
        let key = "limits.max_total_fee_usd";
        let mut all = money::neighbours(journal, &prices)?;
        all.add(&run);
        let subject = || "this run and its neighbouring runs have".to_owned();
        limited.push(FeeLimit { key, usd: limit, before: spent_under(&all, key, &subject)? });
        enforceable(journal, true, key, &prices)?;
    }
    Ok((!limited.is_empty()).then(|| Budget::with_limits(limited)))
}

/// Fee that counts against the limit `key`.
fn spent_under(total: &FeeTotal, key: &str, subject: &dyn Fn() -> String) -> Result<Fee> {
    match total.unpriced.first() {
        None => Ok(total.upper_bound()),
        Some(name) => Err(anyhow!(
            "{key} cannot be enforced: {} calls of `{name}`, which has no price. Set a price for `{name}` in the config or in models.toml",
            subject()
        )),
    }
}

/// Checks that every model in the shared journal has a price, so that the limit `key` can hold over all workers.
fn enforceable(journal: &Journal, all_runs: bool, key: &str, prices: &Prices) -> Result<()> {
    if let Some((place, account)) = journal.shared_account(all_runs)? {
        spent_under(&FeeTotal::of(&account, prices), key, &|| format!("the journal {place} has"))?;
    }
    Ok(())
}

/// Adds the fee in USD to each model's spend; `None` if the model has no price. The calls in `batched` are part of the
/// spend and cost the price of a batch.
#[must_use]
pub fn priced(
    prices: &Prices,
    spends: BTreeMap<String, Spend>,
    batched: &BTreeMap<String, Spend>,
) -> BTreeMap<String, (Spend, Option<Fee>)> {
    let with_fee = |(name, spend): (String, Spend)| {
        let in_batches = batched.get(&name).copied().unwrap_or_default().usage;
        let price = prices.get(&name).and_then(Option::as_ref);
        let fee = price.map(|price| price.fee(spend.usage).minus(price.saved_by_batch(in_batches)));
        (name, (spend, fee))
    };
    spends.into_iter().map(with_fee).collect()
}
