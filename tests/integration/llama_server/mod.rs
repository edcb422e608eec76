//! `backend = "llama-server"` for a user: runs of the command line with a stand-in for the engine, which needs no
//! weights. Tests with the real engine are in `tests/models`.

#![cfg(target_os = "linux")]

mod deaths;
mod ends;
mod refusals;
mod starts;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::{CommandOutput, Project, Settings, program};

const STAND_IN: &str = include_str!("stand_in.py");
/// Environment variable with the path of the engine.
const NAMED: &str = "INTERCASCADE_LLAMA_SERVER";
/// Entry of the weak level with a separate server.
const WEAK: &str = "name = 'small'\nbackend = 'llama-server'\npath = 'tiny.gguf'\nthreads = 1\nmax_tokens = 16";

/// Folder with a config, the stand-in, and `tiny.gguf`, which passes every check.
struct Stage {
    project: Project,
}

/// Settings with four problems and a simulated strong level.
fn settings() -> Settings {
    let arms = ["weak-only", "strong-only"].map(str::to_owned).to_vec();
    Settings::simulated().model("small", WEAK).set("arms", arms).set("dataset.orders", 1).set("dataset.limit", 4)
}

/// Settings with the same weights for both levels.
fn shared() -> Settings {
    let strong = WEAK.replace("small", "large").replace("16", "32");
    settings().model("large", &strong)
}

impl Stage {
    fn new(settings: &Settings) -> Self {
        let project = Project::with(settings);
        project.write("llama-server", STAND_IN);
        executable(&project.path("llama-server"));
        project.write("tiny.gguf", gguf(&[("tokenizer.chat_template", "{{ messages }}")], &[]));
        Self { project }
    }

    /// Runs into the folder `out`; `behaviour` configures the stand-in.
    fn run(&self, arguments: &[&str], behaviour: &[(&str, &str)]) -> CommandOutput {
        self.run_into("out", arguments, behaviour)
    }

    fn run_into(&self, out: &str, arguments: &[&str], behaviour: &[(&str, &str)]) -> CommandOutput {
        let mut command = self.project.command();
        command.env(NAMED, self.project.path("llama-server")).envs(behaviour.iter().copied());
        CommandOutput::of(command.args(["run", "--config", "trial.toml", "--alone", "--out", out]).args(arguments))
    }

    /// Starts the run and returns while it continues, once the diary has a line that begins with `line`.
    fn begun(&self, line: &str, behaviour: &[(&str, &str)]) -> Child {
        let child = Command::new(program())
            .args(["run", "--config", "trial.toml", "--out", "out"])
            .current_dir(self.project.path(""))
            .env(NAMED, self.project.path("llama-server"))
            .envs(behaviour.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let come = (0..600).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            !self.diary(line).is_empty()
        });
        assert!(come, "no {line}");
        child
    }

    /// Returns the lines of the diary that begin with `begin`.
    fn diary(&self, begin: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.project.path("diary")).unwrap_or_default();
        text.lines().filter(|line| line.starts_with(begin)).map(str::to_owned).collect()
    }

    /// Returns the ports of the servers that were started.
    fn ports(&self) -> Vec<String> {
        self.diary("start").iter().map(|line| line.split(' ').nth(1).expect("a port").to_owned()).collect()
    }
}

fn executable(file: &Path) {
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).expect("made executable");
}

/// Builds a GGUF file with these metadata and no tensors.
fn gguf(texts: &[(&str, &str)], numbers: &[(&str, u32)]) -> Vec<u8> {
    let text = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    let entries = (texts.len() + numbers.len()) as u64;
    let mut bytes = [b"GGUF\x03\0\0\0".as_slice(), &0_u64.to_le_bytes(), &entries.to_le_bytes()].concat();
    for (key, value) in texts {
        bytes.extend([text(key), 8_u32.to_le_bytes().to_vec(), text(value)].concat());
    }
    for (key, value) in numbers {
        bytes.extend([text(key), [4_u32, *value].map(u32::to_le_bytes).concat()].concat());
    }
    bytes.resize(bytes.len() + 64, 0);
    bytes
}
