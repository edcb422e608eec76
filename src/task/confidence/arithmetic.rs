//! Arithmetic of confidence signals: token probabilities and figures derived from them.

use std::ops::Range;

use super::{Answered, NoConfidence};
use crate::task::choice;
use crate::types::chat::{Response, Token, letter_of};

/// Greatest log-probability that counts as rounding of 0.
pub const ROUNDING: f64 = 1e-3;
/// Value that servers write for "nearly impossible". Smaller values are not read.
const FLOOR: f64 = -9999.0;

/// Rejects numbers that cannot be log-probabilities.
pub(super) fn check(tokens: &[Token]) -> Result<(), NoConfidence> {
    let listed = tokens.iter().flat_map(listed);
    listed.into_iter().find(|value| *value > ROUNDING).map_or(Ok(()), |value| Err(NoConfidence::Positive(value)))
}

/// Returns the log-probabilities that a token lists: its own, if the model chose it, and its alternatives'.
fn listed(token: &Token) -> impl Iterator<Item = f64> {
    let own = token.logprob.filter(|_| !token.forced);
    own.into_iter().chain(token.alternatives.iter().map(|(_, logprob)| *logprob))
}

/// Returns the probabilities of the `tokens` that the model chose itself.
pub(super) fn probabilities<'a>(
    response: &Response,
    tokens: impl IntoIterator<Item = &'a Token>,
) -> Result<Vec<f64>, NoConfidence> {
    let smallest = || response.tokens.iter().flat_map(listed).filter(|value| *value > FLOOR).min_by(f64::total_cmp);
    let own = tokens.into_iter().filter(|token| !token.forced);
    let probability = |token: &Token| {
        let logprob = token.logprob.or_else(smallest).ok_or(NoConfidence::NoLogprobs)?;
        Ok(logprob.min(0.0).exp())
    };
    own.map(probability).collect()
}

/// Computes the geometric mean. 0 without values: an answer without a token chosen by the model has no confidence.
#[expect(clippy::cast_precision_loss, reason = "no answer has 2^53 tokens")]
pub(super) fn geometric_mean(probabilities: &[f64]) -> f64 {
    if probabilities.is_empty() {
        return 0.0;
    }
    (probabilities.iter().map(|p| p.ln()).sum::<f64>() / probabilities.len() as f64).exp()
}

/// Returns the smallest value that at least a share `q` of the values does not exceed. 0 without values.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place among the tokens of an answer"
)]
pub(super) fn quantile(mut values: Vec<f64>, q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (q * values.len() as f64).ceil() as usize;
    values.get(place.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[expect(clippy::cast_precision_loss, reason = "no answer has 2^53 tokens")]
pub(super) fn mean(tokens: &[Token], value: impl Fn(&Token) -> Result<f64, NoConfidence>) -> Result<f64, NoConfidence> {
    let values: Vec<_> = tokens.iter().filter(|token| !token.forced).map(value).collect();
    let Some(first) = values.first() else { return Ok(0.0) };
    let least = values.iter().filter_map(|value| value.as_ref().ok().copied()).min_by(f64::total_cmp);
    let Some(least) = least else { return *first };
    Ok(values.iter().map(|value| value.as_ref().copied().unwrap_or(least)).sum::<f64>() / values.len() as f64)
}

/// Computes the best probability less the second best (Settles 2009, Active Learning Literature Survey).
pub(super) fn margin(token: &Token) -> Result<f64, NoConfidence> {
    // Servers usually list the likeliest token first, but some list the chosen token first.
    let mut logprobs: Vec<f64> = token.alternatives.iter().map(|(_, logprob)| *logprob).collect();
    logprobs.sort_by(|a, b| b.total_cmp(a));
    match logprobs.as_slice() {
        [first, second, ..] => Ok(first.min(0.0).exp() - second.min(0.0).exp()),
        _ => Err(NoConfidence::NoAlternatives),
    }
}

/// Computes the entropy over the renormalised alternatives, as a share of its greatest value, in [0, 1].
#[expect(clippy::cast_precision_loss, reason = "a handful of alternatives")]
pub(super) fn relative_entropy(token: &Token) -> Result<f64, NoConfidence> {
    let probabilities: Vec<f64> = token.alternatives.iter().map(|(_, logprob)| logprob.exp()).collect();
    if probabilities.len() < 2 {
        return Err(NoConfidence::NoAlternatives);
    }
    let total: f64 = probabilities.iter().sum();
    let shares = probabilities.iter().map(|p| p / total).filter(|share| *share > 0.0);
    let entropy: f64 = shares.map(|share| -share * share.ln()).sum();
    Ok((entropy / (probabilities.len() as f64).ln()).clamp(0.0, 1.0))
}

/// Computes max softmax(l) over the options' summed log-probabilities.
pub(super) fn option_probability(logprobs: &[f64]) -> Result<f64, NoConfidence> {
    let best = logprobs.iter().copied().max_by(f64::total_cmp).ok_or(NoConfidence::NotScored)?;
    let total: f64 = logprobs.iter().map(|l| (l - best).exp()).sum();
    Ok(1.0 / total)
}

/// Returns the tokens that overlap a byte range of the text.
fn within<'a>(tokens: &'a [Token], place: &Range<usize>) -> Vec<&'a Token> {
    let mut start = 0;
    let mut found = Vec::new();
    for token in tokens {
        let end = start + token.text.len();
        if start < place.end && end > place.start {
            found.push(token);
        }
        start = end;
    }
    found
}

/// Computes the probability of the answer's tokens. 0 if no answer could be read.
pub(super) fn place_probability(answer: &Answered) -> Result<f64, NoConfidence> {
    let Some(place) = &answer.place else { return Ok(0.0) };
    Ok(geometric_mean(&probabilities(answer.response, within(&answer.response.tokens, place))?))
}

/// Computes the chosen letter's share of the probability of all options' letters. A letter that is not among the
/// alternatives counts as the least likely alternative. Returns the token's own probability if it lists no
/// alternatives although another token does.
pub(super) fn letter_share(answer: &Answered) -> Result<f64, NoConfidence> {
    let Some(place) = &answer.place else { return Ok(0.0) };
    let Some(chosen) = answer.response.text.get(place.clone()).and_then(letter_of) else { return Ok(0.0) };
    let tokens = within(&answer.response.tokens, place);
    let Some(token) = tokens.first() else { return Ok(0.0) };
    if token.alternatives.is_empty() && token.logprob.is_some() {
        return place_probability(answer);
    }
    let least = token.alternatives.iter().map(|(_, logprob)| *logprob).filter(|logprob| *logprob > FLOOR);
    let least = least.min_by(f64::total_cmp).ok_or(NoConfidence::NoAlternatives)?.exp();
    let of = |letter: char| {
        let same = token.alternatives.iter().filter(|(text, _)| letter_of(text) == Some(letter));
        let sum: f64 = same.map(|(_, logprob)| logprob.min(0.0).exp()).sum();
        if sum > 0.0 { sum } else { least }
    };
    let total: f64 = (0..answer.options.len()).map(|index| of(choice::letter(index))).sum();
    Ok(of(chosen) / total)
}
