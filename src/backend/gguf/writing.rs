//! Generation of one answer: choice of the next token, insertions of the calculator, and the end of the answer.

use std::collections::VecDeque;

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use crate::backend::gguf::calculator;
use crate::backend::gguf::tokenizer::{Pieces, Tokenizer};
use crate::types::chat::{Finish, Generation, Mode, Request, Response, Token, Usage};
use crate::types::seed::Seed;

/// State of an answer in progress.
pub(super) struct Writing {
    rules: Generation,
    /// Maximum number of tokens to generate.
    most: usize,
    random: ChaCha8Rng,
    pieces: Pieces,
    text: String,
    tokens: Vec<Token>,
    /// Number of generated tokens, including tokens that a stop text removed.
    written: usize,
    /// Generated tokens that the model has not processed yet.
    unread: VecDeque<u32>,
    finish: Option<Finish>,
}

impl Writing {
    /// Creates an empty answer with `room` free positions in the context. Nothing is generated for [`Mode::Score`].
    pub(super) fn new(request: &Request, room: usize) -> Self {
        let rules = match &request.mode {
            Mode::Generate(generation) => Generation {
                stop: generation.stop.iter().filter(|stop| !stop.is_empty()).cloned().collect(),
                ..generation.clone()
            },
            Mode::Score { .. } => Generation::default(),
        };
        // The context also limits the answer.
        let most = room.min(rules.max_tokens as usize);
        Self {
            finish: (most == 0).then_some(Finish::Length),
            rules,
            most,
            random: random(request),
            pieces: Pieces::default(),
            text: String::new(),
            tokens: Vec::new(),
            written: 0,
            unread: VecDeque::new(),
        }
    }

    /// Returns true if the answer is complete.
    pub(super) fn is_done(&self) -> bool {
        self.finish.is_some()
    }

    /// Returns the next token for the model to process. Every incomplete answer has one after [`Writing::choose`].
    pub(super) fn feed(&mut self) -> Option<u32> {
        self.unread.pop_front()
    }

    /// Chooses the next token from the logits after the last processed token. Does nothing if further tokens are
    /// already generated.
    pub(super) fn choose(&mut self, logits: &[f32], tokenizer: &Tokenizer) {
        if self.is_done() || !self.unread.is_empty() {
            return;
        }
        let id = self.pick(logits);
        if Some(id) == tokenizer.eos() || tokenizer.is_control(id) {
            self.finish = Some(Finish::Stop);
            return;
        }
        let logprob = self.rules.logprobs.then(|| logprob(logits, id));
        let alternatives = self.alternatives(id, logits, tokenizer);
        self.write(id, Token { logprob, alternatives, ..Token::default() }, tokenizer);
        if !self.rules.calculator || self.is_done() {
            return;
        }
        let Some(value) = calculator::value_for(&self.text) else {
            return;
        };
        // If a value cannot be tokenized, the model generates the continuation.
        for id in tokenizer.encode(&value).unwrap_or_default() {
            if !self.is_done() {
                self.write(id, Token { forced: true, ..Token::default() }, tokenizer);
            }
        }
    }

    /// Returns the complete answer.
    pub(super) fn respond(mut self, model: &str, input: usize, latency_ms: f64) -> Response {
        let rest = self.pieces.finish();
        self.text.push_str(&rest);
        if let Some(last) = self.tokens.last_mut() {
            last.text.push_str(&rest);
        }
        Response {
            text: self.text,
            tokens: self.tokens,
            option_logprobs: Vec::new(),
            usage: Usage { input: input as u64, cached_input: 0, output: self.written as u64 },
            finish: self.finish.unwrap_or(Finish::Stop),
            model: model.to_owned(),
            latency_ms,
            ..Response::default()
        }
    }

    /// Returns the likeliest tokens at the position of token `id`, if the request asks for alternatives there.
    fn alternatives(&self, id: u32, logits: &[f32], tokenizer: &Tokenizer) -> Vec<(String, f64)> {
        let requested = self.rules.alternatives;
        let text = |id: u32| String::from_utf8_lossy(tokenizer.bytes(id)).into_owned();
        if !requested.are_kept(&text(id)) {
            return Vec::new();
        }
        let mut ids: Vec<u32> = (0..u32::try_from(logits.len()).unwrap_or(u32::MAX)).collect();
        let most = ids.len().min(requested.most as usize);
        let likelier = |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
        if most < ids.len() {
            ids.select_nth_unstable_by(most, likelier);
        }
        ids.truncate(most);
        ids.sort_unstable_by(likelier);
        ids.into_iter().map(|id| (text(id), logprob(logits, id))).collect()
    }

    fn pick(&mut self, logits: &[f32]) -> u32 {
        let index = if self.rules.temperature > 0.0 {
            let largest = largest(logits);
            let weights: Vec<f64> =
                logits.iter().map(|logit| ((f64::from(*logit) - largest) / self.rules.temperature).exp()).collect();
            let mut left = self.random.random::<f64>() * weights.iter().sum::<f64>();
            let chosen = weights.iter().position(|weight| {
                left -= weight;
                left < 0.0
            });
            chosen.unwrap_or_else(|| argmax(logits))
        } else {
            argmax(logits)
        };
        u32::try_from(index).unwrap_or_default()
    }

    /// Appends a token and fills in its text.
    fn write(&mut self, id: u32, token: Token, tokenizer: &Tokenizer) {
        let before = self.text.len();
        let text = self.pieces.push(tokenizer.bytes(id));
        self.text.push_str(&text);
        self.tokens.push(Token { text, ..token });
        self.written += 1;
        self.unread.push_back(id);
        if let Some(cut) = self.stop_from(before) {
            self.cut(cut);
            self.finish = Some(Finish::Stop);
        } else if self.written >= self.most {
            self.finish = Some(Finish::Length);
        }
    }

    /// Returns the byte index of the first stop text that ends after the byte index `before`. `None` if there is no
    /// stop text.
    fn stop_from(&self, before: usize) -> Option<usize> {
        let find = |stop: &String| {
            let from = self.text.floor_char_boundary(before.saturating_sub(stop.len()));
            self.text[from..].find(stop.as_str()).map(|index| from + index)
        };
        self.rules.stop.iter().filter_map(find).min()
    }

    /// Truncates the text and its tokens at a byte index.
    fn cut(&mut self, index: usize) {
        self.text.truncate(index);
        self.pieces = Pieces::default();
        let mut end = 0;
        let mut count = 0;
        for token in &mut self.tokens {
            if end >= index {
                break;
            }
            let length = token.text.len();
            token.text.truncate(index - end);
            end += length;
            count += 1;
        }
        self.tokens.truncate(count);
    }
}

/// Returns the random generator of a request, seeded by its messages and its draw number.
fn random(request: &Request) -> ChaCha8Rng {
    let texts = request.messages.iter().map(|message| message.content.as_str());
    Seed(u64::from(request.draw)).stream(&std::iter::once("sampling").chain(texts).collect::<Vec<_>>())
}

/// Returns the index of the largest value. Ties go to the first.
pub(super) fn argmax<T: PartialOrd>(values: &[T]) -> usize {
    let mut best = 0;
    for (index, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = index;
        }
    }
    best
}

/// Returns the natural logarithm of a token's probability under the softmax of the logits, computed in f64.
pub(super) fn logprob(logits: &[f32], token: u32) -> f64 {
    let largest = largest(logits);
    let sum: f64 = logits.iter().map(|logit| (f64::from(*logit) - largest).exp()).sum();
    f64::from(logits[token as usize]) - largest - sum.ln()
}

fn largest(logits: &[f32]) -> f64 {
    f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max))
}

#[cfg(test)]
mod tests {
    use super::{Writing, argmax, logprob};
    use crate::types::chat::{Generation, Message, Mode, Request, RequestKind, Role, Token};

    fn writing(stop: &[&str]) -> Writing {
        let request = Request {
            item: "1".into(),
            messages: vec![Message { role: Role::User, content: "Hello".to_owned() }],
            mode: Mode::Generate(Generation {
                max_tokens: 8,
                temperature: 1.0,
                stop: stop.iter().map(|stop| (*stop).to_owned()).collect(),
                logprobs: true,
                ..Generation::default()
            }),
            wanted: RequestKind::Answer,
            draw: 0,
            strategies: Vec::new(),
        };
        Writing::new(&request, 100)
    }

    fn put(writing: &mut Writing, text: &str) -> Option<usize> {
        let before = writing.text.len();
        writing.text.push_str(text);
        writing.tokens.push(Token { text: text.to_owned(), logprob: Some(-1.0), ..Token::default() });
        writing.stop_from(before)
    }

    #[test]
    fn stop_text_across_tokens_is_cut() {
        let mut writing = writing(&["\n\n", "Question:"]);
        assert_eq!(put(&mut writing, " é 4.\n"), None);
        let index = put(&mut writing, "\nQuestion:").expect("the blank line is split between tokens");
        assert_eq!(index, 6);
        writing.cut(index);
        assert_eq!(writing.text, " é 4.");
        let texts: Vec<&str> = writing.tokens.iter().map(|token| token.text.as_str()).collect();
        assert_eq!(texts, [" é 4."]);
    }

    #[test]
    fn stop_text_at_the_start_leaves_no_text() {
        let mut writing = writing(&["\n"]);
        let index = put(&mut writing, "\n").expect("found");
        writing.cut(index);
        assert!(writing.text.is_empty() && writing.tokens.is_empty());
    }

    #[test]
    fn draws_are_reproducible_and_follow_probabilities() {
        let logits = [0.0, 2.0, -1.0];
        let draw = || {
            let mut writing = writing(&[]);
            (0..1000).map(|_| writing.pick(&logits)).collect::<Vec<u32>>()
        };
        let first = draw();
        assert_eq!(first, draw());
        let share = first.iter().filter(|id| **id == 1).count();
        assert!((780..900).contains(&share), "{share} of 1000 instead of about 844");
    }

    #[test]
    fn argmax_takes_the_first_of_ties() {
        assert_eq!(argmax(&[1.0, 3.0, 3.0]), 1);
        assert_eq!(argmax(&[0.0_f32]), 0);
    }

    #[test]
    fn probabilities_sum_to_one() {
        let logits = [1.5, -2.0, 0.25, 30.0];
        let sum: f64 = (0..4).map(|token| logprob(&logits, token).exp()).sum();
        assert!((sum - 1.0).abs() < 1e-12);
    }
}
