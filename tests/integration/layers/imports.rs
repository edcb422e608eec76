//! Paths in a source, resolved from the root of the crate.

use std::collections::{BTreeMap, BTreeSet};

use super::code::Token;

/// Name of this crate in other crates and in the binary.
const CRATE: &str = "intercascade";

/// Path in a source, with the module that contains it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    module: Vec<String>,
    path: Vec<String>,
}

/// Path of a `use` item and the name that it introduces. The name is `None` for a glob.
#[derive(Debug)]
struct Used {
    named: Named,
    name: Option<String>,
}

/// Returns the paths, resolved from the root, that a source in `module` uses in `use` items and in other code.
/// `is_module` is true for the path of a module of the crate.
pub(super) fn imports(
    tokens: &[Token],
    module: &[String],
    is_module: &dyn Fn(&[String]) -> bool,
) -> BTreeSet<Vec<String>> {
    let (used, inline) = read(tokens, module);
    let resolved = |named: &Named| from_root(named, is_module);
    let aliases: BTreeMap<&str, Vec<String>> =
        used.iter().filter_map(|used| Some((used.name.as_deref()?, resolved(&used.named)?))).collect();
    let through_alias = |named: &Named| {
        let path = aliases.get(named.path[0].as_str())?;
        Some([path, &named.path[1..]].concat())
    };
    let of_uses = used.iter().filter_map(|used| resolved(&used.named).or_else(|| through_alias(&used.named)));
    let of_code = inline.iter().filter_map(|named| through_alias(named).or_else(|| resolved(named)));
    of_uses.chain(of_code).collect()
}

/// Resolves a path from the root. `None` if it leads out of the crate.
fn from_root(named: &Named, is_module: &dyn Fn(&[String]) -> bool) -> Option<Vec<String>> {
    let Named { module, path } = named;
    let supers = path.iter().take_while(|part| *part == "super").count();
    let (base, rest) = match path[0].as_str() {
        "crate" | CRATE => (&[][..], &path[1..]),
        "self" => {
            let supers = path[1..].iter().take_while(|part| *part == "super").count();
            (&module[..module.len().saturating_sub(supers)], &path[1 + supers..])
        }
        "super" => (&module[..module.len().saturating_sub(supers)], &path[supers..]),
        child => {
            let own = [module, &[child.to_owned()][..]].concat();
            is_module(&own).then_some((&module[..], &path[..]))?
        }
    };
    Some([base, rest].concat())
}

/// Collects the paths of `use` items, and all other paths of two or more segments. Inline modules have separate paths.
fn read(tokens: &[Token], module: &[String]) -> (Vec<Used>, Vec<Named>) {
    let (mut used, mut inline) = (Vec::new(), Vec::new());
    let mut modules = module.to_vec();
    // For each open brace, true if it opens a module.
    let mut braces = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match (&tokens[at], tokens.get(at + 1), tokens.get(at + 2)) {
            (word, Some(Token::Word(name)), Some(Token::Mark('{'))) if word.is("mod") => {
                modules.push(name.clone());
                braces.push(true);
                at += 3;
            }
            (word, Some(next), _) if word.is("use") && !next.is_mark('<') => {
                at = tree(tokens, at + 1, &modules, &[], &mut used);
            }
            (Token::Word(first), Some(Token::Colons), Some(Token::Word(_))) => {
                let mut path = vec![first.clone()];
                at += 1;
                while let [Token::Colons, Token::Word(part), ..] = &tokens[at..] {
                    path.push(part.clone());
                    at += 2;
                }
                inline.push(Named { module: modules.clone(), path });
            }
            // A path that begins with `::` belongs to another crate or to a type.
            (Token::Colons, Some(Token::Word(_)), _) => at += 2,
            (Token::Mark('{'), ..) => {
                braces.push(false);
                at += 1;
            }
            (Token::Mark('}'), ..) => {
                if braces.pop() == Some(true) {
                    modules.pop();
                }
                at += 1;
            }
            _ => at += 1,
        }
    }
    (used, inline)
}

/// Reads a tree of `use` after `prefix`; returns the index after it.
fn tree(tokens: &[Token], mut at: usize, module: &[String], prefix: &[String], used: &mut Vec<Used>) -> usize {
    let mut path = prefix.to_vec();
    let mut add = |path: Vec<String>, name: Option<String>| {
        if !path.is_empty() {
            used.push(Used { named: Named { module: module.to_vec(), path }, name });
        }
    };
    loop {
        match tokens.get(at) {
            Some(Token::Colons) => at += 1,
            Some(Token::Mark('*')) => {
                add(path, None);
                return at + 1;
            }
            Some(Token::Mark('{')) => {
                at += 1;
                while tokens.get(at).is_some_and(|token| !token.is_mark('}')) {
                    at = if tokens[at].is_mark(',') { at + 1 } else { tree(tokens, at, module, &path, used) };
                }
                return at + 1;
            }
            Some(Token::Word(word)) => {
                if word != "self" || path.is_empty() {
                    path.push(word.clone());
                }
                at += 1;
                match (tokens.get(at), tokens.get(at + 1)) {
                    (Some(Token::Colons), _) => {}
                    (Some(token), Some(Token::Word(name))) if token.is("as") => {
                        add(path, Some(name.clone()));
                        return at + 2;
                    }
                    _ => {
                        let name = path.last().cloned();
                        add(path, name);
                        return at;
                    }
                }
            }
            _ => return at + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::code::tokens;
    use super::*;

    const MODULES: [&str; 8] =
        ["cascade", "cascade::step", "cascade::step::part", "task", "types", "types::arm", "report", "gateway"];

    fn found(source: &str) -> BTreeSet<String> {
        let module = ["cascade".to_owned(), "step".to_owned()];
        let is_module = |path: &[String]| MODULES.contains(&&*path.join("::"));
        imports(&tokens(source), &module, &is_module).into_iter().map(|path| path.join("::")).collect()
    }

    #[test]
    fn each_import_form_is_resolved_from_the_root() {
        for (source, expected) in [
            ("use crate::types::arm::Arm;", &["types::arm::Arm"][..]),
            (
                "pub(crate) use crate::types::{arm, item::{self, Item as I}};",
                &["types::arm", "types::item", "types::item::Item"],
            ),
            (
                "use crate::{task::Task, gateway::{self, http::*}, report};",
                &["gateway", "gateway::http", "report", "task::Task"],
            ),
            ("use super::ranking::Ranked; use super::super::task::Task;", &["cascade::ranking::Ranked", "task::Task"]),
            (
                "use self::part::Part; pub use part::Whole;",
                &["cascade::step::part::Part", "cascade::step::part::Whole"],
            ),
            (
                "fn f() { crate::task::read::<u8>(x); super::level::ask(part::g()) }",
                &["cascade::level::ask", "cascade::step::part::g", "task::read"],
            ),
            ("use crate::types as plain; fn f(a: plain::arm::Arm) {}", &["types", "types::arm::Arm"]),
            ("use crate::gateway::{self}; fn f() { gateway::journal::open() }", &["gateway", "gateway::journal::open"]),
            (
                "fn f(x: &<crate::task::Task as Default>::Out) { intercascade::report::all() }",
                &["report::all", "task::Task"],
            ),
            (
                "mod inner { use super::part; use crate::task; } use super::ranking;",
                &["cascade::ranking", "cascade::step::part", "task"],
            ),
            ("use std::fmt; use ::task::x; fn f() -> impl Sized + use<'_> { fmt::Error; Vec::new() }", &[]),
        ] {
            let expected: BTreeSet<String> = expected.iter().map(|path| (*path).to_owned()).collect();
            assert_eq!(found(source), expected, "{source}");
        }
    }
}
