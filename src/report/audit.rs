//! The value that was extracted from each graded answer, with the rule and the position, for a person who checks the
//! grading.

use std::collections::BTreeSet;
use std::ops::Range;

use anyhow::{Result, anyhow, bail};
use console::measure_text_width;
use serde_json::{Value, json};

use crate::task::extraction::Extraction;
use crate::task::{Grader, choice, strategy};
use crate::types::chat::Response;
use crate::types::item::{Item, Target};
use crate::types::level::Level;
use crate::types::record::{Call, Graded, LevelAnswer, Purpose, Record};

/// Maximum width of a value or a gold answer, in terminal columns.
const VALUE: usize = 20;
/// Maximum width of an id or a model's name, in terminal columns.
const NAME: usize = 28;
/// Marks around the bytes that were read.
const MARKS: [char; 2] = ['⟦', '⟧'];

/// An answer that a run graded.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The first record that contains the answer.
    pub record: &'a Record,
    /// The level that answered.
    pub level: Level,
    /// The call.
    pub call: &'a Call,
    /// The recorded grade.
    pub graded: &'a Graded,
}

/// Returns the graded answers, each call once, in the order of the records.
#[must_use]
pub fn answers(records: &[Record]) -> Vec<Answer<'_>> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for record in records {
        for LevelAnswer { level, graded, .. } in &record.levels {
            let level = *level;
            let is_its = |call: &&Call| call.level == Some(level) && call.purpose == Purpose::Answer;
            let Some(call) = record.calls.iter().find(is_its) else { continue };
            let key = call.journal_key.map(|key| key.to_string());
            if seen.insert((key, level)) {
                found.push(Answer { record, level, call, graded });
            }
        }
    }
    found
}

impl Answer<'_> {
    /// True if the text of the answer also holds a strategy.
    #[must_use]
    pub fn with_strategy(&self) -> bool {
        let key = self.call.journal_key;
        self.record.calls.iter().any(|call| call.purpose == Purpose::Distil && call.journal_key == key)
    }
}

/// Returns the extraction rules in a run's identity, and the differences between their versions and those of this
/// program.
///
/// # Errors
/// If the identity has no rules, or a rule is unknown; the error names the rule.
pub fn rules(identity: &Value) -> Result<(Vec<Extraction>, Vec<String>)> {
    let Some(extraction) = identity.get("extraction").and_then(Value::as_str) else {
        bail!("its manifest has no extraction rules (identity.extraction), so the answers cannot be read again");
    };
    let (mut rules, mut differ) = (Vec::new(), Vec::new());
    for part in extraction.split(", ") {
        let (name, version) = part.rsplit_once(" v").unwrap_or((part, ""));
        let rule: Extraction = serde_json::from_value(json!(name))
            .map_err(|_| anyhow!("its answers were read by the rule `{name}`, which is unknown to this version"))?;
        if rule.version().to_string() != version {
            differ.push(format!("the run read answers with {part}; this version has {name} v{}", rule.version()));
        }
        rules.push(rule);
    }
    Ok((rules, differ))
}

/// An answer with the value that is extracted from it.
pub struct Read<'a> {
    item: &'a Item,
    answer: Answer<'a>,
    text: String,
    /// The rule, and the range of bytes that it read. `None` if no rule found a value, or if options were scored.
    found: Option<(Extraction, Range<usize>)>,
    scored: bool,
    now: Graded,
}

impl<'a> Read<'a> {
    /// Extracts and grades an answer again.
    #[must_use]
    pub fn of(grader: &Grader, item: &'a Item, answer: Answer<'a>, response: &Response) -> Self {
        let text = if answer.with_strategy() { strategy::split(&response.text).0 } else { &response.text };
        let scored = !response.option_logprobs.is_empty();
        let found = grader.reading(item, response, text).map(|read| (read.rule, read.span)).filter(|_| !scored);
        let now = grader.grade(item, response, text);
        Self { item, answer, text: text.to_owned(), found, scored, now }
    }

    /// True if this version reads the recorded value.
    #[must_use]
    pub fn is_as_recorded(&self) -> bool {
        self.now == *self.answer.graded
    }

    /// Formats the answer as lines of at most `width` columns.
    #[must_use]
    pub fn lines(&self, width: usize) -> Vec<String> {
        let Answer { call, level, graded, .. } = self.answer;
        let mut lines = vec![format!(
            "item {}  {} (level {level})  {}",
            short(&self.item.id.0, NAME),
            short(&call.model, NAME - 8),
            graded.score.name()
        )];
        let gold = short(&gold(&self.item.target), VALUE);
        let value = short(self.now.answer.as_deref().unwrap_or("nothing"), VALUE);
        lines.push(match &self.found {
            Some((rule, span)) => {
                format!("  gold {gold}, read {value} by {}, bytes {}..{}", rule.name(), span.start, span.end)
            }
            None if self.scored => format!("  gold {gold}, read {value}: the most likely of the scored options"),
            None => format!("  gold {gold}, no rule read a value; the text ends:"),
        });
        let span = self.found.as_ref().map_or(self.text.len()..self.text.len(), |(_, span)| span.clone());
        lines.push(format!("  | {}", around(&self.text, span, self.found.is_some(), width.saturating_sub(4))));
        if !self.is_as_recorded() {
            let recorded = short(graded.answer.as_deref().unwrap_or("nothing"), VALUE);
            lines.push(format!(
                "  recorded: {recorded} ({}); now it is {}",
                graded.score.name(),
                self.now.score.name()
            ));
        }
        lines
    }
}

fn gold(target: &Target) -> String {
    match target {
        Target::Number(text) | Target::Expression(text) => text.clone(),
        Target::Unanswerable => "none".to_owned(),
        Target::Choice(index) => choice::letter(*index).to_string(),
    }
}

/// Replaces a character that a terminal line cannot hold.
fn displayable(c: char) -> char {
    match c {
        '\n' => '⏎',
        c if c.is_control() || c.is_whitespace() => ' ',
        c => c,
    }
}

fn columns(c: char) -> usize {
    measure_text_width(c.encode_utf8(&mut [0; 4]))
}

/// Returns the characters that fit into `room` columns, and true if all did.
fn fitting(chars: impl Iterator<Item = char>, room: usize) -> (Vec<char>, bool) {
    let (mut characters, mut used) = (Vec::new(), 0);
    for c in chars.map(displayable) {
        used += columns(c);
        if used > room {
            return (characters, false);
        }
        characters.push(c);
    }
    (characters, true)
}

/// Shortens a text to at most `room` columns.
fn short(text: &str, room: usize) -> String {
    let (whole, all) = fitting(text.chars(), room);
    if all { whole.into_iter().collect() } else { cut(text, room) }
}

fn cut(text: &str, room: usize) -> String {
    let (characters, _) = fitting(text.chars(), room.saturating_sub(1));
    characters.into_iter().chain(['…']).collect()
}

/// Formats the text around the bytes that were read, with marks around these, in at most `room` columns.
fn around(text: &str, span: Range<usize>, marked: bool, room: usize) -> String {
    let (before, read, behind) = (&text[..span.start], &text[span.clone()], &text[span.end..]);
    let read = short(read, room / 2);
    let read = if marked { format!("{}{read}{}", MARKS[0], MARKS[1]) } else { read };
    let left = room.saturating_sub(measure_text_width(&read) + 2);
    let reserved_behind = if behind.is_empty() { 0 } else { left / 3 };
    let (mut front, all_before) = fitting(before.chars().rev(), left - reserved_behind);
    let used: usize = front.iter().copied().map(columns).sum();
    let (back, all_behind) = fitting(behind.chars(), left.saturating_sub(used));
    front.reverse();
    let dots = |all: bool| if all { "" } else { "…" };
    let text = |chars: Vec<char>| chars.into_iter().collect::<String>();
    format!("{}{}{read}{}{}", dots(all_before), text(front), text(back), dots(all_behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_bytes_are_marked_and_lines_keep_their_width() {
        let text = format!("{}so it is 18 dollars.\n{}", "word ".repeat(40), "more ".repeat(40));
        let start = text.find("18").expect("there");
        for room in [20, 40, 76] {
            let line = around(&text, start..start + 2, true, room);
            assert!(line.contains("⟦18⟧") && line.starts_with('…') && line.ends_with('…'), "{line}");
            assert!(measure_text_width(&line) <= room, "{line}");
        }
        assert_eq!(around("#### 18", 5..7, true, 40), "#### ⟦18⟧");
        assert_eq!(around("a\nb\u{1b}[31m", 8..8, false, 40), "a⏎b [31m");
        let wide = around(&"漢字".repeat(60), 0..180, true, 40);
        assert!(measure_text_width(&wide) <= 40, "{wide}");
        assert_eq!(short("abcdef", 4), "abc…");
        assert_eq!(gold(&Target::Choice(2)), "C");
    }

    #[test]
    fn rules_are_read_from_the_identity() {
        let now = |rule: Extraction| format!("{} v{}", rule.name(), rule.version());
        let extraction = format!("{}, {}", now(Extraction::Boxed), now(Extraction::Letter));
        let (found, differ) = rules(&json!({"extraction": extraction})).expect("known");
        assert_eq!((found, differ.len()), (vec![Extraction::Boxed, Extraction::Letter], 0));
        let (_, differ) = rules(&json!({"extraction": "letter v0"})).expect("known");
        assert!(differ[0].contains("letter v0") && differ[0].contains(&now(Extraction::Letter)), "{differ:?}");
        let error = rules(&json!({"extraction": "guess v1"})).expect_err("unknown").to_string();
        assert!(error.contains("`guess`") && rules(&json!({})).is_err(), "{error}");
    }
}
