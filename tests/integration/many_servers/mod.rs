//! Runs of models behind several servers, which are killed, restarted, slow, overloaded or wrong.

mod attempts;
mod entries;
mod failures;
mod stand_in;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use self::stand_in::StandIn;
use crate::support::{CommandOutput, Project, Settings};

/// List of these servers' addresses, as TOML.
fn list(servers: &[&StandIn]) -> toml::Value {
    servers.iter().map(|server| server.base_url()).collect::<Vec<_>>().into()
}

/// Settings with the levels in `names` on these servers. The waits are short.
fn settings(names: &[&str], addresses: impl Into<toml::Value>) -> Settings {
    let addresses = addresses.into();
    let entry = |name: &str| {
        format!(
            "name = '{name}'\nbackend = 'openai'\nbase_url = {addresses}\nconcurrency = 2\nlongest_wait_s = 0.05\n\
             price = {{ input = 0.1, output = 0.4 }}"
        )
    };
    let settings = Settings::simulated().set("deferral.threshold", 0.5).set("limits.concurrency", 24);
    names.iter().fold(settings, |settings, name| settings.model(name, &entry(name)))
}

/// Rows of a table without the columns that differ between runs.
fn rows(project: &Project, out: &str, table: &str) -> Vec<String> {
    let sheet = project.sheet(out, table);
    let columns: Vec<&String> =
        sheet.columns.iter().filter(|column| !["latency_ms", "server"].contains(&column.as_str())).collect();
    sheet.rows().map(|row| columns.iter().map(|column| row.text(column)).collect::<Vec<_>>().join(",")).collect()
}

/// Number of distinct calls that each server answered, by model and server, from the table `calls`.
fn counted(project: &Project, out: &str) -> BTreeMap<(String, String), u64> {
    let calls = project.sheet(out, "calls");
    let answered: BTreeSet<(String, String, String)> = calls
        .rows()
        .filter(|call| !call.text("server").is_empty())
        .map(|call| {
            (call.text("journal_key").to_owned(), call.text("model").to_owned(), call.text("server").to_owned())
        })
        .collect();
    let mut counts = BTreeMap::new();
    for (_, model, server) in answered {
        *counts.entry((model, server)).or_default() += 1;
    }
    counts
}

fn manifest(project: &Project, out: &str) -> Value {
    serde_json::from_str(&project.text(&format!("{out}/manifest.json"))).expect("JSON")
}

/// Number of calls that each server answered, by model and server, from the manifest.
fn stated(project: &Project, out: &str) -> BTreeMap<(String, String), u64> {
    let manifest = manifest(project, out);
    let models = manifest["servers"].as_object().expect("a table");
    let counts = models.iter().flat_map(|(model, servers)| {
        let servers = servers.as_object().expect("a table");
        servers.iter().map(|(server, calls)| ((model.clone(), server.clone()), calls.as_u64().expect("a count")))
    });
    counts.collect()
}

/// Runs the trial while `meanwhile` happens.
fn run_while(project: &Project, out: &str, meanwhile: impl FnOnce()) -> CommandOutput {
    std::thread::scope(|scope| {
        let run = scope.spawn(|| project.trial(out, &[]));
        meanwhile();
        run.join().expect("the run ends")
    })
}
