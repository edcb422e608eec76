//! Sections of a summary, read from its Markdown, so that page and summary have the same tables and texts.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use serde::Serialize;

use crate::report::columns::meaning;
use crate::report::format::NONE;
use crate::report::recommendation::HEADING;

/// A table of a summary with the text of its section. A section without a table has no headings.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct PageTable {
    /// Number within the page, from 1 on.
    id: String,
    /// Heading of the section.
    title: String,
    /// Paragraphs of the section.
    intro: Vec<String>,
    headings: Vec<String>,
    /// True for each column whose cells are figures.
    numeric: Vec<bool>,
    rows: Vec<Vec<String>>,
    /// Headings with their explanations.
    meanings: Vec<(String, &'static str)>,
}

/// A summary as the page shows it.
#[derive(Debug, Default)]
pub(super) struct SummarySections {
    /// Tables and texts, in order. The text before the first section is left out: the page has its own.
    pub(super) tables: Vec<PageTable>,
    /// Points of the section of cautions.
    pub(super) cautions: Vec<String>,
}

/// Heading of the section whose list the page shows as cautions.
pub(super) const CAUTIONS: &str = "Before you quote a figure";

/// Reads the sections of a summary. Markup other than headings, paragraphs, lists and tables is plain text.
pub(super) fn sections(markdown: &str) -> SummarySections {
    let mut reader = Reader::default();
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        reader.read(event);
    }
    reader.end_table();
    let mut found = reader.found;
    // The page begins with the recommendation.
    found.tables.retain(|table| !(table.headings.is_empty() && table.intro.is_empty()) && table.title != HEADING);
    for (number, table) in found.tables.iter_mut().enumerate() {
        table.id = (number + 1).to_string();
        let is_figure = |cell: &str| cell.starts_with(|first: char| first.is_ascii_digit() || "+-−".contains(first));
        let column = |index: usize| table.rows.iter().filter_map(move |row| row.get(index));
        let numeric = |index: usize| {
            let mut cells = column(index).filter(|cell| *cell != NONE && !cell.is_empty()).peekable();
            cells.peek().is_some() && cells.all(|cell| is_figure(cell))
        };
        table.numeric = (0..table.headings.len()).map(numeric).collect();
        let explained = table.headings.iter().filter_map(|heading| Some((heading.clone(), meaning(heading)?)));
        table.meanings = explained.collect();
    }
    found
}

/// State of reading.
#[derive(Default)]
struct Reader {
    found: SummarySections,
    /// Title of the section; `None` before the first section.
    title: Option<String>,
    /// Table and paragraphs since the last table.
    table: PageTable,
    /// Text of the element that is being read.
    text: String,
    row: Vec<String>,
}

impl Reader {
    fn read(&mut self, event: Event) {
        match event {
            Event::Text(text) | Event::Code(text) | Event::Html(text) | Event::InlineHtml(text) => self.text += &text,
            Event::SoftBreak | Event::HardBreak => self.text.push(' '),
            Event::Start(Tag::Heading { .. } | Tag::Item | Tag::TableCell | Tag::Paragraph) => self.text.clear(),
            Event::End(TagEnd::Heading(HeadingLevel::H2)) => {
                self.end_table();
                self.title = Some(std::mem::take(&mut self.text));
            }
            Event::End(TagEnd::TableCell) => self.row.push(std::mem::take(&mut self.text)),
            Event::End(TagEnd::TableHead) => {
                if !self.table.headings.is_empty() {
                    self.end_table();
                }
                self.table.headings = std::mem::take(&mut self.row);
            }
            Event::End(TagEnd::TableRow) => self.table.rows.push(std::mem::take(&mut self.row)),
            Event::End(TagEnd::Heading(_) | TagEnd::Paragraph | TagEnd::Item) => self.end_text(),
            _ => {}
        }
    }

    /// Adds a paragraph or a list item to the section.
    fn end_text(&mut self) {
        let text = std::mem::take(&mut self.text);
        match &self.title {
            Some(title) if title == CAUTIONS => self.found.cautions.push(text),
            Some(_) if !text.is_empty() => self.table.intro.push(text),
            _ => {}
        }
    }

    fn end_table(&mut self) {
        let table = std::mem::take(&mut self.table);
        if let Some(title) = &self.title {
            self.found.tables.push(PageTable { title: title.clone(), ..table });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_texts_of_a_summary_are_read() {
        let text = "# run\n\n- data: x\n\n## Before you quote a figure\n\n- few `items`\n- <b>bold</b>\n\n## Results\n\n\
                    | arm | accuracy |\n| --- | --- |\n| a\\|b | 50.0 % |\n| c | – |\n\nShares of\nall items.\n\n\
                    | arm | n |\n| --- | --- |\n| a | 3 |\n\n## Notes\n\nNothing.\n";
        let found = sections(text);
        assert_eq!(found.cautions, ["few items", "<b>bold</b>"]);
        let [first, second, third] = &found.tables[..] else { panic!("{:?}", found.tables) };
        assert_eq!((&*first.title, &*second.title, &*third.title), ("Results", "Results", "Notes"));
        assert_eq!(first.rows, [["a|b", "50.0 %"], ["c", "–"]]);
        assert_eq!((&first.numeric[..], &second.numeric[..]), (&[false, true][..], &[false, true][..]));
        assert_eq!((&first.intro[..], second.intro.len()), (&["Shares of all items.".to_owned()][..], 0));
        assert_eq!(third.intro, ["Nothing."]);
        assert_eq!(first.meanings[0].0, "arm");
        assert_eq!(second.id, "2");
    }
}
