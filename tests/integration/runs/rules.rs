//! Rules of the algorithm, verified from the records alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use intercascade::retrieval::hashed;

use super::{Finished, GATED, ITEMS, K, ORDERS, THRESHOLD, cells, finished, of_arm};
use crate::support::{Row, Settings, Sheet, holds, problems};

/// Tolerance for similarities, which are sums of single-precision products.
const CLOSE: f64 = 1e-5;

/// Cosine similarities of any two queries of the data set.
struct Similarities(HashMap<String, Vec<f32>>);

impl Similarities {
    fn new() -> Self {
        let rows = problems(10, 3);
        let rows = rows.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
        let text = |row: &serde_json::Value, key: &str| row[key].as_str().expect("a text").to_owned();
        Self(rows.map(|row| (text(&row, "id"), hashed::embed(&text(&row, "question")).vector)).collect())
    }

    fn of(&self, one: &str, other: &str) -> f64 {
        self.0[one].iter().zip(&self.0[other]).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    }
}

/// Returns the rows of learning arms, each with the earlier rows of its cell.
fn learning(records: &Sheet) -> Vec<(Row<'_>, Vec<Row<'_>>)> {
    let cells = cells(records).into_iter().filter(|((arm, _), _)| arm.starts_with("inter-cascade"));
    cells.flat_map(|(_, rows)| (0..rows.len()).map(move |place| (rows[place], rows[..place].to_vec()))).collect()
}

fn deferred<'a>(rows: &[Row<'a>]) -> Vec<&'a str> {
    rows.iter().filter(|row| row.flag("deferred")).map(|row| row.text("item_id")).collect()
}

/// Returns the retrieved strategies, by order and item.
fn retrieved<'a>(rows: &[Row<'a>]) -> BTreeMap<(usize, &'a str), Vec<&'a str>> {
    rows.iter().map(|row| ((row.count("order"), row.text("item_id")), row.list("strategies_used"))).collect()
}

#[test]
fn answers_below_the_threshold_are_deferred() {
    let records = finished().sheet("records");
    for arm in GATED {
        let rows = of_arm(&records, arm);
        for row in &rows {
            assert_eq!(row.flag("deferred"), row.number("confidence") < THRESHOLD);
            assert_eq!(row.number("threshold").to_bits(), THRESHOLD.to_bits());
        }
        let deferred = rows.iter().filter(|row| row.flag("deferred")).count();
        assert!(deferred > 0 && deferred < rows.len(), "{arm}: {deferred}");
    }
}

#[test]
fn weak_only_never_defers_and_strong_only_always_does() {
    let records = finished().sheet("records");
    for row in of_arm(&records, "weak-only") {
        assert!(!row.flag("deferred") && !row.text("confidence").is_empty());
        assert_eq!((row.text("threshold"), row.count("strong_input_tokens")), ("", 0));
    }
    for row in of_arm(&records, "strong-only") {
        assert!(row.flag("deferred") && row.text("weak_answer").is_empty() && row.text("confidence").is_empty());
        assert_eq!((row.text("threshold"), row.count("weak_input_tokens")), ("", 0));
    }
}

#[test]
fn the_answer_comes_from_the_answering_level() {
    for row in finished().sheet("records").rows() {
        assert_eq!(row.count("answering_level"), usize::from(row.flag("deferred")));
        if !row.flag("deferred") {
            assert_eq!([row.text("answer"), row.text("score")], [row.text("weak_answer"), row.text("weak_score")]);
        }
        assert!(row.flag("deferred") || row.count("strong_input_tokens") + row.count("distil_output_tokens") == 0);
    }
}

#[test]
fn arms_share_the_stream_and_orders_differ() {
    let records = finished().sheet("records");
    let mut streams: BTreeMap<usize, BTreeSet<Vec<&str>>> = BTreeMap::new();
    for ((_, order), rows) in cells(&records) {
        let stream: Vec<&str> = rows.iter().map(|row| row.text("item_id")).collect();
        assert_eq!(stream.iter().collect::<BTreeSet<_>>().len(), ITEMS);
        streams.entry(order).or_default().insert(stream);
    }
    assert_eq!(streams.len(), ORDERS);
    assert!(streams.values().all(|of_order| of_order.len() == 1), "all arms share an order's stream");
    assert_ne!(streams[&0], streams[&1]);
}

#[test]
fn only_learning_arms_embed_distil_and_retrieve() {
    for row in finished().sheet("records").rows() {
        let learns = row.text("arm").starts_with("inter-cascade");
        assert_eq!(row.count("embed_tokens") > 0, learns);
        assert_eq!(row.count("distil_output_tokens") > 0, learns && row.flag("deferred"));
        if !learns {
            assert_eq!([row.text("strategies_used"), row.text("similarity_max")], ["", ""]);
            assert_eq!(row.count("repository_size"), 0);
        }
    }
}

#[test]
fn retrieved_strategies_come_from_earlier_deferred_items() {
    let records = finished().sheet("records");
    for (row, earlier) in learning(&records) {
        let (used, sources) = (row.list("strategies_used"), deferred(&earlier));
        assert_eq!(row.count("repository_size"), sources.len());
        assert_eq!(used.len(), K.min(sources.len()), "k are shown as soon as there are k");
        assert!(used.iter().all(|source| sources.contains(source)), "{used:?} of {sources:?}");
        assert_eq!(used.iter().collect::<BTreeSet<_>>().len(), used.len(), "none twice");
    }
}

#[test]
fn the_most_similar_strategies_are_retrieved_in_order() {
    let (records, similarities) = (finished().sheet("records"), Similarities::new());
    for (row, earlier) in learning(&records).into_iter().filter(|(row, _)| row.text("arm") == "inter-cascade") {
        let of = |source: &str| similarities.of(row.text("item_id"), source);
        let used = row.list("strategies_used");
        assert!(used.windows(2).all(|pair| of(pair[0]) >= of(pair[1]) - CLOSE), "{used:?}");
        let Some(last) = used.last() else { continue };
        for source in deferred(&earlier).into_iter().filter(|source| !used.contains(source)) {
            assert!(of(source) <= of(last) + CLOSE, "{source} is nearer to {} than {used:?}", row.text("item_id"));
        }
    }
}

#[test]
fn the_top_similarity_is_that_of_a_retrieved_strategy() {
    let (records, similarities) = (finished().sheet("records"), Similarities::new());
    let mut seen = 0;
    for (row, _) in learning(&records) {
        let retrieved =
            row.list("strategies_used").into_iter().map(|source| similarities.of(row.text("item_id"), source));
        match (retrieved.max_by(f64::total_cmp), row.optional("similarity_max")) {
            (Some(expected), Some(found)) => assert!((found - expected).abs() < CLOSE, "{found} instead of {expected}"),
            (expected, found) => assert_eq!(expected, found),
        }
        seen += usize::from(!row.text("similarity_max").is_empty());
    }
    assert!(seen > ITEMS);
}

#[test]
fn min_similarity_limits_nearest_but_not_random_retrieval() {
    let least = 0.8;
    let run = Finished::of(&Settings::simulated().set("learning.min_similarity", least));
    let (records, similarities) = (run.sheet("records"), Similarities::new());
    let mut shorter = 0;
    for (row, earlier) in learning(&records) {
        let (used, sources) = (row.list("strategies_used"), deferred(&earlier));
        if row.text("arm") == "inter-cascade-random" {
            assert_eq!(used.len(), K.min(sources.len()));
            continue;
        }
        let near = sources.iter().filter(|source| similarities.of(row.text("item_id"), source) >= least).count();
        assert_eq!(used.len(), K.min(near));
        shorter += usize::from(near < K.min(sources.len()));
    }
    assert!(shorter > 0, "the limit was never met");
}

#[test]
fn without_strategies_the_weak_level_is_the_same_in_every_arm() {
    let records = finished().sheet("records");
    let weak = |arm: &str| -> BTreeSet<Vec<String>> {
        let columns = ["order", "item_id", "weak_answer", "weak_score", "confidence", "weak_input_tokens"];
        of_arm(&records, arm).iter().map(|row| columns.map(|column| row.text(column).to_owned()).to_vec()).collect()
    };
    assert_eq!(weak("weak-only"), weak("cascade"));
    assert_ne!(weak("weak-only"), weak("inter-cascade"), "strategies change the weak level");
}

#[test]
fn inter_cascade_without_strategies_equals_the_cascade() {
    let run = Finished::of(&Settings::simulated().set("learning.k", 0));
    let records = run.sheet("records");
    let columns = ["order", "item_id", "weak_answer", "confidence", "deferred"];
    let rows = |arm: &str| -> Vec<[String; 5]> {
        of_arm(&records, arm).iter().map(|row| columns.map(|column| row.text(column).to_owned())).collect()
    };
    assert_eq!(rows("inter-cascade"), rows("cascade"));
    assert_eq!(rows("inter-cascade-random"), rows("cascade"));
}

#[test]
fn strategies_of_the_same_group_help_the_weak_level() {
    let records = finished().sheet("records");
    let right = |arm: &str| of_arm(&records, arm).iter().filter(|row| row.text("weak_score") == "correct").count();
    let accepted = |arm: &str| of_arm(&records, arm).iter().filter(|row| !row.flag("deferred")).count();
    assert!(right("inter-cascade") > right("cascade"), "{} and {}", right("inter-cascade"), right("cascade"));
    assert!(accepted("inter-cascade") > accepted("cascade"));
}

#[test]
fn random_strategies_depend_on_the_seed_not_on_similarity() {
    let records = finished().sheet("records");
    let random = retrieved(&of_arm(&records, "inter-cascade-random"));
    let nearest = retrieved(&of_arm(&records, "inter-cascade"));
    assert_ne!(random, nearest);
    let alone =
        |seed: i64| Finished::of(&Settings::simulated().set("arms", vec!["inter-cascade-random"]).set("seed", seed));
    let again = alone(7).sheet("records");
    assert!(
        again.rows().map(|row| row.cells()).eq(of_arm(&records, "inter-cascade-random").iter().map(Row::cells)),
        "an arm does not depend on the others"
    );
    let other = alone(8).sheet("records");
    assert_ne!(retrieved(&other.rows().collect::<Vec<_>>()), random);
}

#[test]
fn unreadable_strategies_are_never_retrieved() {
    let run = Finished::of(&Settings::simulated().set("model.large.simulated.unreadable", 0.5));
    let (records, stored) = (run.sheet("records"), run.strategies());
    let mut skipped = 0;
    for (row, earlier) in learning(&records) {
        let readable: Vec<&str> = stored
            .iter()
            .filter(|strategy| strategy["arm"] == row.text("arm") && strategy["order"] == row.count("order"))
            .filter_map(|strategy| strategy["source"].as_str())
            .collect();
        let (sources, used) = (deferred(&earlier), row.list("strategies_used"));
        let readable_count = sources.iter().filter(|source| readable.contains(source)).count();
        assert_eq!((row.count("repository_size"), used.len()), (readable_count, K.min(readable_count)));
        assert!(used.iter().all(|source| sources.contains(source) && readable.contains(source)), "{used:?}");
        skipped += sources.len() - readable_count;
    }
    assert!(skipped > 0 && !stored.is_empty());
    holds(run.text("summary.md"), &["No strategy could be extracted from"]);
}

#[test]
fn no_second_draw_is_paid_if_no_strategy_can_be_stored() {
    let settings = Settings::simulated().set("model.large.simulated.unreadable", 0.5);
    let run = Finished::of(&settings.set("learning.store", "verified").set("arms", vec!["inter-cascade"]));
    let (records, calls) = (run.sheet("records"), run.sheet("calls"));
    let item = |row: &Row| (row.count("order"), row.text("item_id").to_owned());
    let second: BTreeSet<_> =
        calls.rows().filter(|call| call.text("purpose") == "verify").map(|row| item(&row)).collect();
    let (unreadable, readable): (Vec<Row>, Vec<Row>) =
        records.rows().filter(|row| row.flag("deferred")).partition(|row| row.text("strategy_outcome") == "unreadable");
    assert!(!unreadable.is_empty() && !readable.is_empty());
    assert!(unreadable.iter().all(|row| !second.contains(&item(row))));
    assert!(readable.iter().all(|row| second.contains(&item(row))));
}

#[test]
fn strategies_are_cut_to_their_budget_and_cuts_are_counted() {
    let project =
        Settings::simulated().set("learning.content", "worked-example").set("learning.max_strategy_tokens", 8);
    let project = crate::support::Project::with(&project);
    let output = project.trial("out", &[]).done();
    holds(&output.out, &["strategies exceeded learning.max_strategy_tokens and were cut by "]);
    let text = project.text("out/strategies.jsonl");
    let stored: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(!stored.is_empty());
    for strategy in stored {
        assert!(
            strategy["text"].as_str().expect("a text").len() <= 32 && strategy["cut"].as_u64() > Some(0),
            "{strategy}"
        );
    }
}

#[test]
fn option_questions_are_gated_by_option_probability() {
    let project = crate::support::Project::with(&Settings::simulated().set("dataset.path", "questions.csv"));
    project.write("questions.csv", crate::support::choices(6, 3));
    project.trial("out", &[]).done();
    let records = project.sheet("out", "records");
    assert!(records.rows().all(|row| row.text("answer").is_empty() || "ABCD".contains(row.text("answer"))));
    for row in of_arm(&records, "cascade") {
        assert!(row.number("confidence") >= 0.25, "an option's share of four is a quarter at least");
        assert_eq!(row.count("weak_output_tokens"), 0, "scoring writes nothing");
    }
    holds(&project.text("out/summary.md"), &["option-probability below 0.7"]);
}
