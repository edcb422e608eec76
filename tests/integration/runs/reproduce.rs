//! `reproduce`: the figures are those of the runs, verdicts say no more than intervals, recordings answer for models.

use super::tables::holds_together;
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
fn tables_have_the_figures_of_the_run_in_every_form() {
    let project = project();
    let said = project.run(&[&REPRODUCE[..], &["--recompute"]].concat()).done();
    holds(&said.out, &["The claims", "tables are in out"]);
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
                // Both forms write a number so that it is read back as it was.
                let numbers = pair.map(|cell| cell.parse::<f64>().map(f64::to_bits).map_err(|_| cell));
                assert_eq!(numbers[0], numbers[1], "{table}, {column}");
            }
        }
        let latex = project.text(&format!("out/{table}.tex"));
        // A wide table goes on in parts, each with all rows under its headings.
        let rows = latex.lines().filter(|line| line.ends_with(r"\\")).count() - latex.matches(r"\toprule").count();
        assert!(rows >= csv.len() && rows.is_multiple_of(csv.len()), "{table}: {rows}");
        holds_together(&latex);
        holds(&project.text(&format!("out/{table}.md")), &["our choice: all of it", "**trial**", "A trial."]);
    }

    assert_eq!(project.sheet("out/changes", "variants").len(), 2);
    let said = project.run(&[&REPRODUCE[..], &["changes", "--recompute"]].concat()).done();
    holds(&said.out, &["How many", "\none "]);

    // The stream's last point is the whole stream.
    let growth = project.sheet("out", "cold-start");
    let last = growth.rows().filter(|row| row.text("arm") == "inter-cascade").last().expect("a point");
    let learning = run.rows().find(|row| row.text("arm") == "inter-cascade").expect("the arm");
    assert!((last.number("accuracy") - learning.number("accuracy")).abs() < 1e-12);
    // At the config's own ratio the curve passes through the run's change of the fee, and is as sure of it.
    let curve = project.sheet("out", "price-ratio");
    let fees = project.sheet("out", "fees");
    let of_run = fees.rows().find(|row| row.text("arm") == "inter-cascade").expect("the arm");
    let points: Vec<_> = curve.rows().filter(|row| row.text("arm") == "inter-cascade").collect();
    let own = points[0].number("own_ratio");
    let at =
        points.iter().find(|row| (row.number("price_ratio") - own).abs() < 1e-9).expect("the ratio is on the curve");
    // Groups that pay the same are drawn together, which the parts of two levels seldom do: other draws.
    for (figure, tolerance) in
        [("fee_change_percent", 1e-9), ("fee_change_percent_low", 1.0), ("fee_change_percent_high", 1.0)]
    {
        let (here, there) = (at.number(figure), of_run.number(figure));
        assert!((here - there).abs() < tolerance, "{figure}: {here}, {there}");
    }
    // Whether a weak level pays at all is told beside it, from the same fees.
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
    let told = format!("| 1 : 4 | {own:.1} | {:+.1} [", of_run.number("fee_change_percent"));
    holds(&summary, &["## The fee as prices move", &told, "| 1 : 4 | cheaper from |"]);
}

#[test]
fn fees_are_told_at_two_shapes_of_prices() {
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
    // Where a read token costs as much as a written one, fees are told from the tokens.
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
    assert_eq!((claims[0].text("pays_from_ratio"), claims[0].count("orders")), ("", 2));
    for (claim, point) in [(claims[1], at), (claims[2], at_even)] {
        for column in ["pays_from_ratio", "pays_from_low", "pays_from_high"] {
            let same = [claim, *point].map(|row| row.optional(column).map(|ratio| (ratio * 1e6).round()));
            assert_eq!(same[0], same[1], "{column}");
        }
    }
    let summary = project.text("out/runs/trial/summary.md");
    let told_even = format!("| 1 : 1 | {own:.1} | {change:+.1} [");
    let own_told = format!("| 1 : 4 | {own:.1} | {:+.1} [", of_run.number("fee_change_percent"));
    holds(&summary, &[&told_even, &own_told, "| 1 : 1 | cheaper from |", "| 1 : 4 | cheaper from |"]);
    let section = summary.split("## Against the strong level alone").nth(1).expect("the section");
    holds(section, &["fee at 1 : 1, change", "cheaper from at 1 : 1"]);
}

#[test]
fn a_recording_answers_unless_it_is_left_aside_and_what_was_expected_is_checked() {
    let project = project();
    let said = project.run(&REPRODUCE).done();
    holds(&said.err, &["trial is left out: there is no", "calls.parquet; --recompute asks its models"]);
    assert!(!project.path("out/pipeline.csv").exists());
    project.run(&[&REPRODUCE[..], &["--recompute"]].concat()).done();
    project.run(&["journal", "export", "out", "--out", "calls.parquet"]).done();
    let headline_of = |out| project.run(&["reproduce", "headline", "--paper", "paper", "--out", out]);
    let said = headline_of("replayed").done();
    holds(&said.err, &["1 of 1: trial, from", "calls.parquet"]);
    assert_eq!(project.text("replayed/headline.csv"), project.text("out/headline.csv"));
    let listed = project.run(&["reproduce", "--list", "--paper", "paper"]).done();
    holds(&listed.out, &["trial", "took 0", "yes", "changes", "at most 0", "Table pipeline", "headline"]);

    let here = project.sheet("out", "headline").rows().next().expect("the claim").number("change");
    project.write("paper/headline.toml", headline(1.0, &format!("expected = {{ value = {here}, within = 0.001 }}\n")));
    headline_of("replayed").done();
    project.write("paper/headline.toml", headline(1.0, "expected = { value = 99, within = 0.5 }\n"));
    let missed = headline_of("replayed");
    assert_eq!(missed.code, 1);
    holds(&missed.err, &["not as expected: trial, weak accuracy", "instead of +99.00 ± 0.5"]);

    // The same experiment on other data is asked of its models, no recording being of that, and is another run.
    let short = ["reproduce", "pipeline", "--dataset", "short", "--paper", "paper", "--out", "replayed"];
    let said = project.run(&short).done();
    holds(&said.err, &["its models are asked"]);
    for run in ["trial", "trial, short"] {
        assert!(project.path(&format!("replayed/runs/{run}/records.csv")).exists(), "{run}");
    }
    // What is expected is expected of the experiment's own data.
    let said = project.run(&["reproduce", "headline", "--dataset", "short", "--paper", "paper", "--out", "replayed"]);
    holds(&said.done().err, &["headline.csv", "differ from before; the old ones are in"]);
    assert!(project.sheet("replayed", "pipeline").rows().all(|row| row.count("n") == 12));
    project.write("paper/families.toml", FAMILIES.replace("choices =", "own_data_only = true\nchoices ="));
    let said = project.run(&[&short[..6], &["--out", "none"]].concat());
    assert_eq!(said.code, 2);
    holds(&said.err, &["no experiment that can be told here makes what is asked for"]);
    assert!(!project.path("none").exists(), "no experiment makes sense there");
}

#[test]
fn what_is_not_there_is_named() {
    for (arguments, says) in [
        (vec!["heatline", "--paper", "paper"], "there is no table `heatline` (did you mean `headline`?)"),
        (vec!["--family", "lives", "--paper", "paper"], "there is no family `lives` (did you mean `live`?)"),
        (vec!["--dataset", "gsm8k", "--paper", "paper"], "there is no data set of this family `gsm8k`"),
        (vec!["--paper", "papers"], "cannot read"),
    ] {
        let project = project();
        let said = project.run(&[&["reproduce"], &arguments[..]].concat());
        assert_eq!(said.code, 2, "{arguments:?}");
        holds(&said.err, &[says]);
    }
    for (value, says) in [("0", "written_to_read must be a number above 0, not 0"), ("nan", "not NaN")] {
        let project = self::project();
        project.write(
            "paper/headline.toml",
            headline(1.0, "").replace("written_to_read = 1.0", &format!("written_to_read = {value}")),
        );
        let said = project.run(&REPRODUCE);
        assert_eq!(said.code, 2);
        holds(&said.err, &["headline.toml", says]);
    }
    let project = project();
    project.write("paper/headline.toml", headline(1.0, "written_to_read = 4.0"));
    holds(&project.run(&REPRODUCE).err, &["written_to_read is of a fee, and the claim is about the weak accuracy"]);
    project.write("paper/headline.toml", headline(1.0, "").replace("trial", "tryal"));
    let said = project.run(&REPRODUCE);
    holds(&said.err, &["no family has an experiment `tryal`"]);
}
