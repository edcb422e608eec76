//! What becomes of the calls of a batch that has ended: answers, further batches, direct calls, errors.

use super::submission::{Collected, End};
use super::transport::State;
use crate::backend::openai::batch::row::Outcome;
use crate::backend::openai::batch::state::BatchState;
use crate::gateway::budget::worst_usage;
use crate::gateway::journal::batches::SubmittedBatch;
use crate::types::chat::{CallKey, Finish, Usage};
use crate::types::model::ModelError;
use crate::types::price::Fee;

/// Maximum number of batches that a call is put into. A call that none of them answered is made directly.
const MAX_BATCHES: u32 = 2;

/// Calls of a batch by what becomes of them, and their fee.
#[derive(Default)]
struct Tally {
    /// Calls whose answers are not in the journal yet, and calls that this process has not made.
    kept: Vec<CallKey>,
    fee: Fee,
    duplicates: usize,
    /// Calls without an answer in a batch that was cancelled.
    cancelled: Vec<CallKey>,
    again: usize,
    direct: usize,
    missing: usize,
    not_made: bool,
}

impl State {
    /// Passes the outcomes of a batch on to its calls.
    pub(super) fn deliver(&mut self, batch: SubmittedBatch, end: Result<End, ModelError>) {
        let mut reserved = self.reserved.remove(&batch.label).unwrap_or_default();
        for key in &batch.keys {
            self.in_batches.remove(key);
        }
        match end {
            Ok(End::Collected(collected)) if collected.state == BatchState::Failed => {
                let id = batch.batch.as_deref().unwrap_or_default();
                let message = if collected.message.is_empty() { "no reason is given" } else { &collected.message };
                let error = format!(
                    "model {:?}: the provider rejected the file of batch {id}, and processed none of its requests: {message}",
                    batch.model
                );
                self.fail(&batch.keys, ModelError::Refused(error));
                self.note(&SubmittedBatch { keys: Vec::new(), ..batch });
            }
            Ok(End::Collected(collected)) => {
                let fee = self.deliver_outcomes(batch, collected);
                let held = || Some(self.settings.budget.as_ref()?.hold(Fee::default()));
                if let Some(reservation) = reserved.pop().or_else(held) {
                    reservation.settle(fee);
                }
            }
            Ok(End::NeverSubmitted) => {
                self.pending.extend(batch.keys.iter().filter(|key| self.waiting.contains_key(key)).copied());
                self.note(&SubmittedBatch { keys: Vec::new(), ..batch });
            }
            Err(error) => self.fail(&batch.keys, error),
        }
    }

    /// Passes the outcomes of a batch that was processed on to its calls. Returns the fee of the batch.
    fn deliver_outcomes(&mut self, batch: SubmittedBatch, mut collected: Collected) -> Fee {
        let mut tally = Tally::default();
        for (key, outcome) in std::mem::take(&mut collected.duplicates) {
            tally.duplicates += 1;
            let usage = match outcome {
                Outcome::Answered(response) => Some(response.usage),
                Outcome::Unanswered { charged: true, .. } | Outcome::Failed(ModelError::Unusable(_)) => None,
                Outcome::Unanswered { .. } | Outcome::Failed(_) => continue,
            };
            self.lose(&mut tally, &key, "a second answer in the same batch", usage);
        }
        for key in &batch.keys {
            let outcome = collected.outcomes.remove(key);
            if !self.waiting.contains_key(key) || (outcome.is_none() && collected.unread.contains(key)) {
                // A call that is made after its line was read joins the batch again.
                self.pending.extend(self.waiting.contains_key(key).then_some(*key));
                tally.kept.push(*key);
                tally.not_made = true;
            } else {
                self.deliver_outcome(&mut tally, *key, outcome, collected.state);
            }
        }
        self.report(&batch, &collected, &tally);
        if !tally.cancelled.is_empty() {
            let error = ModelError::Unavailable(format!(
                "model {:?}: batch {} was cancelled, and {} of its calls have no answer. The same command submits them in a new batch; \
                 without --batch they are made directly",
                batch.model,
                batch.batch.as_deref().unwrap_or_default(),
                tally.cancelled.len()
            ));
            self.fail(&tally.cancelled, error);
        }
        let Tally { kept, fee, not_made, .. } = tally;
        let batch = SubmittedBatch { keys: kept, ..batch };
        self.note(&batch);
        if not_made {
            self.keep_open(batch);
        }
        fee
    }

    /// Passes the outcome of a call on to its caller, or puts the call into another batch.
    fn deliver_outcome(&mut self, tally: &mut Tally, key: CallKey, outcome: Option<Outcome>, state: BatchState) {
        match outcome {
            Some(Outcome::Answered(response)) => {
                tally.kept.push(key);
                let usage = if response.finish == Finish::Refused { self.worst(&key) } else { response.usage };
                tally.fee = tally.fee.plus(self.fee(usage));
                self.answer(&key, Ok(*response));
            }
            Some(Outcome::Failed(error)) => {
                if matches!(error, ModelError::Unusable(_)) {
                    tally.fee = tally.fee.plus(self.fee(self.worst(&key)));
                }
                self.answer(&key, Err(error));
            }
            None | Some(Outcome::Unanswered { .. }) if state == BatchState::Cancelled => tally.cancelled.push(key),
            Some(Outcome::Unanswered { reason, charged }) => {
                if charged {
                    self.lose(tally, &key, &reason, None);
                }
                self.repeat(tally, key);
            }
            None => {
                tally.missing += 1;
                // An answer that cannot be read or attributed may be charged.
                if state == BatchState::Completed {
                    self.lose(tally, &key, "no readable answer in the batch", None);
                }
                self.repeat(tally, key);
            }
        }
    }

    /// Puts a call into the next batch, or leaves it to the ordinary run.
    fn repeat(&mut self, tally: &mut Tally, key: CallKey) {
        let attempts = self.attempts.entry(key).or_default();
        *attempts += 1;
        if *attempts < MAX_BATCHES {
            tally.again += 1;
            self.pending.push(key);
        } else {
            tally.direct += 1;
            self.answer(&key, Err(ModelError::NotRecorded));
        }
    }

    /// Notes that a call may be charged although no answer to it is used.
    fn lose(&self, tally: &mut Tally, key: &CallKey, reason: &str, usage: Option<Usage>) {
        let usage = usage.unwrap_or_else(|| self.worst(key));
        tally.fee = tally.fee.plus(self.fee(usage));
        self.settings.journal.record_unanswered(key, &self.settings.model, reason, usage);
    }

    /// Upper bound on the tokens of a waiting call.
    fn worst(&self, key: &CallKey) -> Usage {
        self.submission.requests.get(key).map(|request| worst_usage(&request)).unwrap_or_default()
    }

    fn fee(&self, usage: Usage) -> Fee {
        self.settings.price.as_ref().map(|price| price.fee(usage)).unwrap_or_default()
    }

    /// Ends waiting calls with an error. The first one carries it.
    fn fail(&mut self, keys: &[CallKey], error: ModelError) {
        let mut error = Some(error);
        for key in keys {
            if self.waiting.contains_key(key) {
                self.answer(key, Err(error.take().unwrap_or(ModelError::Stopped)));
            }
        }
    }

    fn note(&self, batch: &SubmittedBatch) {
        if let Err(error) = self.settings.journal.note_batch(batch) {
            (self.settings.on_message)(&format!("{error:#}"));
        }
    }

    /// Reports what a batch did not answer.
    fn report(&self, batch: &SubmittedBatch, collected: &Collected, tally: &Tally) {
        let id = batch.batch.as_deref().unwrap_or_default();
        let expired = if collected.state == BatchState::Expired { "expired" } else { "has no answer" };
        let parts = [
            (collected.malformed, "lines cannot be read".to_owned()),
            (collected.unknown, "lines have unknown ids and are ignored".to_owned()),
            (tally.duplicates, "calls have a second answer, which is ignored and may be charged".to_owned()),
            (tally.missing, format!("calls have no line ({expired})")),
            (tally.again, "calls go into another batch".to_owned()),
            (tally.direct, format!("calls had no answer in {MAX_BATCHES} batches and are made directly")),
        ];
        let parts = parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, text)| format!("{count} {text}"));
        let parts: Vec<String> = parts.collect();
        if !parts.is_empty() {
            (self.settings.on_message)(&format!("batch {id} of `{}`: {}", batch.model, parts.join("; ")));
        }
    }
}
