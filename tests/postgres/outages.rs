//! The server goes away, loses its connections, or has no space left.

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use intercascade::gateway::journal::postgres::PostgresJournal;
use intercascade::gateway::journal::shared::{Claim, Scope, SharedCalls};

use crate::server::{Database, Server, silent};
use crate::workers::{call, key, wanted};

/// Claims and stores calls until the last one, each once.
async fn work(journal: &PostgresJournal, calls: std::ops::Range<u32>) {
    for n in calls {
        assert!(matches!(journal.claim(wanted(n)).await.expect("a claim"), Claim::Granted));
        journal.store(call(n, "a"), true).await.expect("stored");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_connections_are_made_again() {
    let database = Database::new();
    let workers: Vec<_> = (0..3_u32).map(|worker| (worker, database.worker("run"))).collect();
    let tasks: Vec<_> = workers
        .into_iter()
        .map(|(worker, journal)| tokio::spawn(async move { work(&journal, worker * 1000..worker * 1000 + 200).await }))
        .collect();
    let mut cuts = 0;
    while !tasks.iter().all(tokio::task::JoinHandle::is_finished) {
        cuts += database.count(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'intercascade'",
        );
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    for task in tasks {
        task.await.expect("no panic");
    }
    assert!(cuts > 0, "connections were cut");
    assert_eq!(database.count("SELECT count(*) FROM intercascade.calls"), 600);
    assert_eq!(database.count("SELECT sum(calls) FROM intercascade.spend"), 600, "repeated transactions add nothing");
    assert_eq!(database.count("SELECT count(*) FROM intercascade.claims"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_is_waited_for() {
    let mut server = Server::start(&[]);
    let database = server.database();
    let notices = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&notices);
    let on_notice = Arc::new(move |notice: &str, next: &str| {
        seen.lock().expect("no panic").push(format!("{notice} {next}"));
    });
    let scope = Scope { run: "run".to_owned(), ..Scope::default() };
    let worker = Arc::new(PostgresJournal::connect(&database.address(""), Some(scope), on_notice).expect("connected"));
    work(&worker, 0..20).await;
    assert!(matches!(worker.claim(wanted(20)).await.expect("a claim"), Claim::Granted));
    server.kill();
    let stored = tokio::spawn({
        let worker = Arc::clone(&worker);
        async move { worker.store(call(20, "paid"), true).await }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!stored.is_finished());
    server.restart();
    assert_eq!(stored.await.expect("no panic").expect("stored").text, "paid");
    work(&worker, 21..40).await;
    assert_eq!(database.count("SELECT sum(calls) FROM intercascade.spend"), 40);
    let notices = notices.lock().expect("no panic").join("\n");
    assert!(notices.contains("the journal postgres://owner@127.0.0.1") && notices.contains("wait for it"), "{notices}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stays_away_fails_calls_and_does_not_hold_up_the_end() {
    let mut server = Server::start(&[]);
    let database = server.database();
    let address = database.address("patience_s=1");
    let worker = PostgresJournal::connect(&address, Some(Scope::default()), silent()).expect("connected");
    work(&worker, 0..1).await;
    server.kill();
    let error = worker.find(&key(0)).await.expect_err("the server is away").to_string();
    assert!(error.contains("cannot connect") && error.contains("the same command resumes"), "{error}");
    let patient = Arc::new(server);
    worker.release(&key(0));
    drop(worker);
    drop(patient);
}

/// A file system in memory.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(megabytes: u32) -> Self {
        let disk = Self(tempfile::tempdir().expect("a folder"));
        let size = format!("size={megabytes}m,mode=777");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(disk.0.path()).status();
        assert!(mounted.is_ok_and(|status| status.success()), "this test needs the right to mount a file system");
        disk
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l"]).arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_fails_a_call_and_loses_none() {
    let disk = SmallDisk::new(24);
    let server = Server::start(&[]);
    let database = server.database();
    let space = disk.0.path().join("space");
    std::fs::create_dir(&space).expect("a folder");
    Command::new("chown").arg("postgres").arg(&space).status().expect("chown");
    let maintenance = Database { port: database.port, name: "postgres".to_owned() };
    maintenance.sql(&format!("CREATE TABLESPACE small LOCATION '{}'", space.display()));
    maintenance.sql(&format!("ALTER DATABASE {} SET TABLESPACE small", database.name));
    let ballast = disk.0.path().join("ballast");
    std::fs::write(&ballast, vec![0; 6_000_000]).expect("written");
    let worker = database.worker("run");
    work(&worker, 0..5).await;
    // The journal fills the disk with texts that cannot be compressed.
    let mut failed = None;
    for n in 5..400_u32 {
        assert!(matches!(worker.claim(wanted(n)).await, Ok(Claim::Granted)) || n > 5);
        let noise: String = (0..6000_u64)
            .map(|at| {
                format!("{:016x}", (at + u64::from(n) * 6000).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17))
            })
            .collect();
        if let Err(error) = worker.store(call(n, &noise), true).await {
            failed = Some((n, error.to_string()));
            break;
        }
    }
    let (n, error) = failed.expect("the disk is full");
    assert!(error.contains("could not extend file"), "{error}");
    let stored = database.count("SELECT count(*) FROM intercascade.calls");
    assert_eq!(stored, n as usize, "all or nothing");
    assert_eq!(database.count("SELECT sum(calls) FROM intercascade.spend"), stored);
    // With space again, the same worker goes on.
    std::fs::remove_file(&ballast).expect("removed");
    worker.store(call(n, "short"), true).await.expect("stored");
    work(&worker, 1000..1005).await;
}
