//! Tables of earlier versions: each optional column is removed from the tables of a finished run, which is then
//! reported.

use std::collections::BTreeSet;
use std::io::Cursor;

use polars::prelude::{DataFrame, ParquetReader, ParquetWriter, SerReader};

use crate::support::{Project, Settings, Sheet};

/// Required columns, without which a table is not accepted.
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

/// Columns that a report computes from the calls, or restores because an absent column means that no
/// such value existed.
const WRITTEN_AGAIN: [&str; 18] = [
    "batched",
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

/// Returns the output and the files of a report without this column.
fn without(project: &Project, table: &str, column: &str) -> (String, Sheet, Sheet) {
    let path = format!("out/{table}.parquet");
    let whole = frame(project, &path);
    write(project, &path, whole.drop(column).expect("a column"));
    let again = format!("without-{table}-{column}");
    let output = project.run(&["report", "out", "--out", &again]).done().out;
    write(project, &path, whole);
    (output, project.sheet(&again, table), project.sheet(&again, "accuracy"))
}

#[test]
fn a_run_is_reported_without_any_optional_column() {
    let settings = Settings::simulated().set("arms", vec!["weak-only", "cascade", "inter-cascade"]);
    let project = Project::with(&settings.set("dataset.orders", 1).set("dataset.limit", 8));
    project.trial("out", &[]).done();
    let mut removed = 0;
    for (table, essential) in ESSENTIAL {
        let columns = project.sheet("out", table).columns;
        let essential: BTreeSet<&str> = essential.iter().copied().collect();
        for column in columns.iter().filter(|column| !essential.contains(column.as_str())) {
            let (output, rows, accuracy) = without(&project, table, column);
            let place = rows.columns.iter().position(|name| name == column).expect("the column is restored");
            let note = format!("note: {table}.parquet has no column `{column}`");
            // Times are read from the calls; the times in records are sums of these.
            let again = WRITTEN_AGAIN.contains(&column.as_str()) && (table, column.as_str()) != ("calls", "latency_ms");
            // No figure depends on the outcomes of the checks or on the server, so no note reports that they are missing.
            let missed = !again && !column.starts_with("check") && column != "server";
            assert_eq!(output.contains(&note), missed, "{table}, {column}: {output}");
            if !again {
                assert!(rows.rows().all(|row| row.cells()[place].is_empty()), "{table}, {column}: null");
            }
            assert_eq!(accuracy.len(), 3, "{table}, {column}");
            removed += 1;
        }
    }
    assert_eq!(removed, 28 + 14, "columns that are not essential");
}

#[test]
fn a_table_without_a_required_column_is_refused_by_name() {
    let project = Project::with(&Settings::simulated().set("dataset.orders", 1).set("dataset.limit", 4));
    project.trial("out", &[]).done();
    for (table, essential) in ESSENTIAL {
        for column in essential {
            let path = format!("out/{table}.parquet");
            let whole = frame(&project, &path);
            write(&project, &path, whole.drop(column).expect("a column"));
            let error = project.run(&["report", "out", "--out", "no"]).refused_in_one_line();
            let expected = format!("{table}.parquet is not a table of a run: it lacks the column `{column}`");
            assert!(error.contains(&expected), "{table}, {column}: {error}");
            write(&project, &path, whole);
        }
    }
}

#[test]
fn an_unknown_arm_is_reported_with_its_row() {
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
    let expected = format!("column `arm`: row {first}: unknown arm `ladder`; the arms of this version are weak-only, ");
    assert!(error.contains(&expected), "{error}");
}

#[test]
fn a_renamed_column_is_read_under_its_earlier_name() {
    let project = Project::with(&Settings::simulated());
    project.trial("out", &[]).done();
    let expected = project.reports("out");
    let mut records = frame(&project, "out/records.parquet");
    records.rename("strategy_outcome", "strategy_kept".into()).expect("the column");
    write(&project, "out/records.parquet", records);
    project.run(&["report", "out"]).done();
    assert!(project.reports("out") == expected, "the report of an older run");
}

#[test]
fn a_manifest_with_an_earlier_value_is_resumed_and_reported() {
    let settings = Settings::simulated().set("learning.content", "worked-example");
    let project = Project::with(&settings);
    project.trial("out", &[]).done();
    let expected = project.reports("out");
    let manifest = project.text("out/manifest.json");
    assert!(manifest.contains("\"worked-example\""));
    project.write("out/manifest.json", manifest.replace("\"worked-example\"", "\"worked-case\""));
    project.run(&["report", "out"]).done();
    let again = project.trial("out", &[]).done();
    assert!(again.out.contains("0 calls made"), "{}", again.out);
    assert!(project.reports("out") == expected, "the report of an older run");
    // A config with the earlier name is refused with the present one.
    project.write("trial.toml", settings.set("learning.content", "worked-case").text());
    let error = project.trial("old", &[]).refused_in_one_line();
    assert!(error.contains("worked-case") && error.contains("now \"worked-example\""), "{error}");
}
