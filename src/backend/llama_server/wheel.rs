//! The prebuilt engine: the Python wheel `xllamacpp`, a build of llama.cpp with its server inside. It is installed into
//! the cache folder, where it changes nothing for anybody else, and its checksum is pip's to verify.

use std::path::{Path, PathBuf};

use super::{EngineError, OnWait, Wait};
use crate::fetch::{machine, pip};

/// The pinned package and version; the version's last number is llama.cpp's build.
pub(super) const NAME: &str = "xllamacpp 2026.10.11549";
const REQUIREMENT: &str = "xllamacpp==2026.10.11549";
const FOLDER: &str = "xllamacpp-2026.10.11549";
/// The wheels that there are: operating system, processor, SHA-256. Read from the package index on 24 November 2026.
const WHEELS: [(&str, &str, &str); 5] = [
    ("linux", "x86_64", "c54e7d13520ecc989c63dc99d55de3065e2f343a91f43f053d16b5e62077c261"),
    ("linux", "aarch64", "e2a3e79e775515de4ad197e667f874070446ef9ac9cf2044bc9866bc4c72289e"),
    ("macos", "aarch64", "4ecda27a308b2403aa13c9d04b270befab95edc556c24ed00b2f8a98bd7f6781"),
    ("macos", "x86_64", "1f2a08052bb653659bcf1bedbbaf86b97f41dd46aa2763d596d7f27c5d89a689"),
    ("windows", "x86_64", "1b76730ab9af47ec8d05a3d55154305fa92642f694dd9ad87d9e5a5e9956a59d"),
];
/// About what it takes while it is installed: the wheel, its contents, and a copy of them.
const BYTES: u64 = 260_000_000;

/// The checksum of the wheel for a platform; none where there is no wheel.
pub(super) fn sha256(system: &str, processor: &str) -> Option<&'static str> {
    WHEELS.iter().find(|wheel| (wheel.0, wheel.1) == (system, processor)).map(|wheel| wheel.2)
}

/// Where it is, or will be.
pub(super) fn folder(cache: &Path) -> PathBuf {
    cache.join("engines").join(FOLDER)
}

/// Whether it is there. It gets its name when it is whole.
pub(super) fn is_installed(folder: &Path) -> bool {
    folder.join("xllamacpp").is_dir()
}

/// The first Python that is new enough for the wheel; `None` if there is none.
pub(super) fn python(pythons: &[String]) -> Option<String> {
    pip::new_enough(pythons, (3, 10))
}

/// Installs it, where it is not there yet.
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
    let room = tempfile::Builder::new().prefix(".pip-").tempdir_in(engines).map_err(failed)?;
    let hash = sha256(std::env::consts::OS, std::env::consts::ARCH).unwrap_or_default();
    let requirements = format!("{REQUIREMENT} --hash=sha256:{hash}\n");
    std::fs::write(room.path().join("requirements.txt"), requirements).map_err(failed)?;
    let arguments = ["install", "--require-hashes", "-r", "requirements.txt", "--target", "engine"];
    let received = |bytes: u64| on_wait(Wait::Installing { bytes: bytes.min(BYTES), total: BYTES });
    pip::run(&[python.to_owned()], &arguments, room.path(), &received).await.map_err(EngineError::Install)?;
    match std::fs::rename(room.path().join("engine"), folder) {
        // Another process was quicker.
        Err(_) if is_installed(folder) => Ok(()),
        renamed => renamed.map_err(failed),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A stand-in for Python that notes what pip is asked, and then does this.
    fn stand_in(folder: &Path, then: &str) -> String {
        let python = folder.join("python3");
        let script = format!("#!/bin/sh\ncat requirements.txt > \"$0.asked\"\necho \"$@\" >> \"$0.asked\"\n{then}\n");
        std::fs::write(&python, script).expect("written");
        std::fs::set_permissions(&python, std::fs::Permissions::from_mode(0o755)).expect("made executable");
        python.display().to_string()
    }

    /// What lies among the engines.
    fn engines(cache: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(cache.join("engines")).into_iter().flatten();
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }

    #[tokio::test]
    async fn it_is_installed_once_by_its_checksum() {
        let cache = tempfile::tempdir().expect("a folder");
        let python = stand_in(cache.path(), "mkdir -p engine/xllamacpp");
        let folder = folder(cache.path());
        assert!(!is_installed(&folder));
        install(&python, &folder, &|_| {}).await.expect("installed");
        assert!(is_installed(&folder));
        assert_eq!(engines(cache.path()), [FOLDER]);
        let asked = std::fs::read_to_string(format!("{python}.asked")).expect("asked");
        let hash = sha256(std::env::consts::OS, std::env::consts::ARCH).expect("a platform with a wheel");
        assert!(
            asked.starts_with(&format!("{REQUIREMENT} --hash=sha256:{hash}\n-m pip install --require-hashes ")),
            "{asked}"
        );
        for part in ["--target engine", "--no-deps", "--no-cache-dir", "--only-binary=:all:"] {
            assert!(asked.contains(part), "{asked}");
        }
        install("no-such-python", &folder, &|_| {}).await.expect("there already");
    }

    #[tokio::test]
    async fn what_pip_refuses_leaves_nothing() {
        let cache = tempfile::tempdir().expect("a folder");
        let then = "mkdir -p engine/xllamacpp; echo 'ERROR: THESE PACKAGES DO NOT MATCH THE HASHES' >&2; exit 1";
        let python = stand_in(cache.path(), then);
        let error = install(&python, &folder(cache.path()), &|_| {}).await.expect_err("another wheel").to_string();
        assert_eq!(
            error,
            "the prebuilt llama.cpp server cannot be installed: pip: THESE PACKAGES DO NOT MATCH THE HASHES"
        );
        assert!(engines(cache.path()).is_empty(), "{:?}", engines(cache.path()));
        let error = install("no-such-python", &folder(cache.path()), &|_| {}).await.expect_err("no Python").to_string();
        assert!(error.contains("there is no `python3` on the PATH"), "{error}");
    }
}
