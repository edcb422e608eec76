//! `--dry-run`: the calls, tokens and fee to expect, with no model called.

use super::resolved::ResolvedConfig;
use crate::analysis::stats::power::Power;
use crate::backend::entry::{Backend, ModelEntry};
use crate::cascade::teach::Distil;
use crate::task::confidence::{Further, Signal};
use crate::types::arm::{Arm, Deferral, Learning, Use};
use crate::types::chat::{Message, Usage};
use crate::types::item::Item;
use crate::types::store_rule::StoreRule;

/// English text has about this many bytes a token; for a plan that is near enough, and it says so.
const BYTES_PER_TOKEN: usize = 4;

/// Calls of one level and the tokens that they may take.
#[derive(Default)]
struct CallLoad {
    calls: usize,
    usage: Usage,
}

/// The calls and tokens that a run may take at most, and its fee in USD where all models have a price.
pub struct RunTotals<'a> {
    /// Calls of the weak and the strong level, with their models' names.
    pub calls: [(&'a str, usize); 2],
    /// Tokens read and written.
    pub tokens: u64,
    /// The fee.
    pub fee: Option<f64>,
}

impl RunTotals<'_> {
    /// Calls of both levels.
    #[must_use]
    pub fn all_calls(&self) -> usize {
        self.calls.iter().map(|(_, calls)| calls).sum()
    }
}

/// What a run may take at most.
#[must_use]
pub fn in_all(resolved: &ResolvedConfig) -> RunTotals<'_> {
    let (weak, strong) = loads(resolved, Flow::Run);
    let loads = [(&resolved.weak, weak), (&resolved.strong, strong)];
    let fee = |(entry, load): &(&ModelEntry, CallLoad)| Some(entry.price.as_ref()?.fee(load.usage).usd());
    RunTotals {
        calls: loads.each_ref().map(|(entry, load)| (&*entry.name, load.calls)),
        tokens: loads.iter().map(|(_, load)| load.usage.input + load.usage.output).sum(),
        fee: loads.iter().map(fee).sum(),
    }
}

/// What is done with a config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Its arms are run.
    Run,
    /// They are run at so many thresholds at most.
    Sweep(usize),
    /// Its calibration items alone are taken through.
    Calibration,
}

/// What a run would do, line by line.
#[must_use]
pub fn lines(resolved: &ResolvedConfig) -> Vec<String> {
    lines_of(resolved, Flow::Run)
}

/// The same of a run, a sweep or a calibration.
#[must_use]
pub fn lines_of(resolved: &ResolvedConfig, flow: Flow) -> Vec<String> {
    let mut lines = resolved.describe();
    lines.extend([&resolved.weak, &resolved.strong].into_iter().filter_map(filled));
    lines.extend(resolved.warnings().iter().chain(&resolved.price_notes()).map(|line| format!("note: {line}")));
    let (weak, strong) = loads(resolved, flow);
    lines.push("expected at most, if every gated query were deferred and every answer as long as allowed:".to_owned());
    let mut total = Some(0.0);
    for (entry, load) in [(&resolved.weak, &weak), (&resolved.strong, &strong)] {
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
    if let Some(limit) = resolved.config.limits.max_fee_usd.filter(|limit| total.is_none_or(|total| total > *limit)) {
        lines.push(format!(
            "limits.max_fee_usd = {limit}: the run stops before a call could pass that, perhaps before its end"
        ));
    }
    if let Err(error) = resolved.check_models() {
        lines.push(format!("note: its models cannot be asked yet: {:#}", anyhow::Error::from(error)));
    }
    lines.push(
        "equal calls of several arms are made once; tokens in are told from text length (4 bytes each)".to_owned(),
    );
    lines.extend(shown(resolved));
    for name in resolved.needed_weights() {
        let state = if resolved.weights.check(&name).is_ok() { "there" } else { "will be fetched" };
        lines.push(format!("weights {name}: {state}"));
    }
    lines
}

/// The keys of an entry that its preset filled in.
fn filled(entry: &ModelEntry) -> Option<String> {
    let server = entry.backend.openai()?;
    let preset = server.preset?;
    let keys = if server.from_preset.is_empty() { "nothing".to_owned() } else { server.from_preset.join(", ") };
    Some(format!("model `{}`: from preset `{}`: {keys}", entry.name, preset.name()))
}

/// What the stream can show, whatever the models answer.
fn shown(resolved: &ResolvedConfig) -> Vec<String> {
    let groups = resolved.groups();
    let orders = resolved.config.dataset.orders;
    let usual = Power { alpha: 0.05, power: 0.8 };
    let mut lines = vec![format!(
        "what {} independent groups can show of a change of accuracy (two-sided p below 0.05, found 4 times in 5):",
        groups
    )];
    for differ in [0.1, 0.2, 0.4] {
        let least = usual.detectable_accuracy_difference(groups, differ);
        let least = least.map_or("none".to_owned(), |least| format!("{:.1} points", least * 100.0));
        lines.push(format!(
            "  where the arms differ on {:.0} % of the items: {least}; 5 points need {} groups, 2 points {}",
            differ * 100.0,
            usual.needed_items(0.05, differ),
            usual.needed_items(0.02, differ)
        ));
    }
    let variants = if groups < resolved.stream().len() { "variants within a group and " } else { "" };
    lines.push(format!(
        "  {variants}further orders (here {orders}) narrow this only as far as their outcomes differ; orders show how much a learning arm depends on the stream's order"
    ));
    lines
}

fn nominal(entry: &ModelEntry) -> &'static str {
    if entry.price.as_ref().is_some_and(|price| price.nominal) { " (nominal)" } else { "" }
}

/// How often each kind of call is made for one item, over all arms and orders.
#[derive(Clone, Copy, Default)]
struct CallsPerItem {
    /// The weak level answers without strategies.
    alone: usize,
    /// The weak level answers with strategies.
    taught: usize,
    /// The weak level answers with the one example that is the same for every query.
    fixed: usize,
    /// The strong level answers, without a strategy in the same call.
    resolved: usize,
    /// The strong level answers with strategies.
    resolved_with: usize,
    /// The strong level writes a strategy.
    distilled: usize,
    /// The strong level answers again, for the store rules `verified` and `majority`.
    verified: usize,
}

/// The distinct calls of both levels: arms share what they ask in the same words, over all orders.
fn loads(resolved: &ResolvedConfig, flow: Flow) -> (CallLoad, CallLoad) {
    let config = &resolved.config;
    let times = times(resolved);
    let (mut weak, mut strong) = (CallLoad::default(), CallLoad::default());
    // What an arm has learned differs with the threshold, and so does what its levels are asked.
    let of_stream = match flow {
        Flow::Sweep(thresholds) => {
            CallsPerItem { taught: times.taught * thresholds, resolved_with: times.resolved_with * thresholds, ..times }
        }
        _ => times,
    };
    for item in resolved.stream().iter().filter(|_| flow != Flow::Calibration) {
        add(resolved, item, of_stream, &mut weak, &mut strong);
    }
    // Calibration items: the weak level alone, and what learning arms with a threshold of their own ask in one order.
    let asks = flow == Flow::Calibration || config.deferral.calibration_task().asks();
    let learners = if config.deferral.calibrate_per_arm {
        CallsPerItem { taught: times.taught / config.dataset.orders, resolved: 1, ..times }
    } else {
        CallsPerItem::default()
    };
    for item in resolved.items[resolved.calibration()].iter().filter(|_| asks) {
        add(resolved, item, CallsPerItem { alone: 1, ..learners }, &mut weak, &mut strong);
    }
    (weak, strong)
}

/// The calls for each item of the stream.
fn times(resolved: &ResolvedConfig) -> CallsPerItem {
    let config = &resolved.config;
    let second_call = config.learning.distil == Distil::SecondCall;
    let mut times = CallsPerItem::default();
    for arm in &config.arms {
        let asks_weak = arm.deferral() != Deferral::Always;
        let to_top = match arm.learning() {
            Some(Learning { used: Use::InContext(_), .. }) => {
                times.taught += config.dataset.orders;
                config.learning.top_level_examples
            }
            None if *arm == Arm::FixedExample => {
                times.fixed = 1;
                false
            }
            // The cache and the replay only save calls.
            learning => {
                times.alone = times.alone.max(usize::from(asks_weak));
                learning.is_some_and(|learning| learning.used == Use::InTopContext)
            }
        };
        if to_top {
            times.resolved_with += config.dataset.orders;
        }
        if arm.deferral() != Deferral::Never {
            let written = arm.needs_strategies(config.learning.content);
            times.resolved = times.resolved.max(usize::from(!written || second_call));
            times.distilled = times.distilled.max(usize::from(written));
        }
    }
    let draws = |rule: StoreRule| match rule {
        StoreRule::Verified => 1,
        StoreRule::Majority => config.learning.majority_draws as usize - 1,
        _ => 0,
    };
    let most = config.learning.store.to_vec().into_iter().map(draws).max();
    times.verified = most.filter(|_| resolved.learns()).unwrap_or(0);
    times
}

/// Adds the calls for one item.
fn add(resolved: &ResolvedConfig, item: &Item, times: CallsPerItem, weak: &mut CallLoad, strong: &mut CallLoad) {
    let config = &resolved.config;
    let [weak_prompt, strong_prompt] = &resolved.prompts;
    let scored = resolved.signal.is_some_and(Signal::scores_options);
    let further = match resolved.signal.map(Signal::further) {
        None | Some(Further::Nothing) => 0,
        Some(Further::IsItRight | Further::HowLikely) => 1,
        Some(Further::Draws) => config.deferral.draws as usize,
    };
    let second_call = config.learning.distil == Distil::SecondCall;
    let query = weak_prompt.answer(item, &[], !scored);
    let tokens = if scored { 0 } else { written(&resolved.weak, item) };
    weak.add(&query, 0, tokens, times.alone * (1 + further));
    weak.add(&query, config.learning.k, tokens, times.taught * (1 + further));
    weak.add(&query, 1, tokens, times.fixed * (1 + further));
    let (query, tokens) = (strong_prompt.answer(item, &[], true), written(&resolved.strong, item));
    let in_second = if second_call { times.distilled } else { 0 };
    strong.add(&query, 0, tokens, times.resolved + times.verified + in_second);
    strong.add(&query, config.learning.k, tokens, times.resolved_with);
    if let Some(query) = strong_prompt.answer_and_distil(item).filter(|_| !second_call) {
        // A model's answer and strategy share its limit; the reference writes both out.
        let both = if matches!(resolved.strong.backend, Backend::Reference(_)) { 2 * tokens } else { tokens };
        strong.add(&query, 0, both, times.distilled);
    }
}

/// The tokens of an answer: as long as is allowed, but for the reference, whose answers are there to be seen.
fn written(entry: &ModelEntry, item: &Item) -> u64 {
    match (&entry.backend, &item.solution) {
        (Backend::Reference(_), Some(solution)) => (solution.len() / BYTES_PER_TOKEN) as u64,
        _ => u64::from(entry.max_tokens),
    }
}

impl CallLoad {
    /// Some calls with these messages; a strategy is taken to be as long as the question.
    fn add(&mut self, messages: &[Message], strategies: usize, written: u64, times: usize) {
        let bytes: usize = messages.iter().map(|message| message.content.len()).sum();
        let input = bytes * (1 + strategies) / BYTES_PER_TOKEN * times;
        self.calls += times;
        self.usage = self.usage.plus(Usage { input: input as u64, cached_input: 0, output: written * times as u64 });
    }
}
