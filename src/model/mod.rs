//! Backends behind one trait: each takes a [`Request`] and gives a [`Response`].

pub mod entry;
pub(crate) mod http;
pub mod journal;
pub mod llama_server;
pub mod local;
pub(crate) mod machine;
pub mod openai;
pub(crate) mod pip;
pub mod reference;
pub mod registry;
pub mod simulated;

use async_trait::async_trait;

use crate::types::chat::{Request, Response};

/// Why a call gave no answer. None of these is ever scored as a wrong answer.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The request, the key or the model's entry is wrong: trying again cannot help.
    #[error("{0}")]
    Refused(String),
    /// The server could not be reached or kept failing after every retry.
    #[error("{0}")]
    Unavailable(String),
    /// The server answered with something that cannot be used.
    #[error("{0}")]
    Unusable(String),
    /// The call could pass the fee limit, and was not made.
    #[error("{0}")]
    FeeLimit(String),
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

/// A model that answers requests.
#[async_trait]
pub trait Model: Send + Sync {
    /// What this backend can give, known before any call.
    fn capabilities(&self) -> Capabilities;

    /// Whatever determines the answer besides the request's messages, mode and draw: endpoint, weights,
    /// sampling parameters. Part of the call's key in the journal.
    fn identity(&self, request: &Request) -> serde_json::Value;

    /// Makes the call.
    ///
    /// # Errors
    /// [`ModelError`], after the backend's own retries.
    async fn call(&self, request: &Request) -> Result<Response, ModelError>;
}
