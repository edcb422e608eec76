//! `intercascade init`: writes a first config for own questions and own models.

use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::{Result, anyhow};
use dialoguer::{Input, Select};

use super::args::usd;
use super::{Failure, Status, print};
use crate::backend::preset::Preset;
use crate::run::init::{FirstConfig, QUESTIONS, ServerModel};

/// Arguments of `init`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  intercascade init\n  intercascade init study --questions my-questions.jsonl --weak ollama/llama3.2:1b --strong openai/gpt-4.1-mini --strong-price 0.4,1.6\n\nOn a terminal, what the arguments leave open is asked for. Without --questions, sample questions are written that show the format."
)]
pub(super) struct Args {
    /// Write the config into this folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Ask the questions of this file
    #[arg(long, value_name = "FILE")]
    questions: Option<PathBuf>,
    /// Weak model, as PRESET/MODEL
    #[arg(long, value_name = "PRESET/MODEL")]
    weak: Option<ServerModel>,
    /// Strong model, as PRESET/MODEL
    #[arg(long, value_name = "PRESET/MODEL")]
    strong: Option<ServerModel>,
    /// Price of the weak model in USD per million tokens
    #[arg(long, value_name = "INPUT,OUTPUT", value_parser = price)]
    weak_price: Option<[f64; 2]>,
    /// Price of the strong model in USD per million tokens
    #[arg(long, value_name = "INPUT,OUTPUT", value_parser = price)]
    strong_price: Option<[f64; 2]>,
    /// Address of the weak model's server, if it is not the preset's
    #[arg(long, value_name = "URL")]
    weak_address: Option<String>,
    /// Address of the strong model's server, if it is not the preset's
    #[arg(long, value_name = "URL")]
    strong_address: Option<String>,
}

/// Reads two prices.
fn price(text: &str) -> Result<[f64; 2], String> {
    let Some((input, output)) = text.split_once(',') else {
        return Err("expected two prices in USD per million tokens: INPUT,OUTPUT".to_owned());
    };
    Ok([usd(input.trim())?, usd(output.trim())?])
}

pub(super) fn run(args: &Args) -> Result<Status, Failure> {
    let is_terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let questions = match &args.questions {
        None if is_terminal => ask_questions()?,
        named => named.clone(),
    };
    let level = |name: &str, model: &Option<ServerModel>, address: &Option<String>, price: Option<[f64; 2]>| {
        let mut model = match model {
            Some(model) => model.clone(),
            None if is_terminal => ask_model(name)?,
            None => {
                return Err(anyhow!("name the {name} model: --{name} PRESET/MODEL, as in --{name} ollama/llama3.2:1b"));
            }
        };
        model.address = address.clone().or(model.address);
        model.price = price.or(model.price);
        Ok(model)
    };
    let levels = [
        level("weak", &args.weak, &args.weak_address, args.weak_price)?,
        level("strong", &args.strong, &args.strong_address, args.strong_price)?,
    ];
    FirstConfig { folder: args.folder.clone(), questions, levels }.write()?.iter().for_each(|line| print(line));
    Ok(Status::Done)
}

/// Asks for the file of questions. `None` for sample questions.
fn ask_questions() -> Result<Option<PathBuf>> {
    let prompt = format!("File with your questions (empty: samples in {QUESTIONS})");
    let named: String = Input::new().with_prompt(prompt).allow_empty(true).interact_text()?;
    Ok((!named.trim().is_empty()).then(|| PathBuf::from(named.trim())))
}

/// Asks for a model: server, name, address and prices.
fn ask_model(level: &str) -> Result<ServerModel> {
    let names = Preset::ALL.map(Preset::name);
    let chosen =
        Select::new().with_prompt(format!("Server of the {level} model")).items(names).default(0).interact()?;
    let model: String = Input::new().with_prompt(format!("Name of the {level} model there")).interact_text()?;
    let mut model = ServerModel { preset: Preset::ALL[chosen], model, address: None, price: None };
    if let Some(form) = model.address_form() {
        model.address = Some(Input::new().with_prompt(format!("Its address, as in {form}")).interact_text()?);
    }
    let prompt = "Its prices in USD per million tokens, INPUT,OUTPUT (empty: none)";
    let prices: String = Input::new()
        .with_prompt(prompt)
        .allow_empty(true)
        .validate_with(|text: &String| if text.trim().is_empty() { Ok(()) } else { price(text).map(|_| ()) })
        .interact_text()?;
    model.price = price(&prices).ok();
    Ok(model)
}
