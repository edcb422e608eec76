//! Errors in a config: the fault, which callers can match on, and its places.

use std::fmt::{self, Display, Formatter};
use std::io;
use std::path::PathBuf;

use super::suggest::UnknownName;
use crate::fetch::weights::WeightsError;

/// A fault with its places. The text is one line: the places, from the file inwards, then the fault.
#[derive(Debug)]
pub struct ConfigError {
    places: Vec<String>,
    fault: Box<ConfigFault>,
}

/// Fault in a config.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigFault {
    /// A file or folder cannot be read.
    #[error("{what}")]
    Unreadable {
        /// Failed operation, with the path.
        what: String,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The text is not TOML, a key does not exist, or a value has the wrong type.
    #[error("{}{}{message}", .line.map(|line| format!("line {line}: ")).unwrap_or_default(), .key.as_ref().map(|key| format!("{key}: ")).unwrap_or_default())]
    Syntax {
        /// One-based line. `None` if the text was generated, so the line means nothing to the user.
        line: Option<usize>,
        /// Path of the key, as in `dataset.limit`. `None` if the key is not known.
        key: Option<String>,
        /// Message of the parser, with a suggestion for an unknown name.
        message: String,
    },
    /// The file belongs to another subcommand.
    #[error("this file is {verb} --config {}", .path.display())]
    OtherVerb {
        /// Kind of the file, and the command that reads it.
        verb: &'static str,
        /// Path of the file.
        path: PathBuf,
    },
    /// A `--set` argument is not of the form `key.path=value`.
    #[error("--set {0}: must be key.path=value, as in dataset.limit=50")]
    SetForm(String),
    /// The key of a `--set` argument does not lead to a table of the config.
    #[error("--set {set}: {fault} in {}", .path.display())]
    SetKey {
        /// Argument.
        set: String,
        /// Fault in the key.
        fault: SetFault,
        /// Path of the config.
        path: PathBuf,
    },
    /// The config with its `--set` values cannot be written as TOML.
    #[error(transparent)]
    Unwritable(#[from] toml::ser::Error),
    /// A name does not exist.
    #[error(transparent)]
    Unknown(#[from] UnknownName),
    /// No `[[model]]` has a name that `levels` lists.
    #[error("no model is called `{}`{}; known: {}. Add a [[model]] to the config or to {}", .unknown.name, .unknown.hint(), .unknown.listed(), .models.display())]
    UnknownModel {
        /// Unknown name.
        unknown: UnknownName,
        /// Path of the `models.toml` that the configs of the folder share.
        models: PathBuf,
    },
    /// A value, or a combination of values, is invalid. The text names the key and the fix.
    #[error("{0}")]
    Invalid(String),
    /// A data set cannot be read.
    #[error(transparent)]
    Dataset(anyhow::Error),
    /// The backend rejects the entry of a model.
    #[error(transparent)]
    Model(anyhow::Error),
    /// The catalogue of weights in the config's folder cannot be read.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

/// Fault in the key of a `--set` argument.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetFault {
    /// The config itself has no `[[model]]`.
    #[error("no [[model]] (entries of models.toml can only be changed in that file)")]
    NoModels,
    /// The key names a list of tables without the name of an entry.
    #[error("`{0}` needs a name, as in {0}.NAME.key")]
    NoName(String),
    /// No entry of a list of tables has this name.
    #[error("no `{list}` is called `{name}`")]
    NoEntry {
        /// Key of the list.
        list: String,
        /// Name of the entry, and the rest of the key.
        name: String,
    },
    /// The key continues after a plain value.
    #[error("`{0}` is not a table")]
    NoTable(String),
}

impl ConfigFault {
    /// Returns a function that wraps an I/O error of the operation `what`.
    pub(super) fn unreadable(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        |source| Self::Unreadable { what, source }
    }

    /// Wraps an error of a data set.
    pub(super) fn dataset(error: impl Into<anyhow::Error>) -> Self {
        Self::Dataset(error.into())
    }

    /// Wraps an error of a model's entry.
    pub(super) fn model(error: impl Into<anyhow::Error>) -> Self {
        Self::Model(error.into())
    }
}

impl ConfigError {
    /// Fault, without its places.
    #[must_use]
    pub fn fault(&self) -> &ConfigFault {
        &self.fault
    }

    /// Places of the fault, from the outermost inwards: the file first, then keys or names in the file.
    pub fn places(&self) -> impl Iterator<Item = &str> {
        self.places.iter().rev().map(String::as_str)
    }
}

impl Display for ConfigError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.places().try_for_each(|place| write!(f, "{place}: "))?;
        write!(f, "{}", self.fault)
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.fault.source()
    }
}

impl From<ConfigFault> for ConfigError {
    fn from(fault: ConfigFault) -> Self {
        Self { places: Vec::new(), fault: Box::new(fault) }
    }
}

impl From<UnknownName> for ConfigError {
    fn from(unknown: UnknownName) -> Self {
        ConfigFault::from(unknown).into()
    }
}

/// Error of an invalid value. The message names the key and the fix.
pub(super) fn invalid(message: impl Into<String>) -> ConfigError {
    ConfigFault::Invalid(message.into()).into()
}

/// Extension of results that adds a place to an error.
pub(super) trait At<T> {
    /// Adds `place` as the outermost place of an error.
    fn at(self, place: impl Display) -> Result<T, ConfigError>;
}

impl<T, E: Into<ConfigError>> At<T> for Result<T, E> {
    fn at(self, place: impl Display) -> Result<T, ConfigError> {
        self.map_err(|error| {
            let mut error = error.into();
            error.places.push(place.to_string());
            error
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_lists_places_from_the_file_inwards() {
        let missing = io::Error::new(io::ErrorKind::NotFound, "no such file");
        let error = Err::<(), _>(ConfigFault::unreadable("cannot read y")(missing)).at("dataset").at("x.toml");
        let error = error.expect_err("refused");
        assert_eq!(error.places().collect::<Vec<_>>(), ["x.toml", "dataset"]);
        assert!(matches!(error.fault(), ConfigFault::Unreadable { .. }));
        assert_eq!(error.to_string(), "x.toml: dataset: cannot read y");
        assert_eq!(format!("{:#}", anyhow::Error::from(error)), "x.toml: dataset: cannot read y: no such file");
    }
}
