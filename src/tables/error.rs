//! What can be wrong with a table, one of its rows, or a cell.

/// Why a table, a row or a cell cannot be used. The text says what is wrong, not where: the caller knows that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// A row is no JSON, and why not.
    #[error("not a JSON object: {error} (column {column}){hint}")]
    Json {
        /// What the parser says.
        error: String,
        /// The column at which it stopped, from one.
        column: usize,
        /// What to write instead; empty if that is not known.
        hint: String,
    },
    /// A row is JSON and no object.
    #[error("not a JSON object")]
    NoObject,
    /// A text is not UTF-8; the encoding that it seems to have, and the command that converts it.
    #[error("{0}")]
    Encoding(String),
    /// A header names no usable columns.
    #[error("{0}")]
    Header(String),
    /// A row of a CSV has more or fewer cells than the header.
    #[error("has {found} fields, not {wanted}")]
    Cells {
        /// Cells of the row.
        found: usize,
        /// Cells of the header.
        wanted: usize,
    },
    /// A JSON object has one name twice.
    #[error("the field `{0}` is given twice: remove one of the two")]
    Twice(String),
    /// Two spellings of a field's name have a value.
    #[error("is given twice, as `{first}` and as `{second}`: rename one of the two")]
    Spellings {
        /// The spelling that stands first.
        first: String,
        /// The other.
        second: String,
    },
    /// A field that is wanted cannot be used.
    #[error("field `{name}`: {error}")]
    Field {
        /// The field.
        name: String,
        /// What is wrong with it.
        error: Box<TableError>,
    },
    /// Cells of this type are not read.
    #[error("values of the type {0} are not read: write the column as text or numbers")]
    Type(String),
    /// A cell holds a number that is none, as it is written.
    #[error("holds {0}, which is no number: write a number, or null if there is none")]
    NoNumber(String),
    /// A cell's bytes are no text.
    #[error("holds bytes that are no text in UTF-8: write the column as text")]
    NoText,
    /// A decimal has more places than can be computed with.
    #[error("is a decimal of {0} places, which are too many")]
    Places(usize),
    /// A cell holds no date or time that there is.
    #[error("holds a date or time out of range")]
    Date,
    /// A decoder panicked; its first words.
    #[error("it is damaged, or written in a way that is not known ({0})")]
    Damaged(String),
    /// A parquet file cannot be read, in the decoder's words.
    #[error("{0}")]
    Parquet(String),
    /// A file has no columns.
    #[error("it has no columns")]
    NoColumns,
    /// A file has two columns of one name.
    #[error("it has two columns `{0}`: rename one")]
    TwoColumns(String),
    /// A column lies outside the file.
    #[error("column {0}: it is damaged (the file is too short for it)")]
    Short(String),
    /// A file has more rows than can be.
    #[error("it says that it has {0} rows")]
    Rows(usize),
    /// A column cannot be read.
    #[error("column {name}: {error}")]
    Column {
        /// The column.
        name: String,
        /// What is wrong with it.
        error: Box<TableError>,
    },
    /// A column is shorter than its file.
    #[error("column {0}: it has no such row")]
    NoRow(String),
}
