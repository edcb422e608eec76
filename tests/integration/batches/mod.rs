//! `--batch` against a stand-in of a provider's batch API: whole runs, partial failures, kills, limits and prices.

mod failures;
mod provider;
mod resuming;
mod runs;

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use self::provider::{Plan, Provider};
use crate::support::{CommandOutput, Project, Settings, program};

/// Number of items of each run.
const ITEMS: usize = 12;

/// Columns that differ between answers in batches and direct answers.
const TIMES: [&str; 2] = ["latency_ms", "batched"];

/// A project whose levels are both at one provider.
struct Stage {
    project: Project,
    provider: Provider,
}

/// Entry of a model at the provider.
fn entry(provider: &Provider, name: &str, more: &str) -> String {
    let address = provider.address();
    format!(
        "name = '{name}'\nbackend = 'openai'\nbase_url = '{address}'\nmax_tokens = 16\nmax_retries = 2\nlongest_wait_s = 0.05\n{more}"
    )
}

const BATCHED: &str = "batch_api = true\nprice = { input = 1.0, output = 4.0, batch = 0.5 }";

fn settings(provider: &Provider, arms: &[&str]) -> Settings {
    let arms: Vec<String> = arms.iter().map(ToString::to_string).collect();
    Settings::simulated()
        .model("small", &entry(provider, "small", BATCHED))
        .model("large", &entry(provider, "large", BATCHED))
        .set("arms", arms)
        .set("dataset.limit", i64::try_from(ITEMS).expect("a few"))
        .set("dataset.orders", 1)
        .set("deferral.threshold", 0.5)
}

impl Stage {
    async fn new(plan: Plan, arms: &[&str]) -> Self {
        Self::with(plan, |provider| settings(provider, arms)).await
    }

    async fn with(plan: Plan, settings: impl Fn(&Provider) -> Settings) -> Self {
        let provider = Provider::start(plan).await;
        Self { project: Project::with(&settings(&provider)), provider }
    }

    fn run(&self, out: &str) -> CommandOutput {
        self.project.trial(out, &["--batch"])
    }

    /// Starts a run that another one continues.
    fn spawn(&self, out: &str) -> Child {
        Command::new(program())
            .args(["run", "--config", "trial.toml", "--alone", "--batch", "--out", out])
            .current_dir(self.project.path(""))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("started")
    }

    fn manifest(&self, out: &str) -> Value {
        serde_json::from_str(&self.project.text(&format!("{out}/manifest.json"))).expect("JSON")
    }

    /// Returns the rows of a table without times.
    fn rows(&self, out: &str, table: &str) -> Vec<Vec<String>> {
        let sheet = self.project.sheet(out, table);
        let columns: Vec<&String> = sheet.columns.iter().filter(|name| !TIMES.contains(&name.as_str())).collect();
        sheet.rows().map(|row| columns.iter().map(|column| row.text(column).to_owned()).collect()).collect()
    }

    /// Asserts that the run in a folder has the records of a direct run.
    #[track_caller]
    fn assert_as_direct(&self, out: &str) {
        self.project.trial("direct", &[]).done();
        for table in ["records", "levels", "calls", "accuracy", "strong_calls", "fees", "calibration", "frontier"] {
            assert!(self.rows(out, table) == self.rows("direct", table), "{table}");
        }
        assert_eq!(self.project.text(&format!("{out}/strategies.jsonl")), self.project.text("direct/strategies.jsonl"));
    }

    /// Returns the number of rows of a table of a journal.
    fn count(&self, out: &str, query: &str) -> i64 {
        let journal =
            rusqlite::Connection::open(self.project.path(&format!("{out}/journal.sqlite"))).expect("a journal");
        journal.query_row(query, [], |row| row.get(0)).expect("a count")
    }

    /// Asserts that no request was made twice.
    #[track_caller]
    fn assert_each_request_once(&self) {
        let bodies = self.provider.bodies();
        let distinct: BTreeSet<&String> = bodies.iter().collect();
        assert_eq!(distinct.len(), bodies.len());
    }
}
