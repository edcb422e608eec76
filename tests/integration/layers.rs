//! A folder a floor: a module imports its own floor or a lower one. The table is that of docs/ARCHITECTURE.md.

use std::collections::BTreeSet;

use regex::Regex;

use crate::support::{files, repository};

/// The folders of each floor, from plain data up to the command line.
const FLOORS: [&[&str]; 8] = [
    &["types"],
    &["analysis", "task"],
    &["fetch", "tables"],
    &["backend", "dataset", "gateway", "retrieval"],
    &["cascade", "report"],
    &["config"],
    &["run"],
    &["cli"],
];

/// What else stands in `src`: the roots, which only name the floors and start the program.
const ROOTS: [&str; 2] = ["lib.rs", "main.rs"];

fn floor(folder: &str) -> Option<usize> {
    FLOORS.iter().position(|folders| folders.contains(&folder))
}

/// The sources without their comments, by path from `src`.
fn sources() -> Vec<(String, String)> {
    let code = |text: &str| -> String {
        text.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| [line, "\n"]).collect()
    };
    let found = files(&repository().join("src"))
        .into_iter()
        .filter(|(name, _)| name.rsplit_once('.').is_some_and(|(_, ending)| ending == "rs"));
    found.map(|(name, bytes)| (name, code(&String::from_utf8(bytes).expect("UTF-8")))).collect()
}

/// The first part of a path below `src`.
fn folder(path: &str) -> &str {
    path.split('/').next().unwrap_or(path)
}

/// The modules at the root of the crate that a source names, one by one or in braces; `super` reaches them too.
fn imports(source: &str) -> BTreeSet<String> {
    let single = Regex::new(r"\b(?:crate|super|intercascade)::([a-z_]+)\b").expect("a pattern");
    let several = Regex::new(r"\bcrate::\{([^;]*)\};").expect("a pattern");
    let first = Regex::new(r"(?:^|,)\s*([a-z_]+)").expect("a pattern");
    let nested = Regex::new(r"\{[^{}]*\}").expect("a pattern");
    let mut found: BTreeSet<String> = single.captures_iter(source).map(|path| path[1].to_owned()).collect();
    for group in several.captures_iter(source) {
        let flat = nested.replace_all(&group[1], "");
        found.extend(first.captures_iter(&flat).map(|path| path[1].to_owned()));
    }
    found
}

#[test]
fn src_holds_the_floors_and_the_roots_and_nothing_else() {
    let present: BTreeSet<String> = sources().iter().map(|(path, _)| folder(path).to_owned()).collect();
    let listed: BTreeSet<String> = FLOORS.concat().into_iter().chain(ROOTS).map(str::to_owned).collect();
    assert_eq!(present, listed);
}

#[test]
fn the_architectures_table_and_the_root_are_in_this_order() {
    let text = std::fs::read_to_string(repository().join("docs/ARCHITECTURE.md")).expect("readable");
    let row = Regex::new(r"(?m)^\| (\d) \| ([^|]+) \|").expect("a pattern");
    let name = Regex::new(r"`([a-z_]+)/`").expect("a pattern");
    let told: Vec<(String, BTreeSet<String>)> = row
        .captures_iter(&text)
        .map(|row| (row[1].to_owned(), name.captures_iter(&row[2]).map(|name| name[1].to_owned()).collect()))
        .collect();
    let listed: Vec<(String, BTreeSet<String>)> = FLOORS
        .iter()
        .enumerate()
        .rev()
        .map(|(floor, folders)| (floor.to_string(), folders.iter().map(|name| (*name).to_owned()).collect()))
        .collect();
    assert_eq!(told, listed);

    let root = std::fs::read_to_string(repository().join("src/lib.rs")).expect("readable");
    let named = Regex::new(r"(?m)^pub mod ([a-z_]+);").expect("a pattern");
    let floors: Vec<Option<usize>> = named.captures_iter(&root).map(|found| floor(&found[1])).collect();
    assert!(floors.windows(2).all(|pair| pair[0] >= pair[1]), "lib.rs names the floors from the top down: {floors:?}");
    assert_eq!(floors.len(), FLOORS.concat().len());
}

#[test]
fn modules_import_their_own_floor_or_a_lower_one() {
    let mut broken = Vec::new();
    let mut seen = 0;
    for (path, source) in sources().iter().filter(|(path, _)| !ROOTS.contains(&path.as_str())) {
        let own = floor(folder(path)).unwrap_or_else(|| panic!("{path} is on no floor"));
        for (import, theirs) in imports(source).iter().filter_map(|import| Some((import, floor(import)?))) {
            seen += 1;
            if theirs > own {
                broken.push(format!("src/{path} (floor {own}) imports `{import}` (floor {theirs})"));
            }
        }
    }
    assert!(seen > 60, "only {seen} files that import a floor were found: the search is broken");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn imports_are_found_in_each_of_their_forms() {
    let source = "use crate::cascade::step;\nuse crate::{task::Task, gateway::{self, http}, types};\nlet x = crate::analysis::stats::mean();\n\
                  use super::report::folder;";
    let found = imports(source);
    for module in ["cascade", "task", "gateway", "types", "analysis", "report"] {
        assert!(found.contains(module), "{module}: {found:?}");
    }
    assert!(!found.contains("http") && !found.contains("folder"), "{found:?}");
}
