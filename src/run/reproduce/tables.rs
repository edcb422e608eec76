//! The tables of a paper, from the experiments' records alone.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;

use super::super::error::RunError;
use super::super::outputs::{FinishedRun, SetAside};
use super::{PreparedExperiment, Reproduction};
use crate::analysis::metrics::Comparison;
use crate::config::reproduction::Table;
use crate::report::claims::{JudgedClaim, headline};
use crate::report::columns::Sheet;
use crate::report::folder::replace;
use crate::report::grid::{Caption, SURE, document};
use crate::report::reproduction::{self, Shows, figures};

/// What came of a reproduction.
#[derive(Default)]
pub struct ReproductionTables {
    /// The tables of the ablations that were asked for by name, for a terminal.
    pub ablations: Vec<String>,
    /// The tables that are to be read at once, with their titles.
    pub shown: Vec<(String, Sheet)>,
    /// Why verdicts on some experiments are none on the paper.
    pub notes: Vec<String>,
    /// Claims that are further from what is expected than their file allows.
    pub missed: Vec<String>,
    /// The files of all tables; empty if only ablations were asked for.
    files: Vec<(String, Vec<u8>)>,
}

impl ReproductionTables {
    /// Whether there are tables of experiments.
    #[must_use]
    pub fn has_tables(&self) -> bool {
        !self.files.is_empty()
    }

    /// Writes the tables; old ones that differ are set aside.
    ///
    /// # Errors
    /// [`RunError::Output`] names the file.
    pub fn write(&self, out: &Path) -> Result<Option<SetAside>, RunError> {
        SetAside::of(replace(out, self.files.clone()))
    }
}

impl Reproduction<'_> {
    /// Adds the tables.
    pub(super) fn make(&self, needed: &[&PreparedExperiment], made: &mut ReproductionTables) -> Result<()> {
        let kept = needed.iter().map(|ready| FinishedRun::read(&self.options.folder_of(ready.experiment)));
        let kept = kept.collect::<Result<Vec<FinishedRun>>>()?;
        let comparisons: Vec<Comparison> = kept.iter().map(FinishedRun::comparison).collect();
        let mut experiments = Vec::new();
        for (ready, comparison) in needed.iter().zip(&comparisons) {
            let name = &*ready.experiment.name;
            experiments.push(reproduction::Experiment { name, comparison, yardstick: ready.yardstick()? });
        }
        for table in &self.tables {
            let judged: Vec<JudgedClaim> =
                table.claims.iter().filter_map(|claim| JudgedClaim::new(claim, &experiments)).collect();
            if table.shows == Shows::Headline && judged.is_empty() {
                continue;
            }
            let shown =
                if table.shows == Shows::Headline { headline(&judged) } else { figures(table.shows, &experiments) };
            // What is expected is expected of the experiment's own data.
            made.missed
                .extend(judged.iter().filter(|judged| self.options.dataset.is_none() && !judged.holds()).map(missed));
            let name = table.shows.name();
            let text = self.markdown(table, needed, &shown.markdown());
            made.files.push((format!("{name}.md"), text.into_bytes()));
            let caption = Caption::new("", name, &format!("{}. {SURE}", table.title));
            made.files.push((format!("{name}.tex"), document(&[shown.latex(&caption)]).into_bytes()));
            made.files.extend(shown.table()?.files()?);
            // More than a few at once are to be looked up, not read.
            if self.tables.len() <= 3 || table.shows == Shows::Headline {
                made.shown.push((table.title.clone(), shown));
            }
        }
        let reasons = experiments.iter().filter_map(|one| Some(format!("{}: {}", one.name, one.yardstick?)));
        made.notes.extend(
            reasons
                .map(|reason| format!("note: no verdict on the paper itself for {reason}; its figure is a yardstick")),
        );
        Ok(())
    }

    /// A table with what a reader must know of it.
    fn markdown(&self, table: &Table, needed: &[&PreparedExperiment], shown: &str) -> String {
        let mut text = format!("# {}\n\n{} {}\n\n{}\n", table.title, table.source, self.family.about, shown);
        text += "In brackets 95 % bootstrap intervals over groups, unadjusted. Changes are against the standard cascade of the same \
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

/// A claim that is further from what was expected than its file allows.
fn missed(judged: &JudgedClaim) -> String {
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
