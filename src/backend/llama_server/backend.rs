//! The backend `llama-server`: calls go to a server that is started at the first call that no journal answers,
//! through the client for OpenAI-compatible servers. Levels with the same weights share a server.

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

/// Longest wait for a connection. A machine that is busy with another model can be slow to accept one.
const CONNECT_TIMEOUT: Duration = Duration::from_mins(1);

/// Callback for the reason of a wait. The first argument is the label of the weights.
pub type OnServerWait = Arc<dyn Fn(&str, Wait) + Send + Sync>;

/// Weights and the settings of their server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedModel {
    /// Label of the weights in messages.
    pub label: String,
    /// Path of the weights file.
    pub weights: PathBuf,
    /// SHA-256 of the file, in hex. Weights with equal checksums share a server.
    pub sha256: String,
    /// Context of each slot in tokens, prompt and answer together.
    pub context: u32,
    /// Number of parallel sequences.
    pub slots: u32,
    /// Number of compute threads.
    pub threads: usize,
}

/// Servers of a run, by the checksum of their weights.
pub struct Servers {
    folder: PathBuf,
    on_wait: OnServerWait,
    by_weights: Mutex<BTreeMap<String, Arc<Shared>>>,
}

/// A server that several levels can share.
struct Shared {
    served: ServedModel,
    log: PathBuf,
    /// True if any level sends chat requests.
    chat: AtomicBool,
    on_wait: OnServerWait,
    server: AsyncMutex<Option<SupervisedServer>>,
}

/// Address, key and build of a running server.
#[derive(Debug, Clone)]
struct Endpoint {
    base_url: String,
    api_key: secrecy::SecretString,
    build: String,
}

impl Servers {
    /// Creates the servers with their logs in `folder`. Nothing is started.
    #[must_use]
    pub fn new(folder: PathBuf, on_wait: OnServerWait) -> Self {
        Self { folder, on_wait, by_weights: Mutex::default() }
    }

    /// Creates a model on the server of the weights. If two models have the same weights, the caller has checked that
    /// their settings agree ([`check_shared`](super::settings::check_shared)).
    #[must_use]
    pub fn model(&self, name: &str, served: ServedModel, style: Style, timeout: Duration) -> LlamaServer {
        let mut servers = self.by_weights.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = servers.entry(served.sha256.clone()).or_insert_with(|| {
            let log = self.folder.join(format!("llama-server-{}.log", served.label));
            let on_wait = Arc::clone(&self.on_wait);
            Arc::new(Shared { served, log, chat: AtomicBool::new(false), on_wait, server: AsyncMutex::new(None) })
        });
        shared.chat.fetch_or(style == Style::Chat, Ordering::Relaxed);
        LlamaServer { name: name.to_owned(), shared: Arc::clone(shared), style, timeout, client: Mutex::new(None) }
    }
}

impl Shared {
    fn settings(&self) -> EngineSettings {
        let ServedModel { weights, context, slots, threads, .. } = self.served.clone();
        EngineSettings {
            weights,
            context,
            slots,
            threads,
            chat: self.chat.load(Ordering::Relaxed),
            log: self.log.clone(),
        }
    }

    /// Returns the running server. Starts it if necessary, and restarts it once if it has died.
    async fn endpoint(&self) -> Result<Endpoint, ModelError> {
        let mut guard = self.server.lock().await;
        let supervised = &mut *guard;
        let failed = |error: EngineError| match error {
            error @ (EngineError::Start(_) | EngineError::Ended { .. }) => ModelError::Unavailable(error.to_string()),
            error => ModelError::Refused(error.to_string()),
        };
        let server = if let Some(server) = supervised {
            server
        } else {
            let engine = Engine::choose().map_err(failed)?.engine;
            supervised.insert(SupervisedServer::new(engine, self.settings()))
        };
        let on_wait = |wait: Wait| (self.on_wait)(&self.served.label, wait);
        let running = server.ensure_running(&on_wait).await.map_err(failed)?;
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
    /// Client of the server with the server's address. Replaced if the address changes.
    client: Mutex<Option<(String, Arc<OpenAi>)>>,
}

impl fmt::Debug for LlamaServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LlamaServer").field("served", &self.shared.served).finish_non_exhaustive()
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
        let new = Arc::new(OpenAi::new(Settings {
            name: self.name.clone(),
            base_url: endpoint.base_url.clone(),
            address_name: "base_url".to_owned(),
            ip: None,
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
            connect_timeout: CONNECT_TIMEOUT,
            timeout: self.timeout,
        })?);
        *client = Some((endpoint.base_url.clone(), Arc::clone(&new)));
        Ok(new)
    }
}

#[async_trait]
impl Model for LlamaServer {
    async fn call(&self, request: &Request) -> Result<Response, ModelError> {
        let endpoint = self.shared.endpoint().await?;
        let response = self.client(&endpoint)?.call(request).await?;
        // This server refuses a prompt only for its length, and a key of the entry sets the maximum length.
        if response.is_refused() {
            return Err(ModelError::Refused(format!(
                "model \"{}\": {}; raise the key `context` of the local model (tokens of prompt and answer)",
                self.name,
                response.refusal.as_deref().unwrap_or("refused")
            )));
        }
        // The server reports the path of its weights as the model. The label and the build are more informative. Its
        // port is another one in each run.
        let model = format!("{}, {}", self.shared.served.label, endpoint.build);
        Ok(Response { model, server: None, ..response })
    }
}
