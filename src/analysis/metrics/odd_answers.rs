//! Warnings about a run's answers: cut or empty answers, estimated token counts, unusable log-probabilities, unknown
//! finish reasons.

use std::collections::{BTreeMap, BTreeSet};

use super::ends::FinishCounts;
use super::{Slice, slices};
use crate::types::chat::Finish;
use crate::types::level::Level;
use crate::types::noted::AnswerNotes;
use crate::types::record::{Call, Record, top_level};

/// Share of cut answers above which the run warns.
const CUT: f64 = 0.02;

/// Returns the warnings: first about the arms of `stream`, then about the models. The models' calls for `calibration`
/// count too.
#[must_use]
pub fn warnings(stream: &[Record], calibration: &[Record]) -> Vec<String> {
    let top = top_level(stream);
    let mut lines: Vec<String> =
        [Level::FIRST, top].into_iter().filter_map(|level| of_level(stream, level, top)).collect();
    let mut models: BTreeMap<&str, Vec<&AnswerNotes>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for call in stream.iter().chain(calibration).flat_map(|record| &record.calls) {
        if let (Some(noted), true) = (&call.noted, is_new(call, &mut seen)) {
            models.entry(&call.model).or_default().push(noted);
        }
    }
    lines.extend(models.into_iter().flat_map(|(model, noted)| of_model(model, &noted)));
    lines
}

/// Warns about the arms in which too many of a level's answers were cut. `None` without such an arm.
fn of_level(stream: &[Record], level: Level, top: Level) -> Option<String> {
    let share = |slice: &Slice| {
        let ends = FinishCounts::of(slice, level);
        let threshold = slice.readable.map_or_else(String::new, |threshold| format!(" at {threshold}"));
        let FinishCounts { answers, cut, .. } = ends;
        let share = ends.cut_share();
        (share > CUT).then(|| format!("{}{threshold} {:.1} % ({cut} of {answers})", slice.cell.arm, share * 100.0))
    };
    let shares: Vec<String> = slices(stream).iter().filter_map(share).collect();
    (!shares.is_empty()).then(|| {
        format!(
            "More than {:.0} % of the {} level's answers ended at the token limit (raise max_tokens in that model's entry): {}.",
            CUT * 100.0,
            level.name(top),
            shares.join(", ")
        )
    })
}

/// True if a call was not seen before. Arms share calls.
fn is_new<'a>(call: &'a Call, seen: &mut BTreeSet<(&'a str, String)>) -> bool {
    call.journal_key.is_none_or(|key| seen.insert((&call.model, key.to_string())))
}

fn of_model(model: &str, noted: &[&AnswerNotes]) -> Vec<String> {
    // Refused answers have a separate warning.
    let noted: Vec<&AnswerNotes> = noted.iter().copied().filter(|noted| noted.finish != Finish::Refused).collect();
    let all = noted.len();
    let count = |is: fn(&AnswerNotes) -> bool| noted.iter().filter(|noted| is(noted)).count();
    let mut lines = Vec::new();
    let empty = count(|noted| noted.empty);
    if empty > 0 {
        let cut = count(|noted| noted.empty && noted.finish == Finish::Length);
        lines.push(format!(
            "`{model}`: {empty} of {all} answers have no text besides reasoning ({cut} of them ended at the token limit) and count as wrong: raise max_tokens, or switch thinking off in that model's entry (extra_body = {{ chat_template_kwargs = {{ enable_thinking = false }} }} for vLLM, SGLang and llama.cpp, extra_body = {{ reasoning_effort = \"none\" }} for Ollama and OpenAI)."
        ));
    }
    let estimated = count(|noted| noted.estimated);
    if estimated > 0 {
        lines.push(format!(
            "`{model}`: the token counts of {estimated} of {all} answers are missing or implausible, and are estimated as a quarter of the bytes; so are the fees computed from them (column `estimated` of calls)."
        ));
    }
    let replaced = count(|noted| noted.replaced > 0);
    if replaced > 0 {
        let tokens: usize = noted.iter().map(|noted| noted.replaced).sum();
        lines.push(format!(
            "`{model}`: {tokens} tokens in {replaced} of {all} answers have no usable log-probability; each counts as the smallest that its answer lists."
        ));
    }
    let certain = count(|noted| noted.certain);
    if certain > 0 && 2 * certain >= all {
        lines.push(format!(
            "`{model}`: in {certain} of {all} answers every token has a log-probability of exactly 0, as servers write that do not compute them (llama.cpp with a draft model): the confidence says nothing."
        ));
    }
    let unplaced = count(|noted| noted.unplaced);
    if unplaced > 0 {
        lines.push(format!(
            "`{model}`: the tokens of {unplaced} of {all} answers could not be matched with their texts: all of them count in the confidence, or none if reasoning is among them."
        ));
    }
    let ends: BTreeSet<&str> = noted.iter().filter_map(|noted| noted.ended.as_deref()).collect();
    if !ends.is_empty() {
        let unknown = count(|noted| noted.ended.is_some());
        let ends = ends.iter().map(|end| format!("`{end}`")).collect::<Vec<_>>().join(", ");
        lines.push(format!(
            "`{model}`: {unknown} of {all} answers ended for an unknown reason ({ends}). As with cut answers, only a marked final answer is read from them."
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_oddity_has_its_own_warning() {
        let whole = AnswerNotes::default();
        assert!(of_model("m", &[&whole]).is_empty());
        for (odd, words) in [
            (
                AnswerNotes { empty: true, finish: Finish::Length, ..whole.clone() },
                "1 of 2 answers have no text besides reasoning (1 of",
            ),
            (AnswerNotes { estimated: true, ..whole.clone() }, "the token counts of 1 of 2 answers"),
            (AnswerNotes { replaced: 3, ..whole.clone() }, "3 tokens in 1 of 2 answers"),
            (
                AnswerNotes { certain: true, ..whole.clone() },
                "in 1 of 2 answers every token has a log-probability of exactly 0",
            ),
            (AnswerNotes { unplaced: true, ..whole.clone() }, "the tokens of 1 of 2 answers could not be matched"),
            (AnswerNotes { ended: Some("tired".into()), ..whole.clone() }, "(`tired`)"),
        ] {
            let lines = of_model("m", &[&whole, &odd]);
            assert!(lines.len() == 1 && lines[0].contains(words), "{lines:?}");
        }
        let withheld = AnswerNotes { estimated: true, finish: Finish::Refused, ..whole.clone() };
        let certain = AnswerNotes { certain: true, ..whole.clone() };
        assert!(
            of_model("m", &[&withheld, &whole, &whole, &certain]).is_empty(),
            "a refusal, and a sure answer among others"
        );
    }
}
