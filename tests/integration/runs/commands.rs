//! The command line itself: help, completions, exit status.

use crate::support::{Project, holds};

const VERBS: [&[&str]; 14] = [
    &["run"],
    &["sweep"],
    &["ablate"],
    &["reproduce"],
    &["calibrate"],
    &["report"],
    &["compare"],
    &["datasets", "list"],
    &["datasets", "generate"],
    &["datasets", "check"],
    &["models", "list"],
    &["models", "fetch"],
    &["models", "check"],
    &["completions"],
];

#[test]
fn the_help_of_every_verb_has_an_example() {
    let project = Project::new();
    for verb in VERBS {
        let output = project.run(&[verb, &["--help"]].concat()).done();
        holds(&output.out, &["Example", &format!("  intercascade {}", verb.join(" "))]);
    }
    let output = project.run(&["--help"]).done();
    holds(&output.out, &["Example", "Exit status", "run", "datasets", "models", "completions"]);
}

#[test]
fn completions_are_a_script_that_knows_the_verbs() {
    let project = Project::new();
    let script = project.run(&["completions", "bash"]).done().out;
    holds(&script, &["_intercascade()", "complete -F _intercascade", "--config", "generate", "--dry-run"]);
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        holds(&project.run(&["completions", shell]).done().out, &["intercascade", "config"]);
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let output = Project::new().run(&["--version"]).done();
    assert_eq!(output.out.trim(), concat!("intercascade ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn invalid_arguments_exit_with_status_2() {
    let project = Project::new();
    for arguments in [
        &["run"][..],
        &["walk"],
        &["run", "--config", "x.toml", "--frsh"],
        &["completions", "tcl"],
        &["datasets"],
        &["datasets", "check", "x.jsonl", "--format", "xml"],
        &["datasets", "generate", "gsm-templates", "--seed", "-1"],
    ] {
        let output = project.run(arguments);
        assert_eq!((output.code, output.out.as_str()), (2, ""), "{arguments:?}");
        holds(&output.err, &["--help"]);
    }
    assert!(project.files().is_empty());
}

#[test]
fn the_weights_are_listed_with_their_path() {
    let project = Project::new();
    let output = project.run(&["models", "list"]).done();
    holds(&output.out, &["smollm2-135m-instruct", "all-minilm-l6-v2", "Apache-2.0", "not fetched"]);
    holds(&output.out, &[&project.path("cache").display().to_string()]);
    assert!(project.files().is_empty());
}
