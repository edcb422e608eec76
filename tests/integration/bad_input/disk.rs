//! Folders that cannot be written and full disks: no file is left incomplete.

use crate::support::{CommandOutput, Files, Project, Settings, files, holds, problems, program};

/// Runs the trial with a file size limit of `kilobytes`. Writes beyond the limit fail as on a full disk.
#[cfg(unix)]
fn cramped(project: &Project, kilobytes: usize) -> CommandOutput {
    let mut shell = std::process::Command::new("sh");
    // The unit is 512 bytes. Without the trap, the signal would end the program before it can print an error.
    let script = format!("trap '' XFSZ; ulimit -f {} && exec \"$0\" \"$@\"", kilobytes * 2);
    shell.arg("-c").arg(script).arg(program()).args(["run", "--config", "trial.toml", "--out", "out"]);
    CommandOutput::of(&mut project.prepared(shell))
}

/// Returns a size in kilobytes between the sizes of two files: the first can be written and the second cannot.
#[cfg(unix)]
fn between(reports: &Files, fits: &str, fails: &str) -> usize {
    let kilobytes = reports[fits].len().midpoint(reports[fails].len()) / 1024;
    assert!(reports[fits].len() < kilobytes * 1024 && kilobytes * 1024 < reports[fails].len());
    kilobytes
}

fn unfinished(project: &Project) -> Vec<String> {
    project.files().into_keys().filter(|name| name.contains(".part-")).collect()
}

#[cfg(unix)]
#[test]
fn a_disk_full_at_a_table_leaves_no_partial_table() {
    let project = Project::with(&Settings::simulated());
    project.trial("out", &[]).done();
    let before = project.reports("out");
    let room = between(&before, "records.csv", "calls.csv");
    // With other prices, the fee tables are rewritten after the table of calls.
    project.write("trial.toml", Settings::simulated().set("model.large.price.output", 20.0).text());
    let error = cramped(&project, room).refused();
    holds(&error, &["cannot write out/calls.csv; no existing file was changed", "File too large"]);
    assert_eq!(unfinished(&project), Vec::<String>::new());
    assert!(project.reports("out") == before, "the old reports are as they were");
    let manifest: serde_json::Value = serde_json::from_str(&project.text("out/manifest.json")).expect("JSON");
    assert!(manifest["ended"].is_string(), "and so is the manifest");
    let output = project.trial("out", &[]).done();
    assert_eq!(output.calls_made(), 0);
    assert_ne!(project.reports("out")["fees.csv"], before["fees.csv"]);
    holds(&output.err, &["fees.csv, fees.parquet", "changed; the old versions are in out/set-aside-1"]);
    assert_eq!(project.reports("out/set-aside-1")["fees.csv"], before["fees.csv"]);
}

#[cfg(unix)]
#[test]
fn a_disk_full_before_the_first_report_is_reported() {
    let project = Project::with(&Settings::simulated());
    project.write("questions.jsonl", problems(10, 10));
    project.trial("out", &[]).done();
    let expected = project.reports("out");
    for name in expected.keys() {
        std::fs::remove_file(project.path(&format!("out/{name}"))).expect("removed");
    }
    // Large enough for the temporary files of the journal while it is read.
    let room = 48;
    assert!(expected["records.csv"].len() > room * 1024);
    holds(&cramped(&project, room).refused(), &["cannot write out/records.csv"]);
    assert!(project.reports("out").is_empty() && unfinished(&project).is_empty());
    assert_eq!(project.trial("out", &[]).done().calls_made(), 0);
    assert!(project.reports("out") == expected);
}

#[cfg(unix)]
#[test]
fn a_disk_full_at_the_journal_is_reported() {
    let project = Project::with(&Settings::simulated());
    project.trial("whole", &[]).done();
    let error = cramped(&project, 128).refused();
    holds(&error, &["the journal out/journal.sqlite failed"]);
    assert!(project.reports("out").is_empty() && unfinished(&project).is_empty());
    let rest = project.trial("out", &[]).done().calls_made();
    assert!(rest > 0, "some calls were still to be made");
    assert!(project.reports("out") == project.reports("whole"), "what was journalled is sound");
}

#[test]
fn an_output_folder_that_cannot_be_created_is_refused() {
    let project = Project::with(&Settings::simulated());
    project.write("file", "not a folder");
    let before = project.files();
    let error = project.trial("file/out", &[]).refused_in_one_line();
    holds(&error, &["cannot create the folder file/out"]);
    holds(&project.trial("file", &[]).refused_in_one_line(), &["cannot create the folder file"]);
    assert!(project.files() == before);
}

#[test]
fn an_output_folder_with_other_contents_is_refused() {
    let project = Project::with(&Settings::simulated());
    project.write("out/records.csv", "mine");
    let before = project.files();
    holds(&project.trial("out", &[]).refused_in_one_line(), &["out holds records.csv, which no run wrote"]);
    project.write("out/manifest.json", "{\"mine\": true}");
    holds(&project.trial("out", &[]).refused_in_one_line(), &["out/manifest.json is not a manifest"]);
    std::fs::remove_file(project.path("out/manifest.json")).expect("removed");
    assert!(project.files() == before);
}

#[test]
fn a_folder_at_the_path_of_a_table_is_reported() {
    let project = Project::with(&Settings::simulated());
    project.trial("out", &[]).done();
    for ending in ["csv", "parquet"] {
        std::fs::remove_file(project.path(&format!("out/fees.{ending}"))).expect("removed");
    }
    project.write("out/fees.csv/mine", "a folder");
    let before = project.reports("out");
    holds(&project.trial("out", &[]).refused(), &["cannot write out/fees.csv"]);
    let after = files(&project.path("out"));
    assert_eq!(after["fees.csv/mine"], b"a folder");
    assert!(unfinished(&project).is_empty());
    assert!(before.iter().all(|(name, bytes)| after[name] == *bytes));
}

#[test]
fn a_damaged_journal_is_refused() {
    let project = Project::with(&Settings::simulated());
    project.trial("out", &[]).done();
    let reports = project.reports("out");
    project.write(
        "out/journal.sqlite",
        "these are somebody's notes, not a database, and long enough to be told apart from one",
    );
    let before = files(&project.path("out"))["journal.sqlite"].clone();
    holds(&project.trial("out", &[]).refused(), &["journal out/journal.sqlite"]);
    assert!(files(&project.path("out"))["journal.sqlite"] == before && project.reports("out") == reports);
}

#[test]
fn a_journal_that_contradicts_the_records_is_refused() {
    let project = Project::with(&Settings::simulated());
    project.trial("out", &[]).done();
    let before = project.reports("out");
    let connection = rusqlite::Connection::open(project.path("out/journal.sqlite")).expect("a journal");
    connection.execute("UPDATE calls SET response = replace(response, '####', '#### 7')", []).expect("changed");
    drop(connection);
    let error = project.trial("out", &[]).refused();
    holds(&error, &["out/records.csv exists", "has other records", "--fresh"]);
    assert!(project.reports("out") == before);
}
