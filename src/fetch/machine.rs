//! Properties of this machine that models need: the cache folder, free disk and free memory.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use sysinfo::{CpuRefreshKind, System};

/// Returns the cache folder: `INTERCASCADE_CACHE` if set, otherwise the platform's. `None` if the platform has
/// none.
pub(crate) fn cache_folder() -> Option<PathBuf> {
    let folder = setting("INTERCASCADE_CACHE").map(PathBuf::from).or_else(|| {
        directories::ProjectDirs::from("", "", "intercascade").map(|folders| folders.cache_dir().to_owned())
    })?;
    // An absolute path, because it is passed to programs that run in another folder.
    std::path::absolute(folder).ok()
}

/// Returns the folder of this user's own files (models, prompts, catalogue): `INTERCASCADE_CONFIG` if set, otherwise the
/// platform's. `None` if the platform has none.
pub(crate) fn config_folder() -> Option<PathBuf> {
    setting("INTERCASCADE_CONFIG").map(PathBuf::from).or_else(|| {
        directories::ProjectDirs::from("", "", "intercascade").map(|folders| folders.config_dir().to_owned())
    })
}

/// Returns an environment variable; `None` if it is unset or empty.
pub(crate) fn setting(name: &str) -> Option<String> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(|value| value.to_string_lossy().into_owned())
}

/// Returns the bytes that this user may still write on the disk of an existing folder; `None` if that is unknown.
pub(crate) fn free_disk(folder: &Path) -> Option<u64> {
    fs4::available_space(folder).ok()
}

/// Returns the bytes of memory that a new process can use without swapping, within the limit of a container; `None`
/// if that is unknown.
pub(crate) fn free_memory() -> Option<u64> {
    let mut system = System::new();
    system.refresh_memory();
    // A container's page cache is released on demand, so only the memory of its processes counts.
    let container = system.cgroup_limits().map(|limits| limits.total_memory.saturating_sub(limits.rss));
    let free = system.available_memory().min(container.unwrap_or(u64::MAX));
    (free > 0).then_some(free)
}

/// Returns the processor's brand name; `None` if it has none.
pub(crate) fn processor() -> Option<&'static str> {
    static NAME: LazyLock<String> = LazyLock::new(|| {
        let mut system = System::new();
        system.refresh_cpu_list(CpuRefreshKind::nothing());
        system.cpus().first().map(|cpu| cpu.brand().trim().to_owned()).unwrap_or_default()
    });
    Some(NAME.as_str()).filter(|name| !name.is_empty())
}

/// Formats a number of bytes in MB, rounded up.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_memory_and_disk_are_known() {
        assert!(free_memory().is_some_and(|bytes| bytes > 1_000_000));
        assert!(free_disk(&std::env::temp_dir()).is_some());
        assert_eq!(free_disk(Path::new("/no/such/folder")), None);
    }
}
