//! The engine: parallel items match sequential items, calls in flight stay within their limits, and answers are
//! journaled.

mod exact;
mod gateway;
#[cfg(unix)]
mod interrupted;
mod killed;
mod three_levels;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use intercascade::types::chat::{Request, RequestKind, Response, Token, Usage};
use intercascade::types::model::{Model, ModelError};
use intercascade::types::seed::Seed;

/// Model whose answers depend only on its name and the whole prompt, and take some time.
pub(super) struct Oracle {
    pub(super) seed: Seed,
    pub(super) name: &'static str,
    /// Share of strategies that cannot be read.
    pub(super) unreadable: f64,
    /// Longest duration of a call.
    pub(super) slowest: Duration,
    pub(super) watch: Arc<Watch>,
}

/// Statistics of the calls.
#[derive(Default)]
pub(super) struct Watch {
    flying: AtomicUsize,
    pub(super) most: AtomicUsize,
    /// Number of requests for each prompt.
    pub(super) requests_by_prompt: Mutex<HashMap<String, usize>>,
}

impl Watch {
    fn begin(&self, prompt: &str) {
        let flying = self.flying.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(flying, Ordering::SeqCst);
        *self.requests_by_prompt.lock().expect("no panic").entry(prompt.to_owned()).or_default() += 1;
    }

    fn end(&self) {
        self.flying.fetch_sub(1, Ordering::SeqCst);
    }

    pub(super) fn calls(&self) -> usize {
        self.requests_by_prompt.lock().expect("no panic").values().sum()
    }
}

#[async_trait]
impl Model for Oracle {
    async fn call(&self, request: &Request) -> Result<Response, ModelError> {
        let prompt: String = request.messages.iter().map(|message| message.content.as_str()).collect();
        let prompt = format!("{} {:?} {} {prompt}", self.name, request.wanted, request.draw);
        let unit = |what: &str| self.seed.unit(&[what, &prompt]);
        self.watch.begin(&prompt);
        tokio::time::sleep(self.slowest.mul_f64(unit("time"))).await;
        self.watch.end();
        // Two draws for one prompt agree more often than not.
        let answer = if request.draw > 0 && unit("same") < 0.5 { 0.0 } else { (unit("answer") * 3.0).floor() };
        let slip = f64::from(u8::from(unit("slip") < 0.3));
        // Half of the answers are a calculation with the number in the question, which the checks look for.
        let number = prompt.rsplit("number ").next().and_then(|rest| rest.split('?').next()?.parse::<f64>().ok());
        let mut text = match number.filter(|_| unit("calculated") < 0.5) {
            Some(number) => format!("{number} + {number} = {}\n#### {}", 2.0 * number + slip, 2.0 * number),
            None => format!("{answer} + 0 = {}\n#### {answer}", answer + slip),
        };
        if request.wanted == RequestKind::AnswerAndStrategy && unit("readable") >= self.unreadable {
            text = format!("{text}\nSTRATEGY:\nNote {}.", (unit("note") * 1e6).floor());
        }
        if request.wanted == RequestKind::Strategy {
            let readable = unit("readable") >= self.unreadable;
            text = if readable { format!("Note {}.", (unit("note") * 1e6).floor()) } else { String::new() };
        }
        let token = Token { text: text.clone(), logprob: Some(unit("sure").ln()), ..Token::default() };
        let usage = Usage { input: prompt.len() as u64, cached_input: 0, output: 4 };
        Ok(Response { text, tokens: vec![token], usage, model: self.name.to_owned(), ..Response::default() })
    }
}
