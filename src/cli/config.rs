//! `intercascade config keys | schema`.

use clap::Subcommand;

use super::{Status, print};
use crate::config::reference;

/// Subcommands of `config`.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Print every config key with type, default and meaning, as Markdown
    #[command(after_help = "Example:\n  intercascade config keys | grep threshold")]
    Keys,
    /// Print the JSON schema of configs, for editors
    #[command(after_help = "Example:\n  intercascade config schema > config.schema.json")]
    Schema,
}

pub(super) fn run(verb: &Verb) -> anyhow::Result<Status> {
    let text = match verb {
        Verb::Keys => reference::markdown(),
        Verb::Schema => serde_json::to_string_pretty(&reference::schema())?,
    };
    print(text.trim_end());
    Ok(Status::Done)
}
