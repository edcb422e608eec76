//! What there is of a family: experiments with what they take, and tables with where they are known from.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use super::super::Prepared;
use super::super::error::RunError;
use super::{PreparedExperiment, ReadOnlyJournals, RecordedAblation, Reproduction};
use crate::config::forecast::{self, RunTotals};
use crate::config::reproduction::{Ablation, Table};
use crate::gateway::journal::{Elapsed, times};
use crate::report::grid;

/// How fast models are, by the model.
type Pace = BTreeMap<String, Elapsed>;

/// What there is of a family.
pub struct Listing {
    /// What the family is, and what it is not.
    about: String,
    /// Experiments and ablations, below a row of headings.
    experiments: Vec<Vec<String>>,
    /// Tables, below a row of headings.
    tables: Vec<Vec<String>>,
}

impl Listing {
    /// The listing for a terminal of `width` columns.
    #[must_use]
    pub fn texts(&self, width: u16) -> [String; 4] {
        [
            self.about.clone(),
            grid::table(&self.experiments, width),
            "minutes: those in which the recording's calls were made, or all calls at the pace of the recordings, one model after the \
             other; the runs of an ablation share calls, and take far fewer"
                .to_owned(),
            grid::table(&self.tables, width),
        ]
    }
}

impl Reproduction<'_> {
    /// Lists what there is, what it takes and whether it is recorded.
    ///
    /// # Errors
    /// [`RunError::Journal`] names a recording that cannot be read.
    pub fn listing(&self) -> Result<Listing, RunError> {
        let recordings = self.family.recordings().filter(|path| path.exists());
        let recorded = recordings.map(|path| Ok((path, times(path)?)));
        let recorded = recorded.collect::<Result<BTreeMap<&Path, (Elapsed, Pace)>>>().map_err(RunError::Journal)?;
        let mut pace = Pace::new();
        for (model, elapsed) in recorded.values().flat_map(|(_, models)| models) {
            pace.entry(model.clone()).or_default().add(elapsed);
        }
        let header = ["experiment", "items", "calls at most", "tokens", "fee USD", "recorded", "minutes"];
        let mut experiments = vec![header.map(str::to_owned).to_vec()];
        let mut row = |name: &str, runs: &[&Prepared], answers: &ReadOnlyJournals| {
            let loads: Vec<RunTotals> = runs.iter().map(|run| forecast::in_all(&run.resolved)).collect();
            let fee: Option<f64> = loads.iter().map(|load| load.fee).sum();
            let minutes = match answers.recording {
                Some(path) => Some(format!("took {:.0}", recorded[path].0.seconds / 60.0)),
                None => seconds(&loads, &pace).map(|seconds| format!("at most {:.0}", seconds / 60.0)),
            };
            experiments.push(vec![
                name.to_owned(),
                runs[0].resolved.stream().len().to_string(),
                loads.iter().map(RunTotals::all_calls).sum::<usize>().to_string(),
                loads.iter().map(|load| load.tokens).sum::<u64>().to_string(),
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
        let mut tables = vec![["table", "what stands in it", "known from"].map(str::to_owned).to_vec()];
        for Table { title, shows, source, .. } in &self.paper.tables {
            tables.push(vec![shows.name().to_owned(), title.clone(), source.clone()]);
        }
        for Ablation { name, file, .. } in &self.family.ablations {
            tables.push(vec![name.clone(), format!("The ablation {}", file.display()), "Ours.".to_owned()]);
        }
        Ok(Listing { about: self.family.about.clone(), experiments, tables })
    }
}

/// The seconds that calls take, if the pace of all their models is known.
fn seconds(loads: &[RunTotals], pace: &Pace) -> Option<f64> {
    let calls = loads.iter().flat_map(|load| load.calls);
    calls.map(|(model, calls)| Some(pace.get(model)?.seconds_for(calls))).sum()
}
