//! Many rows through the model at once: a prompt, or a prompt with the options that continue it.

use candle_core::{Device, Result, Tensor};
use rayon::prelude::*;

use super::rows::{add, floats, softmax};
use super::{Cache, Llama, Row};

/// Rows that go through the layers together: bounds the memory that attention scores take.
const CHUNK: usize = 512;

impl Llama {
    /// Puts rows through the model behind those in `cache`, adds them to it, and gives their hidden states after the
    /// last norm, `(rows, hidden)`. A row sees the earlier rows of the trunk and of its own branch, and itself.
    ///
    /// # Errors
    /// When an id is outside of the vocabulary.
    pub fn forward(&self, rows: &[Row], cache: &mut Cache) -> Result<Tensor> {
        let mut hidden = Vec::with_capacity(rows.len() * self.shape.hidden);
        for chunk in rows.chunks(CHUNK) {
            hidden.extend(self.chunk(chunk, cache)?);
        }
        Tensor::from_vec(hidden, (rows.len(), self.shape.hidden), &Device::Cpu)
    }

    /// The logits of hidden states `(rows, hidden)`: one vector of the vocabulary's length for each row.
    ///
    /// # Errors
    /// When the width does not fit.
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

    /// Attention of one layer: the new rows' keys and values go into the cache, the result is `(rows, hidden)`.
    fn attend(&self, layer: usize, rows: &[Row], mut qkv: Vec<f32>, cache: &mut Cache) -> Result<Vec<f32>> {
        let shape = &self.shape;
        let (new, all, head) = (rows.len(), cache.len(), shape.head);
        let mut queries = vec![0f32; new * shape.hidden];
        let width = qkv.len() / new;
        for (index, (row, values)) in rows.iter().zip(qkv.chunks_exact_mut(width)).enumerate() {
            self.rotate(values, row.position);
            for (number, query) in values[..shape.hidden].chunks_exact(head).enumerate() {
                let start = (number * new + index) * head;
                for (place, value) in queries[start..start + head].iter_mut().zip(query) {
                    *place = value * shape.scale();
                }
            }
            cache.append(layer, shape, &values[shape.hidden..]);
        }
        // Query heads that share a key head are put under one another, so that no key is copied.
        let grouped = shape.heads / shape.kv_heads * new;
        let stacked = |parts: &[Vec<f32>]| Tensor::from_vec(parts.concat(), (shape.kv_heads, all, head), &Device::Cpu);
        let keys = stacked(&cache.keys[shape.lines(layer)])?;
        let values = stacked(&cache.values[shape.lines(layer)])?;
        let queries = Tensor::from_vec(queries, (shape.kv_heads, grouped, head), &Device::Cpu)?;
        let mut shares = queries.matmul(&keys.t()?)?.flatten_all()?.to_vec1()?;
        shares.par_chunks_exact_mut(all).enumerate().for_each(|(line, scores)| {
            look(scores, &cache.rows, all - new + line % new);
        });
        let mixed = Tensor::from_vec(shares, (shape.kv_heads, grouped, all), &Device::Cpu)?.matmul(&values)?;
        mixed.reshape((shape.heads, new, head))?.transpose(0, 1)?.flatten_all()?.to_vec1()
    }
}

/// Turns one row's scores into shares of what it sees, 0 for the rest.
fn look(scores: &mut [f32], rows: &[Row], own: usize) {
    let (seen, later) = scores.split_at_mut(own + 1);
    later.fill(0.0);
    if rows[own].branch != 0 {
        for (score, row) in seen.iter_mut().zip(rows) {
            if !rows[own].sees(*row) {
                *score = f32::NEG_INFINITY;
            }
        }
    }
    softmax(seen);
}

/// Each of `count` rows times the transposed matrix, `(count, out)`.
fn product(rows: Vec<f32>, count: usize, matrix: &Tensor) -> Result<Vec<f32>> {
    let width = rows.len() / count;
    let result = Tensor::from_vec(rows, (count, width), &Device::Cpu)?.matmul(&matrix.t()?)?;
    floats(&result, <[f32]>::to_vec)
}
