//! Differences between two runs by their manifests: data, config, prompts, models, versions, prices.

use serde_json::Value;

use crate::report::manifest::{Manifest, differing_leaves};
use crate::types::price::Price;

/// Number of characters of a checksum that are shown.
const CHECKSUM: usize = 12;

/// Subject of a difference, in the order in which differences are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    /// The items.
    Data,
    /// Any other setting.
    Config,
    /// Names, versions and texts of prompts.
    Prompts,
    /// Models, their settings, and the names that servers return.
    Models,
    /// Version of this program.
    Versions,
    /// Prices of models that both runs use.
    Prices,
}

impl Topic {
    /// Returns the name for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Config => "config",
            Self::Prompts => "prompts",
            Self::Models => "models",
            Self::Versions => "versions",
            Self::Prices => "prices",
        }
    }

    /// Returns the topic of a key of the identity.
    fn of(path: &str) -> Self {
        match path.split('.').next().unwrap_or_default() {
            "dataset" => Self::Data,
            "prompts" => Self::Prompts,
            "weak" | "strong" if path.ends_with(".prompt") => Self::Prompts,
            "weak" | "strong" => Self::Models,
            _ => Self::Config,
        }
    }
}

/// A value that differs between the baseline and another run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// Subject of the value.
    pub(super) topic: Topic,
    /// Name of the value.
    pub(super) what: String,
    /// Value in the baseline.
    pub(super) first: String,
    /// Value in the other run.
    pub(super) second: String,
}

impl Difference {
    fn new(topic: Topic, what: impl Into<String>, [first, second]: [String; 2]) -> Self {
        Self { topic, what: what.into(), first, second }
    }

    /// Formats the difference as one line.
    pub(super) fn line(&self) -> String {
        format!("{}: {}: {} → {}", self.topic.name(), self.what, self.first, self.second)
    }
}

/// Lists the values that differ, by topic.
pub(super) fn differences(first: &Manifest, second: &Manifest) -> Vec<Difference> {
    let identity = differing_leaves(&first.identity, &second.identity).into_iter();
    let mut found: Vec<Difference> = identity
        .map(|(path, one, other)| {
            let words = if path.ends_with("sha256") { checksums } else { in_words };
            Difference::new(Topic::of(&path), path, [one, other].map(words))
        })
        .collect();
    found.extend(prompt_texts(first, second));
    found.extend(["weak", "strong"].into_iter().filter_map(|level| answered_by(level, first, second)));
    if first.version != second.version {
        let versions = [first, second].map(|run| run.version.clone());
        found.push(Difference::new(Topic::Versions, "intercascade", versions));
    }
    found.extend(prices(first, second));
    found.sort_by_key(|difference| difference.topic);
    found
}

/// True if both runs use the same data set, so that equal ids mean equal items.
pub(super) fn same_data(first: &Manifest, second: &Manifest) -> bool {
    // The checksum of a calibration split follows the stream's.
    let sha256 = |run: &Manifest| {
        run.identity["dataset"]["sha256"].as_str().and_then(|sums| sums.split(' ').next()).map(str::to_owned)
    };
    sha256(first) == sha256(second)
}

/// Formats a value of a config.
fn in_words(value: &Value) -> String {
    match value {
        Value::Null => "not set".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(in_words).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Formats a text of checksums by their first characters.
fn checksums(value: &Value) -> String {
    let shown = |sum: &str| sum.chars().take(CHECKSUM).collect::<String>();
    value.as_str().map_or_else(|| in_words(value), |sums| sums.split(' ').map(shown).collect::<Vec<_>>().join(" "))
}

/// Lists prompts of equal name and version whose texts differ.
fn prompt_texts(first: &Manifest, second: &Manifest) -> Vec<Difference> {
    let prompts = |run: &Manifest| run.prompts.as_array().cloned().unwrap_or_default();
    let differing = |(level, (one, other)): (&str, (Value, Value))| {
        let same = |key| one[key] == other[key];
        let sums = [&one, &other].map(|prompt| checksums(&prompt["sha256"]));
        let what = format!("text of {} v{} ({level} level), SHA-256", in_words(&one["name"]), one["version"]);
        (same("name") && same("version") && !same("sha256")).then(|| Difference::new(Topic::Prompts, what, sums))
    };
    let both = prompts(first).into_iter().zip(prompts(second));
    ["weak", "strong"].into_iter().zip(both).filter_map(differing).collect()
}

/// Compares the names that the server of a level returned with its answers.
fn answered_by(level: &str, first: &Manifest, second: &Manifest) -> Option<Difference> {
    let names = |run: &Manifest| {
        let model = run.identity[level]["name"].as_str().unwrap_or_default().to_owned();
        match &run.answered_by[model] {
            Value::Null => "not recorded".to_owned(),
            names => in_words(names),
        }
    };
    let both = [first, second].map(names);
    (both[0] != both[1]).then(|| Difference::new(Topic::Models, format!("{level} level answered by"), both))
}

/// Lists the prices that differ, of models that both runs have.
fn prices(first: &Manifest, second: &Manifest) -> Vec<Difference> {
    let both = first.prices.iter().filter_map(|(model, price)| Some((model, price, second.prices.get(model)?)));
    let differ = both.filter(|(_, one, other)| !costs_the_same(one.as_ref(), other.as_ref()));
    let difference = |(model, one, other): (&String, &Option<Price>, &Option<Price>)| {
        let what = format!("price of {model}, USD per million tokens");
        Difference::new(Topic::Prices, what, [one, other].map(|price| priced(price.as_ref())))
    };
    differ.map(difference).collect()
}

fn costs_the_same(one: Option<&Price>, other: Option<&Price>) -> bool {
    let figures =
        |price: &Price| [price.input, price.cached_input.unwrap_or(price.input), price.output].map(f64::to_bits);
    one.map(figures) == other.map(figures)
}

fn priced(price: Option<&Price>) -> String {
    let Some(price) = price else { return "no price".to_owned() };
    let cached = price.cached_input.map(|cached| format!(", {cached} cached input"));
    format!("{} input{}, {} output", price.input, cached.unwrap_or_default(), price.output)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest() -> Manifest {
        let prompt = json!({"name": "boxed", "version": 1, "sha256": "b6f0648158df3eacca72"});
        serde_json::from_value(json!({
            "version": "0.1.0",
            "identity": {
                "arms": ["weak-only", "cascade"], "dataset": {"sha256": "aa", "limit": null}, "seed": 7,
                "prompts": ["boxed v1"], "weak": {"name": "small", "weights": "q4"}, "strong": {"name": "large"},
            },
            "config": {}, "prompts": [prompt, prompt], "prices": {"small": {"input": 1.0, "output": 2.0}},
            "started": "", "ended": null, "calls_made": null, "spent": null, "warnings": [],
            "answered_by": {"small": ["small-v1"]},
        }))
        .expect("a manifest")
    }

    fn lines(first: &Manifest, second: &Manifest) -> Vec<String> {
        differences(first, second).iter().map(Difference::line).collect()
    }

    #[test]
    fn every_kind_of_difference_is_listed_by_topic() {
        let (first, mut second) = (manifest(), manifest());
        assert!(differences(&first, &second).is_empty() && same_data(&first, &second));
        second.version = "0.2.0".into();
        second.identity["dataset"] = json!({"sha256": "3730d312f6e3440559ac 42", "limit": 50});
        second.identity["arms"] = json!(["cascade"]);
        second.identity["weak"]["weights"] = json!("q8");
        second.prompts[1]["sha256"] = json!("3f438a8dda0e309f8a80");
        second.answered_by = json!({"small": ["small-v2", "small-v1"]});
        second.prices.insert("small".into(), None);
        assert_eq!(
            lines(&first, &second),
            [
                "data: dataset.limit: not set → 50",
                "data: dataset.sha256: aa → 3730d312f6e3 42",
                "config: arms: weak-only, cascade → cascade",
                "prompts: text of boxed v1 (strong level), SHA-256: b6f0648158df → 3f438a8dda0e",
                "models: weak.weights: q4 → q8",
                "models: weak level answered by: small-v1 → small-v2, small-v1",
                "versions: intercascade: 0.1.0 → 0.2.0",
                "prices: price of small, USD per million tokens: 1 input, 2 output → no price",
            ]
        );
        assert!(!same_data(&first, &second));
    }

    #[test]
    fn names_that_only_one_run_recorded_are_reported() {
        let (first, mut second) = (manifest(), manifest());
        second.answered_by = Value::Null;
        assert_eq!(lines(&first, &second), ["models: weak level answered by: small-v1 → not recorded"]);
    }
}
