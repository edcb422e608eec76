//! Figures that documents quote outside spliced tables: each is compared with the run that it comes from.

use std::path::{Path, PathBuf};

use crate::support::{Project, Said, repository};

fn document(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).expect("a document")
}

/// Cells of a table's rows, whose first line of headings begins with `head`.
fn rows(text: &str, head: &str) -> Vec<Vec<String>> {
    let lines = text.lines().skip_while(|line| !line.starts_with(head)).skip(2);
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    let rows: Vec<Vec<String>> = lines.take_while(|line| line.starts_with('|')).map(cells).collect();
    assert!(!rows.is_empty(), "no table {head}");
    rows
}

/// Runs a command in the repository, whose outputs go to `out`, at a terminal of 100 columns.
fn at_repository(arguments: &[&str], out: &Path) -> Said {
    let project = Project::new();
    let mut command = project.command();
    command.current_dir(repository()).env("COLUMNS", "100").args(arguments).arg("--offline").arg("--out").arg(out);
    Said::of(&mut command).done()
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    (folder, out)
}

#[test]
fn claims_in_the_readme_are_those_of_reproduce_headline() {
    let (_folder, out) = folder();
    at_repository(&["reproduce", "headline"], &out);
    let headline = std::fs::read_to_string(out.join("headline.md")).expect("the table");
    let made = rows(&headline, "| change of");
    let readme = rows(&document("README.md"), "| change against the cascade");
    assert_eq!(readme.len(), 4);
    for (row, name) in readme.iter().zip(["weak accuracy", "system accuracy", "strong calls", "fee"]) {
        assert!(row[0].starts_with(name), "{row:?}");
        for (column, experiment) in [(2, "pair, three orders"), (4, "pair, the paper's form")] {
            let found = made.iter().find(|cells| cells[0] == name && cells[2] == experiment).expect("a claim");
            assert_eq!(row[1].trim_start_matches('+'), found[4], "{name}");
            assert_eq!(row[column], found[6], "{name}, {experiment}");
            let verdict = match &*found[7] {
                "shown" => " shown",
                "not shown" => "no ",
                "opposite" => "costs more",
                other => panic!("{other}"),
            };
            assert!(row[column + 1].contains(verdict), "{name}, {experiment}: {row:?}, {found:?}");
            assert!(verdict != " shown" || !row[column + 1].starts_with("no "), "{row:?}");
        }
    }
}

#[test]
fn the_quickstart_is_quoted_as_it_prints() {
    let (_folder, out) = folder();
    let run = ["run", "--config", "configs/quickstart.toml", "--journal", "results/upper-bound"];
    let said = at_repository(&run, &out).out;
    let readme = document("README.md");
    let quoted: Vec<&str> = readme
        .lines()
        .skip_while(|line| !line.starts_with("    ─"))
        .take_while(|line| line.starts_with("    "))
        .map(|line| &line[4..])
        .collect();
    assert!(quoted.len() > 8, "{quoted:?}");
    let printed: Vec<&str> = said.lines().map(str::trim_end).collect();
    assert!(printed.windows(quoted.len()).any(|lines| lines == quoted), "{said}");
    // The table by source, and the figures of the text under it.
    let summary = std::fs::read_to_string(out.join("summary.md")).expect("the summary");
    for row in rows(&document("docs/RESULTS.md"), "| arm | λ | strategies from") {
        let line = format!("| {} |", row.join(" | ")).replace("|  |", "|  |");
        assert!(summary.contains(&line), "{line}\n{summary}");
    }
}
