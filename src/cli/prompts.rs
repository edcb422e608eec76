//! `intercascade prompts list | show`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;

use super::args::input;
use super::{Status, print};
use crate::config::prompts::Prompts;
use crate::run::shown_prompt;

/// Subcommands of `prompts`.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List prompts: name, version, style and source of the wording
    #[command(after_help = "Example:\n  intercascade prompts list")]
    List {
        /// Include the prompts of this config
        #[arg(long, value_name = "FILE", value_parser = input())]
        config: Option<PathBuf>,
    },
    /// Print the request text of every form of a prompt
    #[command(
        after_help = "Example:\n  intercascade prompts show chat --dataset space-history-mcq --item sputnik-1-launch-0"
    )]
    Show {
        /// Print this prompt
        name: String,
        /// Use this item [default: the first of the data set]
        #[arg(long)]
        item: Option<String>,
        /// Use this data set [default: gsm-templates or space-history-mcq]
        #[arg(long)]
        dataset: Option<String>,
        /// Include the prompts of this config
        #[arg(long, value_name = "FILE", value_parser = input())]
        config: Option<PathBuf>,
    },
}

pub(super) fn run(verb: &Verb) -> Result<Status> {
    let texts = match verb {
        Verb::List { config } => Prompts::near(config.as_deref())?.lines(),
        Verb::Show { name, item, dataset, config } => {
            shown_prompt::texts(config.as_deref(), name, dataset.as_deref(), item.as_deref())?
        }
    };
    for text in texts {
        print(&text);
    }
    Ok(Status::Done)
}
