//! Where a run's answers may come from, besides its own journal.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;

use super::error::RunError;
use super::money::Money;
use crate::config::resolved::ResolvedConfig;
use crate::gateway::journal;

/// The sources of answers. By default the models are asked for all that the run's own journal does not hold.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Further journals, exports, or folders of exports.
    pub journals: Vec<PathBuf>,
    /// Whether only answers of journals may be used: no model, no weights, no network.
    pub offline: bool,
    /// Whether what a provider has refused is asked again; outputs that are there are set aside.
    pub retry_refused: bool,
    /// Whether the journals of the runs beside a run are left alone.
    pub alone: bool,
    /// The journals whose refused calls are asked again by now: runs that share one ask once.
    retried: Arc<Mutex<BTreeSet<PathBuf>>>,
    /// What was spent through these sources.
    money: Arc<Mutex<Money>>,
}

impl Sources {
    /// The sources with all that can be chosen of them.
    #[must_use]
    pub fn new(journals: Vec<PathBuf>, offline: bool, retry_refused: bool) -> Self {
        Self { journals, offline, retry_refused, ..Self::default() }
    }

    /// The same that leaves the journals of the runs beside a run alone, or does not.
    #[must_use]
    pub fn alone(self, alone: bool) -> Self {
        Self { alone, ..self }
    }

    /// What was spent so far through these sources and their copies, by sessions that have ended.
    #[must_use]
    pub fn money(&self) -> Money {
        self.account().clone()
    }

    /// The account of what is spent.
    pub(super) fn account(&self) -> MutexGuard<'_, Money> {
        self.money.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether answers of the runs beside a run may be used. Recordings that are to answer alone are not added to.
    pub(super) fn looks_beside(&self) -> bool {
        !self.alone && (!self.offline || self.journals.is_empty())
    }

    /// The same for a caller that asks no model.
    #[must_use]
    pub fn unasked(&self) -> Self {
        Self { offline: true, retry_refused: false, ..self.clone() }
    }

    /// The same with a recording that answers everything.
    #[must_use]
    pub fn replay(&self, recording: &Path) -> Self {
        let journals = self.journals.iter().cloned().chain([recording.to_owned()]).collect();
        Self { journals, offline: true, retry_refused: false, ..self.clone() }
    }

    /// A config with all that it names, whose models can be asked if they may be.
    pub(super) fn load(&self, config: &Path, overrides: &[String]) -> Result<ResolvedConfig, RunError> {
        let there = self.journals.iter().try_for_each(|path| journal::check_there(path));
        there.context("--journal").map_err(RunError::Journal)?;
        let resolved = ResolvedConfig::load(config, overrides)?;
        if !self.offline {
            resolved.check_models().with_context(|| format!("{}", config.display())).map_err(RunError::Config)?;
        }
        Ok(resolved)
    }

    /// Whether the refused calls of a journal are to be forgotten now: true once for each journal.
    pub(super) fn retries_now(&self, journal: &Path) -> bool {
        self.retried.lock().unwrap_or_else(PoisonError::into_inner).insert(journal.to_owned())
    }
}
