//! Seeded random generators. Each use has a separate stream, identified by labels, so a new use never changes the
//! random numbers of another.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Seed of a run, from the config.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Seed(pub u64);

impl Seed {
    /// Generator of the stream with these labels.
    #[must_use]
    pub fn stream(self, labels: &[&str]) -> ChaCha8Rng {
        ChaCha8Rng::from_seed(self.digest(labels))
    }

    /// Hash that depends only on the seed and the labels.
    #[must_use]
    pub fn hash(self, labels: &[&str]) -> u64 {
        head(&self.digest(labels))
    }

    /// Number in [0, 1) that depends only on the seed and the labels.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    pub fn unit(self, labels: &[&str]) -> f64 {
        (self.hash(labels) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Hash state after the common first labels of many hashes: `prefix(a).hash(b)` equals `hash` of `a` and `b`
    /// together.
    #[must_use]
    pub fn prefix(self, labels: &[&str]) -> Prefix {
        let mut hasher = Sha256::new();
        hasher.update(self.0.to_le_bytes());
        update(&mut hasher, labels);
        Prefix(hasher)
    }

    fn digest(self, labels: &[&str]) -> [u8; 32] {
        self.prefix(labels).0.finalize().into()
    }
}

/// Hash state after some labels, ready for further labels.
#[derive(Clone)]
pub struct Prefix(Sha256);

impl Prefix {
    /// Hash that depends only on the seed, the prefix labels and these labels.
    #[must_use]
    pub fn hash(&self, labels: &[&str]) -> u64 {
        let mut hasher = self.0.clone();
        update(&mut hasher, labels);
        head(&hasher.finalize().into())
    }
}

fn update(hasher: &mut Sha256, labels: &[&str]) {
    for label in labels {
        // The length before each label distinguishes ["ab", "c"] from ["a", "bc"].
        hasher.update((label.len() as u64).to_le_bytes());
        hasher.update(label.as_bytes());
    }
}

fn head(digest: &[u8; 32]) -> u64 {
    let mut head = [0; 8];
    head.copy_from_slice(&digest[..8]);
    u64::from_le_bytes(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_boundaries_change_the_hash() {
        let seed = Seed(7);
        assert_ne!(seed.hash(&["ab", "c"]), seed.hash(&["a", "bc"]));
        assert_ne!(seed.hash(&["a"]), Seed(8).hash(&["a"]));
        assert_eq!(seed.hash(&["a", "b"]), seed.hash(&["a", "b"]));
        assert_eq!(seed.prefix(&["a"]).hash(&["b", "c"]), seed.hash(&["a", "b", "c"]));
    }

    #[test]
    fn unit_is_uniform_in_the_unit_interval() {
        let draws: Vec<f64> = (0..1000).map(|i| Seed(1).unit(&["x", &i.to_string()])).collect();
        assert!(draws.iter().all(|u| (0.0..1.0).contains(u)));
        let mean = draws.iter().sum::<f64>() / 1000.0;
        assert!((mean - 0.5).abs() < 0.05, "{mean}");
    }
}
