//! Tables of a paper, made from the records of the experiments.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;

use super::super::error::RunError;
use super::super::outputs::{FinishedRun, SetAside};
use super::{PreparedExperiment, Reproduction};
use crate::analysis::metrics::Comparison;
use crate::config::reproduction::Table;
use crate::fetch::shipped::located;
use crate::report::claims::{JudgedClaim, headline};
use crate::report::columns::Sheet;
use crate::report::endpoints::read_endpoints;
use crate::report::folder::replace_outputs;
use crate::report::grid::{Caption, INTERVAL_NOTE, document};
use crate::report::reproduction::{self, Shows, figures};

/// Result of a reproduction.
#[derive(Default)]
pub struct ReproductionTables {
    /// Tables of the ablations that were requested by name, for a terminal.
    pub ablations: Vec<String>,
    /// Titles and tables for the terminal.
    pub printed: Vec<(String, Sheet)>,
    /// Notes on experiments whose verdicts do not apply to the paper.
    pub notes: Vec<String>,
    /// Claims whose figure is outside the range that their file allows.
    pub unexpected: Vec<String>,
    /// Name and bytes of each table file; empty if only ablations were requested.
    files: Vec<(String, Vec<u8>)>,
}

impl ReproductionTables {
    /// True if tables of experiments were made.
    #[must_use]
    pub fn has_tables(&self) -> bool {
        !self.files.is_empty()
    }

    /// Writes the tables. Existing tables that differ are moved aside.
    ///
    /// # Errors
    /// [`RunError::Output`] with the file that cannot be written.
    pub fn write(&self, out: &Path) -> Result<Option<SetAside>, RunError> {
        SetAside::of(replace_outputs(out, self.files.clone()))
    }
}

impl Reproduction<'_> {
    /// Adds the tables of the experiments to `output`.
    pub(super) fn add_tables(&self, needed: &[&PreparedExperiment], output: &mut ReproductionTables) -> Result<()> {
        let runs = needed.iter().map(|ready| FinishedRun::read(&self.options.folder_of(ready.experiment)));
        let runs = runs.collect::<Result<Vec<FinishedRun>>>()?;
        let comparisons: Vec<Comparison> = runs.iter().map(FinishedRun::comparison).collect();
        let mut experiments = Vec::new();
        for (ready, comparison) in needed.iter().zip(&comparisons) {
            let name = &*ready.experiment.name;
            experiments.push(reproduction::Experiment { name, comparison, yardstick: ready.yardstick()? });
        }
        for table in &self.tables {
            let stated = match &table.judgement {
                Some(path) => read_endpoints(&located(path)?)?,
                None => Vec::new(),
            };
            let judged: Vec<JudgedClaim> =
                table.claims.iter().filter_map(|claim| JudgedClaim::new(claim, &experiments, &stated)).collect();
            if table.shows == Shows::Headline && judged.is_empty() {
                continue;
            }
            let sheet =
                if table.shows == Shows::Headline { headline(&judged) } else { figures(table.shows, &experiments) };
            // Expected values apply only to the experiment's own data set.
            output.unexpected.extend(
                judged.iter().filter(|judged| self.options.dataset.is_none() && !judged.holds()).map(unexpected),
            );
            let name = table.shows.name();
            let text = self.markdown(table, needed, &sheet.markdown());
            output.files.push((format!("{name}.md"), text.into_bytes()));
            let caption = Caption::new("", name, &format!("{}. {INTERVAL_NOTE}", table.title));
            output.files.push((format!("{name}.tex"), document(&[sheet.latex(&caption)]).into_bytes()));
            output.files.extend(sheet.table()?.files()?);
            // More than three tables are written to files only.
            if self.tables.len() <= 3 || table.shows == Shows::Headline {
                output.printed.push((table.title.clone(), sheet));
            }
        }
        let reasons = experiments.iter().filter_map(|one| Some(format!("{}: {}", one.name, one.yardstick?)));
        output.notes.extend(reasons.map(|reason| {
            format!("note: no verdict on the paper itself for {reason}; the paper's figure only serves as a reference")
        }));
        Ok(())
    }

    /// Formats a table as Markdown, with its source and the settings of the experiments.
    fn markdown(&self, table: &Table, needed: &[&PreparedExperiment], body: &str) -> String {
        let mut text = format!("# {}\n\n{} {}\n\n{}\n", table.title, table.source, self.family.about, body);
        text += "Brackets hold 95 % bootstrap intervals over groups, unadjusted. Changes are relative to the standard cascade of the same \
                 experiment.\n";
        for PreparedExperiment { experiment, run, .. } in needed {
            let _ = write!(text, "\n**{}**\n\n", experiment.name);
            for line in run.resolved.describe().iter().chain(&experiment.choices) {
                let _ = writeln!(text, "- {line}");
            }
        }
        text
    }
}

/// Message on a claim whose figure is outside the range that its file allows.
fn unexpected(judged: &JudgedClaim) -> String {
    let found = judged.in_unit().map_or("none".to_owned(), |change| format!("{change:+.2}"));
    let expected = judged.claim.expected.map(|expected| format!("{:+.2} ± {}", expected.value, expected.within));
    format!(
        "{}, {}: {found} {} instead of {}",
        judged.claim.experiment,
        judged.claim.name(),
        judged.claim.figure.unit(),
        expected.unwrap_or_default()
    )
}
