//! Configs that cannot be used, and models that cannot be called.

use super::{refusal, refusal_to_call};
use crate::support::{Project, Settings, holds};

fn simulated() -> Settings {
    Settings::simulated()
}

/// Returns the error of a run with this text as config.
fn of_text(text: &str) -> String {
    let project = Project::new();
    project.write("trial.toml", text);
    let error = project.trial("out", &[]).refused_in_one_line();
    assert_eq!(project.files().len(), 1);
    error
}

#[test]
fn a_missing_config_is_refused() {
    let project = Project::new();
    let error = project.run(&["run", "--config", "configs/mine.toml"]).refused_in_one_line();
    holds(&error, &["cannot read the config configs/mine.toml", "No such file"]);
    assert!(project.files().is_empty());
}

#[test]
fn a_config_that_is_not_toml_is_refused() {
    holds(&of_text("name = \"x\"\narms = [\"cascade\"\n"), &["trial.toml: line "]);
    holds(&of_text("name = \"x\"\nname = \"y\"\n"), &["trial.toml: line 2", "duplicate key"]);
    holds(&of_text(""), &["trial.toml", "the key `name` is missing"]);
}

#[test]
fn a_file_for_another_verb_names_the_verb() {
    let project = Project::with(&simulated());
    let ablation = "name = 'x'\nconfig = 'trial.toml'\n[[table]]\ntitle = 't'\nvariants = [{ name = 'one' }]\n";
    project.write("ablation.toml", ablation);
    let refused = |verb: &str, file: &str| project.run(&[verb, "--config", file]).refused_in_one_line();
    for verb in ["run", "sweep"] {
        holds(
            &refused(verb, "ablation.toml"),
            &["ablation.toml: this file is an ablation's file: intercascade ablate --config"],
        );
    }
    holds(&refused("ablate", "trial.toml"), &["trial.toml: this file is a run's config: intercascade run --config"]);
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_key() {
    let text = simulated().text();
    let (before, _) = text.split_once("threshold").expect("a threshold");
    let error = of_text(&text.replace("threshold", "treshold"));
    let line = before.lines().count() + usize::from(before.ends_with('\n'));
    holds(&error, &[&format!("trial.toml: line {line}:"), "unknown key `treshold`", "did you mean `threshold`?"]);
    let error = of_text(&text.replace("backend = \"simulated\"", "backend = \"simulated\"\nmax_tokns = 3"));
    holds(&error, &["model[", "max_tokns", "did you mean `max_tokens`?"]);
}

#[test]
fn wrong_types_and_values_are_refused_with_their_key() {
    let cases = [
        (simulated().set("deferral.threshold", "high"), "deferral.threshold"),
        (simulated().set("deferral.threshold", 1.5), "deferral.threshold: must be from 0 to 1, not 1.5"),
        (simulated().set("dataset.limit", -3), "dataset.limit"),
        (simulated().set("dataset.orders", 0), "dataset.orders: must be at least 1"),
        (simulated().set("limits.concurrency", 1_000_000), "limits.concurrency: must be at most 65536, not 1000000"),
        (simulated().set("learning.min_similarity", 2.0), "learning.min_similarity"),
        (simulated().set("learning.embedder", "hashed-word"), "did you mean `hashed-words`?"),
        (simulated().set("arms", vec!["cascade", "inter-cascad"]), "did you mean `inter-cascade`?"),
        (simulated().set("arms", vec!["cascade", "cascade"]), "`cascade` is listed twice"),
        (simulated().set("levels", vec!["small"]), "levels: name two different models"),
        (
            Settings::reference().set("learning.store", "confident"),
            "learning.store: `confident` needs log-probabilities, but model `large` returns none",
        ),
        (simulated().set("limits.max_fee_usd", f64::NAN), "limits.max_fee_usd: must be a number of USD from 0 on"),
        (simulated().set("name", "a/b"), "name: `a/b` is not a valid folder name"),
        (simulated().set("model.small.price.output", -1.0), "price.output"),
        (simulated().set("model.small.temperature", 3.0), "temperature must be from 0 to 2, not 3"),
        (simulated().set("model.small.base_url", "http://localhost"), "`base_url` is for backend `openai`"),
        (simulated().set("model.small.send_stop", false), "`send_stop` is for backend `openai`"),
        (simulated().set("model.small.token_limit_key", "most"), "`token_limit_key` is for backend `openai`"),
        (simulated().without("model.small.simulated"), "needs the key `simulated`"),
        (simulated().without("deferral"), "the key `deferral` is missing"),
    ];
    for (settings, part) in cases {
        holds(&refusal(&settings), &["trial.toml", part]);
    }
}

#[test]
fn command_line_values_are_checked_like_config_values() {
    let project = Project::with(&simulated());
    let before = project.files();
    for (set, part) in [
        ("dataset.limt=5", "did you mean `limit`?"),
        ("dataset.limit", "must be key.path=value"),
        ("name.x=1", "`name` is not a table"),
        ("deferral.threshold=high", "deferral.threshold"),
        ("dataset.limit=31", "dataset: limit = 31 is too large: there are 30 questions"),
        ("dataset.sample=31", "dataset: sample = 31 is too large: there are 30 questions"),
        ("dataset.sample_groups=11", "dataset: sample_groups = 11 is too large: there are 10 groups"),
    ] {
        let error = project.trial("out", &["--set", set]).refused_in_one_line();
        holds(&error, &[part]);
    }
    assert!(project.files() == before);
}

#[test]
fn a_model_that_no_file_lists_is_refused() {
    let error = refusal(&simulated().set("levels", vec!["smal", "large"]));
    holds(
        &error,
        &["trial.toml: levels: no model is called `smal`", "did you mean `small`?", "small, large", "models.toml"],
    );
}

#[test]
fn models_toml_is_read_if_the_config_lists_no_models() {
    let project = Project::with(&simulated().set("levels", vec!["shared", "large"]));
    let entry = "[[model]]\nname = 'shared'\nbackend = 'simulated'\nsimulated = { accuracy = 0.5 }\n";
    project.write("models.toml", entry);
    project.trial("out", &["--set", "dataset.limit=2"]).done();
    project.write("models.toml", entry.replace("accuracy", "acuracy"));
    let error = project.trial("other", &[]).refused_in_one_line();
    holds(&error, &["models.toml: line 4:", "did you mean `accuracy`?"]);
    // An override of a config does not change the models that the config shares with others.
    let text = simulated().text();
    let (bare, models) = text.split_once("[[model]]").expect("models");
    project.write("bare.toml", bare);
    project.write("models.toml", format!("[[model]]{models}"));
    let set = ["run", "--config", "bare.toml", "--set", "model.small.max_tokens=9"];
    holds(
        &project.run(&set).refused_in_one_line(),
        &["no [[model]] (entries of models.toml can only be changed in that file) in bare.toml"],
    );
}

const SERVED: &str = "name = 'large'\nbackend = 'openai'\nbase_url = 'http://127.0.0.1:9/v1'\n";

#[test]
fn an_unset_key_variable_is_refused() {
    let served = simulated().model("large", &format!("{SERVED}api_key_env = 'TRIAL_KEY_THAT_IS_NOT_SET'"));
    holds(&refusal_to_call(&served), &["model `large`", "TRIAL_KEY_THAT_IS_NOT_SET, which is not set", "export"]);
    let header = format!("{SERVED}headers_env = {{ x-team = 'TRIAL_TEAM_THAT_IS_NOT_SET' }}");
    holds(&refusal_to_call(&simulated().model("large", &header)), &["headers_env", "TRIAL_TEAM_THAT_IS_NOT_SET"]);
    let empty = Project::with(&served);
    let mut command = empty.command();
    command.env("TRIAL_KEY_THAT_IS_NOT_SET", " ").args(["run", "--config", "trial.toml"]);
    holds(&crate::support::CommandOutput::of(&mut command).refused_in_one_line(), &["which is not set"]);
}

#[test]
fn a_token_limit_in_extra_fields_is_refused() {
    let lifted = simulated().model("large", &format!("{SERVED}extra_body = {{ max_tokens = 5000 }}"));
    holds(
        &refusal_to_call(&lifted),
        &["model \"large\"", "extra_body cannot set \"max_tokens\", because a fee limit relies on"],
    );
    let own = "token_limit_key = 'most'\nextra_body = { most = 5000 }";
    let lifted = simulated().model("large", &format!("{SERVED}{own}"));
    holds(&refusal_to_call(&lifted), &["extra_body cannot set \"most\", because a fee limit relies on"]);
}

#[test]
fn a_model_that_its_provider_has_retired_is_refused() {
    let ended = simulated().set("model.large.retired", "2026-10-23");
    let error = refusal_to_call(&ended);
    holds(&error, &["model `large`", "ended it on 2026-10-23"]);
    holds(&refusal_to_call(&ended.clone().set("model.large.substitute", "larger")), &["use `larger` instead"]);
    // A finished run of the retired model stays valid.
    let project = Project::with(&simulated());
    project.trial("out", &[]).done();
    project.write("trial.toml", ended.text());
    assert_eq!(project.trial("out", &["--offline"]).done().calls_made(), 0);
}

#[test]
fn a_signal_that_the_weak_level_lacks_is_refused() {
    let options = simulated().set("deferral.signal", "option-probability");
    holds(&refusal(&options), &["deferral.signal: option-probability needs multiple-choice questions", "`small`"]);
    let unsure = simulated().model("small", &format!("{}logprobs = false", SERVED.replace("large", "small")));
    holds(&refusal(&unsure), &["deferral.signal: mean-token-probability needs log-probabilities", "`small`"]);
    let reference = simulated().model("small", "name = 'small'\nbackend = 'reference'\ntokenizer = 'words'");
    holds(&refusal(&reference), &["deferral.signal", "`small`"]);
    let unknown = simulated().set("deferral.signal", "mean-token-probabilty");
    holds(&refusal(&unknown), &["deferral.signal", "did you mean `mean-token-probability`?"]);
}

#[test]
fn a_calculator_that_no_backend_can_use_is_refused() {
    holds(&refusal(&simulated().set("dataset.calculator", true)), &["dataset.calculator", "gguf"]);
}
