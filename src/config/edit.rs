//! Changes keys of a `[[model]]` in the text of a config. Every other line remains unchanged.

use toml_edit::{DocumentMut, Item, TableLike, Value};

/// A line that differs between two texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed<'a> {
    /// Line that was removed.
    Out(&'a str),
    /// Line that was added.
    In(&'a str),
}

/// Error that keeps an entry from being changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The file is not TOML.
    #[error("not TOML")]
    NotToml(#[source] toml_edit::TomlError),
    /// The file has no entry with this name.
    #[error("no [[model]] is called `{0}`")]
    NoEntry(String),
    /// The value cannot be written in one line.
    #[error("{key} = {value}: {fault}")]
    Value {
        /// Key.
        key: String,
        /// Value.
        value: toml::Value,
        /// Error of the parser.
        fault: Box<toml_edit::TomlError>,
    },
    /// A line of the entry contains other content.
    #[error("the entry shares lines with other content. Edit the file manually")]
    SharedLines,
}

/// Returns the text with keys of the `[[model]]` called `name` changed or added.
///
/// # Errors
/// If no entry has this name, or the change would affect other lines.
pub fn with_keys(text: &str, name: &str, changes: &[(&str, toml::Value)]) -> Result<String, EditError> {
    let has_returns = text.contains("\r\n");
    let mut document: DocumentMut = text.replace("\r\n", "\n").parse().map_err(EditError::NotToml)?;
    let entry = entry(&mut document, name).ok_or_else(|| EditError::NoEntry(name.to_owned()))?;
    for (key, value) in changes {
        let fault = |fault| EditError::Value { key: (*key).to_owned(), value: value.clone(), fault: Box::new(fault) };
        let value: Value = value.to_string().parse().map_err(fault)?;
        match entry.get_mut(key).and_then(Item::as_value_mut) {
            Some(old) => {
                let decor = old.decor().clone();
                *old = value;
                *old.decor_mut() = decor;
            }
            None => {
                entry.insert(key, Item::Value(value));
            }
        }
    }
    let new = document.to_string();
    let new = if has_returns { new.replace('\n', "\r\n") } else { new };
    let removed = difference(text, &new).into_iter().filter(|line| matches!(line, Changed::Out(_))).count();
    if removed > changes.len() {
        return Err(EditError::SharedLines);
    }
    Ok(new)
}

/// Finds the entry called `name`.
fn entry<'a>(document: &'a mut DocumentMut, name: &str) -> Option<&'a mut dyn TableLike> {
    let is_named = |entry: &dyn TableLike| entry.get("name").and_then(Item::as_str) == Some(name);
    match document.get_mut("model")? {
        Item::ArrayOfTables(tables) => {
            tables.iter_mut().map(|table| table as &mut dyn TableLike).find(|table| is_named(*table))
        }
        Item::Value(Value::Array(tables)) => tables
            .iter_mut()
            .filter_map(|table| table.as_inline_table_mut().map(|table| table as &mut dyn TableLike))
            .find(|table| is_named(*table)),
        _ => None,
    }
}

/// Returns the lines that differ, in order: a shortest edit script between the two texts.
#[must_use]
pub fn difference<'a>(old: &'a str, new: &'a str) -> Vec<Changed<'a>> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.split('\n').collect(), new.split('\n').collect());
    let width = new.len() + 1;
    // Length of the longest common subsequence of the remaining lines.
    let mut common = vec![0_usize; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = if old[i] == new[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::new();
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
        } else if i < old.len() && (j == new.len() || common[(i + 1) * width + j] >= common[i * width + j + 1]) {
            lines.push(Changed::Out(old[i].trim_end_matches('\r')));
            i += 1;
        } else {
            lines.push(Changed::In(new[j].trim_end_matches('\r')));
            j += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "# A config.\nname = \"x\"   # odd   spacing\n\n[[model]]\nname = \"weak\"\npreset = 'groq'\nlogprobs = true      # (edit)\n\n# The strong one.\n[[model]]\nname = \"strong\"\npreset = \"openai\"\nprice = { input = 1.0, output = 2 }   # a price\n\n[limits]\nmax_fee_usd = 1.0\n";

    fn set(key: &'static str, value: impl Into<toml::Value>) -> [(&'static str, toml::Value); 1] {
        [(key, value.into())]
    }

    #[test]
    fn existing_key_changes_only_its_value() {
        let changed = with_keys(CONFIG, "weak", &set("logprobs", false)).expect("changed");
        assert_eq!(changed, CONFIG.replace("logprobs = true ", "logprobs = false "));
        let lines = difference(CONFIG, &changed);
        assert_eq!(
            lines,
            [Changed::Out("logprobs = true      # (edit)"), Changed::In("logprobs = false      # (edit)")]
        );
    }

    #[test]
    fn new_key_is_appended_to_its_entry() {
        let changed = with_keys(CONFIG, "strong", &set("token_limit_key", "max_tokens")).expect("changed");
        let line = "price = { input = 1.0, output = 2 }   # a price\n";
        assert_eq!(changed, CONFIG.replace(line, &format!("{line}token_limit_key = \"max_tokens\"\n")));
        assert_eq!(difference(CONFIG, &changed), [Changed::In("token_limit_key = \"max_tokens\"")]);
    }

    #[test]
    fn inline_entries_and_crlf_line_ends_are_supported() {
        let inline = "model = [{ name = \"weak\", preset = \"groq\" }, { name = \"b\", preset = \"groq\" }]\n";
        let changed = with_keys(inline, "b", &set("send_stop", false)).expect("changed");
        assert_eq!(changed, inline.replace("preset = \"groq\" }]", "preset = \"groq\" , send_stop = false }]"));
        let returns = CONFIG.replace('\n', "\r\n");
        let both = [set("logprobs", false), set("send_stop", false)].concat();
        let changed = with_keys(&returns, "weak", &both).expect("changed");
        assert_eq!(changed.replace("\r\n", "\n"), with_keys(CONFIG, "weak", &both).expect("changed"));
        assert!(!changed.replace("\r\n", "").contains('\n'));
    }

    #[test]
    fn unknown_entries_and_shared_lines_are_errors() {
        assert!(with_keys(CONFIG, "week", &set("a", 1)).expect_err("refused").to_string().contains("`week`"));
        let mixed = CONFIG.replacen('\n', "\r\n", 3);
        let error = with_keys(&mixed, "weak", &set("logprobs", false)).expect_err("refused");
        assert!(error.to_string().contains("manually"), "{error}");
    }
}
