//! The server ends with the program, however the program ends. For a panic, see `server_process/fakes.rs`.

use std::io::Read;
use std::process::{Child, Command};

use super::{Stage, settings};
use crate::support::holds;
use crate::support::processes::{is_gone, serving};

fn interrupt(child: &Child) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(sent.success());
}

/// Returns the text on stderr and the exit status.
fn ended(mut child: Child) -> (Option<i32>, String) {
    let mut output = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut output).expect("text");
    (child.wait().expect("ended").code(), output)
}

/// Returns the port of the only server, which must exist.
fn port(stage: &Stage) -> String {
    let ports = stage.ports();
    assert!(ports.len() == 1 && serving(&ports[0]).is_some(), "{ports:?}");
    ports[0].clone()
}

#[test]
fn ctrl_c_journals_the_call_in_flight_and_the_run_resumes() {
    let stage = Stage::new(&settings());
    let child = stage.begun("begin", &[("STAND_IN_SECONDS", "1.5")]);
    let port = port(&stage);
    interrupt(&child);
    let (code, output) = ended(child);
    is_gone(&port);
    assert_eq!(code, Some(130), "{output}");
    holds(&output, &["stopping after the calls in flight", "the same command resumes"]);
    let (begun, answered) = (stage.diary("begin").len(), stage.diary("end").len());
    assert_eq!(begun, answered);
    // Up to four calls of the simulated strong level may have been made too.
    stage.run(&[], &[]).done();
    assert_eq!(stage.diary("end").len(), 4, "no call is made twice");
}

#[test]
fn a_second_ctrl_c_ends_a_loading_server_at_once() {
    for (line, behaviour) in [("begin", ("STAND_IN_SECONDS", "60")), ("start", ("STAND_IN_LOADS", "for ever"))] {
        let stage = Stage::new(&settings());
        let child = stage.begun(line, &[behaviour]);
        let port = stage.ports()[0].clone();
        interrupt(&child);
        std::thread::sleep(std::time::Duration::from_millis(300));
        interrupt(&child);
        let (code, output) = ended(child);
        assert_eq!(code, Some(130), "{output}");
        is_gone(&port);
    }
}

#[test]
fn an_error_of_the_run_ends_the_server() {
    let stage = Stage::new(&settings());
    // The third problem.
    let error = stage.run(&[], &[("STAND_IN_REFUSES", "Ingrid wants")]).refused();
    holds(&error, &["the run stopped", "not this one"]);
    stage.ports().iter().for_each(|port| is_gone(port));
}

#[test]
fn kill_9_of_the_run_ends_the_server() {
    for (line, behaviour) in [("begin", ("STAND_IN_SECONDS", "60")), ("start", ("STAND_IN_LOADS", "for ever"))] {
        let stage = Stage::new(&settings());
        let mut child = stage.begun(line, &[behaviour]);
        let port = stage.ports()[0].clone();
        child.kill().expect("killed");
        child.wait().expect("reaped");
        is_gone(&port);
    }
}
