//! `intercascade models list | fetch | check`.

use std::path::{Path, PathBuf};

use anyhow::{Error, anyhow};
use clap::Subcommand;

use super::{Failure, Status, drive, say, warn};
use crate::backend::llama_server::{Choice, Engine};
use crate::fetch::weights::Catalogue;
use crate::run::model_check::{self, ModelCheck};
use crate::run::transfers::fetch_weights;

/// The verbs of `models`.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List the weights, where they belong and whether they are there
    #[command(after_help = "Example:\n  intercascade models list")]
    List,
    /// Fetch weights from the first source that answers, and verify them
    #[command(after_help = "Example:\n  intercascade models fetch smollm2-135m-instruct")]
    Fetch {
        /// Name of the weights
        name: String,
    },
    /// Verify the checksums of weights, say which llama.cpp server would run, or ask a model's server what it gives
    #[command(
        after_help = "Examples:\n  intercascade models check all-minilm-l6-v2\n  intercascade models check llama-server\n  intercascade models check weak --config configs/openai.toml\n  intercascade models check weak --config my.toml --write\n\nThe check of a [[model]] of backend openai makes a few calls of at most 16 tokens each, and charges apply."
    )]
    Check {
        /// Name of the weights, `llama-server`, or the name of a [[model]]
        name: String,
        /// The config or file of models that the [[model]] stands in [default: configs/models.toml]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Write the right values into the entry, and show what that changes
        #[arg(long)]
        write: bool,
    },
}

/// What `models check` calls the engine of local servers.
const ENGINE: &str = "llama-server";

pub(super) fn run(verb: &Verb) -> Result<Status, Failure> {
    let catalogue = Catalogue::builtin();
    match verb {
        Verb::List => catalogue.lines().map_err(Error::from)?.iter().for_each(|line| say(line)),
        Verb::Fetch { name } => {
            let path = drive(async |progress| fetch_weights(catalogue, name, &progress).await)?;
            say(&format!("{name}: verified, in {}", path.display()));
        }
        Verb::Check { name, config: Some(config), write } => return check(config, name, *write),
        Verb::Check { name, .. } if name == ENGINE => {
            let Choice { engine, passed_over } = Engine::choose().map_err(Error::from)?;
            say(&format!("{ENGINE}: {}", engine.describe()));
            for reason in passed_over {
                say(&format!("  passed over: {reason}"));
            }
        }
        Verb::Check { name, write, .. } => {
            if let (Err(_), Some(config)) = (catalogue.find(name), model_check::usual_file(name)) {
                return check(&config, name, *write);
            }
            if *write {
                return Err(anyhow!("--write changes a [[model]]: say with --config where `{name}` stands").into());
            }
            catalogue.find(name).map_err(|error| anyhow!("{error}; for a [[model]] of a config add --config FILE"))?;
            let path = catalogue.check(name).map_err(Error::from)?;
            say(&format!("{name}: every checksum is right, in {}", path.display()));
        }
    }
    Ok(Status::Done)
}

/// Checks the entry called `name`, and writes the right values into its file if that is wanted.
fn check(config: &Path, name: &str, write: bool) -> Result<Status, Failure> {
    let check = ModelCheck::find(config, name)?;
    check.warning().iter().for_each(|warning| warn(warning));
    say(&check.title());
    let report = drive(async |progress| check.ask(&progress).await)?;
    check.lines(&report).iter().for_each(|line| say(line));
    if write {
        check.write(&report)?.iter().for_each(|line| say(line));
        return Ok(Status::of(check.passes(&report, true)));
    }
    check.offer(&report).iter().for_each(|line| say(line));
    Ok(Status::of(check.passes(&report, false)))
}
