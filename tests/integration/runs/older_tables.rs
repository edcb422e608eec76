//! Tables of earlier versions: each column that a report can do without is taken out of a finished run's tables, and reported.

use std::collections::BTreeSet;
use std::io::Cursor;

use polars::prelude::{DataFrame, ParquetReader, ParquetWriter, SerReader};

use crate::support::{Project, Settings, Sheet};

/// The columns without which a table is none of a run.
const ESSENTIAL: [(&str, &[&str]); 2] = [
    (
        "records",
        &[
            "dataset",
            "item_id",
            "group",
            "arm",
            "order",
            "position",
            "threshold",
            "strategies_used",
            "deferred",
            "answering_level",
            "score",
            "repository_size",
        ],
    ),
    ("calls", &["item_id", "arm", "order", "threshold", "level", "model", "purpose", "input_tokens", "output_tokens"]),
];

/// Columns that are computed from the calls, or whose lack says that nothing was there: a report writes them again.
const WRITTEN_AGAIN: [&str; 17] = [
    "weak_input_tokens",
    "weak_output_tokens",
    "strong_input_tokens",
    "strong_output_tokens",
    "distil_input_tokens",
    "distil_output_tokens",
    "embed_tokens",
    "latency_ms",
    "weak_cut",
    "strong_cut",
    "weak_empty",
    "strong_empty",
    "refused",
    "dataset",
    "empty",
    "estimated",
    "notes",
];

fn frame(project: &Project, path: &str) -> DataFrame {
    let bytes = std::fs::read(project.path(path)).expect("there");
    ParquetReader::new(Cursor::new(bytes)).finish().expect("parquet")
}

fn write(project: &Project, path: &str, mut frame: DataFrame) {
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut frame).expect("written");
    project.write(path, bytes);
}

/// What a report says and writes of the run without this column.
fn without(project: &Project, table: &str, column: &str) -> (String, Sheet, Sheet) {
    let path = format!("out/{table}.parquet");
    let whole = frame(project, &path);
    write(project, &path, whole.drop(column).expect("a column"));
    let again = format!("without-{table}-{column}");
    let said = project.run(&["report", "out", "--out", &again]).done().out;
    write(project, &path, whole);
    (said, project.sheet(&again, table), project.sheet(&again, "accuracy"))
}

#[test]
fn a_run_is_reported_without_any_column_that_is_not_essential() {
    let settings = Settings::simulated().set("arms", vec!["weak-only", "cascade", "inter-cascade"]);
    let project = Project::with(&settings.set("dataset.orders", 1).set("dataset.limit", 8));
    project.trial("out", &[]).done();
    let mut taken = 0;
    for (table, essential) in ESSENTIAL {
        let columns = project.sheet("out", table).columns;
        let essential: BTreeSet<&str> = essential.iter().copied().collect();
        for column in columns.iter().filter(|column| !essential.contains(column.as_str())) {
            let (said, rows, accuracy) = without(&project, table, column);
            let place = rows.columns.iter().position(|name| name == column).expect("the column is there again");
            let note = format!("note: {table}.parquet has no column `{column}`");
            // Times of the calls are read, those of records are sums of them.
            let again = WRITTEN_AGAIN.contains(&column.as_str()) && (table, column.as_str()) != ("calls", "latency_ms");
            // No figure goes by the checks' outcomes, so that nobody misses them.
            let missed = !again && !column.starts_with("check");
            assert_eq!(said.contains(&note), missed, "{table}, {column}: {said}");
            if !again {
                assert!(rows.rows().all(|row| row.cells()[place].is_empty()), "{table}, {column}: null");
            }
            assert_eq!(accuracy.len(), 3, "{table}, {column}");
            taken += 1;
        }
    }
    assert_eq!(taken, 28 + 12, "columns that are not essential");
}

#[test]
fn a_table_without_an_essential_column_is_refused_by_its_name() {
    let project = Project::with(&Settings::simulated().set("dataset.orders", 1).set("dataset.limit", 4));
    project.trial("out", &[]).done();
    for (table, essential) in ESSENTIAL {
        for column in essential {
            let path = format!("out/{table}.parquet");
            let whole = frame(&project, &path);
            write(&project, &path, whole.drop(column).expect("a column"));
            let error = project.run(&["report", "out", "--out", "no"]).refused_in_one_line();
            let wanted = format!("{table}.parquet is no table of a run: it has no column `{column}`");
            assert!(error.contains(&wanted), "{table}, {column}: {error}");
            write(&project, &path, whole);
        }
    }
}

#[test]
fn an_arm_that_this_version_does_not_know_is_named_with_its_row() {
    let project = Project::with(&Settings::simulated().set("dataset.orders", 1).set("dataset.limit", 4));
    project.trial("out", &[]).done();
    let mut table = frame(&project, "out/records.parquet");
    let names = table.column("arm").expect("a column").str().expect("texts").clone();
    let renamed: polars::prelude::StringChunked =
        names.iter().map(|name| name.map(|name| if name == "cascade" { "ladder" } else { name })).collect();
    let first = names.iter().position(|name| name == Some("cascade")).expect("the arm") + 1;
    let renamed = polars::prelude::IntoSeries::into_series(renamed).with_name("arm".into());
    table.with_column(renamed.into()).expect("a column");
    write(&project, "out/records.parquet", table);
    let error = project.run(&["report", "out", "--out", "no"]).refused_in_one_line();
    let wanted = format!("column `arm`: row {first}: this version knows no arm `ladder`; its arms are weak-only, ");
    assert!(error.contains(&wanted), "{error}");
}
