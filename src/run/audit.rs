//! What was read of each answer of a run, item by item, beside what is read now: for a person who checks the grading.

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

/// The journal's name where a run's folder was passed on.
const EXPORTED: &str = "journal.parquet";
/// Columns of a line.
const WIDTH: usize = 80;

/// A run and the file of questions whose answers are listed.
pub struct Audit {
    run: PathBuf,
    path: PathBuf,
    contents: Contents,
    kept: FinishedRun,
    grader: Grader,
    notes: Vec<String>,
}

impl Audit {
    /// Reads a file of questions and the run in the folder `run`, with the rules that it read answers by.
    ///
    /// # Errors
    /// Names the file and its faults, what is missing of the run, or a rule that this version does not know.
    pub fn read(path: &Path, reading: &Reading, run: &Path) -> Result<Self> {
        let contents = read_clean(path, reading)?;
        let kept = FinishedRun::read(run)?;
        let identity = &kept.manifest.identity;
        let (rules, differ) = rules(identity).with_context(|| format!("{}", run.display()))?;
        let mut notes: Vec<String> = differ
            .iter()
            .map(|line| format!("note: {line}: what is read now may differ from what was recorded"))
            .collect();
        let of_run = identity.pointer("/dataset/sha256").and_then(Value::as_str).unwrap_or_default();
        if !of_run.contains(&contents.sha256) {
            notes.push(format!(
                "note: the run took another file than {} (sha256 {of_run} there, {} here): gold answers may differ",
                path.display(),
                contents.sha256
            ));
        }
        let grader = Grader { rules, ..Grader::usual(reading.format.task()) };
        Ok(Self { run: run.to_owned(), path: path.to_owned(), contents, kept, grader, notes })
    }

    /// What a reader must know of the rules and of the file before the list, a line each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Lists the answers to the questions of the file, a line at a time, and gives the number of those that are read in
    /// another way than they were recorded.
    ///
    /// # Errors
    /// If the file holds no item of the run, or the texts of the answers are not there.
    pub fn list(&self, say: &mut dyn FnMut(&str)) -> Result<usize> {
        let all = answers(&self.kept.records);
        let known = self.known(&all)?;
        let texts = Texts::of(&self.run, &config_of(&self.kept.manifest)?.models)?;
        let mut counts = [0_usize; 3];
        let (mut without, mut differ) = (0, 0);
        for (item, answer) in &known {
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
            read.lines(WIDTH).iter().for_each(|line| say(line));
        }
        let [correct, incorrect, none] = counts;
        if correct + incorrect + none == 0 {
            bail!(
                "{} holds no text of these answers: name a run that made or copied its calls itself",
                texts.path.display()
            );
        }
        say(&format!("{correct} correct, {incorrect} incorrect, {none} without an answer"));
        say(&format!("{differ} are read in another way than they were recorded"));
        let elsewhere = all.len() - known.len();
        for (count, what) in
            [(without, "answers have no text in the journal"), (elsewhere, "answers are to items of another file")]
        {
            if count > 0 {
                say(&format!("{count} {what}"));
            }
        }
        Ok(differ)
    }

    /// The answers to items of the file, in the file's order.
    fn known<'a>(&'a self, all: &'a [Answer<'a>]) -> Result<Vec<(&'a Item, &'a Answer<'a>)>> {
        let items: HashMap<&str, (usize, &Item)> =
            self.contents.items.iter().enumerate().map(|(place, item)| (&*item.id.0, (place, item))).collect();
        let mut known: Vec<(usize, &Item, &Answer)> = all
            .iter()
            .filter_map(|answer| items.get(&*answer.record.item_id.0).map(|(place, item)| (*place, *item, answer)))
            .collect();
        if known.is_empty() {
            bail!(
                "no item of the run in {} stands in {}: name the file that it took (data set `{}`)",
                self.run.display(),
                self.path.display(),
                self.kept.records.first().map_or("", |record| &*record.cell.dataset)
            );
        }
        known.sort_by_key(|(place, _, answer)| (*place, answer.level));
        Ok(known.into_iter().map(|(_, item, answer)| (item, answer)).collect())
    }
}

/// Where the texts of a run's answers are.
struct Texts {
    path: PathBuf,
    journal: ReadOnlyJournals,
    /// Recordings by the model's name.
    recordings: BTreeMap<String, Recording>,
}

impl Texts {
    fn of(run: &Path, entries: &[RawEntry]) -> Result<Self> {
        let beside = run.parent().unwrap_or(run);
        let places = [run.join(JOURNAL), run.join(EXPORTED), beside.join(JOURNAL), beside.join(EXPORTED)];
        let Some(path) = places.iter().find(|path| path.is_file()) else {
            bail!(
                "{} has no journal, and the texts of its answers are only there: put its {JOURNAL}, or what `journal export` \
                 made of it as {EXPORTED}, into the folder",
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
        // An export may have further parts beside it.
        let source = if path.ends_with(EXPORTED) { path.parent().unwrap_or(path) } else { path };
        Ok(Self {
            journal: ReadOnlyJournals::open(source)?,
            path: path.clone(),
            recordings: recordings.collect::<Result<_>>()?,
        })
    }

    /// What came back from the call of an answer, without reasoning.
    fn response(&self, answer: &Answer) -> Result<Option<Arc<Response>>> {
        Ok(self.found(answer)?.map(|response| reasoning::without(Arc::new(response))))
    }

    fn found(&self, answer: &Answer) -> Result<Option<Response>> {
        if let Some(recording) = self.recordings.get(&*answer.call.model) {
            let shown = if answer.level.is_first() { &answer.record.strategies_used[..] } else { &[] };
            return Ok(recording.answer(&answer.record.item_id, shown, answer.with_strategy()).cloned());
        }
        answer.call.journal_key.map_or(Ok(None), |key| self.journal.get(&key))
    }
}
