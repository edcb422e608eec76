//! Multiple-choice questions from facts. Each fact is asked in several ways, with the options shuffled by seed for
//! every question and the explanation as the worked solution.

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
    /// Unique name, and the group of the fact's questions.
    pub id: String,
    /// The right option.
    pub answer: String,
    /// The wrong options.
    pub distractors: Vec<String>,
    /// One sentence that states the fact.
    pub explanation: String,
    /// The wordings of its question.
    pub questions: Vec<String>,
}

impl Facts {
    /// Reads a facts file.
    ///
    /// # Errors
    /// If the text is not valid TOML of this form, or a fact does not have three distractors that differ from the
    /// answer.
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

    /// Returns one item per question, fact by fact.
    #[must_use]
    pub fn items(&self, seed: Seed) -> Vec<Item> {
        self.fact
            .iter()
            .flat_map(|fact| fact.questions.iter().enumerate().map(move |(i, query)| fact.item(i, query, seed)))
            .collect()
    }
}

/// Returns an item's options in an order drawn by seed, and the index of the answer.
pub(super) fn shuffled(answer: &str, wrong: &[String], id: &str, seed: Seed) -> (Vec<String>, Target) {
    let mut options = wrong.to_vec();
    options.push(answer.to_owned());
    options.shuffle(&mut seed.stream(&["options", id]));
    let index = options.iter().position(|option| option == answer).unwrap_or_default();
    (options, Target::Choice(index))
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
