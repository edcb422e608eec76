//! The start of a server, and the calls that it receives.

use super::{NAMED, Stage, WEAK, gguf, settings, shared};
use crate::support::processes::is_gone;
use crate::support::{CommandOutput, holds};

#[test]
fn two_levels_with_the_same_weights_share_one_server() {
    let stage = Stage::new(&shared());
    // The same file under another name counts as the same weights.
    std::fs::copy(stage.project.path("tiny.gguf"), stage.project.path("copy.gguf")).expect("copied");
    for (out, path) in [("out", "tiny.gguf"), ("again", "copy.gguf")] {
        let set = format!("model.large.path={path}");
        let before = stage.ports().len();
        assert_eq!(stage.run_into(out, &["--set", &set], &[]).done().calls_made(), 8);
        assert_eq!(stage.ports().len(), before + 1);
        let manifest: serde_json::Value =
            serde_json::from_str(&stage.project.text(&format!("{out}/manifest.json"))).expect("JSON");
        for model in ["small", "large"] {
            assert_eq!(manifest["answered_by"][model], serde_json::json!(["tiny, llama.cpp b9999-0a1b2c3"]));
        }
        for row in stage.project.sheet(out, "calls").rows() {
            assert_eq!(row.text("answered_by"), "tiny, llama.cpp b9999-0a1b2c3");
        }
    }
    stage.ports().iter().for_each(|port| is_gone(port));
}

#[test]
fn entries_with_conflicting_server_settings_are_refused() {
    let stage = Stage::new(&shared());
    for (key, value, words) in [("context", "2048", "4096 and 2048"), ("slots", "3", "1 and 3")] {
        let set = format!("model.large.{key}={value}");
        for dry in [&[][..], &["--dry-run"]] {
            let error = stage.run(&[&["--set", &set], dry].concat(), &[]).refused_in_one_line();
            let difference = format!("share one server, but {key} is {words}: set it");
            holds(&error, &["trial.toml: models `small` and `large` have the same weights", &difference]);
        }
    }
    assert!(stage.ports().is_empty() && !stage.project.path("out").exists());
    // Weights with other contents get a separate server.
    stage.project.write("other.gguf", gguf(&[("tokenizer.chat_template", "{{ other }}")], &[]));
    stage.run(&["--set", "model.large.path=other.gguf", "--set", "model.large.slots=3"], &[]).done();
    assert_eq!(stage.ports().len(), 2);
}

#[test]
fn two_servers_never_compute_simultaneously() {
    let other = WEAK.replace("small", "large").replace("tiny", "other");
    let stage = Stage::new(&settings().model("large", &other).set("dataset.limit", 10));
    stage.project.write("other.gguf", gguf(&[("tokenizer.chat_template", "{{ other }}")], &[]));
    assert_eq!(stage.run(&[], &[]).done().calls_made(), 20);
    assert_eq!(stage.ports().len(), 2);
    let text = stage.project.text("diary");
    let calls: Vec<&str> = text.lines().filter(|line| !line.starts_with("start")).collect();
    assert_eq!(calls.len(), 40);
    assert!(calls.chunks(2).all(|pair| pair == ["begin /v1/chat/completions", "end"]), "{text}");
}

#[test]
fn journaled_answers_start_no_engine() {
    let stage = Stage::new(&settings());
    stage.run(&[], &[]).done();
    let (reports, ports) = (stage.project.reports("out"), stage.ports());
    std::fs::remove_file(stage.project.path("llama-server")).expect("there before");
    for (arguments, out) in [(&[][..], "out"), (&["--fresh"], "out"), (&["--journal", "out/journal.sqlite"], "other")] {
        assert_eq!(stage.run_into(out, arguments, &[]).done().calls_made(), 0);
        assert_eq!(stage.project.reports(out), reports);
    }
    // A command that calls no model starts no server either.
    stage.run(&["--dry-run"], &[]).done();
    let error = stage.run_into("more", &["--set", "dataset.limit=5"], &[]).refused();
    holds(&error, &[NAMED, "llama-server: No such file", "more/journal.sqlite"]);
    assert_eq!(stage.ports(), ports);
}

#[test]
fn plain_prompts_use_the_completions_endpoint() {
    let stage = Stage::new(&settings().set("model.small.prompt", "plain"));
    stage.project.write("tiny.gguf", gguf(&[], &[]));
    stage.run(&[], &[]).done();
    assert_eq!(stage.diary("begin"), vec!["begin /v1/completions"; 4]);
}

#[test]
fn several_slots_and_mixed_builds_cause_warnings() {
    let stage = Stage::new(&settings().set("model.small.slots", 2));
    let output = stage.run(&["--set", "dataset.limit=2"], &[("STAND_IN_BUILD", "9998")]).done();
    let slots = "`small` computes 2 sequences at once";
    holds(&output.out, &[slots]);
    assert!(!output.out.contains("Answers come from"), "{}", output.out);
    let output = stage.run_into("more", &["--journal", "out/journal.sqlite"], &[]).done();
    let builds = "Answers come from `llama.cpp b9998-0a1b2c3` and `llama.cpp b9999-0a1b2c3`";
    holds(&output.out, &[slots, builds]);
    holds(&stage.project.text("more/summary.md"), &[slots, builds]);
}

#[test]
fn models_check_reports_the_engine_it_would_run() {
    let stage = Stage::new(&settings());
    let engine = stage.project.path("llama-server");
    let mut command = stage.project.command();
    let output = CommandOutput::of(command.env(NAMED, &engine).args(["models", "check", "llama-server"])).done();
    assert_eq!(output.out, format!("llama-server: llama-server b9999, {}\n", engine.display()));
    // If no engine is named, the PATH is searched first.
    let folder = engine.parent().expect("a folder").display().to_string();
    let path = format!("{folder}:{}", std::env::var("PATH").expect("a PATH"));
    let mut command = stage.project.command();
    command.env_remove(NAMED).env("PATH", path).env("STAND_IN_BUILD", "7000");
    let output = CommandOutput::of(command.args(["models", "check", "llama-server"])).done();
    let lines: Vec<&str> = output.out.lines().collect();
    holds(lines[0], &["llama-server: xllamacpp ", "not installed yet", "cache/engines"]);
    holds(lines[1], &["not used: ", "is build 7000, and 8000 or newer is needed"]);
}
