//! `intercascade demo`: replays a recorded pair of models and explains its table.

use std::path::{Path, PathBuf};

use super::{Failure, Status, block_on, print_wrapped, terminal_width};
use crate::fetch::shipped::located;
use crate::report::explained;
use crate::run::outputs::Outputs;
use crate::run::{Progress, Run, Sources};

/// Config and recording of the demonstration.
const CONFIG: &str = "configs/pair-gsm-templates.toml";
const RECORDING: &str = "results/pair-gsm-templates";

/// Arms that the demonstration explains.
const ARMS: &str = r#"arms=["weak-only", "strong-only", "cascade", "inter-cascade", "inter-cascade-random"]"#;

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  intercascade demo\n\nNo model is called and nothing is paid: all answers come from a recording of two small open models, which ships with the program."
)]
pub(super) struct Args {
    /// Write the outputs into this folder
    #[arg(long, value_name = "DIR", default_value = "results/demo")]
    out: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<Status, Failure> {
    let [config, recording] = [CONFIG, RECORDING].map(|name| located(Path::new(name)));
    let sources = Sources::new(vec![recording?], true, false);
    let set = vec![ARMS.to_owned(), "name=demo".to_owned()];
    let prepared = Run::new(config?, set, sources).in_folder(args.out.clone()).prepare()?;
    // A replay takes a second or two, so it shows no progress.
    let report = block_on(async { Ok(prepared.execute(&Progress::none()).await) })??;
    let comparison = report.comparison();
    let outputs = Outputs::new(report.finished(), &comparison);
    report.write_outputs(&outputs, report.folder())?;
    let [weak, strong] = prepared.models();
    print_wrapped(&format!(
        "Two recorded models, {weak} (weak, cheap) and {strong} (strong, dearer), on {} word problems:\n",
        comparison.slices.first().map_or(0, |slice| slice.n)
    ));
    print_wrapped(&explained::table(&comparison, terminal_width()));
    print_wrapped("\nLine by line:");
    for line in explained::lines(&comparison, [weak, strong]) {
        print_wrapped(&format!("  {line}"));
    }
    print_wrapped("\nWhat follows for a user of this pair:");
    outputs.recommendation().iter().for_each(|line| print_wrapped(&format!("  {line}")));
    let folder = args.out.display();
    print_wrapped(&format!(
        "\nEvery question, answer and example: intercascade view {folder}\nYour own questions and models: intercascade init\n\
         A run with models on this machine: intercascade run --config configs/quickstart.toml"
    ));
    Ok(Status::Done)
}
