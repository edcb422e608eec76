//! `summary.md` and the table on the terminal: what the arms reached, what the change against the standard cascade
//! is, how much of it random strategies give too, and what a reader must know before quoting any of it.

mod against_strong;
mod against_tuned;
mod cautions;
mod confidence;
mod ends;
mod fees;
mod frontier;
mod gains;
mod guarantee;
mod latex;
mod notes;
mod price_ratio;
mod prices;
mod sources;
mod stored;
mod theorem;

use std::fmt::Write;

pub use self::cautions::cautions;
pub use self::guarantee::lines as guarantees;
pub use self::latex::{LATEX, latex};
use super::arms::figures;
use super::arms::gates::ConfidenceSource;
use super::arms::views::RESULTS;
use super::columns::{Sheet, page};
use super::sweep::Sweep;
use crate::analysis::metrics::Comparison;

/// The file's name.
pub const SUMMARY: &str = "summary.md";

/// What the records do not tell.
pub struct Context<'a> {
    /// The run's name.
    pub name: &'a str,
    /// Lines that say what ran: data, models, settings.
    pub setting: &'a [String],
    /// What a reader must know, besides what the comparison tells.
    pub warnings: &'a [String],
    /// What the arms reached.
    pub comparison: &'a Comparison<'a>,
    /// Whose confidence gates the arms, and what it is read from. `None` if nothing is gated.
    pub gauged: Option<ConfidenceSource<'a>>,
    /// The section on which arm to take, as Markdown; may be empty.
    pub decision: &'a str,
}

/// What a terminal of `width` columns shows: the arms' results, and each gain beside the control's.
#[must_use]
pub fn terminal(comparison: &Comparison, width: u16) -> String {
    let (results, gains) = (figures::sheet(comparison), gains::of_terminal(comparison));
    let sheets: Vec<(&str, &Sheet)> = std::iter::once(&results).chain(&gains).map(|sheet| ("", sheet)).collect();
    let notes = notes::lines(comparison).into_iter();
    std::iter::once(page(&sheets, width)).chain(notes).collect::<Vec<_>>().join("\n")
}

/// The whole summary of a sweep as Markdown.
#[must_use]
pub fn swept(context: &Context, sweep: &Sweep) -> String {
    let comparison = context.comparison;
    format!(
        "{}{}\n## Every arm at every threshold\n\n{}{}{}{}{}",
        head(context),
        sweep.markdown(),
        results(comparison),
        notes::paragraphs(comparison),
        frontier::section(comparison),
        ends::section(comparison),
        confidence::section(context)
    )
}

/// The whole summary of a run as Markdown.
#[must_use]
pub fn markdown(context: &Context) -> String {
    let comparison = context.comparison;
    let mut text = head(context);
    text += "\n## Results\n\n";
    text += &results(comparison);
    text += "\nWeak accuracy counts the weak level's answers to the whole stream, deferred ones included; accuracy counts \
             the answers that stand. An answer that could not be read counts as wrong. Strong calls are the items that the \
             strong level answered, as the paper counts; all requests have those for strategies, signals and second draws too. Fees are what each arm would pay \
             alone.\n";
    text += &notes::paragraphs(comparison);
    text += &gains::section(comparison);
    text += &ends::section(comparison);
    text += &against_strong::section(comparison);
    text += &against_tuned::section(comparison);
    text += &frontier::section(comparison);
    text += &guarantee::section(comparison);
    text += &confidence::section(context);
    text += &sources::section(comparison);
    text += &stored::section(comparison);
    text += &stored::of_strong_level(comparison);
    text += &theorem::section(comparison);
    text += &fees::section(comparison);
    text += &price_ratio::section(comparison);
    text
}

/// Name, setting and warnings.
fn head(context: &Context) -> String {
    let mut text = format!("# {}\n\n", context.name);
    for line in context.setting {
        let _ = writeln!(text, "- {line}");
    }
    text += context.decision;
    let cautions = cautions(context.comparison);
    if !context.warnings.is_empty() || !cautions.is_empty() {
        text += "\n## Before you quote a figure\n\n";
        for warning in context.warnings.iter().chain(&cautions) {
            let _ = writeln!(text, "- {warning}");
        }
    }
    text
}

/// The table of results.
fn results(comparison: &Comparison) -> String {
    figures::sheet(comparison).markdown_of(RESULTS)
}
