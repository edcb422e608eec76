//! Settings that cannot run: one error that names the place and the fix, exit status 2, and no server left behind.

use super::{NAMED, Stage, executable, gguf, settings};
use crate::support::processes::is_gone;
use crate::support::{CommandOutput, holds};

/// Runs the config with only this folder on the PATH.
fn alone(stage: &Stage) -> String {
    stage.project.write("empty/nothing", "");
    let mut command = stage.project.command();
    command.env_remove(NAMED).env("PATH", stage.project.path("empty"));
    CommandOutput::of(command.args(["run", "--config", "trial.toml", "--out", "out"])).refused()
}

#[test]
fn a_missing_engine_without_python_is_reported() {
    let stage = Stage::new(&settings());
    let missing = "no llama.cpp server is available: no `llama-server` on the PATH; no Python 3.10 or newer";
    holds(&alone(&stage), &[missing, "install Python with pip, or llama.cpp"]);
    stage.project.write("empty/llama-server", "#!/bin/sh\necho 'version: 4321 (a)'\n");
    executable(&stage.project.path("empty/llama-server"));
    holds(&alone(&stage), &["empty/llama-server is build 4321, and 8000 or newer is needed; no Python"]);
}

#[test]
fn an_unusable_engine_path_is_refused() {
    let stage = Stage::new(&settings());
    let error = stage.run(&[], &[("STAND_IN_BUILD", "7999")]).refused();
    holds(&error, &["INTERCASCADE_LLAMA_SERVER: ", "llama-server is build 7999, and 8000 or newer is needed"]);
    let error = stage.run(&[], &[(NAMED, "no/such")]).refused();
    holds(&error, &["INTERCASCADE_LLAMA_SERVER: no/such: No such file"]);
    assert!(stage.ports().is_empty());
}

#[test]
fn weights_that_cannot_be_served_are_refused() {
    let stage = Stage::new(&settings());
    let chat = ("tokenizer.chat_template", "{{ messages }}");
    let named = ("general.architecture", "llama");
    // A hundred thousand layers need more memory than any machine has.
    let shape = [("llama.block_count", 100_000), ("llama.embedding_length", 8192), ("llama.attention.head_count", 8)];
    let short = [("llama.context_length", 2048)];
    for (bytes, words) in [
        (gguf(&[chat], &[])[..40].to_vec(), "tiny.gguf: the file is incomplete: fetch it again"),
        (gguf(&[chat], &[("split.count", 3)]), "tiny.gguf: the file is one of several parts: join them with"),
        (gguf(&[], &[]), "tiny.gguf: the file has no chat template: set prompt = \"plain\""),
        (b"PK\x03\x04 and more than this".to_vec(), "tiny.gguf: the file is not a GGUF file"),
        (gguf(&[chat, named], &shape), "tiny.gguf: serving it needs about 13421"),
        (
            gguf(&[chat, named], &short),
            "tiny.gguf: the model was trained on 2048 tokens, so context = 4096 is too large",
        ),
    ] {
        stage.project.write("tiny.gguf", bytes);
        let error = stage.run(&["--fresh"], &[]).refused();
        holds(&error, &["error: the run stopped", "model `small`", words]);
    }
    std::fs::remove_file(stage.project.path("tiny.gguf")).expect("there before");
    let error = stage.run(&["--fresh"], &[]).refused_in_one_line();
    holds(&error, &["model `small`", "cannot read the weights tiny.gguf: No such file"]);
    assert!(stage.ports().is_empty(), "nothing was started for any of these");
}

#[test]
fn engines_that_lack_the_architecture_or_exit_are_reported() {
    let stage = Stage::new(&settings());
    for (output, words) in [
        ("error loading model: unknown model architecture: 'lemma'", "does not know its architecture `lemma`"),
        ("no device was found", "ended while it loaded the weights (exit status: 1); the end of its log, "),
    ] {
        let error = stage.run(&[], &[("STAND_IN_SAYS", output)]).refused();
        holds(&error, &["model `small`", words]);
    }
    holds(&stage.project.text("out/llama-server-tiny.log"), &["no device was found"]);
    stage.ports().iter().for_each(|port| is_gone(port));
}

#[test]
fn conflicting_weights_keys_and_foreign_keys_are_refused() {
    let stage = Stage::new(&settings());
    for (set, words) in [
        ("model.small.weights=smollm2-135m-instruct", "needs the key `weights` or the key `path`, and not both"),
        ("model.small.concurrency=3", "the key `concurrency` is for backend `openai`"),
        ("model.small.sha256=00", "the checksum of tiny.gguf is "),
    ] {
        holds(&stage.run(&["--set", set], &[]).refused_in_one_line(), &["model `small`", words]);
    }
}
