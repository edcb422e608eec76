//! Every sentence that a user is likely to meet, as a snapshot: the help of all commands, the most likely errors, a summary.
//! `INSTA_UPDATE=always cargo test --release --test integration snapshots` writes them again; a review then sees every change.

use crate::support::{CommandOutput, Project, Settings, problems};

const HELP: [&[&str]; 25] = [
    &[],
    &["run"],
    &["sweep"],
    &["calibrate"],
    &["ablate"],
    &["reproduce"],
    &["report"],
    &["compare"],
    &["matrix"],
    &["strategies"],
    &["strategies", "list"],
    &["strategies", "show"],
    &["journal"],
    &["journal", "export"],
    &["prompts"],
    &["prompts", "show"],
    &["datasets"],
    &["datasets", "fetch"],
    &["datasets", "generate"],
    &["datasets", "check"],
    &["models"],
    &["models", "list"],
    &["models", "fetch"],
    &["models", "check"],
    &["completions"],
];

#[test]
fn help() {
    let project = Project::new();
    let text = HELP.map(|verb| {
        let mut command = project.command();
        let output = CommandOutput::of(command.env("COLUMNS", "100").args(verb).arg("--help")).done();
        format!("$ intercascade {}--help\n{}", [verb, &[""]].concat().join(" "), output.out)
    });
    insta::assert_snapshot!(text.join("\n"));
}

/// A mistake: its name, what the project is like, and the command.
type Mistake = (&'static str, fn(&Project), &'static [&'static str]);

const RUN: &[&str] = &["run", "--config", "trial.toml", "--out", "out"];

fn nothing(_: &Project) {}

fn with_server(project: &Project) {
    let entry = "name = 'large'\nbackend = 'openai'\nbase_url = 'http://127.0.0.1:9/v1'\napi_key_env = 'OPENAI_API_KEY'\nmodel = 'm'";
    project.write("trial.toml", Settings::simulated().model("large", entry).text());
}

fn finished(project: &Project) {
    project.trial("out", &[]).done();
}

const MISTAKES: [Mistake; 22] = [
    ("no config file", nothing, &["run", "--config", "mine.toml"]),
    ("not TOML", |project| project.write("trial.toml", "name = \"x\"\narms = [\"cascade\"\n"), RUN),
    (
        "misspelled key",
        |project| project.write("trial.toml", Settings::simulated().text().replace("threshold", "treshold")),
        RUN,
    ),
    ("missing key", |project| project.write("trial.toml", Settings::simulated().without("name").text()), RUN),
    ("wrong kind of value", nothing, &["run", "--config", "trial.toml", "--set", "learning.k=many"]),
    ("value out of range", nothing, &["run", "--config", "trial.toml", "--set", "deferral.threshold=95"]),
    ("misspelled arm", nothing, &["run", "--config", "trial.toml", "--set", "arms=[\"inter-cascad\"]"]),
    ("misspelled store rule", nothing, &["run", "--config", "trial.toml", "--set", "learning.store=allways"]),
    ("misspelled signal", nothing, &["run", "--config", "trial.toml", "--set", "deferral.signal=mean-prob"]),
    (
        "signal of an earlier version",
        nothing,
        &["run", "--config", "trial.toml", "--set", "deferral.signal=checked-token-probability"],
    ),
    ("unknown model", nothing, &["run", "--config", "trial.toml", "--set", "levels=[\"small\",\"lage\"]"]),
    ("no data file", nothing, &["run", "--config", "trial.toml", "--set", "dataset.path=my.csv"]),
    (
        "a row that cannot be read",
        |project| {
            project.write("questions.jsonl", problems(2, 2) + "{\"question\": \"How many?\", \"answer\": \"some\"}\n");
        },
        RUN,
    ),
    ("no key in the environment", with_server, RUN),
    ("offline without a recording", nothing, &["run", "--config", "trial.toml", "--offline"]),
    ("fee limit", nothing, &["run", "--config", "trial.toml", "--set", "limits.max_fee_usd=0.001"]),
    (
        "folder of another run",
        finished,
        &["run", "--config", "trial.toml", "--out", "out", "--set", "deferral.threshold=0.9"],
    ),
    ("report on no run", nothing, &["report", "questions.jsonl"]),
    ("compare with no run", finished, &["compare", "out", "other"]),
    (
        "too few calibration items",
        nothing,
        &["calibrate", "--config", "trial.toml", "--alpha", "0.01", "--set", "dataset.calibration=5"],
    ),
    ("percent for a share", nothing, &["sweep", "--config", "trial.toml", "--strong-calls", "40"]),
    ("unknown strategy", finished, &["strategies", "show", "out", "item-1"]),
];

#[test]
fn errors() {
    let text = MISTAKES.map(|(name, prepare, command)| {
        let project = Project::with(&Settings::simulated());
        prepare(&project);
        let output = project.run(command);
        assert_ne!(output.code, 0, "{name}: {}", output.out);
        let error = output.err.lines().skip_while(|line| !line.starts_with("error")).collect::<Vec<_>>().join("\n");
        let error = error.replace(&project.path("").display().to_string(), "/…/");
        // Which call meets a limit first, and what is spent by then, depends on the calls side by side.
        let variable = regex::Regex::new(r"item `[a-z]+\d+-\d+`|\d\.\d{6}").expect("the pattern is valid");
        let error = variable.replace_all(&error, "…");
        format!("{name} (exit status {})\n{error}\n", output.code)
    });
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn summary() {
    let project = Project::with(&Settings::simulated().set("dataset.orders", 1));
    let output = project.trial("out", &[]).done();
    insta::assert_snapshot!("terminal", output.out);
    insta::assert_snapshot!(project.text("out/summary.md"));
}
