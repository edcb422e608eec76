//! The real `llama-server` with the small model.

use crate::support::{CommandOutput, Project, Settings, holds};
use crate::weights::fetched;

/// Runs a config with the small model and the engine in the cache.
fn run_into(project: &Project, out: &str, set: &str) -> CommandOutput {
    let weights = fetched("smollm2-135m-instruct");
    let mut command = project.command();
    command
        .env_remove("INTERCASCADE_LLAMA_SERVER")
        .env("INTERCASCADE_CACHE", weights.ancestors().nth(3).expect("the cache"));
    CommandOutput::of(command.args(["run", "--config", "trial.toml", "--out", out, "--set", set]))
}

fn project() -> Project {
    let weak = "name = 'small'\nbackend = 'llama-server'\nweights = 'smollm2-135m-instruct'\ncontext = 512\nthreads = 1\n\
                max_tokens = 12";
    let arms = ["weak-only", "strong-only"].map(str::to_owned).to_vec();
    let settings = Settings::simulated().model("small", weak).set("arms", arms);
    Project::with(&settings.set("dataset.orders", 1).set("dataset.limit", 4))
}

#[test]
fn chat_and_plain_prompts_are_separate_calls() {
    let project = project();
    for (out, prompt) in [("chat", "chat"), ("plain", "plain")] {
        run_into(&project, out, &format!("model.small.prompt={prompt}")).done();
        for row in project.sheet(out, "records").rows().filter(|row| row.text("arm") == "weak-only") {
            assert!(row.count("weak_input_tokens") > 20 && row.count("weak_output_tokens") > 0);
            assert!(row.number("confidence") > 0.0 && row.number("confidence") < 1.0);
        }
        for row in project.sheet(out, "calls").rows().filter(|row| row.text("model") == "small") {
            assert_eq!(row.text("cached_input_tokens"), "0", "what was asked before does not count");
            holds(row.text("answered_by"), &["smollm2-135m-instruct, ", "llama"]);
        }
    }
    let read =
        |out: &str| project.sheet(out, "records").rows().map(|row| row.count("weak_input_tokens")).sum::<usize>();
    assert_ne!(read("chat"), read("plain"), "the chat template's tokens are read too");
}

#[test]
fn a_prompt_longer_than_the_context_is_refused() {
    let project = project();
    let row = serde_json::json!({ "question": "How much is one and one? ".repeat(200), "answer": "#### 2" });
    project.write("questions.jsonl", format!("{row}\n"));
    let error = run_into(&project, "out", "dataset.limit=1").refused();
    holds(&error, &["model \"small\"", "context", "raise the key `context` of the local model"]);
}
