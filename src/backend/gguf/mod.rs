//! The backend that runs a GGUF model in this process. One thread owns the weights and answers over channels. It
//! generates several answers in parallel, and an answer does not depend on the others.

use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};

use crate::task::prompt::Style;
use crate::types::chat::{Request, Response};
use crate::types::model::{Model, ModelError};

pub mod calculator;
mod engine;
pub mod llama;
mod prompt;
pub mod settings;
pub mod tokenizer;
mod writing;

use engine::{Engine, serve};

pub use engine::KERNEL;

/// Maximum number of answers that are generated in parallel. A larger number gains nothing on two cores.
pub const LANES: usize = 8;

/// Configuration of a [`Gguf`].
#[derive(Debug, Clone)]
pub struct GgufConfig {
    /// Name of the model in answers.
    pub name: String,
    /// Path of the weights file.
    pub weights: PathBuf,
    /// Form of the prompt.
    pub prompt: Style,
}

/// A call and its reply channel.
struct Job {
    request: Request,
    reply: oneshot::Sender<Result<Response, ModelError>>,
}

/// A GGUF model in this process. Its thread ends after the last clone of the sender is dropped and all calls are
/// answered.
pub struct Gguf {
    config: GgufConfig,
    jobs: Mutex<Option<mpsc::UnboundedSender<Job>>>,
}

impl Gguf {
    /// Creates the backend. The weights are loaded at the first call, so a run whose answers are all in the journal
    /// does not load them.
    ///
    /// # Errors
    /// [`ModelError::Refused`] if the file does not exist.
    pub fn new(config: GgufConfig) -> Result<Self, ModelError> {
        if !config.weights.is_file() {
            return Err(ModelError::Refused(format!(
                "{}: no such weights file; fetch it with `intercascade models fetch`",
                config.weights.display()
            )));
        }
        Ok(Self { config, jobs: Mutex::new(None) })
    }

    /// Returns the sender to the model's thread. Starts the thread if it is not running.
    fn jobs(&self) -> Result<mpsc::UnboundedSender<Job>, ModelError> {
        let stopped =
            |reason: &str| ModelError::Unavailable(format!("the model's thread {reason}: start the run again"));
        let mut jobs = self.jobs.lock().map_err(|_| stopped("has panicked"))?;
        if let Some(jobs) = jobs.as_ref() {
            return Ok(jobs.clone());
        }
        let (sender, receiver) = mpsc::unbounded_channel();
        let config = self.config.clone();
        thread::Builder::new()
            .name(format!("gguf {}", config.name))
            .spawn(move || serve(&Engine::load(config), receiver))
            .map_err(|error| stopped(&format!("did not start ({error})")))?;
        *jobs = Some(sender.clone());
        Ok(sender)
    }
}

#[async_trait]
impl Model for Gguf {
    async fn call(&self, request: &Request) -> Result<Response, ModelError> {
        let stopped = |_| ModelError::Unavailable("the model's thread has stopped: start the run again".to_owned());
        let (reply, answer) = oneshot::channel();
        let job = Job { request: request.clone(), reply };
        self.jobs()?.send(job).map_err(|error| stopped(error.to_string()))?;
        answer.await.map_err(|error| stopped(error.to_string()))?
    }
}
