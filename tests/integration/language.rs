//! Phrases of a private dialect that must not come back. This is a tripwire: docs/STYLE.md has the rules.

use crate::support::{files, repository};

/// Phrases, each with what to write instead.
const PHRASES: [(&str, &str); 15] = [
    (" told ", "computed, reported, known"),
    ("is told", "receives, is computed"),
    (" tells ", "reports, shows"),
    ("none where", "`None` if"),
    ("where there is none", "if there is none"),
    ("is asked of", "is required of"),
    ("the mend", "the fix"),
    (" mends ", "fixes"),
    ("so many of", "up to N"),
    ("as it stands", "unchanged"),
    ("lay over", "override"),
    ("lays over", "overrides"),
    ("is heard", "is received"),
    ("what is shown of", "name the thing"),
    ("right if accepted", "selective accuracy"),
];

#[test]
fn source_and_documents_are_free_of_the_dialect() {
    let (mut found, mut lines) = (Vec::new(), 0);
    let folders = ["src", "docs", "configs", "examples"].into_iter().flat_map(|folder| {
        files(&repository().join(folder)).into_iter().map(move |(name, bytes)| (format!("{folder}/{name}"), bytes))
    });
    let readme = ("README.md".to_owned(), std::fs::read(repository().join("README.md")).expect("the README"));
    // The glossary lists the old names. Prompts are data that models are sent.
    let is_prose = |name: &str| {
        let extension = name.rsplit('.').next().expect("an extension");
        ["rs", "md", "toml"].contains(&extension) && name != "docs/GLOSSARY.md" && !name.contains("/prompts/")
    };
    for (name, bytes) in folders.chain([readme]).filter(|(name, _)| is_prose(name)) {
        for (number, line) in String::from_utf8(bytes).expect("text").lines().enumerate() {
            lines += 1;
            let lower = line.to_lowercase();
            for (phrase, instead) in PHRASES.iter().filter(|(phrase, _)| lower.contains(phrase)) {
                found.push(format!("{name}:{}: `{}` → {instead}", number + 1, phrase.trim()));
            }
        }
    }
    assert!(lines > 40_000, "{lines}");
    assert!(found.is_empty(), "{}", found.join("\n"));
}
