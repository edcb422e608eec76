//! What may teach, what the top level is shown, and the arms that need keys of their own.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{Project, Settings, choices, holds, repository};

/// Both levels simulated, worked cases in place of written strategies.
fn settings(arms: &[&str]) -> Settings {
    Settings::simulated().set("arms", arms.to_vec()).set("learning.content", "worked-case").set("learning.k", 1)
}

#[test]
fn the_top_level_is_shown_what_was_retrieved_if_it_is_to_be() {
    let arms = ["strong-only", "inter-cascade", "strong-with-examples"];
    let project = Project::with(&settings(&arms));
    project.trial("without", &[]).done();
    project.trial("with", &["--set", "learning.top_level_examples=true"]).done();
    let shown = |folder: &str, arm: &str| -> BTreeSet<usize> {
        let levels = project.sheet(folder, "levels");
        let top = levels.rows().filter(|row| row.count("level") == 1 && row.text("arm") == arm);
        top.map(|row| row.count("strategies_shown")).collect()
    };
    assert_eq!(shown("without", "inter-cascade"), BTreeSet::from([0]));
    assert!(shown("with", "inter-cascade").contains(&1));
    for folder in ["without", "with"] {
        assert_eq!(shown(folder, "strong-only"), BTreeSet::from([0]));
        assert_eq!(shown(folder, "strong-with-examples"), BTreeSet::from([0, 1]), "the first item has none");
    }
    let records = project.sheet("with", "records");
    let with_examples: Vec<_> = records.rows().filter(|row| row.text("arm") == "strong-with-examples").collect();
    assert!(with_examples.iter().any(|row| !row.text("strategies_used").is_empty()));
    assert!(with_examples.iter().all(|row| row.text("weak_answer").is_empty() && row.flag("deferred")));
    // Examples are part of the request: the calls are others than those of strong-only.
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for call in project.sheet("with", "calls").rows().filter(|call| call.text("level") == "1") {
        keys.entry(call.text("arm").to_owned()).or_default().insert(call.text("journal_key").to_owned());
    }
    assert!(keys["strong-with-examples"].difference(&keys["strong-only"]).count() > ITEMS / 2);
}

/// Items of [`Settings::simulated`].
const ITEMS: usize = 30;

#[test]
fn a_majority_of_draws_decides_what_may_teach_and_is_charged() {
    let project = Project::with(&settings(&["cascade", "inter-cascade"]).set("learning.store", "majority"));
    project.trial("out", &["--set", "learning.majority_draws=5"]).done();
    let calls = project.sheet("out", "calls");
    let mut draws: BTreeMap<(String, String), usize> = BTreeMap::new();
    for call in calls.rows().filter(|call| call.text("purpose") == "verify") {
        assert_eq!((call.text("arm"), call.text("level")), ("inter-cascade", "1"));
        assert!(call.count("output_tokens") > 0);
        *draws.entry((call.text("order").to_owned(), call.text("item_id").to_owned())).or_default() += 1;
    }
    let mut fates = BTreeSet::new();
    for row in project.sheet("out", "records").rows().filter(|row| row.text("arm") == "inter-cascade") {
        let made = draws.get(&(row.text("order").to_owned(), row.text("item_id").to_owned())).copied().unwrap_or(0);
        match row.text("strategy_kept") {
            // Three of five draws agree, the answer among them; once that is decided no draw is made.
            "stored" | "majority" => assert!((2..=4).contains(&made), "{made}"),
            _ => assert_eq!(made, 0),
        }
        fates.insert(row.text("strategy_kept").to_owned());
    }
    assert!(fates.contains("stored") && fates.contains("majority"), "{fates:?}");
    let fees = project.sheet("out", "fees");
    assert!(fees.rows().any(|row| row.text("purpose") == "verify" && row.number("fee_usd") > 0.0));
}

#[test]
fn a_solution_that_a_similar_one_contradicts_teaches_nobody() {
    let project = Project::shipped();
    let journal = repository().join("results/pair-gsm-templates-dev-2");
    let mut arguments = vec!["run", "--config", "configs/pair-gsm-templates-dev-2.toml", "--offline", "--out", "out"];
    arguments.extend(["--journal", journal.to_str().expect("UTF-8")]);
    for change in ["arms=[\"inter-cascade\"]", "learning.store=\"unconflicted\""] {
        arguments.extend(["--set", change]);
    }
    project.run(&arguments).done();
    let records = project.sheet("out", "records");
    let kept = |fate: &str| records.rows().filter(|row| row.text("strategy_kept") == fate).count();
    assert!(kept("stored") > 0 && kept("unconflicted") > 0, "{} and {}", kept("stored"), kept("unconflicted"));
    for row in records.rows().filter(|row| row.text("strategy_kept") == "unconflicted") {
        assert!(!row.text("strategies_used").is_empty(), "there is nothing that could contradict it");
        let later = records.rows().any(|other| other.text("strategies_used") == row.text("item_id"));
        assert!(!later, "{} is shown to nobody", row.text("item_id"));
    }
}

#[test]
fn arms_and_keys_that_do_not_fit_are_refused_by_name() {
    let refused = |settings: &Settings, parts: &[&str]| {
        let project = Project::with(settings);
        project.write("options.csv", choices(6, 3));
        holds(&project.trial("out", &[]).refused_in_one_line(), parts);
    };
    let tuned = settings(&["cascade", "cascade-tuned"]);
    refused(&tuned, &["arms: `cascade-tuned` needs deferral.tuned_threshold"]);
    let tuned = tuned.set("deferral.tuned_threshold", 0.5);
    refused(&tuned.set("deferral.tuned_threshold", 1.5), &["deferral.tuned_threshold: must be from 0 to 1"]);
    refused(&settings(&["cascade", "fixed-example"]), &["arms: `fixed-example` needs learning.fixed_example"]);
    let alone = settings(&["weak-only", "cascade"]).set("deferral.tuned_threshold", 0.5);
    let alone = alone.set("deferral.without_example", "defer").set("learning.top_level_examples", true);
    let said = Project::with(&alone).trial("out", &[]).done().out;
    let keys = "deferral.without_example, deferral.tuned_threshold, learning.top_level_examples.";
    holds(&said, &["No arm of `arms` uses what is set: ", keys]);
    let together =
        settings(&["inter-cascade"]).set("learning.content", "strategy").set("learning.top_level_examples", true);
    refused(&together, &["learning: the top level is shown examples", "second-call"]);
    refused(
        &settings(&["inter-cascade"]).set("learning.majority_draws", 0),
        &["learning.majority_draws: must be at least 1"],
    );
    let options = settings(&["cascade", "example-replay"]).set("dataset.path", "options.csv");
    refused(&options, &["arms: `example-replay` is for word problems"]);
    let options = settings(&["inter-cascade"]).set("dataset.path", "options.csv").set("learning.store", "unconflicted");
    refused(&options, &["learning.store: `unconflicted` looks at calculations"]);
}

#[test]
fn strategies_are_listed_and_shown_with_what_they_did() {
    let project = Project::with(&settings(&["weak-only", "inter-cascade"]).set("dataset.orders", 1));
    project.trial("out", &[]).done();
    let records = project.sheet("out", "records");
    let right = |arm: &str, column: &str| -> BTreeMap<String, bool> {
        let of = records.rows().filter(|row| row.text("arm") == arm);
        of.map(|row| (row.text("item_id").to_owned(), row.text(column) == "correct")).collect()
    };
    let (alone, with) = (right("weak-only", "weak_score"), right("inter-cascade", "weak_score"));
    let listed = project.run(&["strategies", "list", "out"]).done().out;
    let mut helped_any = false;
    let mut sources = Vec::new();
    for line in listed.lines() {
        let source = line.split(' ').next().expect("an item").to_owned();
        let shown: Vec<String> = records
            .rows()
            .filter(|row| row.text("arm") == "inter-cascade" && row.text("strategies_used") == source)
            .map(|row| row.text("item_id").to_owned())
            .collect();
        let helped: Vec<&String> = shown.iter().filter(|id| !alone[*id] && with[*id]).collect();
        let harmed = shown.iter().filter(|id| alone[*id] && !with[*id]).count();
        let counts = format!("shown {}, helped {}, harmed {harmed},", shown.len(), helped.len());
        assert!(line.contains(&counts), "{line}, but {counts}");
        let one = project.run(&["strategies", "show", "out", &source]).done().out;
        holds(
            &one,
            &[
                "retrieved by its similarity to:",
                "shown to the weak model:",
                &format!("shown for {} items", shown.len()),
            ],
        );
        assert!(helped.iter().all(|id| one.contains(id.as_str())), "{one}");
        helped_any |= !helped.is_empty();
        sources.push(source);
    }
    assert!(helped_any && sources.len() > 3, "{listed}");
    let file = project.text("out/strategies.jsonl");
    for line in file.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")) {
        assert_eq!((line["embedder"].as_str(), line["prompt"].as_str()), (Some("hashed-words"), Some("chat v1")));
        assert!(line["query"].as_str().is_some_and(|query| !query.is_empty()));
    }
    let near = format!("{}x", sources[0]);
    holds(&project.run(&["strategies", "show", "out", &near]).refused(), &["did you mean", &sources[0]]);
    holds(&project.run(&["strategies", "list", "out", "--arm", "cascade"]).refused(), &["stored no strategy"]);
    let wrong = project.run(&["strategies", "list", "out", "--arm", "cascad"]);
    assert_eq!(wrong.code, 2);
}
