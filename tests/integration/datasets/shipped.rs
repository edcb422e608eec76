//! The data sets that ship: they can be made again byte for byte, are what their cards say, and any file of their
//! formats can be checked.

use std::collections::{BTreeMap, BTreeSet};

use intercascade::dataset::catalogue::{Catalogue, Entry};
use intercascade::dataset::facts::Facts;
use intercascade::types::item::{Item, Target};
use intercascade::types::seed::Seed;
use regex::Regex;
use sha2::{Digest, Sha256};

use crate::support::{Project, choices, files, holds, problems, repository};

const NAMES: [&str; 3] = ["gsm-templates", "space-history-mcq", "short-programs-mcq"];

fn catalogue() -> Catalogue {
    Catalogue::find(Some(&repository().join("Cargo.toml"))).expect("the project's catalogue")
}

fn entry<'a>(catalogue: &'a Catalogue, name: &str) -> &'a Entry {
    catalogue.entries.iter().find(|entry| entry.name == name).expect("listed")
}

/// A data set's items by split, checksums verified.
pub(super) fn splits(name: &str) -> BTreeMap<String, Vec<Item>> {
    let catalogue = catalogue();
    let entry = entry(&catalogue, name);
    let load =
        |split| catalogue.load(entry, split, Seed::default()).expect("the file that the catalogue describes").items;
    entry.split.iter().map(|split| (split.name.clone(), load(split))).collect()
}

pub(super) fn groups(items: &[Item]) -> BTreeSet<&str> {
    items.iter().map(|item| &*item.group).collect()
}

pub(super) fn source(path: &str) -> String {
    std::fs::read_to_string(repository().join("datasets").join(path)).expect("readable")
}

/// The number of templates in a file.
fn templates(file: &str) -> usize {
    let file: toml::Table = toml::from_str(&source(file)).expect("TOML");
    file["template"].as_array().expect("templates").len()
}

#[test]
fn generating_gives_the_files_that_ship_byte_for_byte() {
    let project = Project::shipped();
    for name in NAMES {
        let said = project.run(&["datasets", "generate", name, "--out", name]).done();
        for split in &entry(&catalogue(), name).split {
            let path = format!("datasets/{}", split.file.display());
            let file = split.file.file_name().expect("a name").to_string_lossy();
            let made = std::fs::read(project.path(name).join(&*file)).expect("made");
            assert!(made == std::fs::read(repository().join(&path)).expect("readable"), "{path}");
            assert_eq!(Some(hex::encode(Sha256::digest(&made))), split.sha256, "{path}");
            holds(
                &said.out,
                &[&format!("{} rows", split.rows.expect("known")), split.sha256.as_deref().expect("pinned")],
            );
        }
        assert_eq!(files(&project.path(name)).len(), entry(&catalogue(), name).split.len());
    }
}

#[test]
fn generating_in_place_leaves_the_files_alone() {
    let project = Project::shipped();
    let before = project.files();
    for name in NAMES {
        project.run(&["datasets", "generate", name]).done();
    }
    assert!(project.files() == before);
}

#[test]
fn another_seed_makes_other_problems_of_the_same_templates() {
    let project = Project::shipped();
    let arguments = ["datasets", "generate", "gsm-templates", "--seed", "2", "--instances", "3", "--out", "made"];
    project.run(&arguments).done();
    let further = project.text("made/holdout-2.jsonl");
    assert_eq!(further.lines().count(), 3 * templates("gsm-templates/holdout-2.toml"));
    let made = project.text("made/dev.jsonl") + &project.text("made/test.jsonl");
    assert_eq!(made.lines().count(), 3 * templates("gsm-templates/templates.toml"));
    let shipped = source("gsm-templates/dev.jsonl") + &source("gsm-templates/test.jsonl");
    let known: BTreeSet<&str> = shipped.lines().collect();
    assert!(made.lines().filter(|line| known.contains(line)).count() * 10 < made.lines().count());
}

#[test]
fn the_catalogue_counts_the_rows_and_the_splits_share_no_group() {
    for name in NAMES {
        let splits = splits(name);
        for split in &entry(&catalogue(), name).split {
            assert_eq!(Some(splits[&split.name].len()), split.rows, "{name}, {}", split.name);
        }
        let (dev, test) = (groups(&splits["dev"]), groups(&splits["test"]));
        assert!(!dev.is_empty() && !test.is_empty());
        assert!(dev.is_disjoint(&test), "{name}: {:?}", dev.intersection(&test));
        let ids: BTreeSet<_> = splits.values().flatten().map(|item| &item.id).collect();
        assert_eq!(ids.len(), splits.values().map(Vec::len).sum::<usize>(), "{name}: an id stands twice");
    }
}

#[test]
fn there_are_as_many_templates_and_facts_as_there_must_be() {
    let [ours, holdout, second, choosing] =
        ["templates", "holdout", "holdout-2", "dev-2"].map(|name| templates(&format!("gsm-templates/{name}.toml")));
    assert!(ours >= 60 && holdout >= 60 && second >= 48 && choosing >= 24, "{ours}, {holdout}, {second}, {choosing}");
    let templates = ours + holdout + second + choosing;
    let programs = self::templates("short-programs-mcq/templates.toml");
    assert!(groups(&splits("short-programs-mcq")["test"]).len() >= 40);
    let facts = Facts::parse(&source("space-history-mcq/facts.toml")).expect("facts").fact;
    assert!(facts.len() >= 120, "{}", facts.len());
    assert!(facts.iter().all(|fact| fact.questions.len() >= 5));
    let listed = catalogue();
    let summary = |name: &str| entry(&listed, name).summary.clone();
    holds(&summary("gsm-templates"), &[&format!("{templates} templates")]);
    holds(&summary("space-history-mcq"), &[&format!("{} facts", facts.len())]);
    let shipped: usize =
        NAMES.map(|name| splits(name).values().map(|items| groups(items).len()).sum::<usize>()).iter().sum();
    assert_eq!(shipped, templates + programs + facts.len());
}

#[test]
fn a_holdout_problem_is_like_none_that_settings_were_chosen_on() {
    let mut splits = splits("gsm-templates");
    let holdout = splits.remove("holdout").expect("a split");
    let others: Vec<Item> = splits.into_values().flatten().collect();
    assert!(groups(&holdout).is_disjoint(&groups(&others)));
    for item in holdout.iter().filter(|item| item.id.0.ends_with("-0")) {
        let most = others.iter().map(|other| shared(&item.query, &other.query)).fold(0.0, f64::max);
        assert!(most < 0.75, "{}: {most}", item.id);
    }
}

#[test]
fn no_two_phrasings_of_a_fact_share_more_than_half_of_their_words() {
    let mut phrasings: BTreeMap<std::sync::Arc<str>, Vec<String>> = BTreeMap::new();
    for item in splits("space-history-mcq").into_values().flatten() {
        phrasings.entry(item.group).or_default().push(item.query);
    }
    let mut alike = Vec::new();
    for (fact, questions) in &phrasings {
        assert!(questions.len() >= 5, "{fact}");
        for (place, question) in questions.iter().enumerate() {
            let near = questions[..place].iter().filter(|other| shared(question, other) > 0.5);
            alike.extend(near.map(|other| format!("{fact}: `{question}` and `{other}`")));
        }
    }
    assert!(alike.is_empty(), "{}", alike.join("\n"));
}

fn words(text: &str) -> BTreeSet<String> {
    let lower = text.to_lowercase();
    lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The share of the shorter question's words that the other one has too.
#[expect(clippy::cast_precision_loss, reason = "a few words")]
pub(super) fn shared(one: &str, other: &str) -> f64 {
    let (one, other) = (words(one), words(other));
    one.intersection(&other).count() as f64 / one.len().min(other.len()) as f64
}

#[test]
fn words_are_compared_without_case_and_marks() {
    assert!((shared("Who was first?", "who, then, was second") - 2.0 / 3.0).abs() < 1e-12);
}

#[test]
fn every_fact_has_four_different_options_and_one_sentence_that_states_it() {
    for item in splits("space-history-mcq").into_values().flatten() {
        let different: BTreeSet<String> = item.options.iter().map(|option| option.to_lowercase()).collect();
        assert_eq!(different.len(), 4, "{}", item.id);
        let explanation = item.solution.expect("an explanation");
        assert!(explanation.ends_with('.') && explanation.split_whitespace().count() > 5, "{explanation}");
    }
}

#[test]
fn computed_options_differ_and_the_solutions_last_sentence_has_the_right_one() {
    for item in splits("short-programs-mcq").into_values().flatten() {
        let Target::Choice(place) = item.target else { panic!("no choice: {item:?}") };
        assert_eq!(item.options.iter().collect::<BTreeSet<_>>().len(), 4, "{item:?}");
        let last = item.solution.as_deref().and_then(|solution| solution.lines().last()).expect("a solution");
        let mut numbers = last.split(|c: char| !c.is_ascii_digit());
        assert!(numbers.any(|number| number == item.options[place]), "{item:?}");
    }
}

#[test]
fn the_right_option_stands_in_every_place_about_equally_often() {
    let mut places = [0_usize; 4];
    for item in splits("space-history-mcq").into_values().flatten() {
        let intercascade::types::item::Target::Choice(place) = item.target else {
            panic!("{} has no options", item.id)
        };
        places[place] += 1;
    }
    let all: usize = places.iter().sum();
    assert!(places.iter().all(|count| count * 5 > all && count * 10 < all * 3), "{places:?}");
}

#[test]
fn every_calculation_of_a_solution_is_right_and_the_last_is_the_answer() {
    let annotation = Regex::new(r"<<([^<>=]+)=([^<>]+)>>").expect("a pattern");
    for item in splits("gsm-templates").into_values().flatten() {
        let solution = item.solution.expect("a solution");
        let (steps, target) = solution.rsplit_once("\n#### ").expect("a line with the answer");
        let found: Vec<(f64, f64)> = annotation
            .captures_iter(steps)
            .map(|step| (value(&step[1]), step[2].parse().unwrap_or_else(|_| panic!("{solution}"))))
            .collect();
        assert!((1..=5).contains(&found.len()), "{solution}");
        assert!(found.iter().all(|(computed, told)| (computed - told).abs() < 1e-9), "{solution}");
        assert_eq!(found.last().map(|(_, told)| *told), target.trim().parse().ok(), "{solution}");
        assert!(!item.query.contains(['{', '}', '<']) && !steps.contains(['{', '}']), "{}: {solution}", item.query);
    }
}

/// The value of an expression of numbers, `+ - * /` and parentheses.
fn value(expression: &str) -> f64 {
    let text: Vec<char> = expression.chars().filter(|c| !c.is_whitespace()).collect();
    let (value, rest) = sum(&text);
    assert!(rest.is_empty(), "{expression}");
    value
}

fn sum(text: &[char]) -> (f64, &[char]) {
    let (mut total, mut rest) = product(text);
    while let [sign @ ('+' | '-'), after @ ..] = rest {
        let (next, after) = product(after);
        total = if *sign == '+' { total + next } else { total - next };
        rest = after;
    }
    (total, rest)
}

fn product(text: &[char]) -> (f64, &[char]) {
    let (mut total, mut rest) = factor(text);
    while let [sign @ ('*' | '/'), after @ ..] = rest {
        let (next, after) = factor(after);
        total = if *sign == '*' { total * next } else { total / next };
        rest = after;
    }
    (total, rest)
}

fn factor(text: &[char]) -> (f64, &[char]) {
    if let ['(', inside @ ..] = text {
        let (value, rest) = sum(inside);
        assert_eq!(rest.first(), Some(&')'), "{text:?}");
        return (value, &rest[1..]);
    }
    let length = text.iter().take_while(|c| c.is_ascii_digit() || **c == '.').count();
    let digits: String = text[..length].iter().collect();
    (digits.parse().unwrap_or_else(|_| panic!("{text:?}")), &text[length..])
}

#[test]
fn expressions_are_computed_by_the_usual_rules() {
    for (expression, wanted) in
        [("2+3*4", 14.0), ("(2+3)*4", 20.0), ("20-6/3-1", 17.0), ("48/2/4", 6.0), ("0.5*10", 5.0)]
    {
        assert!((value(expression) - wanted).abs() < 1e-12, "{expression}");
    }
}

#[test]
fn no_two_questions_are_the_same() {
    for name in NAMES {
        let splits = splits(name);
        let questions: BTreeSet<String> = splits.values().flatten().map(|item| item.query.to_lowercase()).collect();
        assert_eq!(questions.len(), splits.values().map(Vec::len).sum::<usize>(), "{name}");
    }
}

#[test]
fn the_list_names_each_data_set_with_its_splits_licence_and_state() {
    let project = Project::shipped();
    let said = project.run(&["datasets", "list"]).done();
    for entry in catalogue().entries {
        holds(&said.out, &[&entry.name, &entry.licence, &entry.summary]);
        for split in &entry.split {
            let rows = split.rows.map(|rows| format!(" {rows}")).unwrap_or_default();
            let comes = split.url.is_some() || entry.package.is_some();
            let state = match (&entry.source, comes, &split.sha256) {
                (None, ..) => "",
                (_, false, _) => ", to be got by hand",
                (_, _, None) => ", to be fetched, not pinned",
                (_, _, Some(_)) => ", to be fetched",
            };
            holds(&said.out, &[&format!("{}{rows}{state}", split.name)]);
        }
        let further = [&entry.source, &entry.permits, &entry.citation].into_iter().flatten();
        further.chain(&entry.defects).for_each(|text| holds(&said.out, &[text]));
    }
}

#[test]
fn the_catalogue_is_well_formed() {
    let entries = catalogue().entries;
    let names: BTreeSet<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names.len(), entries.len());
    for (entry, split) in entries.iter().flat_map(|entry| entry.split.iter().map(move |split| (entry, split))) {
        let name = format!("{} {}", entry.name, split.name);
        assert_eq!(NAMES.contains(&entry.name.as_str()), entry.source.is_none(), "{name}: only our own data ships");
        let hex = |text: &str, length| text.len() == length && text.bytes().all(|b| b"0123456789abcdef".contains(&b));
        assert!(split.sha256.as_deref().is_none_or(|sha256| hex(sha256, 64)), "{name}");
        // An address names a revision, so that what is behind it stays.
        let revision = |part: &str| hex(part, 40);
        assert!(
            split.url.as_ref().is_none_or(|url| url.starts_with("https://") && url.split('/').any(revision)),
            "{name}"
        );
        assert!(entry.source.is_none() || entry.permits.is_some(), "{name}");
        // A package holds code that is run, and what it draws is published nowhere else.
        let package = entry.package.as_ref();
        assert!(package.is_none_or(|package| hex(&package.sha256, 64) && split.sha256.is_some()), "{name}");
    }
}

#[test]
fn good_files_of_each_format_are_counted() {
    let project = Project::new();
    project.write("problems.jsonl", problems(3, 2));
    project.write("choices.csv", choices(3, 2));
    project.write("letters.csv", "\"Which, then?\",a,b,c,d,A\n\"Which\nnow?\",a,b,c,d,D\n");
    project.write("folder/anatomy_test.csv", "Which?,a,b,c,d,A\n");
    project.write("folder/virology_test.csv", "Which?,a,b,c,d,B\nWhy?,a,b,c,d,C\n");
    for (path, count) in [
        ("problems.jsonl", "6 good rows in 3 groups, 0 faults"),
        ("choices.csv", "6 good rows in 3 groups, 0 faults"),
        ("letters.csv", "2 good rows in 2 groups, 0 faults"),
        ("folder", "3 good rows in 3 groups, 0 faults"),
    ] {
        holds(&project.run(&["datasets", "check", path]).done().out, &[path, count, "sha256"]);
    }
    project.write("problems.txt", problems(1, 1));
    project.run(&["datasets", "check", "problems.txt"]).refused_in_one_line();
    project.run(&["datasets", "check", "problems.txt", "--format", "gsm8k"]).done();
}

#[test]
fn every_fault_of_a_file_is_told_and_ends_in_status_1() {
    let project = Project::new();
    project.write("problems.jsonl", format!("{}{{}}\n{{\"question\": \"q\", \"answer\": \"no\"}}\n", problems(1, 1)));
    project.write("choices.csv", format!("{}Which?,a,b,c,d,7,x,x,Because.\n", choices(1, 2)));
    let said = project.run(&["datasets", "check", "problems.jsonl"]);
    assert_eq!(said.code, 1);
    holds(
        &said.out,
        &["problems.jsonl: line 2: field `answer`", "line 3: field `answer`", "1 good rows in 1 groups, 2 faults"],
    );
    let said = project.run(&["datasets", "check", "choices.csv"]);
    assert_eq!(said.code, 1);
    holds(&said.out, &["choices.csv: line 4: field `answer`: must be a number from 0 to 3, not `7`"]);
    project.write("empty.csv", "");
    assert_eq!(project.run(&["datasets", "check", "empty.csv"]).code, 1);
    holds(&project.run(&["datasets", "check", "none.csv"]).refused_in_one_line(), &["none.csv"]);
}

#[test]
fn a_folder_of_subjects_is_run_with_ids_that_name_the_subject() {
    let project = Project::with(&crate::support::Settings::simulated().set("dataset.path", "mmlu"));
    project.write("mmlu/anatomy_test.csv", "Which?,a,b,c,d,A\nWhat?,a,b,c,d,B\n");
    project.write("mmlu/virology_test.csv", "Which one?,a,b,c,d,C\n");
    project.trial("out", &[]).done();
    let records = project.sheet("out", "records");
    let ids: BTreeSet<&str> = records.rows().map(|row| row.text("item_id")).collect();
    assert_eq!(ids, BTreeSet::from(["anatomy/0", "anatomy/1", "virology/0"]));
}
