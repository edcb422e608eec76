//! A run that is merged from the folders of its shards. The merged run is a [`FinishedRun`], so that its outputs are
//! made as those of any other run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use super::folders;
use super::runs::RunsShard;
use super::spent::spent;
use crate::cascade::experiment::mark_shared_calls;
use crate::report::left_out;
use crate::report::manifest::{Manifest, MergedShards, ShardPart, differences};
use crate::report::unparsed::{self, Texts};
use crate::run::execute::of_choice;
use crate::run::outputs::{FinishedRun, RunTables, config_of};
use crate::run::provenance::answered_by;
use crate::run::strategies::{self, SavedStrategy};
use crate::run::warnings::{self, AskedModel, StoredFacts};
use crate::types::arm::{Arm, Deferral};
use crate::types::left_out::LeftOut;
use crate::types::record::{CellKey, Record};
use crate::types::shard::{CellPlace, Shard, ShardCell};

/// A run merged from its shards.
pub(in crate::run) struct MergedRun {
    /// The run, as if it had been read from one folder.
    pub(in crate::run) finished: FinishedRun,
    /// Name and bytes of the files that are collected from the shards and not computed.
    pub(in crate::run) collected: Vec<(String, Vec<u8>)>,
}

/// Reads and merges the finished shards of the run in `folder`. `None` if the folder holds a run of its own, or no
/// shards.
///
/// # Errors
/// If no shard has finished, a file cannot be read, or two folders do not belong together; the error names both.
pub(in crate::run) fn merged(folder: &Path) -> Result<Option<MergedRun>> {
    let own = Manifest::read(folder)?;
    let found = folders(folder)?;
    if found.is_empty() || own.as_ref().is_some_and(|own| own.merged.is_none() && own.ended.is_some()) {
        return Ok(None);
    }
    let mut shards = Vec::new();
    for (shard, path) in found {
        if let Some(runs) = RunsShard::read(&path)? {
            bail!(
                "{} is a shard of `{2}`. Repeat the `{2}` command without --shard: it copies the answers of the shards in {1}, makes no \
                 call that they made, and writes the tables",
                path.display(),
                folder.display(),
                runs.verb
            );
        }
        // A shard that has not begun has a journal at most.
        if let Some(manifest) = Manifest::read(&path)? {
            shards.push((shard, ShardFolder::new(path, manifest)?));
        }
    }
    for (index, (named, shard)) in shards.iter().enumerate() {
        shards[..index].iter().try_for_each(|(_, before)| before.check_belongs(shard))?;
        shard.check_name(*named)?;
    }
    let mut shards: Vec<ShardFolder> = shards.into_iter().map(|(_, shard)| shard).collect();
    if let (Some(own), Some(first)) = (own, shards.first()) {
        check_identity((folder, &own), (&first.path, &first.manifest))?;
    }
    shards.retain(|shard| shard.manifest.ended.is_some());
    let Some(first) = shards.first() else {
        bail!("no shard in {} has finished. Wait for the job array, or repeat its command", folder.display());
    };
    let cells = AllCells::of(&shards, first.manifest.swept.clone());
    merge(&shards, &cells).map(Some)
}

/// The folder of a shard that has begun.
struct ShardFolder {
    path: PathBuf,
    manifest: Manifest,
    part: ShardPart,
}

impl ShardFolder {
    fn new(path: PathBuf, manifest: Manifest) -> Result<Self> {
        let part = manifest.shard.clone();
        let part =
            part.with_context(|| format!("{} has the name of a shard, but holds a whole run", path.display()))?;
        Ok(Self { path, manifest, part })
    }

    /// Checks that the folder has the name of its shard.
    fn check_name(&self, named: Shard) -> Result<()> {
        if (self.part.index, self.part.count) != (named.index(), named.count()) {
            bail!(
                "{} holds shard {} of {}, which the folder's name contradicts. Give the folder its former name",
                self.path.display(),
                self.part.index,
                self.part.count
            );
        }
        Ok(())
    }

    /// Checks that two shards are parts of one run.
    fn check_belongs(&self, other: &Self) -> Result<()> {
        let refuse = |what: String| refusal(&self.path, &other.path, &what);
        if self.part.count != other.part.count {
            return refuse(format!(
                "the run was divided into {} shards here and {} there",
                self.part.count, other.part.count
            ));
        }
        if self.part.index == other.part.index {
            return refuse(format!(
                "both hold shard {} of {}, so their cells overlap",
                self.part.index, self.part.count
            ));
        }
        if self.manifest.version != other.manifest.version {
            return refuse(format!(
                "version {} wrote the tables here and version {} there",
                self.manifest.version, other.manifest.version
            ));
        }
        check_identity((&self.path, &self.manifest), (&other.path, &other.manifest))?;
        if self.manifest.ended.is_none() || other.manifest.ended.is_none() {
            return Ok(());
        }
        let cells = || self.part.cells.iter().zip(&other.part.cells);
        if self.manifest.swept != other.manifest.swept
            || self.part.cells.len() != other.part.cells.len()
            || cells().any(|(one, other)| (one.place, one.shard) != (other.place, other.shard))
        {
            return refuse(
                "they list other cells, because the thresholds differ: the weak model gave them other answers. Name the thresholds, \
                 or use one journal for all shards"
                    .to_owned(),
            );
        }
        let differs = |(one, other): &(&ShardCell, &ShardCell)| {
            one.threshold.zip(other.threshold).is_some_and(|(one, other)| one.total_cmp(&other).is_ne())
        };
        if let Some((one, other)) = cells().find(differs) {
            return refuse(format!(
                "{} has λ {} here and {} there: the models gave other answers to the calibration items. Use one journal for all shards",
                one.place.arm,
                one.threshold.unwrap_or_default(),
                other.threshold.unwrap_or_default()
            ));
        }
        Ok(())
    }

    /// Reads the tables, and checks that they have the records of the shard's cells and no others.
    fn tables(&self) -> Result<RunTables> {
        let tables = RunTables::read(&self.path)?;
        let swept = self.manifest.swept.as_deref();
        let shards: BTreeMap<CellPlace, usize> = self.part.cells.iter().map(|cell| (cell.place, cell.shard)).collect();
        let mut present = BTreeSet::new();
        for key in tables.records.iter().map(|record| &record.cell) {
            let place = place(key, swept);
            let shard = place.and_then(|place| shards.get(&place));
            if shard != Some(&self.part.index) {
                let owner = shard.and_then(|index| Shard::new(*index, self.part.count).ok());
                bail!(
                    "{} and {} overlap: the tables of the first have records of {} in order {}, a cell of the second. Repeat the shard \
                     with --fresh",
                    self.path.display(),
                    owner.map_or_else(|| "no shard".to_owned(), Shard::folder_name),
                    key.arm,
                    key.order
                );
            }
            present.extend(place);
        }
        let is_left_out =
            |cell: &ShardCell| self.manifest.left_out.iter().any(|left_out| left_out.arm == cell.place.arm);
        if let Some(cell) = self.part.own().find(|cell| !present.contains(&cell.place) && !is_left_out(cell)) {
            bail!(
                "{} lacks the records of {} in order {}. Repeat the shard with --fresh",
                self.path.display(),
                cell.place.arm,
                cell.place.order
            );
        }
        Ok(tables)
    }
}

/// Checks that two folders hold parts of one run.
fn check_identity((folder, manifest): (&Path, &Manifest), (other, theirs): (&Path, &Manifest)) -> Result<()> {
    let differences = differences(&theirs.identity, &manifest.identity);
    if differences.is_empty() {
        return Ok(());
    }
    refusal(folder, other, &format!("they hold other runs (here: the first folder):\n  {}", differences.join("\n  ")))
}

fn refusal(folder: &Path, other: &Path, what: &str) -> Result<()> {
    bail!("{} and {} do not belong together: {what}. Move one of them away", folder.display(), other.display())
}

/// Place of a record's cell. `swept` has the thresholds of a sweep. `None` if the sweep has no such threshold.
fn place(key: &CellKey, swept: Option<&[f64]>) -> Option<CellPlace> {
    let lambda = lambda_place(key.threshold, swept)?;
    Some(CellPlace { arm: key.arm, order: key.order, lambda })
}

/// Place of λ among the thresholds of a sweep; 0 in a run with one λ.
fn lambda_place(threshold: Option<f64>, swept: Option<&[f64]>) -> Option<usize> {
    match (swept, threshold) {
        (Some(swept), Some(threshold)) => swept.iter().position(|lambda| lambda.total_cmp(&threshold).is_eq()),
        _ => Some(0),
    }
}

/// All cells of a run, with what the finished shards know of them.
struct AllCells {
    cells: Vec<ShardCell>,
    swept: Option<Vec<f64>>,
    left_out: Vec<LeftOut>,
}

impl AllCells {
    fn of(shards: &[ShardFolder], swept: Option<Vec<f64>>) -> Self {
        let mut cells = shards.first().map(|shard| shard.part.cells.clone()).unwrap_or_default();
        for shard in shards {
            for (cell, other) in cells.iter_mut().zip(&shard.part.cells) {
                cell.threshold = cell.threshold.or(other.threshold);
            }
        }
        let mut all = Self { cells, swept, left_out: Vec::new() };
        for left_out in shards.iter().flat_map(|shard| &shard.manifest.left_out) {
            if !all.left_out.contains(left_out) {
                all.left_out.push(left_out.clone());
            }
        }
        let mut left_out = std::mem::take(&mut all.left_out);
        left_out.sort_by_key(|cell| all.rank_of_left_out(cell));
        Self { left_out, ..all }
    }

    /// Place in the order of the records.
    fn rank(&self, place: CellPlace) -> usize {
        self.cells.iter().position(|cell| cell.place == place).unwrap_or(usize::MAX)
    }

    /// Rank of a left-out cell in a run's own list: a run lists the cells of its first stage, then the arms that were
    /// left out before any cell ran, then the cells of the thresholds of a sweep.
    fn rank_of_left_out(&self, cell: &LeftOut) -> (usize, usize) {
        let repeated = cell.arm.deferral() == Deferral::BelowThreshold;
        if repeated && cell.threshold.is_none() {
            return (1, 0);
        }
        let place = lambda_place(cell.threshold, self.swept.as_deref());
        let rank = place.map_or(usize::MAX, |lambda| self.rank(CellPlace { arm: cell.arm, order: cell.order, lambda }));
        (if repeated && self.swept.is_some() { 2 } else { 0 }, rank)
    }

    /// True if the arm is left out at this λ. Figures of an arm cover all orders that have run, or none.
    fn is_left_out(&self, place: CellPlace) -> bool {
        let same = |lambda| lambda_place(lambda, self.swept.as_deref()) == Some(place.lambda);
        self.left_out.iter().any(|cell| cell.arm == place.arm && (cell.threshold.is_none() || same(cell.threshold)))
    }

    /// Sorts what belongs to cells by the order of the records, and drops what belongs to left-out cells.
    fn in_order<T>(&self, rows: Vec<T>, cell: impl Fn(&T) -> (Arm, usize, Option<f64>)) -> Vec<T> {
        let ranks: BTreeMap<CellPlace, usize> =
            self.cells.iter().enumerate().map(|(rank, cell)| (cell.place, rank)).collect();
        let ranked = rows.into_iter().filter_map(|row| {
            let (arm, order, threshold) = cell(&row);
            let place = CellPlace { arm, order, lambda: lambda_place(threshold, self.swept.as_deref())? };
            (!self.is_left_out(place)).then_some((*ranks.get(&place)?, row))
        });
        let mut ranked: Vec<(usize, T)> = ranked.collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        ranked.into_iter().map(|(_, row)| row).collect()
    }

    /// Shards that the merged run has, and the cells that it lacks.
    fn merged(&self, shards: &[ShardFolder], count: usize) -> MergedShards {
        let shards: Vec<usize> = shards.iter().map(|shard| shard.part.index).collect();
        let missing = self.cells.iter().filter(|cell| !shards.contains(&cell.shard)).cloned().collect();
        MergedShards { count, shards, missing }
    }
}

fn merge(shards: &[ShardFolder], cells: &AllCells) -> Result<MergedRun> {
    let mut tables = RunTables { records: Vec::new(), calibration: Vec::new(), missing_columns: Vec::new() };
    let (mut strategies, mut texts) = (Vec::new(), Texts::new());
    for shard in shards {
        let RunTables { records, calibration, missing_columns } = shard.tables()?;
        tables.records.extend(records);
        let known: Vec<Arm> = tables.calibration.iter().map(|record: &Record| record.cell.arm).collect();
        tables.calibration.extend(calibration.into_iter().filter(|record| !known.contains(&record.cell.arm)));
        for lacking in missing_columns {
            if !tables.missing_columns.contains(&lacking) {
                tables.missing_columns.push(lacking);
            }
        }
        strategies.extend(saved_lines(&shard.path)?);
        texts.extend(unparsed::texts(&shard.path.join(unparsed::FILE))?);
    }
    let of_record = |record: &Record| (record.cell.arm, record.cell.order, record.cell.threshold);
    tables.records = cells.in_order(tables.records, of_record);
    mark_shared_calls(&mut tables.records);
    // All calibrated gates use weak-only's answers, or those of their own arm.
    let rank = |arm: Arm| cells.cells.iter().position(|cell| cell.place.arm == arm);
    tables.calibration.sort_by_key(|record| (record.cell.arm != Arm::WeakOnly).then(|| rank(record.cell.arm)));
    mark_shared_calls(&mut tables.calibration);
    let strategies = cells.in_order(strategies, |(saved, _)| saved.cell());
    if let (true, Some(first)) = (tables.records.is_empty(), cells.left_out.first()) {
        bail!("no arm has all of its calls recorded. The first missing call is {}", left_out::missing(&first.lacks));
    }
    let stored: Vec<StoredFacts> = strategies.iter().map(|(saved, _)| saved.facts()).collect();
    let unparsed = unparsed::written(&tables.records, &texts)?;
    let manifest = manifest(shards, cells, &tables, &stored)?;
    let lines: Vec<u8> = strategies.into_iter().flat_map(|(_, line)| (line + "\n").into_bytes()).collect();
    let mut collected = vec![(strategies::FILE.to_owned(), lines)];
    if !unparsed.is_empty() {
        collected.push((unparsed::FILE.to_owned(), unparsed));
    }
    Ok(MergedRun { finished: FinishedRun::of_tables(manifest, tables)?, collected })
}

/// The strategies of a shard, each with its line.
fn saved_lines(folder: &Path) -> Result<Vec<(SavedStrategy, String)>> {
    let path = folder.join(strategies::FILE);
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(strategies::parse(&text, &path)?.into_iter().zip(text.lines().map(str::to_owned)).collect())
}

/// The manifest of the merged run.
fn manifest(
    shards: &[ShardFolder],
    cells: &AllCells,
    RunTables { records, calibration, .. }: &RunTables,
    stored: &[StoredFacts],
) -> Result<Manifest> {
    let first = shards.first().context("no shard has finished")?;
    let config = config_of(&first.manifest)?;
    let answered_by = answered_by(records.iter().chain(calibration));
    let gates = if cells.swept.is_some() { Vec::new() } else { warnings::of_gates(records) };
    let asked = config.levels.iter().filter_map(|name| config.models.iter().find(|entry| entry.name == *name));
    let of_records = warnings::of_records(asked.map(AskedModel::of_raw), (records, stored), calibration, &answered_by);
    let mut warnings = [first.part.warnings.clone(), gates, of_records].concat();
    warnings.extend(of_choice(cells.swept.is_some(), &config));
    let all = || shards.iter().map(|shard| &shard.manifest);
    let mut left_out = cells.left_out.clone();
    left_out.dedup();
    Ok(Manifest {
        warnings,
        left_out,
        answered_by: json!(answered_by),
        started: all().map(|manifest| manifest.started.clone()).min().unwrap_or_default(),
        ended: all().filter_map(|manifest| manifest.ended.clone()).max(),
        calls_made: all().map(|manifest| manifest.calls_made).sum(),
        spent: spent(all().map(|manifest| &manifest.spent), &first.manifest.prices)?,
        shard: None,
        merged: Some(cells.merged(shards, first.part.count)),
        ..first.manifest.clone()
    })
}
