//! The worked solutions of the data set as a model: only an upper bound of a strong level. The reference is always
//! correct, and its strategies are the solutions. Outputs name the reference wherever it is used.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use async_trait::async_trait;
use candle_core::quantized::gguf_file::Content;
use serde_json::{Value, json};

use super::gguf::tokenizer::{self, Tokenizer};
use super::raw::RawEntry;
use super::settings::{BackendSettings, Caller, Data};
use crate::fetch::weights::Catalogue;
use crate::task::choice;
use crate::task::strategy::MARK;
use crate::types::chat::{Finish, Request, RequestKind, Response, Token, Usage};
use crate::types::item::{Item, ItemId, Target};
use crate::types::model::{Capabilities, Model, ModelError};

/// Version of the wording of answers and strategies, part of the identity.
pub const WORDING: u32 = 1;

/// Name of the tokenizer that counts words, for tests.
const WORDS: &str = "words";
/// Name of the default tokenizer, from the small default model.
const DEFAULT_TOKENIZER: &str = "smollm2-135m-instruct";

/// Settings of the reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceSettings {
    /// Tokenizer for token counts: a name of the catalogue of weights, or `words`. `None` selects the weak level's
    /// tokenizer if the weak level runs in this process, otherwise a default.
    pub tokenizer: Option<String>,
}

impl ReferenceSettings {
    /// Keys of this backend.
    pub const KEYS: &'static [&'static str] = &["tokenizer"];

    /// Reads the settings of an entry.
    #[must_use]
    pub fn read(raw: &RawEntry) -> Self {
        Self { tokenizer: raw.tokenizer.clone() }
    }

    /// Returns the name of the tokenizer for token counts.
    #[must_use]
    pub fn tokenizer_name<'a>(&'a self, caller: Caller<'a>) -> &'a str {
        self.tokenizer.as_deref().or(caller.weak_weights).unwrap_or(DEFAULT_TOKENIZER)
    }

    /// Builds the model. The tokenizer's weights must be on disk.
    ///
    /// # Errors
    /// Returns an error that names an item without a solution, or a tokenizer that cannot be read.
    pub fn model(&self, caller: Caller<'_>, data: Data<'_>) -> Result<Reference> {
        Ok(Reference::new(data.items, split_tokens(self.tokenizer_name(caller), data.weights)?)?)
    }
}

impl BackendSettings for ReferenceSettings {
    fn check(&self, weights: &Catalogue) -> Result<()> {
        match self.tokenizer.as_deref().filter(|name| *name != WORDS) {
            Some(name) => Ok(weights.find(name).map(drop)?),
            None => Ok(()),
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { logprobs: false, scores_options: false, calculator: false }
    }

    fn identity(&self, caller: Caller<'_>, data: Data<'_>) -> Result<Value> {
        Ok(json!({ "wording": WORDING, "dataset": data.sha256, "tokenizer": self.tokenizer_name(caller) }))
    }

    fn is_per_item(&self) -> bool {
        true
    }

    fn required_weights(&self, caller: Caller<'_>) -> BTreeSet<String> {
        [self.tokenizer_name(caller)].into_iter().filter(|name| *name != WORDS).map(str::to_owned).collect()
    }

    fn describe(&self, _caller: Caller<'_>) -> String {
        "the data set's worked solutions, not a model".to_owned()
    }

    fn write(&self, raw: &mut RawEntry) {
        raw.tokenizer.clone_from(&self.tokenizer);
    }
}

/// Function that splits a text into its tokens.
pub type SplitTokens = Arc<dyn Fn(&str) -> Vec<String> + Send + Sync>;

/// Reference model of one data set.
pub struct Reference {
    items: HashMap<ItemId, Item>,
    split_tokens: SplitTokens,
}

impl Reference {
    /// Checks that every item has a solution.
    ///
    /// # Errors
    /// Returns an error that names an item without a solution.
    pub fn check(items: &[Item]) -> Result<(), ModelError> {
        let Some(bare) = items.iter().find(|item| item.solution.is_none()) else { return Ok(()) };
        Err(ModelError::Refused(format!(
            "the backend `reference` answers from worked solutions, and item `{}` has none: choose another \
            strong model or another data set",
            bare.id
        )))
    }

    /// Creates a model that answers `items` from their solutions. `split_tokens` determines the token counts.
    ///
    /// # Errors
    /// Returns an error that names an item without a solution.
    pub fn new(items: &[Item], split_tokens: SplitTokens) -> Result<Self, ModelError> {
        Self::check(items)?;
        Ok(Self { items: items.iter().map(|item| (item.id.clone(), item.clone())).collect(), split_tokens })
    }
}

#[async_trait]
impl Model for Reference {
    async fn call(&self, request: &Request) -> Result<Response, ModelError> {
        let item = self
            .items
            .get(&request.item)
            .ok_or_else(|| ModelError::Refused(format!("the reference has no item `{}`", request.item)))?;
        let text = match request.wanted {
            RequestKind::Answer => answer(item),
            RequestKind::AnswerAndStrategy => format!("{}\n{MARK}\n{}", answer(item), strategy(item)),
            RequestKind::Strategy => strategy(item),
            RequestKind::Confidence => {
                return Err(ModelError::Refused(
                    "the reference does not state its confidence: choose another signal".to_owned(),
                ));
            }
        };
        let tokens: Vec<Token> =
            (self.split_tokens)(&text).into_iter().map(|text| Token { text, ..Token::default() }).collect();
        let input = request.messages.iter().map(|message| (self.split_tokens)(&message.content).len() as u64).sum();
        let usage = Usage { input, cached_input: 0, output: tokens.len() as u64 };
        Ok(Response { text, tokens, usage, finish: Finish::Stop, model: "reference".to_owned(), ..Response::default() })
    }
}

fn answer(item: &Item) -> String {
    let solution = item.solution.as_deref().unwrap_or_default();
    match &item.target {
        Target::Number(_) | Target::Expression(_) => solution.to_owned(),
        Target::Unanswerable => format!("{solution}\n#### None"),
        Target::Choice(index) => format!("{solution}\nThe answer is ({}).", choice::letter(*index)),
    }
}

/// Returns the strategy of the reference: a worked example, or a fact with its conclusion.
fn strategy(item: &Item) -> String {
    let solution = item.solution.as_deref().unwrap_or_default();
    match &item.target {
        Target::Number(_) | Target::Expression(_) | Target::Unanswerable => {
            format!("Question: {}\nAnswer: {}", item.query, without_annotations(solution))
        }
        Target::Choice(index) => {
            format!("Fact: {solution} So the answer to \"{}\" is \"{}\".", item.query, item.options[*index])
        }
    }
}

/// Removes GSM8K's annotations: `48/2=<<48/2=24>>24` becomes `48/2=24`.
fn without_annotations(solution: &str) -> String {
    let mut text = String::with_capacity(solution.len());
    let mut rest = solution;
    while let Some((before, after)) = rest.split_once("<<") {
        text.push_str(before);
        rest = after.split_once(">>").map_or("", |(_, after)| after);
    }
    text + rest
}

/// Returns the function that splits texts by the named tokenizer.
fn split_tokens(name: &str, weights: &Catalogue) -> Result<SplitTokens> {
    if name == WORDS {
        return Ok(Arc::new(|text: &str| text.split_inclusive(char::is_whitespace).map(str::to_owned).collect()));
    }
    let tokenizer = open_tokenizer(&weights.path(name)?)?;
    Ok(Arc::new(move |text: &str| {
        let ids = tokenizer.encode(text).unwrap_or_default();
        let mut decoder = tokenizer::Pieces::default();
        let mut texts: Vec<String> = ids.iter().map(|id| decoder.push(tokenizer.bytes(*id))).collect();
        if let Some(last) = texts.last_mut() {
            last.push_str(&decoder.finish());
        }
        texts
    }))
}

fn open_tokenizer(path: &Path) -> Result<Tokenizer> {
    let read = || -> Result<Tokenizer> {
        let mut reader = BufReader::new(File::open(path)?);
        Ok(Tokenizer::from_gguf(&Content::read(&mut reader)?)?)
    };
    read().with_context(|| format!("cannot read the tokenizer of {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::strategy::split;
    use crate::task::{Grader, Task};
    use crate::types::chat::{Generation, Mode};
    use crate::types::testing;

    fn item(target: Target, solution: Option<&str>) -> Item {
        Item {
            query: "Which?".into(),
            options: vec!["left".into(), "right".into()],
            target,
            solution: solution.map(str::to_owned),
            ..testing::item("1", "g")
        }
    }

    fn words() -> SplitTokens {
        Arc::new(|text: &str| text.split_inclusive(' ').map(str::to_owned).collect())
    }

    async fn ask(item: &Item, kind: RequestKind) -> Response {
        let reference = Reference::new(std::slice::from_ref(item), words()).expect("has a solution");
        let mode = Mode::Generate(Generation { max_tokens: 1, ..Generation::default() });
        let request =
            Request { item: item.id.clone(), messages: vec![], mode, wanted: kind, draw: 0, strategies: Vec::new() };
        reference.call(&request).await.expect("answers")
    }

    #[tokio::test]
    async fn reference_is_correct_with_and_without_strategy() {
        for item in [
            item(Target::Number("24".into()), Some("48/2=<<48/2=24>>24 clips.\n#### 24")),
            item(Target::Choice(1), Some("It was right in 1961.")),
        ] {
            let task = if matches!(item.target, Target::Number(_)) { Task::Math } else { Task::Choice };
            for kind in [RequestKind::Answer, RequestKind::AnswerAndStrategy] {
                let response = ask(&item, kind).await;
                let (text, strategy) = split(&response.text);
                let score = Grader::usual(task).grade(&item, &response, text).score;
                assert_eq!(score, crate::types::record::Score::Correct);
                assert_eq!(strategy.is_some(), kind == RequestKind::AnswerAndStrategy);
                let joined: String = response.tokens.iter().map(|token| token.text.as_str()).collect();
                assert_eq!(joined, response.text, "the tokens make up the text");
            }
        }
    }

    #[tokio::test]
    async fn strategies_have_no_annotations() {
        let item = item(Target::Number("24".into()), Some("48/2=<<48/2=24>>24 clips.\n#### 24"));
        let strategy_text = "Question: Which?\nAnswer: 48/2=24 clips.\n#### 24";
        assert_eq!(split(&ask(&item, RequestKind::AnswerAndStrategy).await.text).1, Some(strategy_text));
        assert_eq!(ask(&item, RequestKind::Strategy).await.text, strategy_text);
    }

    #[test]
    fn item_without_solution_is_refused() {
        let bare = [item(Target::Choice(0), None)];
        assert!(Reference::new(&bare, words()).is_err_and(|e| e.to_string().contains("item `1`")));
    }
}
