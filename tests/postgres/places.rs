//! Copies between `SQLite`, parquet and `PostgreSQL`.

use std::collections::BTreeMap;

use crate::server::Database;
use crate::support::{Project, Settings, holds};

/// Calls of a journal file: key, and everything that a copy must keep.
fn calls(project: &Project, file: &str) -> BTreeMap<String, String> {
    let journal = rusqlite::Connection::open(project.path(file)).expect("a journal");
    let query = "SELECT key, model || '|' || item || '|' || request || '|' || response FROM calls
        UNION ALL SELECT key, embedder || '|' || tokens || '|' || hex(vector) FROM embeddings";
    let mut statement = journal.prepare(query).expect("tables");
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
    rows.map(|row| row.expect("a row")).collect()
}

#[test]
fn a_journal_survives_every_way_around() {
    let database = Database::new();
    let url = database.url("");
    let project = Project::with(&Settings::simulated());
    project.trial("out", &[]).done();
    let original = calls(&project, "out/journal.sqlite");
    assert!(original.len() > 100);
    // File, server, parquet, server, file.
    let imported = project.run(&["journal", "import", "out/journal.sqlite", "--into", &url]).done();
    holds(&imported.out, &["postgres://owner@127.0.0.1", "are new"]);
    assert_eq!(database.count("SELECT count(*) FROM intercascade.spend"), 0, "copies are paid for elsewhere");
    let again = project.run(&["journal", "import", "out/journal.sqlite", "--into", &url]).done();
    holds(&again.out, &["0 calls and 0 embeddings are new"]);
    project.run(&["journal", "export", &url, "--out", "all.parquet"]).done();
    let second = Database::new();
    project.run(&["journal", "import", "all.parquet", "--into", &second.url("")]).done();
    project.run(&["journal", "import", &second.url(""), "--into", "copy.sqlite"]).done();
    assert_eq!(calls(&project, "copy.sqlite"), original);
    let made = "SELECT count(*) FROM intercascade.calls WHERE made IS NULL";
    assert_eq!(second.count(made), 0, "the time of each call is kept");
    // An export of answers alone from the server, and a run offline from it.
    project.run(&["journal", "export", &url, "--answers-only", "--out", "answers.parquet"]).done();
    let reports = project.reports("out");
    for source in ["copy.sqlite", "answers.parquet", &url] {
        let replayed = project.trial("replayed", &["--offline", "--journal", source]).done();
        assert_eq!(replayed.calls_made(), 0);
        let mut found = project.reports("replayed");
        found.retain(|name, _| !name.ends_with("html"));
        for (name, bytes) in found {
            assert!(reports[&name] == bytes, "{name} from {source}");
        }
        std::fs::remove_dir_all(project.path("replayed")).expect("removed");
    }
    assert_eq!(database.count("SELECT count(*) FROM intercascade.workers"), 0, "a reader is no worker");
}

#[test]
fn faulty_places_are_refused() {
    let database = Database::new();
    let project = Project::with(&Settings::simulated());
    let url = database.url("");
    let two = project.trial("out", &["--journal", &url, "--journal", &url]).refused();
    holds(&two, &["--journal names two servers", "Name one of them"]);
    let unreachable = project.trial("out", &["--journal", "postgres://w@127.0.0.1:1/calls"]).refused();
    holds(&unreachable, &["cannot connect to the journal postgres://w@127.0.0.1:1/calls", "refused"]);
    let unknown = project.trial("out", &["--journal", &url.replace(&database.name, "nothing")]).refused();
    holds(&unknown, &["database \"nothing\" does not exist"]);
    let folder = project.run(&["journal", "import", "out", "--into", &url]).refused();
    holds(&folder, &["out"]);
    let faulty = project.trial("out", &["--journal", "postgres://w@127.0.0.1/calls?sslmode=prefer"]).refused();
    holds(&faulty, &["sslmode=prefer is not supported"]);
}
