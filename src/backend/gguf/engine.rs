//! The model's thread. It loads the weights, scores options in one pass, and generates several answers in parallel,
//! one token of each per step.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::PathBuf;
use std::time::Instant;

use candle_core::quantized::gguf_file::{Content, Value};
use rayon::prelude::*;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use super::prompt::{Template, ids};
use super::writing::{Writing, argmax, logprob};
use super::{GgufConfig, Job, LANES};
use crate::backend::gguf::llama::{Cache, Llama, Row};
use crate::backend::gguf::tokenizer::Tokenizer;
use crate::types::chat::{Finish, Mode, Request, Response, Usage};
use crate::types::model::ModelError;

/// Name of the arithmetic. Another arithmetic rounds differently and can therefore change an answer.
pub const KERNEL: &str = "f32";

/// Weights, tokenizer and chat template of a model.
pub(super) struct Engine {
    config: GgufConfig,
    llama: Llama,
    tokenizer: Tokenizer,
    template: Option<Template>,
}

/// Error while weights are loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    /// The file cannot be opened.
    #[error("{}: {error}", file.display())]
    Open { file: PathBuf, error: io::Error },
    /// The file contains no weights that this program can run.
    #[error("{}: {reason}: the file is damaged or its kind is not supported; fetch it again", file.display())]
    Damaged { file: PathBuf, reason: String },
    /// The file's tokenizer is not supported.
    #[error("{}: {reason}", file.display())]
    Tokenizer { file: PathBuf, reason: String },
}

/// An answer in progress and its reply channel.
struct Lane {
    writing: Writing,
    cache: Cache,
    input: usize,
    start: Instant,
    reply: oneshot::Sender<Result<Response, ModelError>>,
}

impl Engine {
    /// Reads the weights file. Every call reports an error of this step.
    pub(super) fn load(config: GgufConfig) -> Result<Self, LoadError> {
        let file = &config.weights;
        let damaged =
            |error: &dyn std::fmt::Display| LoadError::Damaged { file: file.clone(), reason: error.to_string() };
        let mut reader = File::open(&config.weights)
            .map(|opened| BufReader::with_capacity(1 << 20, opened))
            .map_err(|error| LoadError::Open { file: file.clone(), error })?;
        let content = Content::read(&mut reader).map_err(|error| damaged(&error))?;
        let unknown = |reason: String| LoadError::Tokenizer { file: file.clone(), reason };
        let tokenizer = Tokenizer::from_gguf(&content).map_err(|error| unknown(error.to_string()))?;
        let llama = Llama::load(&content, &mut reader).map_err(|error| damaged(&error))?;
        let template = match content.metadata.get("tokenizer.chat_template") {
            Some(Value::String(source)) => Template::read(source),
            _ => None,
        };
        Ok(Self { config, llama, tokenizer, template })
    }

    fn prompt(&self, request: &Request) -> Result<Vec<u32>, ModelError> {
        let ids = ids(&request.messages, self.config.prompt, self.template.as_ref(), &self.tokenizer)
            .map_err(|error| self.refused(&error.to_string()))?;
        let context = self.llama.shape().context;
        if ids.is_empty() {
            return Err(self.refused("the prompt is empty"));
        }
        // One position must remain for the answer.
        if ids.len() >= context {
            return Err(self.refused(&format!(
                "the prompt of item {} has {} tokens, and the model's context holds {context}: shorten the question or \
                 retrieve fewer strategies",
                request.item,
                ids.len()
            )));
        }
        Ok(ids)
    }

    fn refused(&self, reason: &str) -> ModelError {
        ModelError::Refused(format!("model {}: {reason}", self.config.name))
    }

    fn unusable(&self, error: &candle_core::Error) -> ModelError {
        ModelError::Unusable(format!("model {}: {error}", self.config.name))
    }

    /// Processes a prompt and chooses the first token of the answer. Also returns the prompt's length in tokens.
    fn begin(&self, request: &Request) -> Result<(Writing, Cache, usize), ModelError> {
        let ids = self.prompt(request)?;
        let mut writing = Writing::new(request, self.llama.shape().context - ids.len());
        let mut cache = Cache::default();
        let logits = self.read(&ids, &mut cache).map_err(|error| self.unusable(&error))?;
        writing.choose(&logits, &self.tokenizer);
        Ok((writing, cache, ids.len()))
    }

    /// Processes a prompt and returns the logits after its last token.
    fn read(&self, ids: &[u32], cache: &mut Cache) -> candle_core::Result<Vec<f32>> {
        let hidden = self.llama.forward(&Row::trunk(ids, 0), cache)?;
        Ok(self.llama.logits(&hidden.narrow(0, ids.len() - 1, 1)?)?.swap_remove(0))
    }

    /// Scores all options in one pass. The prompt is processed once, and each option attends to the prompt and itself
    /// only.
    fn score(&self, request: &Request, options: &[String], start: Instant) -> Result<Response, ModelError> {
        if options.is_empty() {
            return Err(self.refused(&format!("item {} has no options to score", request.item)));
        }
        let prompt = self.prompt(request)?;
        let options_ids = options
            .iter()
            .map(|option| {
                let space = if option.starts_with(' ') { "" } else { " " };
                self.tokenizer.encode(&format!("{space}{option}")).map_err(|error| self.refused(&error.to_string()))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let longest = options_ids.iter().map(Vec::len).max().unwrap_or_default();
        if prompt.len() + longest > self.llama.shape().context {
            return Err(self.refused(&format!(
                "the prompt of item {} and its longest option have {} tokens, and the model's context holds {}: \
                 shorten them",
                request.item,
                prompt.len() + longest,
                self.llama.shape().context
            )));
        }
        let option_logprobs = self.option_logprobs_of(&prompt, &options_ids).map_err(|error| self.unusable(&error))?;
        let likeliest = argmax(&option_logprobs);
        let input = prompt.len() + options_ids.iter().map(Vec::len).sum::<usize>();
        Ok(Response {
            text: options[likeliest].clone(),
            tokens: Vec::new(),
            option_logprobs,
            usage: Usage { input: input as u64, cached_input: 0, output: 0 },
            finish: Finish::Stop,
            model: self.config.name.clone(),
            latency_ms: milliseconds(start),
            ..Response::default()
        })
    }

    /// Returns the summed log-probability of each continuation of the prompt.
    fn option_logprobs_of(&self, prompt: &[u32], options: &[Vec<u32>]) -> candle_core::Result<Vec<f64>> {
        let mut rows = Row::trunk(prompt, 0);
        // An option's last token predicts nothing, so it is left out.
        for (branch, option) in (1..).zip(options) {
            let inner = &option[..option.len().saturating_sub(1)];
            rows.extend(Row::trunk(inner, prompt.len()).into_iter().map(|row| Row { branch, ..row }));
        }
        let hidden = self.llama.forward(&rows, &mut Cache::default())?;
        let from = prompt.len() - 1;
        let logits = self.llama.logits(&hidden.narrow(0, from, rows.len() - from)?)?;
        let mut next = 1;
        Ok(options
            .iter()
            .map(|option| {
                let own = option.len().saturating_sub(1);
                let predictors = std::iter::once(&logits[0]).chain(&logits[next..next + own]);
                next += own;
                predictors.zip(option).map(|(logits, token)| logprob(logits, *token)).sum()
            })
            .collect())
    }

    /// Generates one more token of each answer. Finished answers are sent and removed.
    fn advance(&self, lanes: &mut Vec<Lane>) {
        let done: Vec<Lane> = lanes.extract_if(.., |lane| lane.writing.is_done() || lane.reply.is_closed()).collect();
        for lane in done {
            let latency_ms = milliseconds(lane.start);
            let response = lane.writing.respond(&self.config.name, lane.input, latency_ms);
            let _ = lane.reply.send(Ok(response));
        }
        let tokens: Vec<u32> = lanes.iter_mut().filter_map(|lane| lane.writing.feed()).collect();
        if tokens.is_empty() {
            return;
        }
        let mut caches: Vec<&mut Cache> = lanes.iter_mut().map(|lane| &mut lane.cache).collect();
        match self.llama.step(&tokens, &mut caches) {
            Ok(logits) => {
                for (lane, logits) in lanes.iter_mut().zip(logits) {
                    lane.writing.choose(&logits, &self.tokenizer);
                }
            }
            Err(error) => {
                for lane in lanes.drain(..) {
                    let _ = lane.reply.send(Err(self.unusable(&error)));
                }
            }
        }
    }
}

/// Answers calls until all senders are dropped.
pub(super) fn serve(engine: &Result<Engine, LoadError>, mut jobs: UnboundedReceiver<Job>) {
    let mut lanes: Vec<Lane> = Vec::new();
    loop {
        let mut accepted: Vec<Job> = Vec::new();
        while lanes.len() + accepted.len() < LANES {
            let idle = lanes.is_empty() && accepted.is_empty();
            match if idle { jobs.blocking_recv() } else { jobs.try_recv().ok() } {
                Some(job) => accepted.push(job),
                None if idle => return,
                None => break,
            }
        }
        // Prompts are processed in parallel: two cores gain more on two prompts than on one.
        lanes.par_extend(accepted.into_par_iter().filter_map(|job| start_job(engine, job)));
        if let Ok(engine) = engine {
            engine.advance(&mut lanes);
        }
    }
}

/// Answers a scoring call or a failed call at once. Turns a generating call into a lane.
fn start_job(engine: &Result<Engine, LoadError>, Job { request, reply }: Job) -> Option<Lane> {
    let start = Instant::now();
    // Nobody needs the answer if the caller has gone.
    let answer = match (engine, &request.mode) {
        _ if reply.is_closed() => return None,
        (Err(error), _) => Err(ModelError::Refused(error.to_string())),
        (Ok(engine), Mode::Score { options }) => engine.score(&request, options, start),
        (Ok(engine), Mode::Generate(_)) => match engine.begin(&request) {
            Ok((writing, cache, input)) => {
                return Some(Lane { writing, cache, input, start, reply });
            }
            Err(error) => Err(error),
        },
    };
    drop(reply.send(answer));
    None
}

fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}
