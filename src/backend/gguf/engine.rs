//! The model's thread: loads the weights, scores options in one pass, and writes answers side by side, one token of
//! each at a time.

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

/// Names the arithmetic: another one gives other bits, and so now and then another answer.
pub const KERNEL: &str = "f32";

/// The weights and what turns messages into their tokens.
pub(super) struct Engine {
    config: GgufConfig,
    llama: Llama,
    tokenizer: Tokenizer,
    template: Option<Template>,
}

/// Why weights cannot be run.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    /// The file cannot be opened.
    #[error("{}: {error}", file.display())]
    Open { file: PathBuf, error: io::Error },
    /// The file holds no weights that can be run.
    #[error("{}: {what}: the file is damaged or of a kind that is not run here; fetch it again", file.display())]
    Damaged { file: PathBuf, what: String },
    /// The file's tokenizer is of a kind that is not known.
    #[error("{}: {what}", file.display())]
    Tokenizer { file: PathBuf, what: String },
}

/// An answer under way, and where it goes.
struct Lane {
    writing: Writing,
    cache: Cache,
    input: usize,
    start: Instant,
    reply: oneshot::Sender<Result<Response, ModelError>>,
}

impl Engine {
    /// Reads the weights file; what is wrong with it is told to every call.
    pub(super) fn load(config: GgufConfig) -> Result<Self, LoadError> {
        let file = &config.weights;
        let damaged =
            |error: &dyn std::fmt::Display| LoadError::Damaged { file: file.clone(), what: error.to_string() };
        let mut reader = File::open(&config.weights)
            .map(|opened| BufReader::with_capacity(1 << 20, opened))
            .map_err(|error| LoadError::Open { file: file.clone(), error })?;
        let content = Content::read(&mut reader).map_err(|error| damaged(&error))?;
        let unknown = |what: String| LoadError::Tokenizer { file: file.clone(), what };
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
        let room = self.llama.shape().context;
        if ids.is_empty() {
            return Err(self.refused("the prompt is empty"));
        }
        // One place must be left to write to.
        if ids.len() >= room {
            return Err(self.refused(&format!(
                "the prompt of item {} has {} tokens and the model's context holds {room}: shorten the question or \
                 show fewer strategies",
                request.item,
                ids.len()
            )));
        }
        Ok(ids)
    }

    fn refused(&self, why: &str) -> ModelError {
        ModelError::Refused(format!("model {}: {why}", self.config.name))
    }

    fn unusable(&self, error: &candle_core::Error) -> ModelError {
        ModelError::Unusable(format!("model {}: {error}", self.config.name))
    }

    /// Reads a prompt and chooses the first token behind it; gives the prompt's length too.
    fn begin(&self, request: &Request) -> Result<(Writing, Cache, usize), ModelError> {
        let ids = self.prompt(request)?;
        let mut writing = Writing::new(request, self.llama.shape().context - ids.len());
        let mut cache = Cache::default();
        let logits = self.read(&ids, &mut cache).map_err(|error| self.unusable(&error))?;
        writing.choose(&logits, &self.tokenizer);
        Ok((writing, cache, ids.len()))
    }

    /// Puts a prompt through the model and gives the logits behind its last token.
    fn read(&self, ids: &[u32], cache: &mut Cache) -> candle_core::Result<Vec<f32>> {
        let hidden = self.llama.forward(&Row::trunk(ids, 0), cache)?;
        Ok(self.llama.logits(&hidden.narrow(0, ids.len() - 1, 1)?)?.swap_remove(0))
    }

    /// Scores every option in one pass: the prompt is read once, and each option sees it and itself only.
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
                "the prompt of item {} and its longest option have {} tokens and the model's context holds {}: \
                 shorten them",
                request.item,
                prompt.len() + longest,
                self.llama.shape().context
            )));
        }
        let option_logprobs = self.branches(&prompt, &options_ids).map_err(|error| self.unusable(&error))?;
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

    /// Each continuation's summed log-probability behind the prompt.
    fn branches(&self, prompt: &[u32], options: &[Vec<u32>]) -> candle_core::Result<Vec<f64>> {
        let mut rows = Row::trunk(prompt, 0);
        // Nothing is predicted from an option's last token, so it is not put in.
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

    /// Writes one more token of each answer; finished ones are sent and removed.
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

/// Answers calls until no one can send any more.
pub(super) fn serve(engine: &Result<Engine, LoadError>, mut jobs: UnboundedReceiver<Job>) {
    let mut lanes: Vec<Lane> = Vec::new();
    loop {
        let mut taken: Vec<Job> = Vec::new();
        while lanes.len() + taken.len() < LANES {
            let idle = lanes.is_empty() && taken.is_empty();
            match if idle { jobs.blocking_recv() } else { jobs.try_recv().ok() } {
                Some(job) => taken.push(job),
                None if idle => return,
                None => break,
            }
        }
        // Prompts are read side by side: two cores gain more on two prompts than on one.
        lanes.par_extend(taken.into_par_iter().filter_map(|job| take_up(engine, job)));
        if let Ok(engine) = engine {
            engine.advance(&mut lanes);
        }
    }
}

/// Answers a call at once where nothing is to be written; else it becomes a lane.
fn take_up(engine: &Result<Engine, LoadError>, Job { request, reply }: Job) -> Option<Lane> {
    let start = Instant::now();
    // Where the caller has gone, nobody needs the answer.
    let answer = match (engine, &request.mode) {
        _ if reply.is_closed() => return None,
        (Err(why), _) => Err(ModelError::Refused(why.to_string())),
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
