//! Look-up of recorded calls, so that what replays them need not know how they are stored.

use anyhow::Result;
use async_trait::async_trait;

use super::chat::{CallKey, Response};

/// A store of calls that were answered.
#[async_trait]
pub trait RecordedCalls: Send + Sync {
    /// Keys and canonical requests of the calls under a model's name, in the order in which they were stored.
    ///
    /// # Errors
    /// If the store cannot be read, or holds answers without their requests.
    fn requests(&self, model: &str) -> Result<Vec<(CallKey, String)>>;

    /// The answer to a call; `None` if the store has none.
    ///
    /// # Errors
    /// If the store cannot be read.
    async fn answer(&self, key: &CallKey) -> Result<Option<Response>>;
}
