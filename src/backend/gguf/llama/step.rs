//! Forward pass of one token in each of several sequences, in plain loops over the F32 weights. Every weight is read
//! once for all sequences. The result of a sequence does not depend on the others, because each value is one dot
//! product with a fixed order of additions.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::rows::{add, dot, floats, softmax};
use super::{Cache, Llama, Row};

/// Number of matrix rows per task.
const BLOCK: usize = 32;

impl Llama {
    /// Processes one more token of each sequence, appends it to the sequence's cache, and returns the logits of each
    /// sequence, in order.
    ///
    /// # Errors
    /// Returns an error if an id is outside the vocabulary.
    pub fn step(&self, tokens: &[u32], caches: &mut [&mut Cache]) -> Result<Vec<Vec<f32>>> {
        let (hidden_width, count) = (self.shape.hidden, tokens.len());
        let mut hidden = self.embed(tokens.iter().copied())?;
        for (cache, &token) in caches.iter_mut().zip(tokens) {
            let position = cache.rows.last().map_or(0, |row| row.position + 1);
            cache.rows.push(Row { token, position, branch: 0 });
        }
        for (index, layer) in self.layers.iter().enumerate() {
            let mut qkv = product(&layer.qkv, &self.normed(&hidden, &layer.attention_norm)?, count)?;
            let width = qkv.len() / count;
            let mut mixed = vec![0f32; count * hidden_width];
            caches
                .par_iter_mut()
                .zip(qkv.par_chunks_mut(width))
                .zip(mixed.par_chunks_mut(hidden_width))
                .for_each(|((cache, qkv), mixed)| self.attend_to_past(index, qkv, cache, mixed));
            add(&mut hidden, &product(&layer.output, &mixed, count)?);
            let gate_up = product(&layer.gate_up, &self.normed(&hidden, &layer.feed_norm)?, count)?;
            add(&mut hidden, &product(&layer.down, &self.gated(&gate_up), count)?);
        }
        let logits = product(&self.unembedding, &self.normed(&hidden, &self.norm)?, count)?;
        Ok(logits.chunks_exact(self.shape.vocabulary).map(<[f32]>::to_vec).collect())
    }

    /// Computes the attention of one sequence in one layer, including the new row.
    fn attend_to_past(&self, layer: usize, qkv: &mut [f32], cache: &mut Cache, mixed: &mut [f32]) {
        let shape = &self.shape;
        let Some(position) = cache.rows.last().map(|row| row.position) else {
            return;
        };
        self.rotate(qkv, position);
        let (queries, keys_values) = qkv.split_at(shape.hidden);
        cache.append(layer, shape, keys_values);
        let lines = shape.lines(layer);
        let group = shape.heads / shape.kv_heads * shape.head;
        let (keys, values) = (&cache.keys[lines.clone()], &cache.values[lines]);
        for (((queries, mixed), keys), values) in
            queries.chunks_exact(group).zip(mixed.chunks_exact_mut(group)).zip(keys).zip(values)
        {
            for (query, mixed) in queries.chunks_exact(shape.head).zip(mixed.chunks_exact_mut(shape.head)) {
                let mut weights: Vec<f32> =
                    keys.chunks_exact(shape.head).map(|key| dot(query, key) * shape.scale()).collect();
                softmax(&mut weights);
                for (weight, value) in weights.iter().zip(values.chunks_exact(shape.head)) {
                    for (mixed, value) in mixed.iter_mut().zip(value) {
                        *mixed += weight * value;
                    }
                }
            }
        }
    }
}

/// Multiplies `count` rows by the transposed matrix. The result is `(count, out)`.
fn product(matrix: &Tensor, rows: &[f32], count: usize) -> Result<Vec<f32>> {
    let (out, width) = matrix.dims2()?;
    // The intermediate layout is (out, count), which gives each task a contiguous part.
    let mut columns = vec![0f32; out * count];
    floats(matrix, |matrix| {
        columns.par_chunks_mut(BLOCK * count).zip(matrix.par_chunks(BLOCK * width)).for_each(|(columns, block)| {
            for (values, weights) in columns.chunks_exact_mut(count).zip(block.chunks_exact(width)) {
                for (value, row) in values.iter_mut().zip(rows.chunks_exact(width)) {
                    *value = dot(weights, row);
                }
            }
        });
    })?;
    if count == 1 {
        return Ok(columns);
    }
    let mut result = vec![0f32; out * count];
    for (index, values) in columns.chunks_exact(count).enumerate() {
        for (row, value) in values.iter().enumerate() {
            result[row * out + index] = *value;
        }
    }
    Ok(result)
}
