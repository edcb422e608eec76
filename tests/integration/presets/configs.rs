//! Presets in configs: the settings they fill in, precedence, messages, and the identity of the run.

use serde_json::Value;

use crate::support::{Project, Settings, holds};

/// Builds a project whose config has these entries as levels and `questions.jsonl` as data set.
fn project(weak: &str, strong: &str) -> Project {
    let config = Settings::simulated().model("small", weak).model("large", strong);
    Project::with(&config.set("limits", toml::Table::new()))
}

const WEAK: &str = "name = 'small'\npreset = 'vllm'\nmodel = 'w'\n";
const STRONG: &str = "name = 'large'\npreset = 'deepseek'\nmodel = 's'\napi_key_env = 'OTHER_KEY'\nlogprobs = false\n";

#[test]
fn the_dry_run_lists_the_keys_from_the_preset() {
    let output = project(WEAK, STRONG).trial("out", &["--dry-run"]).done();
    holds(
        &output.out,
        &[
            "weak level: small (backend openai: w)",
            "model `small`: from preset `vllm`: base_url, timeout_s\n",
            "model `large`: from preset `deepseek`: base_url, extra_body\n",
            "OTHER_KEY, which is not set",
        ],
    );
}

#[test]
fn overrides_take_precedence_over_the_preset() {
    let output = project(WEAK, STRONG).trial("out", &["--dry-run", "--set", "model.large.base_url=http://x/v1"]).done();
    holds(&output.out, &["model `large`: from preset `deepseek`: extra_body\n"]);
}

#[test]
fn an_unknown_preset_is_refused_with_the_nearest_name() {
    let project = project(WEAK, STRONG);
    let text = project.text("trial.toml");
    let mut errors = Vec::new();
    for (from, to) in [
        ("preset = \"vllm\"", "preset = \"vlm\""),
        ("preset = \"vllm\"", "preset = \"azure\""),
        ("model = \"w\"", "modle = \"w\""),
    ] {
        assert!(text.contains(from), "{text}");
        project.write("trial.toml", text.replace(from, to));
        errors.push(project.trial("out", &[]).refused_in_one_line());
    }
    holds(&errors[0], &["trial.toml: line ", "model[0].preset", "`vlm`", "did you mean `vllm`?"]);
    holds(&errors[1], &["model `small`", "`base_url`", "https://YOUR-RESOURCE.openai.azure.com/openai/v1"]);
    holds(&errors[2], &["trial.toml: line ", "`modle`", "did you mean `model`?"]);
    project.write("trial.toml", text.replace("preset = \"vllm\"", "preset = \"vllm\"\nbackend = \"reference\""));
    holds(&project.trial("out", &[]).refused_in_one_line(), &["the key `preset` is for backend `openai`"]);
    project.write("trial.toml", text.replace("preset = \"vllm\"\n", ""));
    holds(&project.trial("out", &[]).refused_in_one_line(), &["trial.toml: line ", "the key `backend` is missing"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn preset_values_and_explicit_values_give_the_same_run() {
    use super::server::{MODEL, Stage, StandIn};
    use intercascade::backend::preset::Preset;

    let stage = Stage::new(&StandIn::new(Preset::Ollama, &[]), "").await;
    let address = format!("base_url = '{}/v1'\nmodel = '{MODEL}'\nmax_tokens = 16\n", stage.server.uri());
    let preset_entry = |name: &str| format!("name = '{name}'\npreset = 'ollama'\n{address}");
    let written = |name: &str| format!("name = '{name}'\nbackend = 'openai'\n{address}timeout_s = 300.0\n");
    let project = project(&preset_entry("small"), &preset_entry("large"));
    let sets =
        ["--set", "dataset.limit=2", "--set", "dataset.orders=1", "--set", "arms=[\"cascade\", \"strong-only\"]"];
    project.trial("out", &sets).done();
    let calls = stage.completion_count().await;
    assert!(calls > 0);
    let manifest: Value = serde_json::from_str(&project.text("out/manifest.json")).expect("JSON");
    let weak = &manifest["config"]["model"][0];
    assert_eq!((&weak["preset"], &weak["timeout_s"]), (&"ollama".into(), &300.0.into()));
    assert_eq!(weak["from_preset"], serde_json::json!(["timeout_s"]));
    assert!(!manifest["identity"].to_string().contains("preset"), "{}", manifest["identity"]);

    let config = Settings::read(&project.text("trial.toml"));
    let config = config.model("small", &written("small")).model("large", &written("large"));
    project.write("trial.toml", config.text());
    let second = project.trial("out", &sets).done();
    holds(&second.err, &["resuming this run"]);
    assert_eq!(stage.completion_count().await, calls, "no call is made again");
}
