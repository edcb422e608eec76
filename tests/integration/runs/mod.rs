//! Whole runs through the command line, with simulated levels: their outputs, and the rules of the algorithm.

mod ablate;
mod calibration;
mod checks;
mod commands;
mod compare;
pub(crate) mod controls;
mod decision;
mod judge;
mod limits;
mod mistakes;
mod offline;
mod older_tables;
mod outputs;
mod page;
mod reference;
mod replay;
mod reproduce;
mod resuming;
mod rules;
mod shards;
mod shared;
mod signals;
mod sweep;
mod tables;
mod teaching;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::support::{CommandOutput, Files, Project, Row, Settings, Sheet};

/// Arms in the order of the config.
const ARMS: [&str; 5] = ["weak-only", "strong-only", "cascade", "inter-cascade", "inter-cascade-random"];
const GATED: [&str; 3] = ["cascade", "inter-cascade", "inter-cascade-random"];
/// Number of items, orders, threshold and largest number of strategies in [`Settings::simulated`].
const ITEMS: usize = 30;
const ORDERS: usize = 2;
const THRESHOLD: f64 = 0.7;
const K: usize = 2;

/// Output files and printed text of a finished run.
struct Finished {
    files: Files,
    output: CommandOutput,
}

impl Finished {
    /// Runs these settings in a separate folder.
    fn of(settings: &Settings) -> Self {
        let project = Project::with(settings);
        let output = project.trial("out", &[]).done();
        Self { files: crate::support::files(&project.path("out")), output }
    }

    fn sheet(&self, table: &str) -> Sheet {
        Sheet::from_csv(&self.files[&format!("{table}.csv")])
    }

    fn text(&self, name: &str) -> &str {
        std::str::from_utf8(&self.files[name]).expect("UTF-8")
    }

    /// Returns the objects in `strategies.jsonl`.
    fn strategies(&self) -> Vec<serde_json::Value> {
        self.text("strategies.jsonl").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

/// Returns a run of all five arms over two orders, made once for the tests that only read it.
fn finished() -> &'static Finished {
    static FINISHED: OnceLock<Finished> = OnceLock::new();
    FINISHED.get_or_init(|| Finished::of(&Settings::simulated()))
}

/// Cell of the run: arm and order.
type Cell<'a> = (&'a str, usize);

/// Returns the records by cell, in stream order.
fn cells(records: &Sheet) -> BTreeMap<Cell<'_>, Vec<Row<'_>>> {
    let mut cells: BTreeMap<Cell<'_>, Vec<Row<'_>>> = BTreeMap::new();
    for row in records.rows() {
        let cell = cells.entry((row.text("arm"), row.count("order"))).or_default();
        assert_eq!(row.count("position"), cell.len(), "rows stand in stream order");
        cell.push(row);
    }
    cells
}

/// Returns the rows of one arm.
fn of_arm<'a>(sheet: &'a Sheet, arm: &str) -> Vec<Row<'a>> {
    sheet.rows().filter(|row| row.text("arm") == arm).collect()
}

#[track_caller]
fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found} instead of {expected}");
}
