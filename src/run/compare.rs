//! Two finished runs side by side, paired item by item.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use anyhow::anyhow;

use super::error::RunError;
use super::outputs::Kept;
use crate::report::compare::{differences, same_data, tables};
use crate::types::arm::Arm;
use crate::types::item::ItemId;
use crate::types::record::Record;

/// Two runs over the same data.
pub struct Compared {
    first: Kept,
    second: Kept,
    /// What differs between the runs, then what figures of one are missing.
    pub notes: Vec<String>,
}

/// Reads two runs.
///
/// # Errors
/// [`RunError::Output`] if a run cannot be read; [`RunError::Data`] if they took other data.
pub fn compare(first: &Path, second: &Path) -> Result<Compared, RunError> {
    let runs = [first, second].map(|folder| Kept::read(folder).map_err(RunError::Output));
    let [one, other] = runs;
    let runs = [(one?, first), (other?, second)];
    let [(one, _), (other, _)] = &runs;
    if !same_data(&one.manifest, &other.manifest) {
        return Err(RunError::Data(anyhow!(
            "the runs took other data sets, or other versions of one: no item is in both"
        )));
    }
    let mut notes = differences(&one.manifest, &other.manifest);
    for (run, folder) in &runs {
        notes.extend(run.lacking.iter().map(|lacking| format!("note: {}: {}", folder.display(), lacking.told())));
    }
    let [(mut first, _), (mut second, _)] = runs;
    notes.extend(share_items(&mut first, &mut second));
    Ok(Compared { first, second, notes })
}

/// Leaves in both runs the records of the items that both have, arm by arm and order by order, and says what is left out.
fn share_items(first: &mut Kept, second: &mut Kept) -> Vec<String> {
    let keys = |kept: &Kept| kept.records.iter().map(place).collect::<HashSet<_>>();
    let both = [keys(first), keys(second)];
    let mut notes = Vec::new();
    for (kept, other, name) in [(&mut *first, &both[1], "first"), (&mut *second, &both[0], "second")] {
        let mut left_out: BTreeMap<Arm, (HashSet<Place>, HashSet<Place>)> = BTreeMap::new();
        for record in &kept.records {
            let (all, without) = left_out.entry(record.cell.arm).or_default();
            all.insert(place(record));
            if !other.contains(&place(record)) {
                without.insert(place(record));
            }
        }
        kept.records.retain(|record| other.contains(&place(record)));
        let mut by_count: BTreeMap<(usize, usize), Vec<&str>> = BTreeMap::new();
        for (arm, (all, without)) in left_out.iter().filter(|(_, (_, without))| !without.is_empty()) {
            by_count.entry((without.len(), all.len())).or_default().push(arm.name());
        }
        notes.extend(by_count.into_iter().map(|((without, all), arms)| {
            format!(
                "note: left out of the {name} run, since the other has no such item: {without} of {all} items of {}",
                arms.join(", ")
            )
        }));
    }
    notes
}

/// An item of an arm in an order.
type Place = (Arm, usize, ItemId);

fn place(record: &Record) -> Place {
    (record.cell.arm, record.cell.order, record.item_id.clone())
}

impl Compared {
    /// The tables of both runs for a terminal of `width` columns.
    #[must_use]
    pub fn tables(&self, width: u16) -> String {
        tables(&self.first.comparison(), &self.second.comparison(), width)
    }
}
