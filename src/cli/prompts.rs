//! `intercascade prompts list | show`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;

use super::{Status, say};
use crate::config::prompts::Prompts;
use crate::run::shown_prompt;

/// The verbs of `prompts`.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List the prompts: name, version, style and where the words come from
    #[command(after_help = "Example:\n  intercascade prompts list")]
    List {
        /// A config, whose own prompts are listed too
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Print what a model would be sent, in each form that the prompt has
    #[command(
        after_help = "Example:\n  intercascade prompts show chat --dataset space-history-mcq --item sputnik-1-launch-0"
    )]
    Show {
        /// Name of the prompt
        name: String,
        /// The item to ask about; the data set's first one where absent
        #[arg(long)]
        item: Option<String>,
        /// The data set; gsm-templates or space-history-mcq where absent, as the prompt has words for
        #[arg(long)]
        dataset: Option<String>,
        /// A config, whose own prompts can be shown too
        #[arg(long, value_name = "FILE")]
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
        say(&text);
    }
    Ok(Status::Done)
}
