//! `summary.md` and the terminal's tables: the results of the arms, their changes against the standard cascade, the
//! share of these that random strategies bring as well, and the cautions that a reader must know before quoting a
//! figure.

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
pub(super) use self::prices::cheaper_from;
use super::arms::figures;
use super::arms::gates::ConfidenceSource;
use super::arms::views::RESULTS;
use super::columns::{Sheet, page};
use super::sweep::Sweep;
use crate::analysis::metrics::Comparison;

/// The file's name.
pub const SUMMARY: &str = "summary.md";

/// The parts of a summary that do not come from the records.
pub struct Context<'a> {
    /// The run's name.
    pub name: &'a str,
    /// Lines that describe the run: data, models, settings.
    pub setting: &'a [String],
    /// Warnings for the reader, besides those that follow from the comparison.
    pub warnings: &'a [String],
    /// The results of the arms.
    pub comparison: &'a Comparison<'a>,
    /// The source of the confidence that the arms defer on. `None` if no arm defers by confidence.
    pub confidence: Option<ConfidenceSource<'a>>,
    /// The section that recommends an arm, as Markdown. May be empty.
    pub decision: &'a str,
}

/// Formats the results for a terminal of `width` columns: the arms' results, and each gain beside the control's.
#[must_use]
pub fn terminal(comparison: &Comparison, width: u16) -> String {
    let (results, gains) = (figures::sheet(comparison), gains::for_terminal(comparison));
    let sheets: Vec<(&str, &Sheet)> = std::iter::once(&results).chain(&gains).map(|sheet| ("", sheet)).collect();
    let notes = notes::lines(comparison).into_iter();
    std::iter::once(page(&sheets, width)).chain(notes).collect::<Vec<_>>().join("\n")
}

/// Returns the whole summary of a sweep as Markdown.
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

/// Returns the whole summary of a run as Markdown.
#[must_use]
pub fn markdown(context: &Context) -> String {
    let comparison = context.comparison;
    let mut text = head(context);
    text += "\n## Results\n\n";
    text += &results(comparison);
    text += "\nWeak accuracy covers the weak level's answers to the whole stream, deferred ones included. Accuracy \
             covers the final answers. An answer that could not be read counts as wrong. Strong calls are the items \
             that the strong level answered, as the paper counts them; strong calls incl. distillation also include the requests \
             for strategies, signals and second draws. The fee of an arm is what it would cost if it ran alone.\n";
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
    text += &stored::strong_level(comparison);
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
