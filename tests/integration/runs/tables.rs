//! Printed tables: none is wider than the terminal, no interval is split, and no column is lost. LaTeX is well-formed.

use std::collections::BTreeSet;

use intercascade::types::arm::Arm;

use super::controls::settings;
use crate::support::{CommandOutput, Project, Settings, holds};

const CHANGES: &str = r#"
name = "changes"
config = "trial.toml"
set = ["dataset.orders=1"]
[[table]]
title = "How many_are shown"
variants = [{ name = "one", set = ["learning.k=1"] }, { name = "two, which is the usual number of them" }]
"#;

/// Runs a command in a terminal with this number of columns.
fn at(project: &Project, columns: usize, arguments: &[&str]) -> String {
    CommandOutput::of(project.command().env("COLUMNS", columns.to_string()).args(arguments)).done().out
}

/// Asserts that no line is wider than the terminal and that no interval is split; returns the number of intervals.
fn assert_fits(output: &str, columns: usize) -> usize {
    let mut intervals = 0;
    for line in output.lines() {
        assert!(line.chars().count() <= columns, "{} columns: {line}\n{output}", line.chars().count());
        for (place, _) in line.match_indices('[') {
            let inside = &line[place + 1..];
            if inside.starts_with(|first: char| "+-".contains(first) || first.is_ascii_digit()) {
                let end = inside.find(']').unwrap_or_else(|| panic!("a broken interval: {line}\n{output}"));
                assert_eq!(inside[..end].split(", ").count(), 2, "{line}");
                intervals += 1;
            }
        }
    }
    intervals
}

/// Returns the words of all tables and sentences.
fn words(output: &str) -> BTreeSet<&str> {
    output.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).collect()
}

#[test]
fn main_tables_fit_eighty_columns() {
    let project = Project::with(&settings(&Arm::ALL));
    project.write("changes.toml", CHANGES);
    project.trial("out", &[]).done();
    project.trial("other", &["--set", "deferral.threshold=0.9"]).done();
    let sweep = ["sweep", "--config", "trial.toml", "--out", "swept", "--thresholds", "0.5,0.7", "--alone"];
    let ablate = ["ablate", "--config", "changes.toml", "--out", "ablated"];
    // After completion, both commands make no call and print the same words at every width.
    project.run(&sweep).done();
    project.run(&ablate).done();
    let calibrate = ["calibrate", "--config", "trial.toml", "--out", "calibrated", "--alone"];
    let calibrate = [&calibrate[..], &["--set", "dataset.calibration=5", "--min-accepted", "1"]].concat();
    project.run(&calibrate).done();
    project.write("others.jsonl", crate::support::problems(9, 3));
    project.trial("a-run-of-other-questions", &["--set", "dataset.path=others.jsonl"]).done();
    let compared = [&["compare", "out", "other"][..], &["compare", "out", "other", "a-run-of-other-questions"]];
    for command in [&["report", "out"][..], compared[0], compared[1], &sweep, &ablate, &calibrate] {
        let [narrow, wide] = [80, 250].map(|columns| at(&project, columns, command));
        let intervals = assert_fits(&narrow, 80);
        assert_eq!(intervals > 0, !["ablate", "calibrate"].contains(&command[0]), "{narrow}");
        let missing: Vec<_> = words(&wide).difference(&words(&narrow)).copied().collect();
        assert!(missing.is_empty(), "{command:?}: {missing:?}\n{narrow}");
    }
    let output = at(&project, 80, &["report", "out"]);
    holds(&output, &["λ: the threshold; a weak answer with a lower confidence", "–: no such figure."]);
}

/// Asserts that every table of a LaTeX file is complete: environments, caption, label, as many cells per row
/// as columns, and unique headings.
pub(super) fn assert_well_formed(text: &str) {
    assert!(text.starts_with("% Packages: booktabs"), "{text}");
    let mut labels = BTreeSet::new();
    let floats: Vec<&str> = text.split("\\begin{table}").skip(1).collect();
    assert!(!floats.is_empty(), "{text}");
    for float in floats {
        assert_eq!(float.matches("\\end{table}").count(), 1, "{float}");
        assert_eq!((float.matches("\\caption{").count(), float.matches("\\label{tab:").count()), (1, 1), "{float}");
        let label = float.split("\\label{").nth(1).and_then(|rest| rest.split('}').next()).expect("a label");
        assert!(labels.insert(label), "{label} twice");
        assert!(
            label.trim_start_matches("tab:").chars().all(|one| one.is_ascii_alphanumeric() || one == '-'),
            "{label}"
        );
        let (mut headings, mut names): (Vec<String>, usize) = (Vec::new(), 0);
        for part in float.split("\\begin{tabular}{").skip(1) {
            let (columns, rest) = part.split_once('}').expect("columns");
            let (body, _) = rest.split_once("\\end{tabular}").expect("an end");
            let rows: Vec<&str> = body.lines().filter(|line| line.ends_with(" \\\\")).collect();
            assert!(rows.len() > 1 && columns.starts_with('l'), "{part}");
            for row in &rows {
                let cells = row.replace("\\&", "").split(" & ").count();
                assert_eq!(cells, columns.len(), "{row}");
                let open = row.replace("\\{", "").matches('{').count();
                assert_eq!(open, row.replace("\\}", "").matches('}').count(), "{row}");
                assert!(!row.replace("\\%", "").contains('%') && !row.replace("\\_", "").contains('_'), "{row}");
            }
            let own: Vec<String> = rows[0].trim_end_matches(" \\\\").split(" & ").map(str::to_owned).collect();
            if names == 0 {
                names = own.len();
            }
            // Columns that identify the row are repeated in each part.
            headings.extend(own.into_iter().filter(|heading| !headings.contains(heading)).collect::<Vec<_>>());
            for mark in ["\\toprule", "\\midrule", "\\bottomrule"] {
                assert_eq!(body.matches(mark).count(), 1, "{body}");
            }
        }
        let once: BTreeSet<&String> = headings.iter().collect();
        assert_eq!(once.len(), headings.len(), "{headings:?}");
    }
}

#[test]
fn latex_tables_of_runs_are_well_formed() {
    let project = Project::with(&Settings::simulated());
    project.write("changes.toml", CHANGES);
    project.trial("out", &[]).done();
    project.trial("other", &["--set", "deferral.threshold=0.9"]).done();
    project.run(&["compare", "out", "other", "--out", "compared"]).done();
    project.run(&["sweep", "--config", "trial.toml", "--out", "swept", "--thresholds", "0.5,0.7", "--alone"]).done();
    project.run(&["ablate", "--config", "changes.toml", "--out", "ablated"]).done();
    let apart = ["--set", "dataset.calibration=5", "--min-accepted", "1"];
    let calibrate = [&["calibrate", "--config", "trial.toml", "--out", "calibrated", "--alone"], &apart[..]].concat();
    project.run(&calibrate).done();
    let files = ["out/summary.tex", "compared/compare.tex", "swept/summary.tex", "ablated/summary.tex"];
    for file in files.into_iter().chain(["calibrated/certifiable.tex"]) {
        assert_well_formed(&project.text(file));
    }
    let run = project.text("out/summary.tex");
    holds(&run, &["\\label{tab:trial-results}", "\\label{tab:trial-gains}", "\\label{tab:trial-against-strong}"]);
    holds(&project.text("swept/summary.tex"), &["\\label{tab:trial-routing}", "\\label{tab:trial-equal-accuracy}"]);
    holds(&project.text("ablated/summary.tex"), &["How many\\_are shown"]);
}
