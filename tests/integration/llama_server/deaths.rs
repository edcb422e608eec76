//! A server that dies while it answers.

use super::{Stage, settings};
use crate::support::holds;
use crate::support::processes::is_gone;

#[test]
fn a_dead_server_restarts_once_and_the_call_is_repeated() {
    let stage = Stage::new(&settings());
    let undisturbed = stage.run_into("undisturbed", &[], &[]).done();
    stage.project.write("deaths", "1");
    let output = stage.run(&[], &[]).done();
    holds(&output.err, &["the llama.cpp server of tiny died and is restarted once", "this is too much for me"]);
    assert_eq!((stage.ports().len(), output.calls_made()), (3, undisturbed.calls_made()));
    assert_eq!(stage.project.text("out/accuracy.csv"), stage.project.text("undisturbed/accuracy.csv"));
}

#[test]
fn a_second_server_death_stops_the_run_resumably() {
    let stage = Stage::new(&settings());
    stage.project.write("deaths", "2");
    let error = stage.run(&[], &[]).refused();
    holds(
        &error,
        &[
            "error: the run stopped. Every answer so far is in out/journal.sqlite; the same command resumes",
            "the llama.cpp server has died twice; the end of its log, out/llama-server-tiny.log:\nthis is too much for me",
        ],
    );
    assert_eq!(stage.ports().len(), 2);
    stage.run(&[], &[]).done();
    assert_eq!(stage.ports().len(), 3);
    assert_eq!(stage.diary("end").len(), 4, "every call was answered once");
    stage.ports().iter().for_each(|port| is_gone(port));
}
