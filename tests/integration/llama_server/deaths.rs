//! A server that dies while it answers.

use super::{Stage, settings};
use crate::support::holds;
use crate::with_engine::is_gone;

#[test]
fn it_is_started_once_more_and_the_call_repeated() {
    let stage = Stage::new(&settings());
    let undisturbed = stage.run_into("undisturbed", &[], &[]).done();
    stage.project.write("deaths", "1");
    let said = stage.run(&[], &[]).done();
    holds(&said.err, &["the llama.cpp server of tiny has died and is started once more", "this is too much for me"]);
    assert_eq!((stage.ports().len(), said.calls_made()), (3, undisturbed.calls_made()));
    assert_eq!(stage.project.text("out/accuracy.csv"), stage.project.text("undisturbed/accuracy.csv"));
}

#[test]
fn a_second_death_stops_the_run_and_the_same_command_goes_on() {
    let stage = Stage::new(&settings());
    stage.project.write("deaths", "2");
    let error = stage.run(&[], &[]).refused();
    holds(
        &error,
        &[
            "error: the run stopped; every answer so far is in out/journal.sqlite, so the same command goes on",
            "the llama.cpp server has died twice; the end of its log, out/llama-server-tiny.log:\nthis is too much for me",
        ],
    );
    assert_eq!(stage.ports().len(), 2);
    stage.run(&[], &[]).done();
    assert_eq!(stage.ports().len(), 3);
    assert_eq!(stage.diary("end").len(), 4, "every call was answered once");
    stage.ports().iter().for_each(|port| is_gone(port));
}
