//! Repeated random draws with the same result on any number of cores.

use rand::rngs::ChaCha8Rng;
use rayon::prelude::*;

use crate::types::seed::Seed;

/// Number of draws that share one generator: a power of two at which the cost of starting a stream is negligible.
const CHUNK: usize = 128;

/// Number of random draws and their streams.
#[derive(Debug, Clone, Copy)]
pub struct Draws<'a> {
    /// The seed of the run.
    pub seed: Seed,
    /// Labels of the purpose. Different labels have different draws.
    pub labels: &'a [&'a str],
    /// Number of draws.
    pub count: usize,
}

impl Draws<'_> {
    /// Runs `draw` `count` times and returns the results in the order of the draws. `method` selects separate streams.
    /// `scratch` creates the working memory that draws reuse.
    pub(super) fn map<S, T: Send>(
        &self,
        method: &str,
        scratch: impl Fn() -> S + Sync,
        draw: impl Fn(&mut S, &mut ChaCha8Rng) -> T + Sync,
    ) -> Vec<T> {
        let chunk = |index: usize| {
            // One stream per chunk, independent of the thread.
            let mut rng = self.seed.stream(&[self.labels, &[method, &index.to_string()]].concat());
            let mut scratch = scratch();
            let size = CHUNK.min(self.count - index * CHUNK);
            (0..size).map(|_| draw(&mut scratch, &mut rng)).collect::<Vec<T>>()
        };
        (0..self.count.div_ceil(CHUNK)).into_par_iter().flat_map_iter(chunk).collect()
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let draws = Draws { seed: Seed(3), labels: &["accuracy"], count: 1000 };
        let numbers = || draws.map("test", || (), |(), rng| rng.random::<u64>());
        let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        let alone = pool(1).install(numbers);
        assert_eq!(alone.len(), 1000);
        assert_eq!(alone, pool(4).install(numbers));
        assert_eq!(alone[..300], Draws { count: 300, ..draws }.map("test", || (), |(), rng| rng.random::<u64>()));
        assert_ne!(alone, Draws { labels: &["fee"], ..draws }.map("test", || (), |(), rng| rng.random::<u64>()));
    }
}
