//! Forward pass over many rows at once: a prompt, or a prompt with several options as continuations.

use candle_core::{Device, Result, Tensor};
use rayon::prelude::*;

use super::rows::{add, floats, softmax};
use super::{Cache, Llama, Row};

/// Number of rows that pass the layers together. Bounds the memory of the attention scores.
const CHUNK: usize = 512;

impl Llama {
    /// Processes rows that follow the rows in `cache`, appends them to `cache`, and returns their hidden states after
    /// the last norm, `(rows, hidden)`. A row attends to itself and to the earlier rows of the trunk and of its own
    /// branch.
    ///
    /// # Errors
    /// Returns an error if an id is outside the vocabulary.
    pub fn forward(&self, rows: &[Row], cache: &mut Cache) -> Result<Tensor> {
        let mut hidden = Vec::with_capacity(rows.len() * self.shape.hidden);
        for chunk in rows.chunks(CHUNK) {
            hidden.extend(self.chunk(chunk, cache)?);
        }
        Tensor::from_vec(hidden, (rows.len(), self.shape.hidden), &Device::Cpu)
    }

    /// Returns the logits of hidden states `(rows, hidden)`: for each row one vector of the vocabulary's length.
    ///
    /// # Errors
    /// Returns an error if the width differs from the model's.
    pub fn logits(&self, hidden: &Tensor) -> Result<Vec<Vec<f32>>> {
        hidden.matmul(&self.unembedding.t()?)?.to_vec2()
    }

    fn chunk(&self, rows: &[Row], cache: &mut Cache) -> Result<Vec<f32>> {
        let count = rows.len();
        let mut hidden = self.embed(rows.iter().map(|row| row.token))?;
        cache.rows.extend_from_slice(rows);
        for (index, layer) in self.layers.iter().enumerate() {
            let qkv = product(self.normed(&hidden, &layer.attention_norm)?, count, &layer.qkv)?;
            let attended = self.attend(index, rows, qkv, cache)?;
            add(&mut hidden, &product(attended, count, &layer.output)?);
            let gate_up = product(self.normed(&hidden, &layer.feed_norm)?, count, &layer.gate_up)?;
            add(&mut hidden, &product(self.gated(&gate_up), count, &layer.down)?);
        }
        self.normed(&hidden, &self.norm)
    }

    /// Computes the attention of one layer, `(rows, hidden)`, and appends the new rows' keys and values to the cache.
    fn attend(&self, layer: usize, rows: &[Row], mut qkv: Vec<f32>, cache: &mut Cache) -> Result<Vec<f32>> {
        let shape = &self.shape;
        let (new, all, head) = (rows.len(), cache.len(), shape.head);
        let mut queries = vec![0f32; new * shape.hidden];
        let width = qkv.len() / new;
        for (index, (row, values)) in rows.iter().zip(qkv.chunks_exact_mut(width)).enumerate() {
            self.rotate(values, row.position);
            for (number, query) in values[..shape.hidden].chunks_exact(head).enumerate() {
                let start = (number * new + index) * head;
                for (slot, value) in queries[start..start + head].iter_mut().zip(query) {
                    *slot = value * shape.scale();
                }
            }
            cache.append(layer, shape, &values[shape.hidden..]);
        }
        // Query heads that share a key head are stacked, so no key is copied.
        let grouped = shape.heads / shape.kv_heads * new;
        let stacked = |parts: &[Vec<f32>]| Tensor::from_vec(parts.concat(), (shape.kv_heads, all, head), &Device::Cpu);
        let keys = stacked(&cache.keys[shape.lines(layer)])?;
        let values = stacked(&cache.values[shape.lines(layer)])?;
        let queries = Tensor::from_vec(queries, (shape.kv_heads, grouped, head), &Device::Cpu)?;
        let mut weights = queries.matmul(&keys.t()?)?.flatten_all()?.to_vec1()?;
        weights.par_chunks_exact_mut(all).enumerate().for_each(|(line, scores)| {
            attention_weights(scores, &cache.rows, all - new + line % new);
        });
        let mixed = Tensor::from_vec(weights, (shape.kv_heads, grouped, all), &Device::Cpu)?.matmul(&values)?;
        mixed.reshape((shape.heads, new, head))?.transpose(0, 1)?.flatten_all()?.to_vec1()
    }
}

/// Replaces one row's scores by attention weights over the visible rows, and 0 for the others.
fn attention_weights(scores: &mut [f32], rows: &[Row], own: usize) {
    let (visible, later) = scores.split_at_mut(own + 1);
    later.fill(0.0);
    if rows[own].branch != 0 {
        for (score, row) in visible.iter_mut().zip(rows) {
            if !rows[own].attends_to(*row) {
                *score = f32::NEG_INFINITY;
            }
        }
    }
    softmax(visible);
}

/// Multiplies `count` rows by the transposed matrix. The result is `(count, out)`.
fn product(rows: Vec<f32>, count: usize, matrix: &Tensor) -> Result<Vec<f32>> {
    let width = rows.len() / count;
    let result = Tensor::from_vec(rows, (count, width), &Device::Cpu)?.matmul(&matrix.t()?)?;
    floats(&result, <[f32]>::to_vec)
}
