//! The request text for an item, in each form of a prompt.

use std::path::Path;

use anyhow::{Result, anyhow, bail};

use crate::config::prompts::Prompts;
use crate::config::suggest;
use crate::dataset::catalogue::Catalogue;
use crate::task::Task;
use crate::task::prompt::{Prompt, Style, continued};
use crate::types::chat::{Message, Role};
use crate::types::item::Item;
use crate::types::seed::Seed;

/// Placeholder for a strategy.
const STRATEGY: &str = "(a strategy)";
/// Placeholder for a solution.
const SOLUTION: &str = "(the solution)";

/// Returns the texts of the prompt `name`, from the config or the shipped prompts, for an item of a catalogue data set.
/// The default of `id` is the first item; the default of `dataset` depends on the task of the prompt.
///
/// # Errors
/// If a name is unknown (with the nearest known name), or the data set has no item `id`.
pub fn texts(config: Option<&Path>, name: &str, dataset: Option<&str>, id: Option<&str>) -> Result<Vec<String>> {
    let prompts = Prompts::near(config)?;
    let default = if prompts.find(name, Task::Math).is_ok() { "gsm-templates" } else { "space-history-mcq" };
    let (task, item) = find_item(dataset.unwrap_or(default), id)?;
    Ok(forms(prompts.find(name, task)?, &item))
}

/// Finds an item in any split of a catalogue data set.
fn find_item(dataset: &str, id: Option<&str>) -> Result<(Task, Item)> {
    let catalogue = Catalogue::find(None)?;
    let entry = suggest::find("data set", dataset, &catalogue.entries, |entry| &entry.name)?;
    for split in &entry.split {
        let items = catalogue.load(entry, split, Seed::default())?.items;
        if let Some(item) = items.into_iter().find(|item| id.is_none_or(|id| *item.id.0 == *id)) {
            return Ok((entry.format.task(), item));
        }
    }
    match id {
        Some(id) => Err(anyhow!("the data set `{dataset}` has no item `{id}`")),
        None => bail!("the data set `{dataset}` is empty"),
    }
}

/// Every form with a heading, then a worked example and the stop sequences.
fn forms(prompt: &Prompt, item: &Item) -> Vec<String> {
    let about = |form| prompt.about(form, item, "(the answer)");
    let forms = [
        ("alone", Some(prompt.answer(item, &[], true))),
        ("following", Some(prompt.answer(item, &[STRATEGY], true))),
        ("distil", prompt.answer_and_distil(item)),
        ("distil_after", prompt.distil_after(item, SOLUTION)),
        ("p_true", prompt.p_true.as_ref().map(about)),
        ("verbalised", prompt.verbalised.as_ref().map(about)),
    ];
    let mut texts = Vec::new();
    for (name, messages) in forms.into_iter().filter_map(|(name, messages)| Some((name, messages?))) {
        texts.push(format!("=== {name}, item {} ===", item.id));
        match prompt.style {
            Style::Plain => texts.push(continued(&messages)),
            Style::Chat => texts.extend(messages.iter().map(message)),
        }
        texts.push(String::new());
    }
    texts.push(format!("=== a worked example ===\n{}", prompt.worked_example(item, SOLUTION)));
    if !prompt.stop.is_empty() {
        texts.push(format!("=== stop sequences {:?} ===", prompt.stop));
    }
    texts
}

fn message(message: &Message) -> String {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
    };
    format!("[{role}]\n{}", message.content)
}
