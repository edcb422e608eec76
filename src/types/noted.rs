//! Notes on an answer for the rows of calls: finish reason, and irregularities of its text, tokens and counts.

use std::sync::Arc;

use super::chat::{Finish, Response};

/// Notes on the answer of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each flag is independent")]
pub struct AnswerNotes {
    /// Reason why the model stopped. An answer that was withheld as a whole counts as refused.
    pub finish: Finish,
    /// Finish reason of the server, if the program does not know this reason.
    pub ended: Option<Arc<str>>,
    /// True if there is no text besides reasoning, although nothing was refused.
    pub empty: bool,
    /// True if a token count is the program's estimate.
    pub estimated: bool,
    /// Number of tokens without a usable log-probability in an answer in which other tokens have one.
    pub replaced: usize,
    /// True if every token has a log-probability of exactly 0.
    pub certain: bool,
    /// True if the tokens could not be matched with the text.
    pub unplaced: bool,
    /// True if the answer came in a batch, so that its latency is unknown.
    pub batched: bool,
}

const REPLACED: &str = "replaced-log-probabilities";
const CERTAIN: &str = "all-log-probabilities-zero";
const UNPLACED: &str = "tokens-not-matched";

impl AnswerNotes {
    /// Returns the notes on a response without reasoning text.
    #[must_use]
    pub fn of(response: &Response) -> Self {
        let own = || response.tokens.iter().filter(|token| !token.forced);
        let known = || own().filter_map(|token| token.logprob);
        let missing = own().filter(|token| token.logprob.is_none()).count();
        Self {
            finish: if response.is_refused() { Finish::Refused } else { response.finish },
            ended: response.ended.as_deref().map(Into::into),
            empty: response.is_empty() && !response.is_refused(),
            estimated: response.estimated,
            replaced: if known().next().is_some() { missing } else { 0 },
            certain: missing == 0 && known().next().is_some() && known().all(|logprob| logprob == 0.0),
            unplaced: response.unplaced,
            batched: response.batched,
        }
    }

    /// Finish reason in outputs: the name of [`Finish`], or the server's unknown reason.
    #[must_use]
    pub fn end(&self) -> &str {
        self.ended.as_deref().unwrap_or(self.finish.name())
    }

    /// Irregularities of the tokens in outputs: names joined by `;`. Empty if there is none.
    #[must_use]
    pub fn notes(&self) -> String {
        let replaced = (self.replaced > 0).then(|| format!("{REPLACED}:{}", self.replaced));
        let flags = [(self.certain, CERTAIN), (self.unplaced, UNPLACED)];
        let flags = flags.into_iter().filter(|(set, _)| *set).map(|(_, name)| name.to_owned());
        replaced.into_iter().chain(flags).collect::<Vec<_>>().join(";")
    }

    /// Reads the notes back from the columns of outputs. `batched` has its own column.
    #[must_use]
    pub fn read(end: &str, empty: bool, estimated: bool, notes: &str) -> Self {
        let finish = Finish::ALL.into_iter().find(|finish| finish.name() == end);
        let notes = || notes.split(';');
        let replaced = notes().find_map(|note| note.strip_prefix(REPLACED)?.strip_prefix(':')?.parse().ok());
        Self {
            finish: finish.unwrap_or_default(),
            ended: finish.is_none().then(|| end.into()),
            empty,
            estimated,
            replaced: replaced.unwrap_or_default(),
            certain: notes().any(|note| note == CERTAIN),
            unplaced: notes().any(|note| note == UNPLACED),
            batched: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::chat::Token;

    #[test]
    fn notes_round_trip_through_outputs() {
        let token = |logprob| Token { text: "a".into(), logprob, ..Token::default() };
        let odd = Response {
            text: " \n".into(),
            tokens: vec![token(Some(-0.5)), token(None), token(None)],
            ended: Some("tired".into()),
            estimated: true,
            unplaced: true,
            ..Response::default()
        };
        let sure = Response {
            text: "a".into(),
            tokens: vec![token(Some(0.0))],
            finish: Finish::Length,
            ..Response::default()
        };
        let noted = AnswerNotes::of(&odd);
        assert_eq!((noted.replaced, noted.end(), noted.empty, noted.certain), (2, "tired", true, false));
        assert!(AnswerNotes::of(&sure).certain && !AnswerNotes::of(&sure).empty);
        let withheld = AnswerNotes::of(&Response { finish: Finish::ContentFilter, ..Response::default() });
        assert_eq!((withheld.end(), withheld.empty), ("refused", false));
        for noted in [AnswerNotes::of(&odd), AnswerNotes::of(&sure), withheld, AnswerNotes::of(&Response::default())] {
            assert_eq!(AnswerNotes::read(noted.end(), noted.empty, noted.estimated, &noted.notes()), noted);
        }
    }
}
