//! The manifest of a run: everything needed to repeat the run, to distinguish it from others, and to compute its cost.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::files::write_file;
use crate::analysis::metrics::Prices;
use crate::analysis::metrics::recommendation::MARGIN;
use crate::types::left_out::LeftOut;

/// The manifest's file name.
pub const FILE: &str = "manifest.json";

/// Values of the config that earlier versions wrote under another name: the key, the earlier name, the present name.
const RENAMED_VALUES: [(&str, &str, &str); 1] = [("content", "worked-case", "worked-example")];

/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this program.
    pub version: String,
    /// The identity: two runs with equal identities have equal records.
    pub identity: Value,
    /// The config with its defaults, the models' entries, prices and limits included.
    pub config: Value,
    /// The prompts' names, versions and checksums, weak to strong.
    #[serde(default)]
    pub prompts: Value,
    /// Description of the run, line by line.
    #[serde(default)]
    pub setting: Vec<String>,
    /// The prices that fees are computed with.
    #[serde(default)]
    pub prices: Prices,
    /// Values of λ that all arms were run at. `None` if the config sets the gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swept: Option<Vec<f64>>,
    /// Cells that were left out, since only recorded answers could be used and some calls are not recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// Accuracy that a recommended arm may lose against the strong level alone, as a share. `None` for the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// When the first session began, RFC 3339.
    pub started: String,
    /// When the outputs were complete. `None` until then.
    pub ended: Option<String>,
    /// Number of calls that the last session made; the other answers were in the journal.
    pub calls_made: Option<u64>,
    /// Tokens and fee of the journal's calls by model: the actual cost, with each call counted once.
    pub spent: Value,
    /// Model names that the answers report.
    pub answered_by: Value,
    /// Notes on the prices for the reader.
    #[serde(default)]
    pub price_notes: Vec<String>,
    /// Other warnings for the reader.
    pub warnings: Vec<String>,
}

impl Manifest {
    /// Reads the manifest of a run folder. `None` if the folder has none.
    ///
    /// # Errors
    /// If the file cannot be read or is not a manifest; the error names it.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        match std::fs::read(&path) {
            Ok(bytes) => {
                let mut manifest: Self =
                    serde_json::from_slice(&bytes).with_context(|| format!("{} is not a manifest", path.display()))?;
                rename_values(&mut manifest.identity);
                rename_values(&mut manifest.config);
                Ok(Some(manifest))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Returns the accuracy that a recommended arm may lose against the strong level alone, as a share.
    #[must_use]
    pub fn margin(&self) -> f64 {
        self.margin.unwrap_or(MARGIN)
    }

    /// Writes the manifest into its folder.
    ///
    /// # Errors
    /// If the file cannot be written; the error names it.
    pub fn write(&self, folder: &Path) -> Result<()> {
        write_file(&folder.join(FILE), &self.bytes()?)
    }

    /// Returns the contents of the file.
    ///
    /// # Errors
    /// If the manifest cannot be written as JSON.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// Replaces values that earlier versions wrote under another name.
fn rename_values(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match RENAMED_VALUES.iter().find(|(of, old, _)| key == of && value == old) {
                    Some((.., new)) => *value = Value::from(*new),
                    None => rename_values(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(rename_values),
        _ => {}
    }
}

/// Lists the leaves in which two JSON values differ, as `path: A there, B here`.
#[must_use]
pub fn differences(there: &Value, here: &Value) -> Vec<String> {
    let line = |(path, there, here): (String, &Value, &Value)| format!("{path}: {there} there, {here} here");
    differing_leaves(there, here).into_iter().map(line).collect()
}

/// Lists the leaves in which two JSON values differ: the path, with dots between keys, and both values. A missing leaf
/// is null.
#[must_use]
pub fn differing_leaves<'v>(there: &'v Value, here: &'v Value) -> Vec<(String, &'v Value, &'v Value)> {
    let mut found = Vec::new();
    walk("", there, here, &mut found);
    found
}

fn walk<'v>(path: &str, there: &'v Value, here: &'v Value, found: &mut Vec<(String, &'v Value, &'v Value)>) {
    match (there, here) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(&path, a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null), found);
            }
        }
        _ if there == here => {}
        _ => found.push((path.to_owned(), there, here)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn differences_are_listed_by_leaf() {
        let there = json!({"a": {"b": 1, "c": [1]}, "d": "x"});
        assert!(differences(&there, &there).is_empty());
        let here = json!({"a": {"b": 2, "c": [1]}, "e": true});
        assert_eq!(
            differences(&there, &here),
            ["a.b: 1 there, 2 here", "d: \"x\" there, null here", "e: null there, true here"]
        );
    }
}
