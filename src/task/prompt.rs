//! The words that are put to the models, all of them here: a plain form for base-like completion models and a chat
//! form for instructed ones, each with or without strategies in front and a request for a strategy behind.

use serde::{Deserialize, Serialize};

use super::{Task, choice};
use crate::types::chat::{Message, Role};
use crate::types::item::Item;

/// Names the wording, for the manifest: two runs with different versions put different words to the models.
pub const VERSION: &str = "1";

/// A line of its own that parts a strong answer from the strategy behind it.
pub const STRATEGY_MARK: &str = "STRATEGY:";

/// How a model wants to be addressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Style {
    /// A text to be continued: `Question: …\nAnswer:`.
    Plain,
    /// Instructions and a question, as messages.
    Chat,
}

/// Messages as one text to be continued.
#[must_use]
pub fn continued(messages: &[Message]) -> String {
    messages.iter().map(|message| message.content.as_str()).collect::<Vec<_>>().join("\n\n")
}

/// What ends an answer in each style.
#[must_use]
pub fn stops(style: Style) -> Vec<String> {
    match style {
        Style::Plain => vec!["\n\n".into(), "\nQuestion:".into()],
        Style::Chat => Vec::new(),
    }
}

/// The prompt for `item`; the texts of `strategies` stand in front of the query, in their order. `lettered` says
/// whether the options are listed (they are not where their likelihood is scored).
#[must_use]
pub fn answer(style: Style, task: Task, item: &Item, strategies: &[&str], lettered: bool) -> Vec<Message> {
    match style {
        Style::Plain => vec![user(plain(item, strategies, lettered))],
        Style::Chat => {
            vec![system(&format!("{} {}", role(task), ending(task))), user(chat(item, strategies))]
        }
    }
}

/// The prompt for `item` that also asks for a strategy; strategies are distilled by chat models only.
#[must_use]
pub fn answer_and_distil(task: Task, item: &Item) -> Vec<Message> {
    let instructions = format!(
        "{} {}\n\
         After that, write a line that reads {STRATEGY_MARK} and below it a strategy that lets a weaker model answer \
         questions of this kind by itself: name the kind of question, give the steps or the fact that decides it in \
         general terms, name the likely mistake, and close with this question and its answer as a worked case. \
         Keep the strategy below 150 words.",
        role(task),
        ending(task)
    );
    vec![system(&instructions), user(chat(item, &[]))]
}

/// Parts a strong answer at the first line that reads `STRATEGY:`. The strategy is none where the line is missing
/// or nothing stands below it. The lengths of the parts before and after the mark add up to the text's.
#[must_use]
pub fn split_strategy(text: &str) -> (&str, Option<&str>) {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let bare = line.trim().trim_matches(['*', '#', ' ']);
        if bare.eq_ignore_ascii_case(STRATEGY_MARK) || bare.eq_ignore_ascii_case("strategy") {
            let strategy = text[start + line.len()..].trim();
            return (&text[..start], (!strategy.is_empty()).then_some(strategy));
        }
        start += line.len();
    }
    (text, None)
}

fn plain(item: &Item, strategies: &[&str], lettered: bool) -> String {
    let mut parts: Vec<String> = strategies.iter().map(|text| (*text).to_owned()).collect();
    let lettered = lettered && !item.options.is_empty();
    let options = if lettered { format!("\n{}", options(item)) } else { String::new() };
    parts.push(format!("Question: {}{options}\nAnswer:", item.query));
    parts.join("\n\n")
}

fn chat(item: &Item, strategies: &[&str]) -> String {
    let mut parts = Vec::new();
    if !strategies.is_empty() {
        parts.push("Notes on questions that were answered before; use them where they fit:".to_owned());
        parts.extend(strategies.iter().map(|text| format!("<note>\n{text}\n</note>")));
    }
    parts.push(format!("Question: {}", item.query));
    if !item.options.is_empty() {
        parts.push(options(item));
    }
    parts.join("\n\n")
}

fn options(item: &Item) -> String {
    let lines: Vec<String> =
        item.options.iter().enumerate().map(|(i, text)| format!("({}) {text}", choice::letter(i))).collect();
    lines.join("\n")
}

fn role(task: Task) -> &'static str {
    match task {
        Task::Math => "You solve grade-school word problems step by step, briefly.",
        Task::Choice => "You answer multiple-choice questions, with at most one sentence of explanation.",
    }
}

fn ending(task: Task) -> &'static str {
    match task {
        Task::Math => "End the solution with a line that reads #### followed by the answer as a bare number.",
        Task::Choice => "End the answer with a line that reads: The answer is (X). with X the option's letter.",
    }
}

fn system(content: &str) -> Message {
    Message { role: Role::System, content: content.to_owned() }
}

fn user(content: String) -> Message {
    Message { role: Role::User, content }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::item::Target;

    fn item() -> Item {
        Item {
            id: "1".into(),
            group: "g".into(),
            query: "Which was first?".into(),
            options: vec!["Sputnik 1".into(), "Luna 1".into()],
            target: Target::Choice(0),
            solution: None,
        }
    }

    #[test]
    fn strategies_stand_before_the_query_in_their_order() {
        let messages = answer(Style::Plain, Task::Choice, &item(), &["Fact: one.", "Fact: two."], false);
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0].content, "Fact: one.\n\nFact: two.\n\nQuestion: Which was first?\nAnswer:");
    }

    #[test]
    fn the_plain_form_has_no_gap_where_there_are_no_options() {
        let math = Item { options: Vec::new(), target: Target::Number("4".into()), ..item() };
        let messages = answer(Style::Plain, Task::Math, &math, &[], true);
        assert_eq!(messages[0].content, "Question: Which was first?\nAnswer:");
        let messages = answer(Style::Plain, Task::Choice, &item(), &[], true);
        assert_eq!(messages[0].content, "Question: Which was first?\n(A) Sputnik 1\n(B) Luna 1\nAnswer:");
    }

    #[test]
    fn the_chat_form_lists_the_options_and_says_how_to_end() {
        let messages = answer(Style::Chat, Task::Choice, &item(), &["Fact."], true);
        assert!(messages[0].content.contains("The answer is (X)."));
        assert!(messages[1].content.ends_with("Question: Which was first?\n\n(A) Sputnik 1\n(B) Luna 1"));
        assert!(messages[1].content.contains("<note>\nFact.\n</note>"));
    }

    #[test]
    fn a_strategy_stands_behind_its_mark() {
        let text = "2 + 2 = 4\n#### 4\nSTRATEGY:\nAdd them.\nThen stop.\n";
        assert_eq!(split_strategy(text), ("2 + 2 = 4\n#### 4\n", Some("Add them.\nThen stop.")));
        assert_eq!(split_strategy("4\n**Strategy:**\nAdd."), ("4\n", Some("Add.")));
    }

    #[test]
    fn a_missing_or_empty_strategy_is_none_and_keeps_the_answer() {
        assert_eq!(split_strategy("#### 4"), ("#### 4", None));
        assert_eq!(split_strategy("#### 4\nSTRATEGY:\n  "), ("#### 4\n", None));
        assert_eq!(split_strategy("My STRATEGY: guess"), ("My STRATEGY: guess", None));
    }
}
