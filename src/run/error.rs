//! Errors of runs.

use anyhow::Error;

use crate::cascade::level::StepError;
use crate::config::error::{ConfigError, ConfigFault};
use crate::config::suggest::UnknownName;
use crate::report::left_out::missing;
use crate::types::left_out::Unrecorded;
use crate::types::model::ModelError;

/// Error of a run that could not start or ended early. Every answer that was paid for is in the run's journal. The text
/// of each error names the fault and a remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The config, an override, or a file that the config names is invalid.
    #[error("{0:#}")]
    Config(Error),
    /// The data set is missing or faulty.
    #[error("{0:#}")]
    Data(Error),
    /// Weights are missing, damaged or cannot be loaded.
    #[error("{0:#}")]
    Weights(Error),
    /// The folder holds another run or unknown files, or another process is using the folder.
    #[error("{0:#}")]
    Folder(Error),
    /// A journal cannot be read or written, or lacks required data.
    #[error("{0:#}")]
    Journal(Error),
    /// A call returned no usable answer.
    #[error("{0:#}")]
    Model(Error),
    /// Only recorded answers may be used, and too few calls are recorded for any result.
    #[error(
        "{what}: some calls are not recorded, and --offline forbids making them. The first missing call is {}. Drop --offline, or \
         name a recording that holds the calls with --journal",
        missing(lacks)
    )]
    NotRecorded {
        /// Result that cannot be computed.
        what: String,
        /// First call that is not recorded.
        lacks: Unrecorded,
    },
    /// The next call could exceed the fee limit.
    #[error("{0:#}")]
    FeeLimit(Error),
    /// A provider refused more items than the config allows.
    #[error("{0:#}")]
    TooManyRefused(Error),
    /// The caller stopped the run.
    #[error("stopped; every answer so far is in the journal, and the same command resumes")]
    Stopped,
    /// The outputs cannot be computed, written or read.
    #[error("{0:#}")]
    Output(Error),
}

impl From<ConfigError> for RunError {
    fn from(error: ConfigError) -> Self {
        let make = match error.fault() {
            ConfigFault::Dataset(_) => Self::Data,
            ConfigFault::Weights(_) => Self::Weights,
            _ => Self::Config,
        };
        make(error.into())
    }
}

impl From<UnknownName> for RunError {
    fn from(unknown: UnknownName) -> Self {
        ConfigError::from(unknown).into()
    }
}

impl RunError {
    /// Converts the error of a failed step. `consequence` says what the error means for the run and precedes the
    /// error's text.
    pub(super) fn of_step(error: StepError, consequence: Option<String>) -> Self {
        if let Some(lacks) = error.unrecorded() {
            return Self::NotRecorded { what: "this flow needs every call".to_owned(), lacks };
        }
        let make = match &error {
            StepError::Call { source: ModelError::FeeLimit(_), .. } => Self::FeeLimit,
            StepError::Call { source: ModelError::TooManyRefused(_), .. } => Self::TooManyRefused,
            _ => Self::Model,
        };
        let error = Error::from(error);
        make(match consequence {
            Some(consequence) => error.context(consequence),
            None => error,
        })
    }

    /// Adds a text in front of the error's text.
    pub(super) fn context(self, text: String) -> Self {
        if let Self::NotRecorded { what, lacks } = self {
            return Self::NotRecorded { what: format!("{text}: {what}"), lacks };
        }
        let of = |make: fn(Error) -> Self, error: Error| make(error.context(text));
        match self {
            Self::NotRecorded { .. } => self,
            Self::Config(error) => of(Self::Config, error),
            Self::Data(error) => of(Self::Data, error),
            Self::Weights(error) => of(Self::Weights, error),
            Self::Folder(error) => of(Self::Folder, error),
            Self::Journal(error) => of(Self::Journal, error),
            Self::Model(error) => of(Self::Model, error),
            Self::FeeLimit(error) => of(Self::FeeLimit, error),
            Self::TooManyRefused(error) => of(Self::TooManyRefused, error),
            Self::Stopped => Self::Stopped,
            Self::Output(error) => of(Self::Output, error),
        }
    }
}
