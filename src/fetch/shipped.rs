//! Files that ship with the program: configs, the paper's tables, the catalogue, small data sets and recordings. They
//! are compiled in. A path that does not exist in the working folder and names one of them is answered by a copy in the
//! cache, so that every command of the documentation works in any folder.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::LazyLock;

use anyhow::{Context, Result, anyhow};
use path_clean::PathClean as _;
use rust_embed::{Embed, EmbeddedFile};
use sha2::{Digest, Sha256};

use super::machine::cache_folder;

#[derive(Embed)]
#[folder = "configs/"]
#[prefix = "configs/"]
#[include = "*.toml"]
struct Configs;

#[derive(Embed)]
#[folder = "datasets/"]
#[prefix = "datasets/"]
#[exclude = "*.md"]
struct DataSets;

/// Recordings that the demonstration and the reproduction of the paper's tables replay, and the judged figures.
#[derive(Embed)]
#[folder = "results/"]
#[prefix = "results/"]
#[include = "judgement/judgement.csv"]
#[include = "pair-gsm-templates/journal*.parquet"]
#[include = "pair-gsm-templates-paper-form/journal*.parquet"]
#[include = "pair-orders/journal*.parquet"]
#[include = "pair-teaching/journal*.parquet"]
#[include = "upper-bound/journal*.parquet"]
struct Recordings;

/// Function that returns an embedded file by name.
type Get = fn(&str) -> Option<EmbeddedFile>;

/// Names of all files, with the function that returns the file.
static FILES: LazyLock<BTreeMap<String, Get>> = LazyLock::new(|| {
    let mut files = BTreeMap::new();
    files.extend(Configs::iter().map(|name| (name.into_owned(), Configs::get as Get)));
    files.extend(DataSets::iter().map(|name| (name.into_owned(), DataSets::get as Get)));
    files.extend(Recordings::iter().map(|name| (name.into_owned(), Recordings::get as Get)));
    files
});

/// Returns the path of a file or folder that a command names: the path itself if it exists or is no file of the
/// program, otherwise its copy in the cache.
///
/// # Errors
/// If the files cannot be unpacked into the cache; the error names the folder.
pub fn located(path: &Path) -> Result<PathBuf> {
    if path.exists() || !is_shipped_name(path) {
        return Ok(path.to_owned());
    }
    Ok(unpacked()?.join(path))
}

/// Returns the path of a shipped file by its name, as in `datasets/catalogue.toml`, whatever the working folder holds.
///
/// # Errors
/// If the files cannot be unpacked into the cache; the error names the folder.
pub fn copy(name: &str) -> Result<PathBuf> {
    Ok(unpacked()?.join(name))
}

/// True for a path of the program's own copy.
#[must_use]
pub fn is_copy(path: &Path) -> bool {
    root().is_some_and(|root| path.starts_with(root))
}

/// A path for people: the name of a shipped file with the words "built in", or the path itself.
#[must_use]
pub fn described(path: &Path) -> String {
    match root().and_then(|root| path.clean().strip_prefix(root).ok().map(Path::to_owned)) {
        Some(name) => format!("{} (built in)", name.display()),
        None => path.display().to_string(),
    }
}

/// True if a relative path names a shipped file, or a folder that has one.
fn is_shipped_name(path: &Path) -> bool {
    let parts: Option<Vec<&str>> = path
        .components()
        .filter(|part| *part != Component::CurDir)
        .map(|part| if let Component::Normal(name) = part { name.to_str() } else { None })
        .collect();
    let Some(name) = parts.map(|parts| parts.join("/")).filter(|name| !name.is_empty()) else { return false };
    let folder = format!("{name}/");
    FILES.contains_key(&name) || FILES.range(folder.clone()..).next().is_some_and(|(file, _)| file.starts_with(&folder))
}

/// Folder of the copies. Its name has a checksum over all files, so each version of the program has its own. `None` if
/// this user has no cache folder.
fn root() -> Option<PathBuf> {
    static NAME: LazyLock<String> = LazyLock::new(|| {
        let mut hasher = Sha256::new();
        for (name, file) in &*FILES {
            hasher.update(name);
            hasher.update(file(name).map(|file| file.metadata.sha256_hash()).unwrap_or_default());
        }
        format!("{}-{}", env!("CARGO_PKG_VERSION"), &hex::encode(hasher.finalize())[..12])
    });
    Some(cache_folder()?.join("shipped").join(&*NAME))
}

/// Returns the folder of the copies, and makes them at the first call.
fn unpacked() -> Result<PathBuf> {
    let root = root().ok_or_else(|| anyhow!("this user has no cache folder: set INTERCASCADE_CACHE to a folder"))?;
    if root.is_dir() {
        return Ok(root);
    }
    unpack(&root).with_context(|| {
        format!("cannot unpack the built-in files into {}. Set INTERCASCADE_CACHE to another folder", root.display())
    })?;
    Ok(root)
}

/// Writes all files into a folder that appears complete or not at all.
fn unpack(root: &Path) -> Result<()> {
    let parent = root.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent)?;
    let staged = tempfile::Builder::new().prefix(".part-").tempdir_in(parent)?;
    for (name, file) in &*FILES {
        let path = staged.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(parent))?;
        let file = file(name).ok_or_else(|| anyhow!("{name} is missing in the program"))?;
        std::fs::write(&path, &file.data).with_context(|| format!("cannot write {}", path.display()))?;
    }
    match std::fs::rename(staged.path(), root) {
        // Another process was faster.
        Err(_) if root.is_dir() => Ok(()),
        outcome => outcome.map_err(Into::into),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_shipped_files_and_folders_are_known() {
        let known = |name: &str| is_shipped_name(Path::new(name));
        for name in ["configs/quickstart.toml", "./configs/paper", "datasets", "results/pair-orders/journal.parquet"] {
            assert!(known(name), "{name}");
        }
        for name in [
            "configs/none.toml",
            "conf",
            "",
            "..",
            "/configs/quickstart.toml",
            "../configs/quickstart.toml",
            "results/pair-mmlu",
        ] {
            assert!(!known(name), "{name}");
        }
    }

    #[test]
    fn copies_equal_the_files_of_the_repository() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("copies");
        unpack(&root).expect("unpacked");
        unpack(&root).expect("a second time");
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        for name in FILES.keys() {
            let [copy, original] =
                [&root, repository].map(|folder| std::fs::read(folder.join(name)).expect("readable"));
            assert!(copy == original, "{name}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("listed").count(), 1, "nothing else is left");
    }
}
