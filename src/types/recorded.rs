//! Interface for the look-up of recorded calls, independent of their storage.

use anyhow::Result;
use async_trait::async_trait;

use super::chat::{CallKey, Response};

/// Store of recorded calls.
#[async_trait]
pub trait RecordedCalls: Send + Sync {
    /// Returns keys and canonical requests of the calls of a model, in the order of storage.
    ///
    /// # Errors
    /// If the store cannot be read, or contains answers without requests.
    fn requests(&self, model: &str) -> Result<Vec<(CallKey, String)>>;

    /// Returns the answer to a call. `None` if the store has no answer.
    ///
    /// # Errors
    /// If the store cannot be read.
    async fn answer(&self, key: &CallKey) -> Result<Option<Response>>;
}
