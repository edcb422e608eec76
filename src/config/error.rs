//! What is wrong with a config, and where: one error that a caller can match on.

use std::fmt::{self, Display, Formatter};
use std::io;
use std::path::PathBuf;

use super::suggest::UnknownName;
use crate::fetch::weights::WeightsError;

/// A fault with the places that it was found in. Its text is one line: the places, from the file inwards, then the fault.
#[derive(Debug)]
pub struct ConfigError {
    places: Vec<String>,
    fault: Box<ConfigFault>,
}

/// The faults.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigFault {
    /// A file or folder that cannot be read.
    #[error("{what}")]
    Unreadable {
        /// The attempt, with the path.
        what: String,
        /// The system's error.
        source: io::Error,
    },
    /// Text that is not TOML, a key that does not exist, or a value of a wrong type.
    #[error("{}{}{message}", .line.map(|line| format!("line {line}: ")).unwrap_or_default(), .key.as_ref().map(|key| format!("{key}: ")).unwrap_or_default())]
    Syntax {
        /// The line, from 1. `None` if the text is not one that was written in lines.
        line: Option<usize>,
        /// The path of the key, as in `dataset.limit`. `None` if it is not known.
        key: Option<String>,
        /// The parser's message, with the nearest right name of a wrong one.
        message: String,
    },
    /// A file that is read by another verb.
    #[error("this is {verb} --config {}", .path.display())]
    OtherVerb {
        /// What the file is, and its verb.
        verb: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A `--set` that is not `key.path=value`.
    #[error("--set {0}: must be key.path=value, as in dataset.limit=50")]
    SetForm(String),
    /// A `--set` whose key leads nowhere in the config.
    #[error("--set {set}: {fault} in {}", .path.display())]
    SetKey {
        /// The argument.
        set: String,
        /// Where the key ends.
        fault: SetFault,
        /// The config.
        path: PathBuf,
    },
    /// A config with its `--set` values that cannot be written as TOML.
    #[error(transparent)]
    Unwritable(#[from] toml::ser::Error),
    /// A name of something that does not exist.
    #[error(transparent)]
    Unknown(#[from] UnknownName),
    /// A name in `levels` that no `[[model]]` has.
    #[error("no model is called `{}`{}; there are: {}. Add a [[model]] there or in {}", .unknown.name, .unknown.hint(), .unknown.listed(), .models.display())]
    UnknownModel {
        /// The name.
        unknown: UnknownName,
        /// The file of models that the configs of the folder share.
        models: PathBuf,
    },
    /// A value, or several together, that a run cannot have; the text names the key and the remedy.
    #[error("{0}")]
    Refused(String),
    /// A data set that cannot be read.
    #[error(transparent)]
    Dataset(anyhow::Error),
    /// An entry of a model that its backend refuses.
    #[error(transparent)]
    Model(anyhow::Error),
    /// A file of weights beside the config that cannot be read.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

/// Why a key of a `--set` leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetFault {
    /// The config has no models of its own.
    #[error("there is no [[model]] (change those of models.toml there)")]
    NoModels,
    /// A list of tables without the name of one.
    #[error("`{0}` needs a name, as in {0}.NAME.key")]
    NoName(String),
    /// A list of tables, none of which has this name.
    #[error("no `{list}` is called `{name}`")]
    NoEntry {
        /// The list's key.
        list: String,
        /// The name, and what follows it.
        name: String,
    },
    /// A key that goes on behind a plain value.
    #[error("`{0}` is no table")]
    NoTable(String),
}

impl ConfigFault {
    pub(super) fn unreadable(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        |source| Self::Unreadable { what, source }
    }

    pub(super) fn dataset(error: impl Into<anyhow::Error>) -> Self {
        Self::Dataset(error.into())
    }

    pub(super) fn model(error: impl Into<anyhow::Error>) -> Self {
        Self::Model(error.into())
    }
}

impl ConfigError {
    /// The fault itself, without its places.
    #[must_use]
    pub fn fault(&self) -> &ConfigFault {
        &self.fault
    }

    /// The places, from the outermost inwards: the file first, then keys or names in it.
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

/// The error of a value that a run cannot have; the text names the key and the remedy.
pub(super) fn refused(message: impl Into<String>) -> ConfigError {
    ConfigFault::Refused(message.into()).into()
}

/// Adds the place to an error that was found in it.
pub(super) trait At<T> {
    /// The same, found at `place`.
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
    fn the_text_names_the_places_from_the_file_inwards() {
        let missing = io::Error::new(io::ErrorKind::NotFound, "no such file");
        let error = Err::<(), _>(ConfigFault::unreadable("cannot read y")(missing)).at("dataset").at("x.toml");
        let error = error.expect_err("refused");
        assert_eq!(error.places().collect::<Vec<_>>(), ["x.toml", "dataset"]);
        assert!(matches!(error.fault(), ConfigFault::Unreadable { .. }));
        assert_eq!(error.to_string(), "x.toml: dataset: cannot read y");
        assert_eq!(format!("{:#}", anyhow::Error::from(error)), "x.toml: dataset: cannot read y: no such file");
    }
}
