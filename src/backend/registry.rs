//! From entries to models: the one place that knows which backend is made from what.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use candle_core::quantized::gguf_file::Content;
use secrecy::SecretString;
use serde_json::json;

use super::entry::{Backend, ModelEntry, token_limit_key};
use super::gguf::tokenizer::{self, Tokenizer};
use super::gguf::{Gguf, GgufConfig, KERNEL, LANES};
use super::llama_server::{Place, Servers};
use super::openai::{OpenAi, Settings};
use super::reference::{Pieces, Reference, WORDING};
use super::replay::{Recording, Replay};
use super::simulated::Simulated;
use crate::fetch::tls::Trusted;
use crate::fetch::weights::{self, Catalogue};
use crate::task::prompt::Style;
use crate::types::item::Item;
use crate::types::model::{Capabilities, Identity, Model};
use crate::types::queue::{LineSettings, Retries};
use crate::types::recorded::RecordedCalls;
use crate::types::seed::Seed;

/// A server's key, and further headers with their values.
type Keys = (Option<SecretString>, Vec<(String, SecretString)>);

/// The tokenizer name that stands for counting words, for tests.
const WORDS: &str = "words";
/// Tokens that a slot of a local server holds where the entry does not say.
const CONTEXT: u32 = 4096;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// What models are made from, besides their entries.
#[derive(Clone, Copy)]
pub struct Data<'a> {
    /// The items.
    pub items: &'a [Item],
    /// Hex sha256 of their file.
    pub sha256: &'a str,
    /// The run's seed.
    pub seed: Seed,
    /// The weights that can be named.
    pub weights: &'a Catalogue,
    /// How the model is addressed.
    pub style: Style,
}

/// What a model's answers come from, where they are not made anew.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The recording that the entry names, read.
    pub recording: Option<&'a Arc<Recording>>,
    /// The run's journal.
    pub journal: &'a Arc<dyn RecordedCalls>,
    /// The local servers of the run.
    pub servers: &'a Servers,
}

impl ModelEntry {
    /// What the backend will give, known before it is made.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        let (logprobs, scores_options, calculator) = match self.backend {
            Backend::Openai => (self.logprobs, false, false),
            Backend::LlamaServer => (true, false, false),
            Backend::Gguf => (true, true, true),
            Backend::Reference => (false, false, false),
            // A table holds none; what a journal holds is seen when it is read.
            Backend::Replay => (self.recording.is_none(), false, false),
            Backend::Simulated => (true, true, false),
        };
        Capabilities { logprobs, scores_options, calculator }
    }

    /// Finds what keeps the model from being called: retirement, a wrong address, variables that the environment lacks.
    /// Nothing is sent.
    ///
    /// # Errors
    /// Names the model, the key and the mend.
    pub fn check_callable(&self) -> Result<()> {
        let named = || format!("model `{}`", self.name);
        if let Some(day) = &self.retired {
            let instead = self.substitute.as_ref().map(|name| format!(": use `{name}` instead")).unwrap_or_default();
            bail!("{}: its provider ended it on {day}{instead}", named());
        }
        if self.backend == Backend::Openai {
            OpenAi::new(self.settings(Style::Chat).with_context(named)?)?;
        }
        Ok(())
    }

    /// Finds what is wrong with the entry whether it is called or not: missing and foreign keys, prices.
    ///
    /// # Errors
    /// Names the model, the key and the mend.
    pub fn check(&self, weights: &Catalogue) -> Result<()> {
        self.check_entry(weights).with_context(|| format!("model `{}`", self.name))
    }

    fn check_entry(&self, weights: &Catalogue) -> Result<()> {
        let backend = self.backend;
        let needs = |key: &str| anyhow!("backend `{}` needs the key {key}", backend.name());
        match backend {
            Backend::Openai if self.base_url.is_none() => {
                let form = self.preset.and_then(|preset| preset.dialect().address.as_deref());
                return Err(needs(&form.map_or("`base_url`".to_owned(), |form| format!("`base_url`: \"{form}\""))));
            }
            Backend::Gguf if self.weights.is_none() => return Err(needs("`weights`")),
            Backend::LlamaServer if self.weights.is_some() == self.path.is_some() => {
                return Err(needs("`weights` or the key `path`, and not both"));
            }
            Backend::Simulated if self.simulated.is_none() => return Err(needs("`simulated`")),
            _ => {}
        }
        let servers: &[Backend] = &[Backend::Openai];
        let given: [(&str, bool, &[Backend]); 25] = [
            ("preset", self.preset.is_some(), servers),
            ("base_url", self.base_url.is_some(), servers),
            ("model", self.model.is_some(), &[Backend::Openai, Backend::Replay]),
            ("send_temperature", !self.send_temperature, servers),
            ("send_stop", !self.send_stop, servers),
            ("send_system", !self.send_system, servers),
            ("ca_file", self.ca_file.is_some(), servers),
            ("longest_wait_s", self.longest_wait_s.is_some(), servers),
            ("logprobs", !self.logprobs, servers),
            ("token_limit_key", self.token_limit_key != token_limit_key(), servers),
            ("api_key_env", self.api_key_env.is_some(), servers),
            ("headers_env", !self.headers_env.is_empty(), servers),
            ("extra_body", !self.extra_body.is_empty(), servers),
            ("concurrency", self.concurrency.is_some(), servers),
            ("requests_per_minute", self.requests_per_minute.is_some(), servers),
            ("tokens_per_minute", self.tokens_per_minute.is_some(), servers),
            ("weights", self.weights.is_some(), &[Backend::Gguf, Backend::LlamaServer]),
            ("path", self.path.is_some(), &[Backend::LlamaServer]),
            ("sha256", self.sha256.is_some(), &[Backend::LlamaServer]),
            ("context", self.context.is_some(), &[Backend::LlamaServer]),
            ("slots", self.slots.is_some(), &[Backend::LlamaServer]),
            ("threads", self.threads.is_some(), &[Backend::LlamaServer]),
            ("tokenizer", self.tokenizer.is_some(), &[Backend::Reference]),
            ("recording", self.recording.is_some(), &[Backend::Replay]),
            ("simulated", self.simulated.is_some(), &[Backend::Simulated]),
        ];
        if let Some((key, _, owners)) = given.iter().find(|(_, given, owners)| *given && !owners.contains(&backend)) {
            let owners: Vec<String> = owners.iter().map(|owner| format!("`{}`", owner.name())).collect();
            bail!("the key `{key}` is for backend {}, and this is `{}`", owners.join(" or "), backend.name());
        }
        if self.sha256.is_some() && self.path.is_none() {
            bail!("the key `sha256` goes with `path`: weights of the catalogue have theirs");
        }
        if self.max_tokens == 0 {
            bail!("max_tokens must be at least 1");
        }
        if !(0.0..=2.0).contains(&self.temperature) {
            bail!("temperature must be from 0 to 2, not {}", self.temperature);
        }
        if !(self.timeout_s() > 0.0 && self.timeout_s() <= 86_400.0) {
            bail!("timeout_s must be above 0 and at most a day, not {}", self.timeout_s());
        }
        if let Some(wait) = self.longest_wait_s.filter(|wait| !(*wait >= 0.0 && *wait <= 86_400.0)) {
            bail!("longest_wait_s must be from 0 to a day, not {wait}");
        }
        if let Some(price) = &self.price {
            price.check().map_err(|error| anyhow!(error))?;
        }
        for name in self.weights.iter().chain(self.tokenizer.iter().filter(|name| *name != WORDS)) {
            weights.find(name)?;
        }
        Ok(())
    }

    /// The checksum of the file at `path`, where the entry does not say it.
    ///
    /// # Errors
    /// Where the file cannot be read, or is not the one that the entry says.
    pub fn with_checksum(self) -> Result<Self> {
        let Some(path) = self.path.as_ref().filter(|path| path.exists() || self.sha256.is_none()) else {
            return Ok(self);
        };
        let found = weights::checksum(path)
            .with_context(|| format!("model `{}`: cannot read the weights {}", self.name, path.display()))?;
        match &self.sha256 {
            Some(wanted) if *wanted != found => {
                bail!("model `{}`: the checksum of {} is {found} instead of {wanted}", self.name, path.display())
            }
            _ => Ok(Self { sha256: Some(found), ..self }),
        }
    }

    /// The checksum of the model's weights.
    fn weights_checksum(&self, weights: &Catalogue) -> Result<String> {
        match (&self.sha256, &self.weights) {
            (Some(sha256), _) => Ok(sha256.clone()),
            (None, Some(name)) => Ok(weights.find(name)?.files[0].sha256.clone()),
            (None, None) => bail!("its weights are not named"),
        }
    }

    /// The names of the weights that the model needs; `weak` is the weak level, whose tokenizer the reference uses.
    #[must_use]
    pub fn needed_weights(&self, weak: &Self) -> BTreeSet<String> {
        let tokenizer = (self.backend == Backend::Reference).then(|| self.tokenizer_name(weak).to_owned());
        self.weights.iter().cloned().chain(tokenizer.filter(|name| name != WORDS)).collect()
    }

    /// What the reference's tokens are counted with: what the entry says, else the weak level's own tokenizer where
    /// it runs in this process, else that of the small model that ships.
    #[must_use]
    pub fn tokenizer_name<'a>(&'a self, weak: &'a Self) -> &'a str {
        let own = weak.weights.as_deref().filter(|_| weak.backend == Backend::Gguf);
        self.tokenizer.as_deref().or(own).unwrap_or("smollm2-135m-instruct")
    }

    /// The key and the secret headers, from the environment.
    fn keys(&self) -> Result<Keys> {
        let read = |key: &str, variable: &str| {
            std::env::var(variable).ok().filter(|value| !value.trim().is_empty()).map(SecretString::from).ok_or_else(
                || anyhow!("{key} names the environment variable {variable}, which is not set: export {variable}=…"),
            )
        };
        let api_key = self.api_key_env.as_ref().map(|variable| read("api_key_env", variable)).transpose()?;
        let headers = self
            .headers_env
            .iter()
            .map(|(header, variable)| Ok((header.clone(), read("headers_env", variable)?)))
            .collect::<Result<_>>()?;
        Ok((api_key, headers))
    }

    /// What determines the model's answers, known without a key, weights or a server.
    ///
    /// # Errors
    /// Where the weights are not known by their name.
    pub fn identity(&self, weak: &Self, data: Data) -> Result<Identity> {
        let mut fixed = match self.backend {
            Backend::Openai => {
                let mut fixed = json!({
                    "base_url": self.base_url.as_deref().unwrap_or_default().trim_end_matches('/'),
                    "model": self.server_name(),
                    "send_temperature": self.send_temperature,
                    "send_stop": self.send_stop,
                    "token_limit_key": self.token_limit_key,
                    "extra_body": self.extra_body,
                });
                if data.style == Style::Plain {
                    fixed["prompt"] = json!(Style::Plain);
                }
                if !self.send_system {
                    fixed["send_system"] = json!(false);
                }
                fixed
            }
            // Neither the engine's build nor its port: what it answered is the journal's to keep.
            Backend::LlamaServer => {
                json!({ "weights": self.weights_checksum(data.weights)?, "prompt": data.style })
            }
            Backend::Gguf => {
                json!({ "weights": self.weights_checksum(data.weights)?, "kernel": KERNEL, "prompt": data.style })
            }
            Backend::Reference => {
                json!({ "wording": WORDING, "dataset": data.sha256, "tokenizer": self.tokenizer_name(weak) })
            }
            Backend::Replay => json!({ "name": self.name }),
            Backend::Simulated => json!({ "name": self.name, "behaviour": self.simulated, "seed": data.seed }),
        };
        fixed["backend"] = json!(self.backend.name());
        Ok(Identity { fixed, per_item: matches!(self.backend, Backend::Reference | Backend::Simulated) })
    }

    /// Whether its answers are recorded ones, which need neither a journal nor leave to call.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.backend == Backend::Replay
    }

    /// The model. The weights that it needs must be there.
    ///
    /// # Errors
    /// Names the model and what it lacks.
    pub fn make(&self, weak: &Self, data: Data, sources: Sources) -> Result<Arc<dyn Model>> {
        let made = || -> Result<Arc<dyn Model>> {
            Ok(match (self.backend, sources.recording) {
                (Backend::Replay, Some(recording)) => Arc::<Recording>::clone(recording),
                (Backend::Replay, None) => Arc::new(Replay::of(&self.name, Arc::clone(sources.journal))?),
                (Backend::LlamaServer, _) => {
                    let (place, timeout) = (self.place(data.weights)?, Duration::from_secs_f64(self.timeout_s()));
                    Arc::new(sources.servers.model(&self.name, place, data.style, timeout))
                }
                _ => self.model(weak, data)?,
            })
        };
        made().with_context(|| format!("model `{}`", self.name))
    }

    /// Two levels with the same weights share one server, so they must want the same of it.
    ///
    /// # Errors
    /// Names both, the key and the values.
    pub fn check_shared(&self, other: &Self, weights: &Catalogue) -> Result<()> {
        let served = |entry: &Self| entry.backend == Backend::LlamaServer;
        if !served(self) || !served(other) || self.weights_checksum(weights)? != other.weights_checksum(weights)? {
            return Ok(());
        }
        let numbers = |entry: &Self| [u64::from(entry.context()), entry.slots().into(), entry.threads() as u64];
        let mut wanted = ["context", "slots", "threads"].into_iter().zip(numbers(self)).zip(numbers(other));
        match wanted.find(|((_, mine), theirs)| mine != theirs) {
            None => Ok(()),
            Some(((key, mine), theirs)) => bail!(
                "models `{}` and `{}` have the same weights and share one server: give both the same {key} ({mine} and {theirs} now)",
                self.name,
                other.name
            ),
        }
    }

    /// Tokens that a slot of its server holds.
    fn context(&self) -> u32 {
        self.context.map_or(CONTEXT, NonZeroU32::get)
    }

    /// Sequences that its server computes at once.
    fn slots(&self) -> u32 {
        self.slots.map_or(1, NonZeroU32::get)
    }

    /// Threads that its server computes with: the machine's cores, where the entry does not say.
    fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.threads.map_or_else(cores, NonZeroUsize::get)
    }

    /// Its weights, and how they are served.
    fn place(&self, weights: &Catalogue) -> Result<Place> {
        let sha256 = self.weights_checksum(weights)?;
        let (label, weights) = match (&self.weights, &self.path) {
            (Some(name), _) => (name.clone(), weights.path(name)?),
            (None, Some(path)) => (path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), path.clone()),
            (None, None) => bail!("its weights are not named"),
        };
        Ok(Place { label, weights, sha256, context: self.context(), slots: self.slots(), threads: self.threads() })
    }

    fn model(&self, weak: &Self, data: Data) -> Result<Arc<dyn Model>> {
        Ok(match self.backend {
            Backend::Openai => Arc::new(OpenAi::new(self.settings(data.style)?)?),
            Backend::Gguf => {
                let name = self.weights.as_deref().unwrap_or_default();
                let config =
                    GgufConfig { name: self.name.clone(), weights: data.weights.path(name)?, prompt: data.style };
                Arc::new(Gguf::new(config)?)
            }
            Backend::Reference => {
                Arc::new(Reference::new(data.items, pieces(self.tokenizer_name(weak), data.weights)?)?)
            }
            Backend::Replay | Backend::LlamaServer => unreachable!("made by their own ways"),
            Backend::Simulated => {
                let behaviour = self.simulated.clone().ok_or_else(|| anyhow!("`simulated` is missing"))?;
                Arc::new(Simulated::new(&self.name, behaviour, data.items, data.seed))
            }
        })
    }

    /// When a call that failed is tried again.
    #[must_use]
    pub fn retries(&self) -> Retries {
        // A local server that has died is started once more, and the call repeated.
        let most = self.max_retries.max(usize::from(self.backend == Backend::LlamaServer));
        let longest_wait = self.longest_wait_s.map_or(LONGEST_WAIT, Duration::from_secs_f64);
        Retries { most, first_wait: FIRST_WAIT, longest_wait }
    }

    /// How the model is called when `concurrency` calls may be in flight over all.
    #[must_use]
    pub fn line(&self, concurrency: usize) -> LineSettings {
        let most = |cap: NonZeroU32| usize::try_from(cap.get()).unwrap_or(usize::MAX);
        let cap = match self.backend {
            Backend::Openai => self.concurrency.map_or(concurrency, most),
            Backend::LlamaServer => usize::try_from(self.slots()).unwrap_or(usize::MAX),
            Backend::Gguf => LANES,
            Backend::Reference | Backend::Replay | Backend::Simulated => concurrency,
        };
        let local = matches!(self.backend, Backend::Gguf | Backend::LlamaServer);
        LineSettings { cap, local, probed: self.backend == Backend::Openai }
    }

    /// What the backend for servers goes by, the keys from the environment included.
    pub(super) fn settings(&self, style: Style) -> Result<Settings> {
        let (api_key, headers) = self.keys()?;
        Ok(Settings {
            name: self.name.clone(),
            base_url: self.base_url.clone().unwrap_or_default(),
            model: self.server_name().to_owned(),
            style,
            api_key,
            api_key_env: self.api_key_env.clone(),
            headers,
            send_temperature: self.send_temperature,
            logprobs: self.logprobs,
            token_limit_key: self.token_limit_key.clone(),
            send_stop: self.send_stop,
            send_system: self.send_system,
            trusted: self.ca_file.as_deref().map(Trusted::read).transpose()?.unwrap_or_default(),
            extra_body: self.extra_body.clone(),
            connect_timeout: CONNECT_TIMEOUT,
            timeout: Duration::from_secs_f64(self.timeout_s()),
        })
    }
}

/// How a text falls into tokens.
fn pieces(name: &str, weights: &Catalogue) -> Result<Pieces> {
    if name == WORDS {
        return Ok(Arc::new(|text: &str| text.split_inclusive(char::is_whitespace).map(str::to_owned).collect()));
    }
    let tokenizer = open_tokenizer(&weights.path(name)?)?;
    Ok(Arc::new(move |text: &str| {
        let ids = tokenizer.encode(text).unwrap_or_default();
        let mut pieces = tokenizer::Pieces::default();
        let mut texts: Vec<String> = ids.iter().map(|id| pieces.push(tokenizer.bytes(*id))).collect();
        if let Some(last) = texts.last_mut() {
            last.push_str(&pieces.finish());
        }
        texts
    }))
}

fn open_tokenizer(path: &Path) -> Result<Tokenizer> {
    let read = || -> Result<Tokenizer> {
        let mut reader = BufReader::new(File::open(path)?);
        Ok(Tokenizer::from_gguf(&Content::read(&mut reader)?)?)
    };
    read().with_context(|| format!("cannot read the tokenizer of {}", path.display()))
}
