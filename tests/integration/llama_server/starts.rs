//! When a server is started, and which calls it gets.

use super::{NAMED, Stage, WEAK, gguf, settings, shared};
use crate::support::{Said, holds};
use crate::with_engine::is_gone;

#[test]
fn two_levels_with_the_same_weights_share_one_server() {
    let stage = Stage::new(&shared());
    // The same file by another name is the same weights.
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
fn entries_that_want_different_things_of_one_server_are_refused() {
    let stage = Stage::new(&shared());
    for (key, value, words) in [("context", "2048", "(4096 and 2048 now)"), ("slots", "3", "(1 and 3 now)")] {
        let set = format!("model.large.{key}={value}");
        for dry in [&[][..], &["--dry-run"]] {
            let error = stage.run(&[&["--set", &set], dry].concat(), &[]).refused_in_one_line();
            let give = format!("give both the same {key} {words}");
            holds(&error, &["trial.toml: models `small` and `large` have the same weights", &give]);
        }
    }
    assert!(stage.ports().is_empty() && !stage.project.path("out").exists());
    // Weights of another content have a server of their own.
    stage.project.write("other.gguf", gguf(&[("tokenizer.chat_template", "{{ other }}")], &[]));
    stage.run(&["--set", "model.large.path=other.gguf", "--set", "model.large.slots=3"], &[]).done();
    assert_eq!(stage.ports().len(), 2);
}

#[test]
fn two_servers_never_compute_at_once() {
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
fn what_the_journal_answers_starts_no_engine() {
    let stage = Stage::new(&settings());
    stage.run(&[], &[]).done();
    let (reports, ports) = (stage.project.reports("out"), stage.ports());
    std::fs::remove_file(stage.project.path("llama-server")).expect("there before");
    for (arguments, out) in [(&[][..], "out"), (&["--fresh"], "out"), (&["--journal", "out/journal.sqlite"], "other")] {
        assert_eq!(stage.run_into(out, arguments, &[]).done().calls_made(), 0);
        assert_eq!(stage.project.reports(out), reports);
    }
    // Nor does what calls no model.
    stage.run(&["--dry-run"], &[]).done();
    let error = stage.run_into("more", &["--set", "dataset.limit=5"], &[]).refused();
    holds(&error, &[NAMED, "llama-server: No such file", "more/journal.sqlite"]);
    assert_eq!(stage.ports(), ports);
}

#[test]
fn plain_prompts_go_to_completions() {
    let stage = Stage::new(&settings().set("model.small.prompt", "plain"));
    stage.project.write("tiny.gguf", gguf(&[], &[]));
    stage.run(&[], &[]).done();
    assert_eq!(stage.diary("begin"), vec!["begin /v1/completions"; 4]);
}

#[test]
fn more_slots_than_one_and_answers_of_two_builds_are_warned_about() {
    let stage = Stage::new(&settings().set("model.small.slots", 2));
    let said = stage.run(&["--set", "dataset.limit=2"], &[("STAND_IN_BUILD", "9998")]).done();
    let slots = "`small` computes 2 sequences at once";
    holds(&said.out, &[slots]);
    assert!(!said.out.contains("Answers come from"), "{}", said.out);
    let said = stage.run_into("more", &["--journal", "out/journal.sqlite"], &[]).done();
    let builds = "Answers come from `llama.cpp b9998-0a1b2c3` and `llama.cpp b9999-0a1b2c3`";
    holds(&said.out, &[slots, builds]);
    holds(&stage.project.text("more/summary.md"), &[slots, builds]);
}

#[test]
fn models_check_says_which_engine_would_run() {
    let stage = Stage::new(&settings());
    let engine = stage.project.path("llama-server");
    let mut command = stage.project.command();
    let said = Said::of(command.env(NAMED, &engine).args(["models", "check", "llama-server"])).done();
    assert_eq!(said.out, format!("llama-server: llama-server b9999, {}\n", engine.display()));
    // Without a name, the one on the PATH is looked at first.
    let folder = engine.parent().expect("a folder").display().to_string();
    let path = format!("{folder}:{}", std::env::var("PATH").expect("a PATH"));
    let mut command = stage.project.command();
    command.env_remove(NAMED).env("PATH", path).env("STAND_IN_BUILD", "7000");
    let said = Said::of(command.args(["models", "check", "llama-server"])).done();
    let lines: Vec<&str> = said.out.lines().collect();
    holds(lines[0], &["llama-server: xllamacpp ", "not there yet", "cache/engines"]);
    holds(lines[1], &["passed over: ", "is build 7000, and 8000 or newer is wanted"]);
}
