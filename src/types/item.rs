//! The rows of a data set: what is asked, what counts as right, and how items hang together.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Identifies an item within its data set: the file's `id` field, else its zero-based row number.
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

/// What the right answer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A number, written as in the data set's `#### N`.
    Number(String),
    /// What is no number, in `LaTeX`: a term, an interval, a list.
    Expression(String),
    /// That the question has no answer, since it tells too little.
    Unanswerable,
    /// The zero-based index of the right one among [`Item::options`].
    Choice(usize),
}

/// One row of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Unique within the data set.
    pub id: ItemId,
    /// Items of one group are variants of one problem; an item without siblings is its own group.
    pub group: Arc<str>,
    /// The question, without its options.
    pub query: String,
    /// The options of a multiple-choice item in the data set's order; empty for a math item.
    pub options: Vec<String>,
    /// The right answer.
    pub target: Target,
    /// The data set's own worked solution or explanation, where it has one.
    pub solution: Option<String>,
    /// What the data set files it under: a subject of MMLU, a kind of perturbation of GSM-Plus.
    pub subject: Option<Arc<str>>,
}
