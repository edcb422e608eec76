//! Judgement of Inter-Cascade over many orders of recorded streams, by the endpoints of docs/JUDGING.md.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;

use super::error::RunError;
use super::left_out::not_recorded;
use super::outputs::SetAside;
use super::progress::{Progress, Unit};
use super::resources::calibration_plan;
use super::session::Session;
use super::{Prepared, Run, RunLocation, Sources};
use crate::analysis::metrics::Prices;
use crate::analysis::metrics::averaged::averaged;
use crate::analysis::metrics::judged::{CURVE, Description, JUDGED, JudgedSet, NEEDED, judge};
use crate::cascade::experiment::Cells;
use crate::cascade::{matrix, orders};
use crate::dataset::stream::permutation;
use crate::report::folder::{JOURNAL, replace_outputs};
use crate::report::judgement::{JudgementReport, SetReport};
use crate::report::manifest;
use crate::types::arm::Arm;
use crate::types::item::Item;
use crate::types::record::CountedRecord;
use crate::types::seed::Seed;

/// Options of a judgement.
#[derive(Debug, Clone)]
pub struct JudgeOptions {
    /// Configs, one for each data set. The first has the primary endpoint.
    pub configs: Vec<PathBuf>,
    /// Overrides of every config.
    pub overrides: Vec<String>,
    /// Number of orders, at least 1.
    pub orders: usize,
    /// Folder of the outputs.
    pub out: PathBuf,
    /// Recorded answers. Only these may answer.
    pub sources: Sources,
}

/// Replayed data sets, ready for their tables.
pub struct Judgement {
    orders: usize,
    sets: Vec<ReplayedSet>,
}

/// A data set with the records of all orders.
struct ReplayedSet {
    name: String,
    setting: Vec<String>,
    /// Number of groups that are recorded whole, of all groups, and of the items in the former.
    groups: [usize; 3],
    /// Threshold λ of the judged arm.
    threshold: f64,
    records: Vec<CountedRecord>,
    /// Arms of which a call is not recorded.
    left_out: Vec<Arm>,
    prices: Prices,
    models: [String; 2],
    seed: Seed,
    subjects: BTreeMap<String, String>,
}

/// Replays every arm over the orders of each data set. Groups that are not recorded whole are left out.
///
/// # Errors
/// [`RunError::Config`] if a config cannot be judged; otherwise the errors of an offline run.
pub async fn replay(options: &JudgeOptions, progress: &Progress) -> Result<Judgement, RunError> {
    if options.out.join(manifest::FILE).exists() {
        let out = options.out.display();
        return Err(RunError::Folder(anyhow!("{out}: this folder holds a run. Name another folder with --out")));
    }
    let prepare = |config: &PathBuf| {
        let run = Run::new(config, options.overrides.clone(), options.sources.clone()).offline();
        let prepared = run.in_folder(options.out.clone()).prepare()?;
        let threshold =
            check(&prepared).map_err(|error| RunError::Config(error.context(config.display().to_string())))?;
        Ok((prepared, threshold))
    };
    let prepared: Vec<(Prepared, f64)> = options.configs.iter().map(prepare).collect::<Result<_, RunError>>()?;
    // The journal has a copy of every answer, only for the time of the replay.
    let copies = tempfile::tempdir().map_err(|error| RunError::Folder(error.into()))?;
    let mut sets = Vec::new();
    for (prepared, threshold) in &prepared {
        let replayed = prepared.replay_orders(*threshold, options.orders, copies.path(), progress);
        sets.push(Box::pin(progress.unless_stopped(replayed)).await?);
    }
    Ok(Judgement { orders: options.orders, sets })
}

/// Checks that a config can be judged, and returns the threshold of its judged arm.
fn check(prepared: &Prepared) -> anyhow::Result<f64> {
    let config = &prepared.resolved.config;
    let missing: Vec<&str> = NEEDED.iter().filter(|arm| !config.arms.contains(arm)).map(|arm| arm.name()).collect();
    if !missing.is_empty() {
        return Err(anyhow!("a judgement needs the arms {}. Add them to `arms`", missing.join(", ")));
    }
    if config.learning.k != 1 {
        return Err(anyhow!(
            "learning.k is {}, but a judgement replays the pair matrix, which has one example per answer. Set learning.k = 1",
            config.learning.k
        ));
    }
    config.deferral.fixed_threshold().ok_or_else(|| {
        anyhow!(
            "deferral.threshold is calibrated, but a judgement needs a threshold that is fixed beforehand. Set a number"
        )
    })
}

impl Prepared {
    async fn replay_orders(
        &self,
        threshold: f64,
        count: usize,
        folder: &Path,
        progress: &Progress,
    ) -> Result<ReplayedSet, RunError> {
        let resolved = &self.resolved;
        let name = &resolved.config.name;
        let location =
            RunLocation { folder: folder.to_owned(), shared_journal: Some(folder.join(JOURNAL)), fresh: false };
        let session = Session::open(self, &location, progress)?;
        let models = session.models().await?;
        let (context, items) = (&*models.context, resolved.stream().len());
        let of_step = |error| RunError::of_step(error, None);
        let all: BTreeSet<Arc<str>> = resolved.stream().iter().map(|item| Arc::clone(&item.group)).collect();
        let whole = match &models.lacks {
            Some(_) => BTreeSet::new(),
            None => matrix::recorded_groups(context, items, &matrix::pairs(context, items)).await.map_err(of_step)?,
        };
        let kept: Vec<usize> = (0..items).filter(|item| whole.contains(&context.items[*item].group)).collect();
        let (mut records, mut left_out) = (Vec::new(), BTreeSet::new());
        if !kept.is_empty() {
            let order =
                |order| permutation(resolved.config.seed, order, kept.len()).into_iter().map(|at| kept[at]).collect();
            let cells = cells(self, threshold, (0..count).map(order).collect());
            let work = progress.begin(name, count as u64, Unit::Steps);
            let mut done = 0;
            let replayed = orders::replay(context, &cells, || {
                done += 1;
                // The first orders carry out most of the distinct steps, so their pace says nothing about the others.
                if done * 20 >= count as u64 {
                    work.done(done);
                }
            });
            let replayed = replayed.await.map_err(of_step)?;
            let needed = replayed.left_out.iter().find(|cell| NEEDED.contains(&cell.arm));
            if let Some(cell) = needed {
                return Err(not_recorded(&format!("a judgement needs the arm {}", cell.arm), cell));
            }
            left_out = replayed.left_out.iter().map(|cell| cell.arm).collect();
            records = replayed.records;
        }
        let subject = |item: &Item| Some((item.id.to_string(), item.subject.as_ref()?.to_string()));
        Ok(ReplayedSet {
            name: name.clone(),
            setting: resolved.describe(),
            groups: [whole.len(), all.len(), kept.len()],
            threshold,
            records,
            left_out: left_out.into_iter().collect(),
            prices: resolved.prices(),
            models: [resolved.weak.name.clone(), resolved.strong.name.clone()],
            seed: resolved.config.seed,
            subjects: resolved.stream().iter().filter_map(subject).collect(),
        })
    }
}

/// The cells of a judgement: every arm at its own threshold, and the judged arm at each threshold of its curve.
fn cells(prepared: &Prepared, threshold: f64, orders: Vec<Arc<[usize]>>) -> Cells {
    let plan = calibration_plan(&prepared.resolved);
    let further: Vec<f64> = CURVE.into_iter().filter(|other| other.total_cmp(&threshold).is_ne()).collect();
    let curve = plan.only(|arm| *arm == JUDGED).cells(&[], &further, Vec::new());
    let mut cells = plan.cells(&[], &[threshold], orders);
    for (arm, gates) in &mut cells.arms {
        gates.extend(curve.arms.iter().filter(|(other, _)| other == arm).flat_map(|(_, gates)| gates.clone()));
    }
    cells
}

impl ReplayedSet {
    /// The averaged arms. `None` if no group is recorded whole.
    fn judged(&self) -> Option<JudgedSet<'_>> {
        let arms = averaged(&self.records);
        let (mut own, mut curve) = (Vec::new(), Vec::new());
        for arm in arms {
            let at = arm.cell.threshold.filter(|_| arm.cell.arm == JUDGED);
            if at.is_some_and(|at| CURVE.contains(&at)) {
                curve.push(arm.clone());
            }
            if at.is_none_or(|at| at.total_cmp(&self.threshold).is_eq()) {
                own.push(arm);
            }
        }
        let models = self.models.each_ref().map(String::as_str);
        let (prices, subjects) = (&self.prices, &self.subjects);
        (!own.is_empty()).then_some(JudgedSet { arms: own, curve, prices, models, seed: self.seed, subjects })
    }
}

/// Tables of a judgement.
pub struct JudgementTables {
    /// Endpoints and arms for a terminal.
    pub printed: String,
    files: Vec<(String, Vec<u8>)>,
}

impl Judgement {
    /// Computes endpoints and tables, for a terminal of `width` columns and for files.
    ///
    /// # Errors
    /// [`RunError::Output`] if a table cannot be made.
    pub fn tables(&self, width: u16) -> Result<JudgementTables, RunError> {
        let sets: Vec<Option<JudgedSet>> = self.sets.iter().map(ReplayedSet::judged).collect();
        let endpoints = judge(&sets);
        let described: Vec<Option<Description>> =
            sets.iter().map(|set| set.as_ref().map(JudgedSet::describe)).collect();
        let each = self.sets.iter().zip(&described).zip(&endpoints);
        let sets = each.map(|((replayed, described), judged)| {
            let ReplayedSet { name, setting, groups, records, left_out, .. } = replayed;
            SetReport { name, setting, groups: *groups, judged, described: described.as_ref(), records, left_out }
        });
        let report = JudgementReport { orders: self.orders, sets: sets.collect() };
        let files = report.files().map_err(RunError::Output)?;
        Ok(JudgementTables { printed: report.terminal(width), files })
    }
}

impl JudgementTables {
    /// Writes the tables into a folder. Existing files that differ are moved aside.
    ///
    /// # Errors
    /// [`RunError::Output`] with the file that cannot be written.
    pub fn write(&self, folder: &Path) -> Result<Option<SetAside>, RunError> {
        std::fs::create_dir_all(folder).map_err(|error| RunError::Folder(error.into()))?;
        SetAside::of(replace_outputs(folder, self.files.clone()))
    }
}
