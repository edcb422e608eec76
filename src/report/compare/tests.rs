//! Tests of comparisons over records.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::analysis::metrics::Prices;
use crate::types::arm::Arm;
use crate::types::level::Level;
use crate::types::price::Price;
use crate::types::record::{CellKey, Graded, LevelAnswer, Record, Score};
use crate::types::seed::Seed;
use crate::types::testing;

/// weak-only and strong-only over these items; strong-only is right, weak-only on every second item.
fn records(items: std::ops::Range<usize>) -> Vec<Record> {
    let of = |(arm, level): (Arm, Level)| {
        let cell = Arc::new(CellKey { dataset: "d".into(), arm, order: 0, threshold: None });
        let record = move |item: usize| {
            let right = arm == Arm::StrongOnly || item.is_multiple_of(2);
            let graded = Graded { answer: None, score: if right { Score::Correct } else { Score::Incorrect } };
            Record {
                levels: vec![LevelAnswer::new(level, graded.clone())],
                deferred: level != Level::FIRST,
                answering_level: Some(level),
                graded,
                ..testing::record(&cell, item)
            }
        };
        items.clone().map(record).collect::<Vec<_>>()
    };
    [(Arm::WeakOnly, Level::FIRST), (Arm::StrongOnly, Level::SECOND)].into_iter().flat_map(of).collect()
}

/// Manifest of a run over data with this checksum.
fn manifest(sha256: &str) -> Manifest {
    serde_json::from_value(json!({
        "version": "0.1.0", "identity": {"dataset": {"sha256": sha256}}, "config": {}, "started": "", "ended": null,
        "calls_made": null, "spent": null, "answered_by": null, "warnings": [],
    }))
    .expect("a manifest")
}

/// A run: its name, its data and its records.
type Run<'r> = (&'r str, Manifest, Vec<Record>);

fn prices() -> Prices {
    let price = |input| Some(Price { input, cached_input: None, output: 0.0, batch: None, read: None, nominal: false });
    [("small".to_owned(), price(1.0)), ("large".to_owned(), price(9.0))].into()
}

fn compared<T>(runs: &[Run], displayed: impl Fn(&RunsCompared) -> T) -> T {
    let prices = prices();
    let comparisons: Vec<Comparison> =
        runs.iter().map(|(.., records)| Comparison::new(records, &[], &prices, Seed(1))).collect();
    let both = runs.iter().zip(&comparisons);
    let sides: Vec<Side> = both.map(|((name, manifest, _), comparison)| Side { name, manifest, comparison }).collect();
    displayed(&RunsCompared::new(sides[0], &sides[1..]))
}

fn run(name: &str, items: std::ops::Range<usize>) -> Run<'_> {
    (name, manifest("aa"), records(items))
}

#[test]
fn figures_cover_only_the_items_in_both_runs() {
    // Both runs have items 4 and 5; the weak level is right on item 4. Overall it is right on 3 of 6 and on 2 of 4.
    let runs = [run("a", 0..6), run("b", 4..8)];
    let [notes, table] = compared(&runs, |both| [both.notes().join(" "), both.terminal(200)]);
    assert_eq!(
        notes,
        "b is the same run as a note: 4 of 6 items of a and 2 of 4 of b are left out, over all orders, since the other \
         run does not have them; 2 are compared"
    );
    let strong = table.lines().find(|line| line.starts_with("strong-only")).expect("a row");
    let cells: Vec<&str> = strong.split_whitespace().collect();
    assert_eq!(cells[..5], ["strong-only", "–", "2", "100.0", "+0.0"], "{table}");
    let weak = table.lines().find(|line| line.starts_with("weak-only")).expect("a row");
    let cells: Vec<&str> = weak.split_whitespace().collect();
    assert_eq!(cells[..5], ["weak-only", "–", "2", "50.0", "+0.0"], "{table}");
    assert!(!strong.contains('→') && !weak.contains('→') && !table.contains("unpaired"), "{table}");
}

#[test]
fn runs_without_a_common_item_are_independent_samples() {
    let other_data: Run = ("b", manifest("bb"), records(0..8));
    for (second, why) in
        [(run("b", 6..14), "the runs have no item in common"), (other_data, "the runs use different data")]
    {
        let [notes, table] = compared(&[run("a", 0..6), second], |both| [both.notes().join("\n"), both.terminal(200)]);
        let line = format!(
            "note: {why}, so the comparison is unpaired: 6 items of a and 8 of b, over all orders, are two independent \
             samples"
        );
        assert!(notes.contains(&line), "{notes}");
        let weak = table.lines().find(|line| line.starts_with("weak-only")).expect("a row");
        // Of either run every second item is right.
        assert!(weak.contains("6 → 8 unpaired") && weak.contains("+0.0 [-"), "{table}");
        assert!(table.contains("two independent samples"), "{table}");
    }
}

#[test]
fn arms_of_only_one_run_are_named() {
    let mut few = run("b", 0..3);
    few.2.retain(|record| record.cell.arm == Arm::WeakOnly);
    let notes = compared(&[run("a", 0..3), few], |both| both.notes().join("\n"));
    assert_eq!(notes, "b is the same run as a\nnote: only in a: strong-only");
}

#[test]
fn several_runs_have_a_table_each_and_one_file() {
    let runs = [run("a", 0..6), run("b", 0..6), run("c", 20..26)];
    let (text, files) = compared(&runs, |all| (all.terminal(80), all.files(&[]).expect("files")));
    assert!(text.contains("b against a\n") && text.contains("c against a\n"), "{text}");
    let file = |name: &str| {
        let (_, bytes) = files.iter().find(|(file, _)| file == name).expect("the file exists");
        String::from_utf8(bytes.clone()).expect("UTF-8")
    };
    let csv = file("compare.csv");
    let starts: Vec<String> =
        csv.lines().skip(1).map(|line| line.split(',').take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(starts, ["b weak-only", "b strong-only", "c weak-only", "c strong-only"]);
    assert!(file("compare.md").starts_with("# b, c against a\n") && file("compare.md").contains("\n## c against a\n"));
    assert_eq!(file("compare.tex").matches("\\begin{table}").count(), 2);
}

fn verdict(runs: &[Run], condition: &str) -> Result<Verdict, String> {
    compared(runs, |all| all.judge(&condition.parse().expect("a condition")))
}

/// Runs in which item 1 of weak-only becomes right, and so does a run without the strong level.
fn changed() -> [Run<'static>; 2] {
    let mut better = run("b", 0..4);
    better.2[1].graded.score = Score::Correct;
    [run("a", 0..4), better]
}

#[test]
fn conditions_are_judged_arm_by_arm() {
    let holds = verdict(&changed(), "accuracy > 10pp").expect("judged");
    assert!(holds.holds);
    assert_eq!(holds.lines, ["failed: accuracy > 10pp: b, weak-only: accuracy +25.0 pp"]);
    let passed = verdict(&changed(), "accuracy < -1pp").expect("judged");
    assert_eq!(
        (passed.holds, &passed.lines[..]),
        (false, &["passed: accuracy < -1pp: holds for none of 2 compared arms".to_owned()][..])
    );
    assert!(!verdict(&changed(), "strong-only:accuracy > 10pp").expect("judged").holds);
    assert!(!verdict(&changed(), "accuracy > 10pp surely").expect("judged").holds, "one item shows nothing");
    let calls = verdict(&changed(), "strong-calls >= 0%").expect("judged");
    assert_eq!(calls.lines.len(), 2, "no calls in both runs are no change: {calls:?}");
}

#[test]
fn arms_without_the_figure_are_named_or_refused() {
    let weak = verdict(&changed(), "weak-accuracy < -1pp").expect("judged");
    assert_eq!(
        weak.lines.last().map(String::as_str),
        Some("note: weak-accuracy < -1pp: not judged, without this figure: b, strong-only")
    );
    let fault = |condition: &str| verdict(&changed(), condition).expect_err(condition);
    assert_eq!(
        fault("inter-cascade:accuracy < -1pp"),
        "--fail-on 'inter-cascade:accuracy < -1pp' cannot be judged for b: inter-cascade is not in both runs. Name one \
         of: weak-only, strong-only"
    );
    assert!(fault("strong-only:weak-accuracy < -1pp").contains("no such arm has the figure weak-accuracy"));
    // A run without the arm is not passed over because another run has it.
    let mut few = run("c", 0..4);
    few.2.retain(|record| record.cell.arm == Arm::WeakOnly);
    let [first, second] = changed();
    let error = verdict(&[first, second, few], "strong-only:accuracy < -1pp").expect_err("c lacks the arm");
    assert!(error.contains("cannot be judged for c"), "{error}");
}

#[test]
fn hostile_texts_are_inert_in_the_page() {
    let hostile = "</title><script>alert(1)</script><img src=x onerror=alert(2)>\"'{{ 7*7 }}\u{202e}\u{1b}[2J";
    let mut second: Run = (hostile, manifest("bb"), records(0..8));
    second.1.identity["weak"] = json!({"name": hostile});
    second.1.version = hostile.to_owned();
    let first: Run = (hostile, manifest("aa"), records(0..8));
    let files = compared(&[first, second], |both| both.files(&[format!("note: {hostile}")]).expect("files"));
    let (_, page) = files.iter().find(|(name, _)| name == "compare.html").expect("a page");
    let page = String::from_utf8(page.clone()).expect("UTF-8");
    let tags: BTreeSet<&str> = page.split('<').skip(1).filter_map(|rest| rest.split([' ', '>', '\n']).next()).collect();
    assert!(["script", "/script"].iter().all(|tag| !tags.contains(tag)), "{tags:?}");
    assert_eq!(page.matches("</title>").count(), 1);
    assert!(page.matches("&lt;script&gt;alert(1)").count() > 5, "the texts are in the page");
    assert!(!page.contains("<img src=x") && !page.contains("onerror=alert(2)>\""), "{page}");
    assert!(page.contains("{{ 7*7 }}"), "the texts are not evaluated");
    assert!(!page.contains('\u{202e}') && !page.contains('\u{1b}') && page.contains("\\u{202e}"));
}

#[test]
fn the_page_needs_nothing_else() {
    let page =
        compared(&changed(), |both| html::page(both, &[], both.figure().expect("drawn").as_ref()).expect("a page"));
    assert!(page.contains("Content-Security-Policy") && page.contains("prefers-color-scheme: dark"));
    for outside in ["http://", "https://", "<script", "<link", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("src=\"data:image/svg+xml;base64,"), "the figure is in the page");
    for part in ["weak-only", "+25.0", "What differs", "b is the same run as a.", "How to read the tables"] {
        assert!(page.contains(part), "{part}");
    }
}
