//! Phrases of a private dialect that must not come back. This is a tripwire: docs/STYLE.md has the rules.

use crate::support::repository;

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

fn check(path: &std::path::Path, found: &mut Vec<String>, lines: &mut usize) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).expect("a folder") {
            let path = entry.expect("an entry").path();
            // Texts that models are sent, and problems, are data.
            if !path.ends_with("prompts") {
                check(&path, found, lines);
            }
        }
        return;
    }
    let is_prose = path.extension().is_some_and(|extension| ["rs", "md", "toml"].iter().any(|one| extension == *one));
    // The glossary lists the old names.
    if !is_prose || path.ends_with("docs/GLOSSARY.md") {
        return;
    }
    let text = std::fs::read_to_string(path).expect("text");
    for (number, line) in text.lines().enumerate() {
        *lines += 1;
        let lower = line.to_lowercase();
        for (phrase, instead) in PHRASES.iter().filter(|(phrase, _)| lower.contains(phrase)) {
            found.push(format!("{}:{}: `{}` → {instead}", path.display(), number + 1, phrase.trim()));
        }
    }
}

#[test]
fn source_and_documents_are_free_of_the_dialect() {
    let (mut found, mut lines) = (Vec::new(), 0);
    for place in ["src", "docs", "configs", "examples", "README.md"] {
        check(&repository().join(place), &mut found, &mut lines);
    }
    assert!(lines > 40_000, "{lines}");
    assert!(found.is_empty(), "{}", found.join("\n"));
}
