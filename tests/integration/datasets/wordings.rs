//! Splits whose kinds have several wordings: the wordings differ and all are used, a quarter of the problems state one
//! unused number, and no situation or structure occurs in two splits.

use std::collections::{BTreeMap, BTreeSet};

use intercascade::types::item::Item;
use regex::{Captures, Regex};

use super::shipped::{groups, shared, source, splits};
use crate::support::{Project, holds};

/// Splits whose templates have wordings, with the number of kinds of two, three, four and five steps.
const WORDED: [(&str, [usize; 4]); 2] = [("holdout-2", [14, 18, 12, 4]), ("dev-2", [7, 9, 6, 2])];
/// All sources of the data set, without the file extension.
const SOURCES: [&str; 4] = ["templates", "holdout", "holdout-2", "dev-2"];

/// Template as written in the file.
struct Kind {
    id: String,
    wordings: Vec<String>,
    extra: Vec<String>,
    solution: Vec<String>,
    /// Expressions of the derived variables.
    expressions: BTreeMap<String, String>,
    /// Values of the variables that are drawn from a list.
    listed: Vec<String>,
}

fn texts(value: Option<&toml::Value>) -> Vec<String> {
    match value {
        None => Vec::new(),
        Some(toml::Value::String(text)) => vec![text.clone()],
        Some(value) => {
            value.as_array().expect("a list").iter().map(|t| t.as_str().expect("a text").to_owned()).collect()
        }
    }
}

fn kinds(name: &str) -> Vec<Kind> {
    let file: toml::Table = toml::from_str(&source(&format!("gsm-templates/{name}.toml"))).expect("TOML");
    let kind = |template: &toml::Value| {
        let mut kind = Kind {
            id: template["id"].as_str().expect("a text").to_owned(),
            wordings: texts(template.get("question")),
            extra: texts(template.get("extra")),
            solution: texts(template.get("solution")),
            expressions: BTreeMap::new(),
            listed: Vec::new(),
        };
        for variable in template["vars"].as_array().expect("a list") {
            let name = variable["name"].as_str().expect("a text").to_owned();
            if let Some(expression) = variable.get("is") {
                kind.expressions.insert(name, expression.as_str().expect("a text").to_owned());
            } else if let Some(list) = variable.get("list") {
                kind.listed.extend(texts(file["lists"].get(list.as_str().expect("a text"))));
            }
        }
        kind
    };
    file["template"].as_array().expect("templates").iter().map(kind).collect()
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a pattern")
}

/// Builds a pattern that matches the questions of a wording, with the extra sentence as a separate group.
fn given_by(wording: &str, extra: &[String]) -> Regex {
    let slot = pattern(r"\\\{=?[a-z][a-z0-9_]*\\\}");
    let open = |text: &str| slot.replace_all(&regex::escape(text), ".+?").into_owned();
    let extra: Vec<String> = extra.iter().map(|sentence| open(sentence)).collect();
    let (before, after) = wording.split_once("{extra} ").expect("a slot");
    pattern(&format!("^{}(?:({}) )?{}$", open(before), extra.join("|"), open(after)))
}

/// Returns the problems of a split by kind.
fn by_kind(items: &[Item]) -> BTreeMap<&str, Vec<&Item>> {
    let mut kinds: BTreeMap<&str, Vec<&Item>> = BTreeMap::new();
    for item in items {
        kinds.entry(&item.group).or_default().push(item);
    }
    kinds
}

fn numbers(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty()).collect()
}

/// Returns the operands of a solution's calculations, and the results of the calculations and of the last line.
fn used(item: &Item) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let (mut operands, mut results) = (BTreeSet::new(), BTreeSet::new());
    let solution = item.solution.as_deref().expect("a solution");
    for step in solution.split("<<").skip(1) {
        let (calculation, result) = step.split_once(">>").and_then(|(step, _)| step.split_once('=')).expect("a step");
        operands.extend(numbers(calculation));
        results.extend(numbers(result));
    }
    results.extend(solution.rsplit_once("#### ").map(|(_, answer)| answer));
    (operands, results)
}

#[test]
fn each_kind_uses_three_different_wordings() {
    let splits = splits("gsm-templates");
    for (split, _) in WORDED {
        let problems = by_kind(&splits[split]);
        let mut first = BTreeSet::new();
        for kind in kinds(split) {
            assert!(kind.wordings.len() >= 3, "{}", kind.id);
            for (at, wording) in kind.wordings.iter().enumerate() {
                let close = kind.wordings[..at].iter().map(|other| shared(wording, other)).fold(0.0, f64::max);
                assert!(close < 0.82, "{}, wording {}: {close}", kind.id, at + 1);
            }
            let patterns: Vec<Regex> = kind.wordings.iter().map(|text| given_by(text, &kind.extra)).collect();
            let wording = |item: &&Item| {
                let matching: Vec<usize> =
                    (0..patterns.len()).filter(|at| patterns[*at].is_match(&item.query)).collect();
                assert_eq!(matching.len(), 1, "{}: {}", item.id, item.query);
                matching[0]
            };
            let turns: Vec<usize> = problems[kind.id.as_str()].iter().map(wording).collect();
            assert_eq!(turns.len(), 4, "{}", kind.id);
            assert!((0..3).all(|at| turns.contains(&at)), "{}: {turns:?}", kind.id);
            first.insert(turns[0]);
        }
        assert!(first.len() >= 3, "{split}: all kinds begin with the same wording");
    }
}

#[test]
fn a_quarter_of_the_problems_state_one_unused_number() {
    let splits = splits("gsm-templates");
    for (split, _) in WORDED {
        let mut places = BTreeSet::new();
        let kinds: BTreeMap<String, Kind> = kinds(split).into_iter().map(|kind| (kind.id.clone(), kind)).collect();
        for (kind, items) in by_kind(&splits[split]) {
            let mut with = Vec::new();
            for (at, item) in items.iter().enumerate() {
                let (operands, results) = used(item);
                let unneeded: Vec<&str> = numbers(&item.query).difference(&operands).copied().collect();
                let sentence = kinds[kind].wordings.iter().find_map(|wording| {
                    let found = given_by(wording, &kinds[kind].extra).captures(&item.query)?;
                    found.get(1).map(|sentence| sentence.as_str().to_owned())
                });
                assert_eq!(unneeded.len(), usize::from(sentence.is_some()), "{}: {}", item.id, item.query);
                if let Some(sentence) = sentence {
                    assert_eq!(numbers(&sentence), BTreeSet::from([unneeded[0]]), "{}", item.id);
                    assert!(!results.contains(unneeded[0]), "{}: {}", item.id, item.query);
                    with.push(at);
                }
            }
            assert_eq!(with.len(), 1, "{kind}: {with:?}");
            places.insert(with[0]);
        }
        assert_eq!(places.len(), 4, "{split}: {places:?}");
    }
}

#[test]
fn no_question_states_its_answer() {
    let splits = splits("gsm-templates");
    for item in WORDED.iter().flat_map(|(split, _)| &splits[*split]) {
        let (_, answer) = item.solution.as_deref().and_then(|text| text.rsplit_once("#### ")).expect("an answer");
        assert!(!numbers(&item.query).contains(answer), "{}: {}", item.id, item.query);
        assert!(!item.query.contains("  ") && item.query.ends_with(['?', '.']), "{}: {}", item.id, item.query);
    }
}

#[test]
fn kinds_per_length_match_the_data_card() {
    let splits = splits("gsm-templates");
    let card = source("gsm-templates/CARD.md");
    for (split, expected) in WORDED {
        let mut lengths = [0_usize; 4];
        for kind in kinds(split) {
            lengths[kind.solution.len() - 2] += 1;
        }
        assert_eq!(lengths, expected, "{split}");
        let [two, three, four, five] = expected;
        let line = format!("({two} of two steps, {three} of three, {four} of four, {five} of five)");
        assert!(card.contains(&line), "{split}: CARD.md lacks `{line}`");
        assert_eq!(groups(&splits[split]).len(), expected.iter().sum::<usize>());
    }
}

/// Returns the sentences of a kind's questions, without drawn values, that have more than five words.
fn skeletons(kind: &Kind) -> BTreeSet<String> {
    let slot = pattern(r"\{[a-z][a-z0-9_]*\}");
    let sentences = kind.wordings.iter().chain(&kind.extra).flat_map(|text| {
        let open = slot.replace_all(text, "_").to_lowercase();
        open.split(['.', '?', ':', ';']).map(|sentence| sentence.trim().to_owned()).collect::<Vec<_>>()
    });
    sentences.filter(|sentence| sentence.split_whitespace().count() > 5).collect()
}

/// Returns the structure of the calculations: `v1`, `v2` for values in the question, in the order of use, and `s1`,
/// `s2` for results of earlier steps. The two terms of a sum or product are sorted.
fn structure(kind: &Kind) -> String {
    let name = pattern("[a-z][a-z0-9_]*");
    let placeholder = pattern(r"\{=([a-z][a-z0-9_]*)\}");
    let steps: Vec<&str> = kind
        .solution
        .iter()
        .flat_map(|line| placeholder.captures_iter(line))
        .map(|found| found.extract::<1>().1[0])
        .collect();
    let mut values: Vec<String> = Vec::new();
    let step = |(at, step): (usize, &&str)| {
        let open = name.replace_all(&kind.expressions[*step], |found: &Captures| {
            if let Some(earlier) = steps[..at].iter().position(|other| *other == &found[0]) {
                return format!("s{}", earlier + 1);
            }
            let index = values.iter().position(|other| *other == found[0]).unwrap_or_else(|| {
                values.push(found[0].to_owned());
                values.len() - 1
            });
            format!("v{}", index + 1)
        });
        let mut terms: Vec<&str> = open.split(' ').collect();
        if terms.len() == 3 && ["+", "*"].contains(&terms[1]) && terms[0] > terms[2] {
            terms.swap(0, 2);
        }
        terms.concat()
    };
    steps.iter().enumerate().map(step).collect::<Vec<_>>().join("; ")
}

#[test]
fn structures_name_given_and_calculated_values() {
    let vans = kinds("holdout-2").into_iter().find(|kind| kind.id == "diesel-for-a-choir-van").expect("a kind");
    assert_eq!(structure(&vans), "2*v1; s1*v2; s2/100; s3*v3; s4*v4");
}

#[test]
fn kinds_share_no_id_sentence_or_structure_across_splits() {
    let all: BTreeMap<&str, Vec<Kind>> = SOURCES.iter().map(|name| (*name, kinds(name))).collect();
    for (split, _) in WORDED {
        let others = || all.iter().filter(|(name, _)| **name != split).flat_map(|(_, kinds)| kinds);
        let ids: BTreeSet<&str> = others().map(|kind| kind.id.as_str()).collect();
        let sentences: BTreeSet<String> = others().flat_map(skeletons).collect();
        let structures: BTreeMap<String, &str> = others().map(|kind| (structure(kind), kind.id.as_str())).collect();
        let values: BTreeSet<&str> = others().flat_map(|kind| &kind.listed).map(String::as_str).collect();
        for kind in &all[split] {
            assert!(!ids.contains(kind.id.as_str()), "{}", kind.id);
            let same: Vec<String> = skeletons(kind).intersection(&sentences).cloned().collect();
            assert!(same.is_empty(), "{}: {same:?}", kind.id);
            let structure = structure(kind);
            assert_eq!(structures.get(&structure), None, "{}: {structure}", kind.id);
            let named: Vec<&String> = kind.listed.iter().filter(|value| values.contains(value.as_str())).collect();
            assert!(named.iter().all(|value| MONTHS.contains(&value.as_str())), "{}: {named:?}", kind.id);
        }
    }
}

/// Names that more than one split may use.
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

#[test]
fn problems_of_new_splits_resemble_no_other_split() {
    let splits = splits("gsm-templates");
    for (split, _) in WORDED {
        for item in &splits[split] {
            for (_, others) in splits.iter().filter(|(name, _)| *name != split) {
                let near = others.iter().find(|other| shared(&item.query, &other.query) >= 0.75);
                assert!(near.is_none(), "{}: {:?}", item.id, near.map(|other| &other.query));
            }
        }
    }
}

#[test]
fn faults_name_the_file_and_the_template_or_the_split() {
    let (catalogue, kinds) = ("datasets/catalogue.toml", "datasets/gsm-templates/dev-2.toml");
    for (path, from, to, expected) in [
        (
            kinds,
            "{extra} How many dollars does the restaurant pay",
            "How many dollars does the restaurant pay",
            ["dev-2.toml", "template `oysters-by-the-dozen`: wording 1 needs the slot `{extra}`"],
        ),
        (
            kinds,
            "It is {odd} kilometers to the nearest harbor.",
            "The harbor is not far.",
            ["dev-2.toml", "template `oysters-by-the-dozen`: `extra` sentence 1 needs one number variable"],
        ),
        (
            kinds,
            "extra = [\"It is {odd} kilometers",
            "question_marks = [\"It is {odd} kilometers",
            ["dev-2.toml", "unknown field `question_marks`"],
        ),
        (
            catalogue,
            "{ split = \"dev-2\"",
            "{ split = \"holdout\"",
            ["catalogue.toml: `further`", "the split `holdout` exists already"],
        ),
        (catalogue, "gsm-templates/dev-2.toml", "gsm-templates/dev-3.toml", ["cannot read", "dev-3.toml"]),
    ] {
        let project = Project::shipped();
        let text = project.text(path);
        assert_eq!(text.matches(from).count(), 1, "{from}");
        project.write(path, text.replace(from, to));
        let output = project.run(&["datasets", "generate", "gsm-templates", "--out", "made"]).refused();
        holds(&output, &expected);
        assert!(!project.path("made").exists(), "{from}: nothing is written");
    }
}
