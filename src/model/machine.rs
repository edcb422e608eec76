//! What this machine has for models: a folder that keeps what was fetched and free disk.

use std::path::{Path, PathBuf};

/// The folder for what is fetched once: `INTERCASCADE_CACHE`, else the platform's; none where the platform names none.
pub(crate) fn cache_folder() -> Option<PathBuf> {
    let folder = setting("INTERCASCADE_CACHE").map(PathBuf::from).or_else(|| {
        directories::ProjectDirs::from("", "", "intercascade").map(|folders| folders.cache_dir().to_owned())
    })?;
    // Programs that work in another folder are handed paths in it.
    std::path::absolute(folder).ok()
}

/// A variable of the environment, where it is set to something.
pub(crate) fn setting(name: &str) -> Option<String> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(|value| value.to_string_lossy().into_owned())
}

/// The bytes that this user may still write on the disk of a folder that is there; none where that cannot be told.
pub(crate) fn free_disk(folder: &Path) -> Option<u64> {
    fs4::available_space(folder).ok()
}

/// A number of bytes as people read it.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_disk() {
        assert!(free_disk(&std::env::temp_dir()).is_some());
        assert_eq!(free_disk(Path::new("/no/such/folder")), None);
    }
}
