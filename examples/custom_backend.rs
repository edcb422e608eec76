//! A custom model as a level of a config: a `[[model]]` of backend `custom`, whose answers come from this program.
//!
//! `cargo run --release --example custom_backend`

#![expect(clippy::print_stdout, reason = "an example prints its result")]

use std::sync::Arc;
use std::time::Instant;

use intercascade::async_trait;
use intercascade::run::Progress;
use intercascade::types::chat::{Finish, Request, RequestKind, Response, Token, Usage};
use intercascade::types::model::ModelError;
use intercascade::{Model, Run};

/// A model that adds the numbers of a question. Its confidence falls as the sum grows. The gateway stores its answers
/// in the journal, limits its calls and repeats calls after transient errors.
struct Adder;

#[async_trait]
impl Model for Adder {
    async fn call(&self, request: &Request) -> Result<Response, ModelError> {
        let began = Instant::now();
        if request.wanted != RequestKind::Answer {
            return Err(ModelError::Refused("the adder answers, and does nothing else".to_owned()));
        }
        let question = request.messages.last().map(|message| message.content.as_str()).unwrap_or_default();
        let numbers: Vec<u32> =
            question.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect();
        let sum: u32 = numbers.iter().sum();
        let text = format!("#### {sum}");
        let sure = 50.0 / (50.0 + f64::from(sum));
        let token = Token { text: text.clone(), logprob: Some(sure.ln()), ..Token::default() };
        Ok(Response {
            text,
            tokens: vec![token],
            usage: Usage { input: question.split_whitespace().count() as u64, cached_input: 0, output: 1 },
            finish: Finish::Stop,
            model: "adder-1".to_owned(),
            latency_ms: began.elapsed().as_secs_f64() * 1000.0,
            ..Response::default()
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let run = Run::load("examples/custom.toml")?.in_folder(folder.path().to_owned());

    // Without the registered model, a config of backend `custom` is refused before the first call.
    if let Err(error) = run.prepare() {
        println!("without its model: {error}");
    }
    let report = run.with_model("adder", Arc::new(Adder)).execute(&Progress::none()).await?;
    for slice in &report.comparison().slices {
        println!(
            "{:<12} {:5.1} % right, {} of {} deferred",
            slice.cell.arm.name(),
            slice.accuracy() * 100.0,
            slice.strong_calls(),
            slice.n
        );
    }
    report.write(folder.path())?;
    Ok(())
}
