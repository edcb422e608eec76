//! `intercascade run`: from a config to a folder of reports.

use std::path::Path;

use anyhow::Result;

use super::session::{Named, Outputs, Session, Sources};
use super::{Status, block_on, say, warnings};
use crate::config::assembly::Assembly;
use crate::config::forecast;
use crate::report::manifest::Manifest;
use crate::run::resources::{gates, orders, output_folder};

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  intercascade run --config configs/quickstart.toml\n  intercascade run --config configs/quickstart.toml --set deferral.threshold=0.9 --set name=stricter\n\nThe same command resumes a run that was stopped; no call is paid for twice."
)]
pub(super) struct Args {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    outputs: Outputs,
    #[command(flatten)]
    sources: Sources,
}

pub(super) fn run(args: &Args) -> Result<Status> {
    if args.outputs.dry_run {
        for line in forecast::lines(&args.named.load(&args.sources.unasked(), &[])?) {
            say(&line);
        }
        return Ok(Status::Done);
    }
    let assembly = args.named.load(&args.sources, &[])?;
    let folder = output_folder(&assembly.config, args.outputs.out.as_deref());
    let (session, manifest) =
        Session::begin(&assembly, assembly.identity(), &folder, None, &args.sources, args.outputs.fresh)?;
    block_on(go(&session, manifest))
}

/// The same over a journal that several runs share, for verbs that show tables of their own.
pub(super) fn quietly(
    assembly: &Assembly,
    folder: &Path,
    journal: &Path,
    sources: &Sources,
    fresh: bool,
) -> Result<()> {
    let (session, manifest) = Session::begin(assembly, assembly.identity(), folder, Some(journal), sources, fresh)?;
    block_on(go(&session, manifest)).map(|_| ())
}

/// Takes the config's arms through the stream and writes all that came of it.
async fn go(session: &Session<'_>, manifest: Manifest) -> Result<Status> {
    session.note(&manifest)?;
    let assembly = session.assembly;
    let models = session.models().await?;
    let gates = gates(assembly);
    let told = session.calibrate(&models, &gates).await?;
    let stated: Vec<f64> = assembly.config.deferral.stated().into_iter().collect();
    let cells = gates.cells(&told.arms, &stated, orders(assembly));
    let outcome = session.through(&models, &cells, &assembly.config.name).await?;

    let gates = warnings::of_gates(&outcome.records);
    session.finish(&models, manifest, &outcome, &told, gates, |_| Vec::new()).await
}
