//! Listing of a family: experiments with their cost, and tables with the source of their claims.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use super::super::Prepared;
use super::super::error::RunError;
use super::{AnswerSources, PreparedExperiment, RecordedAblation, Reproduction};
use crate::config::forecast::{self, RunTotals};
use crate::config::reproduction::{Ablation, Table};
use crate::gateway::journal::{Elapsed, times};
use crate::report::grid;

/// Measured call times of each model.
type Pace = BTreeMap<String, Elapsed>;

/// Experiments and tables of a family.
pub struct Listing {
    /// Description of the family and its limits.
    about: String,
    /// Experiments and ablations, after a row of headings.
    experiments: Vec<Vec<String>>,
    /// Tables, after a row of headings.
    tables: Vec<Vec<String>>,
}

impl Listing {
    /// Texts of the listing for a terminal of `width` columns.
    #[must_use]
    pub fn texts(&self, width: u16) -> [String; 4] {
        [
            self.about.clone(),
            grid::table(&self.experiments, width),
            "minutes: duration of the recorded calls, or an estimate from the recordings' rate with one model at a time. The runs of \
             an ablation share calls, so an ablation is much faster than its estimate"
                .to_owned(),
            grid::table(&self.tables, width),
        ]
    }
}

impl Reproduction<'_> {
    /// Lists experiments and tables, with costs and whether a recording exists.
    ///
    /// # Errors
    /// [`RunError::Journal`] with the recording that cannot be read.
    pub fn listing(&self) -> Result<Listing, RunError> {
        let recordings = self.family.recordings().filter(|path| path.exists());
        let recorded = recordings.map(|path| Ok((path, times(path)?)));
        let recorded = recorded.collect::<Result<BTreeMap<&Path, (Elapsed, Pace)>>>().map_err(RunError::Journal)?;
        let mut pace = Pace::new();
        for (model, elapsed) in recorded.values().flat_map(|(_, models)| models) {
            pace.entry(model.clone()).or_default().add(elapsed);
        }
        let header = ["experiment", "items", "calls at most", "tokens", "fee, USD", "recorded", "minutes"];
        let mut experiments = vec![header.map(str::to_owned).to_vec()];
        let mut row = |name: &str, runs: &[&Prepared], answers: &AnswerSources| {
            let totals: Vec<RunTotals> = runs.iter().map(|run| forecast::totals(&run.resolved)).collect();
            let fee: Option<f64> = totals.iter().map(|total| total.fee).sum();
            let minutes = match answers.recording {
                Some(path) => Some(format!("took {:.0}", recorded[path].0.seconds / 60.0)),
                None => seconds(&totals, &pace).map(|seconds| format!("at most {:.0}", seconds / 60.0)),
            };
            experiments.push(vec![
                name.to_owned(),
                runs[0].resolved.stream().len().to_string(),
                totals.iter().map(RunTotals::all_calls).sum::<usize>().to_string(),
                totals.iter().map(|total| total.tokens).sum::<u64>().to_string(),
                fee.map_or("–".to_owned(), |fee| format!("{fee:.4}")),
                if answers.recording.is_some() { "yes".to_owned() } else { "no".to_owned() },
                minutes.unwrap_or("–".to_owned()),
            ]);
        };
        for PreparedExperiment { experiment, run, answers } in &self.experiments {
            row(&experiment.name, &[run], answers);
        }
        for RecordedAblation { name, prepared, answers } in &self.ablations {
            row(name, &prepared.runs().collect::<Vec<_>>(), answers);
        }
        let mut tables = vec![["table", "contents", "source"].map(str::to_owned).to_vec()];
        for Table { title, shows, source, .. } in &self.paper.tables {
            tables.push(vec![shows.name().to_owned(), title.clone(), source.clone()]);
        }
        for Ablation { name, file, .. } in &self.family.ablations {
            tables.push(vec![name.clone(), format!("The ablation {}", file.display()), "Ours.".to_owned()]);
        }
        Ok(Listing { about: self.family.about.clone(), experiments, tables })
    }
}

/// Estimated seconds for the calls; `None` if the pace of a model is unknown.
fn seconds(totals: &[RunTotals], pace: &Pace) -> Option<f64> {
    let calls = totals.iter().flat_map(|total| total.calls);
    calls.map(|(model, calls)| Some(pace.get(model)?.seconds_for(calls))).sum()
}
