//! Audit of the grading: the recorded and the current extraction of every answer of a run, item by item.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::outputs::{FinishedRun, config_of};
use crate::backend::raw::RawEntry;
use crate::backend::replay::Recording;
use crate::dataset::{Contents, Reading, read_clean};
use crate::gateway::journal::read_only::ReadOnlyJournals;
use crate::report::audit::{Answer, Read, answers, rules};
use crate::report::folder::JOURNAL;
use crate::task::Grader;
use crate::types::chat::Response;
use crate::types::item::Item;
use crate::types::reasoning;
use crate::types::record::Score;

/// Name of an exported journal in a run's folder.
const EXPORTED: &str = "journal.parquet";
/// Width of a line, in columns.
const WIDTH: usize = 80;

/// A run, and the file of questions whose answers are audited.
pub struct Audit {
    run: PathBuf,
    path: PathBuf,
    contents: Contents,
    finished: FinishedRun,
    grader: Grader,
    notes: Vec<String>,
}

impl Audit {
    /// Reads a file of questions, and the run in the folder `run` with its extraction rules.
    ///
    /// # Errors
    /// If the file is faulty, a file of the run is missing, or this version does not know a rule.
    pub fn read(path: &Path, reading: &Reading, run: &Path) -> Result<Self> {
        let contents = read_clean(path, reading)?;
        let finished = FinishedRun::read(run)?;
        let identity = &finished.manifest.identity;
        let (rules, differ) = rules(identity).with_context(|| format!("{}", run.display()))?;
        let mut notes: Vec<String> = differ
            .iter()
            .map(|line| format!("note: {line}: current extractions may differ from the recorded ones"))
            .collect();
        let run_sha256 = identity.pointer("/dataset/sha256").and_then(Value::as_str).unwrap_or_default();
        if !run_sha256.contains(&contents.sha256) {
            notes.push(format!(
                "note: the run used another file than {} (sha256 of the run's file {run_sha256}, of this file {}): gold answers may differ",
                path.display(),
                contents.sha256
            ));
        }
        let grader = Grader { rules, ..Grader::usual(reading.format.task()) };
        Ok(Self { run: run.to_owned(), path: path.to_owned(), contents, finished, grader, notes })
    }

    /// Notes on differences in rules and file, one line each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Passes the answers to the questions of the file to `print`, one line at a time. Returns the number of answers
    /// whose current extraction differs from the recorded one.
    ///
    /// # Errors
    /// If the file holds no item of the run, or no texts of the answers exist.
    pub fn list(&self, print: &mut dyn FnMut(&str)) -> Result<usize> {
        let all = answers(&self.finished.records);
        let matched = self.matched(&all)?;
        let texts = Texts::open(&self.run, &config_of(&self.finished.manifest)?.models)?;
        let mut counts = [0_usize; 3];
        let (mut without, mut differ) = (0, 0);
        for (item, answer) in &matched {
            let Some(response) = texts.response(answer)? else {
                without += 1;
                continue;
            };
            let read = Read::of(&self.grader, item, **answer, &response);
            differ += usize::from(!read.is_as_recorded());
            counts[match answer.graded.score {
                Score::Correct => 0,
                Score::Incorrect => 1,
                Score::NoAnswer => 2,
            }] += 1;
            read.lines(WIDTH).iter().for_each(|line| print(line));
        }
        let [correct, incorrect, none] = counts;
        if correct + incorrect + none == 0 {
            bail!(
                "{} holds no text of these answers. Name a run whose own journal holds its calls",
                texts.path.display()
            );
        }
        print(&format!("{correct} correct, {incorrect} incorrect, {none} without an answer"));
        print(&format!("{differ} extractions differ from the recorded ones"));
        let elsewhere = all.len() - matched.len();
        for (count, what) in
            [(without, "answers have no text in the journal"), (elsewhere, "answers belong to items of another file")]
        {
            if count > 0 {
                print(&format!("{count} {what}"));
            }
        }
        Ok(differ)
    }

    /// Answers to items of the file, in the order of the file.
    fn matched<'a>(&'a self, all: &'a [Answer<'a>]) -> Result<Vec<(&'a Item, &'a Answer<'a>)>> {
        let items: HashMap<&str, (usize, &Item)> =
            self.contents.items.iter().enumerate().map(|(index, item)| (&*item.id.0, (index, item))).collect();
        let mut matched: Vec<(usize, &Item, &Answer)> = all
            .iter()
            .filter_map(|answer| items.get(&*answer.record.item_id.0).map(|(index, item)| (*index, *item, answer)))
            .collect();
        if matched.is_empty() {
            bail!(
                "{} shares no item with {}. Name the file that the run used (data set `{}`)",
                self.run.display(),
                self.path.display(),
                self.finished.records.first().map_or("", |record| &*record.cell.dataset)
            );
        }
        matched.sort_by_key(|(index, _, answer)| (*index, answer.level));
        Ok(matched.into_iter().map(|(_, item, answer)| (item, answer)).collect())
    }
}

/// Sources of the texts of a run's answers.
struct Texts {
    path: PathBuf,
    journal: ReadOnlyJournals,
    /// Recordings, by the model's name.
    recordings: BTreeMap<String, Recording>,
}

impl Texts {
    fn open(run: &Path, entries: &[RawEntry]) -> Result<Self> {
        let parent = run.parent().unwrap_or(run);
        let candidates = [run.join(JOURNAL), run.join(EXPORTED), parent.join(JOURNAL), parent.join(EXPORTED)];
        let Some(path) = candidates.iter().find(|path| path.is_file()) else {
            bail!(
                "{} has no journal, and only the journal holds the texts of the answers. Put its {JOURNAL}, or its export by \
                 `journal export` named {EXPORTED}, into the folder",
                run.display()
            );
        };
        let read = |path: &PathBuf, entry: &RawEntry| {
            let recording = Recording::read(path, entry.server_name());
            recording
                .map(|recording| (entry.name.clone(), recording))
                .with_context(|| format!("model `{}`", entry.name))
        };
        let recordings = entries.iter().filter_map(|entry| entry.recording.as_ref().map(|path| read(path, entry)));
        // An export may consist of several parts in one folder.
        let source = if path.ends_with(EXPORTED) { path.parent().unwrap_or(path) } else { path };
        Ok(Self {
            journal: ReadOnlyJournals::open(source)?,
            path: path.clone(),
            recordings: recordings.collect::<Result<_>>()?,
        })
    }

    /// Response to the call of an answer, without reasoning; `None` if its text is not stored.
    fn response(&self, answer: &Answer) -> Result<Option<Arc<Response>>> {
        Ok(self.found(answer)?.map(|response| reasoning::without(Arc::new(response))))
    }

    fn found(&self, answer: &Answer) -> Result<Option<Response>> {
        if let Some(recording) = self.recordings.get(&*answer.call.model) {
            let strategies = if answer.level.is_first() { &answer.record.strategies_used[..] } else { &[] };
            return Ok(recording.answer(&answer.record.item_id, strategies, answer.with_strategy()).cloned());
        }
        answer.call.journal_key.map_or(Ok(None), |key| self.journal.get(&key))
    }
}
