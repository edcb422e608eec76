//! Standard LLM cascades and Inter-Cascade side by side: a weak model answers, unsure answers are deferred to a strong
//! model, and in Inter-Cascade the strong model's solutions are shown to the weak model with later queries that are alike.
//! Accuracy, strong calls and fees are reported for every arm, with intervals and tests.
//!
//! A config (TOML) says which arms run on which data with which models. A [`Run`] takes it through and gives a
//! [`RunReport`]: records, the arms compared, and the files that the command `intercascade run` writes.
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
//! // The folder holds one run: another one is refused, and a caller can tell why.
//! let other = run.set("seed=2")?.execute(&Progress::none()).await;
//! assert!(matches!(other, Err(RunError::Folder(_))));
//! # Ok(())
//! # }
//! ```
//!
//! A model of your own is anything that implements [`Model`]: [`Run::with_model`] registers it for a `[[model]]` of backend
//! `custom`. The statistics work alone on plain numbers: [`analysis::calibration`] finds a threshold with a guarantee,
//! [`analysis::stats`] says how sure a difference is. The folder `examples/` has a program for each.
//!
//! The modules below stand on floors, from the top down; each uses its own or a lower one (docs/ARCHITECTURE.md).

pub use async_trait::async_trait;

pub use crate::run::{Run, RunError, RunReport};
pub use crate::types::arm::Arm;
pub use crate::types::model::Model;

// 7: a verb a file, exit status, progress.
#[doc(hidden)]
#[allow(rustdoc::invalid_html_tags, reason = "its comments are the help texts of the command")]
pub mod cli;

// 6: from a config to a finished run.
pub mod run;

// 5: from a file to a ready experiment.
pub mod config;

// 4: from records to what people read, and the algorithm.
pub mod cascade;
pub mod report;

// 3: calls and what answers them, data, embeddings.
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
