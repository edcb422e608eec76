//! Configs for tests: a base config without dependencies, and changes to it.

use toml::{Table, Value};

/// Both levels simulated, all arms, two orders, and answers so short that a fee limit is soon reached.
const SIMULATED: &str = r#"
name = "trial"
seed = 7
arms = ["weak-only", "strong-only", "cascade", "inter-cascade", "inter-cascade-random"]
levels = ["small", "large"]

[dataset]
path = "questions.jsonl"
orders = 2

[deferral]
threshold = 0.7

[learning]
k = 2
embedder = "hashed-words"

[[model]]
name = "small"
backend = "simulated"
simulated = { accuracy = 0.5, gain = 0.4 }
max_tokens = 16
price = { input = 0.1, output = 0.4 }

[[model]]
name = "large"
backend = "simulated"
simulated = { accuracy = 0.9 }
max_tokens = 32
price = { input = 2.5, output = 10.0 }
"#;

/// Config under construction.
#[derive(Clone)]
pub(crate) struct Settings(Table);

impl Settings {
    /// Returns a config with simulated levels and `questions.jsonl`.
    pub(crate) fn simulated() -> Self {
        Self::read(SIMULATED)
    }

    /// Like `simulated`, with the data set's own solutions as strong level and tokens counted in words.
    pub(crate) fn reference() -> Self {
        let entry = "name = 'large'\nbackend = 'reference'\ntokenizer = 'words'\n\
                     price = { input = 2.5, output = 10.0, nominal = true }";
        Self::simulated().model("large", entry)
    }

    pub(crate) fn read(text: &str) -> Self {
        Self(toml::from_str(text).expect("TOML"))
    }

    /// Sets the value at `key.path`. A `[[model]]` is addressed by name, as in `model.small.price`.
    pub(crate) fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        let (table, last) = self.table_and_key(key);
        table.insert(last.to_owned(), value.into());
        self
    }

    /// Removes the value at `key.path`.
    pub(crate) fn without(mut self, key: &str) -> Self {
        let (table, last) = self.table_and_key(key);
        table.remove(last).expect("there before");
        self
    }

    /// Replaces the `[[model]]` of this name by the entry in `entry`.
    pub(crate) fn model(mut self, name: &str, entry: &str) -> Self {
        let (table, _) = self.table_and_key(&format!("model.{name}.name"));
        *table = toml::from_str(entry).expect("TOML");
        self
    }

    pub(crate) fn text(&self) -> String {
        toml::to_string(&self.0).expect("TOML")
    }

    /// Returns the table that contains a key, and the last part of the key.
    fn table_and_key<'a>(&mut self, key: &'a str) -> (&mut Table, &'a str) {
        let (parents, last) = key.rsplit_once('.').unwrap_or(("", key));
        let mut table = &mut self.0;
        let mut parts = parents.split('.').filter(|part| !part.is_empty());
        while let Some(part) = parts.next() {
            let entry = table.entry(part).or_insert_with(|| Value::Table(Table::new()));
            table = match entry {
                Value::Array(entries) => named(entries, parts.next().expect("a model's name")),
                Value::Table(table) => table,
                other => panic!("{key}: {other} is no table"),
            };
        }
        (table, last)
    }
}

fn named<'a>(entries: &'a mut [Value], name: &str) -> &'a mut Table {
    let tables = entries.iter_mut().filter_map(Value::as_table_mut);
    tables.into_iter().find(|table| table["name"].as_str() == Some(name)).expect("a model of that name")
}
