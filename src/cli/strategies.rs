//! `intercascade strategies`: what a run learned, and what each strategy did.

use std::path::PathBuf;

use super::{Failure, Status, say, tell};
use crate::run::strategies::Strategies;
use crate::types::arm::Arm;

/// What to do with the strategies of a run.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// List the strategies of a run, with how often each was shown, helped and harmed
    List {
        /// The run's folder
        folder: PathBuf,
        /// The arm; the first that stored any, if absent
        #[arg(long, value_parser = arm)]
        arm: Option<Arm>,
        /// The λ, if the run is a sweep
        #[arg(long)]
        threshold: Option<f64>,
    },
    /// Print one strategy as the weak model sees it, with the items that it helped and harmed
    #[command(
        after_help = "Example:\n  intercascade strategies show results/pair-gsm-templates path-around-a-triangle-0"
    )]
    Show {
        /// The run's folder
        folder: PathBuf,
        /// The item that the strategy comes from
        id: String,
        /// The arm; the first that stored any, if absent
        #[arg(long, value_parser = arm)]
        arm: Option<Arm>,
        /// The order of the stream, from 0
        #[arg(long, default_value_t = 0)]
        order: usize,
        /// The λ, if the run is a sweep; the first, if absent
        #[arg(long)]
        threshold: Option<f64>,
    },
}

/// The arm of this name.
fn arm(name: &str) -> Result<Arm, String> {
    Arm::named(name).ok_or_else(|| format!("there is no such arm; there are: {}", Arm::ALL.map(Arm::name).join(", ")))
}

pub(super) fn run(verb: &Verb) -> Result<Status, Failure> {
    match verb {
        Verb::List { folder, arm, threshold } => {
            Strategies::read(folder)?.list(*arm, *threshold)?.iter().for_each(|line| tell(line));
        }
        Verb::Show { folder, id, arm, order, threshold } => {
            say(&Strategies::read(folder)?.show(id, *arm, *order, *threshold)?);
        }
    }
    Ok(Status::Done)
}
