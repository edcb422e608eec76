//! Whole runs through the command line, with simulated levels: what they leave, and that it keeps the rules.

mod ablate;
mod calibration;
mod checks;
mod commands;
mod compare;
mod controls;
mod decision;
mod limits;
mod mistakes;
mod offline;
mod older_tables;
mod outputs;
mod reference;
mod replay;
mod reproduce;
mod resuming;
mod rules;
mod shared;
mod signals;
mod sweep;
mod tables;
mod teaching;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::support::{Files, Project, Row, Said, Settings, Sheet};

/// The arms in the order of the config.
const ARMS: [&str; 5] = ["weak-only", "strong-only", "cascade", "inter-cascade", "inter-cascade-random"];
const GATED: [&str; 3] = ["cascade", "inter-cascade", "inter-cascade-random"];
/// Items, orders, threshold and most strategies of [`Settings::simulated`].
const ITEMS: usize = 30;
const ORDERS: usize = 2;
const THRESHOLD: f64 = 0.7;
const K: usize = 2;

/// What a finished run left and said.
struct Finished {
    files: Files,
    said: Said,
}

impl Finished {
    /// Runs these settings in a folder of their own.
    fn of(settings: &Settings) -> Self {
        let project = Project::with(settings);
        let said = project.trial("out", &[]).done();
        Self { files: crate::support::files(&project.path("out")), said }
    }

    fn sheet(&self, table: &str) -> Sheet {
        Sheet::from_csv(&self.files[&format!("{table}.csv")])
    }

    fn text(&self, name: &str) -> &str {
        std::str::from_utf8(&self.files[name]).expect("UTF-8")
    }

    /// The objects of `strategies.jsonl`.
    fn strategies(&self) -> Vec<serde_json::Value> {
        self.text("strategies.jsonl").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

/// All five arms over two orders, run once for the tests that only look at it.
fn finished() -> &'static Finished {
    static FINISHED: OnceLock<Finished> = OnceLock::new();
    FINISHED.get_or_init(|| Finished::of(&Settings::simulated()))
}

/// A cell of the run: arm and order.
type Cell<'a> = (&'a str, usize);

/// The records by cell, in stream order.
fn cells(records: &Sheet) -> BTreeMap<Cell<'_>, Vec<Row<'_>>> {
    let mut cells: BTreeMap<Cell<'_>, Vec<Row<'_>>> = BTreeMap::new();
    for row in records.rows() {
        let cell = cells.entry((row.text("arm"), row.count("order"))).or_default();
        assert_eq!(row.count("position"), cell.len(), "rows stand in stream order");
        cell.push(row);
    }
    cells
}

/// The rows of one arm.
fn of_arm<'a>(sheet: &'a Sheet, arm: &str) -> Vec<Row<'a>> {
    sheet.rows().filter(|row| row.text("arm") == arm).collect()
}

#[track_caller]
fn near(found: f64, wanted: f64) {
    assert!((found - wanted).abs() < 1e-9, "{found} instead of {wanted}");
}
