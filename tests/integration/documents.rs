//! Figures that documents quote outside spliced tables, compared with the runs that produced them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use intercascade::types::arm::Arm;

use crate::runs::controls::settings;
use crate::support::{CommandOutput, Project, problems, repository};

fn document(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).expect("a document")
}

/// Returns the cells of the rows of the table whose header line begins with `head`.
fn rows(text: &str, head: &str) -> Vec<Vec<String>> {
    let lines = text.lines().skip_while(|line| !line.starts_with(head)).skip(2);
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    let rows: Vec<Vec<String>> = lines.take_while(|line| line.starts_with('|')).map(cells).collect();
    assert!(!rows.is_empty(), "no table {head}");
    rows
}

/// Runs a command in the repository with output folder `out` and a terminal of 100 columns.
fn at_repository(arguments: &[&str], out: &Path) -> CommandOutput {
    let project = Project::new();
    let mut command = project.command();
    command.current_dir(repository()).env("COLUMNS", "100").args(arguments).arg("--offline").arg("--out").arg(out);
    CommandOutput::of(&mut command).done()
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    (folder, out)
}

#[test]
fn readme_claims_match_reproduce_headline() {
    let (_folder, out) = folder();
    at_repository(&["reproduce", "headline"], &out);
    let headline = std::fs::read_to_string(out.join("headline.md")).expect("the table");
    let reproduced = rows(&headline, "| change of");
    let readme = rows(&document("README.md"), "| change against the cascade");
    assert_eq!(readme.len(), 4);
    for (row, name) in readme.iter().zip(["weak accuracy", "system accuracy", "strong calls", "fee"]) {
        assert!(row[0].starts_with(name), "{row:?}");
        let experiments = ["judged, GSM-Symbolic reimplemented", "pair, three orders", "pair, the paper's form"];
        for (column, experiment) in [2, 4, 6].into_iter().zip(experiments) {
            let found = reproduced.iter().find(|cells| cells[0] == name && cells[2] == experiment).expect("a claim");
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
fn the_quoted_quickstart_matches_its_output() {
    let (_folder, out) = folder();
    let run = ["run", "--config", "configs/quickstart.toml", "--journal", "results/upper-bound"];
    let output = at_repository(&run, &out).out;
    let readme = document("README.md");
    let quoted: Vec<&str> = readme
        .lines()
        .skip_while(|line| !line.starts_with("    ─"))
        .take_while(|line| line.starts_with("    "))
        .map(|line| &line[4..])
        .collect();
    assert!(quoted.len() > 8, "{quoted:?}");
    let printed: Vec<&str> = output.lines().map(str::trim_end).collect();
    assert!(printed.windows(quoted.len()).any(|lines| lines == quoted), "{output}");
    // The table by source, and the figures of the text under it.
    let summary = std::fs::read_to_string(out.join("summary.md")).expect("the summary");
    for row in rows(&document("docs/RESULTS.md"), "| arm | λ | strategies from") {
        let line = format!("| {} |", row.join(" | ")).replace("|  |", "|  |");
        assert!(summary.contains(&line), "{line}\n{summary}");
    }
}

/// Columns of each table in docs/FORMAT.md by the heading of the table; under "" those that all tables share.
fn documented_columns() -> BTreeMap<String, BTreeSet<String>> {
    let text = document("docs/FORMAT.md");
    let mut columns: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut table = String::new();
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("### ") {
            heading.clone_into(&mut table);
        } else if line.starts_with("## ") {
            "outside of tables".clone_into(&mut table);
        } else if line.starts_with("| `") {
            let cell = line.split(" | ").next().expect("a first cell");
            let names = cell.split('`').skip(1).step_by(2).map(str::to_owned);
            columns.entry(table.clone()).or_default().extend(names);
        }
    }
    columns.remove("outside of tables");
    columns
}

/// The figure that a column holds an end of the interval of. `None` for other columns.
fn figure_of_end(column: &str) -> Option<String> {
    ["_low", "_high"].into_iter().find_map(|end| {
        let (before, after) = column.rsplit_once(end)?;
        Some(format!("{before}{after}"))
    })
}

#[test]
fn every_output_column_is_documented_and_no_other() {
    let project = Project::with(&settings(&Arm::ALL).set("dataset.calibration", 6));
    project.write(
        "changes.toml",
        "name = \"changes\"\nconfig = \"trial.toml\"\n[[table]]\ntitle = \"t\"\nvariants = [{ name = \"one\" }]\n",
    );
    project.trial("out", &[]).done();
    project.trial("stated", &["--set", "dataset.calibration=0"]).done();
    let sweep = ["--thresholds", "0.5,0.7", "--set", "dataset.choose=0.5", "--alone"];
    project.run(&[&["sweep", "--config", "trial.toml", "--out", "swept"], &sweep[..]].concat()).done();
    project.run(&["compare", "out", "stated", "--out", "compared"]).done();
    project.run(&["ablate", "--config", "changes.toml", "--out", "ablated"]).done();
    project
        .run(&["calibrate", "--config", "trial.toml", "--out", "calibrated", "--min-accepted", "1", "--alone"])
        .done();
    project.run(&["matrix", "--config", "trial.toml", "--out", "matrix", "--alone", "--set", "learning.k=1"]).done();
    let with_subjects = problems(10, 3).replace("\"question\":", "\"subject\":\"costs\",\"question\":");
    project.write("subjects.jsonl", with_subjects);
    let mut judged = vec!["judge", "--config", "trial.toml", "--orders", "3", "--journal", "matrix/journal.sqlite"];
    judged.extend(["--set", "learning.k=1", "--set", "dataset.path=subjects.jsonl"]);
    project.run(&[&judged[..], &["--out", "judged"]].concat()).done();
    project.trial("few", &["--set", "arms=[\"weak-only\",\"strong-only\"]", "--set", "dataset.calibration=0"]).done();
    let offline = ["--set", "dataset.calibration=0", "--journal", "few/journal.sqlite", "--offline"];
    assert_eq!(project.trial("offline", &offline).code, 1, "arms are left out");
    let (_folder, reproduced) = folder();
    let tables =
        ["headline", "weak", "pipeline", "fees", "price-ratio", "theorem", "calibration", "cold-start", "latency"];
    at_repository(&[&["reproduce"], &tables[..]].concat(), &reproduced);

    let documented = documented_columns();
    let shared = &documented[""];
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut check = |folder: &Path, suffix: &str| {
        for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.extension().is_none_or(|extension| extension != "csv") {
                continue;
            }
            let name = entry.file_stem().expect("a name").to_string_lossy().into_owned();
            let heading = [format!("{name}{suffix}"), name].into_iter().find(|name| documented.contains_key(name));
            let heading = heading.unwrap_or_else(|| panic!("docs/FORMAT.md lacks {}", entry.display()));
            let own = &documented[&heading];
            let text = std::fs::read_to_string(&entry).expect("a table");
            for column in text.lines().next().expect("columns").split(',') {
                let known = |column: &str| own.contains(column) || shared.contains(column);
                let figure = figure_of_end(column).filter(|figure| known(figure));
                let found = if known(column) { Some(column.to_owned()) } else { figure };
                let found = found.unwrap_or_else(|| panic!("docs/FORMAT.md lacks {column} of {heading}"));
                used.entry(heading.clone()).or_default().insert(found);
            }
        }
    };
    for run in ["out", "stated", "swept", "compared", "ablated", "calibrated", "matrix", "judged", "offline"] {
        check(&project.path(run), "");
    }
    check(&reproduced, " of `reproduce`");
    let none = BTreeSet::new();
    for (heading, columns) in &documented {
        let unused: Vec<&String> = match heading.as_str() {
            "" => columns.iter().filter(|column| !used.values().any(|used| used.contains(*column))).collect(),
            _ => columns.difference(used.get(heading).unwrap_or(&none)).collect(),
        };
        assert!(unused.is_empty(), "docs/FORMAT.md: {heading}: no such column: {unused:?}");
    }
}

/// `INTERCASCADE_WRITE_REFERENCE=1` writes both files again.
#[test]
fn the_config_reference_is_what_the_program_prints() {
    for (verb, path) in [("keys", "docs/CONFIG.md"), ("schema", "docs/config.schema.json")] {
        let printed = Project::new().run(&["config", verb]).done().out;
        if std::env::var_os("INTERCASCADE_WRITE_REFERENCE").is_some() {
            std::fs::write(repository().join(path), &printed).expect("written");
        }
        assert!(document(path) == printed, "{path} differs; run the test with INTERCASCADE_WRITE_REFERENCE=1");
    }
}

#[test]
fn every_shipped_config_has_only_keys_of_the_reference() {
    let reference = document("docs/CONFIG.md");
    let mut keys = 0;
    for entry in std::fs::read_dir(repository().join("configs")).expect("a folder") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let Ok(table) = toml::from_str::<toml::Table>(&text) else { continue };
        for section in ["dataset", "deferral", "learning", "limits"] {
            for key in table.get(section).and_then(toml::Value::as_table).into_iter().flat_map(|table| table.keys()) {
                assert!(reference.contains(&format!("\n| `{key}` |")), "{}: {key}", path.display());
                keys += 1;
            }
        }
    }
    assert!(keys > 50, "{keys}");
}

#[test]
fn glossary_names_exist_in_the_code() {
    let sources = crate::support::files(&repository().join("src"));
    let code: String = sources.values().map(|bytes| String::from_utf8_lossy(bytes)).collect();
    let glossary = document("docs/GLOSSARY.md");
    let rows = glossary.lines().filter(|line| line.starts_with('|')).filter_map(|line| line.split('|').nth(3));
    let names: Vec<&str> = rows.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(names.len() > 50, "{names:?}");
    for name in names {
        let last = name.rsplit("::").next().expect("a name");
        assert!(code.contains(last), "docs/GLOSSARY.md names {name}");
    }
}

/// Reads a committed table, as rows of column and cell.
fn committed(path: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(repository().join(path)).expect("a table");
    reader.deserialize().map(|row| row.expect("a row")).collect()
}

fn number(row: &BTreeMap<String, String>, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column}: {:?}", row[column]))
}

#[test]
fn the_judged_figures_of_the_readme_are_those_of_the_tables() {
    let readme = document("README.md").split_whitespace().collect::<Vec<_>>().join(" ");
    let quotes = |text: String| assert!(readme.contains(&text), "the README does not contain: {text}");
    let judgement = committed("results/judgement/judgement.csv");
    let endpoint = |role: &str, of: &str, against: &str| {
        let is = |row: &&BTreeMap<String, String>| {
            row["role"] == role
                && row["change_of"] == of
                && row["against"] == against
                && row["set"] == "pair-gsm-symbolic"
        };
        judgement.iter().find(is).expect("an endpoint")
    };
    let primary = endpoint("primary", "system accuracy", "strong-only");
    let ends = ["change", "change_low", "change_high"].map(|column| number(primary, column));
    quotes(format!("{:+.1} points [{:+.1}, {:+.1}], p = {:.2}", ends[0], ends[1], ends[2], number(primary, "p_value")));
    let replay = endpoint("secondary", "system accuracy", "example-replay");
    let ends = ["change", "change_low", "change_high"].map(|column| number(replay, column));
    quotes(format!("{:.1} points [{:.1}, {:.1}] less accurate", ends[0], ends[1], ends[2]));
    quotes(format!("(p = {:.3}; adjusted {:.2})", number(replay, "p_value"), number(replay, "p_holm")));
    let router = endpoint("secondary", "system accuracy", "similarity-router-checked");
    quotes(format!("equally accurate ({:+.1})", number(router, "change")));
    let fee = endpoint("secondary", "fee at equal accuracy, price ratio 20", "strong-only");
    let ends = ["change", "change_low", "change_high"].map(|column| number(fee, column));
    quotes(format!("{:.0} % lower, with an interval from {:.0} % to {:+.0} %", -ends[0], ends[1], ends[2]));
    let secondary = judgement.iter().filter(|row| row["role"] == "secondary").count();
    quotes(format!("all {secondary} secondary tests"));
    let shown = ["weak accuracy", "strong calls", "fee"].into_iter();
    let adjusted = shown.flat_map(|of| ["cascade", "cascade-tuned"].map(|against| endpoint("secondary", of, against)));
    let greatest = adjusted.map(|row| number(row, "p_holm")).fold(0.0, f64::max);
    quotes(format!("(p at most {greatest:.3})"));

    let arms = committed("results/judgement/arms.csv");
    let arm = |name: &str| arms.iter().find(|row| row["arm"] == name).expect("an arm");
    let taught = arm("inter-cascade");
    quotes(format!("answers {:.0} % of the questions", number(taught, "strong_calls_share") * 100.0));
    let dearer = number(taught, "usd_per_1000") / number(arm("strong-only"), "usd_per_1000") - 1.0;
    quotes(format!("a query costs {:.0} % more", dearer * 100.0));
    let teachers = committed("results/judgement/teachers.csv");
    let selective = |score: &str| {
        let row = teachers.iter().find(|row| row["strong_solution"] == score).expect("a row");
        number(row, "selective_accuracy") * 100.0
    };
    quotes(format!(
        "under a correct solution {:.0} % are correct, under an incorrect one {:.0} %",
        selective("correct"),
        selective("incorrect")
    ));

    let of_taught = |table: &str| {
        let rows = committed(&format!("results/grade-school-checked/{table}.csv"));
        rows.into_iter().find(|row| row["arm"] == "inter-cascade").expect("the arm")
    };
    let (accuracy, calls) = (of_taught("accuracy"), of_taught("strong_calls"));
    let weak = ["weak_change_vs_cascade_pp", "weak_change_low_pp", "weak_change_high_pp"]
        .map(|column| number(&accuracy, column));
    quotes(format!("rises by {:.1} points [{:.1}, {:.1}]", weak[0], weak[1], weak[2]));
    let fewer = ["change_vs_cascade_percent", "change_high_percent", "change_low_percent"]
        .map(|column| -number(&calls, column));
    let summary = document("results/grade-school-checked/summary.md");
    let gains = rows(&summary, "| change against cascade");
    let fee = gains.iter().find(|row| row[0] == "fee").expect("a row");
    let [change, low, high] =
        fee[1].split([' ', '[', ',', ']']).filter(|part| part.starts_with('-')).collect::<Vec<_>>()[..]
    else {
        panic!("{fee:?}")
    };
    let less = |part: &str| part.trim_start_matches('-').to_owned();
    quotes(format!(
        "strong calls fall by {:.1} % [{:.1}, {:.1}] and the fee by {} % [{}, {}]",
        fewer[0],
        fewer[1],
        fewer[2],
        less(change),
        less(high),
        less(low)
    ));
}
