//! The wordings of a template: complete texts of the same problem, used in turn, and sentences with a number that
//! the answer does not need, for one problem in four.

use std::collections::HashSet;
use std::sync::LazyLock;

use anyhow::{Result, bail};
use regex::Regex;
use serde::Deserialize;

use crate::types::seed::Seed;

/// Slot of an `extra` sentence in a wording. The slot is replaced together with the space after it.
const EXTRA: &str = "{extra}";
/// One problem in this number has the `extra` sentence.
const SHARE: usize = 4;

/// A slot of a sentence: `{x}` is a value, `{=x}` a calculation.
pub(super) static SLOT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\{(=?)([a-z][a-z0-9_]*)\}").expect("the pattern is valid"));
static NUMBER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"[0-9]+(\.[0-9]+)?").expect("the pattern is valid"));

/// A template's `question`: one text, or a list of wordings.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Wordings {
    /// The only text.
    One(String),
    /// Several texts of the same problem.
    Several(Vec<String>),
}

/// The question of one problem of a template, with its slots not yet filled.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Question<'a> {
    /// The text before the `extra` sentence, or the whole text.
    pub before: &'a str,
    /// The `extra` sentence; `None` if the problem has none.
    pub extra: Option<&'a str>,
    /// The text after the `extra` sentence.
    pub after: &'a str,
}

impl Wordings {
    /// Returns the texts in the file's order.
    pub(super) fn texts(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Several(texts) => texts,
        }
    }

    /// Returns the question of problem number `instance` of a template. The wordings rotate, starting at an offset
    /// that depends only on the seed and the template's id. The position of the `extra` sentence among four
    /// problems is determined in the same way.
    pub(super) fn question<'a>(&'a self, extra: &'a [String], instance: usize, id: &str, seed: Seed) -> Question<'a> {
        let texts = self.texts();
        let at = (instance + offset(seed, "wording", id, texts.len())) % texts.len();
        let parts = if extra.is_empty() { None } else { texts[at].split_once(EXTRA) };
        let Some((before, after)) = parts else { return Question { before: &texts[at], extra: None, after: "" } };
        if instance % SHARE == offset(seed, "extra", id, SHARE) {
            let sentence = extra.get(at).unwrap_or(&extra[0]);
            Question { before, extra: Some(sentence), after }
        } else {
            Question { before, extra: None, after: &after[1..] }
        }
    }

    /// Checks the wordings and the `extra` sentences. `numbers` are the variables drawn as numbers, `variables` are
    /// all variables, and `used` are the names in expressions and in the solution.
    ///
    /// # Errors
    /// The fault, with the number of the wording or sentence, from 1.
    pub(super) fn check(
        &self,
        extra: &[String],
        numbers: &[&str],
        variables: &HashSet<&str>,
        used: &HashSet<&str>,
    ) -> Result<()> {
        let texts = self.texts();
        if texts.is_empty() {
            bail!("`question` needs at least one wording");
        }
        for (at, text) in texts.iter().enumerate() {
            if let Some(same) = texts[..at].iter().position(|other| other == text) {
                bail!("wordings {} and {} are equal: change or remove one", same + 1, at + 1);
            }
        }
        if !extra.is_empty() && variables.contains("extra") {
            bail!("a variable is named `extra`, as the slot of the extra sentence: rename the variable");
        }
        let known = |name: &&str| *name == "extra" || variables.contains(name);
        let named = texts.iter().map(|text| ("wording", text)).enumerate();
        let named = named.chain(extra.iter().map(|text| ("`extra` sentence", text)).enumerate());
        for (at, (what, text)) in named {
            if let Some(name) = slots(text).find(|name| !known(name)) {
                bail!("{what} {} has the slot `{{{name}}}`, but no variable `{name}` exists", at + 1);
            }
        }
        if extra.is_empty() {
            let slot = texts.iter().position(|text| text.contains(EXTRA) && !variables.contains("extra"));
            return slot.map_or(Ok(()), |at| bail!("wording {} has the slot `{EXTRA}`: add `extra`", at + 1));
        }
        let slot = format!("{EXTRA} ");
        if let Some(at) =
            texts.iter().position(|text| text.matches(EXTRA).count() != 1 || text.matches(&slot).count() != 1)
        {
            bail!("wording {} needs the slot `{EXTRA}` once, with a space after it", at + 1);
        }
        if ![1, texts.len()].contains(&extra.len()) {
            bail!("`extra` needs one sentence, or one for each of the {} wordings, not {}", texts.len(), extra.len());
        }
        let in_wordings: HashSet<&str> = texts.iter().flat_map(|text| slots(text)).collect();
        for (at, sentence) in extra.iter().enumerate() {
            let own = |name: &&str| numbers.contains(name) && !used.contains(name) && !in_wordings.contains(name);
            if slots(sentence).filter(own).count() != 1 {
                bail!("`extra` sentence {} needs one number variable that is not used elsewhere", at + 1);
            }
        }
        Ok(())
    }
}

/// Returns the names of a text's slots.
pub(super) fn slots(text: &str) -> impl Iterator<Item = &str> {
    SLOT.captures_iter(text).filter_map(|found| found.get(2)).map(|name| name.as_str())
}

/// Returns the numbers in a text, unchanged.
pub(super) fn numbers(text: &str) -> HashSet<&str> {
    NUMBER.find_iter(text).map(|found| found.as_str()).collect()
}

/// Returns a number below `count` that depends on the seed, its purpose and the template's id.
#[expect(clippy::cast_possible_truncation, reason = "the remainder is below a `usize`")]
fn offset(seed: Seed, purpose: &str, id: &str, count: usize) -> usize {
    (seed.hash(&[purpose, id]) % count as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn several(texts: &[&str]) -> Wordings {
        Wordings::Several(texts.iter().map(|text| (*text).to_owned()).collect())
    }

    fn fault(wordings: &Wordings, extra: &[&str]) -> String {
        let extra: Vec<String> = extra.iter().map(|text| (*text).to_owned()).collect();
        let variables = HashSet::from(["who", "all", "odd"]);
        let checked = wordings.check(&extra, &["all", "odd"], &variables, &HashSet::from(["all"]));
        checked.err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn wordings_rotate_and_a_quarter_has_the_extra_sentence() {
        let wordings = several(&["A. {extra} B?", "C. {extra} D?", "E. {extra} F?"]);
        let extra = ["X.".to_owned(), "Y.".to_owned(), "Z.".to_owned()];
        let (mut first, mut with) = (HashSet::new(), HashSet::new());
        for id in (0..40).map(|number| format!("kind-{number}")) {
            let questions: Vec<Question> = (0..8).map(|at| wordings.question(&extra, at, &id, Seed(1))).collect();
            assert_eq!(questions[..3].iter().map(|question| question.before).collect::<HashSet<_>>().len(), 3, "{id}");
            assert_eq!(questions[0].before, questions[3].before);
            let places: Vec<usize> = (0..8).filter(|at| questions[*at].extra.is_some()).collect();
            assert_eq!(places, [places[0], places[0] + 4]);
            for question in &questions {
                let whole = format!("{}{}{}", question.before, question.extra.unwrap_or_default(), question.after);
                let known = ["A. B?", "A. X. B?", "C. D?", "C. Y. D?", "E. F?", "E. Z. F?"];
                assert!(known.contains(&whole.as_str()), "{whole}");
            }
            first.insert(questions[0].before);
            with.insert(places[0]);
        }
        assert!(
            first.len() == 3 && with.len() > 2,
            "the first wording and the extra's offset vary: {first:?} {with:?}"
        );
    }

    #[test]
    fn without_an_extra_sentence_the_text_is_unchanged() {
        let wordings = Wordings::One("A {extra} B?".to_owned());
        let question = wordings.question(&[], 0, "one", Seed(1));
        assert_eq!(question, Question { before: "A {extra} B?", extra: None, after: "" });
        assert_eq!(wordings.check(&[], &[], &HashSet::from(["extra"]), &HashSet::new()).ok(), Some(()));
    }

    #[test]
    fn faults_name_the_wording_or_the_sentence() {
        let good = several(&["{who} has {all}. {extra} How many?", "How many? {extra} It is {all}."]);
        assert_eq!(fault(&good, &["It is {odd} o'clock."]), "");
        assert_eq!(fault(&several(&[]), &[]), "`question` needs at least one wording");
        assert_eq!(fault(&several(&["A?", "B?", "A?"]), &[]), "wordings 1 and 3 are equal: change or remove one");
        assert_eq!(fault(&good, &[]), "wording 1 has the slot `{extra}`: add `extra`");
        let slot = "wording 2 needs the slot `{extra}` once, with a space after it";
        for text in ["No slot.", "{extra} Two. {extra} Slots.", "At the end. {extra}"] {
            assert_eq!(fault(&several(&["A. {extra} B?", text]), &["It is {odd}."]), slot);
        }
        let unknown = fault(&several(&["A {all}. {extra} B?", "C {al}. {extra} D?"]), &["It is {odd}."]);
        assert_eq!(unknown, "wording 2 has the slot `{al}`, but no variable `al` exists");
        let unknown = fault(&good, &["It is {even}."]);
        assert_eq!(unknown, "`extra` sentence 1 has the slot `{even}`, but no variable `even` exists");
        let three = fault(&good, &["It is {odd}.", "It was {odd}.", "It has {odd}."]);
        assert_eq!(three, "`extra` needs one sentence, or one for each of the 2 wordings, not 3");
        for sentence in ["No number.", "{who} is here.", "{all} again."] {
            let fault = fault(&good, &["It is {odd}.", sentence]);
            assert_eq!(fault, "`extra` sentence 2 needs one number variable that is not used elsewhere");
        }
        let variables = HashSet::from(["extra", "who", "all", "odd"]);
        let named = good.check(&["It is {odd}.".to_owned()], &["odd"], &variables, &HashSet::new());
        assert!(named.expect_err("a variable").to_string().contains("rename the variable"));
    }

    #[test]
    fn numbers_are_found_as_written() {
        assert_eq!(numbers("$12, 7th of 2.5 (x3)"), HashSet::from(["12", "7", "2.5", "3"]));
    }
}
