//! The backend: calls go to a server that is started when the first one must really be made, through the code that
//! speaks to any other server. Levels with the same weights share one.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Map;
use tokio::sync::Mutex as AsyncMutex;

use super::{Engine, EngineError, EngineSettings, SupervisedServer, Wait};
use crate::backend::openai::{OpenAi, Settings};
use crate::fetch::tls::Trusted;
use crate::task::prompt::Style;
use crate::types::chat::{Request, Response};
use crate::types::model::{Model, ModelError};

/// A machine that is busy with another model may take long to accept a connection.
const CONNECT: Duration = Duration::from_mins(1);

/// Is told what is waited for, by whose weights.
pub type Hear = Arc<dyn Fn(&str, Wait) + Send + Sync>;

/// Weights, and how they are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// How the weights are called.
    pub label: String,
    /// Their file.
    pub weights: PathBuf,
    /// Hex sha256 of the file: what makes weights the same.
    pub sha256: String,
    /// Tokens that each slot can hold.
    pub context: u32,
    /// Sequences at once.
    pub slots: u32,
    /// Threads that compute.
    pub threads: usize,
}

/// The servers of a run, by their weights' checksum.
pub struct Servers {
    folder: PathBuf,
    hear: Hear,
    by_weights: Mutex<BTreeMap<String, Arc<Shared>>>,
}

/// A server that several levels may share.
struct Shared {
    place: Place,
    log: PathBuf,
    /// Whether any level asks by chat.
    chat: AtomicBool,
    hear: Hear,
    kept: AsyncMutex<Option<SupervisedServer>>,
}

/// Where a running server is, and what it is.
#[derive(Debug, Clone)]
struct Endpoint {
    base_url: String,
    api_key: secrecy::SecretString,
    build: String,
}

impl Servers {
    /// The servers whose logs go into `folder`; nothing is started.
    #[must_use]
    pub fn new(folder: PathBuf, hear: Hear) -> Self {
        Self { folder, hear, by_weights: Mutex::default() }
    }

    /// A model on the server of these weights. Whoever names weights twice wants them served in one way
    /// ([`check_shared`](super::settings::check_shared)).
    #[must_use]
    pub fn model(&self, name: &str, place: Place, style: Style, timeout: Duration) -> LlamaServer {
        let mut servers = self.by_weights.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = servers.entry(place.sha256.clone()).or_insert_with(|| {
            let log = self.folder.join(format!("llama-server-{}.log", place.label));
            let hear = Arc::clone(&self.hear);
            Arc::new(Shared { place, log, chat: AtomicBool::new(false), hear, kept: AsyncMutex::new(None) })
        });
        shared.chat.fetch_or(style == Style::Chat, Ordering::Relaxed);
        LlamaServer { name: name.to_owned(), shared: Arc::clone(shared), style, timeout, client: Mutex::new(None) }
    }
}

impl Shared {
    fn settings(&self) -> EngineSettings {
        let Place { weights, context, slots, threads, .. } = self.place.clone();
        EngineSettings {
            weights,
            context,
            slots,
            threads,
            chat: self.chat.load(Ordering::Relaxed),
            log: self.log.clone(),
        }
    }

    /// The server, started where it is not, and once more where it has died.
    async fn endpoint(&self) -> Result<Endpoint, ModelError> {
        let mut guard = self.kept.lock().await;
        let kept = &mut *guard;
        let failed = |error: EngineError| match error {
            error @ (EngineError::Start(_) | EngineError::Ended { .. }) => ModelError::Unavailable(error.to_string()),
            error => ModelError::Refused(error.to_string()),
        };
        let server = if let Some(server) = kept {
            server
        } else {
            let engine = Engine::choose().map_err(failed)?.engine;
            kept.insert(SupervisedServer::new(engine, self.settings()))
        };
        let hear = |wait: Wait| (self.hear)(&self.place.label, wait);
        let running = server.alive(&hear).await.map_err(failed)?;
        Ok(Endpoint {
            base_url: running.base_url(),
            api_key: running.api_key().clone(),
            build: running.build().to_owned(),
        })
    }
}

/// A model on a server that this program runs.
pub struct LlamaServer {
    name: String,
    shared: Arc<Shared>,
    style: Style,
    timeout: Duration,
    /// The way to the server, made anew where that has moved.
    client: Mutex<Option<(String, Arc<OpenAi>)>>,
}

impl fmt::Debug for LlamaServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LlamaServer").field("place", &self.shared.place).finish_non_exhaustive()
    }
}

impl LlamaServer {
    fn client(&self, endpoint: &Endpoint) -> Result<Arc<OpenAi>, ModelError> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((base_url, client)) = client.as_ref()
            && *base_url == endpoint.base_url
        {
            return Ok(Arc::clone(client));
        }
        let made = Arc::new(OpenAi::new(Settings {
            name: self.name.clone(),
            base_url: endpoint.base_url.clone(),
            model: self.name.clone(),
            preset: None,
            style: self.style,
            api_key: Some(endpoint.api_key.clone()),
            api_key_env: None,
            headers: Vec::new(),
            send_temperature: true,
            logprobs: true,
            token_limit_key: "max_tokens".to_owned(),
            send_stop: true,
            send_system: true,
            trusted: Trusted::default(),
            extra_body: Map::new(),
            connect_timeout: CONNECT,
            timeout: self.timeout,
        })?);
        *client = Some((endpoint.base_url.clone(), Arc::clone(&made)));
        Ok(made)
    }
}

#[async_trait]
impl Model for LlamaServer {
    async fn call(&self, request: &Request) -> Result<Response, ModelError> {
        let endpoint = self.shared.endpoint().await?;
        let response = self.client(&endpoint)?.call(request).await?;
        // This server refuses a prompt only for its length, and how long it may be is the entry's own key.
        if response.is_refused() {
            return Err(ModelError::Refused(format!(
                "model \"{}\": {}; give a local model more context with the key `context` (tokens of prompt and answer)",
                self.name,
                response.refusal.as_deref().unwrap_or("refused")
            )));
        }
        // The server knows its weights by their file; what is worth knowing is what computed with them.
        Ok(Response { model: format!("{}, {}", self.shared.place.label, endpoint.build), ..response })
    }
}
