//! What a run was: enough to repeat it, to tell it from another, and to say what was paid.

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

/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this program.
    pub version: String,
    /// Everything that makes a run the same run: two runs with equal identities give equal records.
    pub identity: Value,
    /// The config with its defaults, the models' entries, prices and limits included.
    pub config: Value,
    /// The prompts' names, versions and checksums, weak to strong.
    #[serde(default)]
    pub prompts: Value,
    /// What ran, line by line.
    #[serde(default)]
    pub setting: Vec<String>,
    /// The prices that fees are told by.
    #[serde(default)]
    pub prices: Prices,
    /// λs at which all arms were run; none where the config gives the gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swept: Option<Vec<f64>>,
    /// What was left out, since only recorded answers could be used and some calls are not recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// The accuracy that a recommendation may lose against the strong level alone, as a share; `None`: the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// When the first session began, RFC 3339.
    pub started: String,
    /// When the outputs were complete; none while they are not.
    pub ended: Option<String>,
    /// Calls that the last session really made; the others were in the journal.
    pub calls_made: Option<u64>,
    /// Tokens and fee of the journal's calls by model: what was really spent, each call once.
    pub spent: Value,
    /// The models' names as their answers carry them.
    pub answered_by: Value,
    /// What a reader must know of the prices.
    #[serde(default)]
    pub price_notes: Vec<String>,
    /// What else a reader must know.
    pub warnings: Vec<String>,
}

impl Manifest {
    /// The manifest of a run folder, where there is one.
    ///
    /// # Errors
    /// Names a file that is no manifest.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .with_context(|| format!("{} is not a manifest", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// The accuracy that a recommendation may lose against the strong level alone, as a share.
    #[must_use]
    pub fn margin(&self) -> f64 {
        self.margin.unwrap_or(MARGIN)
    }

    /// Puts the manifest into its folder.
    ///
    /// # Errors
    /// Names the file.
    pub fn write(&self, folder: &Path) -> Result<()> {
        write_file(&folder.join(FILE), &self.bytes()?)
    }

    /// The file's contents.
    ///
    /// # Errors
    /// Where it cannot be written as JSON.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// The leaves in which two JSON values differ, as `path: there, here`.
#[must_use]
pub fn differences(there: &Value, here: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk("", there, here, &mut found);
    found
}

fn walk(path: &str, there: &Value, here: &Value, found: &mut Vec<String>) {
    match (there, here) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(&path, a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null), found);
            }
        }
        _ if there == here => {}
        _ => found.push(format!("{path}: {there} there, {here} here")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn differences_name_the_leaves() {
        let there = json!({"a": {"b": 1, "c": [1]}, "d": "x"});
        assert!(differences(&there, &there).is_empty());
        let here = json!({"a": {"b": 2, "c": [1]}, "e": true});
        assert_eq!(
            differences(&there, &here),
            ["a.b: 1 there, 2 here", "d: \"x\" there, null here", "e: null there, true here"]
        );
    }
}
