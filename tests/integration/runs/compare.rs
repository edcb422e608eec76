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
    holds(&output, &["two differs from one in:", "config: deferral.threshold: 0.7 → 0.9", "0.7 → 0.9", "cascade"]);
    let (one, two) = (project.sheet("one", "accuracy"), project.sheet("two", "accuracy"));
    for (old, new) in one.rows().zip(two.rows()) {
        let [old, new] = [old, new].map(|row| format!("{:.1}", row.number("accuracy") * 100.0));
        let expected_price = if old == new { old } else { format!("{old} → {new}") };
        holds(&output, &[&expected_price]);
    }
    let same = project.run(&["compare", "one", "one"]).done().out;
    holds(&same, &["one is the same run as one", "+0.0"]);
    assert!(!same.contains("left out") && !same.contains("prices"), "{same}");
}

#[test]
fn comparisons_cover_the_items_of_both_runs() {
    let project = Project::with(&Settings::simulated());
    project.trial("all", &[]).done();
    project.trial("half", &["--set", "dataset.limit=15", "--set", "arms=[\"weak-only\",\"strong-only\"]"]).done();
    let output = project.run(&["compare", "all", "half", "--out", "compared"]).done().out;
    holds(&output, &["30 of 60 items of all and 0 of 30 of half are left out", "only in all: cascade"]);
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
    for file in ["csv", "parquet", "md", "tex", "html"].map(|ending| format!("compare.{ending}")) {
        assert!(project.path("compared").join(&file).is_file(), "{file}");
    }
    let page = project.text("compared/compare.html");
    holds(&page, &["half against all", "data:image/svg+xml;base64,", "left out", "items in both", "</html>"]);
    holds(&project.text("compared/figure-differences.svg"), &["<svg ", "weak-only", "accuracy, points"]);
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
            "dear is the same run as one, with different prices:",
            "prices: price of small, USD per million tokens: ",
            "→ 1 input, 4 output",
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
        &["36 of 60 items of all and 0 of 24 of some are left out", "only in some: inter-cascade-random at 0.9"],
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

/// Share of the rows of an arm for which `is` is true, over all items.
fn share(sheet: &Sheet, arm: &str, is: fn(&Row) -> bool) -> f64 {
    let flags: Vec<bool> = of_arm(sheet, arm).map(|row| is(&row)).collect();
    let count = |n: usize| f64::from(u32::try_from(n).expect("few"));
    count(flags.iter().filter(|flag| **flag).count()) / count(flags.len())
}

/// A project with the run `main`, a run at another λ, and a run on other questions.
fn three_runs() -> Project {
    let project = Project::with(&Settings::simulated());
    project.trial("main", &[]).done();
    project.trial("stricter", &["--set", "deferral.threshold=0.9"]).done();
    project.write("questions.jsonl", crate::support::problems(9, 3));
    project.trial("other", &[]).done();
    project
}

#[test]
fn three_runs_are_compared_with_the_first() {
    let project = three_runs();
    let output = project.run(&["compare", "main", "stricter", "other", "--out", "compared"]).done().out;
    holds(&output, &["stricter differs from main in:", "other differs from main in:", "data: dataset.sha256: "]);
    holds(&output, &["stricter against main", "other against main", "two independent samples", "unpaired"]);
    let table = project.sheet("compared", "compare");
    let records = |run: &str| project.sheet(run, "records");
    let (main, calls) = (records("main"), |row: &Row| row.flag("deferred"));
    let right = |row: &Row| row.text("score") == "correct";
    let mut rows = 0;
    for row in table.rows() {
        let (run, arm) = (row.text("run"), row.text("arm"));
        let (paired, new) = (run == "stricter", records(run));
        assert_eq!(row.flag("paired"), paired, "{run}");
        let n = [&main, &new].map(|sheet| of_arm(sheet, arm).count());
        assert_eq!([row.count("items_first"), row.count("items_second")], n);
        assert_eq!(row.count("items_in_both"), if paired { n[0] } else { 0 });
        let accuracies = [share(&main, arm, right), share(&new, arm, right)];
        near(row.number("accuracy_first"), accuracies[0]);
        near(row.number("accuracy_second"), accuracies[1]);
        near(row.number("accuracy_change_pp"), 100.0 * (accuracies[1] - accuracies[0]));
        assert_eq!(row.optional("accuracy_p_value").is_some(), paired, "nothing is tested without pairs");
        let deferred = [share(&main, arm, calls), share(&new, arm, calls)];
        let change = (deferred[0] > 0.0).then(|| 100.0 * (deferred[1] / deferred[0] - 1.0));
        near(row.optional("strong_calls_change_percent").unwrap_or_default(), change.unwrap_or_default());
        let per_item = ["fee_usd_first", "fee_usd_second"].into_iter().zip(n);
        let fees: Vec<f64> =
            per_item.map(|(fee, n)| row.number(fee) / f64::from(u32::try_from(n).expect("few"))).collect();
        near(row.number("fee_change_percent"), 100.0 * (fees[1] / fees[0] - 1.0));
        if let Some(low) = row.optional("accuracy_change_pp_low") {
            let (value, high) = (row.number("accuracy_change_pp"), row.number("accuracy_change_pp_high"));
            assert!(low <= value && value <= high, "{low} {value} {high}");
        }
        rows += 1;
    }
    assert!(rows >= 8, "{rows}");
    let unpaired = table.rows().filter(|row| row.text("run") == "other");
    assert!(unpaired.filter(|row| row.optional("accuracy_change_pp_low").is_some()).count() > 1);
}

#[test]
fn limits_on_changes_decide_the_exit_status() {
    let project = three_runs();
    let compare = |arguments: &[&str]| project.run(&[&["compare", "main", "stricter"], arguments].concat());
    let failed = compare(&["--out", "compared", "--fail-on", "cascade:strong-calls > 1%", "--fail-on", "fee < -99%"]);
    assert_eq!(failed.code, 1, "{}{}", failed.out, failed.err);
    holds(&failed.out, &["failed: cascade:strong-calls > 1%: stricter, cascade at 0.9: strong calls +"]);
    holds(&failed.out, &["passed: fee < -99%: holds for none of "]);
    assert!(project.path("compared").join("compare.html").is_file(), "outputs are written first");
    let passed = compare(&["--fail-on", "accuracy < -99pp"]).done();
    holds(&passed.out, &["passed: accuracy < -99pp: holds for none of "]);
    for (condition, parts) in [
        ("accuracy < -1", &["no unit is given", "accuracy changes in pp"][..]),
        ("acuracy < -1pp", &["`acuracy` is no figure", "weak-accuracy"]),
        ("retrieval:accuracy < -1pp", &["cannot be judged for stricter", "retrieval is not in both runs", "cascade"]),
        ("strong-only:weak-accuracy < -1pp", &["cannot be judged for stricter", "has the figure weak-accuracy"]),
    ] {
        holds(&compare(&["--fail-on", condition]).refused_in_one_line(), parts);
    }
    assert_eq!(compare(&["--fail-on", "fee > 5%"]).code, 1, "more strong calls cost more");
}

#[test]
fn runs_without_a_common_arm_are_refused() {
    let project = Project::with(&Settings::simulated());
    project.trial("weak", &["--set", "arms=[\"weak-only\"]"]).done();
    project.trial("strong", &["--set", "arms=[\"strong-only\"]"]).done();
    let error = project.run(&["compare", "weak", "strong"]).refused_in_one_line();
    holds(&error, &["no arm in common", "weak has weak-only", "strong has strong-only", "Compare runs"]);
    holds(&project.run(&["compare", "weak"]).refused(), &["<RUN>..."]);
}

#[test]
fn hostile_names_of_folders_are_inert_in_the_page() {
    let project = Project::with(&Settings::simulated());
    let hostile = "<img src=x onerror=alert(1)>&\"'";
    project.trial("main", &[]).done();
    project.trial(hostile, &["--set", "deferral.threshold=0.9"]).done();
    project.run(&["compare", "main", hostile, "--out", "compared"]).done();
    let page = project.text("compared/compare.html");
    assert!(!page.contains("<img src=x"), "{page}");
    holds(&page, &["&lt;img src=x onerror=alert(1)&gt;&amp;&quot;&#x27; against main"]);
    assert!(!project.text("compared/figure-differences.svg").contains("<img"));
}
