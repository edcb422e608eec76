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

/// The circles that are still there. One that is there no more, or has lost a file, must be taken out here.
const KNOWN_CIRCLES: &[&[&str]] = &[
    &["analysis/stats/bootstrap.rs", "analysis/stats/units.rs"],
    &["dataset/noticed.rs", "dataset/row.rs"],
    &["dataset/template.rs", "dataset/wording.rs"],
    &["report/pays.rs", "report/summary.rs"],
    &["task/number/digits.rs", "task/number/value.rs"],
    &["task/number/scan.rs", "task/number/suffix.rs"],
    &["types/chat.rs", "types/reasoning.rs"],
];

/// The imports between folders of one floor that are still there. One that is there no more must be taken out here.
const KNOWN_SIDEWAYS: &[(&str, &str)] =
    &[("report/matrix.rs", "cascade/matrix.rs"), ("report/matrix.rs", "cascade/setup.rs")];

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
    assert_known(&found, &KNOWN_SIDEWAYS.iter().copied().collect(), |(file, other)| {
        format!("src/{file} imports src/{other}")
    });
}

#[test]
fn no_import_leads_back_to_where_it_came_from() {
    let graph = Graph::of(&sources(), Code::WithoutTests);
    let known = KNOWN_CIRCLES.iter().map(|circle| circle.iter().copied().collect()).collect();
    assert_known(&graph.circles(), &known, |circle| {
        let inside = graph.edges().filter(|(file, other)| circle.contains(file) && circle.contains(other));
        let lines: Vec<String> = inside.map(|(file, other)| format!("src/{file} imports src/{other}")).collect();
        format!("\n    {}", lines.join("\n    "))
    });
}

/// Fails for what is found and not known, and for what is known and not found.
fn assert_known<T: Ord + std::fmt::Debug>(found: &BTreeSet<T>, known: &BTreeSet<T>, show: impl Fn(&T) -> String) {
    let new: Vec<String> = found.difference(known).map(|one| format!("not allowed: {one:?} {}", show(one))).collect();
    let gone: Vec<String> =
        known.difference(found).map(|one| format!("no longer needed in the list: {one:?}")).collect();
    assert!(new.is_empty() && gone.is_empty(), "{}", [new, gone].concat().join("\n"));
}

#[test]
fn what_is_new_and_what_is_gone_both_fail() {
    let fails = |found: &[u8], known: &[u8]| {
        let (found, known) = (found.iter().copied().collect(), known.iter().copied().collect());
        std::panic::catch_unwind(|| assert_known(&found, &known, u8::to_string)).is_err()
    };
    assert!(!fails(&[1, 2], &[2, 1]) && fails(&[1, 2], &[1]) && fails(&[1], &[1, 2]));
}
