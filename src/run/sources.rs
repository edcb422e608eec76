//! Sources of a run's answers besides its own journal.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, anyhow};

use super::error::RunError;
use super::money::Money;
use crate::config::resolved::ResolvedConfig;
use crate::gateway::journal;
use crate::gateway::journal::address::ServerAddress;

/// Sources of answers. By default, models are called for everything that no journal holds.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Paths of other journals, exports, or folders of exports.
    pub journals: Vec<PathBuf>,
    /// Journal on a server, which several workers share; at most one. Without it only the run's own journal is written.
    pub shared: Vec<ServerAddress>,
    /// True if only answers of journals may be used: no model, no weights, no network.
    pub offline: bool,
    /// True if calls that a provider refused are repeated. Existing outputs are moved aside.
    pub retry_refused: bool,
    /// True if the journals of neighbouring runs are ignored.
    pub alone: bool,
    /// Journals whose refused calls were already cleared for repetition. Runs that share a journal clear it once.
    retried: Arc<Mutex<BTreeSet<PathBuf>>>,
    /// Spending through these sources.
    money: Arc<Mutex<Money>>,
}

impl Sources {
    /// Sources with these settings.
    #[must_use]
    pub fn new(journals: Vec<PathBuf>, offline: bool, retry_refused: bool) -> Self {
        Self { journals, offline, retry_refused, ..Self::default() }
    }

    /// Sets whether the journals of neighbouring runs are ignored.
    #[must_use]
    pub fn alone(self, alone: bool) -> Self {
        Self { alone, ..self }
    }

    /// Sets the journal that this run shares with other workers.
    #[must_use]
    pub fn shared(self, shared: Vec<ServerAddress>) -> Self {
        Self { shared, ..self }
    }

    /// Spending through these sources and their clones, of sessions that have ended.
    #[must_use]
    pub fn money(&self) -> Money {
        self.account().clone()
    }

    /// Locks the account of spending.
    pub(super) fn account(&self) -> MutexGuard<'_, Money> {
        self.money.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if answers of neighbouring runs may be used. False for a replay of named journals with `offline`.
    pub(super) fn uses_neighbours(&self) -> bool {
        !self.alone && (!self.offline || (self.journals.is_empty() && self.shared.is_empty()))
    }

    /// These sources for a caller that calls no model.
    #[must_use]
    pub fn without_models(&self) -> Self {
        Self { offline: true, retry_refused: false, ..self.clone() }
    }

    /// These sources with a recording that answers every call.
    #[must_use]
    pub fn replaying(&self, recording: &Path) -> Self {
        let journals = self.journals.iter().cloned().chain([recording.to_owned()]).collect();
        Self { journals, offline: true, retry_refused: false, ..self.clone() }
    }

    /// Loads a config with all files that it names, and checks that its models can be called unless `offline`.
    ///
    /// # Errors
    /// [`RunError::Journal`] if a path of `--journal` does not exist, otherwise the errors of the config.
    pub(super) fn load(&self, config: &Path, overrides: &[String]) -> Result<ResolvedConfig, RunError> {
        let existing = self.journals.iter().try_for_each(|path| journal::check_exists(path));
        existing.context("--journal").map_err(RunError::Journal)?;
        if let [one, other, ..] = &*self.shared {
            let error = anyhow!(
                "--journal names two servers, {one} and {other}: calls are shared through one. Name one of them"
            );
            return Err(RunError::Journal(error));
        }
        let resolved = ResolvedConfig::load(config, overrides)?;
        if !self.offline {
            resolved.check_models().with_context(|| format!("{}", config.display())).map_err(RunError::Config)?;
        }
        Ok(resolved)
    }

    /// True on the first call for a journal: the caller then clears the journal's refused calls.
    pub(super) fn claims_retry(&self, journal: &Path) -> bool {
        self.retried.lock().unwrap_or_else(PoisonError::into_inner).insert(journal.to_owned())
    }
}
