//! Which llama.cpp server is taken: the one that the user names, one on the PATH that is new enough, else the prebuilt
//! wheel.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;

use super::{EngineError, UnsuitableEngine, wheel};
use crate::fetch::error::FetchError;
use crate::fetch::process::output;
use crate::fetch::{machine, pip};

/// The oldest build of `llama-server` that is taken, of February 2026: `--no-cache-prompt` came in January (llama.cpp's
/// pull request 18776, build 7700 or so), and a cached prompt can change an answer.
pub const MIN_BUILD: u32 = 8000;
/// How long a program may take to tell its version.
const PATIENCE: Duration = Duration::from_secs(20);
static BUILD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"version:\s*b?(\d+)").expect("the pattern is valid"));

/// A llama.cpp server that can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engine {
    /// A `llama-server` program.
    Program {
        /// Where it is.
        path: PathBuf,
        /// Its build; none where it does not know it.
        build: Option<u32>,
    },
    /// The prebuilt wheel, under this Python. It is installed when it is first started.
    Wheel {
        /// The Python command.
        python: String,
        /// Where it is, or will be.
        folder: PathBuf,
    },
}

/// The engine that is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The engine.
    pub engine: Engine,
    /// What stood before it in the order and is not taken, each with the reason.
    pub passed_over: Vec<String>,
}

/// What there is to choose from.
#[derive(Debug, Clone)]
struct Surroundings {
    named: Option<PathBuf>,
    path: OsString,
    pythons: Vec<String>,
    cache: Option<PathBuf>,
    /// The operating system and the processor, as Rust names them.
    platform: (&'static str, &'static str),
}

impl Engine {
    /// Chooses: the program that `INTERCASCADE_LLAMA_SERVER` names, else `llama-server` on the PATH where its build is
    /// at least [`MIN_BUILD`], else the prebuilt wheel.
    ///
    /// # Errors
    /// [`EngineError::Named`] where the named program cannot be taken, [`EngineError::None`] where none can.
    pub fn choose() -> Result<Choice, EngineError> {
        Surroundings {
            named: machine::setting("INTERCASCADE_LLAMA_SERVER").map(PathBuf::from),
            path: std::env::var_os("PATH").unwrap_or_default(),
            pythons: pip::PYTHONS.map(str::to_owned).to_vec(),
            cache: machine::cache_folder(),
            platform: (std::env::consts::OS, std::env::consts::ARCH),
        }
        .choose()
    }

    /// The program at this path, which must be new enough or of no known build.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn program(path: &Path) -> Result<Self, UnsuitableEngine> {
        let build = build(path).map_err(|error| UnsuitableEngine::Broken { path: path.to_owned(), error })?;
        match build {
            Some(old) if old < MIN_BUILD => Err(UnsuitableEngine::Old { path: path.to_owned(), build: old }),
            _ => Ok(Self::Program { path: path.to_owned(), build }),
        }
    }

    /// One line on what it is, its build, and what is missing.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Program { path, build: Some(build) } => format!("llama-server b{build}, {}", path.display()),
            Self::Program { path, build: None } => format!("llama-server of unknown build, {}", path.display()),
            Self::Wheel { folder, .. } if wheel::is_installed(folder) => {
                format!("{}, {}", wheel::NAME, folder.display())
            }
            Self::Wheel { folder, .. } => {
                format!("{}, not there yet: it is installed into {} when first used", wheel::NAME, folder.display())
            }
        }
    }

    /// What identifies it in a manifest, where its server says no more.
    pub(super) fn build(&self) -> String {
        match self {
            Self::Program { build: Some(build), .. } => format!("llama.cpp b{build}"),
            Self::Program { build: None, .. } => "llama.cpp of unknown build".to_owned(),
            Self::Wheel { .. } => wheel::NAME.to_owned(),
        }
    }
}

impl Surroundings {
    fn choose(&self) -> Result<Choice, EngineError> {
        if let Some(path) = &self.named {
            let engine = Engine::program(path).map_err(EngineError::Named)?;
            return Ok(Choice { engine, passed_over: Vec::new() });
        }
        let mut passed_over = Vec::new();
        match self.on_path().map(|path| Engine::program(&path)) {
            Some(Ok(engine @ Engine::Program { build: Some(_), .. })) => return Ok(Choice { engine, passed_over }),
            // Nobody has said that this one is meant, so it must say itself that it is new enough.
            Some(Ok(_)) => passed_over.push("`llama-server` on the PATH does not know its build".to_owned()),
            Some(Err(reason)) => passed_over.push(reason.to_string()),
            None => passed_over.push("no `llama-server` on the PATH".to_owned()),
        }
        match self.wheel() {
            Ok(engine) => Ok(Choice { engine, passed_over }),
            Err(reason) => {
                passed_over.push(reason.to_string());
                passed_over.push("install Python with pip, or llama.cpp".to_owned());
                Err(EngineError::None(passed_over))
            }
        }
    }

    fn on_path(&self) -> Option<PathBuf> {
        let name = format!("llama-server{}", std::env::consts::EXE_SUFFIX);
        std::env::split_paths(&self.path).map(|folder| folder.join(&name)).find(|file| file.is_file())
    }

    fn wheel(&self) -> Result<Engine, UnsuitableEngine> {
        let (system, processor) = self.platform;
        if wheel::sha256(system, processor).is_none() {
            return Err(UnsuitableEngine::Platform(system, processor));
        }
        let cache = self.cache.as_ref().ok_or(UnsuitableEngine::NoCache)?;
        let python = wheel::python(&self.pythons).ok_or(UnsuitableEngine::NoPython)?;
        Ok(Engine::Wheel { python, folder: wheel::folder(cache) })
    }
}

/// The build that a program gives as its version; none where it does not know it.
fn build(program: &Path) -> Result<Option<u32>, FetchError> {
    let said = output(Command::new(program).arg("--version"), PATIENCE)?;
    let build = BUILD.captures(&said).and_then(|found| found[1].parse().ok());
    Ok(build.filter(|build| *build > 0))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A folder of programs, each a line of shell.
    fn programs(programs: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, line) in programs {
            let file = folder.path().join(name);
            std::fs::write(&file, format!("#!/bin/sh\n{line}\n")).expect("written");
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("made executable");
        }
        folder
    }

    /// What there is when a folder is all of the PATH, on a platform that has a wheel.
    fn surroundings(folder: &Path) -> Surroundings {
        Surroundings {
            named: None,
            path: folder.into(),
            pythons: vec![folder.join("python3").display().to_string()],
            cache: Some(folder.join("cache")),
            platform: ("linux", "x86_64"),
        }
    }

    const NEW: &str = "echo 'version: 8123 (0a1b2c3)' >&2; echo 'built with cc' >&2";
    const OLD: &str = "echo 'version: 4321 (0a1b2c3)' >&2";
    const UNKNOWN: &str = "echo 'version: 0 (unknown)' >&2";
    const PYTHON: &str = "echo 3.11";

    #[test]
    fn a_program_on_the_path_that_is_new_enough_is_taken() {
        let folder = programs(&[("llama-server", NEW), ("python3", PYTHON)]);
        let choice = surroundings(folder.path()).choose().expect("an engine");
        let path = folder.path().join("llama-server");
        assert_eq!(choice.engine.describe(), format!("llama-server b8123, {}", path.display()));
        assert_eq!(choice.engine, Engine::Program { path, build: Some(8123) });
        assert!(choice.passed_over.is_empty());
    }

    #[test]
    fn one_that_is_old_or_of_no_known_build_gives_way_to_the_wheel() {
        for (line, reason) in
            [(OLD, "is build 4321, and 8000 or newer is wanted"), (UNKNOWN, "does not know its build")]
        {
            let folder = programs(&[("llama-server", line), ("python3", PYTHON)]);
            let choice = surroundings(folder.path()).choose().expect("an engine");
            assert!(choice.passed_over.len() == 1 && choice.passed_over[0].ends_with(reason), "{choice:?}");
            let said = choice.engine.describe();
            assert!(said.contains("xllamacpp 2026.10.11549, not there yet"), "{said}");
            assert!(said.contains("cache/engines/xllamacpp-2026.10.11549"), "{said}");
        }
    }

    #[test]
    fn a_named_program_is_taken_or_refused_and_nothing_else_is_looked_for() {
        let folder = programs(&[("llama-server", NEW), ("old", OLD), ("unknown", UNKNOWN)]);
        let named =
            |name: &str| Surroundings { named: Some(folder.path().join(name)), ..surroundings(folder.path()) }.choose();
        let choice = named("unknown").expect("the user's word is enough");
        assert!(choice.engine.describe().starts_with("llama-server of unknown build, "), "{choice:?}");
        let error = named("old").expect_err("too old").to_string();
        assert!(error.starts_with("INTERCASCADE_LLAMA_SERVER: ") && error.contains("is build 4321"), "{error}");
        let error = named("missing").expect_err("not there").to_string();
        assert!(error.contains("missing: No such file"), "{error}");
    }

    #[test]
    fn without_any_the_error_says_what_was_looked_for() {
        let no_python = programs(&[]);
        let error = surroundings(no_python.path()).choose().expect_err("nothing").to_string();
        assert!(error.contains("no `llama-server` on the PATH; no Python 3.10 or newer"), "{error}");
        let old_python = programs(&[("llama-server", OLD), ("python3", "echo 3.9")]);
        let error = surroundings(old_python.path()).choose().expect_err("nothing").to_string();
        assert!(error.contains("is build 4321") && error.contains("Python 3.10 or newer"), "{error}");
        let there = programs(&[("python3", PYTHON)]);
        let bsd = Surroundings { platform: ("freebsd", "x86_64"), ..surroundings(there.path()) };
        let error = bsd.choose().expect_err("nothing").to_string();
        assert!(error.contains("no prebuilt one for freebsd on x86_64"), "{error}");
    }
}
