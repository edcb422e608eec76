//! Storage of solutions, strategies for the top level, and arms that need extra keys.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{Project, Settings, choices, holds, repository};

/// Settings with both levels simulated and worked examples in place of written strategies.
fn settings(arms: &[&str]) -> Settings {
    Settings::simulated().set("arms", arms.to_vec()).set("learning.content", "worked-example").set("learning.k", 1)
}

#[test]
fn the_top_level_gets_strategies_if_configured() {
    let arms = ["strong-only", "inter-cascade", "strong-with-examples"];
    let project = Project::with(&settings(&arms));
    project.trial("without", &[]).done();
    project.trial("with", &["--set", "learning.top_level_examples=true"]).done();
    let retrieved = |folder: &str, arm: &str| -> BTreeSet<usize> {
        let levels = project.sheet(folder, "levels");
        let top = levels.rows().filter(|row| row.count("level") == 1 && row.text("arm") == arm);
        top.map(|row| row.count("strategies_shown")).collect()
    };
    assert_eq!(retrieved("without", "inter-cascade"), BTreeSet::from([0]));
    assert!(retrieved("with", "inter-cascade").contains(&1));
    for folder in ["without", "with"] {
        assert_eq!(retrieved(folder, "strong-only"), BTreeSet::from([0]));
        assert_eq!(retrieved(folder, "strong-with-examples"), BTreeSet::from([0, 1]), "the first item has none");
    }
    let records = project.sheet("with", "records");
    let with_examples: Vec<_> = records.rows().filter(|row| row.text("arm") == "strong-with-examples").collect();
    assert!(with_examples.iter().any(|row| !row.text("strategies_used").is_empty()));
    assert!(with_examples.iter().all(|row| row.text("weak_answer").is_empty() && row.flag("deferred")));
    // Examples are part of the request, so these calls differ from those of strong-only.
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for call in project.sheet("with", "calls").rows().filter(|call| call.text("level") == "1") {
        keys.entry(call.text("arm").to_owned()).or_default().insert(call.text("journal_key").to_owned());
    }
    assert!(keys["strong-with-examples"].difference(&keys["strong-only"]).count() > ITEMS / 2);
}

/// Number of items in [`Settings::simulated`].
const ITEMS: usize = 30;

#[test]
fn a_majority_of_draws_decides_storage_and_is_charged() {
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
        match row.text("strategy_outcome") {
            // Three of five draws must agree, including the answer. Once the majority is decided, no further draw is
            // made.
            "stored" | "majority" => assert!((2..=4).contains(&made), "{made}"),
            _ => assert_eq!(made, 0),
        }
        fates.insert(row.text("strategy_outcome").to_owned());
    }
    assert!(fates.contains("stored") && fates.contains("majority"), "{fates:?}");
    let fees = project.sheet("out", "fees");
    assert!(fees.rows().any(|row| row.text("purpose") == "verify" && row.number("fee_usd") > 0.0));
}

#[test]
fn a_contradicted_solution_is_not_retrieved() {
    let project = Project::shipped();
    let journal = repository().join("results/pair-gsm-templates-dev-2");
    let mut arguments = vec!["run", "--config", "configs/pair-gsm-templates-dev-2.toml", "--offline", "--out", "out"];
    arguments.extend(["--journal", journal.to_str().expect("UTF-8")]);
    for change in ["arms=[\"inter-cascade\"]", "learning.store=\"unconflicted\""] {
        arguments.extend(["--set", change]);
    }
    project.run(&arguments).done();
    let records = project.sheet("out", "records");
    let count_stored = |fate: &str| records.rows().filter(|row| row.text("strategy_outcome") == fate).count();
    assert!(
        count_stored("stored") > 0 && count_stored("unconflicted") > 0,
        "{} and {}",
        count_stored("stored"),
        count_stored("unconflicted")
    );
    for row in records.rows().filter(|row| row.text("strategy_outcome") == "unconflicted") {
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
    let output = Project::with(&alone).trial("out", &[]).done().out;
    let keys = "deferral.without_example, deferral.tuned_threshold, learning.top_level_examples.";
    holds(&output, &["No arm of `arms` uses these keys, which are set: ", keys]);
    let together =
        settings(&["inter-cascade"]).set("learning.content", "strategy").set("learning.top_level_examples", true);
    refused(&together, &["learning: the top level's prompt shows examples", "second-call"]);
    refused(
        &settings(&["inter-cascade"]).set("learning.majority_draws", 0),
        &["learning.majority_draws: must be at least 1"],
    );
    let options = settings(&["cascade", "example-replay"]).set("dataset.path", "options.csv");
    refused(&options, &["arms: `example-replay` is for word problems"]);
    let options = settings(&["inter-cascade"]).set("dataset.path", "options.csv").set("learning.store", "unconflicted");
    refused(&options, &["learning.store: `unconflicted` reads calculations"]);
}

#[test]
fn strategies_are_listed_and_shown_with_their_effect() {
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
        let retrieved: Vec<String> = records
            .rows()
            .filter(|row| row.text("arm") == "inter-cascade" && row.text("strategies_used") == source)
            .map(|row| row.text("item_id").to_owned())
            .collect();
        let helped: Vec<&String> = retrieved.iter().filter(|id| !alone[*id] && with[*id]).collect();
        let harmed = retrieved.iter().filter(|id| alone[*id] && !with[*id]).count();
        let counts = format!("retrieved {}, helped {}, harmed {harmed},", retrieved.len(), helped.len());
        assert!(line.contains(&counts), "{line}, but {counts}");
        let one = project.run(&["strategies", "show", "out", &source]).done().out;
        holds(
            &one,
            &[
                "retrieved by its similarity to:",
                "text in the weak model's prompt:",
                &format!("retrieved for {} items", retrieved.len()),
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
