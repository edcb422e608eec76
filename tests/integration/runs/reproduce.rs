//! `reproduce`: figures equal those of the runs, verdicts claim no more than the intervals, recordings replace models.

use super::tables::assert_well_formed;
use crate::support::{Project, Settings, Sheet, holds};

const FAMILIES: &str = r#"
[offline]
about = "A trial."

[[offline.experiment]]
name = "trial"
config = "../trial.toml"
recording = "../calls.parquet"
choices = ["our choice: all of it"]

[[offline.ablation]]
name = "changes"
file = "../changes.toml"

[offline.dataset]
short = ["dataset.limit=12"]

[live]
about = "Another."

[[live.experiment]]
name = "other"
config = "../trial.toml"
"#;

const TABLES: [&str; 8] =
    ["pipeline", "weak", "calibration", "fees", "price-ratio", "cold-start", "latency", "theorem"];

fn headline(paper: f64, expected: &str) -> String {
    let claim = |figure: &str, paper: f64, more: &str| {
        format!(
            "[[claim]]\nfigure = \"{figure}\"\npaper = {paper}\nversions = \"v1\"\nexperiment = \"trial\"\n{more}\n"
        )
    };
    let title = "title = \"The claims\"\nshows = \"headline\"\nsource = \"Known.\"\n";
    let fees = claim("fee", -49.63, "") + &claim("fee", -49.63, "written_to_read = 1.0");
    format!("{title}{}{fees}", claim("weak-accuracy", paper, expected))
}

const CHANGES: &str = r#"
name = "changes"
config = "trial.toml"
[[table]]
title = "How many"
variants = [{ name = "one", set = ["learning.k=1"] }, { name = "two" }]
"#;

fn project() -> Project {
    let project = Project::with(&Settings::simulated());
    project.write("changes.toml", CHANGES);
    project.write("paper/families.toml", FAMILIES);
    project.write("paper/headline.toml", headline(1.0, ""));
    for table in TABLES {
        let text = format!("title = \"Table {table}\"\nshows = \"{table}\"\nsource = \"Ours.\"\n");
        project.write(&format!("paper/{table}.toml"), text);
    }
    project
}

const REPRODUCE: [&str; 5] = ["reproduce", "--paper", "paper", "--out", "out"];

#[test]
fn tables_have_the_figures_of_the_run_in_every_format() {
    let project = project();
    let output = project.run(&[&REPRODUCE[..], &["--recompute"]].concat()).done();
    holds(&output.out, &["The claims", "tables: out"]);
    project.trial("run", &[]).done();
    let (run, calls) = (project.sheet("run", "accuracy"), project.sheet("run", "strong_calls"));
    let pipeline = project.sheet("out", "pipeline");
    assert_eq!(pipeline.len(), run.len());
    for row in pipeline.rows() {
        let same = |other: &crate::support::Row| other.text("arm") == row.text("arm");
        let accuracy = run.rows().find(same).expect("the arm");
        assert_eq!(row.text("accuracy"), accuracy.text("accuracy"));
        assert_eq!(row.text("change_pp_low"), accuracy.text("change_low_pp"));
        assert_eq!(row.text("change_vs_strong_only_pp"), accuracy.text("change_vs_strong_only_pp"));
        let strong = calls.rows().find(same).expect("the arm");
        assert_eq!(row.text("strong_calls_change_percent_high"), strong.text("change_high_percent"));
        assert_eq!(row.text("strong_calls_all"), strong.text("strong_calls_all"));
    }
    for table in TABLES.iter().chain(&["headline"]) {
        let csv = project.sheet("out", table);
        let parquet = Sheet::from_parquet(&project.files()[&format!("out/{table}.parquet")]);
        assert_eq!((csv.len(), &csv.columns), (parquet.len(), &parquet.columns), "{table}");
        assert!(csv.len() > 0, "{table}");
        for (one, other) in csv.rows().zip(parquet.rows()) {
            for column in &csv.columns {
                let pair = [one, other].map(|row| row.text(column));
                // Both formats print a number so that it is read back exactly.
                let numbers = pair.map(|cell| cell.parse::<f64>().map(f64::to_bits).map_err(|_| cell));
                assert_eq!(numbers[0], numbers[1], "{table}, {column}");
            }
        }
        let latex = project.text(&format!("out/{table}.tex"));
        // A wide table is split into parts, each with all rows under its headings.
        let rows = latex.lines().filter(|line| line.ends_with(r"\\")).count() - latex.matches(r"\toprule").count();
        assert!(rows >= csv.len() && rows.is_multiple_of(csv.len()), "{table}: {rows}");
        assert_well_formed(&latex);
        holds(&project.text(&format!("out/{table}.md")), &["our choice: all of it", "**trial**", "A trial."]);
    }

    assert_eq!(project.sheet("out/changes", "variants").len(), 2);
    let output = project.run(&[&REPRODUCE[..], &["changes", "--recompute"]].concat()).done();
    holds(&output.out, &["How many", "\none "]);

    // The last point of the stream covers the whole stream.
    let growth = project.sheet("out", "cold-start");
    let last = growth.rows().filter(|row| row.text("arm") == "inter-cascade").last().expect("a point");
    let learning = run.rows().find(|row| row.text("arm") == "inter-cascade").expect("the arm");
    assert!((last.number("accuracy") - learning.number("accuracy")).abs() < 1e-12);
    // At the config's own price ratio, the curve has the run's fee change and the same interval.
    let curve = project.sheet("out", "price-ratio");
    let fees = project.sheet("out", "fees");
    let of_run = fees.rows().find(|row| row.text("arm") == "inter-cascade").expect("the arm");
    let points: Vec<_> = curve.rows().filter(|row| row.text("arm") == "inter-cascade").collect();
    let own = points[0].number("own_ratio");
    let at =
        points.iter().find(|row| (row.number("price_ratio") - own).abs() < 1e-9).expect("the ratio is on the curve");
    // Groups with equal fees are resampled together. The fee parts of two levels are seldom equal, so their draws
    // differ.
    for (figure, tolerance) in
        [("fee_change_percent", 1e-9), ("fee_change_percent_low", 1.0), ("fee_change_percent_high", 1.0)]
    {
        let (value, run_value) = (at.number(figure), of_run.number(figure));
        assert!((value - run_value).abs() < tolerance, "{figure}: {value}, {run_value}");
    }
    // The comparison of weak-level use with strong-only follows from the same fees.
    let fee_of = |arm: &str| {
        let total = project.sheet("run", "fees");
        let rows: Vec<f64> = total
            .rows()
            .filter(|row| row.text("arm") == arm && row.text("purpose") == "total")
            .map(|row| row.number("fee_usd"))
            .collect();
        rows.iter().sum::<f64>()
    };
    let against = format!("{:+.1} [", (fee_of("cascade") / fee_of("strong-only") - 1.0) * 100.0);
    let summary = project.text("out/runs/trial/summary.md");
    let section = summary.split("## Against the strong level alone").nth(1).expect("the section");
    let cascade = section.lines().find(|line| line.starts_with("| cascade |")).expect("the cascade");
    holds(cascade, &[&against]);
    let price_line = format!("| 1 : 4 | {own:.1} | {:+.1} [", of_run.number("fee_change_percent"));
    holds(&summary, &["## The fee as prices move", &price_line, "| 1 : 4 | break-even price ratio |"]);
}

#[test]
fn fees_are_reported_for_two_price_structures() {
    let project = project();
    project.run(&[&REPRODUCE[..], &["headline", "price-ratio", "fees", "--recompute"]].concat()).done();
    let (curve, fees) = (project.sheet("out", "price-ratio"), project.sheet("out", "fees"));
    let of_run = fees.rows().find(|row| row.text("arm") == "inter-cascade").expect("the arm");
    let points: Vec<_> = curve.rows().filter(|row| row.text("arm") == "inter-cascade").collect();
    let own = points[0].number("own_ratio");
    let at_own = |shape: &str| {
        let mut of_shape = points.iter().filter(|row| row.text("read_to_written") == shape);
        of_shape.find(|row| (row.number("price_ratio") - own).abs() < 1e-9).expect("the ratio is on the curve")
    };
    let (at, at_even) = (at_own("1 : 4"), at_own("1 : 1"));
    assert_eq!(points.len(), 20, "the config's prices are 1 : 4");
    let calls = project.sheet("out/runs/trial", "calls");
    // If input tokens cost as much as output tokens, the fees follow from the token counts.
    let even = |arm: &str| -> f64 {
        let of_arm = calls.rows().filter(|row| row.text("arm") == arm);
        of_arm
            .map(|row| {
                (row.number("input_tokens") + row.number("output_tokens"))
                    * if row.text("model") == "large" {
                        10.0
                    } else if row.text("model") == "small" {
                        0.4
                    } else {
                        0.0
                    }
            })
            .sum()
    };
    let change = (even("inter-cascade") / even("cascade") - 1.0) * 100.0;
    assert!((at_even.number("fee_change_percent") - change).abs() < 1e-9, "{change}");
    let claims = project.sheet("out", "headline");
    let claims: Vec<_> = claims.rows().collect();
    assert_eq!(
        claims.iter().map(|row| row.text("claim")).collect::<Vec<_>>(),
        ["weak accuracy", "fee", "fee at 1 : 1"]
    );
    assert!((claims[1].number("change") - of_run.number("fee_change_percent")).abs() < 1e-9);
    assert!((claims[2].number("change") - change).abs() < 1e-9);
    assert_eq!((claims[0].text("break_even_ratio"), claims[0].count("orders")), ("", 2));
    for (claim, point) in [(claims[1], at), (claims[2], at_even)] {
        for column in ["break_even_ratio", "break_even_low", "break_even_high"] {
            let same = [claim, *point].map(|row| row.optional(column).map(|ratio| (ratio * 1e6).round()));
            assert_eq!(same[0], same[1], "{column}");
        }
    }
    let summary = project.text("out/runs/trial/summary.md");
    let told_even = format!("| 1 : 1 | {own:.1} | {change:+.1} [");
    let own_told = format!("| 1 : 4 | {own:.1} | {:+.1} [", of_run.number("fee_change_percent"));
    holds(
        &summary,
        &[&told_even, &own_told, "| 1 : 1 | break-even price ratio |", "| 1 : 4 | break-even price ratio |"],
    );
    let section = summary.split("## Against the strong level alone").nth(1).expect("the section");
    holds(section, &["fee at 1 : 1, change", "break-even price ratio at 1 : 1"]);
}

#[test]
fn reproduce_uses_recordings_and_checks_expected_values() {
    let project = project();
    let output = project.run(&REPRODUCE).done();
    holds(&output.err, &["trial is left out: ", "calls.parquet is missing. Add --recompute to call the models"]);
    assert!(!project.path("out/pipeline.csv").exists());
    project.run(&[&REPRODUCE[..], &["--recompute"]].concat()).done();
    project.run(&["journal", "export", "out", "--out", "calls.parquet"]).done();
    let headline_of = |out| project.run(&["reproduce", "headline", "--paper", "paper", "--out", out]);
    let output = headline_of("replayed").done();
    holds(&output.err, &["1 of 1: trial, from", "calls.parquet"]);
    assert_eq!(project.text("replayed/headline.csv"), project.text("out/headline.csv"));
    let listed = project.run(&["reproduce", "--list", "--paper", "paper"]).done();
    holds(&listed.out, &["trial", "took 0", "yes", "changes", "at most 0", "Table pipeline", "headline"]);

    let value = project.sheet("out", "headline").rows().next().expect("the claim").number("change");
    project.write("paper/headline.toml", headline(1.0, &format!("expected = {{ value = {value}, within = 0.001 }}\n")));
    headline_of("replayed").done();
    project.write("paper/headline.toml", headline(1.0, "expected = { value = 99, within = 0.5 }\n"));
    let missed = headline_of("replayed");
    assert_eq!(missed.code, 1);
    holds(&missed.err, &["outside the expected range: trial, weak accuracy", "instead of +99.00 ± 0.5"]);

    // The same experiment on other data calls its models, because no recording covers that data, and is a separate run.
    let short = ["reproduce", "pipeline", "--dataset", "short", "--paper", "paper", "--out", "replayed"];
    let output = project.run(&short).done();
    holds(&output.err, &["calling its models"]);
    for run in ["trial", "trial, short"] {
        assert!(project.path(&format!("replayed/runs/{run}/records.csv")).exists(), "{run}");
    }
    // Expected values apply only to the experiment's own data.
    let output = project.run(&["reproduce", "headline", "--dataset", "short", "--paper", "paper", "--out", "replayed"]);
    holds(&output.done().err, &["headline.csv", "changed; the old versions are in"]);
    assert!(project.sheet("replayed", "pipeline").rows().all(|row| row.count("n") == 12));
    project.write("paper/families.toml", FAMILIES.replace("choices =", "own_data_only = true\nchoices ="));
    let output = project.run(&[&short[..6], &["--out", "none"]].concat());
    assert_eq!(output.code, 2);
    holds(&output.err, &["no available experiment produces the requested tables"]);
    assert!(!project.path("none").exists(), "no experiment makes sense there");
}

#[test]
fn missing_experiments_and_tables_are_reported() {
    for (arguments, says) in [
        (vec!["heatline", "--paper", "paper"], "no table is called `heatline` (did you mean `headline`?)"),
        (vec!["--family", "lives", "--paper", "paper"], "no family is called `lives` (did you mean `live`?)"),
        (vec!["--dataset", "gsm8k", "--paper", "paper"], "no data set of this family is called `gsm8k`"),
        (vec!["--paper", "papers"], "cannot read"),
    ] {
        let project = project();
        let output = project.run(&[&["reproduce"], &arguments[..]].concat());
        assert_eq!(output.code, 2, "{arguments:?}");
        holds(&output.err, &[says]);
    }
    for (value, says) in [("0", "`written_to_read` must be a number above 0, not 0"), ("nan", "not NaN")] {
        let project = self::project();
        project.write(
            "paper/headline.toml",
            headline(1.0, "").replace("written_to_read = 1.0", &format!("written_to_read = {value}")),
        );
        let output = project.run(&REPRODUCE);
        assert_eq!(output.code, 2);
        holds(&output.err, &["headline.toml", says]);
    }
    let project = project();
    project.write("paper/headline.toml", headline(1.0, "written_to_read = 4.0"));
    holds(
        &project.run(&REPRODUCE).err,
        &["`written_to_read` applies only to the figure `fee`, and this claim is about the weak accuracy"],
    );
    project.write("paper/headline.toml", headline(1.0, "").replace("trial", "tryal"));
    let output = project.run(&REPRODUCE);
    holds(&output.err, &["no family has an experiment `tryal`"]);
}

#[test]
fn experiments_and_runs_of_ablations_are_divided_and_the_same_command_makes_the_tables() {
    let project = project();
    let reproduce = |arguments: &[&str]| {
        project.run(&[&["reproduce", "--paper", "paper", "--recompute"], arguments].concat()).done()
    };
    reproduce(&["--out", "whole", "--alone"]);
    for shard in ["1/2", "2/2"] {
        let done = reproduce(&["--out", "results/out", "--shard", shard]);
        holds(&done.out, &["the same command without --shard"]);
    }
    let shards = ["results/out/shard-1-of-2", "results/out/changes/shard-1-of-2", "results/out/changes/shard-2-of-2"];
    for folder in shards {
        let shard: serde_json::Value =
            serde_json::from_str(&project.text(&format!("{folder}/shard.json"))).expect("JSON");
        assert!(shard["ended"].is_string() && shard["runs"].is_array(), "{shard}");
    }
    assert!(!project.path("results/out/headline.csv").exists(), "a shard makes no table");
    let merged = reproduce(&["--out", "results/out"]);
    assert!(!merged.out.contains("spent now"), "no call is made again: {}", merged.out);
    for table in TABLES.iter().chain(&["headline", "changes/variants"]) {
        let of = |folder: &str| project.text(&format!("{folder}/{table}.csv"));
        assert_eq!(of("results/out"), of("whole"), "{table}");
    }
}
