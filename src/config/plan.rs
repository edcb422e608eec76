//! `run --dry-run`: the calls, tokens and fee to expect, with no model called.

use super::assembly::Assembly;
use crate::cascade::arm::{Arm, Deferral};
use crate::model::entry::ModelEntry;
use crate::task::confidence::Signal;
use crate::task::prompt;
use crate::types::chat::{Message, Usage};

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

/// The distinct calls of both levels: arms that do not learn share them, over all orders.
fn loads(assembly: &Assembly) -> (Load, Load) {
    let (mut weak, mut strong) = (Load::default(), Load::default());
    let config = &assembly.config;
    let has = |is: &dyn Fn(&Arm) -> bool| config.arms.iter().any(is);
    let learning = config.arms.iter().filter(|arm| arm.learning().is_some()).count();
    let scored = assembly.signal == Some(Signal::OptionProbability);
    let asked = |load: &mut Load, messages: &[Message], strategies: usize, max_tokens: u32, times: usize| {
        let bytes: usize = messages.iter().map(|message| message.content.len()).sum();
        // A strategy is taken to be as long as the question.
        let input = bytes * (1 + strategies) / BYTES_PER_TOKEN * times;
        let output = u64::from(max_tokens) * times as u64;
        load.calls += times;
        load.usage = load.usage.plus(Usage { input: input as u64, cached_input: 0, output });
    };
    let written = if scored { 0 } else { assembly.weak.max_tokens };
    let answered = assembly.strong.max_tokens;
    let plainly = usize::from(has(&|arm| arm.learning().is_none() && arm.deferral() != Deferral::Always));
    let deferring = usize::from(has(&|arm| arm.learning().is_none() && arm.deferral() != Deferral::Never));
    for item in &assembly.items {
        let query = prompt::answer(assembly.weak.style(), assembly.task, item, &[], !scored);
        asked(&mut weak, &query, 0, written, plainly);
        asked(&mut weak, &query, config.learning.k, written, learning * config.dataset.orders);
        let query = prompt::answer(assembly.strong.style(), assembly.task, item, &[], true);
        asked(&mut strong, &query, 0, answered, deferring);
        asked(&mut strong, &prompt::answer_and_distil(assembly.task, item), 0, answered, learning.min(1));
    }
    (weak, strong)
}
