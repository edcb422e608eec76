//! Errors of a table, one of its rows, or a cell.

/// The reason why a table, a row or a cell cannot be used. The text does not name the location, which the caller
/// adds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// A row is not JSON.
    #[error("not a JSON object: {error} (column {column}){hint}")]
    Json {
        /// Message of the parser.
        error: String,
        /// Column at which the parser stopped, from one.
        column: usize,
        /// Text to write instead, with a leading `; `. Empty if unknown.
        hint: String,
    },
    /// A row is JSON but not an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// A text is not UTF-8. The message names the probable encoding and the command that converts it.
    #[error("{0}")]
    Encoding(String),
    /// A header has no usable columns.
    #[error("{0}")]
    Header(String),
    /// A row of a CSV has more or fewer cells than the header.
    #[error("has {found} fields, not {expected}")]
    Cells {
        /// Number of cells in the row.
        found: usize,
        /// Number of cells in the header.
        expected: usize,
    },
    /// A JSON object has the same name twice.
    #[error("the field `{0}` is given twice: remove one of the two")]
    Repeated(String),
    /// Two spellings of a field's name have a value.
    #[error("is given twice, as `{first}` and as `{second}`: rename one of the two")]
    Spellings {
        /// The first spelling.
        first: String,
        /// The second spelling.
        second: String,
    },
    /// A requested field cannot be used.
    #[error("field `{name}`: {error}")]
    Field {
        /// Name of the field.
        name: String,
        /// Reason.
        error: Box<TableError>,
    },
    /// Cells of this type cannot be read.
    #[error("values of the type {0} cannot be read: write the column as text or numbers")]
    Type(String),
    /// A cell holds NaN or an infinity.
    #[error("holds {0}, which is not a number: write a number, or null if there is none")]
    NotFinite(String),
    /// A cell's bytes are not UTF-8.
    #[error("holds bytes that are not UTF-8 text: write the column as text")]
    NotUtf8,
    /// A decimal has more places than the program can compute with.
    #[error("is a decimal with {0} places, which is too many")]
    DecimalPlaces(usize),
    /// A cell holds a date or time that does not exist.
    #[error("holds a date or time out of range")]
    Date,
    /// A decoder panicked; the first line of its message.
    #[error("the file is damaged or written in an unknown way ({0})")]
    Damaged(String),
    /// A parquet file cannot be read; the decoder's message.
    #[error("{0}")]
    Parquet(String),
    /// A file has no columns.
    #[error("the file has no columns")]
    NoColumns,
    /// A file has two columns with the same name.
    #[error("the file has two columns `{0}`: rename one")]
    TwoColumns(String),
    /// A column lies outside the file.
    #[error("column {0}: the file is damaged (too short for this column)")]
    Truncated(String),
    /// A file claims an impossible number of rows.
    #[error("the file claims to have {0} rows")]
    Rows(usize),
    /// A column cannot be read.
    #[error("column {name}: {error}")]
    Column {
        /// Name of the column.
        name: String,
        /// Reason.
        error: Box<TableError>,
    },
    /// A column has fewer rows than its file.
    #[error("column {0}: this row is missing")]
    MissingCell(String),
}
