//! From a resolved config to an experiment that is ready to run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};

pub use super::resolved::ResolvedConfig as Assembly;
use super::schema::{Config, DeferralConfig};
use crate::analysis::metrics::Prices;
use crate::backend::entry::{Backend, ModelEntry};
use crate::backend::llama_server::Servers;
use crate::backend::registry::{Data, Sources};
use crate::cascade::answer::Gauge;
use crate::cascade::gating::Gates;
use crate::cascade::level::Level;
use crate::cascade::repository::Rule;
use crate::cascade::step::Setup;
use crate::cascade::teach::Teaching;
use crate::dataset::stream;
use crate::gateway::budget::Budget;
use crate::gateway::concurrency::ConcurrencyLimiter;
use crate::gateway::journal::{Journal, Taken};
use crate::gateway::rate_limit::RateLimit;
use crate::gateway::refusals::Refusals;
use crate::gateway::{Gateway, Hear, Served, Source};
use crate::task::prompt::Prompt;
use crate::types::embedding::Embedded;
use crate::types::price::Fee;

/// What a run may use.
pub struct Means {
    /// Its journal.
    pub journal: Arc<Journal>,
    /// Its local servers.
    pub servers: Servers,
    /// Whether only recorded answers may be used: no model, no weights, no network.
    pub offline: bool,
    /// A function that shows notices about servers that cannot be reached.
    pub hear: Hear,
}

impl Assembly {
    /// What some tokens cost by the prices of this run; none where the model has no price.
    #[must_use]
    pub fn priced(&self, taken: BTreeMap<String, Taken>) -> BTreeMap<String, (Taken, Option<Fee>)> {
        priced(&self.prices(), taken)
    }

    /// Makes the models and puts everything together. The weights must be there, unless only recorded answers may be
    /// used.
    ///
    /// # Errors
    /// Where a model cannot be made.
    pub fn setup(
        &self,
        embeddings: Vec<Embedded>,
        means: &Means,
    ) -> Result<(Setup, Arc<ConcurrencyLimiter>, Option<Arc<Budget>>)> {
        let journal = &means.journal;
        let budget = match self.config.limits.max_fee_usd {
            None => None,
            Some(limit) => Some(Arc::new(Budget::new(limit, self.gone(journal)?))),
        };
        let gate = ConcurrencyLimiter::new(self.config.limits.concurrency);
        let learning = &self.config.learning;
        let level = |entry: &ModelEntry, prompt: &Prompt| self.level(entry, prompt, means, &gate, budget.as_ref());
        let setup = Setup {
            dataset: self.dataset.as_str().into(),
            grader: self.grader.clone(),
            items: Arc::clone(&self.items),
            embeddings: embeddings.into(),
            embedder: self.config.learning.embedder.name().into(),
            weak: level(&self.weak, &self.prompts[0])?,
            strong: level(&self.strong, &self.prompts[1])?,
            gauge: self.gauge(),
            rule: Rule {
                k: learning.k,
                min_similarity: learning.min_similarity,
                exclude_same_group: learning.exclude_same_group,
            },
            reuse_from: learning.reuse_from,
            teaching: self.teaching(),
            seed: self.config.seed,
        };
        Ok((setup, gate, budget))
    }

    /// What the journal's calls have taken: runs that share it share the limit, whichever models they ask.
    fn gone(&self, journal: &Journal) -> Result<Fee> {
        let mut prices = self.prices();
        for entry in &self.known {
            prices.entry(entry.name.clone()).or_insert_with(|| entry.price.clone());
        }
        let taken = [journal.spent()?, journal.lost()?].map(|taken| priced(&prices, taken));
        taken.into_iter().flatten().try_fold(Fee::default(), |sum, (name, (_, fee))| {
            let fee = fee.with_context(|| {
                format!(
                    "limits.max_fee_usd cannot be kept: the journal {} has calls of `{name}`, for which no price is known; give it one in \
                     the config or in models.toml",
                    journal.path().display()
                )
            })?;
            Ok(sum.plus(fee))
        })
    }

    /// How the arms get their gates.
    #[must_use]
    pub fn gates(&self) -> Gates {
        self.config.gates(self.calibration())
    }

    /// The orders of the stream.
    #[must_use]
    pub fn orders(&self) -> Vec<Arc<[usize]>> {
        let permuted = |order| stream::permutation(self.config.seed, order, self.stream().len()).into();
        (0..self.config.dataset.orders).map(permuted).collect()
    }

    fn gauge(&self) -> Option<Gauge> {
        let DeferralConfig { quantile, draws, draw_temperature, .. } = self.config.deferral;
        self.signal.map(|signal| Gauge { signal, quantile, draws, draw_temperature })
    }

    fn teaching(&self) -> Teaching {
        let learning = &self.config.learning;
        Teaching {
            content: Some(learning.content),
            distil: learning.distil,
            store: learning.store.to_vec(),
            confident_from: learning.confident_from,
            checked_at_least: learning.checked_at_least,
            verify_temperature: learning.verify_temperature,
            max_tokens: learning.max_strategy_tokens,
        }
    }

    fn level(
        &self,
        entry: &ModelEntry,
        prompt: &Prompt,
        means: &Means,
        gate: &Arc<ConcurrencyLimiter>,
        budget: Option<&Arc<Budget>>,
    ) -> Result<Level> {
        let (seed, weights) = (self.config.seed, &self.weights);
        let data = Data { items: &self.items, sha256: &self.sha256, seed, weights, style: prompt.style };
        let recording = self.recordings.get(&entry.name);
        let sources = Sources { recording, journal: &means.journal, servers: &means.servers };
        let served = Served {
            name: entry.name.clone(),
            identity: entry.identity(&self.weak, data)?,
            source: if means.offline && entry.backend != Backend::Replay {
                Source::Journal
            } else {
                entry.make(&self.weak, data, sources)?
            },
        };
        let line = gate.line(entry.line(self.config.limits.concurrency));
        let mut model = Gateway::new(served, Arc::clone(&means.journal), (Arc::clone(gate), line), entry.retries())
            .limited(RateLimit::new(entry.requests_per_minute, entry.tokens_per_minute))
            .refusing(Refusals::new(self.config.limits.max_refused))
            .telling(Arc::clone(&means.hear));
        if let (Some(budget), Some(price)) = (budget, &entry.price) {
            model = model.within(price.clone(), Arc::clone(budget));
        }
        Ok(Level {
            name: entry.name.as_str().into(),
            model,
            prompt: prompt.clone(),
            max_tokens: entry.max_tokens,
            temperature: entry.temperature,
            calculator: self.config.dataset.calculator && entry.capabilities().calculator,
        })
    }
}

/// The folder of a run's outputs.
#[must_use]
pub fn output_folder(config: &Config, out: Option<&Path>) -> PathBuf {
    out.map_or_else(|| Path::new("results").join(&config.name), Path::to_path_buf)
}

fn priced(prices: &Prices, taken: BTreeMap<String, Taken>) -> BTreeMap<String, (Taken, Option<Fee>)> {
    let with_fee = |(name, taken): (String, Taken)| {
        let fee = prices.get(&name).and_then(Option::as_ref).map(|price| price.fee(taken.usage));
        (name, (taken, fee))
    };
    taken.into_iter().map(with_fee).collect()
}
