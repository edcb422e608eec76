//! What cannot run: one error that names the place and the mend, exit status 2, and no server left behind.

use super::{NAMED, Stage, executable, gguf, settings};
use crate::support::{Said, holds};
use crate::with_engine::is_gone;

/// The run with nothing but this folder on the PATH.
fn alone(stage: &Stage) -> String {
    stage.project.write("empty/nothing", "");
    let mut command = stage.project.command();
    command.env_remove(NAMED).env("PATH", stage.project.path("empty"));
    Said::of(command.args(["run", "--config", "trial.toml", "--out", "out"])).refused()
}

#[test]
fn no_engine_and_no_python() {
    let stage = Stage::new(&settings());
    let missing = "there is no llama.cpp server to run: no `llama-server` on the PATH; no Python 3.10 or newer";
    holds(&alone(&stage), &[missing, "install Python with pip, or llama.cpp"]);
    stage.project.write("empty/llama-server", "#!/bin/sh\necho 'version: 4321 (a)'\n");
    executable(&stage.project.path("empty/llama-server"));
    holds(&alone(&stage), &["empty/llama-server is build 4321, and 8000 or newer is wanted; no Python"]);
}

#[test]
fn a_named_engine_that_cannot_be_taken() {
    let stage = Stage::new(&settings());
    let error = stage.run(&[], &[("STAND_IN_BUILD", "7999")]).refused();
    holds(&error, &["INTERCASCADE_LLAMA_SERVER: ", "llama-server is build 7999, and 8000 or newer is wanted"]);
    let error = stage.run(&[], &[(NAMED, "no/such")]).refused();
    holds(&error, &["INTERCASCADE_LLAMA_SERVER: no/such: No such file"]);
    assert!(stage.ports().is_empty());
}

#[test]
fn weights_that_cannot_be_served() {
    let stage = Stage::new(&settings());
    let chat = ("tokenizer.chat_template", "{{ messages }}");
    let named = ("general.architecture", "llama");
    // A hundred thousand layers: more memory than any machine has.
    let shape = [("llama.block_count", 100_000), ("llama.embedding_length", 8192), ("llama.attention.head_count", 8)];
    let short = [("llama.context_length", 2048)];
    for (bytes, words) in [
        (gguf(&[chat], &[])[..40].to_vec(), "tiny.gguf: it is cut off: fetch it again"),
        (gguf(&[chat], &[("split.count", 3)]), "tiny.gguf: it is one of several files: join them with"),
        (gguf(&[], &[]), "tiny.gguf: it has no chat template: set prompt = \"plain\""),
        (b"PK\x03\x04 and more than this".to_vec(), "tiny.gguf: it is no GGUF file"),
        (gguf(&[chat, named], &shape), "tiny.gguf: needs about 13421"),
        (gguf(&[chat, named], &short), "tiny.gguf: it was trained on 2048 tokens: context = 4096 is too much"),
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
fn an_engine_that_does_not_know_the_architecture_or_ends_at_once() {
    let stage = Stage::new(&settings());
    for (said, words) in [
        ("error loading model: unknown model architecture: 'lemma'", "tiny.gguf: its architecture is `lemma`, which"),
        ("no device was found", "ended while it loaded the weights (exit status: 1); the end of its log, "),
    ] {
        let error = stage.run(&[], &[("STAND_IN_SAYS", said)]).refused();
        holds(&error, &["model `small`", words]);
    }
    holds(&stage.project.text("out/llama-server-tiny.log"), &["no device was found"]);
    stage.ports().iter().for_each(|port| is_gone(port));
}

#[test]
fn two_ways_to_name_weights_and_keys_of_other_backends() {
    let stage = Stage::new(&settings());
    for (set, words) in [
        ("model.small.weights=smollm2-135m-instruct", "needs the key `weights` or the key `path`, and not both"),
        ("model.small.concurrency=3", "the key `concurrency` is for backend `openai`"),
        ("model.small.sha256=00", "the checksum of tiny.gguf is "),
    ] {
        holds(&stage.run(&["--set", set], &[]).refused_in_one_line(), &["model `small`", words]);
    }
}
