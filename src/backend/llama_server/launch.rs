//! The command that starts an engine, and what ends it with this program.
//!
//! The program holds the writing end of a pipe that is the engine's stdin, and writes nothing. However the program
//! ends, even by `kill -9`, the system closes the pipe, and whoever reads it then ends the server: on Unix a shell that
//! stands guard over either engine; everywhere the wheel's own launcher, which on Windows is the only one. A
//! `llama-server` program on Windows is ended with its owner, and outlives a program that is killed outright.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::process::{Child, Command, Stdio};

use secrecy::{ExposeSecret, SecretString};

use super::{Engine, EngineSettings};

/// Starts the wheel's server: its arguments are the wheel's folder, the weights, the context in all, slots, threads, port.
const LAUNCHER: &str = include_str!("launcher.py");
/// Runs a program until it ends or stdin does. The watcher is the one that is asked to end, since it is waiting.
#[cfg(unix)]
const GUARD: &str = "exec 3<&0\n\
    \"$@\" <&3 & server=$!\n\
    { read -r _; kill -9 $server; } <&3 2>/dev/null & watcher=$!\n\
    wait $server; status=$?\n\
    kill $watcher 2>/dev/null\n\
    exit $status\n";
/// The variable from which both engines take their key: arguments can be read by everybody on the machine.
const KEY: &str = "LLAMA_API_KEY";
/// llama.cpp's variables that stand in for arguments begin so. None of the user's may change an answer unseen.
const ARGUMENT_VARIABLES: &str = "LLAMA_ARG_";

/// Starts an engine that listens on this port of this machine, and appends what it says to a file.
pub(super) fn spawn(
    engine: &Engine,
    settings: &EngineSettings,
    port: u16,
    key: &SecretString,
    log: &File,
) -> io::Result<Child> {
    let mut command = guarded(&line(engine, settings, port));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with(ARGUMENT_VARIABLES)) {
        command.env_remove(name);
    }
    command
        .env(KEY, key.expose_secret())
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log.try_clone()?)
        .spawn()
}

/// The program and its arguments.
fn line(engine: &Engine, settings: &EngineSettings, port: u16) -> Vec<OsString> {
    let context = (u64::from(settings.context) * u64::from(settings.slots)).to_string();
    let [slots, threads, port] = [settings.slots.to_string(), settings.threads.to_string(), port.to_string()];
    let weights = settings.weights.as_os_str();
    match engine {
        Engine::Program { path, .. } => {
            let mut line = vec![path.into(), "--model".into(), weights.to_owned()];
            let numbers = [("--port", port), ("--ctx-size", context), ("--parallel", slots), ("--threads", threads)];
            line.extend(numbers.into_iter().flat_map(|(name, value)| [name.into(), value.into()]));
            line.extend(["--host", "127.0.0.1", "--no-cache-prompt", "--cache-ram", "0"].map(OsString::from));
            line
        }
        Engine::Wheel { python, folder } => {
            let mut line: Vec<OsString> = [python, "-I", "-c", LAUNCHER].map(OsString::from).to_vec();
            line.extend([folder.as_os_str(), weights].map(OsString::from));
            line.extend([context, slots, threads, port].map(OsString::from));
            line
        }
    }
}

/// The command, under guard, and out of reach of a Ctrl-C that is meant for this program.
#[cfg(unix)]
fn guarded(line: &[OsString]) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new("/bin/sh");
    command.args(["-c", GUARD, "llama-server-guard"]).args(line).process_group(0);
    command
}

/// The command, out of reach of a Ctrl-C that is meant for this program.
#[cfg(windows)]
fn guarded(line: &[OsString]) -> Command {
    use std::os::windows::process::CommandExt;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x0200;
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]).creation_flags(CREATE_NEW_PROCESS_GROUP);
    command
}
