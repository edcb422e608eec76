//! Recorded answers: another run's journal, an exported journal, and tables of outputs from elsewhere.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use polars::prelude::{Column, DataFrame, NamedFrom, ParquetReader, ParquetWriter, SerReader, Series};
use serde_json::{Value, json};

use crate::support::{Project, Settings, holds, problems};

/// Finished run in `out`, and the answers in its journal.
struct Recorded {
    project: Project,
    /// Item, model, source items of the retrieved strategies, true if a strategy was requested, and the answer.
    answers: Vec<(String, String, String, bool, Value)>,
}

fn recorded() -> Recorded {
    let project = Project::with(&Settings::simulated().set("dataset.orders", 1));
    project.trial("out", &[]).done();
    let calls = project.sheet("out", "calls");
    let records = project.sheet("out", "records");
    let retrieved: BTreeMap<(&str, &str), &str> =
        records.rows().map(|row| ((row.text("item_id"), row.text("arm")), row.text("strategies_used"))).collect();
    let journal = rusqlite::Connection::open(project.path("out/journal.sqlite")).expect("a journal");
    let mut found = BTreeMap::new();
    for call in calls.rows().filter(|call| call.text("purpose") == "answer") {
        let key = call.text("journal_key");
        let (request, response): (String, String) = journal
            .query_row("SELECT request, response FROM calls WHERE key = ?1", [key], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .expect("in the journal");
        let request: Value = serde_json::from_str(&request).expect("JSON");
        let strategies =
            if call.text("level") == "0" { retrieved[&(call.text("item_id"), call.text("arm"))] } else { "" };
        let row = (
            call.text("item_id").to_owned(),
            call.text("model").to_owned(),
            strategies.to_owned(),
            request["wanted"] == "answer-and-strategy",
            serde_json::from_str::<Value>(&response).expect("JSON"),
        );
        // Strategies of one group have equal texts, so several lists of sources can share a call.
        found.insert((row.0.clone(), row.1.clone(), row.2.clone(), row.3), (row, call.text("confidence").to_owned()));
    }
    let answers = found
        .into_values()
        .map(|((item, model, strategies, distil, mut response), confidence)| {
            response["confidence"] = confidence.parse().map_or(Value::Null, |number: f64| json!(number));
            (item, model, strategies, distil, response)
        })
        .collect();
    Recorded { project, answers }
}

impl Recorded {
    /// Returns a JSONL table of the answers that match `which`.
    fn table(&self, which: impl Fn(&str, &str, bool) -> bool, augmented: bool) -> String {
        let rows = self.answers.iter().filter(|(_, model, strategies, distil, _)| which(model, strategies, *distil));
        let line = |(item, model, strategies, distil, response): &(String, String, String, bool, Value)| {
            let mut row = json!({
                "item_id": item, "model": model, "text": response["text"], "confidence": response["confidence"],
                "input_tokens": response["usage"]["input"], "output_tokens": response["usage"]["output"],
                "fee_usd": 0.25, "latency_ms": response["latency_ms"],
            });
            if row["confidence"].is_null() {
                row["confidence"] = json!(0.5);
            }
            if augmented {
                row["strategies"] = json!(strategies);
                row["distil"] = json!(distil);
            }
            format!("{row}\n")
        };
        rows.map(line).collect()
    }

    /// Returns the run's settings with both levels replayed from this file.
    fn settings(file: &str, arms: &[&str]) -> Settings {
        let entry = |name: &str| format!("name = '{name}'\nbackend = 'replay'\nrecording = '{file}'");
        let settings = Settings::simulated().set("dataset.orders", 1).set("arms", arms.to_vec());
        settings.model("small", &entry("small")).model("large", &entry("large"))
    }

    /// Returns the columns that a replay must reproduce, for some arms.
    fn facts(&self, out: &str, arms: &[&str]) -> Vec<Vec<String>> {
        let columns = [
            "item_id",
            "arm",
            "position",
            "strategies_used",
            "weak_answer",
            "confidence",
            "deferred",
            "answer",
            "score",
            "weak_input_tokens",
            "strong_input_tokens",
            "latency_ms",
        ];
        let sheet = self.project.sheet(out, "records");
        let rows = sheet.rows().filter(|row| arms.contains(&row.text("arm")));
        rows.map(|row| columns.map(|column| row.text(column).to_owned()).to_vec()).collect()
    }
}

const PLAIN: [&str; 3] = ["weak-only", "strong-only", "cascade"];

#[test]
fn a_recorded_table_in_any_form_replays_the_records() {
    let recorded = recorded();
    let expected = recorded.facts("out", &PLAIN);
    let lines = recorded.table(|_, strategies, distil| strategies.is_empty() && !distil, false);
    recorded.project.write("answers.jsonl", &lines);
    let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    recorded.project.write("answers.csv", csv(&rows));
    recorded.project.write("answers.parquet", parquet(&rows));
    for form in ["jsonl", "csv", "parquet"] {
        let settings = Recorded::settings(&format!("answers.{form}"), &PLAIN);
        recorded.project.write("trial.toml", settings.text());
        let output = recorded.project.trial(form, &[]).done();
        assert_eq!(output.calls_made(), 0);
        holds(&output.out, &["The fees of `small` come from its recording"]);
        assert_eq!(recorded.facts(form, &PLAIN), expected, "{form}");
        for row in recorded.project.sheet(form, "fees").rows().filter(|row| row.text("purpose") == "total") {
            let expected = 0.25 * row.number("calls");
            assert!((row.number("fee_usd") - expected).abs() < 1e-9, "{} instead of {expected}", row.text("fee_usd"));
        }
        holds(&recorded.project.text(&format!("{form}/summary.md")), &["recorded below 0.7", "recorded answers of"]);
    }
}

fn csv(rows: &[Value]) -> Vec<u8> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let names: Vec<&String> = rows[0].as_object().expect("a row").keys().collect();
    writer.write_record(&names).expect("written");
    for row in rows {
        let cells =
            names.iter().map(|name| row[name.as_str()].as_str().map_or(row[name.as_str()].to_string(), str::to_owned));
        writer.write_record(cells).expect("written");
    }
    writer.into_inner().expect("written")
}

fn parquet(rows: &[Value]) -> Vec<u8> {
    let texts = |name: &str| -> Column {
        Series::new(name.into(), rows.iter().map(|row| row[name].as_str().expect("a text")).collect::<Vec<_>>()).into()
    };
    let counts = |name: &str| -> Column {
        Series::new(name.into(), rows.iter().map(|row| row[name].as_u64().expect("a count")).collect::<Vec<_>>()).into()
    };
    let numbers = |name: &str| -> Column {
        Series::new(name.into(), rows.iter().map(|row| row[name].as_f64()).collect::<Vec<_>>()).into()
    };
    let columns = vec![
        texts("item_id"),
        texts("model"),
        texts("text"),
        counts("input_tokens"),
        counts("output_tokens"),
        numbers("confidence"),
        numbers("fee_usd"),
        numbers("latency_ms"),
    ];
    let mut bytes = Vec::new();
    let mut frame = DataFrame::new_infer_height(columns).expect("a table");
    ParquetWriter::new(&mut bytes).finish(&mut frame).expect("written");
    bytes
}

#[test]
fn a_learning_arm_needs_a_recording_of_its_requests() {
    let recorded = recorded();
    let arms = ["cascade", "inter-cascade"];
    recorded.project.write("trial.toml", Recorded::settings("answers.jsonl", &arms).text());
    recorded
        .project
        .write("answers.jsonl", recorded.table(|_, strategies, distil| strategies.is_empty() && !distil, false));
    let error = recorded.project.trial("plain", &[]).refused_in_one_line();
    holds(&error, &["model `small`", "no column `strategies`", "Remove the learning arms"]);
    assert!(!recorded.project.path("plain").exists());

    recorded.project.write("answers.jsonl", recorded.table(|_, _, _| true, true));
    assert_eq!(recorded.project.trial("whole", &[]).done().calls_made(), 0);
    assert_eq!(recorded.facts("whole", &arms), recorded.facts("out", &arms));

    recorded.project.write("answers.jsonl", recorded.table(|_, strategies, _| !strategies.contains(';'), true));
    let error = recorded.project.trial("gaps", &[]).refused();
    holds(&error, &["item `", "model `small`", "answers.jsonl has no answer to this item with the strategies of"]);
}

#[test]
fn a_recording_without_confidence_or_tokens_is_usable() {
    let recorded = recorded();
    let whole = recorded.table(|_, strategies, distil| strategies.is_empty() && !distil, false);
    let mut table = String::new();
    for line in whole.lines() {
        let row: Value = serde_json::from_str(line).expect("JSON");
        let bare = json!({ "item_id": row["item_id"], "model": row["model"], "text": row["text"] });
        writeln!(table, "{bare}").expect("written");
    }
    recorded.project.write("answers.jsonl", table);
    recorded.project.write("trial.toml", Recorded::settings("answers.jsonl", &["weak-only", "strong-only"]).text());
    let output = recorded.project.trial("bare", &[]).done();
    holds(&output.out, &["The recording of `small` has neither token counts nor fees"]);
    assert!(recorded.project.sheet("bare", "fees").rows().all(|row| row.text("fee_usd").is_empty()));
    recorded.project.write("trial.toml", Recorded::settings("answers.jsonl", &["cascade"]).text());
    holds(&recorded.project.trial("gated", &[]).refused_in_one_line(), &["`small` has no confidence", "gated arms"]);
}

#[test]
fn another_journal_is_read_and_missing_answers_are_requested() {
    let project = Project::with(&Settings::simulated());
    let all = project.trial("whole", &[]).done().calls_made();
    let before = std::fs::read(project.path("whole/journal.sqlite")).expect("a journal");
    project.write("half.toml", Settings::simulated().set("arms", vec!["cascade"]).text());
    let half = project.run(&["run", "--config", "half.toml", "--out", "half", "--alone"]).done().calls_made();
    let rest = project.trial("out", &["--journal", "half/journal.sqlite"]).done();
    assert_eq!(rest.calls_made(), all - half);
    holds(&rest.out, &[&format!("{half} answers copied from other journals")]);
    assert!(project.reports("out") == project.reports("whole"));
    // The run's own journal is complete by itself and marks what was not paid for here.
    assert_eq!(project.trial("out", &[]).done().calls_made(), 0);
    let manifest: Value = serde_json::from_str(&project.text("out/manifest.json")).expect("JSON");
    let spent: u64 = ["small", "large"].iter().filter_map(|name| manifest["spent"][name]["calls"].as_u64()).sum();
    assert_eq!(usize::try_from(spent).expect("a count"), all - half);

    let offline = project.trial("offline", &["--journal", "whole/journal.sqlite", "--offline"]).done();
    assert_eq!(offline.calls_made(), 0);
    assert!(project.reports("offline") == project.reports("whole"));
    assert!(std::fs::read(project.path("whole/journal.sqlite")).expect("a journal") == before, "it is only read");
    holds(&project.trial("none", &["--journal", "trial.toml"]).refused(), &["journal trial.toml"]);
}

#[test]
fn an_exported_journal_replays_the_run() {
    let project = Project::with(&Settings::simulated());
    project.trial("whole", &[]).done();
    let export = ["journal", "export", "whole", "--out", "passed-on.parquet"];
    holds(&project.run(&export).done().out, &["passed-on.parquet: ", " calls and ", " embeddings, "]);
    let exported = std::fs::read(project.path("passed-on.parquet")).expect("exported");
    holds(&project.run(&export).refused_in_one_line(), &["passed-on.parquet exists already", "--out"]);
    holds(
        &project.run(&["journal", "export", ".", "--out", "none.parquet"]).refused_in_one_line(),
        &["holds no run", "journal.sqlite"],
    );

    let replay = ["--journal", "passed-on.parquet", "--offline"];
    let output = project.trial("out", &replay).done();
    assert_eq!(output.calls_made(), 0);
    assert!(project.reports("out") == project.reports("whole"), "latencies included");
    assert!(std::fs::read(project.path("passed-on.parquet")).expect("there") == exported, "it is only read");
    let manifest: Value = serde_json::from_str(&project.text("out/manifest.json")).expect("JSON");
    assert_eq!(manifest["spent"], json!({}), "others spent it");
    // Replayed answers can be exported again.
    project.run(&["journal", "export", "out", "--out", "again.parquet"]).done();
    project.trial("again", &["--journal", "again.parquet", "--offline"]).done();
    assert!(project.reports("again") == project.reports("whole"));
}

/// Returns the text of a parquet file's column, row by row.
fn column(path: &Path, name: &str) -> Vec<String> {
    let frame = ParquetReader::new(std::fs::File::open(path).expect("there")).finish().expect("readable");
    let texts = frame.column(name).expect("a column").str().expect("texts");
    texts.iter().flatten().map(str::to_owned).collect()
}

#[test]
fn an_answers_only_export_replays_with_the_questions() {
    let project = Project::with(&Settings::simulated());
    project.trial("whole", &[]).done();
    let export = |out: &str, more: &[&str]| {
        project.run(&[&["journal", "export", "whole", "--answers-only", "--out", out], more].concat())
    };
    export("answers.parquet", &[]).done();
    let file = project.path("answers.parquet");
    let frame = ParquetReader::new(std::fs::File::open(&file).expect("there")).finish().expect("readable");
    assert!(frame.column("request").is_err());
    let purposes = column(&file, "purpose");
    assert!(purposes.iter().any(|purpose| purpose == "answer"));
    assert!(purposes.iter().any(|purpose| purpose == "answer-and-strategy"), "the strong level writes strategies");
    assert!(column(&file, "response").iter().all(|text| !text.contains(" wants ")), "no question is passed on");

    let offline = ["--journal", "answers.parquet", "--offline"];
    project.trial("out", &offline).done();
    assert!(project.reports("out") == project.reports("whole"), "latencies included");
    // The copy in the run's own journal contains the requests again.
    project.run(&["journal", "export", "out", "--out", "full.parquet"]).done();
    assert!(column(&project.path("full.parquet"), "request").iter().any(|request| request.contains(" wants ")));

    // Other questions match no answer.
    project.write("questions.jsonl", problems(10, 3).replace("dollars each", "euros each"));
    let others = project.trial("others", &offline);
    assert_eq!((others.code, &*others.out), (1, ""));
    holds(&others.err, &["error: no arm has all of its calls recorded", "--offline"]);
    project.write("questions.jsonl", problems(10, 3));
    let entry = "name = 'small'\nbackend = 'replay'\nmax_tokens = 16";
    project.write("trial.toml", Settings::simulated().model("small", entry).text());
    let error = project.trial("replayed", &["--journal", "answers.parquet"]).refused();
    holds(&error, &["answers.parquet holds answers without their requests", "backend `replay`", "--journal"]);
}

#[test]
fn an_export_in_parts_is_read_as_a_whole() {
    let project = Project::with(&Settings::simulated());
    let part = |run: &str, out: &str, except: &[&str]| {
        let mut command = vec!["journal", "export", run, "--answers-only", "--out", out];
        command.extend(except.iter().flat_map(|file| ["--except", file]));
        project.run(&command)
    };
    project.trial("whole", &["--set", "dataset.limit=12"]).done();
    part("whole", "parts/journal-01.parquet", &[]).done();
    project.trial("whole", &["--fresh"]).done();
    part("whole", "parts/journal-02.parquet", &["parts/journal-01.parquet"]).done();
    let keys = ["journal-01", "journal-02"].map(|part| column(&project.path(&format!("parts/{part}.parquet")), "key"));
    assert!(!keys[1].is_empty() && keys[1].iter().all(|key| !keys[0].contains(key)), "a part holds what is new");
    let empty = part("whole", "parts/journal-03.parquet", &["parts/journal-01.parquet", "parts/journal-02.parquet"]);
    holds(&empty.refused_in_one_line(), &["nothing to export"]);
    let empty = part("whole", "parts/journal-03.parquet", &["parts"]);
    holds(&empty.refused_in_one_line(), &["nothing to export"]);
    project.trial("out", &["--journal", "parts", "--offline"]).done();
    assert!(project.reports("out") == project.reports("whole"));
    project.write("empty/note.txt", "");
    holds(&project.trial("none", &["--journal", "empty"]).refused(), &["the folder empty holds no exported journal"]);
}

#[test]
fn the_pair_matrix_replays_every_order() {
    let settings = Settings::simulated()
        .set("arms", vec!["weak-only", "strong-only", "cascade", "inter-cascade"])
        .set("learning.k", 1)
        .set("learning.content", "worked-example")
        .set("learning.min_similarity", 0.5)
        .set("dataset.orders", 4);
    let project = Project::with(&settings);
    let matrix = |arguments: &[&str]| project.run(&[&["matrix", "--config", "trial.toml"], arguments].concat());
    let output = matrix(&["--out", "pairs"]).done();
    holds(&matrix(&["--out", "pairs"]).done().out, &["0 calls made now"]);
    // 30 items in groups of three: both levels alone, two examples each, and examples of other groups that are similar
    // enough.
    let table = project.sheet("pairs", "matrix");
    assert_eq!(table.rows().filter(|row| row.text("level") == "1").count(), 30);
    let (mut siblings, mut others) = (0, 0);
    for row in table.rows().filter(|row| !row.text("example_id").is_empty()) {
        assert_eq!(row.text("level"), "0");
        assert_ne!(row.text("example_id"), row.text("item_id"));
        if row.text("example_id").starts_with(&format!("{}-", row.text("group"))) {
            siblings += 1;
        } else {
            assert!(row.number("similarity") >= 0.5);
            others += 1;
        }
    }
    assert!(siblings == 60 && others > 0, "{siblings} and {others}");
    let all = 30 + 30 + siblings + others;
    holds(&output.out, &[&format!("{all} answers, {all} calls made now")]);

    project.trial("whole", &[]).done();
    assert!(project.sheet("whole", "records").rows().any(|row| !row.text("strategies_used").is_empty()));
    let output = project.trial("out", &["--journal", "pairs/journal.sqlite", "--offline"]).done();
    assert_eq!(output.calls_made(), 0, "its keys are those of the run");
    assert!(project.reports("out") == project.reports("whole"));

    holds(&matrix(&["--out", "two", "--set", "learning.k=2"]).refused_in_one_line(), &["learning.k is 2"]);
    let error = matrix(&["--out", "none", "--set", "arms=[\"weak-only\"]"]).refused_in_one_line();
    holds(&error, &["names no learning arm", "inter-cascade"]);
}

#[test]
fn a_modified_journal_export_is_refused() {
    let project = Project::with(&Settings::simulated());
    project.trial("whole", &[]).done();
    project.run(&["journal", "export", "whole", "--out", "good.parquet"]).done();
    let file = std::fs::File::open(project.path("good.parquet")).expect("exported");
    let frame = ParquetReader::new(file).finish().expect("readable");
    let requests = frame.column("request").expect("a column").str().expect("texts").clone();
    let other = requests.iter().map(|text| text.map(|text| text.replace("What do", "What will"))).collect::<Vec<_>>();
    assert!(requests.iter().zip(&other).any(|(one, other)| one != other.as_deref()));
    let mut changed = frame.clone();
    changed.with_column(Series::new("request".into(), other).into()).expect("as long");
    let refused = |name: &str, frame: &mut DataFrame, says: &[&str]| {
        let path = project.path(name);
        ParquetWriter::new(std::fs::File::create(path).expect("a file")).finish(frame).expect("written");
        let error = project.trial(&format!("out-{name}"), &["--journal", name, "--offline"]).refused_in_one_line();
        holds(&error, &[&[name][..], says].concat());
    };
    refused("changed.parquet", &mut changed, &["row ", "the key does not match the request"]);
    refused("narrow.parquet", &mut frame.drop("response").expect("dropped"), &["column `response` is missing"]);
    // No run has started in the folder, so another run may use it.
    let output = project.trial("out-narrow.parquet", &["--set", "seed=9"]).done();
    assert!(!output.err.contains("resuming"), "{}", output.err);
}

#[test]
fn a_model_replays_from_the_journal_of_any_backend() {
    let project = Project::with(&Settings::simulated());
    project.trial("whole", &[]).done();
    let entry = |name: &str| {
        format!("name = '{name}'\nbackend = 'replay'\nmax_tokens = {}", if name == "small" { 16 } else { 32 })
    };
    let settings = Settings::simulated().model("small", &entry("small")).model("large", &entry("large"));
    project.write("trial.toml", settings.text());
    let journal = ["--journal", "whole/journal.sqlite"];
    assert_eq!(project.trial("out", &journal).done().calls_made(), 0);
    let columns = ["item_id", "arm", "order", "strategies_used", "confidence", "deferred", "answer", "latency_ms"];
    let facts = |out: &str| -> Vec<String> {
        project.sheet(out, "records").rows().map(|row| columns.map(|column| row.text(column)).join(",")).collect()
    };
    assert_eq!(facts("out"), facts("whole"));
    let error = project.trial("alone", &[]).refused();
    holds(&error, &["model `", "no journal has an answer to this item", "backend `replay`"]);
}
