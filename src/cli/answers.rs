//! `intercascade datasets check FILE --answers RUN`: what was read of each answer of a run, item by item.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Status, say, warn};
use crate::backend::replay::Recording;
use crate::dataset::{Reading, read_clean};
use crate::gateway::journal::answers::Answers;
use crate::report::audit::{Answer, Read, answers, rules};
use crate::report::folder::JOURNAL;
use crate::report::manifest::Manifest;
use crate::run::outputs::{Kept, config_of};
use crate::task::Grader;
use crate::types::chat::Response;
use crate::types::item::Item;
use crate::types::reasoning;
use crate::types::record::Score;

/// The journal's name where a run's folder was passed on.
const EXPORTED: &str = "journal.parquet";
/// Columns of a line.
const WIDTH: usize = 80;

/// Lists the answers of the run in `run` to the questions of a file.
pub(super) fn audit(path: &Path, reading: &Reading, run: &Path) -> Result<Status> {
    let contents = read_clean(path, reading)?;
    let Kept { manifest, records, .. } = Kept::read(run)?;
    let (rules, differ) = rules(&manifest.identity).with_context(|| format!("{}", run.display()))?;
    let grader = Grader { task: reading.format.task(), rules };
    for line in differ {
        warn(&format!("note: {line}: what is read now may differ from what was recorded"));
    }
    let of_run = manifest.identity.pointer("/dataset/sha256").and_then(Value::as_str).unwrap_or_default();
    if !of_run.contains(&contents.sha256) {
        warn(&format!(
            "note: the run took another file than {} (sha256 {of_run} there, {} here): gold answers may differ",
            path.display(),
            contents.sha256
        ));
    }
    let items: HashMap<&str, (usize, &Item)> =
        contents.items.iter().enumerate().map(|(place, item)| (&*item.id.0, (place, item))).collect();
    let place_of = |answer: &Answer| items.get(&*answer.record.item_id.0).copied();
    let all = answers(&records);
    let mut known: Vec<(usize, &Item, Answer)> =
        all.iter().filter_map(|answer| place_of(answer).map(|(place, item)| (place, item, *answer))).collect();
    if known.is_empty() {
        bail!(
            "no item of the run in {} stands in {}: name the file that it took (data set `{}`)",
            run.display(),
            path.display(),
            records.first().map_or("", |record| &*record.cell.dataset)
        );
    }
    known.sort_by_key(|(place, _, answer)| (*place, answer.level));
    list(&known, &grader, &Texts::of(run, &manifest)?, all.len() - known.len())
}

fn list(known: &[(usize, &Item, Answer)], grader: &Grader, texts: &Texts, elsewhere: usize) -> Result<Status> {
    let mut counts = [0_usize; 3];
    let (mut without, mut differ) = (0, 0);
    for (_, item, answer) in known {
        let Some(response) = texts.response(answer)? else {
            without += 1;
            continue;
        };
        let read = Read::of(grader, item, *answer, &response);
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
    for (count, what) in
        [(without, "answers have no text in the journal"), (elsewhere, "answers are to items of another file")]
    {
        if count > 0 {
            say(&format!("{count} {what}"));
        }
    }
    Ok(if differ > 0 { Status::CheckFailed } else { Status::Done })
}

/// Where the texts of a run's answers are.
struct Texts {
    path: PathBuf,
    journal: Answers,
    /// Recordings by the model's name.
    recordings: BTreeMap<String, Recording>,
}

impl Texts {
    fn of(run: &Path, manifest: &Manifest) -> Result<Self> {
        let beside = run.parent().unwrap_or(run);
        let places = [run.join(JOURNAL), run.join(EXPORTED), beside.join(JOURNAL), beside.join(EXPORTED)];
        let Some(path) = places.iter().find(|path| path.is_file()) else {
            bail!(
                "{} has no journal, and the texts of its answers are only there: put its {JOURNAL}, or what `journal export` \
                 made of it as {EXPORTED}, into the folder",
                run.display()
            );
        };
        let entries = config_of(manifest)?.models;
        let read = |path: &PathBuf, entry: &crate::backend::entry::ModelEntry| {
            let recording = Recording::read(path, entry.server_name());
            recording
                .map(|recording| (entry.name.clone(), recording))
                .with_context(|| format!("model `{}`", entry.name))
        };
        let recordings = entries.iter().filter_map(|entry| entry.recording.as_ref().map(|path| read(path, entry)));
        // An export may have further parts beside it.
        let source = if path.ends_with(EXPORTED) { path.parent().unwrap_or(path) } else { path };
        Ok(Self { journal: Answers::open(source)?, path: path.clone(), recordings: recordings.collect::<Result<_>>()? })
    }

    /// What came back from the call of an answer, without reasoning.
    fn response(&self, answer: &Answer) -> Result<Option<Arc<Response>>> {
        Ok(self.found(answer)?.map(|response| reasoning::without(Arc::new(response))))
    }

    fn found(&self, answer: &Answer) -> Result<Option<Response>> {
        if let Some(recording) = self.recordings.get(&*answer.call.model) {
            let shown = if answer.level == 0 { &answer.record.strategies_used[..] } else { &[] };
            return Ok(recording.answer(&answer.record.item_id, shown, answer.with_strategy()).cloned());
        }
        answer.call.journal_key.map_or(Ok(None), |key| self.journal.get(&key))
    }
}
