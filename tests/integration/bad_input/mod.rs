//! Bad input: each kind gets one clear error that names the place, exit status 2, and nothing is written.

mod configs;
mod data;
mod disk;
mod servers;
mod weights;

use crate::support::{Project, Said, Settings, holds};

/// The error of running these settings, which is one line; nothing may have been written.
#[track_caller]
fn refusal(settings: &Settings) -> String {
    let (error, dry_run) = refused(settings);
    // What a run refuses, its check beforehand refuses too, in the same words.
    assert_eq!(dry_run.refused_in_one_line(), error);
    error
}

/// The same of settings whose models cannot be asked yet: their check beforehand tells what a run would take, and says so.
#[track_caller]
fn refusal_to_ask(settings: &Settings) -> String {
    let (error, dry_run) = refused(settings);
    let cause = error.rsplit("trial.toml: ").next().expect("a part");
    holds(&dry_run.done().out, &["calls, about", "note: its models cannot be asked yet", cause.trim()]);
    error
}

#[track_caller]
fn refused(settings: &Settings) -> (String, Said) {
    let project = Project::with(settings);
    let before = project.files();
    let error = project.trial("out", &[]).refused_in_one_line();
    let dry_run = project.trial("out", &["--dry-run"]);
    assert!(project.files() == before && !project.path("out").exists(), "something was written");
    (error, dry_run)
}
