//! The sentence embedder all-MiniLM-L6-v2: BERT in F32 (Devlin et al. 2019, arXiv:1810.04805), the mean over the
//! tokens, scaled to length 1 (Reimers and Gurevych 2019, arXiv:1908.10084). Texts of one batch share only the
//! matrix products, row by row, and nothing is padded. So the bits of a text's embedding do not depend on the other
//! texts of its batch.

use std::collections::HashMap;
use std::f32::consts::FRAC_1_SQRT_2;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use candle_core::cpu::erf::erf_f32;
use candle_core::{Device, Tensor};
use rayon::prelude::*;
use serde::Deserialize;
use tokenizers::{Tokenizer, TruncationParams};

/// The files that [`Minilm::load`] reads.
pub const FILES: [&str; 3] = ["model.safetensors", "tokenizer.json", "config.json"];
/// Largest number of tokens read from a text, including the two that frame it: the length that the authors trained
/// for.
const LONGEST: usize = 256;
/// Number of texts between two reports of progress.
const BATCH: usize = 64;
/// Number of texts that share matrix products on one core. With fewer, the weights are read too often; with more,
/// the data outgrow the caches.
const GROUP: usize = 4;

/// The hyper-parameters in `config.json`.
#[derive(Debug, Deserialize)]
struct Config {
    hidden_size: usize,
    num_attention_heads: usize,
    num_hidden_layers: usize,
    layer_norm_eps: f64,
    hidden_act: String,
}

/// A matrix `(out, in)` and its bias.
struct Linear {
    weight: Tensor,
    bias: Vec<f32>,
}

/// Scale and shift applied after a row is normalised.
struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
}

struct Layer {
    /// Query, key and value matrices, stacked by rows.
    qkv: Linear,
    attended: Linear,
    attended_norm: Norm,
    inner: Linear,
    outer: Linear,
    outer_norm: Norm,
}

/// The embedder.
pub struct Minilm {
    tokenizer: Tokenizer,
    words: Tensor,
    /// Position embeddings plus the embedding of the only segment, row after row.
    positions: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
    heads: usize,
    width: usize,
}

impl Linear {
    /// Multiplies each row by the transposed matrix and adds the bias. Only matrix products run in candle: its
    /// element-wise operations wait in a spinning thread pool that takes the cores from all other work.
    fn of(&self, rows: &[f32]) -> candle_core::Result<Vec<f32>> {
        let width = self.weight.dim(1)?;
        let rows = Tensor::from_slice(rows, (rows.len() / width, width), &Device::Cpu)?;
        let mut result = values(&rows.matmul(&self.weight.t()?)?)?;
        for row in result.chunks_exact_mut(self.bias.len()) {
            add(row, &self.bias);
        }
        Ok(result)
    }
}

impl Norm {
    #[allow(clippy::cast_precision_loss, reason = "a row is a few hundred values wide")]
    fn apply(&self, rows: &mut [f32]) {
        let width = self.weight.len();
        for row in rows.chunks_exact_mut(width) {
            let mean = row.iter().sum::<f32>() / width as f32;
            let spread = row.iter().map(|value| (value - mean) * (value - mean)).sum::<f32>() / width as f32;
            let scale = 1.0 / (spread + self.epsilon).sqrt();
            for ((value, weight), bias) in row.iter_mut().zip(&self.weight).zip(&self.bias) {
                *value = (*value - mean) * scale * weight + bias;
            }
        }
    }
}

fn add(left: &mut [f32], right: &[f32]) {
    for (left, right) in left.iter_mut().zip(right) {
        *left += right;
    }
}

fn values(tensor: &Tensor) -> candle_core::Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

/// The tensors of the weights file, by name.
struct Weights(HashMap<String, Tensor>);

impl Weights {
    fn tensor(&self, name: &str) -> Result<Tensor> {
        self.0.get(name).cloned().ok_or_else(|| anyhow!("the tensor `{name}` is missing"))
    }

    fn linear(&self, names: &[String]) -> Result<Linear> {
        let stacked = |kind: &str| -> Result<Tensor> {
            let parts = names.iter().map(|name| self.tensor(&format!("{name}.{kind}"))).collect::<Result<Vec<_>>>()?;
            Ok(Tensor::cat(&parts, 0)?)
        };
        Ok(Linear { weight: stacked("weight")?, bias: values(&stacked("bias")?)? })
    }

    #[allow(clippy::cast_possible_truncation, reason = "the sums that it is added to are F32")]
    fn norm(&self, name: &str, epsilon: f64) -> Result<Norm> {
        Ok(Norm {
            weight: values(&self.tensor(&format!("{name}.weight"))?)?,
            bias: values(&self.tensor(&format!("{name}.bias"))?)?,
            epsilon: epsilon as f32,
        })
    }

    fn layer(&self, index: usize, epsilon: f64) -> Result<Layer> {
        let name = |part: &str| format!("encoder.layer.{index}.{part}");
        let own = |part: &str| name(&format!("attention.self.{part}"));
        Ok(Layer {
            qkv: self.linear(&[own("query"), own("key"), own("value")])?,
            attended: self.linear(&[name("attention.output.dense")])?,
            attended_norm: self.norm(&name("attention.output.LayerNorm"), epsilon)?,
            inner: self.linear(&[name("intermediate.dense")])?,
            outer: self.linear(&[name("output.dense")])?,
            outer_norm: self.norm(&name("output.LayerNorm"), epsilon)?,
        })
    }
}

impl Minilm {
    /// Loads the embedder from a folder that holds [`FILES`].
    ///
    /// # Errors
    /// Names the file that is missing or cannot be read.
    pub fn load(folder: &Path) -> Result<Self> {
        let [weights, tokenizer, config] = FILES.map(|name| folder.join(name));
        let unreadable =
            |file: &Path| format!("{}: cannot be read; fetch it with `intercascade models fetch`", file.display());
        let parsed: Config = std::fs::read(&config)
            .map_err(anyhow::Error::from)
            .and_then(|bytes| Ok(serde_json::from_slice(&bytes)?))
            .with_context(|| unreadable(&config))?;
        let mut splitter =
            Tokenizer::from_file(&tokenizer).map_err(|error| anyhow!(error)).with_context(|| unreadable(&tokenizer))?;
        // The file sets 128 tokens and padding. Padding would change bits, and 128 tokens would cut long questions.
        splitter.with_padding(None);
        splitter
            .with_truncation(Some(TruncationParams { max_length: LONGEST, ..TruncationParams::default() }))
            .map_err(|error| anyhow!(error))?;
        let tensors = candle_core::safetensors::load(&weights, &Device::Cpu).with_context(|| unreadable(&weights))?;
        Self::build(&Weights(tensors), &parsed, splitter).with_context(|| unreadable(&weights))
    }

    fn build(weights: &Weights, config: &Config, tokenizer: Tokenizer) -> Result<Self> {
        if config.hidden_act != "gelu" || !config.hidden_size.is_multiple_of(config.num_attention_heads) {
            return Err(anyhow!("config.json describes an unsupported architecture: {config:?}"));
        }
        let segment = weights.tensor("embeddings.token_type_embeddings.weight")?.narrow(0, 0, 1)?;
        let positions = weights.tensor("embeddings.position_embeddings.weight")?;
        Ok(Self {
            tokenizer,
            words: weights.tensor("embeddings.word_embeddings.weight")?,
            positions: values(&positions.broadcast_add(&segment)?)?,
            norm: weights.norm("embeddings.LayerNorm", config.layer_norm_eps)?,
            layers: (0..config.num_hidden_layers)
                .map(|index| weights.layer(index, config.layer_norm_eps))
                .collect::<Result<_>>()?,
            heads: config.num_attention_heads,
            width: config.hidden_size,
        })
    }

    /// Returns the length of the vectors.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Embeds texts. Returns for each text, in order, a vector of length 1 and the number of tokens read (at most
    /// 256, including the two that frame a text). `progress` receives the number of embedded texts after each
    /// batch. The speed is about 40 texts per second and core.
    ///
    /// # Errors
    /// If a text cannot be split into tokens or the shapes of the weights do not match.
    pub fn embed(&self, texts: &[String], progress: &mut dyn FnMut(usize)) -> Result<Vec<(Vec<f32>, usize)>> {
        let mut embedded = Vec::with_capacity(texts.len());
        for batch in texts.chunks(BATCH) {
            let groups = batch.par_chunks(GROUP).map(|group| self.group(group));
            for group in groups.collect::<Result<Vec<_>>>()? {
                embedded.extend(group);
            }
            progress(embedded.len());
        }
        Ok(embedded)
    }

    fn group(&self, texts: &[String]) -> Result<Vec<(Vec<f32>, usize)>> {
        let mut ids = Vec::with_capacity(texts.len());
        for text in texts {
            let encoding = self.tokenizer.encode_fast(text.as_str(), true).map_err(|error| anyhow!(error))?;
            ids.push(encoding.get_ids().to_vec());
        }
        let rows = self.forward(&ids)?;
        let mut rest = rows.as_slice();
        let vector = |ids: &Vec<u32>| {
            let (own, later) = rest.split_at(ids.len() * self.width);
            rest = later;
            (pooled(own, self.width), ids.len())
        };
        Ok(ids.iter().map(vector).collect())
    }

    /// Computes the hidden states of the texts' tokens, text by text and token by token.
    fn forward(&self, texts: &[Vec<u32>]) -> candle_core::Result<Vec<f32>> {
        let tokens = Tensor::new(texts.concat(), &Device::Cpu)?;
        let mut rows = values(&self.words.index_select(&tokens, 0)?)?;
        let mut rest = rows.as_mut_slice();
        for ids in texts {
            let (own, later) = rest.split_at_mut(ids.len() * self.width);
            add(own, &self.positions);
            rest = later;
        }
        self.norm.apply(&mut rows);
        for layer in &self.layers {
            let qkv = layer.qkv.of(&rows)?;
            let mut mixed = Vec::with_capacity(rows.len());
            let mut rest = qkv.as_slice();
            for ids in texts {
                let (own, later) = rest.split_at(ids.len() * 3 * self.width);
                mixed.extend(self.attend(own)?);
                rest = later;
            }
            add(&mut rows, &layer.attended.of(&mixed)?);
            layer.attended_norm.apply(&mut rows);
            let mut inner = layer.inner.of(&rows)?;
            for value in &mut inner {
                *value *= 0.5 * (erf_f32(*value * FRAC_1_SQRT_2) + 1.0);
            }
            add(&mut rows, &layer.outer.of(&inner)?);
            layer.outer_norm.apply(&mut rows);
        }
        Ok(rows)
    }

    /// Computes the attention of one text, `(tokens, width)`, from its queries, keys and values.
    fn attend(&self, qkv: &[f32]) -> candle_core::Result<Vec<f32>> {
        let (length, head) = (qkv.len() / (3 * self.width), self.width / self.heads);
        let qkv = Tensor::from_slice(qkv, (length, 3, self.heads, head), &Device::Cpu)?;
        let part = |index: usize| qkv.narrow(1, index, 1)?.squeeze(1)?.transpose(0, 1)?.contiguous();
        #[allow(clippy::cast_precision_loss, reason = "a head is a few dozen values wide")]
        let scale = 1.0 / (head as f32).sqrt();
        let mut shares = values(&part(0)?.matmul(&part(1)?.t()?)?)?;
        for scores in shares.chunks_exact_mut(length) {
            softmax(scores, scale);
        }
        let shares = Tensor::from_vec(shares, (self.heads, length, length), &Device::Cpu)?;
        values(&shares.matmul(&part(2)?)?.transpose(0, 1)?)
    }
}

/// Scales scores and turns them into shares that add up to 1.
fn softmax(scores: &mut [f32], scale: f32) {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for score in scores.iter_mut() {
        *score = ((*score - largest) * scale).exp();
    }
    let sum: f32 = scores.iter().sum();
    for score in scores {
        *score /= sum;
    }
}

/// Returns the mean of a text's rows, scaled to length 1.
#[allow(clippy::cast_possible_truncation, reason = "vectors are stored as F32")]
fn pooled(rows: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0f64; width];
    for row in rows.chunks_exact(width) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += f64::from(*value);
        }
    }
    // The divisor of the mean cancels in the scaling. The authors' code uses 1e-12 against a division by zero.
    let length = sums.iter().map(|sum| sum * sum).sum::<f64>().sqrt().max(1e-12);
    sums.iter().map(|sum| (sum / length) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::pooled;

    #[test]
    fn a_pooled_vector_has_length_one() {
        let vector = pooled(&[1.0, 2.0, 5.0, 6.0], 2);
        assert!((vector[0] - 0.6).abs() < 1e-7 && (vector[1] - 0.8).abs() < 1e-7, "{vector:?}");
        assert_eq!(pooled(&[0.0, 0.0], 2), [0.0, 0.0]);
    }
}
