//! Identity of a run, and the parts of the config in its manifest.
//!
//! Structs are destructured without `..`. A new field therefore does not compile until this module decides whether the
//! field belongs to the identity.

use serde::Serialize;
use serde_json::{Value, json};

use super::resolved::ResolvedConfig;
use super::schema::{Config, DatasetConfig, DeferralConfig, LearningConfig, Threshold};
use crate::analysis::metrics::calibrated::Recalibrate;
use crate::backend::entry::ModelEntry;
use crate::cascade::gate::WithoutExample;
use crate::task::Grader;
use crate::task::calculations::AtLeast;
use crate::task::confidence::Signal;
use crate::task::extraction;
use crate::task::prompt::Prompt;
use crate::types::arm::Arm;
use crate::types::check::Check;
use crate::types::seed::Seed;

/// Identity of a run: all settings except limits, prices and the names of API keys.
#[derive(Serialize)]
struct Identity<'a> {
    name: &'a str,
    seed: Seed,
    arms: &'a [Arm],
    dataset: DatasetIdentity<'a>,
    deferral: DeferralIdentity<'a>,
    /// Complete section: every new key becomes part of the identity.
    learning: &'a LearningConfig,
    /// Names and versions of the weak and the strong level's prompt.
    prompts: Vec<String>,
    /// Names and versions of the extraction rules.
    extraction: String,
    weak: Value,
    strong: Value,
}

/// Identity of the data. A key that was added after the first published runs is included only if it is set, so the
/// identity of these runs does not change.
#[derive(Serialize)]
struct DatasetIdentity<'a> {
    name: &'a str,
    sha256: &'a str,
    split: &'a Option<String>,
    limit: Option<usize>,
    per_group: Option<usize>,
    orders: usize,
    calculator: bool,
    calibration: usize,
    calibration_split: &'a Option<String>,
    group_split: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    member: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subjects: &'a Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample_groups: Option<usize>,
}

/// Identity of the deferral gate.
#[derive(Serialize)]
struct DeferralIdentity<'a> {
    /// Signal that the run uses, from the config or by default.
    signal: Option<Signal>,
    threshold: Threshold,
    calibrate_per_arm: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    recalibrate: Option<Recalibrate>,
    quantile: f64,
    draws: u32,
    draw_temperature: f64,
    #[serde(skip_serializing_if = "<[Check]>::is_empty")]
    checks: &'a [Check],
    #[serde(skip_serializing_if = "AtLeast::is_usual")]
    calculations_at_least: AtLeast,
    /// Omitted at the default `ask`.
    #[serde(skip_serializing_if = "Option::is_none")]
    without_example: Option<WithoutExample>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tuned_threshold: Option<f64>,
}

impl<'a> Identity<'a> {
    fn new(resolved: &'a ResolvedConfig) -> Self {
        let ResolvedConfig {
            config,
            weak,
            strong,
            dataset: dataset_name,
            sha256,
            grader,
            prompts,
            signal,
            recordings: _,      // included by checksum in the models' identities
            known: _,           // only `weak` and `strong` are called
            notices: _,         // follow from the file
            redistributable: _, // changes no answer
            items: _,           // follow from the file and the config
            ranges: _,          // follow from the config
            weights: _,         // included by name in the models' identities
        } = resolved;
        let Config {
            name,
            seed,
            arms,
            dataset,
            deferral,
            learning,
            levels: _, // included as `weak` and `strong`
            limits: _, // change no answer
            models: _, // included as `weak` and `strong`
        } = config;
        let Grader { task: _, rules, calculations_at_least: _ } = grader; // `calculations_at_least` is in the gate
        Self {
            name,
            seed: *seed,
            arms,
            dataset: DatasetIdentity::new(dataset, dataset_name, sha256),
            deferral: DeferralIdentity::new(deferral, *signal),
            learning,
            prompts: prompts.iter().map(Prompt::label).collect(),
            extraction: extraction::describe(rules),
            weak: model_identity(resolved, weak),
            strong: model_identity(resolved, strong),
        }
    }
}

impl<'a> DatasetIdentity<'a> {
    fn new(config: &'a DatasetConfig, name: &'a str, sha256: &'a str) -> Self {
        let DatasetConfig {
            member,
            group,
            subjects,
            split,
            limit,
            sample,
            sample_groups,
            calibration,
            group_split,
            calibration_split,
            per_group,
            orders,
            calculator,
            choose: _,     // does not change records
            name: _,       // represented by the name in outputs
            path: _,       // represented by the file's checksum
            format: _,     // follows from the file
            extraction: _, // represented by the rules that the run uses
        } = config;
        Self {
            name,
            sha256,
            split,
            limit: *limit,
            per_group: *per_group,
            orders: *orders,
            calculator: *calculator,
            calibration: *calibration,
            calibration_split,
            group_split: *group_split,
            member,
            group,
            subjects,
            sample: *sample,
            sample_groups: *sample_groups,
        }
    }
}

impl<'a> DeferralIdentity<'a> {
    fn new(config: &'a DeferralConfig, signal: Option<Signal>) -> Self {
        let DeferralConfig {
            signal: _, // represented by the signal that the run uses
            threshold,
            calibrate_per_arm,
            recalibrate,
            quantile,
            draws,
            draw_temperature,
            ref checks,
            calculations_at_least,
            without_example,
            tuned_threshold,
        } = *config;
        let without_example = Some(without_example).filter(|without| *without != WithoutExample::Ask);
        Self {
            signal,
            threshold,
            calibrate_per_arm,
            recalibrate,
            quantile,
            draws,
            draw_temperature,
            checks,
            calculations_at_least,
            without_example,
            tuned_threshold,
        }
    }
}

impl ResolvedConfig {
    /// Identity of the run as JSON: all settings except limits, prices and the names of API keys.
    #[must_use]
    pub fn identity(&self) -> Value {
        json!(Identity::new(self))
    }

    /// Name, version and checksum of the weak and the strong level's prompt. The checksum reveals a change without a
    /// new version.
    #[must_use]
    pub fn prompt_checksums(&self) -> Value {
        let describe =
            |prompt: &Prompt| json!({"name": prompt.name, "version": prompt.version, "sha256": prompt.sha256});
        self.prompts.iter().map(describe).collect()
    }

    /// Complete config as JSON, with defaults and the entries of the two models.
    #[must_use]
    pub fn resolved(&self) -> Value {
        let mut value = serde_json::to_value(&self.config).unwrap_or_default();
        if let Some(object) = value.as_object_mut() {
            object.insert("model".to_owned(), json!([self.weak, self.strong]));
        }
        value
    }
}

/// Identity of a model: the keys of its entry that can change an answer, and the checksum of its recording, if any.
fn model_identity(resolved: &ResolvedConfig, entry: &ModelEntry) -> Value {
    let mut keys = entry.identity_keys(&resolved.weak);
    if let Some(recording) = resolved.recordings.get(&entry.name) {
        keys.insert("recording".to_owned(), json!(recording.sha256()));
    }
    Value::Object(keys)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Identity of the config in the test below, without the checksum of the data.
    const RARE: &str = r#"{"arms":["weak-only","inter-cascade"],"dataset":{"calculator":false,"calibration":4,"calibration_split":null,"group":"family","group_split":false,"limit":null,"name":"rows","orders":1,"per_group":2,"sample_groups":4,"sha256":"SHA256","split":null},"deferral":{"calibrate_per_arm":false,"draw_temperature":0.7,"draws":5,"quantile":0.1,"recalibrate":"platt","signal":"mean-token-probability","threshold":{"calibrate":{"alpha":0.9,"delta":0.1,"grid":"logit","min_accepted":1}}},"extraction":"boxed v3, hash-marks v3, answer-is v3, bold v3, gsm8k-flexible v3","learning":{"checked_at_least":"each-line","confident_from":0.9,"content":"strategy","distil":"same-call","embedder":"all-minilm-l6-v2","exclude_same_group":false,"k":2,"max_strategy_tokens":50,"min_similarity":0.0,"reuse_from":0.95,"store":["checked","correct-only"],"verify_temperature":0.7},"name":"rare","prompts":["chat v1","chat v1"],"seed":3,"strong":{"backend":"reference","logprobs":true,"max_tokens":512,"name":"key","send_stop":true,"send_temperature":true,"temperature":0.0,"token_limit_key":"max_tokens","tokenizer":"smollm2-135m-instruct"},"weak":{"backend":"simulated","logprobs":true,"max_tokens":512,"name":"small","send_stop":true,"send_temperature":true,"simulated":{"accuracy":0.5,"gain":0.0,"unreadable":0.0},"temperature":0.0,"token_limit_key":"max_tokens"}}"#;

    #[test]
    fn committed_runs_match_the_identities_in_their_manifests() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut compared = Vec::new();
        for folder in
            std::fs::read_dir(root.join("results")).expect("a folder").map(|entry| entry.expect("an entry").path())
        {
            let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
            let config = root.join(format!("configs/{name}.toml"));
            let Ok(manifest) = std::fs::read(folder.join("manifest.json")) else { continue };
            if config.is_file() {
                let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
                let identity = ResolvedConfig::load(&config, &[]).expect("a good config").identity();
                assert_eq!(identity.to_string(), manifest["identity"].to_string(), "{name}");
                compared.push(name);
            }
        }
        assert!(compared.len() >= 3, "{compared:?}");
    }

    #[test]
    fn rare_settings_are_in_the_identity_if_set() {
        let folder = tempfile::tempdir().expect("a folder");
        let rows = (0..20).map(|i| {
            format!(
                "{{\"question\": \"What is {i}?\", \"answer\": \"It is {i}.\\n#### {i}\", \"family\": \"{}\"}}\n",
                i / 2
            )
        });
        let path = folder.path().join("rows.jsonl");
        std::fs::write(&path, rows.collect::<String>()).expect("written");
        let config = format!(
            r#"
name = "rare"
seed = 3
arms = ["weak-only", "inter-cascade"]
levels = ["small", "key"]
[dataset]
path = {path:?}
format = "gsm8k"
group = "family"
sample_groups = 4
per_group = 2
calibration = 4
group_split = false
[deferral]
threshold = {{ calibrate = {{ alpha = 0.9, min_accepted = 1, grid = "logit" }} }}
recalibrate = "platt"
[learning]
max_strategy_tokens = 50
store = ["checked", "correct-only"]
checked_at_least = "each-line"
[limits]
concurrency = 3
max_refused = 0.5
[[model]]
name = "small"
backend = "simulated"
simulated = {{ accuracy = 0.5 }}
[[model]]
name = "key"
backend = "reference"
max_retries = 9
"#
        );
        let file = folder.path().join("rare.toml");
        std::fs::write(&file, config).expect("written");
        let identity = ResolvedConfig::load(&file, &[]).expect("a good config").identity();
        let sha256 = identity["dataset"]["sha256"].as_str().expect("a checksum").to_owned();
        assert_eq!(identity.to_string().replace(&sha256, "SHA256"), RARE);
    }
}
