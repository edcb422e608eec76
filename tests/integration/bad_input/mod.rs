//! Bad input: each kind causes one clear error that names the place, exit status 2, and no output.

mod configs;
mod data;
mod disk;
mod servers;
mod weights;

use crate::support::{CommandOutput, Project, Settings, holds};

/// Returns the one-line error of a run with these settings, and asserts that nothing was written.
#[track_caller]
fn refusal(settings: &Settings) -> String {
    let (error, dry_run) = refused(settings);
    // The dry run refuses the settings with the same error as the run.
    assert_eq!(dry_run.refused_in_one_line(), error);
    error
}

/// Like `refusal`, for settings whose models cannot be called yet: the dry run still estimates the calls, and prints
/// the error as a note.
#[track_caller]
fn refusal_to_call(settings: &Settings) -> String {
    let (error, dry_run) = refused(settings);
    let cause = error.rsplit("trial.toml: ").next().expect("a part");
    holds(&dry_run.done().out, &["calls, about", "note: the models cannot be called yet", cause.trim()]);
    error
}

#[track_caller]
fn refused(settings: &Settings) -> (String, CommandOutput) {
    let project = Project::with(settings);
    let before = project.files();
    let error = project.trial("out", &[]).refused_in_one_line();
    let dry_run = project.trial("out", &["--dry-run"]);
    assert!(project.files() == before && !project.path("out").exists(), "something was written");
    (error, dry_run)
}
