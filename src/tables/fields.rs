//! The fields of one row by name: spelling, repeated names, and unusable cells.

use std::collections::HashSet;

use serde_json_borrow::{ObjectAsVec, Value};

use super::error::TableError;

/// Largest number of names that are compared pair by pair.
const FEW: usize = 24;

/// The fields of one row, in the file's order.
#[derive(Debug, Default)]
pub struct Fields<'a> {
    cells: ObjectAsVec<'a>,
    /// Names of unusable cells with the reasons; the cell itself is null.
    unusable: Vec<(&'a str, TableError)>,
}

impl<'a> Fields<'a> {
    /// Creates the fields of a row.
    ///
    /// # Errors
    /// Names a field that occurs twice, in the row or in an object inside it.
    pub fn new(cells: ObjectAsVec<'a>) -> Result<Self, TableError> {
        match repeated(&cells) {
            Some(name) => Err(TableError::Repeated(name)),
            None => Ok(Self { cells, unusable: Vec::new() }),
        }
    }

    /// Creates the fields of a row whose names are known to differ, with the reasons of unusable cells.
    #[must_use]
    pub(super) fn of_columns(cells: Vec<(&'a str, Value<'a>)>, unusable: Vec<(&'a str, TableError)>) -> Self {
        Self { cells: cells.into(), unusable }
    }

    /// Returns the value of a field; `None` if it is absent or null. Case and spaces in the name are ignored.
    ///
    /// # Errors
    /// The reason why the cell cannot be used, or the two spellings of the name that both have a value.
    pub fn get(&self, name: &str) -> Result<Option<&Value<'a>>, TableError> {
        if let Some((_, why)) = self.unusable.iter().find(|(column, _)| same_name(column, name)) {
            return Err(why.clone());
        }
        let mut found: Option<(&str, &Value<'a>)> = None;
        for (key, value) in self.cells.iter().filter(|(key, value)| same_name(key, name) && !value.is_null()) {
            if let Some((first, _)) = found.replace((key, value)) {
                return Err(TableError::Spellings { first: first.to_owned(), second: key.to_owned() });
            }
        }
        Ok(found.map(|(_, value)| value))
    }

    /// Returns the field's name as written in the file; `None` if the field is absent.
    #[must_use]
    pub fn spelling(&self, name: &str) -> Option<&str> {
        self.names().find(|key| *key == name).or_else(|| self.names().find(|key| same_name(key, name)))
    }

    /// Returns all names in the file's order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.cells.iter().map(|(name, _)| name)
    }
}

/// Returns true if two names are equal except for case, spaces, `_`, `-` and a byte order mark.
#[must_use]
pub fn same_name(one: &str, other: &str) -> bool {
    if let ([first, ..], [second, ..]) = (one.as_bytes(), other.as_bytes()) {
        let differ =
            first.is_ascii_alphanumeric() && second.is_ascii_alphanumeric() && !first.eq_ignore_ascii_case(second);
        if differ {
            return false;
        }
    }
    one == other || significant(one).eq(significant(other))
}

/// Returns the characters by which names are compared, in lower case.
pub fn significant(name: &str) -> impl Iterator<Item = char> + '_ {
    let counts = |c: &char| !(c.is_whitespace() || matches!(c, '_' | '-' | '\u{feff}' | '\u{200b}'));
    name.chars().filter(counts).flat_map(char::to_lowercase)
}

/// Returns a name that occurs twice in an object or in an object inside it.
fn repeated(object: &ObjectAsVec) -> Option<String> {
    let twice = if object.len() <= FEW {
        object.keys().enumerate().find(|(index, name)| object.keys().take(*index).any(|earlier| earlier == *name))
    } else {
        let mut seen = HashSet::new();
        object.keys().enumerate().find(|(_, name)| !seen.insert(*name))
    };
    twice.map(|(_, name)| name.to_owned()).or_else(|| object.values().find_map(repeated_inside))
}

fn repeated_inside(value: &Value) -> Option<String> {
    match value {
        Value::Object(object) => repeated(object),
        Value::Array(values) => values.iter().find_map(repeated_inside),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_spacing() {
        for variant in
            ["Correct Answer", "correct_answer", "correctAnswer", "\u{feff}CORRECT-ANSWER", " correct answer "]
        {
            assert!(same_name(variant, "correct_answer"), "{variant}");
        }
        assert!(!same_name("answer", "answers") && !same_name("a", "b") && !same_name("", "a"));
        let fields = |text| match serde_json::from_str(text).expect("JSON") {
            Value::Object(cells) => Fields::new(cells),
            other => panic!("{other}"),
        };
        let row = fields(r#"{"Question": "q", "ANSWER": 1, "answer": null}"#).expect("different names");
        assert_eq!(row.get("question").expect("one").and_then(Value::as_str), Some("q"));
        assert_eq!(row.get("answer").expect("one with a value").and_then(Value::as_u64), Some(1));
        assert_eq!((row.spelling("question"), row.spelling("options")), (Some("Question"), None));
        let row = fields(r#"{"A": "x", "a": "y"}"#).expect("different names");
        let error = row.get("a").expect_err("two values").to_string();
        assert!(error.contains("`A`") && error.contains("`a`"), "{error}");
        for twice in [r#"{"a": 1, "a": 1}"#, r#"{"x": [{"a": 1, "a": 2}]}"#, r#"{"\u0061": 1, "a": 1}"#] {
            let error = fields(twice).expect_err("twice").to_string();
            assert!(error.contains("`a` is given twice"), "{twice}");
        }
    }
}
