//! A stand-in embedder for tests: words hashed into a fixed number of counts, with no weights to load.

use std::sync::LazyLock;

use regex::Regex;

use crate::types::embedding::Embedded;
use crate::types::seed::Seed;

/// Length of the vectors.
pub const DIMENSION: usize = 256;

static WORD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\w+").expect("the pattern is valid"));

/// Returns the word counts of a text as a vector of length 1. A text without words has the zero vector.
#[must_use]
pub fn embed(text: &str) -> Embedded {
    let mut vector = vec![0.0_f32; DIMENSION];
    let mut tokens = 0;
    let lower = text.to_lowercase();
    for word in WORD.find_iter(&lower) {
        let bucket = Seed(0).hash(&["hashed-words", word.as_str()]) % DIMENSION as u64;
        vector[usize::try_from(bucket).unwrap_or_default()] += 1.0;
        tokens += 1;
    }
    let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if norm > 0.0 {
        for x in &mut vector {
            *x /= norm;
        }
    }
    Embedded { vector, tokens }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieval::search::cosine;

    #[test]
    fn texts_that_share_words_are_near() {
        let [a, b, c] = ["Maya sells six red apples", "Six red apples: Maya!", "the moon landing"].map(embed);
        assert!((cosine(&a.vector, &a.vector) - 1.0).abs() < 1e-6);
        assert!(cosine(&a.vector, &b.vector) > cosine(&a.vector, &c.vector) + 0.5);
        assert_eq!(a.tokens, 5);
    }
}
