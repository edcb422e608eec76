//! Comparison of standard LLM cascades with Inter-Cascade. A weak model answers, and answers of low confidence are
//! deferred to a strong model. In Inter-Cascade the strong model's solutions are added to the weak model's prompt for
//! later, similar queries. Reports hold accuracy, strong calls and fees of every arm, with intervals and tests.
//!
//! A config (TOML) names the arms, the data and the models. [`Run::execute`] runs the config and returns a
//! [`RunReport`]: the records, the comparison of the arms, and the files that the command `intercascade run` writes.
//!
//! ```
//! use intercascade::run::Progress;
//! use intercascade::{Arm, Run, RunError};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path().to_owned();
//! // Both levels of this config are simulated: no weights, no key, no network.
//! let run = Run::load("examples/simulated.toml")?.set("dataset.limit=30")?.in_folder(folder.clone());
//! let report = run.execute(&Progress::none()).await?;
//! report.write(&folder)?;
//!
//! let comparison = report.comparison();
//! let accuracy = |arm| comparison.slices.iter().find(|slice| slice.cell.arm == arm).map(|slice| slice.accuracy());
//! assert!(accuracy(Arm::Cascade) > accuracy(Arm::WeakOnly));
//!
//! // A folder holds one run. A different run is refused, and the error's variant says why.
//! let other = run.set("seed=2")?.execute(&Progress::none()).await;
//! assert!(matches!(other, Err(RunError::Folder(_))));
//! # Ok(())
//! # }
//! ```
//!
//! A custom model is any type that implements [`Model`]. [`Run::with_model`] registers it for a `[[model]]` of backend
//! `custom`. The statistics also work alone, on plain numbers: [`analysis::calibration`] computes a threshold with a
//! guarantee, and [`analysis::stats`] computes intervals and p-values of differences. The folder `examples/` has a
//! program for each of these uses.
//!
//! The modules below form layers, listed from the top down. A module uses only modules of its own or a lower layer
//! (docs/ARCHITECTURE.md).

pub use async_trait::async_trait;

pub use crate::run::{Run, RunError, RunReport};
pub use crate::types::arm::Arm;
pub use crate::types::model::Model;

// 7: one file per command, exit status, progress.
#[doc(hidden)]
#[allow(rustdoc::invalid_html_tags, reason = "its comments are the help texts of the command")]
pub mod cli;

// 6: from a config to a finished run.
pub mod run;

// 5: from a file to a ready experiment.
pub mod config;

// 4: the cascade algorithm, and reports from records.
pub mod cascade;
pub mod report;

// 3: calls, the backends that answer them, data, embeddings.
pub mod backend;
pub mod dataset;
pub mod gateway;
pub mod retrieval;

// 2: files.
pub mod fetch;
pub mod tables;

// 1: pure rules and arithmetic.
pub mod analysis;
pub mod task;

// 0: plain data.
pub mod types;
