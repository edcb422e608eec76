//! The layer rule: a module imports its own layer or a lower one. The table is that of docs/ARCHITECTURE.md.

use std::collections::BTreeSet;

use regex::Regex;

use crate::support::{files, repository};

/// The modules of each layer, from the vocabulary up to the application.
const LAYERS: [&[&str]; 6] = [
    &["item", "chat", "record", "seed", "suggest"],
    &["arm", "task", "prompt", "confidence", "price", "metrics", "stats"],
    &["model", "dataset", "retrieval", "files"],
    &["cascade", "experiment"],
    &["report"],
    &["assembly", "config", "cli"],
];

/// The roots, which only name the modules and start the program.
const ROOTS: [&str; 2] = ["lib.rs", "main.rs"];

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
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
fn module(path: &str) -> &str {
    path.split('/').next().unwrap_or(path).trim_end_matches(".rs")
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
fn every_module_has_a_layer_and_every_layer_its_modules() {
    let present: BTreeSet<String> = sources()
        .iter()
        .filter(|(path, _)| !ROOTS.contains(&path.as_str()))
        .map(|(path, _)| module(path).to_owned())
        .collect();
    let listed: BTreeSet<String> =
        LAYERS.iter().flat_map(|modules| modules.iter().map(|name| (*name).to_owned())).collect();
    assert_eq!(present, listed);
}

#[test]
fn the_architectures_table_is_this_one() {
    let text = std::fs::read_to_string(repository().join("docs/ARCHITECTURE.md")).expect("readable");
    let row = Regex::new(r"(?m)^\| [0-5] [a-z]+ \| ([^|]+) \|").expect("a pattern");
    let name = Regex::new(r"`([a-z_]+)/?`").expect("a pattern");
    let names = |cell: &str| -> BTreeSet<String> { name.captures_iter(cell).map(|name| name[1].to_owned()).collect() };
    let told: Vec<BTreeSet<String>> = row.captures_iter(&text).map(|row| names(&row[1])).collect();
    let listed = LAYERS.map(|modules| modules.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(told, listed);
}

#[test]
fn modules_import_their_own_layer_or_a_lower_one() {
    let mut broken = Vec::new();
    let mut seen = 0;
    for (path, source) in sources().iter().filter(|(path, _)| !ROOTS.contains(&path.as_str())) {
        let own = layer(module(path)).unwrap_or_else(|| panic!("{path} has no layer"));
        for (import, theirs) in imports(source).iter().filter_map(|import| Some((import, layer(import)?))) {
            seen += 1;
            if theirs > own {
                broken.push(format!("src/{path} (layer {own}) imports `{import}` (layer {theirs})"));
            }
        }
    }
    assert!(seen > 100, "only {seen} imports were found: the search is broken");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn imports_are_found_in_each_of_their_forms() {
    let source = "use crate::arm::Arm;\nuse crate::{chat::Chat, model::{self, http}, seed};\nlet x = crate::stats::mean();\n\
                  use super::report::folder;";
    let found = imports(source);
    for module in ["arm", "chat", "model", "seed", "stats", "report"] {
        assert!(found.contains(module), "{module}: {found:?}");
    }
    assert!(!found.contains("http") && !found.contains("folder"), "{found:?}");
}
