//! The Llama architecture in F32, read from a GGUF file. [`Llama::forward`] processes many rows at once with candle's
//! matrix products. [`Llama::step`] processes one token of several sequences. Source: Touvron et al. 2023,
//! arXiv:2302.13971. The rotary embedding has the pairwise layout of llama.cpp's converter.

use std::io::{Read, Seek};

use candle_core::quantized::gguf_file::{Content, Value};
use candle_core::{Device, Result, Tensor, bail};

mod forward;
mod rows;
mod step;

/// Hyper-parameters of a model, from the file's metadata.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Context length in tokens, prompt and answer together.
    pub context: usize,
    /// Number of transformer layers.
    pub layers: usize,
    /// Width of a hidden state.
    pub hidden: usize,
    /// Width of the feed-forward part.
    pub inner: usize,
    /// Number of query heads.
    pub heads: usize,
    /// Number of key and value heads. `heads / kv_heads` query heads share each.
    pub kv_heads: usize,
    /// Width of a head.
    pub head: usize,
    /// Number of tokens in the vocabulary.
    pub vocabulary: usize,
    epsilon: f32,
    rope_base: f64,
}

struct Layer {
    attention_norm: Tensor,
    /// Stacked matrices of queries, keys and values.
    qkv: Tensor,
    output: Tensor,
    feed_norm: Tensor,
    /// Stacked gate and up matrices.
    gate_up: Tensor,
    down: Tensor,
}

/// Weights of a model. Every matrix is `(out, in)`.
pub struct Llama {
    shape: Shape,
    /// Input embedding, `(vocabulary, hidden)`. Also used as output matrix if the file has no separate one.
    embedding: Tensor,
    unembedding: Tensor,
    layers: Vec<Layer>,
    norm: Tensor,
    /// Rotation angle per position for each pair of a head's values, in radians.
    frequencies: Vec<f64>,
}

/// Input token with its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Id of the token.
    pub token: u32,
    /// Position of the token in the text, from 0.
    pub position: usize,
    /// Branch of the row. 0 is the trunk, which all later rows attend to. Only rows of the same branch attend to
    /// other branches.
    pub branch: u32,
}

impl Row {
    /// Returns a text's rows as part of the trunk, with positions from `start`.
    #[must_use]
    pub fn trunk(tokens: &[u32], start: usize) -> Vec<Self> {
        (start..).zip(tokens).map(|(position, &token)| Self { token, position, branch: 0 }).collect()
    }

    fn attends_to(self, earlier: Self) -> bool {
        earlier.branch == 0 || earlier.branch == self.branch
    }
}

/// Keys and values of the rows processed so far.
#[derive(Debug, Clone, Default)]
pub struct Cache {
    rows: Vec<Row>,
    /// One matrix `(rows, head)` for each layer and key head.
    keys: Vec<Vec<f32>>,
    values: Vec<Vec<f32>>,
}

impl Cache {
    /// Number of rows in the cache.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns true if the cache has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Appends one row's keys and values to a layer. The values follow the keys in `keys_values`.
    fn append(&mut self, layer: usize, shape: &Shape, keys_values: &[f32]) {
        self.keys.resize(shape.layers * shape.kv_heads, Vec::new());
        self.values.resize(shape.layers * shape.kv_heads, Vec::new());
        let (keys, values) = keys_values.split_at(shape.kv_heads * shape.head);
        let lines = shape.lines(layer);
        for (line, key) in self.keys[lines.clone()].iter_mut().zip(keys.chunks_exact(shape.head)) {
            line.extend_from_slice(key);
        }
        for (line, value) in self.values[lines].iter_mut().zip(values.chunks_exact(shape.head)) {
            line.extend_from_slice(value);
        }
    }
}

impl Shape {
    fn read(content: &Content) -> Result<Self> {
        let text = |key: &str| match content.metadata.get(key) {
            Some(Value::String(text)) => Ok(text.as_str()),
            _ => bail!("the GGUF metadata lack a usable `{key}`"),
        };
        let architecture = text("general.architecture")?;
        if architecture != "llama" {
            bail!("the GGUF holds a `{architecture}` model; this program runs `llama` only");
        }
        let number = |key: &str| match content.metadata.get(key).map(Value::to_u64) {
            #[allow(clippy::cast_possible_truncation, reason = "sizes of a model that fits into memory")]
            Some(Ok(number)) if number > 0 => Ok(number as usize),
            _ => bail!("the GGUF metadata lack a usable `{key}`"),
        };
        let real = |key: &str| match content.metadata.get(key).map(Value::to_f32) {
            Some(Ok(real)) => Ok(real),
            _ => bail!("the GGUF metadata lack a usable `{key}`"),
        };
        let (hidden, heads) = (number("llama.embedding_length")?, number("llama.attention.head_count")?);
        let shape = Self {
            context: number("llama.context_length")?,
            layers: number("llama.block_count")?,
            hidden,
            inner: number("llama.feed_forward_length")?,
            heads,
            kv_heads: number("llama.attention.head_count_kv").unwrap_or(heads),
            head: number("llama.rope.dimension_count").unwrap_or(hidden / heads),
            vocabulary: match content.tensor_infos.get("token_embd.weight") {
                Some(info) => info.shape.dim(0)?,
                None => bail!("the GGUF lacks the tensor `token_embd.weight`"),
            },
            epsilon: real("llama.attention.layer_norm_rms_epsilon")?,
            rope_base: f64::from(real("llama.rope.freq_base").unwrap_or(10_000.0)),
        };
        if shape.head * shape.heads != shape.hidden
            || !shape.heads.is_multiple_of(shape.kv_heads)
            || !shape.head.is_multiple_of(2)
        {
            bail!("the GGUF's head sizes do not fit together: {shape:?}");
        }
        if content.metadata.contains_key("llama.rope.scaling.type") {
            bail!("the GGUF scales its rotary embedding, which this program does not");
        }
        Ok(shape)
    }

    /// Returns the range of a layer's key heads in a [`Cache`].
    fn lines(&self, layer: usize) -> std::ops::Range<usize> {
        layer * self.kv_heads..(layer + 1) * self.kv_heads
    }

    /// Factor of the attention scores, 1 / √head.
    #[allow(clippy::cast_precision_loss, reason = "a head is a few hundred values wide")]
    fn scale(&self) -> f32 {
        1.0 / (self.head as f32).sqrt()
    }
}

impl Llama {
    /// Reads the weights and dequantises them to F32, one tensor at a time, so at most one tensor is in memory twice.
    ///
    /// # Errors
    /// Returns an error if a tensor or a key is missing, or if its shape does not fit.
    pub fn load<R: Read + Seek>(content: &Content, reader: &mut R) -> Result<Self> {
        let shape = Shape::read(content)?;
        let mut tensor = |name: &str| content.tensor(reader, name, &Device::Cpu)?.dequantize(&Device::Cpu);
        let embedding = tensor("token_embd.weight")?;
        let unembedding = if content.tensor_infos.contains_key("output.weight") {
            tensor("output.weight")?
        } else {
            embedding.clone()
        };
        let layers = (0..shape.layers)
            .map(|index| {
                let mut part = |name: &str| tensor(&format!("blk.{index}.{name}.weight"));
                Ok(Layer {
                    attention_norm: part("attn_norm")?,
                    qkv: Tensor::cat(&[part("attn_q")?, part("attn_k")?, part("attn_v")?], 0)?,
                    output: part("attn_output")?,
                    feed_norm: part("ffn_norm")?,
                    gate_up: Tensor::cat(&[part("ffn_gate")?, part("ffn_up")?], 0)?,
                    down: part("ffn_down")?,
                })
            })
            .collect::<Result<_>>()?;
        let norm = tensor("output_norm.weight")?;
        #[allow(clippy::cast_precision_loss, reason = "a head is a few hundred values wide")]
        let frequencies =
            (0..shape.head / 2).map(|pair| shape.rope_base.powf(-2.0 * pair as f64 / shape.head as f64)).collect();
        Ok(Self { shape, embedding, unembedding, layers, norm, frequencies })
    }

    /// Hyper-parameters of the model.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }
}
