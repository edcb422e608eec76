//! What the calls of a command have cost: now, by its run in all, and by all runs of the project.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;

use super::Sources;
use super::project::Project;
use crate::analysis::metrics::Prices;
use crate::config::resolved::ResolvedConfig;
use crate::gateway::journal::neighbours::Account;
use crate::gateway::journal::{Journal, Spend};
use crate::report::manifest::Manifest;
use crate::types::price::Fee;

/// A sum of fees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeeTotal {
    /// The fee of answered calls.
    pub fee: Fee,
    /// The most that attempts without an answer may have cost.
    pub lost: Fee,
    /// The names of the models whose calls have no price, and are not in the sums.
    pub unpriced: BTreeSet<String>,
    /// Whether a price among those of the sums is nominal, so that the sums are no money.
    pub nominal: bool,
}

impl FeeTotal {
    /// The fees of an account by these prices.
    pub(super) fn of(account: &Account, prices: &Prices) -> Self {
        let mut paid = Self::default();
        for (answered, taken) in [(true, &account.spent), (false, &account.lost)] {
            for (name, Spend { usage, .. }) in taken {
                let Some(price) = prices.get(name).and_then(Option::as_ref) else {
                    paid.unpriced.insert(name.clone());
                    continue;
                };
                let sum = if answered { &mut paid.fee } else { &mut paid.lost };
                *sum = sum.plus(price.fee(*usage));
                paid.nominal |= price.nominal;
            }
        }
        paid
    }

    /// Adds other fees.
    pub(super) fn add(&mut self, other: &Self) {
        self.fee = self.fee.plus(other.fee);
        self.lost = self.lost.plus(other.lost);
        self.unpriced.extend(other.unpriced.iter().cloned());
        self.nominal |= other.nominal;
    }

    /// What was paid since `before`.
    fn since(mut self, before: &Self) -> Self {
        self.fee = self.fee.minus(before.fee);
        self.lost = self.lost.minus(before.lost);
        self
    }

    /// The sum of both, which a limit counts.
    pub(super) fn most(&self) -> Fee {
        self.fee.plus(self.lost)
    }

    fn words(&self) -> String {
        let nominal = if self.nominal { " (nominal)" } else { "" };
        let lost = match self.lost.usd() {
            lost if lost > 0.0 => format!(", and at most {lost:.6} USD for attempts without an answer"),
            _ => String::new(),
        };
        format!("{:.6} USD{nominal}{lost}", self.fee.usd())
    }
}

/// What a command has spent so far.
#[derive(Debug, Clone, Default)]
pub struct Money {
    /// Calls that were made now.
    pub calls: u64,
    /// Answers that were copied from other journals now.
    pub imported: u64,
    /// What the calls that were made now have cost.
    pub now: FeeTotal,
    /// What all calls of each journal that was used have cost, by its file.
    runs: BTreeMap<PathBuf, FeeTotal>,
    /// What all runs of the project have cost, with the project's folder.
    project: Option<(PathBuf, FeeTotal)>,
}

impl Money {
    /// Counts what a session has spent.
    fn add(&mut self, journal: &Journal, before: &FeeTotal, project: Option<&Project>, prices: &Prices) -> Result<()> {
        let run = FeeTotal::of(&journal.account()?, prices);
        self.calls += journal.calls_made();
        self.imported += journal.calls_imported();
        let mut now = run.clone().since(before);
        if journal.calls_made() == 0 {
            now.unpriced.clear();
        }
        self.now.add(&now);
        if let Some(project) = project {
            let mut all = beside(journal, prices)?;
            all.add(&run);
            self.project = Some((project.root().to_owned(), all));
        }
        self.runs.insert(journal.path().to_owned(), run);
        Ok(())
    }

    /// A line on what was spent: now, by the run in all if that is more, and by all runs of the project if that is more.
    #[must_use]
    pub fn line(&self) -> String {
        let mut run = FeeTotal::default();
        self.runs.values().for_each(|paid| run.add(paid));
        let mut parts = vec![format!("spent now: {} calls for {}", self.calls, self.now.words())];
        if run.most() > self.now.most() {
            parts.push(format!("{} by this run in all", run.words()));
        }
        if let Some((root, all)) = self.project.as_ref().filter(|(_, all)| all.most() > run.most()) {
            parts.push(format!("{} by all runs in {}", all.words(), shown(root)));
        }
        let unpriced: Vec<String> = self.now.unpriced.iter().map(|name| format!("`{name}`")).collect();
        if !unpriced.is_empty() {
            parts.push(format!(
                "no price is known for {}, so what it cost is not in these sums",
                unpriced.join(" and ")
            ));
        }
        parts.join("; ")
    }

    /// A line on what was spent so far by a command that did not come to its end; `None` if no call was made.
    #[must_use]
    pub fn so_far(&self) -> Option<String> {
        (self.calls > 0).then(|| format!("so far in {}: {}", self.places(), self.made()))
    }

    /// The sentence on a command that was asked to stop; `None` if no call was made.
    #[must_use]
    pub fn stopped(&self) -> Option<String> {
        (self.calls > 0).then(|| {
            format!(
                "stopped after {}; every answer so far is kept in {}, and the same command goes on from there",
                self.made(),
                self.places()
            )
        })
    }

    fn made(&self) -> String {
        format!("{} {} for {}", self.calls, if self.calls == 1 { "call" } else { "calls" }, self.now.words())
    }

    /// The folders of the journals.
    fn places(&self) -> String {
        let folders = self.runs.keys().map(|journal| journal.parent().unwrap_or(journal).display().to_string());
        folders.collect::<Vec<_>>().join(" and ")
    }
}

fn shown(root: &Path) -> String {
    if root == Path::new(".") { "the working folder".to_owned() } else { root.display().to_string() }
}

/// The prices by which a journal's calls are counted: those of the run's models, and of all others that a config or
/// `models.toml` names.
pub(super) fn prices(resolved: &ResolvedConfig) -> Prices {
    let mut prices = resolved.prices();
    for entry in &resolved.known {
        prices.entry(entry.name.clone()).or_insert_with(|| entry.price.clone());
    }
    prices
}

/// What the runs beside this one have paid, each by the prices of its own manifest as far as it has them.
pub(super) fn beside(journal: &Journal, prices: &Prices) -> Result<FeeTotal> {
    let mut paid = FeeTotal::default();
    for (path, account) in journal.neighbours()? {
        let manifest = path.parent().and_then(|folder| Manifest::read(folder).ok().flatten());
        let mut own = manifest.map(|manifest| manifest.prices).unwrap_or_default();
        for (name, price) in prices {
            own.entry(name.clone()).or_insert_with(|| price.clone());
        }
        paid.add(&FeeTotal::of(&account, &own));
    }
    Ok(paid)
}

/// Counts what a session spends, and adds it to its command's account at the end of the session, however it ends.
pub(super) struct SpendMeter<'a> {
    resolved: &'a ResolvedConfig,
    sources: &'a Sources,
    journal: Arc<Journal>,
    project: Option<Project>,
    before: FeeTotal,
}

impl<'a> SpendMeter<'a> {
    /// Begins to count.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub(super) fn open(
        (resolved, sources): (&'a ResolvedConfig, &'a Sources),
        journal: &Arc<Journal>,
        project: Option<Project>,
    ) -> Result<Self> {
        let before = FeeTotal::of(&journal.account()?, &prices(resolved));
        Ok(Self { resolved, sources, journal: Arc::clone(journal), project, before })
    }
}

impl Drop for SpendMeter<'_> {
    fn drop(&mut self) {
        let mut money = self.sources.account();
        // A journal that cannot be read has stopped the run already, with an error that says so.
        let _ = money.add(&self.journal, &self.before, self.project.as_ref(), &prices(self.resolved));
    }
}
