//! Fees of a command's calls: of this execution, of the whole run, and of all runs of the project.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;

use super::Sources;
use super::project::Project;
use crate::analysis::metrics::Prices;
use crate::config::resolved::ResolvedConfig;
use crate::gateway::journal::neighbours::Account;
use crate::gateway::journal::shared::{Scope, SharedLimit};
use crate::gateway::journal::{Journal, Spend};
use crate::report::manifest::Manifest;
use crate::types::price::Fee;

/// A sum of fees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeeTotal {
    /// Fee of answered calls.
    pub fee: Fee,
    /// Upper bound of the fee of attempts without an answer.
    pub lost: Fee,
    /// Names of the models without a price. Their calls are not in the sums.
    pub unpriced: BTreeSet<String>,
    /// True if the sums contain a nominal price and therefore are not real money.
    pub nominal: bool,
}

impl FeeTotal {
    /// Fees of an account at these prices.
    pub(super) fn of(account: &Account, prices: &Prices) -> Self {
        let mut total = Self::default();
        for (answered, spends) in [(true, &account.spent), (false, &account.lost)] {
            for (name, Spend { usage, .. }) in spends {
                let Some(price) = prices.get(name).and_then(Option::as_ref) else {
                    total.unpriced.insert(name.clone());
                    continue;
                };
                let sum = if answered { &mut total.fee } else { &mut total.lost };
                *sum = sum.plus(price.fee(*usage));
                total.nominal |= price.nominal;
            }
        }
        for (name, Spend { usage, .. }) in &account.batched {
            if let Some(price) = prices.get(name).and_then(Option::as_ref) {
                total.fee = total.fee.minus(price.saved_by_batch(*usage));
            }
        }
        total
    }

    /// Adds the sums of another total.
    pub(super) fn add(&mut self, other: &Self) {
        self.fee = self.fee.plus(other.fee);
        self.lost = self.lost.plus(other.lost);
        self.unpriced.extend(other.unpriced.iter().cloned());
        self.nominal |= other.nominal;
    }

    /// Fees since the earlier total `before`.
    fn since(mut self, before: &Self) -> Self {
        self.fee = self.fee.minus(before.fee);
        self.lost = self.lost.minus(before.lost);
        self
    }

    /// Upper bound of the fee, including attempts without an answer. Fee limits apply to this value.
    pub(super) fn upper_bound(&self) -> Fee {
        self.fee.plus(self.lost)
    }

    fn describe(&self) -> String {
        let nominal = if self.nominal { " (nominal)" } else { "" };
        let lost = match self.lost.usd() {
            lost if lost > 0.0 => format!(", and at most {lost:.6} USD for attempts without an answer"),
            _ => String::new(),
        };
        format!("{:.6} USD{nominal}{lost}", self.fee.usd())
    }
}

/// Spending of a command so far.
#[derive(Debug, Clone, Default)]
pub struct Money {
    /// Number of calls that this execution made.
    pub calls: u64,
    /// Number of answers that this execution copied from other journals.
    pub imported: u64,
    /// Fees of the calls that this execution made.
    pub now: FeeTotal,
    /// Fees of all calls of each journal in use, by the journal's path.
    runs: BTreeMap<PathBuf, FeeTotal>,
    /// Project folder and fees of all runs in it; `None` outside a project.
    project: Option<(PathBuf, FeeTotal)>,
    /// Address of the shared journal and fees of all workers of the run; `None` if the journal is not shared.
    workers: Option<(String, FeeTotal)>,
}

impl Money {
    /// Adds the spending of a session.
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
            let mut all = neighbours(journal, prices)?;
            all.add(&run);
            self.project = Some((project.root().to_owned(), all));
        }
        self.runs.insert(journal.path().to_owned(), run);
        if let Some((place, account)) = journal.shared_account(false)? {
            self.workers = Some((place, FeeTotal::of(&account, prices)));
        }
        Ok(())
    }

    /// Line on spending: of this execution, of the whole run if higher, and of all runs of the project if higher.
    #[must_use]
    pub fn line(&self) -> String {
        let mut run = FeeTotal::default();
        self.runs.values().for_each(|total| run.add(total));
        let mut parts = vec![format!("spent now: {} calls for {}", self.calls, self.now.describe())];
        if run.upper_bound() > self.now.upper_bound() {
            parts.push(format!("{} by this run in total", run.describe()));
        }
        if let Some((root, all)) = self.project.as_ref().filter(|(_, all)| all.upper_bound() > run.upper_bound()) {
            parts.push(format!("{} by all runs in {}", all.describe(), folder_name(root)));
        }
        if let Some((place, all)) = &self.workers {
            parts.push(format!("{} by all workers of this run in {place}", all.describe()));
        }
        let unpriced: Vec<String> = self.now.unpriced.iter().map(|name| format!("`{name}`")).collect();
        if !unpriced.is_empty() {
            parts.push(format!(
                "no price is known for {}, so the sums do not contain these calls",
                unpriced.join(" and ")
            ));
        }
        parts.join("; ")
    }

    /// Line on the spending of a command that failed; `None` if no call was made.
    #[must_use]
    pub fn so_far(&self) -> Option<String> {
        (self.calls > 0).then(|| format!("spent so far in {}: {}", self.folders(), self.calls_made()))
    }

    /// Line on the spending of a command that was stopped; `None` if no call was made.
    #[must_use]
    pub fn stopped(&self) -> Option<String> {
        (self.calls > 0).then(|| {
            format!(
                "stopped after {}; every answer so far is in {}, and the same command resumes",
                self.calls_made(),
                self.folders()
            )
        })
    }

    fn calls_made(&self) -> String {
        format!("{} {} for {}", self.calls, if self.calls == 1 { "call" } else { "calls" }, self.now.describe())
    }

    /// Folders of the journals in use.
    fn folders(&self) -> String {
        let folders = self.runs.keys().map(|journal| journal.parent().unwrap_or(journal).display().to_string());
        folders.collect::<Vec<_>>().join(" and ")
    }
}

fn folder_name(root: &Path) -> String {
    if root == Path::new(".") { "the working folder".to_owned() } else { root.display().to_string() }
}

/// Prices for the calls of a journal: of the run's models, and of all other models in the config or `models.toml`.
pub(super) fn prices(resolved: &ResolvedConfig) -> Prices {
    let mut prices = resolved.prices();
    for entry in &resolved.known {
        prices.entry(entry.name.clone()).or_insert_with(|| entry.price.clone());
    }
    prices
}

/// A worker's share of a run: limits over all workers, and the prices by which they are kept.
pub(super) fn scope(resolved: &ResolvedConfig, retries_refused: bool) -> Scope {
    let config = &resolved.config;
    let limit = |key, usd: Option<f64>, all_runs| usd.map(|usd| SharedLimit { key, usd, all_runs });
    let limits = [
        limit("limits.max_fee_usd", config.limits.max_fee_usd, false),
        limit("limits.max_total_fee_usd", config.limits.max_total_fee_usd, true),
    ];
    let (run, limits) = (config.name.clone(), limits.into_iter().flatten().collect());
    Scope { run, limits, prices: prices(resolved), retries_refused }
}

/// Fees of the neighbouring runs, at the prices of each run's manifest, or at `prices` for models that the manifest
/// lacks.
pub(super) fn neighbours(journal: &Journal, prices: &Prices) -> Result<FeeTotal> {
    let mut total = FeeTotal::default();
    for (path, account) in journal.neighbours()? {
        let manifest = path.parent().and_then(|folder| Manifest::read(folder).ok().flatten());
        let mut own = manifest.map(|manifest| manifest.prices).unwrap_or_default();
        for (name, price) in prices {
            own.entry(name.clone()).or_insert_with(|| price.clone());
        }
        total.add(&FeeTotal::of(&account, &own));
    }
    Ok(total)
}

/// Counter of a session's spending. When dropped, it adds the spending to the command's account, even after an error.
pub(super) struct SpendMeter<'a> {
    resolved: &'a ResolvedConfig,
    sources: &'a Sources,
    journal: Arc<Journal>,
    project: Option<Project>,
    before: FeeTotal,
}

impl<'a> SpendMeter<'a> {
    /// Starts the count.
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
        // An unreadable journal has already stopped the run with an error.
        let _ = money.add(&self.journal, &self.before, self.project.as_ref(), &prices(self.resolved));
    }
}
