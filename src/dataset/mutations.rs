//! Tests with damaged files of every kind. Bytes of valid files are changed at random, and every reader must return
//! an error at worst.

use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use polars_arrow::array::{
    Array, BinaryViewArray, BooleanArray, DictionaryArray, ListArray, PrimitiveArray, StructArray, Utf8ViewArray,
};
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field, TimeUnit};
use polars_arrow::offset::OffsetsBuffer;
use polars_arrow::record_batch::RecordBatchT;
use polars_parquet::write::{
    CompressionOptions, FileWriter, RowGroupIterator, StatisticsOptions, Version, WriteOptions, get_dtype_encoding,
};
use rand::RngExt;
use rand::seq::IndexedRandom;

use super::{Format, Reading, read};
use crate::tables::guarded::guarded;
use crate::tables::{ColumnSelection, read as read_rows};
use crate::types::seed::Seed;

/// Duration of the random changes for each valid file.
const SHARE: Duration = Duration::from_millis(1300);
/// Replacements for bytes, besides random ones.
const TOKENS: [&[u8]; 14] = [
    b"NaN",
    b"\"",
    b",",
    b";",
    b"\n",
    b"\xff\xfe",
    b"\xe9",
    b"[",
    b"{",
    b"-1e999",
    b"\0\0\0\0",
    b"\xff\xff\xff\x7f",
    b"null",
    b"A",
];

const LINES: &str = r#"{"id": "a", "question": "What is 2+2?", "answer": "Add.\n#### 4", "group": "g"}
{"id": "b", "question": "Which?", "choices": ["x", "y", "z"], "answer": 1, "subject": "anatomy", "error_type": "ok"}
{"id": "c", "question": "Which?", "choices": {"text": ["x", "y"], "label": ["A", "B"]}, "answerKey": "B"}
{"id": "d", "question": {"stem": "Which?", "choices": [{"text": "x", "label": "1"}, {"text": "y", "label": "2"}]}, "answerKey": "2"}
{"id": "e", "question": "Which?", "option_a": "x", "option_b": "y", "answer": "B", "explanation": "So."}
{"id": "f", "problem": "What is $x$?", "solution": "So.", "answer": "\\frac{1}{2}", "level": 2.0}
{"item_id": 1.0, "text": "It is 1.", "confidence": 0.5, "input_tokens": 3, "output_tokens": 4, "distil": false}
"#;
const HEADED: &str =
    "id,Question,A,B,C,D,E,answer,group\n1,\"Which, of\nthese?\",a,b,c,d,e,B,x\n2,Which?,a,b,c,d,,D,y\n";
const BARE: &str = "Which?,a,b,c,d,A\n\"What, now?\",a,b,c,d,D\n";
const SEMICOLONS: &str = "item_id;text;confidence;fee_usd\n0;\"#### 1;2\";0.5;0.1\n1;;0.25;0.2\n";

fn array_of(lines: &str) -> Vec<u8> {
    format!("[{}]", lines.trim_end().replace('\n', ",\n")).into_bytes()
}

fn texts(values: &[Option<&str>]) -> Box<dyn Array> {
    Utf8ViewArray::from_slice(values).boxed()
}

/// Returns a list column with three cells.
fn list(values: Box<dyn Array>, lengths: [usize; 3]) -> Box<dyn Array> {
    let dtype = ListArray::<i64>::default_datatype(values.dtype().clone());
    let mut ends = vec![0_i64];
    for length in lengths {
        ends.push(ends.last().copied().unwrap_or_default() + i64::try_from(length).expect("small"));
    }
    ListArray::<i64>::new(dtype, OffsetsBuffer::try_from(ends).expect("rising"), values, None).boxed()
}

/// Returns columns of every supported type, with three rows each.
pub(super) fn columns() -> Vec<(&'static str, Box<dyn Array>)> {
    let labels = || list(texts(&[Some("A"), Some("B"), Some("A"), Some("B"), Some("A"), Some("B")]), [2, 2, 2]);
    let options = || list(texts(&[Some("x"), Some("y"), Some("x"), None, Some("z"), Some("w")]), [2, 2, 2]);
    let fields = |names: [&str; 2], arrays: &[Box<dyn Array>]| {
        let field = |(name, array): (&str, &dyn Array)| Field::new(name.into(), array.dtype().clone(), true);
        names.into_iter().zip(arrays.iter().map(|array| &**array)).map(field).collect::<Vec<_>>()
    };
    let pair = vec![options(), labels()];
    let choices = StructArray::new(ArrowDataType::Struct(fields(["text", "label"], &pair)), 3, pair, None).boxed();
    let keys = PrimitiveArray::<u32>::from_slice([0, 1, 0]);
    let subjects = DictionaryArray::try_from_keys(keys, texts(&[Some("anatomy"), Some("botany")]), true).expect("keys");
    let numbers = |dtype, values: [i64; 3]| PrimitiveArray::<i64>::from_slice(values).to(dtype).boxed();
    vec![
        ("question", texts(&[Some("Which?"), Some("What?"), Some("Who?")])),
        ("choices", choices),
        ("answerKey", BinaryViewArray::from_slice([Some(b"A"), Some(b"B"), None]).boxed()),
        ("subject", subjects.boxed()),
        ("id", PrimitiveArray::<i32>::from_slice([1, 2, 3]).boxed()),
        ("score", PrimitiveArray::<f64>::from_slice([0.5, f64::NAN, f64::INFINITY]).boxed()),
        ("small", PrimitiveArray::<f32>::from_slice([0.1, 2.0, 3.0]).boxed()),
        ("checked", BooleanArray::from_slice([true, false, true]).boxed()),
        ("price", PrimitiveArray::<i128>::from_slice([400, 405, -5]).to(ArrowDataType::Decimal(9, 2)).boxed()),
        ("day", PrimitiveArray::<i32>::from_slice([0, 19_722, -1]).to(ArrowDataType::Date32).boxed()),
        ("moment", numbers(ArrowDataType::Timestamp(TimeUnit::Millisecond, None), [0, 1, 2])),
        ("took", numbers(ArrowDataType::Duration(TimeUnit::Millisecond), [0, 1, 2])),
    ]
}

/// Writes columns to a parquet file.
pub(super) fn parquet(columns: Vec<(&str, Box<dyn Array>)>, compression: CompressionOptions) -> Vec<u8> {
    let fields = columns.iter().map(|(name, array)| Field::new((*name).into(), array.dtype().clone(), true));
    let schema: ArrowSchema = fields.map(|field| (field.name.clone(), field)).collect();
    let encodings: Vec<_> = schema.iter_values().map(|field| get_dtype_encoding(&field.dtype)).collect();
    let statistics = StatisticsOptions::full();
    let options = WriteOptions { statistics, version: Version::V1, compression, data_page_size: None };
    let height = columns[0].1.len();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatchT::try_new(height, Arc::new(schema.clone()), arrays);
    let groups = RowGroupIterator::try_new(std::iter::once(batch), &schema, options, encodings.into()).expect("groups");
    let mut writer = FileWriter::try_new(Cursor::new(Vec::new()), schema, options).expect("a writer");
    for group in groups {
        writer.write(u64::try_from(height).expect("small"), group.expect("a group")).expect("written");
    }
    writer.end(None).expect("closed");
    writer.into_inner().into_inner()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(bytes).expect("written");
    writer.finish().expect("closed")
}

fn tar() -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, text) in [("./data/anatomy_test.csv", BARE), ("data/botany_test.csv", HEADED)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(u64::try_from(text.len()).expect("small"));
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, name, text.as_bytes()).expect("written");
    }
    archive.into_inner().expect("closed")
}

fn zip() -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in [("anatomy_test.csv", BARE), ("botany_test.csv", HEADED)] {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).expect("begun");
        archive.write_all(text.as_bytes()).expect("written");
    }
    archive.finish().expect("closed").into_inner()
}

/// Returns valid files of every kind, with their names.
pub(super) fn good() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("rows.jsonl", LINES.into()),
        ("rows.json", array_of(LINES)),
        ("headed.csv", HEADED.into()),
        ("bare.csv", BARE.into()),
        ("recorded.csv", SEMICOLONS.into()),
        ("plain.parquet", parquet(columns(), CompressionOptions::Uncompressed)),
        ("packed.parquet", parquet(columns(), CompressionOptions::Zstd(None))),
        ("rows.jsonl.gz", gzip(LINES.as_bytes())),
        ("headed.csv.zst", zstd::encode_all(HEADED.as_bytes(), 1).expect("packed")),
        ("rows.zip", zip()),
        ("rows.tar", tar()),
        ("rows.tar.gz", gzip(&tar())),
    ]
}

/// Returns the bytes with one to four changes.
fn damaged(bytes: &[u8], rng: &mut impl RngExt) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..rng.random_range(1..=4) {
        if bytes.is_empty() {
            break;
        }
        let at = rng.random_range(0..bytes.len());
        let end = rng.random_range(at..bytes.len().min(at + 64));
        match rng.random_range(0..7) {
            0 | 1 => bytes[at] ^= 1 << rng.random_range(0..8),
            2 => bytes[at] = rng.random(),
            3 => bytes.truncate(at),
            4 => {
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            5 => drop(bytes.drain(at..end)),
            _ => {
                let token = TOKENS.choose(rng).expect("some").to_vec();
                let until = if rng.random() { at } else { bytes.len().min(at + token.len()) };
                bytes.splice(at..until, token);
            }
        }
    }
    bytes
}

/// Reads a file in all ways in which data files are read. Returns the number of valid rows.
fn read_all(path: &Path) -> usize {
    let _ = Format::of_path(path);
    let read_as = |format| read(path, &Reading::of(format)).map_or(0, |contents| contents.items.len());
    let rows = read_as(Format::Mmlu) + read_as(Format::Gsm8k);
    let selection = ColumnSelection { columns: &["item_id", "text", "confidence", "score", "id"], empty: &["text"] };
    rows + read_rows(path, selection).map_or(0, |(rows, _)| rows.len())
}

#[test]
fn damaged_files_never_cause_a_panic() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in good() {
        let path = folder.path().join(name);
        std::fs::write(&path, &bytes).expect("written");
        assert!(read_all(&path) > 0, "{name} is good");
        let mut rng = Seed(7).stream(&["damaged", name]);
        let begun = Instant::now();
        let mut case = 0;
        while begun.elapsed() < SHARE {
            let changed = damaged(&bytes, &mut rng);
            std::fs::write(&path, &changed).expect("written");
            if let Err(panic) = guarded(|| read_all(&path)) {
                panic!("{name}, case {case}: {panic}");
            }
            case += 1;
        }
        assert!(case > 20, "{name}: only {case} cases");
    }
}

#[test]
fn every_parquet_type_is_read_or_named_in_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rows.parquet");
    std::fs::write(&path, parquet(columns(), CompressionOptions::Uncompressed)).expect("written");
    let contents = read(&path, &Reading::of(Format::Mmlu)).expect("readable");
    let items: Vec<(&str, Option<&str>)> =
        contents.items.iter().map(|item| (&*item.id.0, item.subject.as_deref())).collect();
    assert_eq!(items, [("1", Some("anatomy"))], "categories are texts, and the NaN is not read");
    let faults: Vec<String> = contents.faults.iter().map(|(_, fault)| fault.to_string()).collect();
    assert_eq!(faults[0], "row 2: field `choices`: option B must be a text, not null");
    assert_eq!(faults[1], "row 3: field `answer`: is missing");
    let cells = |columns: &[&str]| read_rows(&path, ColumnSelection { columns, empty: &[] });
    let (rows, _) = cells(&["small", "checked", "price", "day", "moment"]).expect("readable");
    let first = serde_json::json!({"small": 0.1, "checked": true, "price": 4, "day": "1970-01-01", "moment": "1970-01-01T00:00:00Z"});
    assert_eq!(serde_json::Value::Object(rows[0].1.clone()), first);
    assert_eq!((rows[1].1["price"].as_f64(), rows[2].1["price"].as_f64()), (Some(4.05), Some(-0.05)));
    let error = format!("{:#}", cells(&["score"]).expect_err("NaN"));
    assert!(error.contains("rows.parquet: row 2: field `score`: holds NaN"), "{error}");
}
