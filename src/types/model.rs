//! Trait of a backend, which answers a [`Request`] with a [`Response`], and the properties that are known without a
//! call.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::chat::{Request, Response};
use super::item::ItemId;

/// Error of a call without an answer. An error is never scored as a wrong answer.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The request, the API key or the model's entry is wrong. A retry cannot help.
    #[error("{0}")]
    Refused(String),
    /// No attempt was answered, or a local resource that the call needs has failed.
    #[error("{0}")]
    Unavailable(String),
    /// The server's response is unusable.
    #[error("{0}")]
    Unusable(String),
    /// Only recorded answers may be used, and no answer is recorded for this call.
    #[error(
        "this call was never recorded, and --offline forbids making it; drop --offline, or name a recording that holds it with --journal"
    )]
    NotRecorded,
    /// The provider refused more requests than the run allows.
    #[error("{0}")]
    TooManyRefused(String),
    /// The attempt failed, and a retry may succeed.
    #[error("{reason}")]
    Passing {
        /// Reason of the failure.
        reason: String,
        /// Wait that the server requested. `None` if it requested none.
        wait: Option<Duration>,
        /// True if the server may charge for the attempt although its answer did not arrive.
        charged: bool,
        /// Notice to print at once if the server cannot be reached: its address, and how to start it.
        notice: Option<String>,
    },
    /// The call was not made, because it could exceed the fee limit.
    #[error("{0}")]
    FeeLimit(String),
    /// The call was not made, because the run is stopping.
    #[error("the run is being stopped")]
    Stopped,
}

/// Capabilities of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// True if the backend returns log-probabilities of generated tokens.
    pub logprobs: bool,
    /// True if the backend supports [`crate::types::chat::Mode::Score`].
    pub scores_options: bool,
    /// True if a calculator can work during generation.
    pub calculator: bool,
}

/// Everything that determines an answer besides the request's messages, mode and draw: endpoint, weights, sampling
/// parameters. Part of the call's key in the journal. Known even if the model is not available.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// JSON object with the determining settings.
    pub fixed: Value,
    /// True if the item's id is part of the identity, for backends that look the item up.
    pub per_item: bool,
}

impl Identity {
    /// Identity for one item.
    #[must_use]
    pub fn of(&self, item: &ItemId) -> Value {
        let mut identity = self.fixed.clone();
        if let (true, Some(object)) = (self.per_item, identity.as_object_mut()) {
            object.insert("item".to_owned(), Value::String(item.to_string()));
        }
        identity
    }
}

/// A model that answers requests.
#[async_trait]
pub trait Model: Send + Sync {
    /// Makes one attempt. The gateway handles retries.
    ///
    /// # Errors
    /// If the attempt returns no answer.
    async fn call(&self, request: &Request) -> Result<Response, ModelError>;

    /// Number of servers that answer with equal right, at least 1. The gateway distributes the calls among them.
    fn servers(&self) -> usize {
        1
    }

    /// Makes one attempt at the server with this index, below [`Model::servers`].
    ///
    /// # Errors
    /// If the attempt returns no answer.
    async fn call_at(&self, _server: usize, request: &Request) -> Result<Response, ModelError> {
        self.call(request).await
    }
}
