//! The `intercascade` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    intercascade::cli::main()
}
