//! Items of a data set: query, target and group.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Id of an item within its data set: the file's `id` field, or the zero-based row number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ItemId(pub Arc<str>);

impl From<&str> for ItemId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl From<String> for ItemId {
    fn from(id: String) -> Self {
        Self(id.into())
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Gold answer of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Number, as written after `####` in the data set.
    Number(String),
    /// Expression in `LaTeX` that is not a number: a term, an interval, a list.
    Expression(String),
    /// No answer exists, because the question lacks information.
    Unanswerable,
    /// Zero-based index of the correct option in [`Item::options`].
    Choice(usize),
}

/// Row of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Id, unique within the data set.
    pub id: ItemId,
    /// Group. Items of one group are variants of one problem. An item without variants is the only item of its group.
    pub group: Arc<str>,
    /// Question, without its options.
    pub query: String,
    /// Options of a multiple-choice item, in the order of the data set. Empty for a math item.
    pub options: Vec<String>,
    /// Gold answer.
    pub target: Target,
    /// Worked solution or explanation from the data set. `None` if the data set has none.
    pub solution: Option<String>,
    /// Category in the data set: a subject of MMLU, a kind of perturbation of GSM-Plus. `None` if the data set has
    /// none.
    pub subject: Option<Arc<str>>,
}
