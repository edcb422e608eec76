//! `intercascade strategies`: lists or prints a run's stored strategies with their effects.

use std::path::PathBuf;

use super::{Failure, Status, print, print_wrapped};
use crate::run::strategies::Strategies;
use crate::types::arm::Arm;

/// Subcommands of `strategies`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// List a run's strategies with counts of retrieved, helped and harmed items
    List {
        /// Read the run in this folder
        folder: PathBuf,
        /// Select this arm [default: the first with a strategy]
        #[arg(long, value_parser = arm)]
        arm: Option<Arm>,
        /// Select this λ of a sweep [default: all]
        #[arg(long)]
        threshold: Option<f64>,
    },
    /// Print one strategy, with the items that it helped and harmed
    #[command(
        after_help = "Example:\n  intercascade strategies show results/pair-gsm-templates path-around-a-triangle-0"
    )]
    Show {
        /// Read the run in this folder
        folder: PathBuf,
        /// Print the strategy from this item
        id: String,
        /// Select this arm [default: the first with a strategy]
        #[arg(long, value_parser = arm)]
        arm: Option<Arm>,
        /// Select this order of the stream, from 0
        #[arg(long, default_value_t = 0)]
        order: usize,
        /// Select this λ of a sweep [default: the first]
        #[arg(long)]
        threshold: Option<f64>,
    },
}

/// Parses the name of an arm.
fn arm(name: &str) -> Result<Arm, String> {
    Arm::named(name).ok_or_else(|| format!("unknown arm. Arms: {}", Arm::ALL.map(Arm::name).join(", ")))
}

pub(super) fn run(verb: &Verb) -> Result<Status, Failure> {
    match verb {
        Verb::List { folder, arm, threshold } => {
            Strategies::read(folder)?.list(*arm, *threshold)?.iter().for_each(|line| print_wrapped(line));
        }
        Verb::Show { folder, id, arm, order, threshold } => {
            print(&Strategies::read(folder)?.show(id, *arm, *order, *threshold)?);
        }
    }
    Ok(Status::Done)
}
