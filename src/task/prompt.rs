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
    /// Hex sha256 of its file.
    pub sha256: String,
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
    /// Its own worked examples, in their form.
    pub shots: String,
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
    /// Its name and version, as outputs have them.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{} v{}", self.name, self.version)
    }

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
        self.messages(form, item, &[(Place::Options, &options), (Place::Strategies, &shown)])
    }

    /// The question with the request for a strategy behind the answer; none where the prompt has no such form.
    #[must_use]
    pub fn answer_and_distil(&self, item: &Item) -> Option<Vec<Message>> {
        let options = self.options(item);
        Some(self.messages(self.distil.as_ref()?, item, &[(Place::Options, &options)]))
    }

    /// The request for a strategy, given the solution; none where the prompt has no such form.
    #[must_use]
    pub fn distil_after(&self, item: &Item, solution: &str) -> Option<Vec<Message>> {
        let options = self.options(item);
        let given = [(Place::Options, &*options), (Place::Solution, solution)];
        Some(self.messages(self.distil_after.as_ref()?, item, &given))
    }

    /// The question of whether, or of how likely, `answer` is right.
    #[must_use]
    pub fn about(&self, form: &Form, item: &Item, answer: &str) -> Vec<Message> {
        let options = self.options(item);
        self.messages(form, item, &[(Place::Options, &options), (Place::Answer, answer)])
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

    /// Whether any form names the question's subject.
    #[must_use]
    pub fn names_subject(&self) -> bool {
        let further = [&self.distil, &self.distil_after, &self.p_true, &self.verbalised].into_iter().flatten();
        [&self.alone, &self.following].into_iter().chain(further).any(|form| form.user.has(Place::Subject))
    }

    /// A form with the question and what goes with every question, and with what is given besides.
    fn messages(&self, form: &Form, item: &Item, given: &[(Place, &str)]) -> Vec<Message> {
        // Files name subjects as `abstract_algebra`.
        let subject = item.subject.as_deref().unwrap_or_default().replace('_', " ");
        let usual = [(Place::Query, &*item.query), (Place::Subject, &subject), (Place::Shots, &self.shots)];
        form.messages(&[&usual, given].concat())
    }

    fn options(&self, item: &Item) -> String {
        self.listed(&item.options)
    }

    /// Options as a block; nothing where there are none.
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
