//! Presets in configs: what they fill in, what wins, what is said of it, and what stays the same run.

use serde_json::Value;

use crate::support::{Project, Settings, holds};

/// A config whose levels are these entries, over `questions.jsonl`.
fn project(weak: &str, strong: &str) -> Project {
    let config = Settings::simulated().model("small", weak).model("large", strong);
    Project::with(&config.set("limits", toml::Table::new()))
}

const WEAK: &str = "name = 'small'\npreset = 'vllm'\nmodel = 'w'\n";
const STRONG: &str = "name = 'large'\npreset = 'deepseek'\nmodel = 's'\napi_key_env = 'OTHER_KEY'\nlogprobs = false\n";

#[test]
fn the_dry_run_says_which_keys_came_from_the_preset() {
    let said = project(WEAK, STRONG).trial("out", &["--dry-run"]).done();
    holds(
        &said.out,
        &[
            "weak level: small (backend openai: w)",
            "model `small`: from preset `vllm`: base_url, timeout_s\n",
            "model `large`: from preset `deepseek`: base_url, extra_body\n",
            "OTHER_KEY, which is not set",
        ],
    );
}

#[test]
fn what_is_laid_over_a_config_wins_over_the_preset() {
    let said = project(WEAK, STRONG).trial("out", &["--dry-run", "--set", "model.large.base_url=http://x/v1"]).done();
    holds(&said.out, &["model `large`: from preset `deepseek`: extra_body\n"]);
}

#[test]
fn wrong_presets_name_the_place_and_the_nearest_right_one() {
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
    holds(&project.trial("out", &[]).refused_in_one_line(), &["trial.toml: line ", "missing field `backend`"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_the_same_whether_its_values_are_written_or_taken() {
    use super::server::{MODEL, Stage, StandIn};
    use intercascade::backend::preset::Preset;

    let stage = Stage::new(&StandIn::new(Preset::Ollama, &[]), "").await;
    let address = format!("base_url = '{}/v1'\nmodel = '{MODEL}'\nmax_tokens = 16\n", stage.server.uri());
    let taken = |name: &str| format!("name = '{name}'\npreset = 'ollama'\n{address}");
    let written = |name: &str| format!("name = '{name}'\nbackend = 'openai'\n{address}timeout_s = 300.0\n");
    let project = project(&taken("small"), &taken("large"));
    let sets =
        ["--set", "dataset.limit=2", "--set", "dataset.orders=1", "--set", "arms=[\"cascade\", \"strong-only\"]"];
    project.trial("out", &sets).done();
    let calls = stage.asked().await;
    assert!(calls > 0);
    let manifest: Value = serde_json::from_str(&project.text("out/manifest.json")).expect("JSON");
    let weak = &manifest["config"]["model"][0];
    assert_eq!((&weak["preset"], &weak["timeout_s"]), (&"ollama".into(), &300.0.into()));
    assert_eq!(weak["from_preset"], serde_json::json!(["timeout_s"]));
    assert!(!manifest["identity"].to_string().contains("preset"), "{}", manifest["identity"]);

    let config = Settings::read(&project.text("trial.toml"));
    let config = config.model("small", &written("small")).model("large", &written("large"));
    project.write("trial.toml", config.text());
    let again = project.trial("out", &sets).done();
    holds(&again.err, &["this run was begun before"]);
    assert_eq!(stage.asked().await, calls, "no call is made again");
}
