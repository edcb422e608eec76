//! The command that starts an engine, and the mechanism that ends the engine together with this program.
//!
//! This program holds the writing end of a pipe that is the engine's stdin, and writes nothing. If this program ends,
//! even by `kill -9`, the system closes the pipe, and the reader of the pipe ends the server. On Unix the reader is a
//! guarding shell for either engine. On every system the wheel's launcher is a reader, and on Windows the only one.
//! On Windows a `llama-server` program is ended by its owner, and survives if this program is killed.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::process::{Child, Command, Stdio};

use secrecy::{ExposeSecret, SecretString};

use super::{Engine, EngineSettings};

/// Python program that starts the wheel's server. Its arguments are the wheel's folder, the weights, the total
/// context, slots, threads and port.
const LAUNCHER: &str = include_str!("launcher.py");
/// Shell script that runs a program until the program or stdin ends. The watcher is killed at the end because it
/// waits for stdin.
#[cfg(unix)]
const GUARD: &str = "exec 3<&0\n\
    \"$@\" <&3 & server=$!\n\
    { read -r _; kill -9 $server; } <&3 2>/dev/null & watcher=$!\n\
    wait $server; status=$?\n\
    kill $watcher 2>/dev/null\n\
    exit $status\n";
/// Environment variable from which both engines read their key. Every user of the machine could read an argument.
const KEY: &str = "LLAMA_API_KEY";
/// Prefix of the environment variables that replace llama.cpp's arguments. They are removed, so a variable of the
/// user cannot change an answer unnoticed.
const ARGUMENT_VARIABLES: &str = "LLAMA_ARG_";

/// Starts an engine that listens on a local port, and appends its output to a file.
pub(super) fn spawn(
    engine: &Engine,
    settings: &EngineSettings,
    port: u16,
    key: &SecretString,
    log: &File,
) -> io::Result<Child> {
    let mut command = guarded(&command_line(engine, settings, port));
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

/// Returns the program and its arguments.
fn command_line(engine: &Engine, settings: &EngineSettings, port: u16) -> Vec<OsString> {
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

/// Returns the command inside the guarding shell, in a separate process group that a Ctrl-C does not reach.
#[cfg(unix)]
fn guarded(line: &[OsString]) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new("/bin/sh");
    command.args(["-c", GUARD, "llama-server-guard"]).args(line).process_group(0);
    command
}

/// Returns the command, in a separate process group that a Ctrl-C does not reach.
#[cfg(windows)]
fn guarded(line: &[OsString]) -> Command {
    use std::os::windows::process::CommandExt;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x0200;
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]).creation_flags(CREATE_NEW_PROCESS_GROUP);
    command
}
