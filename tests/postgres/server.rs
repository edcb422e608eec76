//! A `PostgreSQL` server on loopback, in a temporary folder, that tests start, kill and restart.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use intercascade::gateway::NoticeHandler;
use intercascade::gateway::journal::address::ServerAddress;
use intercascade::gateway::journal::copies;
use intercascade::gateway::journal::postgres::PostgresJournal;
use intercascade::gateway::journal::shared::Scope;
use tempfile::TempDir;

/// Longest time until a server is up.
const PATIENCE: Duration = Duration::from_mins(1);

/// The server that tests share which do not harm it. Each test has a database of its own.
static SHARED: LazyLock<Server> = LazyLock::new(|| Server::start(&[]));

/// A running server.
pub(crate) struct Server {
    folder: TempDir,
    port: u16,
    process: Option<Child>,
    /// Ends the server when this pipe closes, at the latest with the tests: statics are never dropped.
    watch: Option<Child>,
    arguments: Vec<String>,
}

/// A database with the tables of a journal.
pub(crate) struct Database {
    pub(crate) port: u16,
    pub(crate) name: String,
}

/// Returns a command of `PostgreSQL` as a user that may run it: the server refuses to run as root.
fn command(program: &str) -> Command {
    let folders = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = folders.map(|entry| entry.path().join("bin").join(program)).collect();
    found.sort();
    let path = found.into_iter().rfind(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(program));
    let mut command = Command::new(path);
    if is_root() {
        let id = |flag: &str| -> u32 {
            let output = Command::new("id").args([flag, "postgres"]).output().expect("id");
            String::from_utf8_lossy(&output.stdout).trim().parse().expect("the user postgres exists")
        };
        command.uid(id("-u")).gid(id("-g"));
    }
    command.current_dir("/").stdin(Stdio::null());
    command
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("id");
    output.stdout.starts_with(b"0")
}

/// Runs a command to its end.
fn run(mut command: Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; install PostgreSQL"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

impl Server {
    /// Creates a cluster and starts its server with further settings (`name=value`).
    pub(crate) fn start(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        if is_root() {
            let mut chown = Command::new("chown");
            chown.arg("postgres").arg(folder.path());
            run(chown);
        }
        let mut initdb = command("initdb");
        initdb.args(["-U", "owner", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale", "C", "-D"]);
        initdb.arg(folder.path().join("data"));
        run(initdb);
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
        let arguments = settings.iter().flat_map(|setting| ["-c".to_owned(), (*setting).to_owned()]).collect();
        let mut server = Self { folder, port, process: None, watch: None, arguments };
        server.restart();
        server
    }

    /// Starts the server again after [`Self::kill`].
    pub(crate) fn restart(&mut self) {
        let began = Instant::now();
        loop {
            let mut postgres = command("postgres");
            postgres.arg("-D").arg(self.data()).args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
            postgres.arg("-k").arg(self.folder.path()).args(["-c", "max_connections=200"]).args(&self.arguments);
            let log = std::fs::File::options().create(true).append(true).open(self.log()).expect("a log");
            let mut process = postgres.stdout(Stdio::null()).stderr(log).spawn().expect("install PostgreSQL");
            while process.try_wait().expect("a process").is_none() {
                if self.is_up() {
                    let mut watch = Command::new("sh");
                    watch.args(["-c", "read _; kill -QUIT $0 2>/dev/null", &process.id().to_string()]);
                    self.watch = Some(watch.stdin(Stdio::piped()).spawn().expect("a shell"));
                    self.process = Some(process);
                    return;
                }
                assert!(began.elapsed() < PATIENCE, "{}", std::fs::read_to_string(self.log()).unwrap_or_default());
                std::thread::sleep(Duration::from_millis(20));
            }
            // The processes of a killed server may still end.
            assert!(began.elapsed() < PATIENCE, "{}", std::fs::read_to_string(self.log()).unwrap_or_default());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn is_up(&self) -> bool {
        let mut ready = command("pg_isready");
        ready.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        ready.status().expect("pg_isready").success()
    }

    /// Kills all processes of the server without warning, as if the machine had lost its power.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().expect("it runs");
        // Stopped first, it cannot react to the end of the others.
        let id = process.id().to_string();
        Command::new("kill").args(["-STOP", &id]).status().expect("kill");
        Command::new("pkill").args(["-KILL", "-P", &id]).status().expect("pkill");
        process.kill().expect("killed");
        process.wait().expect("ended");
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Creates a database with the tables of a journal.
    pub(crate) fn database(&self) -> Database {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("calls{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let database = Database { port: self.port, name };
        Database { port: self.port, name: "postgres".to_owned() }.sql(&format!("CREATE DATABASE {}", database.name));
        copies::prepare(&database.address(""), None).expect("tables");
        database
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut watch) = self.watch.take() {
            drop(watch.stdin.take());
            let _ = watch.wait();
        }
        if let Some(process) = &mut self.process {
            let _ = process.wait();
        }
    }
}

impl Database {
    /// Creates a database on the server that tests share.
    pub(crate) fn new() -> Self {
        SHARED.database()
    }

    /// Address of the database for its owner, with settings such as `lease_s=1`.
    pub(crate) fn url(&self, settings: &str) -> String {
        self.url_as("owner", settings)
    }

    pub(crate) fn url_as(&self, role: &str, settings: &str) -> String {
        let Self { port, name } = self;
        format!("postgres://{role}@127.0.0.1:{port}/{name}?{settings}").trim_end_matches('?').to_owned()
    }

    pub(crate) fn address(&self, settings: &str) -> ServerAddress {
        self.url(settings).parse().expect("an address")
    }

    /// Opens the journal as a worker of the run `run`.
    pub(crate) fn worker(&self, run: &str) -> Arc<PostgresJournal> {
        self.worker_of(Scope { run: run.to_owned(), ..Scope::default() })
    }

    pub(crate) fn worker_of(&self, scope: Scope) -> Arc<PostgresJournal> {
        Arc::new(PostgresJournal::connect(&self.address(""), Some(scope), silent()).expect("connected"))
    }

    /// Runs SQL as the owner and returns the rows, without alignment.
    pub(crate) fn sql(&self, sql: &str) -> String {
        let mut psql = command("psql");
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "owner"]);
        psql.args(["-p", &self.port.to_string(), "-d", &self.name, "-c", sql]);
        run(psql).trim().to_owned()
    }

    /// Number that a query returns.
    pub(crate) fn count(&self, query: &str) -> usize {
        self.sql(query).parse().expect(query)
    }
}

/// A handler that ignores notices.
pub(crate) fn silent() -> NoticeHandler {
    Arc::new(|_, _| {})
}
