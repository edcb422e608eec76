use sha2::{Digest, Sha256};

use super::address::JournalPlace;
use super::*;
use crate::fetch::machine;
use crate::types::chat::Token;
use crate::types::embedding::Embedded;

fn call(name: &str) -> JournaledCall {
    let token = Token { text: name.to_owned(), logprob: Some(-0.1 - 0.2), ..Token::default() };
    JournaledCall {
        key: CallKey(Sha256::digest(name).into()),
        model: "m".to_owned(),
        item: "1".into(),
        request: "{}".to_owned(),
        response: Response {
            text: name.to_owned(),
            tokens: vec![token],
            usage: Usage { input: 7, cached_input: 2, output: 3 },
            ..Response::default()
        },
    }
}

fn key(name: &str) -> CallKey {
    CallKey(Sha256::digest(name).into())
}

/// Counts the rows of a table over another connection, as another program would.
fn rows(path: &Path, table: &str) -> u64 {
    let connection = Connection::open(path).expect("opens");
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).expect("a count")
}

#[tokio::test]
async fn a_stored_call_is_visible_to_other_processes_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal.sqlite");
    let journal = Journal::open(&path).expect("opens");
    let other = Journal::open(&path).expect("two at once");
    let answer = journal.put(call("a")).await.expect("durable");
    assert_eq!(other.get(&key("a")).await.expect("readable"), Some(answer), "bit for bit, floats included");
    assert_eq!(other.get(&key("b")).await.expect("readable"), None);
    assert_eq!((journal.calls_made(), other.calls_made()), (1, 0));
}

#[tokio::test]
async fn the_answer_stored_first_is_returned_to_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal.sqlite");
    let [one, other] = [(); 2].map(|()| Journal::open(&path).expect("opens"));
    let first = one.put(call("a")).await.expect("durable");
    let mut later = call("a");
    later.response.text = "another".to_owned();
    assert_eq!(other.put(later).await.expect("durable"), first);
    assert_eq!(rows(&path, "calls"), 1);
}

#[tokio::test]
async fn many_concurrent_calls_are_all_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal.sqlite");
    let journal = Arc::new(Journal::open(&path).expect("opens"));
    let puts = (0..2000).map(|i| {
        let journal = Arc::clone(&journal);
        tokio::spawn(async move { journal.put(call(&i.to_string())).await.map(|response| response.text) })
    });
    for (i, put) in puts.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(put.await.expect("no panic").expect("durable"), i.to_string());
    }
    assert_eq!(rows(&path, "calls"), 2000);
    assert_eq!(journal.spent().expect("sums")["m"].usage, Usage { input: 14_000, cached_input: 4000, output: 6000 });
}

#[tokio::test]
async fn a_further_journal_is_copied_and_stays_unchanged() {
    let folder = tempfile::tempdir().expect("a folder");
    let [own, theirs] = ["own.sqlite", "theirs.sqlite"].map(|name| folder.path().join(name));
    let further = Journal::open(&theirs).expect("opens");
    further.put(call("a")).await.expect("durable");
    let vector = Embedded { vector: vec![0.6, -0.8], tokens: 4 };
    further.put_embeddings("e", vec![(key("v"), vector.clone())]).await.expect("durable");
    drop(further);
    let before = std::fs::read(&theirs).expect("a file");

    let journal = Journal::open(&own).and_then(|journal| journal.with_further(&theirs)).expect("opens");
    assert_eq!(journal.embeddings("e", &[key("v"), key("w")]).await.expect("readable"), [Some(vector), None]);
    for _ in 0..2 {
        assert!(journal.get(&key("a")).await.expect("readable").is_some());
    }
    assert_eq!((journal.calls_made(), journal.calls_imported()), (0, 1));
    assert!(journal.spent().expect("sums").is_empty(), "another run has paid for it");
    drop(journal);
    assert_eq!(std::fs::read(&theirs).expect("a file"), before);
    let alone = Journal::open(&own).expect("opens");
    assert!(
        alone.get(&key("a")).await.expect("readable").is_some(),
        "the run's own journal is complete without the other"
    );
}

#[test]
fn elapsed_time_counts_overlapping_calls_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let [journal, exported] = ["journal.sqlite", "journal.parquet"].map(|name| folder.path().join(name));
    let connection = schema::open(&journal).expect("opens");
    let insert = |name: &str, model: &str, seconds: f64, origin| {
        let mut call = JournaledCall { model: model.to_owned(), request: name.to_owned(), ..call(name) };
        call.response.latency_ms = seconds * 1e3;
        assert!(writer::insert(&connection, &Entry::call(call, origin).expect("a row")).expect("written"));
    };
    // The calls take place from second 0 to 20, 5 to 10, 15 to 40 and 60 to 70.
    insert("a", "m", 20.0, Origin::OwnAt(20));
    insert("b", "n", 5.0, Origin::OwnAt(10));
    insert("c", "n", 25.0, Origin::OwnAt(40));
    insert("d", "m", 10.0, Origin::OwnAt(70));
    let elapsed = |path: &Path| {
        let (all, models) = times(path).expect("readable");
        [all, models["m"], models["n"]].map(|time| (time.calls, time.seconds))
    };
    assert_eq!(elapsed(&journal), [(4, 50.0), (2, 30.0), (2, 30.0)]);
    // The times of imported calls are not known.
    insert("e", "m", 7.0, Origin::Imported);
    insert("f", "m", 8.0, Origin::Imported);
    assert_eq!(elapsed(&journal), [(6, 65.0), (4, 45.0), (2, 30.0)]);
    drop(connection);
    std::fs::write(
        &exported,
        portable::export(&JournalPlace::File(journal.clone()), &portable::ExportSelection::default())
            .expect("readable")
            .0,
    )
    .expect("written");
    assert_eq!(elapsed(&exported), elapsed(&journal));
}

#[test]
fn an_unanswered_attempt_is_recorded() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal.sqlite");
    let journal = Journal::open(&path).expect("opens");
    journal.record_unanswered(&key("a"), "m", "cut off", Usage { input: 30, cached_input: 0, output: 9 });
    drop(journal);
    let lost = Journal::open(&path).and_then(|journal| journal.lost()).expect("sums");
    assert_eq!(lost["m"], Spend { calls: 1, usage: Usage { input: 30, cached_input: 0, output: 9 } });
}

#[tokio::test]
async fn a_journal_of_version_one_is_migrated() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal.sqlite");
    let response = serde_json::to_string(&call("a").response).expect("JSON");
    let old = Connection::open(&path).expect("opens");
    old.execute_batch(
        "CREATE TABLE schema (version INTEGER NOT NULL); INSERT INTO schema VALUES (1);
         CREATE TABLE calls (key TEXT PRIMARY KEY, model TEXT NOT NULL, request TEXT NOT NULL, response TEXT NOT NULL,
             made INTEGER NOT NULL) WITHOUT ROWID;",
    )
    .expect("created");
    old.execute("INSERT INTO calls VALUES (?1, 'm', '{}', ?2, 5)", [&key("a").to_string(), &response])
        .expect("written");
    drop(old);
    let journal = Journal::open(&path).expect("opens");
    assert_eq!(journal.get(&key("a")).await.expect("readable"), Some(call("a").response));
    assert_eq!(journal.spent().expect("sums")["m"].usage, call("a").response.usage);
}

/// Creates a journal of the second version: the current schema without the processor.
fn second_version(path: &Path) {
    let journal = Journal::open(path).expect("opens");
    drop(journal);
    let connection = Connection::open(path).expect("opens");
    let response = serde_json::to_string(&call("a").response).expect("JSON");
    connection
        .execute_batch("ALTER TABLE calls DROP COLUMN processor; UPDATE schema SET version = 2;")
        .expect("created");
    connection
        .execute(
            "INSERT INTO calls (key, model, item, request, response, input_tokens, cached_input_tokens, output_tokens, imported, made)
             VALUES (?1, 'm', '1', '{}', ?2, 7, 2, 3, 0, 5)",
            [key("a").to_string(), response],
        )
        .expect("inserted");
}

#[tokio::test]
async fn a_journal_of_version_two_is_read_and_migrated() {
    let folder = tempfile::tempdir().expect("a folder");
    let [old, own] = ["old.sqlite", "own.sqlite"].map(|name| folder.path().join(name));
    second_version(&old);
    let before = std::fs::read(&old).expect("exists");
    let journal = Journal::open(&own).expect("opens").with_further(&old).expect("is read");
    assert_eq!(journal.get(&key("a")).await.expect("readable"), Some(call("a").response));
    assert_eq!(
        portable::export(&JournalPlace::File(old.clone()), &portable::ExportSelection::default())
            .expect("exported")
            .1
            .calls,
        1
    );
    assert!(std::fs::read(&old).expect("exists") == before, "a journal of another run is not changed");

    let journal = Journal::open(&old).expect("is migrated");
    journal.put(call("b")).await.expect("durable");
    drop(journal);
    let connection = Connection::open(&old).expect("opens");
    let mut statement = connection.prepare("SELECT processor FROM calls ORDER BY id").expect("has the column");
    let processors: Vec<Option<String>> =
        statement.query_map([], |row| row.get(0)).expect("rows").collect::<Result<_, _>>().expect("texts");
    assert_eq!(processors, [None, machine::processor().map(str::to_owned)]);
}

#[test]
fn a_file_that_is_no_journal_is_refused_and_unchanged() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal.sqlite");
    std::fs::write(&path, "these are not the bytes of a database, but somebody's notes").expect("written");
    let error = Journal::open(&path).err().expect("refused");
    assert!(format!("{error:#}").contains("journal.sqlite"), "{error:#}");
    assert!(std::fs::read_to_string(&path).expect("still there").starts_with("these"));

    let newer = folder.path().join("newer.sqlite");
    let connection = Connection::open(&newer).expect("opens");
    connection.execute_batch("CREATE TABLE schema (version INTEGER); INSERT INTO schema VALUES (9);").expect("created");
    drop(connection);
    let error = Journal::open(&newer).err().expect("refused").to_string();
    assert!(error.contains("version 9"), "{error}");
}

#[tokio::test]
async fn damaged_pages_are_refused_and_cut_logs_accepted() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal.sqlite");
    let journal = Journal::open(&path).expect("opens");
    for i in 0..200 {
        journal.put(call(&i.to_string())).await.expect("durable");
    }
    // The state after a crash: the log exists, but its last bytes are missing.
    let crashed = folder.path().join("crashed.sqlite");
    std::fs::copy(&path, &crashed).expect("copied");
    let log = std::fs::read(folder.path().join("journal.sqlite-wal")).expect("a log");
    std::fs::write(folder.path().join("crashed.sqlite-wal"), &log[..log.len() - 100]).expect("written");
    drop(journal);
    let crashed = Journal::open(&crashed).expect("opens");
    let last = crashed.get(&key("198")).await.expect("readable");
    assert!(last.is_some() && crashed.get(&key("199")).await.expect("readable").is_none(), "only the last is gone");

    let mut bytes = std::fs::read(&path).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(7);
    std::fs::write(&path, &bytes).expect("written");
    let error = Journal::open(&path).err().map(|error| format!("{error:#}")).expect("refused");
    assert!(error.contains("damaged") || error.contains("malformed"), "{error}");
}
