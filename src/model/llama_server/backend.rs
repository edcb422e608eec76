//! The backend: calls go to a server that is started when the first one must really be made, through the code that
//! speaks to any other server. Levels with the same weights share one.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Map;
use tokio::sync::Mutex as AsyncMutex;

use super::{Engine, EngineError, EngineSettings, KeptServer, Wait};
use crate::model::openai::{OpenAi, Settings};
use crate::model::{Model, ModelError};
use crate::task::prompt::Style;
use crate::types::chat::{Request, Response};

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
    /// Tokens that each slot can hold.
    pub context: u32,
    /// Sequences at once.
    pub slots: u32,
    /// Threads that compute.
    pub threads: usize,
}

/// The servers of a run, by their weights.
pub struct Servers {
    folder: PathBuf,
    hear: Hear,
    by_weights: Mutex<BTreeMap<PathBuf, Arc<Shared>>>,
}

/// A server that several levels may share.
struct Shared {
    place: Place,
    settings: EngineSettings,
    hear: Hear,
    kept: AsyncMutex<Option<KeptServer>>,
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

    /// A model on the server of these weights.
    ///
    /// # Errors
    /// Where another level serves the same weights in another way.
    pub fn model(&self, name: &str, place: &Place, style: Style, timeout: Duration) -> Result<LlamaServer, ModelError> {
        let mut servers = self.by_weights.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = servers.entry(place.weights.clone()).or_insert_with(|| {
            let log = self.folder.join(format!("llama-server-{}.log", place.label));
            let settings = EngineSettings {
                weights: place.weights.clone(),
                context: place.context,
                slots: place.slots,
                threads: place.threads,
                chat: style == Style::Chat,
                log,
            };
            let hear = Arc::clone(&self.hear);
            Arc::new(Shared { place: place.clone(), settings, hear, kept: AsyncMutex::new(None) })
        });
        if shared.place != *place {
            return Err(ModelError::Refused(format!(
                "two levels serve {} and share one server: give both the same context, slots and threads",
                place.weights.display()
            )));
        }
        let shared = Arc::clone(shared);
        Ok(LlamaServer { name: name.to_owned(), shared, style, timeout, client: Mutex::new(None) })
    }
}

impl Shared {
    /// The server, started where it is not, and once more where it has died.
    async fn endpoint(&self) -> Result<Endpoint, ModelError> {
        let mut kept = self.kept.lock().await;
        let failed = |error: EngineError| match error {
            error @ (EngineError::Start(_) | EngineError::Ended { .. }) => ModelError::Unavailable(error.to_string()),
            error => ModelError::Refused(error.to_string()),
        };
        if kept.is_none() {
            let engine = Engine::choose().map_err(failed)?.engine;
            *kept = Some(KeptServer::new(engine, self.settings.clone()));
        }
        let Some(server) = kept.as_mut() else { unreachable!("one was just put there") };
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
            style: self.style,
            api_key: Some(endpoint.api_key.clone()),
            api_key_env: None,
            headers: Vec::new(),
            send_temperature: true,
            logprobs: true,
            token_limit_key: "max_tokens".to_owned(),
            send_stop: true,
            extra_body: Map::new(),
            connect_timeout: CONNECT,
            read_timeout: self.timeout,
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
        // The server knows its weights by their file; what is worth knowing is what computed with them.
        Ok(Response { model: format!("{}, {}", self.shared.place.label, endpoint.build), ..response })
    }
}
