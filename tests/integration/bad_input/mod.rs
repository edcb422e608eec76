//! Bad input: each kind gets one clear error that names the place, exit status 2, and nothing is written.

mod configs;
mod data;
mod disk;
mod servers;
mod weights;

use crate::support::{Project, Settings};

/// The error of running these settings, which is one line; nothing may have been written.
#[track_caller]
fn refusal(settings: &Settings) -> String {
    let project = Project::with(settings);
    let before = project.files();
    let error = project.trial("out", &[]).refused_in_one_line();
    assert!(project.files() == before && !project.path("out").exists(), "something was written");
    // What a run refuses, its check beforehand refuses too, in the same words.
    assert_eq!(project.trial("out", &["--dry-run"]).refused_in_one_line(), error);
    error
}
