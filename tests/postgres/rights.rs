//! Tables and their versions, roles, passwords and encryption.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use intercascade::gateway::journal::copies;
use intercascade::gateway::journal::postgres::PostgresJournal;
use intercascade::gateway::journal::shared::{Claim, Scope, SharedCalls};

use crate::server::{Database, Server, silent};
use crate::support::{Project, Settings, holds, repository};
use crate::workers::{call, wanted};

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_needs_few_rights() {
    let database = Database::new();
    database.sql("CREATE ROLE little LOGIN");
    let refused = PostgresJournal::connect(
        &database.url_as("little", "").parse().expect("an address"),
        Some(Scope::default()),
        silent(),
    );
    assert!(refused.err().expect("no rights").to_string().contains("cannot read the journal"));
    assert_eq!(copies::prepare(&database.address(""), Some("little")).expect("prepared"), Some(1));
    let address = database.url_as("little", "").parse().expect("an address");
    let worker = PostgresJournal::connect(&address, Some(Scope::default()), silent()).expect("connected");
    assert!(matches!(worker.claim(wanted(1)).await.expect("a claim"), Claim::Granted));
    worker.store(call(1, "a"), true).await.expect("stored");
    worker.record_unanswered(&wanted(2).key, "m", "cut off", wanted(2).worst);
    worker.put_embeddings("e", &[]).await.expect("stored");
    assert_eq!(worker.account(true).expect("an account").lost["m"].calls, 1);
    let rights = "SELECT string_agg(table_name || ' ' || privilege_type, ', ' ORDER BY 1)
        FROM information_schema.role_table_grants WHERE grantee = 'little'
        AND (privilege_type IN ('TRUNCATE', 'REFERENCES', 'TRIGGER') OR privilege_type = 'DELETE')";
    assert_eq!(database.sql(rights.replace('\n', " ").as_str()), "claims DELETE", "no stored call can be deleted");
    let created = copies::prepare(&address, None);
    assert!(
        format!("{:#}", created.err().expect("no right")).contains("permission denied"),
        "a worker changes no table"
    );
}

#[test]
fn tables_of_another_version_are_not_used() {
    let database = Database::new();
    let project = Project::with(&Settings::simulated());
    let run = || project.trial("out", &["--journal", &database.url("")]).refused();
    database.sql("UPDATE intercascade.version SET version = 99");
    holds(&run(), &["has version 99", "use a newer one"]);
    assert!(copies::prepare(&database.address(""), None).expect_err("newer").to_string().contains("version 99"));
    database.sql("DROP SCHEMA intercascade CASCADE");
    holds(&run(), &["holds no journal", "intercascade journal prepare postgres://owner@127.0.0.1"]);
    let prepared = project.run(&["journal", "prepare", &database.url("")]).done();
    holds(&prepared.out, &["the tables were created"]);
    project.trial("out", &["--journal", &database.url("")]).done();
}

#[test]
fn passwords_come_from_the_environment_or_a_private_file() {
    let server = Server::start(&[]);
    let database = server.database();
    database.sql("CREATE ROLE worker LOGIN PASSWORD 'se:cret'");
    copies::prepare(&database.address(""), Some("worker")).expect("prepared");
    let hba = server.data().join("pg_hba.conf");
    std::fs::write(&hba, "host all owner 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        .expect("written");
    database.sql("SELECT pg_reload_conf()");
    let project = Project::with(&Settings::simulated());
    let run = |url: &str, variable: (&str, &str)| {
        let mut command = project.command();
        command.args(["run", "--config", "trial.toml", "--out", "out", "--alone", "--journal", url]);
        command.env("HOME", project.path("home")).env_remove("PGPASSWORD").env(variable.0, variable.1);
        crate::support::CommandOutput::of(&mut command)
    };
    let url = database.url_as("worker", "");
    holds(&run(&url, ("A", "")).refused(), &["cannot connect to the journal", "password"]);
    let wrong = run(&url, ("PGPASSWORD", "wr0ng")).refused();
    holds(&wrong, &["password authentication failed"]);
    assert!(!wrong.contains("wr0ng"));
    project.write("passwords", format!("127.0.0.1:*:{}:worker:se\\:cret\n", database.name));
    let file = project.path("passwords");
    let file_name = file.to_string_lossy().into_owned();
    std::fs::set_permissions(&file, Permissions::from_mode(0o644)).expect("set");
    holds(&run(&url, ("PGPASSFILE", &file_name)).refused(), &["other users may read", "chmod 600"]);
    std::fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("set");
    run(&url, ("PGPASSFILE", &file_name)).done();
    run(&url, ("PGPASSWORD", "se:cret")).done();
    let secret = url.replace("worker@", "worker:se:cret@");
    let refused = run(&secret, ("A", "")).refused();
    assert!(refused.contains("PGPASSWORD"), "{refused}");
    assert!(
        project
            .files()
            .iter()
            .all(|(name, bytes)| { name == "passwords" || !bytes.windows(7).any(|window| window == b"se:cret") })
    );
}

#[test]
fn an_encrypted_connection_needs_a_trusted_certificate() {
    let tls = repository().join("tests/fixtures/tls");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("set");
    let copy = |name: &str| {
        let to = folder.path().join(name);
        std::fs::copy(tls.join(name), &to).expect("copied");
        std::fs::set_permissions(&to, Permissions::from_mode(0o600)).expect("set");
        std::process::Command::new("chown").arg("postgres").arg(&to).status().expect("chown");
        to
    };
    let (certificate, key) = (copy("signed.pem"), copy("signed.key"));
    let server = Server::start(&[
        "ssl=on",
        &format!("ssl_cert_file={}", certificate.display()),
        &format!("ssl_key_file={}", key.display()),
    ]);
    let database = server.database();
    let connect = |settings: &str| {
        PostgresJournal::connect(&database.address(settings), Some(Scope::default()), silent()).map(|_| ())
    };
    let refused = format!("{:#}", connect("sslmode=require").expect_err("unknown authority"));
    assert!(refused.contains("certificate"), "{refused}");
    connect(&format!("sslmode=require&sslrootcert={}", tls.join("ca.pem").display())).expect("trusted");
    assert_eq!(database.count("SELECT count(*) FROM intercascade.workers"), 1);
    let plain = Database::new();
    let refused = PostgresJournal::connect(&plain.address("sslmode=require"), Some(Scope::default()), silent());
    let refused = format!("{:#}", refused.err().expect("the server has no TLS"));
    assert!(refused.contains("TLS"), "{refused}");
}
