//! From a config to what an experiment needs: the data, the two levels, the signal, and the run's identity. All that
//! can be found wrong is found here, before anything is called.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};

use super::data::Chosen;
use super::deferral::DeferralConfig;
use super::file::Config;
use super::prompts::Prompts;
use super::setting::told;
use super::signal::signal;
use crate::analysis::metrics::Prices;
use crate::backend::entry::{Backend, ModelEntry};
use crate::backend::llama_server::Servers;
use crate::backend::reference::Reference;
use crate::backend::registry::{Data, Sources};
use crate::backend::replay::Recording;
use crate::cascade::answer::Gauge;
use crate::cascade::calibration::Gates;
use crate::cascade::level::{LevelModel, Levels};
use crate::cascade::repository::Rule;
use crate::cascade::setup::Setup;
use crate::cascade::teach::{Distil, Teaching};
use crate::dataset::stream;
use crate::fetch::weights::Catalogue;
use crate::gateway::budget::Budget;
use crate::gateway::concurrency::ConcurrencyLimiter;
use crate::gateway::journal::{Journal, Taken};
use crate::gateway::rate_limit::RateLimit;
use crate::gateway::refusals::Refusals;
use crate::gateway::{Gateway, Hear, Served, Source};
use crate::task::confidence::{Further, Signal};
use crate::task::extraction::{self, Extraction};
use crate::task::prompt::Prompt;
use crate::task::{Grader, Task};
use crate::types::embedding::Embedded;
use crate::types::item::{Item, Target};
use crate::types::price::{Fee, Price};
use crate::types::store_rule::StoreRule;

/// Keys of a model's entry that cannot change an answer.
const NO_MATTER: [&str; 15] = [
    "preset",
    "from_preset",
    "path",
    "price",
    "retired",
    "substitute",
    "api_key_env",
    "headers_env",
    "ca_file",
    "timeout_s",
    "max_retries",
    "longest_wait_s",
    "concurrency",
    "requests_per_minute",
    "tokens_per_minute",
];

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

/// A config with all that it names.
pub struct Assembly {
    /// The config.
    pub config: Config,
    /// All models that it could name.
    pub known: Vec<ModelEntry>,
    /// The weak level's entry.
    pub weak: ModelEntry,
    /// The strong level's entry.
    pub strong: ModelEntry,
    /// The data set's name in outputs.
    pub dataset: String,
    /// Hex sha256 of its file.
    pub sha256: String,
    /// What a reader must know of its files.
    pub(super) notices: Vec<String>,
    /// How its answers are read and compared.
    pub grader: Grader,
    /// The weak and the strong level's words.
    pub prompts: [Prompt; 2],
    /// All items: those of the stream, then those set apart for calibration.
    pub items: Arc<[Item]>,
    /// Where the ones and the others stand.
    places: [Range<usize>; 2],
    /// How confidence is read; none where no arm is gated by it and none is told.
    pub signal: Option<Signal>,
    /// The recordings that stand in for models, by the model's name.
    pub recordings: BTreeMap<String, Arc<Recording>>,
    /// The weights that can be named.
    pub weights: Catalogue,
}

impl Assembly {
    /// Reads the config and the data and checks all of it.
    ///
    /// # Errors
    /// One error that names the place and the mend.
    pub fn load(path: &Path, sets: &[String]) -> Result<Self> {
        let config = Config::load(path, sets)?;
        let weights = Catalogue::near(Some(path))?;
        let known = config.known_entries(path)?;
        let entries = config
            .level_entries(&known, path)?
            .into_iter()
            .map(ModelEntry::with_checksum)
            .collect::<Result<Vec<_>>>()?;
        let [weak, strong] = <[ModelEntry; 2]>::try_from(entries).map_err(|_| anyhow!("levels: name two models"))?;
        let chosen = Chosen::of(&config, path).with_context(|| format!("{}: dataset", path.display()))?;
        let task = chosen.format.task();
        for entry in [&weak, &strong] {
            entry.check(&weights).with_context(|| format!("{}", path.display()))?;
        }
        weak.check_shared(&strong, &weights).with_context(|| format!("{}", path.display()))?;
        let recordings = recordings([&weak, &strong]).with_context(|| format!("{}", path.display()))?;
        let recorded = recordings.get(&weak.name).map(Arc::as_ref);
        let signal =
            signal(&config, &weak, recorded, task).with_context(|| format!("{}: deferral.signal", path.display()))?;
        let words = Prompts::near(Some(path))?;
        let prompt = |entry: &ModelEntry| {
            let found = words.find(entry.prompt(), task).cloned();
            found.with_context(|| format!("{}: model `{}`: prompt", path.display(), entry.name))
        };
        let prompts = [prompt(&weak)?, prompt(&strong)?];
        let rules = config.dataset.extraction.clone().unwrap_or_else(|| usual_rules(task, signal, &chosen.stream));
        let grader = Grader { task, rules };
        let Chosen { name: dataset, sha256, notices, stream, calibration, .. } = chosen;
        let places = [0..stream.len(), stream.len()..stream.len() + calibration.len()];
        let items = stream.into_iter().chain(calibration).collect();
        let assembly = Self {
            config,
            known,
            weak,
            strong,
            dataset,
            sha256,
            notices,
            grader,
            prompts,
            items,
            places,
            signal,
            recordings,
            weights,
        };
        assembly.check().with_context(|| format!("{}", path.display()))?;
        Ok(assembly)
    }

    /// The items of the stream.
    #[must_use]
    pub fn stream(&self) -> &[Item] {
        &self.items[self.places[0].clone()]
    }

    /// Where the calibration items stand among all, in the order in which they were drawn.
    #[must_use]
    pub fn calibration(&self) -> Range<usize> {
        self.places[1].clone()
    }

    /// The items whose embeddings are needed, the first of all.
    #[must_use]
    pub fn embedded(&self) -> &[Item] {
        // Where something is told from the calibration items, what they share with the stream is told too.
        match (self.learns(), self.config.deferral.wanted().asks()) {
            (false, _) => &[],
            (true, false) => self.stream(),
            (true, true) => &self.items,
        }
    }

    /// Finds what keeps a model from being asked, before any is.
    ///
    /// # Errors
    /// Names the model and the mend.
    pub fn check_models(&self) -> Result<()> {
        [&self.weak, &self.strong].into_iter().try_for_each(ModelEntry::check_callable)
    }

    fn check(&self) -> Result<()> {
        for entry in [&self.weak, &self.strong].into_iter().filter(|entry| entry.backend == Backend::Reference) {
            Reference::check(&self.items).with_context(|| format!("model `{}`", entry.name))?;
        }
        let generates = self.grader.task == Task::Math
            && [&self.weak, &self.strong].iter().any(|entry| entry.capabilities().calculator);
        if self.config.dataset.calculator && !generates {
            bail!("dataset.calculator works for math questions and a model that runs in this process (backend gguf)");
        }
        if let Some(rule) = self.grader.rules.iter().find(|rule| !rule.reads(self.grader.task)) {
            bail!("dataset.extraction: the rule `{}` does not read answers to these questions", rule.name());
        }
        if !self.grader.rules.iter().any(|rule| rule.reads_texts()) {
            bail!("dataset.extraction: name a rule that reads texts too, for what a level writes");
        }
        let normalised = self.grader.rules.contains(&Extraction::OptionLikelihoodNormalised);
        if self.signal.is_some_and(|signal| {
            signal.scores_options() && (signal == Signal::OptionProbabilityNormalised) != normalised
        }) {
            bail!(
                "deferral.signal: option-probability-normalised and the rule option-likelihood-normalised go together, so that the \
                 option that is answered is the one that confidence is told of"
            );
        }
        self.check_recordings()?;
        self.check_store_rules()?;
        self.check_prompts()?;
        if self.config.limits.max_fee_usd.is_some() {
            for entry in [&self.weak, &self.strong].into_iter().filter(|entry| entry.backend != Backend::Replay) {
                if entry.price.is_none() {
                    bail!("limits.max_fee_usd needs a price for model `{}`", entry.name);
                }
            }
        }
        Ok(())
    }

    /// A recording must hold what the arms ask: of the strong level one answer to each item, with the strategy or without.
    fn check_recordings(&self) -> Result<()> {
        let learning = &self.config.learning;
        let (written, second) = (self.needs_strategies(), learning.distil == Distil::SecondCall);
        let columns = [(&self.weak, "strategies", self.learns()), (&self.strong, "distil", written && !second)];
        for (entry, column, needed) in columns {
            let Some(recording) = self.recordings.get(&entry.name).filter(|_| needed) else { continue };
            if !recording.has(column) {
                bail!(
                    "arms: a learning arm asks model `{}` what its recording does not hold (it has no column `{column}`): leave the learning arms out",
                    entry.name
                );
            }
        }
        let verified = self.learns() && learning.store.to_vec().contains(&StoreRule::Verified);
        let more = [(verified, "a second draw"), (written && second, "a strategy in a second call")];
        let strong = &self.strong.name;
        if let Some((_, what)) = more.iter().find(|(asked, _)| *asked && self.recordings.contains_key(strong)) {
            bail!("learning: {what} is asked of model `{strong}`, and its recording holds one answer to each item");
        }
        Ok(())
    }

    /// The strong level must be able to give what decides what is kept.
    fn check_store_rules(&self) -> Result<()> {
        let confident = self.learns() && self.config.learning.store.to_vec().contains(&StoreRule::Confident);
        if confident && !self.strong.capabilities().logprobs {
            bail!("learning.store: `confident` needs log-probabilities, and model `{}` gives none", self.strong.name);
        }
        Ok(())
    }

    /// The prompts must have the forms that the arms and the signal use.
    fn check_prompts(&self) -> Result<()> {
        let [weak, strong] = &self.prompts;
        if let Some(prompt) = self.prompts.iter().find(|prompt| prompt.names_subject())
            && let Some(item) = self.items.iter().find(|item| item.subject.is_none())
        {
            bail!(
                "the prompt `{}` names the question's subject, and item `{}` has none: choose another prompt",
                prompt.name,
                item.id
            );
        }
        let second = self.config.learning.distil == Distil::SecondCall;
        let further = self.signal.map(Signal::further);
        let wanted = [
            (&self.strong, strong, "distil", strong.distil.is_some(), self.needs_strategies() && !second),
            (&self.strong, strong, "distil_after", strong.distil_after.is_some(), self.needs_strategies() && second),
            (&self.weak, weak, "p_true", weak.p_true.is_some(), further == Some(Further::IsItRight)),
            (&self.weak, weak, "verbalised", weak.verbalised.is_some(), further == Some(Further::HowLikely)),
        ];
        for (entry, prompt, form, there, needed) in wanted {
            if needed && !there {
                bail!(
                    "model `{}`: its prompt `{}` has no form `{form}`: choose another prompt",
                    entry.name,
                    prompt.name
                );
            }
        }
        Ok(())
    }

    /// Whether any arm needs the strong level to write strategies.
    fn needs_strategies(&self) -> bool {
        self.config.arms.iter().any(|arm| arm.needs_strategies(self.config.learning.content))
    }

    /// Whether any arm learns.
    #[must_use]
    pub fn learns(&self) -> bool {
        self.config.arms.iter().any(|arm| arm.learning().is_some())
    }

    /// Prices by the model's name; the embedder in this process has none to pay.
    #[must_use]
    pub fn prices(&self) -> Prices {
        let local = Price { input: 0.0, cached_input: None, output: 0.0, read: None, nominal: false };
        let of = |entry: &ModelEntry| {
            let told = self.recordings.get(&entry.name).is_none_or(|recording| recording.is_priced());
            (entry.name.clone(), entry.price.clone().filter(|_| told))
        };
        BTreeMap::from([
            of(&self.weak),
            of(&self.strong),
            (self.config.learning.embedder.name().to_owned(), Some(local)),
        ])
    }

    /// The weights that must be there, by name.
    #[must_use]
    pub fn needed_weights(&self) -> BTreeSet<String> {
        let mut names = self.weak.needed_weights(&self.weak);
        names.extend(self.strong.needed_weights(&self.weak));
        if self.learns() {
            names.extend(self.config.learning.embedder.weights().map(str::to_owned));
        }
        names
    }

    /// Everything that makes a run the same run: all but limits, prices, and the names of keys.
    #[must_use]
    pub fn identity(&self) -> Value {
        let Config { name, seed, arms, dataset, deferral, learning, .. } = &self.config;
        let mut identity = json!({
            "name": name,
            "seed": seed,
            "arms": arms,
            "dataset": {
                "name": self.dataset, "sha256": self.sha256, "split": dataset.split, "limit": dataset.limit,
                "per_group": dataset.per_group, "orders": dataset.orders, "calculator": dataset.calculator,
                "calibration": dataset.calibration, "calibration_split": dataset.calibration_split,
                "group_split": dataset.group_split,
            },
            "deferral": DeferralConfig { signal: self.signal, ..deferral.clone() },
            "learning": learning,
            "prompts": self.prompts.iter().map(told).collect::<Vec<_>>(),
            "extraction": extraction::told(&self.grader.rules),
            "weak": self.model_identity(&self.weak),
            "strong": self.model_identity(&self.strong),
        });
        // What is rarely set stands there only where it is, so that runs of before stay the same runs.
        let parts = [
            ("member", dataset.member.as_ref().map(|member| json!(member))),
            ("group", dataset.group.as_ref().map(|group| json!(group))),
            ("subjects", dataset.subjects.as_ref().map(|subjects| json!(subjects))),
            ("sample", dataset.sample.map(|n| json!(n))),
            ("sample_groups", dataset.sample_groups.map(|n| json!(n))),
        ];
        for (key, value) in parts {
            if let Some(value) = value {
                identity["dataset"][key] = value;
            }
        }
        identity
    }

    fn model_identity(&self, entry: &ModelEntry) -> Value {
        let mut value = serde_json::to_value(entry).unwrap_or_default();
        if let Some(object) = value.as_object_mut() {
            for key in NO_MATTER {
                object.remove(key);
            }
            if entry.backend == Backend::Reference {
                object.insert("tokenizer".to_owned(), json!(entry.tokenizer_name(&self.weak)));
            }
            if let Some(recording) = self.recordings.get(&entry.name) {
                object.insert("recording".to_owned(), json!(recording.sha256()));
            }
        }
        value
    }

    /// The weak and the strong level's prompts with their checksums, so that one that was changed without a new version
    /// shows.
    #[must_use]
    pub fn words(&self) -> Value {
        let words = |prompt: &Prompt| json!({"name": prompt.name, "version": prompt.version, "sha256": prompt.sha256});
        self.prompts.iter().map(words).collect()
    }

    /// The whole config with its defaults and the models that it uses.
    #[must_use]
    pub fn resolved(&self) -> Value {
        let mut value = serde_json::to_value(&self.config).unwrap_or_default();
        if let Some(object) = value.as_object_mut() {
            object.insert("model".to_owned(), json!([self.weak, self.strong]));
        }
        value
    }

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
            levels: Levels::new(vec![level(&self.weak, &self.prompts[0])?], level(&self.strong, &self.prompts[1])?),
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
    ) -> Result<LevelModel> {
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
        Ok(LevelModel {
            name: entry.name.as_str().into(),
            model,
            prompt: prompt.clone(),
            max_tokens: entry.max_tokens,
            temperature: entry.temperature,
            calculator: self.config.dataset.calculator && entry.capabilities().calculator,
        })
    }
}

/// The rules where a config says nothing: the usual ones, and in front of them what the signal or the questions ask for.
fn usual_rules(task: Task, signal: Option<Signal>, items: &[Item]) -> Vec<Extraction> {
    let normalised = signal == Some(Signal::OptionProbabilityNormalised);
    let unanswerable = items.iter().any(|item| item.target == Target::Unanswerable);
    let first =
        [normalised.then_some(Extraction::OptionLikelihoodNormalised), unanswerable.then_some(Extraction::NoneStated)];
    first.into_iter().flatten().chain(Extraction::usual(task).iter().copied()).collect()
}

/// The recordings of these entries, read.
fn recordings(entries: [&ModelEntry; 2]) -> Result<BTreeMap<String, Arc<Recording>>> {
    let read = |entry: &ModelEntry| {
        let path = entry.recording.as_ref()?;
        let recording = Recording::read(path, entry.server_name()).with_context(|| format!("model `{}`", entry.name));
        Some(recording.map(|recording| (entry.name.clone(), Arc::new(recording))))
    };
    entries.into_iter().filter_map(read).collect()
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
