//! A folder a floor: a file imports its own folder or a lower floor, and no import leads back to where it came from. The table
//! is that of docs/ARCHITECTURE.md.

mod code;
mod graph;
mod imports;

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use self::graph::{Code, Graph};
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

/// The sources by their paths below `src`.
fn sources() -> BTreeMap<String, String> {
    let found = files(&repository().join("src")).into_iter().filter(|(name, _)| name.rsplit('.').next() == Some("rs"));
    found.map(|(name, bytes)| (name, String::from_utf8(bytes).expect("UTF-8"))).collect()
}

/// The first part of a path below `src`.
fn folder(path: &str) -> &str {
    path.split('/').next().unwrap_or(path)
}

#[test]
fn src_holds_the_floors_and_the_roots_and_nothing_else() {
    let present: BTreeSet<String> = sources().keys().map(|path| folder(path).to_owned()).collect();
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
fn files_import_their_own_floor_or_a_lower_one() {
    let graph = Graph::of(&sources(), Code::All);
    let own = |path: &str| floor(folder(path)).unwrap_or_else(|| panic!("{path} is on no floor"));
    let edges: Vec<(&str, &str)> = graph.edges().filter(|(file, _)| !ROOTS.contains(file)).collect();
    assert!(edges.len() > 500, "only {} imports were found: the search is broken", edges.len());
    let upward = edges.iter().filter(|(file, other)| !ROOTS.contains(other) && own(other) > own(file));
    let broken: Vec<String> = upward.map(|(file, other)| format!("src/{file} imports src/{other}")).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn folders_of_one_floor_do_not_import_each_other() {
    let graph = Graph::of(&sources(), Code::WithoutTests);
    let sideways = |(file, other): &(&str, &str)| {
        let (own, theirs) = (folder(file), folder(other));
        own != theirs && floor(own).is_some() && floor(own) == floor(theirs)
    };
    let found: BTreeSet<(&str, &str)> = graph.edges().filter(sideways).collect();
    let lines: Vec<String> = found.iter().map(|(file, other)| format!("src/{file} imports src/{other}")).collect();
    assert!(lines.is_empty(), "not allowed between folders of one floor:\n{}", lines.join("\n"));
}

#[test]
fn no_import_leads_back_to_where_it_came_from() {
    let graph = Graph::of(&sources(), Code::WithoutTests);
    let shown = |circle: &BTreeSet<&str>| {
        let inside = graph.edges().filter(|(file, other)| circle.contains(file) && circle.contains(other));
        let lines: Vec<String> = inside.map(|(file, other)| format!("    src/{file} imports src/{other}")).collect();
        lines.join("\n")
    };
    let circles: Vec<String> = graph.circles().iter().map(shown).collect();
    assert!(circles.is_empty(), "circles of files:\n{}", circles.join("\n\n"));
}
