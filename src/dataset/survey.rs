//! Summary of a data set's file: counts of its valid rows, its faults, and notices.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;

use super::{Contents, Reading, scan, subjects};

/// Counts of a file's valid rows, and its faults. Rows are not stored.
#[derive(Debug)]
pub struct Survey {
    contents: Contents,
    rows: usize,
    groups: BTreeSet<Arc<str>>,
    /// Number of rows by subject.
    subjects: BTreeMap<Arc<str>, usize>,
    /// Number of rows by number of options.
    options: BTreeMap<usize, usize>,
}

impl Survey {
    /// Reads a whole file, folder or archive.
    ///
    /// # Errors
    /// Names the path if it cannot be read at all.
    pub fn of(path: &Path, reading: &Reading) -> Result<Self> {
        let mut rows = 0;
        let (mut groups, mut subjects, mut options) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        let contents = scan(path, reading, &mut |item| {
            rows += 1;
            groups.insert(item.group);
            *options.entry(item.options.len()).or_default() += 1;
            if let Some(subject) = item.subject {
                *subjects.entry(subject).or_default() += 1;
            }
        })?;
        Ok(Self { contents, rows, groups, subjects, options })
    }

    /// Returns true if the file has rows and no fault.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.rows > 0 && self.contents.faults.is_empty()
    }

    /// Returns the lines of the summary: each fault, the counts, the notices. `path` is the path that was read.
    #[must_use]
    pub fn lines(&self, path: &Path) -> Vec<String> {
        let Contents { faults, notices, sha256, .. } = &self.contents;
        let mut lines: Vec<String> =
            faults.iter().map(|(file, fault)| format!("{}: {fault}", file.display())).collect();
        lines.push(format!(
            "{}: {} good rows in {} groups, {} faults, sha256 {sha256}",
            path.display(),
            self.rows,
            self.groups.len(),
            faults.len()
        ));
        if !self.subjects.is_empty() {
            lines.push(format!("{} subjects: {}", self.subjects.len(), self.of_groups()));
        }
        if self.options.len() > 1 {
            let counts: Vec<String> =
                self.options.iter().map(|(options, rows)| format!("{options} in {rows} rows")).collect();
            lines.push(format!("numbers of options: {}", counts.join(", ")));
        }
        lines.extend(notices.iter().map(|notice| format!("note: {notice}")));
        lines
    }

    /// Lists the number of rows by subject, or by group of subjects for MMLU.
    fn of_groups(&self) -> String {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (subject, rows) in &self.subjects {
            *counts.entry(subjects::group_of(subject).unwrap_or(subject)).or_default() += rows;
        }
        counts.iter().map(|(name, rows)| format!("{name} {rows}")).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Format;

    #[test]
    fn a_file_without_rows_or_with_a_fault_is_not_good() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("questions.jsonl");
        let row =
            |id: &str| format!("{{\"id\": \"{id}\", \"question\": \"One and one?\", \"answer\": \"Two. #### 2\"}}\n");
        let survey = |text: String| {
            std::fs::write(&path, text).expect("written");
            Survey::of(&path, &Reading::of(Format::Gsm8k)).expect("readable")
        };
        let good = survey(row("a") + &row("b"));
        assert!(good.is_good() && good.lines(&path)[0].contains("2 good rows in 2 groups, 0 faults"));
        let twice = survey(row("a") + &row("a"));
        assert!(!twice.is_good() && twice.lines(&path).len() == 2, "{:?}", twice.lines(&path));
        assert!(!survey(String::new()).is_good());
    }
}
