//! Prompts. The texts are data (`configs/prompts/`); this module turns them into messages: a form for answering alone,
//! a form for answering with strategies, and the further requests to a strong level.

use serde::{Deserialize, Serialize};

use super::choice;
use super::template::{Place, Template};
use crate::types::chat::{Message, Role};
use crate::types::item::Item;

/// Format in which a model is addressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Style {
    /// A text to be continued: `Question: …\nAnswer:`.
    Plain,
    /// Instructions and a question, as messages.
    Chat,
}

/// Prompt for one kind of question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// Name of the prompt.
    pub name: String,
    /// Version of the prompt, listed in outputs.
    pub version: u32,
    /// Hex SHA-256 of the prompt's file.
    pub sha256: String,
    /// Format in which the model is addressed.
    pub style: Style,
    /// Stop texts that end an answer.
    pub stop: Vec<String>,
    /// Form for the question by itself.
    pub alone: Form,
    /// Form for the question after strategies.
    pub following: Form,
    /// Form for the question with the request for a strategy after the answer.
    pub distil: Option<Form>,
    /// Form for the request for a strategy, given question and solution.
    pub distil_after: Option<Form>,
    /// Form for the question whether an answer is correct, with reply Y or N.
    pub p_true: Option<Form>,
    /// Form for the question how likely an answer is correct, with a reply from 0 to 100.
    pub verbalised: Option<Form>,
    /// The prompt's own worked examples, formatted.
    pub shots: String,
    /// Template of one strategy.
    pub strategy: Template,
    /// Separator between two strategies.
    pub between: String,
    /// Question and solution as a strategy.
    pub worked_example: Template,
    /// Question and answer, as a strategy.
    pub question_answer: Template,
    /// Template of the block of options.
    pub options: Template,
    /// Template of one option's line.
    pub option: Template,
}

/// Message templates for one purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// System message: instructions.
    pub system: Option<String>,
    /// User message: the question.
    pub user: Template,
}

impl Prompt {
    /// Returns name and version as written in outputs.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{} v{}", self.name, self.version)
    }

    /// Builds the messages for the question, with `strategies` before it unless empty. If `lettered`, options are
    /// listed (they are not if their likelihood is scored).
    #[must_use]
    pub fn answer(&self, item: &Item, strategies: &[&str], lettered: bool) -> Vec<Message> {
        let options = if lettered { self.options(item) } else { String::new() };
        let (form, formatted) = if strategies.is_empty() {
            (&self.alone, String::new())
        } else {
            let formatted: Vec<String> =
                strategies.iter().map(|text| self.strategy.fill(&[(Place::Strategy, text)])).collect();
            (&self.following, formatted.join(&self.between))
        };
        self.messages(form, item, &[(Place::Options, &options), (Place::Strategies, &formatted)])
    }

    /// Builds the messages for the question with the request for a strategy after the answer. `None` if the prompt has
    /// no such form.
    #[must_use]
    pub fn answer_and_distil(&self, item: &Item) -> Option<Vec<Message>> {
        let options = self.options(item);
        Some(self.messages(self.distil.as_ref()?, item, &[(Place::Options, &options)]))
    }

    /// Builds the request for a strategy, given the solution. `None` if the prompt has no such form.
    #[must_use]
    pub fn distil_after(&self, item: &Item, solution: &str) -> Option<Vec<Message>> {
        let options = self.options(item);
        let values = [(Place::Options, &*options), (Place::Solution, solution)];
        Some(self.messages(self.distil_after.as_ref()?, item, &values))
    }

    /// Builds the question whether, or how likely, `answer` is correct.
    #[must_use]
    pub fn about(&self, form: &Form, item: &Item, answer: &str) -> Vec<Message> {
        let options = self.options(item);
        self.messages(form, item, &[(Place::Options, &options), (Place::Answer, answer)])
    }

    /// Question and solution as a strategy.
    #[must_use]
    pub fn worked_example(&self, item: &Item, solution: &str) -> String {
        let options = self.options(item);
        let values = [(Place::Query, &*item.query), (Place::Options, &options), (Place::Solution, solution)];
        self.worked_example.fill(&values)
    }

    /// Question and answer, as a strategy.
    #[must_use]
    pub fn question_answer(&self, item: &Item, answer: &str) -> String {
        let options = self.options(item);
        self.question_answer.fill(&[(Place::Query, &item.query), (Place::Options, &options), (Place::Answer, answer)])
    }

    /// Returns the markers that separate retrieved strategies from the rest, such as `<note>`. No strategy may contain
    /// them.
    #[must_use]
    pub fn markers(&self) -> Vec<String> {
        super::strategy::tags(&format!("{}{}", self.strategy, self.following.user))
    }

    /// True if any form contains the question's subject.
    #[must_use]
    pub fn names_subject(&self) -> bool {
        let further = [&self.distil, &self.distil_after, &self.p_true, &self.verbalised].into_iter().flatten();
        [&self.alone, &self.following].into_iter().chain(further).any(|form| form.user.has(Place::Subject))
    }

    /// Fills a form with the question, its fixed parts and the given `values`.
    fn messages(&self, form: &Form, item: &Item, values: &[(Place, &str)]) -> Vec<Message> {
        // Data files name subjects as `abstract_algebra`.
        let subject = item.subject.as_deref().unwrap_or_default().replace('_', " ");
        let usual = [(Place::Query, &*item.query), (Place::Subject, &subject), (Place::Shots, &self.shots)];
        form.messages(&[&usual, values].concat())
    }

    fn options(&self, item: &Item) -> String {
        self.listed(&item.options)
    }

    /// Formats options as a block. Empty without options.
    #[must_use]
    pub fn listed(&self, options: &[String]) -> String {
        if options.is_empty() {
            return String::new();
        }
        let line = |(i, text): (usize, &String)| {
            self.option.fill(&[(Place::Letter, &choice::letter(i).to_string()), (Place::Option, text)])
        };
        let lines: Vec<String> = options.iter().enumerate().map(line).collect();
        self.options.fill(&[(Place::Lines, &lines.join("\n"))])
    }
}

impl Form {
    fn messages(&self, values: &[(Place, &str)]) -> Vec<Message> {
        let system = self.system.iter().map(|text| Message { role: Role::System, content: text.clone() });
        system.chain([Message { role: Role::User, content: self.user.fill(values) }]).collect()
    }
}

/// Joins messages into one text to be continued.
#[must_use]
pub fn continued(messages: &[Message]) -> String {
    messages.iter().map(|message| message.content.as_str()).collect::<Vec<_>>().join("\n\n")
}
