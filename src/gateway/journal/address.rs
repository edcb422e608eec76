//! The address of a journal on a `PostgreSQL` server, and the password, which is read from the environment or from
//! `.pgpass` and is never part of the address.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::Url;
use secrecy::SecretString;

/// Port of a server whose address has none.
const PORT: u16 = 5432;
/// Time without a sign of life after which a worker loses its claims.
const LEASE: Duration = Duration::from_mins(1);
/// Time for which a run waits for a server that has gone away.
const PATIENCE: Duration = Duration::from_mins(10);

/// Place of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalPlace {
    /// A journal's file, an export, or a folder of exports.
    File(PathBuf),
    /// A database on a server.
    Server(ServerAddress),
}

impl fmt::Display for JournalPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Server(address) => write!(f, "{address}"),
        }
    }
}

/// Address of a journal on a `PostgreSQL` server: `postgres://USER@HOST:PORT/DATABASE`, with settings as its query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress {
    /// Name or IP address of the server, or the folder of its socket, which begins with `/`.
    pub host: String,
    /// Port of the server.
    pub port: u16,
    /// Role that connects.
    pub user: String,
    /// Name of the database.
    pub database: String,
    /// True if the connection is encrypted, and the server's certificate verified.
    pub tls: bool,
    /// File (PEM) with a certificate that is trusted in addition to those of the machine.
    pub ca_file: Option<PathBuf>,
    /// Time without a sign of life after which a worker loses its claims on calls.
    pub lease: Duration,
    /// Time for which a run waits for a server that has gone away.
    pub patience: Duration,
}

impl ServerAddress {
    /// True if the text is the address of a server and not a path.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        text.starts_with("postgres://") || text.starts_with("postgresql://")
    }

    /// Reads the password: from `PGPASSWORD`, else from the file `PGPASSFILE`, else from `.pgpass` in the home folder.
    /// `None` if none of them has one.
    ///
    /// # Errors
    /// If the file can be read by others, or cannot be read.
    pub fn password(&self) -> Result<Option<SecretString>> {
        if let Some(password) = env::var("PGPASSWORD").ok().filter(|password| !password.is_empty()) {
            return Ok(Some(password.into()));
        }
        let home = || env::home_dir().map(|home| home.join(".pgpass"));
        let Some(file) = env::var_os("PGPASSFILE").map(PathBuf::from).or_else(home).filter(|file| file.is_file())
        else {
            return Ok(None);
        };
        check_private(&file)?;
        let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(self.password_in(&text).map(Into::into))
    }

    /// Password of the first line of a `.pgpass` file that fits this address.
    fn password_in(&self, text: &str) -> Option<String> {
        let host = if self.host.starts_with('/') { "localhost" } else { &self.host };
        let port = self.port.to_string();
        let wanted = [host, &port, &self.database, &self.user];
        text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
            let fields = fields(line);
            let [place @ .., password] = fields.as_slice() else { return None };
            let fits = |(field, wanted): (&String, &&str)| field == "*" || field == wanted;
            (place.len() == wanted.len() && place.iter().zip(&wanted).all(fits)).then(|| password.clone())
        })
    }
}

/// Splits a line of `.pgpass` at its first four colons. A backslash makes the next character literal.
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut field) = (Vec::new(), String::new());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            ':' if fields.len() < 4 => fields.push(std::mem::take(&mut field)),
            '\\' => field.extend(characters.next()),
            character => field.push(character),
        }
    }
    fields.push(field);
    fields
}

/// Rejects a file of passwords that others may read, as `PostgreSQL`'s own programs do.
#[cfg(unix)]
fn check_private(file: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?.permissions().mode();
    if mode & 0o077 != 0 {
        bail!("other users may read the passwords in {0}: run chmod 600 {0}", file.display());
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_private(_: &Path) -> Result<()> {
    Ok(())
}

impl FromStr for ServerAddress {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        // With `host` as a setting, the place of the host may be empty, which is no URL.
        let complete = text.replacen("@/", "@localhost/", 1);
        let url = Url::parse(&complete).context("not an address of the form postgres://USER@HOST:PORT/DATABASE")?;
        if url.password().is_some() {
            bail!(
                "an address must not hold a password, because others can see it: put it into the variable PGPASSWORD or into \
                 ~/.pgpass"
            );
        }
        let decoded = |text: &str| percent_decoded(text).context("a part of the address is not UTF-8");
        let user = match url.username() {
            "" => env::var("PGUSER").or_else(|_| env::var("USER")).unwrap_or_default(),
            user => decoded(user)?,
        };
        if user.is_empty() {
            bail!("the address names no role: write postgres://USER@HOST:PORT/DATABASE");
        }
        let database = match url.path().trim_start_matches('/') {
            "" => user.clone(),
            database => decoded(database)?,
        };
        let host = url.host_str().unwrap_or("localhost").trim_matches(['[', ']']);
        let mut address = Self {
            host: decoded(host)?,
            port: url.port().unwrap_or(PORT),
            user,
            database,
            tls: false,
            ca_file: None,
            lease: LEASE,
            patience: PATIENCE,
        };
        let mut tls = None;
        for (key, value) in url.query_pairs() {
            match &*key {
                "host" => address.host = value.into_owned(),
                "sslmode" => tls = Some(encrypts(&value)?),
                "sslrootcert" => address.ca_file = Some(PathBuf::from(&*value)),
                "lease_s" => address.lease = seconds(&key, &value)?,
                "patience_s" => address.patience = seconds(&key, &value)?,
                _ => bail!(
                    "{key:?} is not a setting of a journal's address: use sslmode, sslrootcert, host, lease_s or patience_s"
                ),
            }
        }
        address.tls = tls.unwrap_or(!address.is_on_this_machine());
        Ok(address)
    }
}

impl ServerAddress {
    fn is_on_this_machine(&self) -> bool {
        let loopback = self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        loopback || self.host.starts_with('/') || self.host == "localhost"
    }
}

/// True if a mode of encryption encrypts. A mode that falls back to plain text is refused.
fn encrypts(mode: &str) -> Result<bool> {
    match mode {
        "disable" => Ok(false),
        "require" | "verify-ca" | "verify-full" => Ok(true),
        _ => bail!(
            "sslmode={mode} is not supported: use `require`, which also verifies the server's certificate, or `disable`"
        ),
    }
}

fn seconds(key: &str, value: &str) -> Result<Duration> {
    let seconds: f64 = value.parse().with_context(|| format!("{key}={value} is not a number of seconds"))?;
    if !(1.0..=86_400.0).contains(&seconds) {
        bail!("{key}={value} must be between 1 and 86400 seconds");
    }
    Ok(Duration::from_secs_f64(seconds))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

impl fmt::Display for ServerAddress {
    /// Writes the address without settings.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, user, database, .. } = self;
        if host.starts_with('/') {
            write!(f, "postgres://{user}@/{database}?host={host}")
        } else if host.contains(':') {
            write!(f, "postgres://{user}@[{host}]:{port}/{database}")
        } else {
            write!(f, "postgres://{user}@{host}:{port}/{database}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> ServerAddress {
        text.parse().expect(text)
    }

    fn refused(text: &str) -> String {
        text.parse::<ServerAddress>().expect_err(text).to_string()
    }

    #[test]
    fn an_address_has_defaults_and_settings() {
        let plain = address("postgres://worker@db.example.org/calls");
        assert_eq!(
            (&*plain.host, plain.port, &*plain.user, &*plain.database),
            ("db.example.org", 5432, "worker", "calls")
        );
        assert!(plain.tls, "a server elsewhere is reached by TLS");
        assert_eq!(plain.to_string(), "postgres://worker@db.example.org:5432/calls");
        let here = address("postgresql://worker@127.0.0.1:6000/calls?lease_s=5&patience_s=30");
        assert!(!here.tls);
        assert_eq!((here.lease.as_secs(), here.patience.as_secs()), (5, 30));
        assert!(address("postgres://w@127.0.0.1/c?sslmode=verify-full&sslrootcert=/ca.pem").tls);
        assert!(!address("postgres://w@10.0.0.1/c?sslmode=disable").tls);
        let socket = address("postgres://w@/c?host=/run/postgresql");
        assert_eq!((&*socket.host, socket.tls), ("/run/postgresql", false));
        assert_eq!(address(&socket.to_string()), socket);
        assert_eq!(address("postgres://w@[::1]:6000/c").to_string(), "postgres://w@[::1]:6000/c");
        assert_eq!(address("postgres://a%40b@h/c%2Fd").database, "c/d");
    }

    #[test]
    fn a_faulty_address_is_refused() {
        assert!(refused("postgres://worker:secret@db/calls").contains("PGPASSWORD"));
        assert!(!refused("postgres://worker:secret@db/calls").contains("secret"));
        assert!(refused("postgres://w@db/c?sslmode=prefer").contains("verifies"));
        assert!(refused("postgres://w@db/c?lease=5").contains("lease_s"));
        assert!(refused("postgres://w@db/c?lease_s=0").contains("between"));
        assert!(refused("postgres://w@db/c?lease_s=NaN").contains("between"));
    }

    #[test]
    fn the_first_fitting_line_of_a_password_file_counts() {
        let text = "# comment\ndb:5432:other:w:wrong\ndb:*:c:w:a\\:b\\\\c:d\n*:*:*:*:last\n";
        assert_eq!(address("postgres://w@db/c").password_in(text).as_deref(), Some("a:b\\c:d"));
        assert_eq!(address("postgres://v@db/c").password_in(text).as_deref(), Some("last"));
        assert_eq!(address("postgres://w@db/c").password_in("db:5432:c\n"), None);
        let socket = address("postgres://w@/c?host=/run/postgresql");
        assert_eq!(socket.password_in("localhost:5432:c:w:x").as_deref(), Some("x"));
    }
}
