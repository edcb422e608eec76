//! From entries to models: the one place that knows which backend is made from what.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use candle_core::quantized::gguf_file::Content;
use secrecy::SecretString;

use super::entry::{Backend, ModelEntry};
use super::local::gguf::{Gguf, GgufConfig};
use super::local::tokenizer::{self, Tokenizer};
use super::local::weights;
use super::openai::{OpenAi, Settings};
use super::reference::{Pieces, Reference};
use super::simulated::Simulated;
use super::{Capabilities, Model};
use crate::types::item::Item;
use crate::types::seed::Seed;

/// A server's key, and further headers with their values.
type Keys = (Option<SecretString>, Vec<(String, SecretString)>);

/// The tokenizer name that stands for counting words, for tests.
const WORDS: &str = "words";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// What models that answer from the data set are made from.
#[derive(Clone, Copy)]
pub struct Data<'a> {
    /// The items.
    pub items: &'a [Item],
    /// Hex sha256 of their file.
    pub sha256: &'a str,
    /// The run's seed.
    pub seed: Seed,
}

impl ModelEntry {
    /// What the backend will give, known before it is made.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        let (logprobs, scores_options, calculator) = match self.backend {
            Backend::Openai => (self.logprobs, false, false),
            Backend::Gguf => (true, true, true),
            Backend::Reference => (false, false, false),
            Backend::Simulated => (true, true, false),
        };
        Capabilities { logprobs, scores_options, calculator }
    }

    /// Finds what is wrong with the entry before anything is called: retirement, missing and foreign keys, the
    /// environment's variables, prices.
    ///
    /// # Errors
    /// Names the model, the key and the mend.
    pub fn check(&self) -> Result<()> {
        let named = || format!("model `{}`", self.name);
        self.check_entry().with_context(named)?;
        if self.backend == Backend::Openai {
            // Nothing is sent: this finds what is wrong with the address, the key and the extra fields.
            OpenAi::new(self.settings().with_context(named)?)?;
        }
        Ok(())
    }

    fn check_entry(&self) -> Result<()> {
        if let Some(day) = &self.retired {
            let instead = self.substitute.as_ref().map(|name| format!(": use `{name}` instead")).unwrap_or_default();
            bail!("its provider ended it on {day}{instead}");
        }
        let backend = self.backend;
        let needs = |key: &str| anyhow!("backend `{}` needs the key `{key}`", backend.name());
        match backend {
            Backend::Openai if self.base_url.is_none() => return Err(needs("base_url")),
            Backend::Gguf if self.weights.is_none() => return Err(needs("weights")),
            Backend::Simulated if self.simulated.is_none() => return Err(needs("simulated")),
            _ => {}
        }
        let given = [
            ("base_url", self.base_url.is_some(), Backend::Openai),
            ("api_key_env", self.api_key_env.is_some(), Backend::Openai),
            ("headers_env", !self.headers_env.is_empty(), Backend::Openai),
            ("extra_body", !self.extra_body.is_empty(), Backend::Openai),
            ("weights", self.weights.is_some(), Backend::Gguf),
            ("prompt", self.prompt.is_some(), Backend::Gguf),
            ("tokenizer", self.tokenizer.is_some(), Backend::Reference),
            ("simulated", self.simulated.is_some(), Backend::Simulated),
        ];
        if let Some((key, _, owner)) = given.iter().find(|(_, given, owner)| *given && *owner != backend) {
            bail!("the key `{key}` is for backend `{}`, and this is `{}`", owner.name(), backend.name());
        }
        if self.max_tokens == 0 {
            bail!("max_tokens must be at least 1");
        }
        if !(0.0..=2.0).contains(&self.temperature) {
            bail!("temperature must be from 0 to 2, not {}", self.temperature);
        }
        if !(self.timeout_s > 0.0 && self.timeout_s <= 86_400.0) {
            bail!("timeout_s must be above 0 and at most a day, not {}", self.timeout_s);
        }
        if let Some(price) = &self.price {
            price.check().map_err(|error| anyhow!(error))?;
        }
        for name in self.weights.iter().chain(self.tokenizer.iter().filter(|name| *name != WORDS)) {
            weights::find(name)?;
        }
        Ok(())
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
        self.tokenizer.as_deref().or(weak.weights.as_deref()).unwrap_or("smollm2-135m-instruct")
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

    /// Makes the model. The weights that it needs must be there.
    ///
    /// # Errors
    /// Names the model and what it lacks.
    pub fn make(&self, weak: &Self, data: Data) -> Result<Arc<dyn Model>> {
        self.make_inner(weak, data).with_context(|| format!("model `{}`", self.name))
    }

    fn make_inner(&self, weak: &Self, data: Data) -> Result<Arc<dyn Model>> {
        Ok(match self.backend {
            Backend::Openai => Arc::new(OpenAi::new(self.settings()?)?),
            Backend::Gguf => {
                let name = self.weights.as_deref().unwrap_or_default();
                let config = GgufConfig {
                    name: self.name.clone(),
                    weights: weights::path(name)?,
                    sha256: weights::find(name)?.files[0].sha256.clone(),
                    prompt: self.style(),
                };
                Arc::new(Gguf::new(config)?)
            }
            Backend::Reference => {
                let tokenizer = self.tokenizer_name(weak);
                Arc::new(Reference::new(data.items, data.sha256, tokenizer, pieces(tokenizer)?)?)
            }
            Backend::Simulated => {
                let behaviour = self.simulated.clone().ok_or_else(|| anyhow!("`simulated` is missing"))?;
                Arc::new(Simulated::new(&self.name, behaviour, data.items, data.seed))
            }
        })
    }

    fn settings(&self) -> Result<Settings> {
        let (api_key, headers) = self.keys()?;
        Ok(Settings {
            name: self.name.clone(),
            base_url: self.base_url.clone().unwrap_or_default(),
            model: self.server_name().to_owned(),
            api_key,
            api_key_env: self.api_key_env.clone(),
            headers,
            send_temperature: self.send_temperature,
            logprobs: self.logprobs,
            token_limit_key: self.token_limit_key.clone(),
            send_stop: self.send_stop,
            extra_body: self.extra_body.clone(),
            connect_timeout: CONNECT_TIMEOUT,
            read_timeout: Duration::from_secs_f64(self.timeout_s),
            max_retries: self.max_retries,
            first_wait: FIRST_WAIT,
            longest_wait: LONGEST_WAIT,
        })
    }
}

/// How a text falls into tokens.
fn pieces(name: &str) -> Result<Pieces> {
    if name == WORDS {
        return Ok(Arc::new(|text: &str| text.split_inclusive(char::is_whitespace).map(str::to_owned).collect()));
    }
    let tokenizer = open_tokenizer(&weights::path(name)?)?;
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
