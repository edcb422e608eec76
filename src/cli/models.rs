//! `intercascade models list | fetch | check`.

use std::path::{Path, PathBuf};

use anyhow::{Error, anyhow};
use clap::Subcommand;

use super::args::input;
use super::{Failure, Status, drive, print, warn};
use crate::backend::llama_server::{Choice, Engine};
use crate::fetch::weights::Catalogue;
use crate::run::model_check::{self, ModelCheck};
use crate::run::transfers::fetch_weights;

/// Subcommands of `models`.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List known weights, their paths and whether they exist
    #[command(after_help = "Example:\n  intercascade models list")]
    List,
    /// Download weights from the first available source and verify them
    #[command(after_help = "Example:\n  intercascade models fetch smollm2-135m-instruct")]
    Fetch {
        /// Fetch the weights of this name
        name: String,
    },
    /// Verify weights, find the llama.cpp server, or test a model's server
    #[command(
        after_help = "Examples:\n  intercascade models check all-minilm-l6-v2\n  intercascade models check llama-server\n  intercascade models check weak --config configs/openai.toml\n  intercascade models check weak --config my.toml --write\n\nThe check of a [[model]] of backend openai makes a few calls of at most 16 tokens each, which may cost money."
    )]
    Check {
        /// Check these weights, `llama-server`, or this [[model]]
        name: String,
        /// Find the [[model]] in this file [default: configs/models.toml]
        #[arg(long, value_name = "FILE", value_parser = input())]
        config: Option<PathBuf>,
        /// Write the detected values into the entry and show the changes
        #[arg(long)]
        write: bool,
    },
}

/// Name of the engine of local servers in `models check`.
const ENGINE: &str = "llama-server";

pub(super) fn run(verb: &Verb) -> Result<Status, Failure> {
    let catalogue = Catalogue::builtin();
    match verb {
        Verb::List => catalogue.lines().map_err(Error::from)?.iter().for_each(|line| print(line)),
        Verb::Fetch { name } => {
            let path = drive(async |progress| fetch_weights(catalogue, name, &progress).await)?;
            print(&format!("{name}: verified; path: {}", path.display()));
        }
        Verb::Check { name, config: Some(config), write } => return check(config, name, *write),
        Verb::Check { name, .. } if name == ENGINE => {
            let Choice { engine, rejected } = Engine::choose().map_err(Error::from)?;
            print(&format!("{ENGINE}: {}", engine.describe()));
            for reason in rejected {
                print(&format!("  not used: {reason}"));
            }
        }
        Verb::Check { name, write, .. } => {
            if let (Err(_), Some(config)) = (catalogue.find(name), model_check::default_file(name)) {
                return check(&config, name, *write);
            }
            if *write {
                return Err(
                    anyhow!("--write needs the file of the [[model]] `{name}`. Name the file with --config").into()
                );
            }
            catalogue.find(name).map_err(|error| anyhow!("{error}. For a [[model]] of a config add --config FILE"))?;
            let path = catalogue.check(name).map_err(Error::from)?;
            print(&format!("{name}: all checksums match; path: {}", path.display()));
        }
    }
    Ok(Status::Done)
}

/// Checks the entry called `name`. If `write`, writes the detected values into the entry's file.
fn check(config: &Path, name: &str, write: bool) -> Result<Status, Failure> {
    let check = ModelCheck::find(config, name)?;
    check.warning().iter().for_each(|warning| warn(warning));
    print(&check.title());
    let report = drive(async |progress| check.run(&progress).await)?;
    check.lines(&report).iter().for_each(|line| print(line));
    if write {
        check.write(&report)?.iter().for_each(|line| print(line));
        return Ok(Status::of(check.passes(&report, true)));
    }
    check.offer(&report).iter().for_each(|line| print(line));
    Ok(Status::of(check.passes(&report, false)))
}
