//! The import graph of the sources, and its cycles.

use std::collections::{BTreeMap, BTreeSet};

use super::code::{tokens, without_tests};
use super::imports::imports;

/// Code that the graph includes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// All code, including tests.
    All,
    /// Code that is compiled without tests.
    WithoutTests,
}

/// Files below `src`, each with the files that it imports.
#[derive(Debug)]
pub(super) struct Graph(BTreeMap<String, BTreeSet<String>>);

impl Graph {
    /// Builds the graph from sources by path below `src`. `main.rs` is left out, because it only starts the library.
    pub(super) fn of(sources: &BTreeMap<String, String>, code: Code) -> Self {
        let sources = sources.iter().filter(|(path, _)| *path != "main.rs");
        let read = sources.map(|(path, text)| {
            let all = tokens(text);
            let (kept, of_tests) = without_tests(&all);
            let module = module(path);
            let of_tests = of_tests.into_iter().map(|name| [&module[..], &[name]].concat());
            let of_tests: Vec<Vec<String>> = of_tests.collect();
            (path, module, if code == Code::All { all } else { kept }, of_tests)
        });
        let read: Vec<_> = read.collect();
        let of_tests: Vec<&Vec<String>> = read.iter().flat_map(|(.., of_tests)| of_tests).collect();
        let is_test = |module: &[String]| of_tests.iter().any(|test| module.starts_with(test));
        let counted = read.iter().filter(|(_, module, ..)| code == Code::All || !is_test(module));
        let files: BTreeMap<&[String], &String> =
            counted.clone().map(|(path, module, ..)| (&module[..], *path)).collect();
        let edges = counted.map(|(path, module, tokens, _)| {
            let paths = imports(tokens, module, &|path| files.contains_key(path));
            let imported = paths.iter().filter_map(|path| {
                (0..=path.len()).rev().find_map(|parts| files.get(&path[..parts])).map(|file| (*file).clone())
            });
            ((*path).clone(), imported.filter(|imported| imported != *path).collect())
        });
        Self(edges.collect())
    }

    /// Returns every import as a pair: importing file, imported file.
    pub(super) fn edges(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|(file, imported)| imported.iter().map(move |other| (file.as_str(), other.as_str())))
    }

    /// Returns the cycles: sets of two or more files that reach each other. Imports between a module and its
    /// descendants do not count.
    pub(super) fn cycles(&self) -> BTreeSet<BTreeSet<&str>> {
        let reachable: BTreeMap<&str, BTreeSet<&str>> =
            self.0.keys().map(|file| (file.as_str(), self.reachable(file))).collect();
        let cycle = |file: &&str| -> BTreeSet<&str> {
            reachable[file].iter().copied().filter(|other| reachable[other].contains(file)).collect()
        };
        reachable.keys().map(cycle).filter(|cycle| cycle.len() > 1).collect()
    }

    /// Returns the files that are reachable from a file, including the file itself if it lies on a cycle.
    fn reachable<'a>(&'a self, from: &'a str) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::new();
        let mut next = vec![from];
        while let Some(file) = next.pop() {
            let imported = self.0.get(file).into_iter().flatten().filter(|other| !are_nested(file, other));
            next.extend(imported.map(String::as_str).filter(|other| found.insert(*other)));
        }
        found
    }
}

/// Returns the module path of a file: `a::b` for `a/b.rs` and `a/b/mod.rs`, empty for `lib.rs`.
fn module(path: &str) -> Vec<String> {
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == "lib" { Vec::new() } else { path.split('/').map(str::to_owned).collect() }
}

/// True if the module of one file lies inside the module of the other.
fn are_nested(one: &str, other: &str) -> bool {
    let (one, other) = (module(one), module(other));
    one.starts_with(&other) || other.starts_with(&one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(files: &[(&str, &str)], code: Code) -> Graph {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        Graph::of(&files.collect(), code)
    }

    const PLANTED: [(&str, &str); 7] = [
        ("lib.rs", "pub mod a; pub mod b; pub mod c;"),
        ("main.rs", "fn main() { intercascade::a::run() }"),
        ("a/mod.rs", "pub mod x; mod y; pub use x::X; use crate::b::B;"),
        ("a/x.rs", "use super::y; use super::Top; #[cfg(test)] mod tests { use crate::c; }"),
        ("a/y.rs", "fn f() { crate::c::z::g() }"),
        ("b.rs", "// use crate::c;\nfn f() {}"),
        ("c/z.rs", "use crate::a::x::{self, X};"),
    ];

    #[test]
    fn a_planted_import_cycle_is_found() {
        let graph = graph(&PLANTED, Code::WithoutTests);
        let edges: Vec<(&str, &str)> = graph.edges().collect();
        assert_eq!(
            edges,
            [
                ("a/mod.rs", "a/x.rs"),
                ("a/mod.rs", "b.rs"),
                ("a/x.rs", "a/mod.rs"),
                ("a/x.rs", "a/y.rs"),
                ("a/y.rs", "c/z.rs"),
                ("c/z.rs", "a/x.rs"),
            ]
        );
        assert_eq!(graph.cycles(), BTreeSet::from([BTreeSet::from(["a/x.rs", "a/y.rs", "c/z.rs"])]));
    }

    #[test]
    fn parent_and_child_modules_form_no_cycle() {
        let nested =
            [("a/mod.rs", "use self::x::y::Y;"), ("a/x/y.rs", "use super::super::A;"), ("a/x.rs", "use crate::a;")];
        assert_eq!(graph(&nested, Code::All).cycles(), BTreeSet::new());
        // Sibling modules do form a cycle, even through their parent module.
        let siblings = [("a/mod.rs", ""), ("a/x.rs", "use super::y::Y;"), ("a/y.rs", "use super::x::X;")];
        assert_eq!(graph(&siblings, Code::All).cycles().len(), 1);
    }

    #[test]
    fn a_cycle_through_tests_counts_only_if_tests_are_included() {
        let files = [
            ("a.rs", "use crate::b; #[cfg(test)] mod tests;"),
            ("a/tests.rs", "use crate::c;"),
            ("b.rs", "#[cfg(test)] use crate::a;"),
            ("c.rs", ""),
        ];
        assert_eq!(graph(&files, Code::WithoutTests).edges().collect::<Vec<_>>(), [("a.rs", "b.rs")]);
        let all = graph(&files, Code::All);
        assert_eq!(all.cycles(), BTreeSet::from([BTreeSet::from(["a.rs", "b.rs"])]));
        assert!(all.edges().any(|edge| edge == ("a/tests.rs", "c.rs")));
    }
}
