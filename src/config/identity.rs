//! What makes a run the same run, and what a manifest holds of its config.

use serde_json::{Value, json};

use super::resolved::ResolvedConfig;
use super::schema::{Config, DeferralConfig};
use crate::backend::entry::{Backend, ModelEntry};
use crate::task::extraction;
use crate::task::prompt::Prompt;

/// Keys of a model's entry that cannot change an answer.
const NO_MATTER: [&str; 15] = [
    "preset",
    "from_preset",
    "path",
    "price",
    "retired",
    "substitute",
    "api_key_env",
    "headers_env",
    "ca_file",
    "timeout_s",
    "max_retries",
    "longest_wait_s",
    "concurrency",
    "requests_per_minute",
    "tokens_per_minute",
];

impl ResolvedConfig {
    /// Everything that makes a run the same run: all but limits, prices, and the names of keys.
    #[must_use]
    pub fn identity(&self) -> Value {
        let Config { name, seed, arms, dataset, deferral, learning, .. } = &self.config;
        let mut identity = json!({
            "name": name,
            "seed": seed,
            "arms": arms,
            "dataset": {
                "name": self.dataset, "sha256": self.sha256, "split": dataset.split, "limit": dataset.limit,
                "per_group": dataset.per_group, "orders": dataset.orders, "calculator": dataset.calculator,
                "calibration": dataset.calibration, "calibration_split": dataset.calibration_split,
                "group_split": dataset.group_split,
            },
            "deferral": DeferralConfig { signal: self.signal, ..deferral.clone() },
            "learning": learning,
            "prompts": self.prompts.iter().map(Prompt::label).collect::<Vec<_>>(),
            "extraction": extraction::told(&self.grader.rules),
            "weak": self.model_identity(&self.weak),
            "strong": self.model_identity(&self.strong),
        });
        // What is rarely set stands there only where it is, so that runs of before stay the same runs.
        let parts = [
            ("member", dataset.member.as_ref().map(|member| json!(member))),
            ("group", dataset.group.as_ref().map(|group| json!(group))),
            ("subjects", dataset.subjects.as_ref().map(|subjects| json!(subjects))),
            ("sample", dataset.sample.map(|n| json!(n))),
            ("sample_groups", dataset.sample_groups.map(|n| json!(n))),
        ];
        for (key, value) in parts {
            if let Some(value) = value {
                identity["dataset"][key] = value;
            }
        }
        identity
    }

    fn model_identity(&self, entry: &ModelEntry) -> Value {
        let mut value = serde_json::to_value(entry).unwrap_or_default();
        if let Some(object) = value.as_object_mut() {
            for key in NO_MATTER {
                object.remove(key);
            }
            if entry.backend == Backend::Reference {
                object.insert("tokenizer".to_owned(), json!(entry.tokenizer_name(&self.weak)));
            }
            if let Some(recording) = self.recordings.get(&entry.name) {
                object.insert("recording".to_owned(), json!(recording.sha256()));
            }
        }
        value
    }

    /// The weak and the strong level's prompts with their checksums, so that one that was changed without a new version
    /// shows.
    #[must_use]
    pub fn words(&self) -> Value {
        let words = |prompt: &Prompt| json!({"name": prompt.name, "version": prompt.version, "sha256": prompt.sha256});
        self.prompts.iter().map(words).collect()
    }

    /// The whole config with its defaults and the models that it uses.
    #[must_use]
    pub fn resolved(&self) -> Value {
        let mut value = serde_json::to_value(&self.config).unwrap_or_default();
        if let Some(object) = value.as_object_mut() {
            object.insert("model".to_owned(), json!([self.weak, self.strong]));
        }
        value
    }
}
