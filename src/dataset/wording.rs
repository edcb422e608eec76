//! The wordings of a template: whole texts that ask the same problem, taken in turn, and sentences with a number that
//! the answer does not need, for one problem in four.

use std::collections::HashSet;
use std::sync::LazyLock;

use anyhow::{Result, bail};
use regex::Regex;
use serde::Deserialize;

use crate::types::seed::Seed;

/// Where an `extra` sentence stands in a wording; it goes with the space behind it.
const EXTRA: &str = "{extra}";
/// One problem in this many has the `extra` sentence.
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

/// What is asked in one problem of a template, with the slots still open.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CallContext<'a> {
    /// The text up to the `extra` sentence, or all of it.
    pub before: &'a str,
    /// The `extra` sentence; `None` if the problem has none.
    pub extra: Option<&'a str>,
    /// The text behind it.
    pub after: &'a str,
}

impl Wordings {
    /// The texts in the file's order.
    pub(super) fn texts(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Several(texts) => texts,
        }
    }

    /// The text of a template's problem number `instance`: wordings take turns, from a place that depends on the seed and
    /// the template's id alone, and so does the place of the `extra` sentence among four problems.
    pub(super) fn asked<'a>(&'a self, extra: &'a [String], instance: usize, id: &str, seed: Seed) -> CallContext<'a> {
        let texts = self.texts();
        let at = (instance + place(seed, "wording", id, texts.len())) % texts.len();
        let parted = if extra.is_empty() { None } else { texts[at].split_once(EXTRA) };
        let Some((before, after)) = parted else { return CallContext { before: &texts[at], extra: None, after: "" } };
        if instance % SHARE == place(seed, "extra", id, SHARE) {
            let sentence = extra.get(at).unwrap_or(&extra[0]);
            CallContext { before, extra: Some(sentence), after }
        } else {
            CallContext { before, extra: None, after: &after[1..] }
        }
    }

    /// Checks the wordings and the `extra` sentences. `numbers` are the variables that are drawn as numbers, `variables`
    /// all of them, and `used` the names in expressions and in the solution.
    ///
    /// # Errors
    /// What is wrong, with the number of the wording or sentence, from 1.
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
                bail!("wordings {} and {} are the same: change or remove one", same + 1, at + 1);
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
                bail!("{what} {} has the slot `{{{name}}}`, but there is no variable `{name}`", at + 1);
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
            bail!("wording {} needs the slot `{EXTRA}` once, with a space behind it", at + 1);
        }
        if ![1, texts.len()].contains(&extra.len()) {
            bail!("`extra` needs one sentence, or one for each of the {} wordings, not {}", texts.len(), extra.len());
        }
        let asked: HashSet<&str> = texts.iter().flat_map(|text| slots(text)).collect();
        for (at, sentence) in extra.iter().enumerate() {
            let own = |name: &&str| numbers.contains(name) && !used.contains(name) && !asked.contains(name);
            if slots(sentence).filter(own).count() != 1 {
                bail!("`extra` sentence {} needs one number variable that nothing else uses", at + 1);
            }
        }
        Ok(())
    }
}

/// The names of a text's slots.
pub(super) fn slots(text: &str) -> impl Iterator<Item = &str> {
    SLOT.captures_iter(text).filter_map(|found| found.get(2)).map(|name| name.as_str())
}

/// The numbers of a text, as they are written.
pub(super) fn numbers(text: &str) -> HashSet<&str> {
    NUMBER.find_iter(text).map(|found| found.as_str()).collect()
}

/// A number below `count` that depends on the seed, what it is for, and the template's id.
#[expect(clippy::cast_possible_truncation, reason = "the remainder is below a `usize`")]
fn place(seed: Seed, purpose: &str, id: &str, count: usize) -> usize {
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
    fn wordings_take_turns_and_one_problem_in_four_has_the_extra_sentence() {
        let wordings = several(&["A. {extra} B?", "C. {extra} D?", "E. {extra} F?"]);
        let extra = ["X.".to_owned(), "Y.".to_owned(), "Z.".to_owned()];
        let (mut first, mut with) = (HashSet::new(), HashSet::new());
        for id in (0..40).map(|number| format!("kind-{number}")) {
            let asked: Vec<CallContext> = (0..8).map(|at| wordings.asked(&extra, at, &id, Seed(1))).collect();
            assert_eq!(asked[..3].iter().map(|asked| asked.before).collect::<HashSet<_>>().len(), 3, "{id}");
            assert_eq!(asked[0].before, asked[3].before);
            let places: Vec<usize> = (0..8).filter(|at| asked[*at].extra.is_some()).collect();
            assert_eq!(places, [places[0], places[0] + 4]);
            for asked in &asked {
                let whole = format!("{}{}{}", asked.before, asked.extra.unwrap_or_default(), asked.after);
                let known = ["A. B?", "A. X. B?", "C. D?", "C. Y. D?", "E. F?", "E. Z. F?"];
                assert!(known.contains(&whole.as_str()), "{whole}");
            }
            first.insert(asked[0].before);
            with.insert(places[0]);
        }
        assert!(first.len() == 3 && with.len() > 2, "the first wording and the extra's place vary: {first:?} {with:?}");
    }

    #[test]
    fn without_an_extra_sentence_the_text_stays_whole() {
        let wordings = Wordings::One("A {extra} B?".to_owned());
        let asked = wordings.asked(&[], 0, "one", Seed(1));
        assert_eq!(asked, CallContext { before: "A {extra} B?", extra: None, after: "" });
        assert_eq!(wordings.check(&[], &[], &HashSet::from(["extra"]), &HashSet::new()).ok(), Some(()));
    }

    #[test]
    fn faults_name_the_wording_or_the_sentence() {
        let good = several(&["{who} has {all}. {extra} How many?", "How many? {extra} It is {all}."]);
        assert_eq!(fault(&good, &["It is {odd} o'clock."]), "");
        assert_eq!(fault(&several(&[]), &[]), "`question` needs at least one wording");
        assert_eq!(fault(&several(&["A?", "B?", "A?"]), &[]), "wordings 1 and 3 are the same: change or remove one");
        assert_eq!(fault(&good, &[]), "wording 1 has the slot `{extra}`: add `extra`");
        let slot = "wording 2 needs the slot `{extra}` once, with a space behind it";
        for text in ["No slot.", "{extra} Two. {extra} Slots.", "At the end. {extra}"] {
            assert_eq!(fault(&several(&["A. {extra} B?", text]), &["It is {odd}."]), slot);
        }
        let unknown = fault(&several(&["A {all}. {extra} B?", "C {al}. {extra} D?"]), &["It is {odd}."]);
        assert_eq!(unknown, "wording 2 has the slot `{al}`, but there is no variable `al`");
        let unknown = fault(&good, &["It is {even}."]);
        assert_eq!(unknown, "`extra` sentence 1 has the slot `{even}`, but there is no variable `even`");
        let three = fault(&good, &["It is {odd}.", "It was {odd}.", "It has {odd}."]);
        assert_eq!(three, "`extra` needs one sentence, or one for each of the 2 wordings, not 3");
        for sentence in ["No number.", "{who} is here.", "{all} again."] {
            let fault = fault(&good, &["It is {odd}.", sentence]);
            assert_eq!(fault, "`extra` sentence 2 needs one number variable that nothing else uses");
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
