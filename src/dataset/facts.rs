//! Multiple-choice questions from facts: each fact is asked in several ways, its options shuffled by seed anew
//! for every question, its explanation the worked solution.

use anyhow::{Result, bail};
use rand::seq::SliceRandom;
use serde::Deserialize;

use crate::types::item::{Item, Target};
use crate::types::seed::Seed;

/// The facts file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// The facts in the file's order.
    pub fact: Vec<Fact>,
}

/// One fact.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    /// Unique name; the group of its questions.
    pub id: String,
    /// The right option.
    pub answer: String,
    /// The wrong options.
    pub distractors: Vec<String>,
    /// One sentence that states the fact.
    pub explanation: String,
    /// The ways in which it is asked.
    pub questions: Vec<String>,
}

impl Facts {
    /// Reads a facts file.
    ///
    /// # Errors
    /// Where it is no TOML of this form, or a fact has not three different distractors.
    pub fn parse(text: &str) -> Result<Self> {
        let facts: Self = toml::from_str(text)?;
        for fact in &facts.fact {
            let wrong = &fact.distractors;
            if wrong.len() != 3 || wrong.contains(&fact.answer) {
                bail!("fact `{}` needs three distractors that differ from the answer", fact.id);
            }
        }
        Ok(facts)
    }

    /// One item per question, fact by fact.
    #[must_use]
    pub fn items(&self, seed: Seed) -> Vec<Item> {
        self.fact
            .iter()
            .flat_map(|fact| fact.questions.iter().enumerate().map(move |(i, query)| fact.item(i, query, seed)))
            .collect()
    }
}

/// An item's options in an order by seed, and the place of the answer.
pub(super) fn shuffled(answer: &str, wrong: &[String], id: &str, seed: Seed) -> (Vec<String>, Target) {
    let mut options = wrong.to_vec();
    options.push(answer.to_owned());
    options.shuffle(&mut seed.stream(&["options", id]));
    let place = options.iter().position(|option| option == answer).unwrap_or_default();
    (options, Target::Choice(place))
}

impl Fact {
    fn item(&self, index: usize, query: &str, seed: Seed) -> Item {
        let id = format!("{}-{index}", self.id);
        let (options, target) = shuffled(&self.answer, &self.distractors, &id, seed);
        Item {
            id: id.into(),
            group: self.id.as_str().into(),
            query: query.to_owned(),
            options,
            target,
            solution: Some(self.explanation.clone()),
            subject: None,
        }
    }
}
