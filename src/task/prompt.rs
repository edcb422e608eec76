//! What is put to a model. The words are data (`configs/prompts/`); here they become messages: a form for answering
//! alone, one for following what is shown, and what a strong level is asked besides.

use serde::{Deserialize, Serialize};

use super::choice;
use super::template::{Place, Template};
use crate::types::chat::{Message, Role};
use crate::types::item::Item;

/// How a model wants to be addressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Style {
    /// A text to be continued: `Question: …\nAnswer:`.
    Plain,
    /// Instructions and a question, as messages.
    Chat,
}

/// What a model is asked for one kind of question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// Its name.
    pub name: String,
    /// Its version, told in outputs.
    pub version: u32,
    /// How the model is addressed.
    pub style: Style,
    /// Texts that end an answer.
    pub stop: Vec<String>,
    /// The question by itself.
    pub alone: Form,
    /// The question behind strategies.
    pub following: Form,
    /// The question with the request for a strategy behind the answer.
    pub distil: Option<Form>,
    /// The request for a strategy, given question and solution.
    pub distil_after: Option<Form>,
    /// Whether an answer is right, to be told by Y or N.
    pub p_true: Option<Form>,
    /// How likely an answer is right, to be told by a number from 0 to 100.
    pub verbalised: Option<Form>,
    /// A strategy as it is shown.
    pub strategy: Template,
    /// What stands between two strategies.
    pub between: String,
    /// Question and solution, as a strategy.
    pub worked_case: Template,
    /// Question and answer, as a strategy.
    pub question_answer: Template,
    /// The options as a block.
    pub options: Template,
    /// One option in its line.
    pub option: Template,
}

/// The messages of one purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Instructions.
    pub system: Option<String>,
    /// The question.
    pub user: Template,
}

impl Prompt {
    /// The question, with `strategies` before it where there are any. `lettered` says whether options are listed (they
    /// are not where their likelihood is scored).
    #[must_use]
    pub fn answer(&self, item: &Item, strategies: &[&str], lettered: bool) -> Vec<Message> {
        let options = if lettered { self.options(item) } else { String::new() };
        let (form, shown) = if strategies.is_empty() {
            (&self.alone, String::new())
        } else {
            let shown: Vec<String> =
                strategies.iter().map(|text| self.strategy.fill(&[(Place::Strategy, text)])).collect();
            (&self.following, shown.join(&self.between))
        };
        form.messages(&[(Place::Query, &item.query), (Place::Options, &options), (Place::Strategies, &shown)])
    }

    /// The question with the request for a strategy behind the answer; none where the prompt has no such form.
    #[must_use]
    pub fn answer_and_distil(&self, item: &Item) -> Option<Vec<Message>> {
        let options = self.options(item);
        Some(self.distil.as_ref()?.messages(&[(Place::Query, &item.query), (Place::Options, &options)]))
    }

    /// The request for a strategy, given the solution; none where the prompt has no such form.
    #[must_use]
    pub fn distil_after(&self, item: &Item, solution: &str) -> Option<Vec<Message>> {
        let options = self.options(item);
        let given = [(Place::Query, &*item.query), (Place::Options, &options), (Place::Solution, solution)];
        Some(self.distil_after.as_ref()?.messages(&given))
    }

    /// The question of whether, or of how likely, `answer` is right.
    #[must_use]
    pub fn about(&self, form: &Form, item: &Item, answer: &str) -> Vec<Message> {
        let options = self.options(item);
        form.messages(&[(Place::Query, &item.query), (Place::Options, &options), (Place::Answer, answer)])
    }

    /// Question and solution, as a strategy.
    #[must_use]
    pub fn worked_case(&self, item: &Item, solution: &str) -> String {
        let options = self.options(item);
        let given = [(Place::Query, &*item.query), (Place::Options, &options), (Place::Solution, solution)];
        self.worked_case.fill(&given)
    }

    /// Question and answer, as a strategy.
    #[must_use]
    pub fn question_answer(&self, item: &Item, answer: &str) -> String {
        let options = self.options(item);
        self.question_answer.fill(&[(Place::Query, &item.query), (Place::Options, &options), (Place::Answer, answer)])
    }

    /// Markers that part what is shown from the rest, such as `<note>`: no strategy may hold them.
    #[must_use]
    pub fn markers(&self) -> Vec<String> {
        super::strategy::tags(&format!("{}{}", self.strategy, self.following.user))
    }

    fn options(&self, item: &Item) -> String {
        if item.options.is_empty() {
            return String::new();
        }
        let line = |(i, text): (usize, &String)| {
            self.option.fill(&[(Place::Letter, &choice::letter(i).to_string()), (Place::Option, text)])
        };
        let lines: Vec<String> = item.options.iter().enumerate().map(line).collect();
        self.options.fill(&[(Place::Lines, &lines.join("\n"))])
    }
}

impl Form {
    fn messages(&self, given: &[(Place, &str)]) -> Vec<Message> {
        let system = self.system.iter().map(|text| Message { role: Role::System, content: text.clone() });
        system.chain([Message { role: Role::User, content: self.user.fill(given) }]).collect()
    }
}

/// Messages as one text to be continued.
#[must_use]
pub fn continued(messages: &[Message]) -> String {
    messages.iter().map(|message| message.content.as_str()).collect::<Vec<_>>().join("\n\n")
}
