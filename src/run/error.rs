//! Why there is no run, or why it ended before its end.

use anyhow::Error;

use crate::cascade::level::StepError;
use crate::config::error::{ConfigError, ConfigFault};
use crate::config::suggest::UnknownName;
use crate::report::left_out::missing;
use crate::types::left_out::Unrecorded;
use crate::types::model::ModelError;

/// A run that could not begin, or that ended early; every answer that was paid for is in its journal. The text of each error
/// names the place and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The config, a value laid over it, or what it names is wrong.
    #[error("{0:#}")]
    Config(Error),
    /// The data set is missing or has faults.
    #[error("{0:#}")]
    Data(Error),
    /// Weights are missing, damaged or cannot be loaded.
    #[error("{0:#}")]
    Weights(Error),
    /// The folder holds another run or files of no run, or another process makes calls there.
    #[error("{0:#}")]
    Folder(Error),
    /// A journal cannot be read or written, or lacks what it should hold.
    #[error("{0:#}")]
    Journal(Error),
    /// A call gave no usable answer.
    #[error("{0:#}")]
    Model(Error),
    /// Only recorded answers may be used, and too few are recorded to show anything.
    #[error(
        "{what}: not all calls were recorded, and --offline forbids making them; the first that is missing is {}. Drop --offline, or \
         name a recording that holds them with --journal",
        missing(lacks)
    )]
    NotRecorded {
        /// What cannot be shown.
        what: String,
        /// The first call that is not recorded.
        lacks: Unrecorded,
    },
    /// The next call could pass the fee limit.
    #[error("{0:#}")]
    FeeLimit(Error),
    /// A provider refused more items than the config allows.
    #[error("{0:#}")]
    TooManyRefused(Error),
    /// The caller stopped the run.
    #[error("stopped; every answer so far is kept, and the same command goes on from there")]
    Stopped,
    /// The outputs cannot be made, written or read back.
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
    /// The error of a step that failed, with what that means for the run in front, if anything.
    pub(super) fn of_step(error: StepError, meaning: Option<String>) -> Self {
        if let Some(lacks) = error.unrecorded() {
            return Self::NotRecorded { what: "this needs every call".to_owned(), lacks };
        }
        let make = match &error {
            StepError::Call { source: ModelError::FeeLimit(_), .. } => Self::FeeLimit,
            StepError::Call { source: ModelError::TooManyRefused(_), .. } => Self::TooManyRefused,
            _ => Self::Model,
        };
        let error = Error::from(error);
        make(match meaning {
            Some(meaning) => error.context(meaning),
            None => error,
        })
    }

    /// The same error with a text in front of its own.
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
