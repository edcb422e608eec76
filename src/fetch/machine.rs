//! What this machine has for models: a folder that keeps what was fetched, free disk and free memory.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use sysinfo::{CpuRefreshKind, System};

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

/// The bytes of memory that a new process can take without swapping, within the limit of a container; none where
/// that cannot be told.
pub(crate) fn free_memory() -> Option<u64> {
    let mut system = System::new();
    system.refresh_memory();
    // What a container's files take in memory is given back on demand, so only its processes' own memory counts.
    let container = system.cgroup_limits().map(|limits| limits.total_memory.saturating_sub(limits.rss));
    let free = system.available_memory().min(container.unwrap_or(u64::MAX));
    (free > 0).then_some(free)
}

/// The processor's name as it gives it itself; `None` if it gives none.
pub(crate) fn processor() -> Option<&'static str> {
    static NAME: LazyLock<String> = LazyLock::new(|| {
        let mut system = System::new();
        system.refresh_cpu_list(CpuRefreshKind::nothing());
        system.cpus().first().map(|cpu| cpu.brand().trim().to_owned()).unwrap_or_default()
    });
    Some(NAME.as_str()).filter(|name| !name.is_empty())
}

/// A number of bytes as people read it.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_some_of_each() {
        assert!(free_memory().is_some_and(|bytes| bytes > 1_000_000));
        assert!(free_disk(&std::env::temp_dir()).is_some());
        assert_eq!(free_disk(Path::new("/no/such/folder")), None);
    }
}
