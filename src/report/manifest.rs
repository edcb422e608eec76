//! The manifest of a run: everything needed to repeat the run, to distinguish it from others, and to compute its cost.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::files::write_file;
use super::format::lambda;
use crate::analysis::metrics::Prices;
use crate::analysis::metrics::recommendation::MARGIN;
use crate::types::left_out::LeftOut;
use crate::types::shard::ShardCell;

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
    /// Number of calls that each server answered, by model and by host and port. Empty if no server did.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub servers: BTreeMap<String, BTreeMap<String, u64>>,
    /// Notes on the prices for the reader.
    #[serde(default)]
    pub price_notes: Vec<String>,
    /// Other warnings for the reader.
    pub warnings: Vec<String>,
    /// Share of the cells that the folder holds. `None` if the folder holds a whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<ShardPart>,
    /// Shards that the outputs were merged from. `None` if one run wrote them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<MergedShards>,
}

/// Share of a run's cells in the manifest of a shard.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ShardPart {
    /// Number of the shard, from 1 to `count`.
    pub index: usize,
    /// Number of shards of the run.
    pub count: usize,
    /// All cells of the run in the order of the records, each with its shard. Empty until the cells have run.
    pub cells: Vec<ShardCell>,
    /// Warnings that hold for the whole run, as they do not depend on the records.
    #[serde(default)]
    pub warnings: Vec<String>,
}

impl ShardPart {
    /// Returns the cells of this shard, in the order of the records.
    pub fn own(&self) -> impl Iterator<Item = &ShardCell> {
        self.cells.iter().filter(|cell| cell.shard == self.index)
    }
}

/// Shards of a run whose outputs were merged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MergedShards {
    /// Number of shards of the run.
    pub count: usize,
    /// Numbers of the shards that had finished, ascending.
    pub shards: Vec<usize>,
    /// Cells of the shards that are missing, in the order of the records.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<ShardCell>,
}

impl MergedShards {
    /// Returns true if no shard with cells is missing.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// Returns sentences on what is missing: one on the whole, then one for each missing shard. Empty if nothing is
    /// missing. `readable` shortens a λ for people.
    #[must_use]
    pub fn notices(&self, readable: impl Fn(f64) -> f64) -> Vec<String> {
        if self.is_complete() {
            return Vec::new();
        }
        let shards: std::collections::BTreeSet<usize> = self.missing.iter().map(|cell| cell.shard).collect();
        let cell = |cell: &ShardCell| {
            let at =
                cell.threshold.map_or_else(String::new, |threshold| format!(" at λ {}", lambda(readable(threshold))));
            format!("{}{at} in order {}", cell.place.arm, cell.place.order)
        };
        let line = |shard: usize| {
            let cells: Vec<String> = self.missing.iter().filter(|of| of.shard == shard).map(cell).collect();
            format!("Missing from shard {shard} of {}: {}.", self.count, cells.join(", "))
        };
        let whole = format!(
            "Incomplete: {} of {} shards have not finished, so {} cells are missing. All figures and intervals cover only the cells that \
             are there; counts and fees are sums over the orders that an arm has, which may differ between arms.",
            shards.len(),
            self.count,
            self.missing.len()
        );
        std::iter::once(whole).chain(shards.into_iter().map(line)).collect()
    }
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
