//! Exact similarity search: every query is compared with every earlier query.

/// Returns the dot product of two vectors, which is the cosine for vectors of length 1.
#[must_use]
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    // Eight partial sums let the compiler use vector registers.
    let mut sums = [0.0_f32; 8];
    let (a8, a_rest) = a.as_chunks::<8>();
    let (b8, b_rest) = b.as_chunks::<8>();
    for (x, y) in a8.iter().zip(b8) {
        for lane in 0..8 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    f64::from(sums.iter().sum::<f32>() + rest)
}

#[cfg(test)]
mod tests {
    use super::cosine;

    #[test]
    fn cosine_accepts_lengths_not_divisible_by_eight() {
        let a: Vec<f32> = (0_u8..11).map(f32::from).collect();
        assert!((cosine(&a, &a) - 385.0).abs() < 1e-3);
    }
}
