//! Tests of the table readers.

use super::*;

/// Reads the rows of a file with a few columns.
fn read(path: &Path) -> Result<Vec<Row>> {
    super::read(path, ColumnSelection { columns: &["id", "n", "a", "b"], empty: &[] }).map(|(rows, _)| rows)
}

fn written(name: &str, bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("written");
    (folder, path)
}

#[test]
fn all_formats_return_equal_fields() {
    let (_folder, lines) = written("a.jsonl", b"\xef\xbb\xbf{\"id\": \"a\", \"n\": 1}\n\n{\"id\": \"b\"}\n");
    let rows = read(&lines).expect("good rows");
    assert_eq!(rows.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 3]);
    assert_eq!((&rows[0].1["n"], rows[1].1.get("n")), (&serde_json::Value::from(1), None));
    let (_folder, cells) = written("a.csv", b"\xef\xbb\xbfid,n\na,1\n\"b\nc\",\nd,2\n");
    let rows = read(&cells).expect("good rows");
    assert_eq!(rows.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 5]);
    assert_eq!((&rows[1].1["id"], rows[1].1.get("n")), (&serde_json::Value::from("b\nc"), None));
    let (_folder, array) = written("a.json", b"\n [{\"id\": \"a\", \"n\": null}, {\"id\": \"\"}]\n");
    let rows = read(&array).expect("good rows");
    assert_eq!(rows.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((rows[0].1.get("n"), &rows[1].1["id"]), (None, &serde_json::Value::from("")));
}

#[test]
fn errors_name_the_row_that_cannot_be_read() {
    for (name, bytes, parts) in [
        ("a.jsonl", "{}\nnot JSON\n", ["a.jsonl", "line 2: not a JSON object"]),
        ("a.csv", "a,b\n1,2\n3\n", ["a.csv", "line 3: has 1 fields, not 2"]),
        ("a.json", "[{}, 7]", ["a.json", "row 2: not a JSON object"]),
        ("a.json", "[{}, {}", ["a.json", "not an array of JSON objects"]),
        ("a.txt", "", ["a.txt", ".parquet"]),
        ("a.parquet", "no", ["a.parquet", "parquet"]),
    ] {
        let (_folder, path) = written(name, bytes.as_bytes());
        let error = format!("{:#}", read(&path).expect_err("refused"));
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
}
