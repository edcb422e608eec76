//! One folder per layer: a file imports only its own folder or a lower layer, and imports form no cycle.
//! docs/ARCHITECTURE.md has the table of layers.

mod code;
mod graph;
mod imports;

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use self::graph::{Code, Graph};
use crate::support::{files, repository};

/// Folders of each layer, from plain data up to the command line.
const LAYERS: [&[&str]; 8] = [
    &["types"],
    &["analysis", "task"],
    &["fetch", "tables"],
    &["backend", "dataset", "gateway", "retrieval"],
    &["cascade", "report"],
    &["config"],
    &["run"],
    &["cli"],
];

/// Root files in `src`, which only declare the layers and start the program.
const ROOTS: [&str; 2] = ["lib.rs", "main.rs"];

fn layer(folder: &str) -> Option<usize> {
    LAYERS.iter().position(|folders| folders.contains(&folder))
}

/// Reads the sources; keys are paths below `src`.
fn sources() -> BTreeMap<String, String> {
    let found = files(&repository().join("src")).into_iter().filter(|(name, _)| name.rsplit('.').next() == Some("rs"));
    found.map(|(name, bytes)| (name, String::from_utf8(bytes).expect("UTF-8"))).collect()
}

/// Returns the first segment of a path below `src`.
fn folder(path: &str) -> &str {
    path.split('/').next().unwrap_or(path)
}

#[test]
fn src_contains_only_the_layers_and_the_roots() {
    let present: BTreeSet<String> = sources().keys().map(|path| folder(path).to_owned()).collect();
    let listed: BTreeSet<String> = LAYERS.concat().into_iter().chain(ROOTS).map(str::to_owned).collect();
    assert_eq!(present, listed);
}

#[test]
fn the_architecture_table_and_lib_rs_list_layers_in_order() {
    let text = std::fs::read_to_string(repository().join("docs/ARCHITECTURE.md")).expect("readable");
    let row = Regex::new(r"(?m)^\| (\d) \| ([^|]+) \|").expect("a pattern");
    let name = Regex::new(r"`([a-z_]+)/`").expect("a pattern");
    let documented: Vec<(String, BTreeSet<String>)> = row
        .captures_iter(&text)
        .map(|row| (row[1].to_owned(), name.captures_iter(&row[2]).map(|name| name[1].to_owned()).collect()))
        .collect();
    let listed: Vec<(String, BTreeSet<String>)> = LAYERS
        .iter()
        .enumerate()
        .rev()
        .map(|(layer, folders)| (layer.to_string(), folders.iter().map(|name| (*name).to_owned()).collect()))
        .collect();
    assert_eq!(documented, listed);

    let root = std::fs::read_to_string(repository().join("src/lib.rs")).expect("readable");
    let named = Regex::new(r"(?m)^pub mod ([a-z_]+);").expect("a pattern");
    let layers: Vec<Option<usize>> = named.captures_iter(&root).map(|found| layer(&found[1])).collect();
    assert!(layers.windows(2).all(|pair| pair[0] >= pair[1]), "lib.rs lists the layers from the top down: {layers:?}");
    assert_eq!(layers.len(), LAYERS.concat().len());
}

#[test]
fn files_import_their_own_layer_or_a_lower_one() {
    let graph = Graph::of(&sources(), Code::All);
    let own = |path: &str| layer(folder(path)).unwrap_or_else(|| panic!("{path} is in no layer"));
    let edges: Vec<(&str, &str)> = graph.edges().filter(|(file, _)| !ROOTS.contains(file)).collect();
    assert!(edges.len() > 500, "only {} imports were found: the search is broken", edges.len());
    let upward = edges.iter().filter(|(file, other)| !ROOTS.contains(other) && own(other) > own(file));
    let broken: Vec<String> = upward.map(|(file, other)| format!("src/{file} imports src/{other}")).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn folders_of_one_layer_do_not_import_each_other() {
    let graph = Graph::of(&sources(), Code::WithoutTests);
    let sideways = |(file, other): &(&str, &str)| {
        let (own, theirs) = (folder(file), folder(other));
        own != theirs && layer(own).is_some() && layer(own) == layer(theirs)
    };
    let found: BTreeSet<(&str, &str)> = graph.edges().filter(sideways).collect();
    let lines: Vec<String> = found.iter().map(|(file, other)| format!("src/{file} imports src/{other}")).collect();
    assert!(lines.is_empty(), "not allowed between folders of one layer:\n{}", lines.join("\n"));
}

#[test]
fn imports_form_no_cycle() {
    let graph = Graph::of(&sources(), Code::WithoutTests);
    let description = |cycle: &BTreeSet<&str>| {
        let inside = graph.edges().filter(|(file, other)| cycle.contains(file) && cycle.contains(other));
        let lines: Vec<String> = inside.map(|(file, other)| format!("    src/{file} imports src/{other}")).collect();
        lines.join("\n")
    };
    let cycles: Vec<String> = graph.cycles().iter().map(description).collect();
    assert!(cycles.is_empty(), "cycles of files:\n{}", cycles.join("\n\n"));
}
