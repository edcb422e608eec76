//! A seeded simulation of a model for tests. Answers are correct with a given probability, which is higher if the
//! prompt contains a strategy from the item's group. The confidence is higher for correct answers.

use std::collections::HashMap;

use anyhow::Result;
use async_trait::async_trait;
use serde_json::{Value, json};

use super::raw::{Behaviour, RawEntry};
use super::settings::{BackendSettings, Caller, Data, EntryError};
use crate::task::choice;
use crate::task::strategy::MARK;
use crate::types::chat::{Finish, Generation, Mode, Request, RequestKind, Response, Token, Usage};
use crate::types::item::{Item, ItemId, Target};
use crate::types::model::{Capabilities, Model, ModelError};
use crate::types::seed::Seed;

/// Settings of a simulated model.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedSettings {
    /// Behaviour of the model.
    pub behaviour: Behaviour,
}

impl SimulatedSettings {
    /// Keys of this backend.
    pub const KEYS: &'static [&'static str] = &["simulated"];

    /// Reads the settings of an entry.
    ///
    /// # Errors
    /// [`EntryError::Missing`] if the entry has no behaviour.
    pub fn read(raw: &RawEntry) -> Result<Self, EntryError> {
        let missing = || EntryError::Missing { backend: raw.backend.name(), key: "`simulated`".to_owned() };
        Ok(Self { behaviour: raw.simulated.clone().ok_or_else(missing)? })
    }

    /// Builds the model.
    #[must_use]
    pub fn model(&self, caller: Caller<'_>, data: Data<'_>) -> Simulated {
        Simulated::new(caller.name, self.behaviour.clone(), data.items, data.seed)
    }
}

impl BackendSettings for SimulatedSettings {
    fn capabilities(&self) -> Capabilities {
        Capabilities { logprobs: true, scores_options: true, calculator: false }
    }

    fn identity(&self, caller: Caller<'_>, data: Data<'_>) -> Result<Value> {
        Ok(json!({ "name": caller.name, "behaviour": self.behaviour, "seed": data.seed }))
    }

    fn is_per_item(&self) -> bool {
        true
    }

    fn describe(&self, _caller: Caller<'_>) -> String {
        "simulated".to_owned()
    }

    fn write(&self, raw: &mut RawEntry) {
        raw.simulated = Some(self.behaviour.clone());
    }
}

/// Simulated model of one data set.
pub struct Simulated {
    name: String,
    behaviour: Behaviour,
    items: HashMap<ItemId, Item>,
    seed: Seed,
}

impl Simulated {
    /// Creates a model that answers `items`.
    #[must_use]
    pub fn new(name: &str, behaviour: Behaviour, items: &[Item], seed: Seed) -> Self {
        let items = items.iter().map(|item| (item.id.clone(), item.clone())).collect();
        Self { name: name.to_owned(), behaviour, items, seed }
    }

    /// Draws the correctness and the confidence of an answer. Equal prompts have equal draws.
    fn draw(&self, item: &Item, request: &Request) -> (bool, f64) {
        let prompt: String = request.messages.iter().map(|message| message.content.as_str()).collect();
        let has_strategy = prompt.contains(&strategy(item));
        let probability = self.behaviour.accuracy + if has_strategy { self.behaviour.gain } else { 0.0 };
        let draw = request.draw.to_string();
        let unit = |label: &str| {
            let labels = ["simulated", &self.name, label, &item.id.0, &prompt, &draw];
            self.seed.unit(if request.draw == 0 { &labels[..5] } else { &labels })
        };
        let right = unit("right") < probability;
        let confidence = if right { 0.5 + 0.5 * unit("confidence") } else { 0.25 + 0.6 * unit("confidence") };
        (right, confidence)
    }

    fn text(&self, item: &Item, request: &Request, right: bool, confidence: f64) -> String {
        let is_readable =
            || self.seed.unit(&["simulated", &self.name, "readable", &item.id.0]) >= self.behaviour.unreadable;
        match request.wanted {
            RequestKind::Answer => answer(item, right),
            RequestKind::AnswerAndStrategy if is_readable() => {
                format!("{}\n{MARK}\n{}", answer(item, right), strategy(item))
            }
            RequestKind::AnswerAndStrategy => format!("{}\nNo strategy.", answer(item, right)),
            RequestKind::Strategy if is_readable() => strategy(item),
            RequestKind::Strategy => String::new(),
            // The token's probability also expresses the confidence, for each form of the question.
            RequestKind::Confidence if request.messages.iter().any(|message| message.content.contains("Y or N")) => {
                "Y".to_owned()
            }
            RequestKind::Confidence => format!("{:.0}", confidence * 100.0),
        }
    }
}

/// Returns a token with a probability of `confidence`, and with an alternative if the request asks for alternatives
/// at the token.
fn token(piece: &str, confidence: f64, generation: &Generation) -> Token {
    let logprob = generation.logprobs.then_some(confidence.ln());
    let mut token = Token { text: piece.to_owned(), logprob, ..Token::default() };
    if generation.alternatives.are_kept(piece) {
        let other = if piece.trim() == "Y" { "N" } else { "other" };
        token.alternatives = vec![(piece.to_owned(), confidence.ln()), (other.to_owned(), (1.0 - confidence).ln())];
    }
    token
}

/// Text of a simulated strategy, which a simulated weak model searches in its prompt.
fn strategy(item: &Item) -> String {
    format!("Kind of question: {}.", item.group)
}

#[async_trait]
impl Model for Simulated {
    async fn call(&self, request: &Request) -> Result<Response, ModelError> {
        let item = self
            .items
            .get(&request.item)
            .ok_or_else(|| ModelError::Refused(format!("the simulation has no item `{}`", request.item)))?;
        let (right, confidence) = self.draw(item, request);
        let input = request.messages.iter().map(|message| message.content.split_whitespace().count() as u64).sum();
        let mut response = Response {
            text: String::new(),
            tokens: Vec::new(),
            option_logprobs: Vec::new(),
            usage: Usage { input, cached_input: 0, output: 0 },
            finish: Finish::Stop,
            model: self.name.clone(),
            latency_ms: 1.0,
            ..Response::default()
        };
        match &request.mode {
            Mode::Score { options } => {
                let target = if let Target::Choice(index) = item.target { index } else { 0 };
                let chosen = if right { target } else { (target + 1) % options.len() };
                response.option_logprobs =
                    (0..options.len()).map(|i| share(i == chosen, confidence, options.len()).ln()).collect();
                response.text.clone_from(&options[chosen]);
            }
            Mode::Generate(generation) => {
                let text = self.text(item, request, right, confidence);
                response.tokens = text.split_inclusive(' ').map(|piece| token(piece, confidence, generation)).collect();
                response.usage.output = response.tokens.len() as u64;
                response.text = text;
            }
        }
        Ok(response)
    }
}

/// Returns an option's probability. The chosen option has `confidence`, but more than 1 / `options`. The others share
/// the rest equally.
#[expect(clippy::cast_precision_loss, reason = "a handful of options")]
fn share(chosen: bool, confidence: f64, options: usize) -> f64 {
    let n = options as f64;
    let confidence = confidence.clamp(1.05 / n, 0.999);
    if chosen { confidence } else { (1.0 - confidence) / (n - 1.0).max(1.0) }
}

fn answer(item: &Item, right: bool) -> String {
    match &item.target {
        Target::Number(target) if right => format!("It works out. #### {target}"),
        Target::Number(target) => format!("It works out. #### {target}1"),
        Target::Expression(target) if right => format!("It works out. \\boxed{{{target}}}"),
        Target::Expression(_) => "It works out. \\boxed{x_0}".to_owned(),
        Target::Unanswerable => format!("It works out. #### {}", if right { "None" } else { "1" }),
        Target::Choice(target) => {
            let chosen = if right { *target } else { (target + 1) % item.options.len() };
            format!("The answer is ({}).", choice::letter(chosen))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{Grader, Task};
    use crate::types::chat::{Message, Role};
    use crate::types::testing;

    #[tokio::test]
    async fn accuracy_and_gain_match_the_settings() {
        let items: Vec<Item> = (0..600)
            .map(|i| Item {
                query: "q".into(),
                target: Target::Number(i.to_string()),
                ..testing::item(i.to_string(), format!("g{}", i % 7))
            })
            .collect();
        let behaviour = Behaviour { accuracy: 0.4, gain: 0.5, unreadable: 0.0 };
        let model = Simulated::new("s", behaviour, &items, Seed(1));
        for (with_strategy, expected) in [(false, 240.0), (true, 540.0)] {
            let mut right = 0.0;
            for item in &items {
                let content = if with_strategy { strategy(item) } else { "plain".to_owned() };
                let mode = Mode::Generate(Generation { max_tokens: 9, logprobs: true, ..Generation::default() });
                let messages = vec![Message { role: Role::User, content }];
                let request = Request {
                    item: item.id.clone(),
                    messages,
                    mode,
                    wanted: RequestKind::Answer,
                    draw: 0,
                    strategies: Vec::new(),
                };
                let response = model.call(&request).await.expect("answers");
                let score = Grader::usual(Task::Math).grade(item, &response, &response.text).score;
                right += f64::from(u8::from(score == crate::types::record::Score::Correct));
            }
            assert!((right - expected).abs() < 50.0, "{right} of 600 right, expected about {expected}");
        }
    }
}
