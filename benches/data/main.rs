//! Reading and grading on one core, against lower bounds: validated rows against lines that are only parsed, and
//! answers that are extracted from texts. Command: `cargo bench --bench data`. The figures are in docs/PERFORMANCE.md.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::cast_precision_loss, reason = "counts of bytes and answers")]

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use intercascade::dataset::{Format, Reading, read, scan};
use intercascade::task::{Grader, Task};
use intercascade::types::chat::Response;
use intercascade::types::item::{Item, Target};
use intercascade::types::testing;
use serde_json::Value;

/// Number of rows of the file.
const ROWS: usize = 1_000_000;
/// Number of answers.
const ANSWERS: usize = 1_000_000;

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("rows.jsonl");
    write(&file)?;
    let megabytes = file.metadata()?.len() as f64 / 1e6;
    // A first read puts the file into the page cache for every measurement.
    lines(&file, |_| ())?;
    let rate = |what: &str, work: &dyn Fn() -> Result<usize>| -> Result<f64> {
        let begun = Instant::now();
        let rows = work()?;
        let rate = megabytes / begun.elapsed().as_secs_f64();
        println!("{what}: {rows} rows, {rate:.0} MB/s; {} MB at the peak so far", peak());
        Ok(rate)
    };
    println!("a file of {ROWS} rows, {megabytes:.0} MB");
    let count = || lines(&file, |_| ());
    rate("lines counted", &count)?;
    let reading = Reading::of(Format::Gsm8k);
    let validated = rate("read and validated, none kept", &|| {
        let mut rows = 0;
        let contents = scan(&file, &reading, &mut |_| rows += 1)?;
        assert!(contents.faults.is_empty());
        Ok(rows)
    })?;
    let parse = || lines(&file, |line| assert!(serde_json::from_slice::<Value>(line).is_ok_and(|row| row.is_object())));
    let parsed = rate("parsed by serde_json and dropped", &parse)?;
    rate("read and validated, all kept", &|| Ok(read(&file, &reading)?.items.len()))?;
    println!("validated against parsed: {:.2}", validated / parsed);
    answers()
}

/// A file in the format of GSM8K with its mean length (550 bytes per row).
fn write(path: &Path) -> Result<()> {
    let mut writer = BufWriter::new(File::create(path)?);
    for row in 0..ROWS {
        let (count, price) = (row % 90 + 10, row % 17 + 3);
        let total = count * price;
        let question = format!(
            "A shop in the old town sells {count} lamps of the kind that hangs above tables, and it asks {price} dollars for each of \
             them, whatever the size and the colour are. How many dollars does the shop take for all of its lamps?"
        );
        let answer = format!(
            "The shop sells {count} lamps, and each lamp brings {price} dollars.\nSo the lamps bring {count} * {price} = \
             $<<{count}*{price}={total}>>{total} in all, since nothing is taken off the price.\nNo lamp is left over in the end, and \
             nothing else is sold.\n#### {total}"
        );
        writeln!(writer, "{}", serde_json::json!({ "question": question, "answer": answer }))?;
    }
    Ok(writer.flush()?)
}

fn lines(path: &Path, mut each: impl FnMut(&[u8])) -> Result<usize> {
    let mut reader = BufReader::with_capacity(1 << 17, File::open(path)?);
    let (mut line, mut rows) = (Vec::new(), 0);
    while reader.read_until(b'\n', &mut line)? > 0 {
        each(&line);
        line.clear();
        rows += 1;
    }
    Ok(rows)
}

/// Extraction and grading of the tests' labelled outputs, repeated.
fn answers() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/answers.jsonl");
    let text = std::fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
    let rows = text.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    let texts: Vec<&str> =
        rows.iter().filter(|row| row["options"].is_null()).filter_map(|row| row["text"].as_str()).collect();
    let item = Item { target: Target::Number("36".into()), ..testing::item("1", "1") };
    let (grader, response) = (Grader::usual(Task::Math), Response::default());
    let marked: Vec<&str> = texts.iter().copied().filter(|text| text.contains("####")).collect();
    let short: Vec<&str> = texts.iter().copied().filter(|text| (80..=120).contains(&text.len())).collect();
    let groups =
        [("labelled outputs", &texts), ("those of them with ####", &marked), ("those of 80 to 120 bytes", &short)];
    for (what, texts) in groups {
        let bytes: usize = texts.iter().map(|text| text.len()).sum();
        let begun = Instant::now();
        let read =
            texts.iter().cycle().take(ANSWERS).filter(|text| grader.grade(&item, &response, text).answer.is_some());
        let read = read.count();
        let rate = ANSWERS as f64 / begun.elapsed().as_secs_f64();
        println!(
            "{what}, {} bytes on average: {rate:.0} answers/s graded, {read} of {ANSWERS} read",
            bytes / texts.len()
        );
    }
    // A text without an answer, so the search covers all of it.
    let long = "1 boxed ".repeat(ANSWERS / 8);
    let begun = Instant::now();
    let read = grader.grade(&item, &response, &long).answer.is_some();
    println!("a text of {} bytes: {:.3} s, read: {read}", long.len(), begun.elapsed().as_secs_f64());
    Ok(())
}

/// Peak memory of this process, in MB; 0 if the system does not report it.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok()).unwrap_or_default() / 1000
}
