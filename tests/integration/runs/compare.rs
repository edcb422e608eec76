//! Comparisons of two runs: their differences, the items that the figures cover, and the output files.

use std::collections::{BTreeMap, BTreeSet};

use super::near;
use crate::support::{Project, Row, Settings, Sheet, holds};

/// Returns the order and the item of a row.
type Place<'a> = (usize, &'a str);

fn order_and_item(row: Row<'_>) -> Place<'_> {
    (row.count("order"), row.text("item_id"))
}

/// Returns the rows of one arm.
fn of_arm<'a>(sheet: &'a Sheet, arm: &'a str) -> impl Iterator<Item = Row<'a>> {
    sheet.rows().filter(move |row| row.text("arm") == arm)
}

/// Returns the fee in USD of an arm's calls on these items, at the prices in the run's manifest.
fn fee(project: &Project, run: &str, arm: &str, items: &BTreeSet<Place>) -> f64 {
    let manifest: serde_json::Value =
        serde_json::from_str(&project.text(&format!("{run}/manifest.json"))).expect("JSON");
    let calls = project.sheet(run, "calls");
    let paid = of_arm(&calls, arm).filter(|row| items.contains(&order_and_item(*row))).map(|row| {
        let price = &manifest["prices"][row.text("model")];
        let of = |tokens, price: &serde_json::Value| row.number(tokens) * price.as_f64().expect("a price");
        of("input_tokens", &price["input"]) + of("output_tokens", &price["output"])
    });
    paid.sum::<f64>() / 1e6
}

#[test]
fn two_runs_are_compared_arm_by_arm() {
    let project = Project::with(&Settings::simulated());
    project.trial("one", &[]).done();
    project.trial("two", &["--set", "deferral.threshold=0.9"]).done();
    let output = project.run(&["compare", "one", "two"]).done().out;
    holds(&output, &["the runs differ in:", "deferral.threshold: 0.7 first, 0.9 second", "0.7 → 0.9", "cascade"]);
    let (one, two) = (project.sheet("one", "accuracy"), project.sheet("two", "accuracy"));
    for (old, new) in one.rows().zip(two.rows()) {
        let [old, new] = [old, new].map(|row| format!("{:.1}", row.number("accuracy") * 100.0));
        let expected_price = if old == new { old } else { format!("{old} → {new}") };
        holds(&output, &[&expected_price]);
    }
    let same = project.run(&["compare", "one", "one"]).done().out;
    holds(&same, &["both are the same run", "+0.0"]);
    assert!(!same.contains("left out") && !same.contains("prices"), "{same}");
    project.write("questions.jsonl", crate::support::problems(9, 3));
    project.trial("other", &[]).done();
    holds(&project.run(&["compare", "one", "other"]).refused_in_one_line(), &["use different data sets"]);
}

#[test]
fn comparisons_cover_the_items_of_both_runs() {
    let project = Project::with(&Settings::simulated());
    project.trial("all", &[]).done();
    project.trial("half", &["--set", "dataset.limit=15", "--set", "arms=[\"weak-only\",\"strong-only\"]"]).done();
    let output = project.run(&["compare", "all", "half", "--out", "compared"]).done().out;
    holds(
        &output,
        &["30 of 60 items of the first run and 0 of 30 of the second are left out", "only in the first run: cascade"],
    );
    let (compared, half) = (project.sheet("compared", "compare"), project.sheet("half", "accuracy"));
    let mut arms = 0;
    for (row, own) in compared.rows().zip(half.rows()) {
        assert_eq!(row.text("arm"), own.text("arm"));
        assert_eq!((row.count("items_first"), row.count("items_second"), row.count("items_in_both")), (60, 30, 30));
        // Equal items with equal answers: all figures are those of the smaller run, and all changes are zero.
        for side in ["first", "second"] {
            near(row.number(&format!("accuracy_{side}")), own.number("accuracy"));
        }
        near(row.number("fee_usd_first"), row.number("fee_usd_second"));
        near(row.number("fee_change_percent"), 0.0);
        near(row.number("accuracy_change_pp"), 0.0);
        arms += 1;
    }
    assert_eq!(arms, 2);
    for file in ["compare.csv", "compare.parquet", "compare.md", "compare.tex"] {
        assert!(project.path("compared").join(file).is_file(), "{file}");
    }
    holds(&project.text("compared/compare.md"), &["# half against all", "left out", "items in both"]);
    let into_a_run = project.run(&["compare", "all", "half", "--out", "all"]);
    holds(&into_a_run.refused_in_one_line(), &["all: this folder holds a run", "--out"]);
}

#[test]
fn price_changes_are_reported_apart_from_token_changes() {
    let project = Project::with(&Settings::simulated());
    project.trial("one", &[]).done();
    project.write("prices.toml", "small = { input = 1.0, output = 4.0 }\nlarge = { input = 20.0, output = 80.0 }\n");
    project.run(&["report", "one", "--prices", "prices.toml", "--out", "dear"]).done();
    let output = project.run(&["compare", "one", "dear", "--out", "compared"]).done().out;
    holds(
        &output,
        &[
            "both are the same run, with other prices",
            "different prices",
            "price of small: ",
            "1 input, 4 output second",
        ],
    );
    holds(&output, &["due to tokens alone"]);
    let compared = project.sheet("compared", "compare");
    let mut priced = 0;
    for row in compared.rows() {
        near(row.number("fee_change_at_first_prices_percent"), 0.0);
        near(row.number("accuracy_change_pp"), 0.0);
        assert!(row.number("fee_usd_first") < row.number("fee_usd_second"));
        priced += 1;
    }
    assert!(priced > 2);
}

#[test]
fn all_figures_cover_the_items_of_both_runs() {
    let project = Project::with(&Settings::simulated());
    let arms = ["weak-only", "strong-only", "cascade", "inter-cascade"];
    project.trial("all", &["--set", "arms=[\"weak-only\", \"strong-only\", \"cascade\", \"inter-cascade\"]"]).done();
    project.trial("some", &["--set", "dataset.limit=12", "--set", "deferral.threshold=0.9"]).done();
    let output = project.run(&["compare", "all", "some", "--out", "compared"]).done().out;
    holds(
        &output,
        &[
            "36 of 60 items of the first run and 0 of 24 of the second are left out",
            "only in the second run: inter-cascade-random at 0.9",
        ],
    );
    let (table, runs) = (project.sheet("compared", "compare"), ["all", "some"]);
    let records = runs.map(|run| project.sheet(run, "records"));
    assert_eq!(table.rows().map(|row| row.text("arm")).collect::<Vec<_>>(), arms);
    for row in table.rows() {
        let arm = row.text("arm");
        let [first, second]: [BTreeMap<Place, Row>; 2] =
            records.each_ref().map(|records| of_arm(records, arm).map(|row| (order_and_item(row), row)).collect());
        let items: BTreeSet<Place> =
            first.keys().filter(|order_and_item| second.contains_key(*order_and_item)).copied().collect();
        assert_eq!((row.count("items_first"), row.count("items_second"), row.count("items_in_both")), (60, 24, 24));
        assert_eq!(items.len(), 24);
        let share = |run: &BTreeMap<Place, Row>, is: fn(&Row) -> bool| {
            let counted = items.iter().filter(|item| is(&run[*item])).count();
            f64::from(u32::try_from(counted).expect("few"))
        };
        let [right, calls]: [[f64; 2]; 2] =
            [|row: &Row| row.text("score") == "correct", |row: &Row| row.flag("deferred")]
                .map(|is: fn(&Row) -> bool| [share(&first, is), share(&second, is)]);
        near(row.number("accuracy_first"), right[0] / 24.0);
        near(row.number("accuracy_second"), right[1] / 24.0);
        near(row.number("accuracy_change_pp"), 100.0 * (right[1] - right[0]) / 24.0);
        near(row.number("strong_calls_first"), calls[0]);
        near(row.number("strong_calls_second"), calls[1]);
        let change = (calls[0] > 0.0).then(|| 100.0 * (calls[1] / calls[0] - 1.0));
        assert_eq!(row.optional("strong_calls_change_percent").is_some(), change.is_some(), "{arm}");
        near(row.optional("strong_calls_change_percent").unwrap_or_default(), change.unwrap_or_default());
        let fees = runs.map(|run| fee(&project, run, arm, &items));
        near(row.number("fee_usd_first"), fees[0]);
        near(row.number("fee_usd_second"), fees[1]);
        near(row.number("fee_change_percent"), 100.0 * (fees[1] / fees[0] - 1.0));
    }
}
