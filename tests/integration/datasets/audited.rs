//! `datasets check FILE --answers RUN`: the reading of each answer, and runs with incomplete tables or texts.

use std::io::Cursor;

use polars::prelude::{DataFrame, ParquetReader, ParquetWriter, SerReader};

use crate::support::{Project, Settings, choices, holds};

/// Removes columns from a table of a run.
fn without(project: &Project, table: &str, columns: &[&str]) {
    let bytes = std::fs::read(project.path(table)).expect("there");
    let mut frame: DataFrame = ParquetReader::new(Cursor::new(bytes)).finish().expect("parquet");
    for column in columns {
        frame.drop_in_place(column).expect("a column");
    }
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut frame).expect("written");
    project.write(table, bytes);
}

fn finished() -> Project {
    let project = Project::with(&Settings::simulated());
    project.trial("out", &[]).done();
    project
}

#[test]
fn each_answer_is_listed_with_its_rule_and_position() {
    let project = finished();
    let output = project.run(&["datasets", "check", "questions.jsonl", "--answers", "out"]).done();
    holds(&output.out, &["item apples0-0  small (level 0)  ", "item apples0-0  large (level 1)  ", "  gold 6, read "]);
    holds(&output.out, &["by hash-marks, bytes ", "⟦", "0 extractions differ from the recorded ones"]);
    for line in output.out.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let records = project.sheet("out", "records");
    let wrong = records.rows().filter(|row| row.text("weak_score") == "incorrect").map(|row| row.text("item_id"));
    let wrong = wrong.take(1).next().expect("a wrong answer");
    holds(&output.out, &[&format!("item {wrong}  small (level 0)  incorrect")]);
    std::fs::remove_file(project.path("out/journal.sqlite")).expect("there");
    let error = project.run(&["datasets", "check", "questions.jsonl", "--answers", "out"]).refused_in_one_line();
    holds(&error, &["out has no journal", "journal.sqlite", "journal export", "journal.parquet"]);
}

#[test]
fn exported_journals_and_questions_with_options_are_audited() {
    let project = Project::with(&Settings::simulated().set("dataset.path", "choices.csv"));
    project.write("choices.csv", choices(4, 3));
    project.trial("out", &[]).done();
    let check = ["datasets", "check", "choices.csv", "--answers", "out"];
    let before = project.run(&check).done();
    holds(&before.out, &["item c0-0  small (level 0)", "gold A, read "]);
    project.run(&["journal", "export", "out", "--out", "kept.parquet"]).done();
    std::fs::remove_file(project.path("out/journal.sqlite")).expect("there");
    std::fs::rename(project.path("kept.parquet"), project.path("out/journal.parquet")).expect("moved");
    assert_eq!(project.run(&check).done().out, before.out);
    project.write("other.csv", "question,A,B,answer,id\nq,x,y,A,zz\n");
    let error = project.run(&["datasets", "check", "other.csv", "--answers", "out"]).refused();
    holds(&error, &["out shares no item with other.csv", "choices"]);
}

#[test]
fn recorded_answers_are_audited_from_their_recordings() {
    let recorded = |name: &str| format!("name = '{name}'\nbackend = 'replay'\nrecording = '{name}.csv'");
    let settings = Settings::simulated()
        .set("arms", vec!["weak-only"])
        .set("dataset.orders", 1)
        .model("small", &recorded("small"))
        .model("large", &recorded("large"));
    let project = Project::with(&settings);
    project.write(
        "questions.jsonl",
        "{\"question\": \"2+2?\", \"answer\": \"#### 4\"}\n{\"question\": \"1+1?\", \"answer\": \"#### 2\"}\n",
    );
    let table = "item_id,text,confidence\n0,It is 3. #### 4,0.9\n1,,0.2\n";
    project.write("small.csv", table);
    project.write("large.csv", table);
    let output = project.trial("out", &[]).done();
    holds(&output.out, &["The recordings of `small` and `large` are one file"]);
    let output = project.run(&["datasets", "check", "questions.jsonl", "--answers", "out"]).done();
    holds(&output.out, &["item 0  small (level 0)  correct", "gold 4, read 4 by hash-marks, bytes 14..15", "⟦4⟧"]);
    holds(&output.out, &["item 1  small (level 0)  no-answer", "no rule read a value", "1 without an answer"]);
    project.write("large.csv", format!("{table}2,#### 4,0.5\n"));
    let output = project.trial("other", &[]).done();
    assert!(!output.out.contains("are one file"), "{}", output.out);
}

#[test]
fn columns_missing_in_an_earlier_version_are_reported() {
    let project = finished();
    let before = project.sheet("out", "accuracy");
    without(&project, "out/records.parquet", &["weak_score_strict", "strategy_outcome", "confidence"]);
    without(&project, "out/calls.parquet", &["recorded_fee_usd", "journal_hit"]);
    let output = project.run(&["report", "out", "--out", "again"]).done();
    for column in ["weak_score_strict", "strategy_outcome", "confidence"] {
        holds(&output.out, &[&format!("note: records.parquet has no column `{column}`")]);
    }
    holds(
        &output.out,
        &["calls.parquet has no column `journal_hit`", "left out: the counts of stored and dropped strategies"],
    );
    holds(&project.text("again/summary.md"), &["records.parquet has no column `confidence`", "left out: calibration"]);
    let records = project.sheet("again", "records");
    assert!(records.rows().all(|row| row.text("weak_score_strict").is_empty() && row.text("confidence").is_empty()));
    assert!(project.sheet("again", "calls").rows().all(|row| row.text("journal_hit").is_empty()));
    let accuracy = project.sheet("again", "accuracy");
    for (one, other) in before.rows().zip(accuracy.rows()) {
        assert_eq!(one.text("weak_accuracy"), other.text("weak_accuracy"));
    }
    // Reports from such tables have empty columns and print the same note.
    let output = project.run(&["report", "again", "--out", "third"]).done();
    holds(&output.out, &["records.parquet has no column `weak_score_strict`"]);
    without(&project, "out/records.parquet", &["weak_score"]);
    let output = project.run(&["report", "out", "--out", "fourth"]).done();
    holds(&output.out, &["`weak_score`", "left out: weak accuracy"]);
    assert!(project.sheet("fourth", "accuracy").rows().all(|row| row.text("weak_accuracy").is_empty()));
    without(&project, "out/records.parquet", &["arm"]);
    holds(
        &project.run(&["report", "out", "--out", "no"]).refused_in_one_line(),
        &["records.parquet", "lacks the column `arm`"],
    );
}
