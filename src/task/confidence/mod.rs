//! Confidence signals as pure functions of responses, each in [0, 1] and greater for a more confident model.

mod arithmetic;

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::arithmetic::{
    check, geometric_mean, letter_share, margin, mean, option_probability, place_probability, probabilities, quantile,
    relative_entropy,
};
use super::{Task, choice};
use crate::types::chat::{Alternatives, Response};
use crate::types::confidence::{Confidence, OutOfRange};

pub use self::arithmetic::ROUNDING;

/// Number of requested alternatives if the two likeliest tokens are compared.
const FOR_MARGIN: u32 = 2;
/// Number of requested alternatives if the entropy over tokens is used.
const FOR_ENTROPY: u32 = 10;
/// Number of requested alternatives if letters are compared: the most that servers return.
const FOR_LETTERS: u32 = 20;

/// Confidence signals, by their names in configs and outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Signal {
    /// The tokens' geometric mean probability, exp(Σ ln p / n): the length-normalised sequence probability.
    MeanTokenProbability,
    /// The answer's probability, exp(Σ ln p), which decreases with every token.
    SequenceProbability,
    /// Probability of the least likely token.
    MinTokenProbability,
    /// A low quantile of the tokens' probabilities, which does not depend on the answer's length (Gupta et al. 2024,
    /// arXiv:2404.10136).
    QuantileTokenProbability,
    /// For a number: the geometric mean probability of its tokens. For a letter: its share among the options' letters.
    AnswerTokenProbability,
    /// Mean difference of the two greatest token probabilities, in [0, 1].
    Margin,
    /// 1 less the mean entropy over the likeliest alternatives, as a share of the greatest possible entropy.
    Entropy,
    /// Share of the likeliest option after a softmax over the options' summed log-probabilities, in [1/n, 1].
    OptionProbability,
    /// As `OptionProbability`, with each log-probability divided by the option's length in characters, which does not
    /// favour short options.
    OptionProbabilityNormalised,
    /// The model's own estimate of the probability that its answer is correct (a further call). Recent models nearly
    /// always state 0.9 or more.
    Verbalised,
    /// The probability of Y against N in reply to whether the answer is correct (a further call; Kadavath et al. 2022,
    /// arXiv:2207.05221).
    PTrue,
    /// Share of further draws with the same answer (Wang et al. 2022, arXiv:2203.11171).
    SelfConsistency,
    /// Confidence that was recorded with the answer.
    Recorded,
}

/// Further calls that a signal needs besides the answer's own call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Further {
    /// No further call.
    Nothing,
    /// A call that asks whether the answer is correct.
    IsItRight,
    /// A call that asks for the probability that the answer is correct.
    HowLikely,
    /// Repeated calls with the question.
    Draws,
}

impl Signal {
    /// All signals.
    pub const ALL: [Self; 13] = [
        Self::MeanTokenProbability,
        Self::SequenceProbability,
        Self::MinTokenProbability,
        Self::QuantileTokenProbability,
        Self::AnswerTokenProbability,
        Self::Margin,
        Self::Entropy,
        Self::OptionProbability,
        Self::OptionProbabilityNormalised,
        Self::Verbalised,
        Self::PTrue,
        Self::SelfConsistency,
        Self::Recorded,
    ];

    /// The name used in configs and outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MeanTokenProbability => "mean-token-probability",
            Self::SequenceProbability => "sequence-probability",
            Self::MinTokenProbability => "min-token-probability",
            Self::QuantileTokenProbability => "quantile-token-probability",
            Self::AnswerTokenProbability => "answer-token-probability",
            Self::Margin => "margin",
            Self::Entropy => "entropy",
            Self::OptionProbability => "option-probability",
            Self::OptionProbabilityNormalised => "option-probability-normalised",
            Self::Verbalised => "verbalised",
            Self::PTrue => "p-true",
            Self::SelfConsistency => "self-consistency",
            Self::Recorded => "recorded",
        }
    }

    /// True if the signal needs log-probabilities of the answer's tokens.
    #[must_use]
    pub fn needs_logprobs(self) -> bool {
        match self {
            Self::MeanTokenProbability
            | Self::SequenceProbability
            | Self::MinTokenProbability
            | Self::QuantileTokenProbability
            | Self::AnswerTokenProbability
            | Self::Margin
            | Self::Entropy => true,
            Self::OptionProbability
            | Self::OptionProbabilityNormalised
            | Self::Verbalised
            | Self::PTrue
            | Self::SelfConsistency
            | Self::Recorded => false,
        }
    }

    /// True if options are scored by likelihood, so that no text is generated.
    #[must_use]
    pub fn scores_options(self) -> bool {
        matches!(self, Self::OptionProbability | Self::OptionProbabilityNormalised)
    }

    /// Returns the alternatives to the answer's tokens that the signal needs.
    #[must_use]
    pub fn alternatives(self, task: Task) -> Alternatives {
        match self {
            Self::Margin => Alternatives { most: FOR_MARGIN, letters_only: false },
            Self::Entropy => Alternatives { most: FOR_ENTROPY, letters_only: false },
            Self::AnswerTokenProbability if task == Task::Choice => {
                Alternatives { most: FOR_LETTERS, letters_only: true }
            }
            _ => Alternatives::NONE,
        }
    }

    /// Returns the further calls that the signal needs besides the answer's own call.
    #[must_use]
    pub fn further(self) -> Further {
        match self {
            Self::Verbalised => Further::HowLikely,
            Self::PTrue => Further::IsItRight,
            Self::SelfConsistency => Further::Draws,
            _ => Further::Nothing,
        }
    }

    /// Computes the confidence from the answer's own call.
    ///
    /// A token without a usable log-probability counts as the smallest that its answer lists. A token without
    /// alternatives counts as the least confident token with alternatives.
    ///
    /// # Errors
    /// [`NoConfidence`] if the response lacks what the signal needs, or lists values that cannot be log-probabilities.
    pub fn read(self, answer: &Answered) -> Result<Confidence, NoConfidence> {
        let response = answer.response;
        if self.needs_logprobs() {
            check(&response.tokens)?;
        }
        let own = || probabilities(response, &response.tokens);
        let value = match self {
            Self::MeanTokenProbability => geometric_mean(&own()?),
            Self::SequenceProbability => {
                let probabilities = own()?;
                if probabilities.is_empty() { 0.0 } else { probabilities.iter().map(|p| p.ln()).sum::<f64>().exp() }
            }
            Self::MinTokenProbability => own()?.into_iter().min_by(f64::total_cmp).unwrap_or(0.0),
            Self::QuantileTokenProbability => quantile(own()?, answer.quantile),
            Self::AnswerTokenProbability if !answer.options.is_empty() => letter_share(answer)?,
            Self::AnswerTokenProbability => place_probability(answer)?,
            Self::Margin => mean(&response.tokens, margin)?,
            Self::Entropy => mean(&response.tokens, |token| Ok(1.0 - relative_entropy(token)?))?,
            Self::OptionProbability => option_probability(&response.option_logprobs)?,
            Self::OptionProbabilityNormalised => {
                option_probability(&choice::per_character(&response.option_logprobs, answer.options))?
            }
            Self::Recorded => response.confidence.ok_or(NoConfidence::NotRecorded)?,
            Self::Verbalised | Self::PTrue | Self::SelfConsistency => return Err(NoConfidence::FurtherCalls),
        };
        Ok(Confidence::new(value)?)
    }
}

/// An answer as input of signals.
#[derive(Debug, Clone)]
pub struct Answered<'a> {
    /// The model's response.
    pub response: &'a Response,
    /// Byte range of the answer in the response's text. `None` if no answer could be read.
    pub place: Option<Range<usize>>,
    /// Options of the question. Empty for a number.
    pub options: &'a [String],
    /// The quantile that [`Signal::QuantileTokenProbability`] uses, in [0, 1].
    pub quantile: f64,
}

/// Reason why a response has no confidence.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum NoConfidence {
    /// The backend returned no log-probability for any token.
    #[error("the answer carries no log-probabilities")]
    NoLogprobs,
    /// A log-probability is above 0.
    #[error("the answer's log-probabilities are invalid: one is {0}, above 0 (perhaps they are probabilities)")]
    Positive(f64),
    /// The computed value is out of range.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    /// The backend returned no alternatives to a token.
    #[error("the answer carries no alternatives to its tokens")]
    NoAlternatives,
    /// No confidence was recorded.
    #[error("the answer was recorded without a confidence")]
    NotRecorded,
    /// The signal is not read from the answer's own call: see [`Signal::further`].
    #[error("the answer's own call contains no confidence")]
    FurtherCalls,
    /// The options were not scored.
    #[error("the options were not scored by likelihood")]
    NotScored,
}

/// Computes the probability of Y against N in the first token of a reply that has either, in any case and as letter or
/// word. 0 if the reply has no token, or none that could be either.
///
/// # Errors
/// [`NoConfidence::NoAlternatives`] if the reply's tokens list no alternatives, [`NoConfidence::Positive`] if the
/// values are no log-probabilities.
pub fn p_true(reply: &Response) -> Result<Confidence, NoConfidence> {
    check(&reply.tokens)?;
    let is = |text: &str, letter: char| {
        let word = text.trim_matches(|c: char| !c.is_alphabetic()).to_lowercase();
        let whole = if letter == 'y' { "yes" } else { "no" };
        !word.is_empty() && (word == letter.to_string() || word == whole)
    };
    for token in &reply.tokens {
        let sum = |letter| -> f64 {
            let same = token.alternatives.iter().filter(|(text, _)| is(text, letter));
            same.map(|(_, logprob)| logprob.min(0.0).exp()).sum()
        };
        let (yes, no) = (sum('y'), sum('n'));
        if yes + no > 0.0 {
            return Ok(Confidence::new(yes / (yes + no))?);
        }
    }
    let bare = reply.tokens.iter().all(|token| token.alternatives.is_empty());
    if bare && !reply.tokens.is_empty() { Err(NoConfidence::NoAlternatives) } else { Ok(Confidence::NONE) }
}

/// Returns the alternatives that [`p_true`] needs.
#[must_use]
pub fn for_p_true() -> Alternatives {
    Alternatives { most: FOR_LETTERS, letters_only: false }
}

/// Reads the number from 0 to 100 in a reply, as a share. 0 without a number.
#[must_use]
pub fn verbalised(reply: &str) -> Confidence {
    let digits = |c: char| c.is_ascii_digit() || c == '.';
    let start = reply.find(|c: char| c.is_ascii_digit());
    let number =
        start.map(|start| &reply[start..]).map(|rest| &rest[..rest.find(|c| !digits(c)).unwrap_or(rest.len())]);
    let value: f64 = number.and_then(|number| number.trim_end_matches('.').parse().ok()).unwrap_or(0.0);
    // "0.9" is meant as 90.
    let share = if value <= 1.0 && number.is_some_and(|number| number.contains('.')) { value } else { value / 100.0 };
    Confidence::nearest(share)
}

/// Computes the share of further draws with the first answer. A draw without a readable answer agrees with no answer.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a handful of draws")]
pub fn vote_share(answer: Option<&str>, draws: &[Option<String>]) -> Confidence {
    let Some(answer) = answer.filter(|_| !draws.is_empty()) else { return Confidence::NONE };
    let same = draws.iter().filter(|draw| draw.as_deref() == Some(answer)).count();
    Confidence::nearest(same as f64 / draws.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::chat::Token;

    fn token(text: &str, probability: f64) -> Token {
        Token { text: text.into(), logprob: Some(probability.ln()), ..Token::default() }
    }

    fn with(text: &str, alternatives: &[(&str, f64)]) -> Token {
        let alternatives: Vec<(String, f64)> =
            alternatives.iter().map(|(text, probability)| ((*text).to_owned(), probability.ln())).collect();
        Token { text: text.into(), logprob: Some(alternatives[0].1), alternatives, ..Token::default() }
    }

    fn response(tokens: Vec<Token>) -> Response {
        Response { text: tokens.iter().map(|token| token.text.as_str()).collect(), tokens, ..Response::default() }
    }

    #[track_caller]
    fn reads(signal: Signal, tokens: Vec<Token>, place: Option<Range<usize>>, options: usize, expected: f64) {
        let response = response(tokens);
        let options = vec!["an option".to_owned(); options];
        let answered = Answered { response: &response, place, options: &options, quantile: 0.25 };
        let found = signal.read(&answered).expect("has what it needs").value();
        assert!((found - expected).abs() < 1e-12, "{}: {found} instead of {expected}", signal.name());
    }

    fn four() -> Vec<Token> {
        vec![token("It", 0.5), token(" is", 0.25), token(" 1", 0.8), token("8", 0.2)]
    }

    #[test]
    fn signals_over_the_tokens() {
        reads(Signal::MeanTokenProbability, four(), None, 0, (0.5_f64 * 0.25 * 0.8 * 0.2).powf(0.25));
        reads(Signal::SequenceProbability, four(), None, 0, 0.5 * 0.25 * 0.8 * 0.2);
        reads(Signal::MinTokenProbability, four(), None, 0, 0.2);
        reads(Signal::QuantileTokenProbability, four(), None, 0, 0.2);
        reads(Signal::AnswerTokenProbability, four(), Some(6..8), 0, (0.8_f64 * 0.2).sqrt());
        reads(Signal::AnswerTokenProbability, four(), Some(7..8), 0, 0.2);
        reads(Signal::AnswerTokenProbability, four(), None, 0, 0.0);
    }

    #[test]
    fn signals_over_the_alternatives() {
        let tokens = || vec![with("a", &[("a", 0.6), ("b", 0.4)]), with("c", &[("c", 0.5), ("d", 0.5)])];
        reads(Signal::Margin, tokens(), None, 0, f64::midpoint(0.2, 0.0));
        let entropy = -(0.6 * 0.6_f64.ln() + 0.4 * 0.4_f64.ln()) / 2_f64.ln();
        reads(Signal::Entropy, tokens(), None, 0, 1.0 - f64::midpoint(entropy, 1.0));
        reads(Signal::Entropy, vec![with("a", &[("a", 1.0), ("b", 0.0)])], None, 0, 1.0);
    }

    #[test]
    fn the_share_of_a_letter_is_among_the_options() {
        let tokens = || vec![token("It is (", 0.9), with("B", &[("B", 0.5), (" B", 0.1), ("A", 0.2), ("the", 0.1)])];
        // C and D are not listed, and count as the least listed probability: 0.1 each.
        reads(Signal::AnswerTokenProbability, tokens(), Some(7..8), 4, 0.6 / 1.0);
        reads(Signal::AnswerTokenProbability, tokens(), None, 4, 0.0);
    }

    #[test]
    fn calculator_tokens_do_not_count() {
        let forced = |logprob| Token { text: "9".into(), logprob, forced: true, ..Token::default() };
        let tokens = vec![token("x", 0.5), forced(None), forced(Some(-9.0))];
        reads(Signal::MeanTokenProbability, tokens, None, 0, 0.5);
    }

    #[test]
    fn missing_data_is_an_error_and_empty_answers_have_confidence_0() {
        let bare = response(vec![Token { text: "x".into(), ..Token::default() }]);
        let read = |signal: Signal, response: &Response| {
            signal.read(&Answered { response, place: Some(0..1), options: &[], quantile: 0.1 })
        };
        for signal in Signal::ALL.into_iter().filter(|signal| signal.needs_logprobs()) {
            assert!(read(signal, &bare).is_err(), "{}", signal.name());
            assert_eq!(read(signal, &Response::default()), Ok(Confidence::NONE), "{}", signal.name());
        }
        assert_eq!(read(Signal::Margin, &response(four())), Err(NoConfidence::NoAlternatives));
        assert_eq!(read(Signal::OptionProbability, &bare), Err(NoConfidence::NotScored));
        assert_eq!(read(Signal::Recorded, &bare), Err(NoConfidence::NotRecorded));
    }

    #[test]
    fn a_token_without_a_value_counts_as_the_smallest_listed() {
        let unknown = |text: &str| Token { text: text.into(), ..Token::default() };
        let some = || vec![token("It", 0.5), unknown(" is"), with(" 4", &[("4", 0.8), ("5", 0.1)])];
        reads(Signal::MinTokenProbability, some(), None, 0, 0.1);
        reads(Signal::MeanTokenProbability, some(), None, 0, (0.5_f64 * 0.1 * 0.8).cbrt());
        reads(Signal::AnswerTokenProbability, some(), Some(3..5), 0, 0.1);
        reads(Signal::Margin, some(), None, 0, 0.7);
        let letter =
            || vec![with("It", &[("It", 0.9), ("I", 0.1)]), Token { alternatives: Vec::new(), ..token("B", 0.7) }];
        reads(Signal::AnswerTokenProbability, letter(), Some(2..3), 4, 0.7);
    }

    #[test]
    fn invalid_log_probabilities_are_rejected() {
        let raw = |logprob| Token { text: "4".into(), logprob: Some(logprob), ..Token::default() };
        let read = |signal: Signal, token: Token| {
            let response = response(vec![token]);
            signal.read(&Answered { response: &response, place: Some(0..1), options: &[], quantile: 0.1 })
        };
        let listing = Token { alternatives: vec![("4".into(), 0.9), ("5".into(), 0.1)], ..raw(-0.1) };
        for signal in Signal::ALL.into_iter().filter(|signal| signal.needs_logprobs()) {
            assert_eq!(read(signal, raw(0.9)), Err(NoConfidence::Positive(0.9)), "{}", signal.name());
            assert_eq!(read(signal, listing.clone()), Err(NoConfidence::Positive(0.9)), "{}", signal.name());
        }
        let rounded = read(Signal::SequenceProbability, raw(1e-7)).expect("rounding");
        assert_eq!(rounded.value().to_bits(), 1.0_f64.to_bits());
        let recorded = Response { confidence: Some(2.46), ..Response::default() };
        let answered = Answered { response: &recorded, place: None, options: &[], quantile: 0.1 };
        assert_eq!(Signal::Recorded.read(&answered), Err(NoConfidence::OutOfRange(OutOfRange(2.46))));
    }

    #[test]
    fn option_probability_is_the_likeliest_share() {
        let option_logprobs = [0.2_f64, 0.6, 0.1, 0.1].map(|p| p.ln() - 900.0).to_vec();
        let response = Response { option_logprobs, ..Response::default() };
        let options = ["aa", "a", "a", "a"].map(String::from);
        let answered = Answered { response: &response, place: None, options: &options, quantile: 0.1 };
        assert!((Signal::OptionProbability.read(&answered).expect("scored").value() - 0.6).abs() < 1e-9);
    }

    #[test]
    fn replies_about_an_answer_are_read_as_confidences() {
        let reply = response(vec![token(" ", 1.0), with("Y", &[("Y", 0.5), ("yes", 0.1), ("N", 0.2), ("The", 0.1)])]);
        assert!((p_true(&reply).expect("has both").value() - 0.75).abs() < 1e-12);
        assert_eq!(p_true(&response(four())), Err(NoConfidence::NoAlternatives));
        assert_eq!(p_true(&response(Vec::new())), Ok(Confidence::NONE), "a reply without a word");
        assert_eq!(p_true(&response(vec![with("So", &[("So", 0.9), ("I", 0.1)])])), Ok(Confidence::NONE));
        for (text, share) in
            [("90", 0.9), ("About 75 %.", 0.75), ("0.9", 0.9), ("100", 1.0), ("1", 0.01), ("high", 0.0), ("250", 1.0)]
        {
            assert!((verbalised(text).value() - share).abs() < 1e-12, "{text}");
        }
        let draws = ["18", "18", "20"].map(|draw| Some(draw.to_owned())).into_iter().chain([None]).collect::<Vec<_>>();
        assert!((vote_share(Some("18"), &draws).value() - 0.5).abs() < 1e-12);
        assert_eq!([vote_share(None, &draws), vote_share(Some("18"), &[])], [Confidence::NONE; 2]);
    }
}
