//! The backend that runs a GGUF model in this process. One thread owns the weights and answers over channels; it
//! writes several answers side by side, and no answer's bits depend on which others are being written.

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

/// Answers that are written side by side: beyond this two cores gain nothing.
pub const LANES: usize = 8;

/// What a [`Gguf`] is made from.
#[derive(Debug, Clone)]
pub struct GgufConfig {
    /// The name that answers carry.
    pub name: String,
    /// The weights file.
    pub weights: PathBuf,
    /// How a prompt is written.
    pub prompt: Style,
}

/// One call, and where its answer goes.
struct Job {
    request: Request,
    reply: oneshot::Sender<Result<Response, ModelError>>,
}

/// A GGUF model in this process. Its thread ends when the last clone of the sender is dropped and it has answered.
pub struct Gguf {
    config: GgufConfig,
    jobs: Mutex<Option<mpsc::UnboundedSender<Job>>>,
}

impl Gguf {
    /// Makes the backend. The weights are loaded with the first call, so that a run whose answers are all in the
    /// journal never waits for them.
    ///
    /// # Errors
    /// [`ModelError::Refused`] when there is no such file.
    pub fn new(config: GgufConfig) -> Result<Self, ModelError> {
        if !config.weights.is_file() {
            return Err(ModelError::Refused(format!(
                "{}: no such weights file; fetch it with `intercascade models fetch`",
                config.weights.display()
            )));
        }
        Ok(Self { config, jobs: Mutex::new(None) })
    }

    /// The way to the model's thread, which is started here if it does not run yet.
    fn jobs(&self) -> Result<mpsc::UnboundedSender<Job>, ModelError> {
        let stopped = |what: &str| ModelError::Unavailable(format!("the model's thread {what}: start the run again"));
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
