//! The prebuilt engine: the Python wheel `xllamacpp`, a build of llama.cpp that includes its server. It is installed
//! into the cache folder, without effect on other Python environments. pip verifies its checksum.

use std::path::{Path, PathBuf};

use super::{EngineError, OnWait, Wait};
use crate::fetch::{machine, pip};

/// Name and version of the pinned package. The last number of the version is llama.cpp's build.
pub(super) const NAME: &str = "xllamacpp 2026.10.11549";
const REQUIREMENT: &str = "xllamacpp==2026.10.11549";
const FOLDER: &str = "xllamacpp-2026.10.11549";
/// Available wheels: operating system, processor, SHA-256. Read from the package index on 24 November 2026.
const WHEELS: [(&str, &str, &str); 5] = [
    ("linux", "x86_64", "c54e7d13520ecc989c63dc99d55de3065e2f343a91f43f053d16b5e62077c261"),
    ("linux", "aarch64", "e2a3e79e775515de4ad197e667f874070446ef9ac9cf2044bc9866bc4c72289e"),
    ("macos", "aarch64", "4ecda27a308b2403aa13c9d04b270befab95edc556c24ed00b2f8a98bd7f6781"),
    ("macos", "x86_64", "1f2a08052bb653659bcf1bedbbaf86b97f41dd46aa2763d596d7f27c5d89a689"),
    ("windows", "x86_64", "1b76730ab9af47ec8d05a3d55154305fa92642f694dd9ad87d9e5a5e9956a59d"),
];
/// Approximate disk space during the installation, in bytes: the wheel, its contents, and a copy of them.
const BYTES: u64 = 260_000_000;

/// Returns the checksum of the wheel for a platform. `None` if no wheel exists.
pub(super) fn sha256(system: &str, processor: &str) -> Option<&'static str> {
    WHEELS.iter().find(|wheel| (wheel.0, wheel.1) == (system, processor)).map(|wheel| wheel.2)
}

/// Returns the folder of the installation, which may not exist yet.
pub(super) fn folder(cache: &Path) -> PathBuf {
    cache.join("engines").join(FOLDER)
}

/// Returns true if the wheel is installed. The folder gets its final name only after a complete installation.
pub(super) fn is_installed(folder: &Path) -> bool {
    folder.join("xllamacpp").is_dir()
}

/// Returns the first Python of version 3.10 or newer. `None` if there is none.
pub(super) fn python(pythons: &[String]) -> Option<String> {
    pip::new_enough(pythons, (3, 10))
}

/// Installs the wheel unless it is installed.
pub(super) async fn install(python: &str, folder: &Path, on_wait: OnWait<'_>) -> Result<(), EngineError> {
    if is_installed(folder) {
        return Ok(());
    }
    let failed = |error: std::io::Error| EngineError::Install(error.into());
    let engines = folder.parent().unwrap_or(folder);
    std::fs::create_dir_all(engines).map_err(failed)?;
    if let Some(free) = machine::free_disk(engines).filter(|free| *free < BYTES) {
        return Err(EngineError::Space { needed: BYTES, folder: engines.to_owned(), free });
    }
    let temporary = tempfile::Builder::new().prefix(".pip-").tempdir_in(engines).map_err(failed)?;
    let hash = sha256(std::env::consts::OS, std::env::consts::ARCH).unwrap_or_default();
    let requirements = format!("{REQUIREMENT} --hash=sha256:{hash}\n");
    std::fs::write(temporary.path().join("requirements.txt"), requirements).map_err(failed)?;
    let arguments = ["install", "--require-hashes", "-r", "requirements.txt", "--target", "engine"];
    let received = |bytes: u64| on_wait(Wait::Installing { bytes: bytes.min(BYTES), total: BYTES });
    pip::run(&[python.to_owned()], &arguments, temporary.path(), &received).await.map_err(EngineError::Install)?;
    match std::fs::rename(temporary.path().join("engine"), folder) {
        // Another process has installed the wheel in the meantime.
        Err(_) if is_installed(folder) => Ok(()),
        renamed => renamed.map_err(failed),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Creates a fake Python that records the arguments for pip and then runs `then`.
    fn fake_python(folder: &Path, then: &str) -> String {
        let python = folder.join("python3");
        let script =
            format!("#!/bin/sh\ncat requirements.txt > \"$0.recorded\"\necho \"$@\" >> \"$0.recorded\"\n{then}\n");
        std::fs::write(&python, script).expect("written");
        std::fs::set_permissions(&python, std::fs::Permissions::from_mode(0o755)).expect("made executable");
        python.display().to_string()
    }

    /// Lists the names in the folder of the engines.
    fn engines(cache: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(cache.join("engines")).into_iter().flatten();
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }

    #[tokio::test]
    async fn wheel_is_installed_once_with_its_checksum() {
        let cache = tempfile::tempdir().expect("a folder");
        let python = fake_python(cache.path(), "mkdir -p engine/xllamacpp");
        let folder = folder(cache.path());
        assert!(!is_installed(&folder));
        install(&python, &folder, &|_| {}).await.expect("installed");
        assert!(is_installed(&folder));
        assert_eq!(engines(cache.path()), [FOLDER]);
        let recorded = std::fs::read_to_string(format!("{python}.recorded")).expect("recorded");
        let hash = sha256(std::env::consts::OS, std::env::consts::ARCH).expect("a platform with a wheel");
        assert!(
            recorded.starts_with(&format!("{REQUIREMENT} --hash=sha256:{hash}\n-m pip install --require-hashes ")),
            "{recorded}"
        );
        for part in ["--target engine", "--no-deps", "--no-cache-dir", "--only-binary=:all:"] {
            assert!(recorded.contains(part), "{recorded}");
        }
        install("no-such-python", &folder, &|_| {}).await.expect("already installed");
    }

    #[tokio::test]
    async fn failed_installation_leaves_no_files() {
        let cache = tempfile::tempdir().expect("a folder");
        let then = "mkdir -p engine/xllamacpp; echo 'ERROR: THESE PACKAGES DO NOT MATCH THE HASHES' >&2; exit 1";
        let python = fake_python(cache.path(), then);
        let error = install(&python, &folder(cache.path()), &|_| {}).await.expect_err("another wheel").to_string();
        assert_eq!(
            error,
            "the prebuilt llama.cpp server cannot be installed: pip: THESE PACKAGES DO NOT MATCH THE HASHES"
        );
        assert!(engines(cache.path()).is_empty(), "{:?}", engines(cache.path()));
        let error = install("no-such-python", &folder(cache.path()), &|_| {}).await.expect_err("no Python").to_string();
        assert!(error.contains("no `python3` on the PATH"), "{error}");
    }
}
