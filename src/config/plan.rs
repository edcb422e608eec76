//! `run --dry-run`: the calls, tokens and fee to expect, with no model called.

use super::assembly::Assembly;
use crate::cascade::arm::{Deferral, Learning, Use};
use crate::cascade::teach::{Distil, StoreRule};
use crate::model::entry::{Backend, ModelEntry};
use crate::task::confidence::{Further, Signal};
use crate::types::chat::{Message, Usage};
use crate::types::item::Item;

/// English text has about this many bytes a token; for a plan that is near enough, and it says so.
const BYTES_PER_TOKEN: usize = 4;

/// Calls of one level and the tokens that they may take.
#[derive(Default)]
struct Load {
    calls: usize,
    usage: Usage,
}

/// What a run would do, line by line.
#[must_use]
pub fn lines(assembly: &Assembly) -> Vec<String> {
    let mut lines = assembly.setting();
    lines.extend(assembly.warnings().iter().map(|line| format!("note: {line}")));
    let (weak, strong) = loads(assembly);
    lines.push("expected at most, if every gated query were deferred and every answer as long as allowed:".to_owned());
    let mut total = Some(0.0);
    for (entry, load) in [(&assembly.weak, &weak), (&assembly.strong, &strong)] {
        let fee = entry.price.as_ref().map(|price| price.fee(load.usage).usd());
        total = total.zip(fee).map(|(sum, fee)| sum + fee);
        let fee = fee.map_or("no price".to_owned(), |fee| format!("{fee:.4} USD{}", nominal(entry)));
        lines.push(format!(
            "  {}: {} calls, about {} tokens in, {} out, {fee}",
            entry.name, load.calls, load.usage.input, load.usage.output
        ));
    }
    if let Some(total) = total {
        lines.push(format!("  in all: {total:.4} USD"));
    }
    lines.push(
        "equal calls of several arms are made once; tokens in are told from text length (4 bytes each)".to_owned(),
    );
    for name in assembly.needed_weights() {
        let state = if assembly.weights.check(&name).is_ok() { "there" } else { "will be fetched" };
        lines.push(format!("weights {name}: {state}"));
    }
    lines
}

fn nominal(entry: &ModelEntry) -> &'static str {
    if entry.price.as_ref().is_some_and(|price| price.nominal) { " (nominal)" } else { "" }
}

/// The distinct calls of both levels: arms share what they ask in the same words, over all orders.
fn loads(assembly: &Assembly) -> (Load, Load) {
    let config = &assembly.config;
    let [weak_prompt, strong_prompt] = &assembly.prompts;
    let scored = assembly.signal.is_some_and(Signal::scores_options);
    let further = match assembly.signal.map(Signal::further) {
        None | Some(Further::Nothing) => 0,
        Some(Further::IsItRight | Further::HowLikely) => 1,
        Some(Further::Draws) => config.deferral.draws as usize,
    };
    let (mut alone, mut taught, mut resolved, mut distilled) = (0, 0, 0, 0);
    let second_call = config.learning.distil == Distil::SecondCall;
    for arm in &config.arms {
        let asks_weak = arm.deferral() != Deferral::Always;
        match arm.learning() {
            Some(Learning { used: Use::Shown(_), .. }) => taught += config.dataset.orders,
            // The cache only saves calls.
            _ => alone = alone.max(usize::from(asks_weak)),
        }
        if arm.deferral() != Deferral::Never {
            let written = arm.needs_strategies(config.learning.content);
            resolved = resolved.max(usize::from(!written || second_call));
            distilled = distilled.max(usize::from(written));
        }
    }
    let learns = assembly.learns();
    let verified = usize::from(learns && config.learning.store.to_vec().contains(&StoreRule::Verified));
    let (mut weak, mut strong) = (Load::default(), Load::default());
    for item in &assembly.items {
        let query = weak_prompt.answer(item, &[], !scored);
        let written = if scored { 0 } else { written(&assembly.weak, item) };
        weak.add(&query, 0, written, alone * (1 + further));
        weak.add(&query, config.learning.k, written, taught * (1 + further));
        let (query, written) = (strong_prompt.answer(item, &[], true), self::written(&assembly.strong, item));
        strong.add(&query, 0, written, resolved + verified + if second_call { distilled } else { 0 });
        if let Some(query) = strong_prompt.answer_and_distil(item).filter(|_| !second_call) {
            strong.add(&query, 0, 2 * written, distilled);
        }
    }
    (weak, strong)
}

/// The tokens of an answer: as long as is allowed, but for the reference, whose answers are there to be seen.
fn written(entry: &ModelEntry, item: &Item) -> u64 {
    match (entry.backend, &item.solution) {
        (Backend::Reference, Some(solution)) => (solution.len() / BYTES_PER_TOKEN) as u64,
        _ => u64::from(entry.max_tokens),
    }
}

impl Load {
    /// Some calls with these messages; a strategy is taken to be as long as the question.
    fn add(&mut self, messages: &[Message], strategies: usize, written: u64, times: usize) {
        let bytes: usize = messages.iter().map(|message| message.content.len()).sum();
        let input = bytes * (1 + strategies) / BYTES_PER_TOKEN * times;
        self.calls += times;
        self.usage = self.usage.plus(Usage { input: input as u64, cached_input: 0, output: written * times as u64 });
    }
}
