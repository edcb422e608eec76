//! Configs that cannot be used, and models that cannot be called.

use super::{refusal, refusal_to_ask};
use crate::support::{Project, Settings, holds};

fn simulated() -> Settings {
    Settings::simulated()
}

/// The error of a run whose config is this text.
fn of_text(text: &str) -> String {
    let project = Project::new();
    project.write("trial.toml", text);
    let error = project.trial("out", &[]).refused_in_one_line();
    assert_eq!(project.files().len(), 1);
    error
}

#[test]
fn a_config_that_is_not_there() {
    let project = Project::new();
    let error = project.run(&["run", "--config", "configs/mine.toml"]).refused_in_one_line();
    holds(&error, &["cannot read the config configs/mine.toml", "No such file"]);
    assert!(project.files().is_empty());
}

#[test]
fn a_config_that_is_no_toml() {
    holds(&of_text("name = \"x\"\narms = [\"cascade\"\n"), &["trial.toml: line "]);
    holds(&of_text("name = \"x\"\nname = \"y\"\n"), &["trial.toml: line 2", "duplicate key"]);
    holds(&of_text(""), &["trial.toml", "missing field `name`"]);
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
            &["ablation.toml: this is an ablation's file: intercascade ablate --config"],
        );
    }
    holds(&refused("ablate", "trial.toml"), &["trial.toml: this is a run's config: intercascade run --config"]);
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_key() {
    let text = simulated().text();
    let (before, _) = text.split_once("threshold").expect("a threshold");
    let error = of_text(&text.replace("threshold", "treshold"));
    let line = before.lines().count() + usize::from(before.ends_with('\n'));
    holds(&error, &[&format!("trial.toml: line {line}:"), "unknown field `treshold`", "did you mean `threshold`?"]);
    let error = of_text(&text.replace("backend = \"simulated\"", "backend = \"simulated\"\nmax_tokns = 3"));
    holds(&error, &["model[", "max_tokns", "did you mean `max_tokens`?"]);
}

#[test]
fn wrong_types_and_values_name_their_key() {
    let cases = [
        (simulated().set("deferral.threshold", "high"), "deferral.threshold"),
        (simulated().set("deferral.threshold", 1.5), "deferral.threshold: must be from 0 to 1, not 1.5"),
        (simulated().set("dataset.limit", -3), "dataset.limit"),
        (simulated().set("dataset.orders", 0), "dataset.orders: must be at least 1"),
        (simulated().set("limits.concurrency", 1_000_000), "limits.concurrency: must be at most 65536, not 1000000"),
        (simulated().set("learning.min_similarity", 2.0), "learning.min_similarity"),
        (simulated().set("learning.embedder", "hashed-word"), "did you mean `hashed-words`?"),
        (simulated().set("arms", vec!["cascade", "inter-cascad"]), "did you mean `inter-cascade`?"),
        (simulated().set("arms", vec!["cascade", "cascade"]), "`cascade` stands twice"),
        (simulated().set("levels", vec!["small"]), "levels: name two different models"),
        (
            Settings::reference().set("learning.store", "confident"),
            "learning.store: `confident` needs log-probabilities, and model `large` gives none",
        ),
        (simulated().set("limits.max_fee_usd", f64::NAN), "limits.max_fee_usd: must be a number of USD from 0 on"),
        (simulated().set("name", "a/b"), "name: `a/b` cannot name a folder"),
        (simulated().set("model.small.price.output", -1.0), "price.output"),
        (simulated().set("model.small.temperature", 3.0), "temperature must be from 0 to 2, not 3"),
        (simulated().set("model.small.base_url", "http://localhost"), "`base_url` is for backend `openai`"),
        (simulated().set("model.small.send_stop", false), "`send_stop` is for backend `openai`"),
        (simulated().set("model.small.token_limit_key", "most"), "`token_limit_key` is for backend `openai`"),
        (simulated().without("model.small.simulated"), "needs the key `simulated`"),
        (simulated().without("deferral"), "missing field `deferral`"),
    ];
    for (settings, part) in cases {
        holds(&refusal(&settings), &["trial.toml", part]);
    }
}

#[test]
fn values_on_the_command_line_are_checked_as_those_of_the_file() {
    let project = Project::with(&simulated());
    let before = project.files();
    for (set, part) in [
        ("dataset.limt=5", "did you mean `limit`?"),
        ("dataset.limit", "must be key.path=value"),
        ("name.x=1", "`name` is no table"),
        ("deferral.threshold=high", "deferral.threshold"),
        ("dataset.limit=31", "dataset: limit is 31, and there are 30 questions"),
        ("dataset.sample=31", "dataset: sample is 31, and there are 30 questions"),
        ("dataset.sample_groups=11", "dataset: sample_groups is 11, and there are 10 groups"),
    ] {
        let error = project.trial("out", &["--set", set]).refused_in_one_line();
        holds(&error, &[part]);
    }
    assert!(project.files() == before);
}

#[test]
fn a_model_that_no_file_lists() {
    let error = refusal(&simulated().set("levels", vec!["smal", "large"]));
    holds(
        &error,
        &["trial.toml: levels: no model is called `smal`", "did you mean `small`?", "small, large", "models.toml"],
    );
}

#[test]
fn models_come_from_models_toml_beside_the_config_where_the_config_has_none() {
    let project = Project::with(&simulated().set("levels", vec!["shared", "large"]));
    let entry = "[[model]]\nname = 'shared'\nbackend = 'simulated'\nsimulated = { accuracy = 0.5 }\n";
    project.write("models.toml", entry);
    project.trial("out", &["--set", "dataset.limit=2"]).done();
    project.write("models.toml", entry.replace("accuracy", "acuracy"));
    let error = project.trial("other", &[]).refused_in_one_line();
    holds(&error, &["models.toml: line 4:", "did you mean `accuracy`?"]);
    // What is laid over a config changes none of the models that it shares with others.
    let text = simulated().text();
    let (bare, models) = text.split_once("[[model]]").expect("models");
    project.write("bare.toml", bare);
    project.write("models.toml", format!("[[model]]{models}"));
    let set = ["run", "--config", "bare.toml", "--set", "model.small.max_tokens=9"];
    holds(
        &project.run(&set).refused_in_one_line(),
        &["there is no [[model]] (change those of models.toml there) in bare.toml"],
    );
}

const SERVED: &str = "name = 'large'\nbackend = 'openai'\nbase_url = 'http://127.0.0.1:9/v1'\n";

#[test]
fn a_key_variable_that_is_not_set() {
    let served = simulated().model("large", &format!("{SERVED}api_key_env = 'TRIAL_KEY_THAT_IS_NOT_SET'"));
    holds(&refusal_to_ask(&served), &["model `large`", "TRIAL_KEY_THAT_IS_NOT_SET, which is not set", "export"]);
    let header = format!("{SERVED}headers_env = {{ x-team = 'TRIAL_TEAM_THAT_IS_NOT_SET' }}");
    holds(&refusal_to_ask(&simulated().model("large", &header)), &["headers_env", "TRIAL_TEAM_THAT_IS_NOT_SET"]);
    let empty = Project::with(&served);
    let mut command = empty.command();
    command.env("TRIAL_KEY_THAT_IS_NOT_SET", " ").args(["run", "--config", "trial.toml"]);
    holds(&crate::support::Said::of(&mut command).refused_in_one_line(), &["which is not set"]);
}

#[test]
fn a_token_limit_that_a_fee_limit_would_not_see() {
    let lifted = simulated().model("large", &format!("{SERVED}extra_body = {{ max_tokens = 5000 }}"));
    holds(&refusal_to_ask(&lifted), &["model \"large\"", "extra_body cannot set \"max_tokens\": a fee limit goes by"]);
    let own = "token_limit_key = 'most'\nextra_body = { most = 5000 }";
    let lifted = simulated().model("large", &format!("{SERVED}{own}"));
    holds(&refusal_to_ask(&lifted), &["extra_body cannot set \"most\": a fee limit goes by"]);
}

#[test]
fn a_model_that_its_provider_has_ended() {
    let ended = simulated().set("model.large.retired", "2026-10-23");
    let error = refusal_to_ask(&ended);
    holds(&error, &["model `large`", "ended it on 2026-10-23"]);
    holds(&refusal_to_ask(&ended.clone().set("model.large.substitute", "larger")), &["use `larger` instead"]);
    // What it has answered stays a finished run.
    let project = Project::with(&simulated());
    project.trial("out", &[]).done();
    project.write("trial.toml", ended.text());
    assert_eq!(project.trial("out", &["--offline"]).done().calls_made(), 0);
}

#[test]
fn a_signal_that_the_weak_level_cannot_give() {
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
fn a_calculator_where_nothing_can_use_it() {
    holds(&refusal(&simulated().set("dataset.calculator", true)), &["dataset.calculator", "gguf"]);
}
