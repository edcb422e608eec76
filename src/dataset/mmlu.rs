//! The MMLU format: CSV, either the header-less original `question,A,B,C,D,answer letter` (github.com/hendrycks/test)
//! or with a header `question,choice0,choice1,choice2,choice3,answer` and the answer from 0 to 3; with a header
//! the columns `id`, `group` and `explanation` may follow.

use csv::StringRecord;

use super::Fault;
use crate::types::item::{Item, Target};

const OPTIONS: usize = 4;
/// The columns that a file with a header must have, in the order in which this program writes them.
pub const COLUMNS: [&str; 6] = ["question", "choice0", "choice1", "choice2", "choice3", "answer"];
/// The columns that it may have.
pub const OPTIONAL_COLUMNS: [&str; 3] = ["id", "group", "explanation"];

/// Where each field stands in a row.
struct Layout {
    columns: [usize; 6],
    optional: [Option<usize>; 3],
    letters: bool,
    width: usize,
}

/// The file's rows in order, each with the line on which it begins. `subject` goes in front of the ids of rows that have none of their own.
pub fn rows(bytes: &[u8], subject: Option<&str>) -> Vec<Result<(u64, Item), Fault>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let mut layout = None;
    let mut items = Vec::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                items.push(Err(Fault::row(line, format!("not readable as CSV: {error}"))));
                continue;
            }
        };
        let layout = match &layout {
            Some(layout) => layout,
            None if record.get(0) == Some(COLUMNS[0]) || record.iter().any(|cell| cell == COLUMNS[1]) => {
                match header(&record) {
                    Ok(found) => layout = Some(found),
                    Err(fault) => return vec![Err(fault)],
                }
                continue;
            }
            None => layout.insert(Layout {
                columns: [0, 1, 2, 3, 4, 5],
                optional: [None; 3],
                letters: true,
                width: COLUMNS.len(),
            }),
        };
        items.push(parse(&record, layout, items.len(), subject));
    }
    items
}

fn header(record: &StringRecord) -> Result<Layout, Fault> {
    let find = |name: &str| record.iter().position(|cell| cell.trim() == name);
    let mut columns = [0; 6];
    for (place, name) in columns.iter_mut().zip(COLUMNS) {
        *place = find(name).ok_or_else(|| {
            Fault::field(1, name, format!("is missing from the header; it must hold {}", COLUMNS.join(",")))
        })?;
    }
    Ok(Layout { columns, optional: OPTIONAL_COLUMNS.map(find), letters: false, width: record.len() })
}

fn parse(record: &StringRecord, layout: &Layout, row: usize, subject: Option<&str>) -> Result<(u64, Item), Fault> {
    let line = record.position().map_or(0, csv::Position::line);
    if record.len() != layout.width {
        return Err(Fault::row(line, format!("has {} fields, not {}", record.len(), layout.width)));
    }
    let text = |index: usize| record.get(index).unwrap_or_default().trim();
    for (place, name) in layout.columns.iter().zip(COLUMNS) {
        if text(*place).is_empty() {
            return Err(Fault::field(line, name, "is empty"));
        }
    }
    let [question, .., answer] = layout.columns;
    let options: Vec<String> = layout.columns[1..=OPTIONS].iter().map(|place| text(*place).to_owned()).collect();
    let target = target(text(answer), layout.letters).ok_or_else(|| {
        let wanted = if layout.letters { "a letter from A to D" } else { "a number from 0 to 3" };
        Fault::field(line, "answer", format!("must be {wanted}, not `{}`", text(answer)))
    })?;
    let optional = layout.optional.map(|place| place.map(text).filter(|text| !text.is_empty()).map(str::to_owned));
    let [id, group, explanation] = optional;
    let id = id.unwrap_or_else(|| match subject {
        Some(subject) => format!("{subject}/{row}"),
        None => row.to_string(),
    });
    let item = Item {
        group: group.unwrap_or_else(|| id.clone()).into(),
        id: id.into(),
        query: text(question).to_owned(),
        options,
        target: Target::Choice(target),
        solution: explanation,
    };
    Ok((line, item))
}

fn target(text: &str, letters: bool) -> Option<usize> {
    let &[byte] = text.as_bytes() else { return None };
    let first = if letters { b'A' } else { b'0' };
    let index = usize::from(byte.checked_sub(first)?);
    (index < OPTIONS).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(file: &str) -> Vec<Item> {
        rows(file.as_bytes(), None).into_iter().map(|row| row.expect("a good row").1).collect()
    }

    #[test]
    fn reads_the_original_without_a_header() {
        let items = good("\"What is 1, or\nso?\",one,two,three,four,B\nQ2,a,b,c,d,D\n");
        assert_eq!(items.len(), 2);
        assert_eq!(items[0].query, "What is 1, or\nso?");
        assert_eq!(items[0].target, Target::Choice(1));
        assert_eq!(items[1].options, ["a", "b", "c", "d"]);
        assert_eq!(&*items[1].id.0, "1");
    }

    #[test]
    fn reads_the_form_with_a_header() {
        let items =
            good("id,question,choice0,choice1,choice2,choice3,answer,group,explanation\nx,Q,a,b,c,d,2,g,Because.\n");
        assert_eq!(items[0].target, Target::Choice(2));
        assert_eq!((&*items[0].id.0, &*items[0].group), ("x", "g"));
        assert_eq!(items[0].solution.as_deref(), Some("Because."));
    }

    #[test]
    fn a_subject_goes_in_front_of_row_numbers() {
        let rows = rows(b"Q,a,b,c,d,A\n", Some("anatomy"));
        assert_eq!(&*rows[0].as_ref().expect("good").1.id.0, "anatomy/0");
    }

    #[test]
    fn faults_name_line_and_field() {
        let text = |file: &str| -> Vec<String> {
            rows(file.as_bytes(), None).into_iter().filter_map(Result::err).map(|fault| fault.to_string()).collect()
        };
        assert_eq!(
            text("Q,a,b,c,d,A\nQ,a,b,c,d,E\n"),
            ["line 2: field `answer`: must be a letter from A to D, not `E`"]
        );
        assert_eq!(text("Q,a,b,c,A\n"), ["line 1: has 5 fields, not 6"]);
        assert_eq!(text("Q,a,,c,d,A\n"), ["line 1: field `choice1`: is empty"]);
        let header = "question,choice0,choice1,choice2,choice3,answer\n";
        assert_eq!(
            text(&format!("{header}Q,a,b,c,d,4\n")),
            ["line 2: field `answer`: must be a number from 0 to 3, not `4`"]
        );
        assert!(
            text("question,choice0,choice1,choice2,answer\n")[0].starts_with("line 1: field `choice3`: is missing")
        );
    }
}
