//! The journal of calls: every answer is stored under the hash of all that determines it, durably, before it is
//! used. Resuming, sharing calls between arms and offline replay are look-ups here. One `SQLite` file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Model, ModelError};
use crate::analysis::price::{Fee, Price};
use crate::types::chat::{Mode, Request, Response, Usage};

/// The version of the tables below.
const SCHEMA: i64 = 1;
/// What a server's chat template may add to the messages.
const TEMPLATE_BYTES: usize = 256;

/// Hash of all that determines an answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallKey(pub String);

/// An open journal.
pub struct Journal {
    path: PathBuf,
    connection: Mutex<Connection>,
    made: AtomicU64,
}

impl Journal {
    /// Opens the journal at `path`, or begins one.
    ///
    /// # Errors
    /// Names the file where it is damaged, of another version, or cannot be opened.
    pub fn open(path: &Path) -> Result<Self> {
        let connection = Connection::open(path).and_then(|c| prepare(&c).map(|()| c));
        let connection = connection.with_context(|| format!("cannot open the journal {}", path.display()))?;
        let health: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if health != "ok" {
            bail!(
                "the journal {} is damaged ({health}); recover it with the sqlite3 tool or name another --out",
                path.display()
            );
        }
        let version: i64 = connection.query_row("SELECT version FROM schema", [], |row| row.get(0))?;
        if version != SCHEMA {
            bail!("the journal {} has schema version {version}, and this program reads {SCHEMA}", path.display());
        }
        Ok(Self { path: path.to_owned(), connection: Mutex::new(connection), made: AtomicU64::new(0) })
    }

    /// Calls that were really made since the journal was opened.
    #[must_use]
    pub fn calls_made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// Tokens of all calls in the journal, by the model's name.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn usage(&self) -> Result<BTreeMap<String, Usage>> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let mut statement = connection.prepare("SELECT model, response FROM calls")?;
        let mut rows = statement.query([])?;
        let mut sums: BTreeMap<String, Usage> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let response: Response = serde_json::from_str(&row.get::<_, String>(1)?)?;
            let sum = sums.entry(row.get(0)?).or_default();
            *sum = sum.plus(response.usage);
        }
        Ok(sums)
    }

    fn get(&self, key: &CallKey) -> Result<Option<Response>> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let text: Option<String> = connection
            .prepare_cached("SELECT response FROM calls WHERE key = ?1")?
            .query_row([&key.0], |row| row.get(0))
            .optional()?;
        text.map(|text| serde_json::from_str(&text).with_context(|| format!("call {} is not readable", key.0)))
            .transpose()
    }

    fn put(&self, key: &CallKey, model: &str, request: &str, response: &Response) -> Result<()> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        connection
            .prepare_cached("INSERT OR IGNORE INTO calls (key, model, request, response, made) VALUES (?1, ?2, ?3, ?4, unixepoch())")?
            .execute(params![key.0, model, request, serde_json::to_string(response)?])?;
        Ok(())
    }
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_secs(30))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // An answer that was paid for must survive a power cut the moment it is used.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(
        "BEGIN IMMEDIATE;
         CREATE TABLE IF NOT EXISTS schema (version INTEGER NOT NULL);
         INSERT INTO schema SELECT 1 WHERE NOT EXISTS (SELECT * FROM schema);
         CREATE TABLE IF NOT EXISTS calls (
             key TEXT PRIMARY KEY, model TEXT NOT NULL, request TEXT NOT NULL, response TEXT NOT NULL,
             made INTEGER NOT NULL
         ) WITHOUT ROWID;
         COMMIT;",
    )
}

/// A model whose calls go through the journal and, where there is a fee limit, past it.
#[derive(Clone)]
pub struct Journaled {
    name: String,
    model: Arc<dyn Model>,
    journal: Arc<Journal>,
    budget: Option<(Price, Arc<Budget>)>,
}

/// A run's fee limit and what has been spent of it, over all models and sessions of the run.
pub struct Budget {
    limit_usd: f64,
    spent: Mutex<Fee>,
}

impl Budget {
    /// A limit of which `spent` is gone already.
    #[must_use]
    pub fn new(limit_usd: f64, spent: Fee) -> Self {
        Self { limit_usd, spent: Mutex::new(spent) }
    }

    /// Lets a call pass that costs `worst` at most.
    fn allow(&self, worst: Fee) -> Result<(), ModelError> {
        let spent = *self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.plus(worst).usd() <= self.limit_usd {
            return Ok(());
        }
        Err(ModelError::FeeLimit(format!(
            "limits.max_fee_usd = {} would be passed: {:.6} USD are spent and the next call could cost {:.6}; raise the limit and run again to go on",
            self.limit_usd,
            spent.usd(),
            worst.usd()
        )))
    }

    fn spend(&self, fee: Fee) {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        *spent = spent.plus(fee);
    }
}

/// The most that a request can cost: no token is shorter than a byte, and the answer is no longer than its limit.
fn worst_fee(price: &Price, request: &Request) -> Fee {
    let bytes: usize = request.messages.iter().map(|message| message.content.len()).sum();
    let output = match &request.mode {
        Mode::Generate { max_tokens, .. } => u64::from(*max_tokens),
        Mode::Score { .. } => 0,
    };
    price.fee(Usage { input: (bytes + TEMPLATE_BYTES) as u64, cached_input: 0, output })
}

impl Journaled {
    /// Puts `journal` in front of `model`, which stands as `name` in the config.
    #[must_use]
    pub fn new(name: &str, model: Arc<dyn Model>, journal: Arc<Journal>) -> Self {
        Self { name: name.to_owned(), model, journal, budget: None }
    }

    /// Makes every call that is not in the journal pass the fee limit, at the model's `price`.
    #[must_use]
    pub fn within(self, price: Price, budget: Arc<Budget>) -> Self {
        Self { budget: Some((price, budget)), ..self }
    }

    /// The stored answer, or the model's, stored.
    ///
    /// # Errors
    /// Those of the model; [`ModelError::Unavailable`] where the journal cannot be read or written.
    pub async fn call(&self, request: &Request) -> Result<(CallKey, Response), ModelError> {
        let canonical = json!({
            "identity": self.model.identity(request),
            "messages": request.messages,
            "mode": request.mode,
            "distil": request.distil,
            "draw": request.draw,
        })
        .to_string();
        let key = CallKey(hex::encode(Sha256::digest(canonical.as_bytes())));
        let broken = |error: anyhow::Error| {
            ModelError::Unavailable(format!("the journal {} failed: {error:#}", self.journal.path.display()))
        };
        if let Some(response) = self.journal.get(&key).map_err(broken)? {
            return Ok((key, response));
        }
        if let Some((price, budget)) = &self.budget {
            budget.allow(worst_fee(price, request))?;
        }
        let response = self.model.call(request).await?;
        if let Some((price, budget)) = &self.budget {
            budget.spend(price.fee(response.usage));
        }
        self.journal.put(&key, &self.name, &canonical, &response).map_err(broken)?;
        self.journal.made.fetch_add(1, Ordering::Relaxed);
        Ok((key, response))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entry::Behaviour;
    use crate::model::simulated::Simulated;
    use crate::types::item::{Item, ItemId, Target};
    use crate::types::seed::Seed;

    fn model(folder: &Path) -> Journaled {
        let item = Item {
            id: ItemId("0".into()),
            group: "g".into(),
            query: "q".into(),
            options: Vec::new(),
            target: Target::Number("1".into()),
            solution: None,
        };
        let behaviour = Behaviour { accuracy: 0.5, gain: 0.0, unreadable: 0.0 };
        let journal = Arc::new(Journal::open(&folder.join("journal.sqlite")).expect("opens"));
        Journaled::new("s", Arc::new(Simulated::new("s", behaviour, &[item], Seed(1))), journal)
    }

    fn request(draw: u32) -> Request {
        let mode = Mode::Generate { max_tokens: 9, temperature: 0.0, stop: vec![], logprobs: true, calculator: false };
        Request { item: ItemId("0".into()), messages: vec![], mode, distil: false, draw }
    }

    #[tokio::test]
    async fn a_call_is_made_once_and_survives_the_process() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = model(folder.path());
        let answered = first.call(&request(0)).await.expect("answers");
        assert_eq!(first.call(&request(0)).await.expect("answers"), answered);
        assert_eq!(first.journal.calls_made(), 1);
        drop(first);
        let second = model(folder.path());
        assert_eq!(second.call(&request(0)).await.expect("answers"), answered, "bit for bit, floats included");
        assert_eq!(second.journal.calls_made(), 0);
        second.call(&request(1)).await.expect("answers");
        assert_eq!(second.journal.calls_made(), 1, "another draw is another call");
    }

    #[tokio::test]
    async fn a_call_that_could_pass_the_fee_limit_is_not_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let price = Price { input: 0.0, cached_input: None, output: 1.0, read: None, nominal: false };
        // Each request may write 9 tokens and writes 5: after two calls a third could pass 16.
        let budget = Arc::new(Budget::new(16e-6, Fee::default()));
        let model = model(folder.path()).within(price, budget);
        for draw in 0..2 {
            let (_, response) = model.call(&request(draw)).await.expect("within the limit");
            assert_eq!(response.usage.output, 5, "{}", response.text);
        }
        assert!(matches!(model.call(&request(2)).await, Err(ModelError::FeeLimit(_))));
        model.call(&request(1)).await.expect("what is in the journal costs nothing");
        assert_eq!(model.journal.calls_made(), 2);
        assert_eq!(model.journal.usage().expect("readable")["s"].output, 10);
    }

    #[test]
    fn a_file_that_is_no_journal_is_refused_and_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal.sqlite");
        std::fs::write(&path, "these are not the bytes of a database, but somebody's notes").expect("written");
        let error = Journal::open(&path).err().expect("refused");
        assert!(format!("{error:#}").contains("journal.sqlite"), "{error:#}");
        assert!(std::fs::read_to_string(&path).expect("still there").starts_with("these"));
    }
}
