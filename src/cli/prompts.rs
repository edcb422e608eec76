//! `intercascade prompts list | show`.

use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use clap::Subcommand;

use super::{Status, say};
use crate::config::prompts::Prompts;
use crate::config::suggest;
use crate::dataset::catalogue::Catalogue;
use crate::task::Task;
use crate::task::prompt::{Prompt, Style, continued};
use crate::types::chat::{Message, Role};
use crate::types::item::Item;
use crate::types::seed::Seed;

/// What stands in for a strategy and a solution.
const STRATEGY: &str = "(a strategy)";
const SOLUTION: &str = "(the solution)";

/// The verbs of `prompts`.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List the prompts: name, version, style and where the words come from
    #[command(after_help = "Example:\n  intercascade prompts list")]
    List {
        /// A config, whose own prompts are listed too
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Print what a model would be sent, in each form that the prompt has
    #[command(
        after_help = "Example:\n  intercascade prompts show chat --dataset space-history-mcq --item sputnik-1-launch-0"
    )]
    Show {
        /// Name of the prompt
        name: String,
        /// The item to ask about; the data set's first one where absent
        #[arg(long)]
        item: Option<String>,
        /// The data set; gsm-templates or space-history-mcq where absent, as the prompt has words for
        #[arg(long)]
        dataset: Option<String>,
        /// A config, whose own prompts can be shown too
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

pub(super) fn run(verb: &Verb) -> Result<Status> {
    match verb {
        Verb::List { config } => Prompts::near(config.as_deref())?.lines().iter().for_each(|line| say(line)),
        Verb::Show { name, item, dataset, config } => {
            let prompts = Prompts::near(config.as_deref())?;
            let usual = if prompts.find(name, Task::Math).is_ok() { "gsm-templates" } else { "space-history-mcq" };
            let (task, item) = chosen(dataset.as_deref().unwrap_or(usual), item.as_deref())?;
            show(prompts.find(name, task)?, &item);
        }
    }
    Ok(Status::Done)
}

/// An item of a data set of the catalogue, of whatever split.
fn chosen(dataset: &str, id: Option<&str>) -> Result<(Task, Item)> {
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

fn show(prompt: &Prompt, item: &Item) {
    let about = |form| prompt.about(form, item, "(the answer)");
    let forms = [
        ("alone", Some(prompt.answer(item, &[], true))),
        ("following", Some(prompt.answer(item, &[STRATEGY], true))),
        ("distil", prompt.answer_and_distil(item)),
        ("distil_after", prompt.distil_after(item, SOLUTION)),
        ("p_true", prompt.p_true.as_ref().map(about)),
        ("verbalised", prompt.verbalised.as_ref().map(about)),
    ];
    for (name, messages) in forms.into_iter().filter_map(|(name, messages)| Some((name, messages?))) {
        say(&format!("=== {name}, item {} ===", item.id));
        match prompt.style {
            Style::Plain => say(&continued(&messages)),
            Style::Chat => messages.iter().for_each(tell),
        }
        say("");
    }
    say(&format!("=== a worked case ===\n{}", prompt.worked_case(item, SOLUTION)));
    if !prompt.stop.is_empty() {
        say(&format!("=== it ends an answer at {:?} ===", prompt.stop));
    }
}

fn tell(message: &Message) {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
    };
    say(&format!("[{role}]\n{}", message.content));
}
