//! `intercascade completions SHELL`.

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

use super::Status;

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  intercascade completions bash > ~/.local/share/bash-completion/completions/intercascade"
)]
pub(super) struct Args {
    /// Print the script for this shell
    shell: Shell,
}

pub(super) fn run(args: &Args) -> Result<Status> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Args::command(), "intercascade", &mut script);
    super::print(&String::from_utf8(script)?);
    Ok(Status::Done)
}
