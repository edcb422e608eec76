//! What a backend is: a trait that takes a [`Request`] and gives a [`Response`], and what is known of it without a call.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::chat::{Request, Response};
use super::item::ItemId;

/// Why a call gave no answer. None of these is ever scored as a wrong answer.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The request, the key or the model's entry is wrong: trying again cannot help.
    #[error("{0}")]
    Refused(String),
    /// No attempt was answered, or what the call needs here has failed.
    #[error("{0}")]
    Unavailable(String),
    /// The server answered with something that cannot be used.
    #[error("{0}")]
    Unusable(String),
    /// Only recorded answers may be used, and none is recorded for this call.
    #[error(
        "this call was never recorded, and --offline forbids making it; drop --offline, or name a recording that holds it with --journal"
    )]
    NotRecorded,
    /// The provider refused more requests than the run allows.
    #[error("{0}")]
    TooManyRefused(String),
    /// One attempt failed, and another may succeed.
    #[error("{reason}")]
    Passing {
        /// What went wrong.
        reason: String,
        /// How long the server asked to wait.
        wait: Option<Duration>,
        /// Whether the server may have worked, and charge for it, without its answer coming through.
        charged: bool,
        /// What a user should know at once, if the server could not be reached: where it is, and how it starts.
        notice: Option<String>,
    },
    /// The call could pass the fee limit, and was not made.
    #[error("{0}")]
    FeeLimit(String),
    /// The run is being stopped, and the call was not made.
    #[error("the run is being stopped")]
    Stopped,
}

/// What a backend can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Log-probabilities of the tokens it writes.
    pub logprobs: bool,
    /// [`crate::types::chat::Mode::Score`].
    pub scores_options: bool,
    /// A calculator that works while it writes.
    pub calculator: bool,
}

/// Whatever determines an answer besides the request's messages, mode and draw: endpoint, weights, sampling
/// parameters. Part of the call's key in the journal, and known without the model being there.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// A JSON object.
    pub fixed: Value,
    /// Whether the item matters too, for backends that look it up.
    pub per_item: bool,
}

impl Identity {
    /// The identity for one item.
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
    /// Makes one attempt; retries are the gateway's.
    ///
    /// # Errors
    /// [`ModelError`].
    async fn call(&self, request: &Request) -> Result<Response, ModelError>;
}
