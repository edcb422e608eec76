//! Operations on single rows, in plain loops. candle's element-wise operations use a thread pool that spins while
//! idle and takes the cores from other work.

use candle_core::{CpuStorage, Result, Storage, Tensor, bail};
use rayon::prelude::*;

use super::Llama;

/// Number of partial sums in a dot product. The number is fixed, so the order of additions is equal on every machine.
const LANES: usize = 16;

impl Llama {
    /// Returns the concatenated embedding vectors of the tokens.
    pub(super) fn embed(&self, tokens: impl Iterator<Item = u32>) -> Result<Vec<f32>> {
        floats(&self.embedding, |all| {
            let mut rows = Vec::new();
            for token in tokens {
                let start = token as usize * self.shape.hidden;
                match all.get(start..start + self.shape.hidden) {
                    Some(row) => rows.extend_from_slice(row),
                    None => bail!("token {token} is outside the vocabulary"),
                }
            }
            Ok(rows)
        })?
    }

    /// Applies the root-mean-square norm to each row.
    #[allow(clippy::cast_precision_loss, reason = "a hidden state is a few thousand values wide")]
    pub(super) fn normed(&self, rows: &[f32], weight: &Tensor) -> Result<Vec<f32>> {
        let mut normed = vec![0f32; rows.len()];
        floats(weight, |weight| {
            let width = weight.len();
            normed.par_chunks_exact_mut(width).zip(rows.par_chunks_exact(width)).for_each(|(normed, row)| {
                let scale = 1.0 / (dot(row, row) / width as f32 + self.shape.epsilon).sqrt();
                for ((normed, value), weight) in normed.iter_mut().zip(row).zip(weight) {
                    *normed = value * scale * weight;
                }
            });
        })?;
        Ok(normed)
    }

    /// Multiplies the second half of each row by the `SiLU` of its first half.
    pub(super) fn gated(&self, gate_up: &[f32]) -> Vec<f32> {
        let inner = self.shape.inner;
        let mut gated = vec![0f32; gate_up.len() / 2];
        gated.par_chunks_exact_mut(inner).zip(gate_up.par_chunks_exact(2 * inner)).for_each(|(gated, row)| {
            let (gate, up) = row.split_at(inner);
            for ((gated, gate), up) in gated.iter_mut().zip(gate).zip(up) {
                *gated = gate / (1.0 + (-gate).exp()) * up;
            }
        });
        gated
    }

    /// Applies the rotary embedding of `position` to the queries and keys at the start of a row of queries, keys and
    /// values.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "the weights are F32 too")]
    pub(super) fn rotate(&self, qkv: &mut [f32], position: usize) {
        let rotations: Vec<(f32, f32)> = self
            .frequencies
            .iter()
            .map(|frequency| (frequency * position as f64).sin_cos())
            .map(|(sine, cosine)| (sine as f32, cosine as f32))
            .collect();
        let rotated = (self.shape.heads + self.shape.kv_heads) * self.shape.head;
        for line in qkv[..rotated].chunks_exact_mut(self.shape.head) {
            for (pair, (sine, cosine)) in line.chunks_exact_mut(2).zip(&rotations) {
                let (left, right) = (pair[0], pair[1]);
                pair[0] = left * cosine - right * sine;
                pair[1] = left * sine + right * cosine;
            }
        }
    }
}

/// Replaces scores by their softmax, which sums to 1.
pub(super) fn softmax(scores: &mut [f32]) {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0f32;
    for score in scores.iter_mut() {
        *score = (*score - largest).exp();
        sum += *score;
    }
    for score in scores {
        *score /= sum;
    }
}

/// Returns the dot product, computed in [`LANES`] partial sums. Multiplication and addition are not fused, so the
/// result does not depend on the instruction set. The time is dominated by reading the weights.
pub(super) fn dot(left: &[f32], right: &[f32]) -> f32 {
    let mut sums = [0f32; LANES];
    let ((lefts, left_rest), (rights, right_rest)) = (left.as_chunks::<LANES>(), right.as_chunks::<LANES>());
    for (left, right) in lefts.iter().zip(rights) {
        for lane in 0..LANES {
            sums[lane] += left[lane] * right[lane];
        }
    }
    let rest: f32 = left_rest.iter().zip(right_rest).map(|(left, right)| left * right).sum();
    // Sequential sum: with a tree-shaped sum the compiler does not keep the lanes in vector registers.
    sums.iter().sum::<f32>() + rest
}

/// Adds one matrix to another of the same shape.
pub(super) fn add(left: &mut [f32], right: &[f32]) {
    for (left, right) in left.iter_mut().zip(right) {
        *left += right;
    }
}

/// Calls `read` with a tensor's values, which are contiguous in memory.
pub(super) fn floats<T>(tensor: &Tensor, read: impl FnOnce(&[f32]) -> T) -> Result<T> {
    let (storage, layout) = tensor.storage_and_layout();
    match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(CpuStorage::F32(values)), Some((start, end))) => Ok(read(&values[start..end])),
        _ => bail!("a tensor is not contiguous F32"),
    }
}

#[cfg(test)]
mod tests {
    use super::{dot, softmax};

    #[test]
    fn dot_product_includes_the_remainder() {
        let left: Vec<f32> = (0..37u8).map(f32::from).collect();
        let sum: f32 = left.iter().map(|value| value * value).sum();
        assert!((dot(&left, &left) - sum).abs() < 1e-3);
    }

    #[test]
    fn softmax_sums_to_one() {
        let mut scores = [1.0, -3.0, 80.0, 79.0];
        softmax(&mut scores);
        assert!((scores.iter().sum::<f32>() - 1.0).abs() < 1e-6 && scores[2] > 0.73 && scores[2] < 0.74);
    }
}
