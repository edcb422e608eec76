//! The comparison as one HTML file: no script, no other files.

use anyhow::Result;
use serde::Serialize;

use super::{Against, INTERVAL_NOTE, RunsCompared};
use crate::report::columns::{Sheet, TEXT};
use crate::report::figures::Figure;
use crate::report::grid::is_words;
use crate::report::template::rendered;
use crate::types::escaped::escaped_in_line;

/// The template's name. Its ending makes the engine escape every text.
const TEMPLATE: &str = "compare.html";

/// Contents of the page.
#[derive(Serialize)]
struct Page {
    title: String,
    baseline: String,
    version: &'static str,
    notes: Vec<String>,
    figure: Option<Picture>,
    runs: Vec<Section>,
    legend: String,
    meanings: Vec<[String; 2]>,
}

/// A figure as the source of an image.
#[derive(Serialize)]
struct Picture {
    source: String,
    description: String,
}

/// A run that is compared with the baseline.
#[derive(Serialize)]
struct Section {
    name: String,
    lead: String,
    differences: Vec<[String; 4]>,
    notes: Vec<String>,
    tables: Vec<Table>,
}

#[derive(Serialize)]
struct Table {
    title: &'static str,
    header: Vec<Cell>,
    rows: Vec<Vec<Cell>>,
}

#[derive(Serialize)]
struct Cell {
    text: String,
    /// True for a column of words, which is aligned to the left.
    words: bool,
}

/// Makes the page. `notes` are further notes on the runs.
///
/// # Errors
/// If the template cannot be rendered.
pub(super) fn page(compared: &RunsCompared, notes: &[String], figure: Option<&Figure>) -> Result<String> {
    let mut meanings: Vec<[String; 2]> = Vec::new();
    for (_, sheet) in compared.runs.iter().flat_map(Against::page_sheets) {
        let unknown = sheet.legend(TEXT).into_iter().filter(|meaning| !meanings.contains(meaning));
        meanings.extend(unknown.collect::<Vec<_>>());
    }
    let page = Page {
        title: text(&compared.heading()),
        baseline: text(compared.baseline),
        version: env!("CARGO_PKG_VERSION"),
        notes: notes.iter().map(|note| text(plain(note))).collect(),
        figure: figure.map(picture),
        runs: compared.runs.iter().map(section).collect(),
        legend: format!("{} {INTERVAL_NOTE}", compared.legend()),
        meanings,
    };
    rendered(TEMPLATE, include_str!("page.html"), &page)
}

fn picture(figure: &Figure) -> Picture {
    Picture { source: figure.data_uri(), description: text(&figure.description) }
}

fn section(run: &Against) -> Section {
    let tables = run.page_sheets().into_iter().filter(|(_, sheet)| !sheet.is_empty());
    Section {
        name: text(run.name),
        lead: text(&run.lead()),
        differences: run
            .differences
            .iter()
            .map(|found| [found.topic.name(), &found.what, &found.first, &found.second].map(text))
            .collect(),
        notes: run.left_out().iter().map(|note| text(plain(note))).collect(),
        tables: tables.map(|(title, sheet)| table(title, &sheet)).collect(),
    }
}

fn table(title: &'static str, sheet: &Sheet) -> Table {
    let rows = sheet.cells(TEXT);
    let cells = |row: &Vec<String>| {
        let cell = |(column, cell): (usize, &String)| Cell { text: text(cell), words: is_words(&rows, column) };
        row.iter().enumerate().map(cell).collect()
    };
    Table { title, header: rows.first().map(cells).unwrap_or_default(), rows: rows.iter().skip(1).map(cells).collect() }
}

/// Returns a note without its mark.
fn plain(note: &str) -> &str {
    note.strip_prefix("note: ").unwrap_or(note)
}

/// Replaces control characters by escapes. The template engine escapes markup.
fn text(of: &str) -> String {
    escaped_in_line(of).into_owned()
}
