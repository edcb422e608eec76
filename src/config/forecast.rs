//! Forecast of a run (`--dry-run`): expected calls, tokens and fee, without calling a model.

use std::collections::BTreeMap;

use super::resolved::ResolvedConfig;
use crate::analysis::stats::power::Power;
use crate::backend::entry::{Backend, ModelEntry};
use crate::cascade::teach::Distil;
use crate::task::confidence::{Further, Signal};
use crate::types::arm::{Arm, Deferral, Learning, Use};
use crate::types::chat::{Message, Usage};
use crate::types::item::Item;
use crate::types::price::Fee;
use crate::types::shard::Shard;
use crate::types::store_rule::StoreRule;

/// Approximate number of bytes per token of English text.
const BYTES_PER_TOKEN: usize = 4;

/// Upper bound on the calls and tokens of one level.
#[derive(Default)]
struct CallLoad {
    calls: usize,
    usage: Usage,
}

/// Upper bound on the calls, tokens and fee of a run.
pub struct RunTotals<'a> {
    /// Names of the weak and the strong model, each with the number of calls.
    pub calls: [(&'a str, usize); 2],
    /// Number of input and output tokens of both levels.
    pub tokens: u64,
    /// Fee in USD. `None` if a model has no price.
    pub fee: Option<f64>,
}

impl RunTotals<'_> {
    /// Number of calls of both levels.
    #[must_use]
    pub fn all_calls(&self) -> usize {
        self.calls.iter().map(|(_, calls)| calls).sum()
    }
}

/// Returns the upper bound on calls, tokens and fee of a run.
#[must_use]
pub fn totals(resolved: &ResolvedConfig) -> RunTotals<'_> {
    let (weak, strong) = loads(resolved, Flow::Run);
    let loads = [(&resolved.weak, weak), (&resolved.strong, strong)];
    let fee = |(entry, load): &(&ModelEntry, CallLoad)| Some(entry.price.as_ref()?.fee(load.usage).usd());
    RunTotals {
        calls: loads.each_ref().map(|(entry, load)| (&*entry.name, load.calls)),
        tokens: loads.iter().map(|(_, load)| load.usage.input + load.usage.output).sum(),
        fee: loads.iter().map(fee).sum(),
    }
}

/// Use of a config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Run of the arms.
    Run,
    /// Sweep of the arms over up to this number of thresholds.
    Sweep(usize),
    /// Run of the calibration items only.
    Calibration,
}

/// Describes the forecast of a run, one line each.
#[must_use]
pub fn lines(resolved: &ResolvedConfig) -> Vec<String> {
    lines_of(resolved, Flow::Run)
}

/// Describes the forecast of a run, a sweep or a calibration, one line each.
#[must_use]
pub fn lines_of(resolved: &ResolvedConfig, flow: Flow) -> Vec<String> {
    let mut lines = resolved.describe();
    lines.extend([&resolved.weak, &resolved.strong].into_iter().filter_map(preset_keys));
    lines.extend(resolved.warnings().iter().chain(&resolved.price_notes()).map(|line| format!("note: {line}")));
    let (weak, strong) = loads(resolved, flow);
    lines.push("upper bound, if every gated query is deferred and every answer has the maximum length:".to_owned());
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
        lines.push(format!("  total: {total:.4} USD"));
    }
    lines.extend(in_batches(resolved, flow, total));
    if let Some(limit) = resolved.config.limits.max_fee_usd.filter(|limit| total.is_none_or(|total| total > *limit)) {
        lines.push(format!(
            "limits.max_fee_usd = {limit}: the run stops before a call that could exceed the limit, so it may not finish"
        ));
    }
    if let Err(error) = resolved.check_models() {
        lines.push(format!("note: the models cannot be called yet: {:#}", anyhow::Error::from(error)));
    }
    lines.push(
        "equal calls of several arms are made once; input tokens are estimated from the text length (4 bytes each)"
            .to_owned(),
    );
    lines.extend(detectable_differences(resolved));
    for name in resolved.required_weights() {
        let state = if resolved.weights.check(&name).is_ok() { "present" } else { "will be fetched" };
        lines.push(format!("weights {name}: {state}"));
    }
    lines
}

/// Describes the fee with `--batch`. `None` if no level's server has a batch API.
fn in_batches(resolved: &ResolvedConfig, flow: Flow, total: Option<f64>) -> Option<String> {
    let (weak, strong) = loads_of(resolved, flow, |arm| arm.learning().is_none());
    let loads = [(&resolved.weak, weak), (&resolved.strong, strong)];
    let calls = |(entry, load): &(&ModelEntry, CallLoad)| if entry.has_batch_api() { load.calls } else { 0 };
    let count: usize = loads.iter().map(calls).sum();
    let mut able = loads.iter().filter(|(entry, _)| entry.has_batch_api()).peekable();
    able.peek()?;
    let (mut saved, mut unknown) = (Fee::default(), Vec::new());
    for (entry, load) in able {
        match entry.price.as_ref().filter(|price| price.batch.is_some()) {
            Some(price) => saved = saved.plus(price.saved_by_batch(load.usage)),
            None => unknown.push(format!("`{}`", entry.name)),
        }
    }
    let fee = total.map_or("no price".to_owned(), |total| format!("{:.4} USD", total - saved.usd()));
    let unknown = if unknown.is_empty() {
        String::new()
    } else {
        format!(
            "; no batch price is known for {}, so the full price is assumed: set price.batch",
            unknown.join(" and ")
        )
    };
    Some(format!("  total with --batch: {fee}, with {count} calls in batches (no learning arm makes them){unknown}"))
}

/// Describes the keys of an entry that its preset filled in. `None` if the entry has no preset.
fn preset_keys(entry: &ModelEntry) -> Option<String> {
    let server = entry.backend.openai()?;
    let preset = server.preset?;
    let keys = if server.from_preset.is_empty() { "nothing".to_owned() } else { server.from_preset.join(", ") };
    Some(format!("model `{}`: from preset `{}`: {keys}", entry.name, preset.name()))
}

/// Describes the accuracy differences that the stream can detect, independent of any model's answers.
fn detectable_differences(resolved: &ResolvedConfig) -> Vec<String> {
    let groups = resolved.groups();
    let orders = resolved.config.dataset.orders;
    let power = Power { alpha: 0.05, power: 0.8 };
    let mut lines = vec![format!(
        "smallest detectable change of accuracy with {} independent groups (two-sided p below 0.05, 80 % power):",
        groups
    )];
    for differ in [0.1, 0.2, 0.4] {
        let least = power.detectable_accuracy_difference(groups, differ);
        let least = least.map_or("none detectable".to_owned(), |least| format!("{:.1} points", least * 100.0));
        lines.push(format!(
            "  if the arms differ on {:.0} % of the items: {least}; 5 points need {} groups, 2 points {}",
            differ * 100.0,
            power.needed_items(0.05, differ),
            power.needed_items(0.02, differ)
        ));
    }
    let variants = if groups < resolved.stream().len() { "variants within a group and " } else { "" };
    lines.push(format!(
        "  {variants}further orders (here {orders}) reduce this only as far as their outcomes differ; orders show how much a learning arm depends on the stream's order"
    ));
    lines
}

/// Label of a nominal price. Empty for other prices.
fn nominal(entry: &ModelEntry) -> &'static str {
    if entry.price.as_ref().is_some_and(|price| price.nominal) { " (nominal)" } else { "" }
}

/// Number of calls of each kind for one item, over all arms and orders.
#[derive(Clone, Copy, Default)]
struct CallsPerItem {
    /// Answers of the weak level without strategies.
    alone: usize,
    /// Answers of the weak level with strategies.
    with_strategies: usize,
    /// Answers of the weak level with the fixed example.
    with_fixed_example: usize,
    /// Answers of the strong level without a strategy in the same call.
    strong: usize,
    /// Answers of the strong level with strategies in the prompt.
    strong_with_strategies: usize,
    /// Strategies that the strong level writes.
    distillations: usize,
    /// Additional samples of the strong level for the store rules `verified` and `majority`.
    verifications: usize,
}

/// Upper bounds on the calls of the weak and the strong level. Identical calls of several arms or orders count once.
fn loads(resolved: &ResolvedConfig, flow: Flow) -> (CallLoad, CallLoad) {
    loads_of(resolved, flow, |_| true)
}

/// Upper bounds on the calls of the arms for which `keep` is true, and of their calibration.
fn loads_of(resolved: &ResolvedConfig, flow: Flow, keep: fn(&Arm) -> bool) -> (CallLoad, CallLoad) {
    let config = &resolved.config;
    let kept = config.arms.iter().filter(|arm| keep(arm));
    let arms: BTreeMap<Arm, usize> = kept.map(|arm| (*arm, config.dataset.orders)).collect();
    let per_item = calls_per_item(resolved, &arms);
    let (mut weak, mut strong) = (CallLoad::default(), CallLoad::default());
    // The repository of an arm depends on the threshold, and so do the prompts with strategies.
    let of_stream = match flow {
        Flow::Sweep(thresholds) => CallsPerItem {
            with_strategies: per_item.with_strategies * thresholds,
            strong_with_strategies: per_item.strong_with_strategies * thresholds,
            ..per_item
        },
        _ => per_item,
    };
    for item in resolved.stream().iter().filter(|_| flow != Flow::Calibration) {
        add(resolved, item, of_stream, &mut weak, &mut strong);
    }
    // Calibration items: the weak level without strategies, and the calls of separately calibrated learning arms in one
    // order.
    let calibrates = flow == Flow::Calibration || config.deferral.calibration_task().asks();
    let learns = config.arms.iter().any(|arm| keep(arm) && arm.learning().is_some());
    let learners = if config.deferral.calibrate_per_arm && learns {
        CallsPerItem { with_strategies: per_item.with_strategies / config.dataset.orders, strong: 1, ..per_item }
    } else {
        CallsPerItem::default()
    };
    for item in resolved.items[resolved.calibration()].iter().filter(|_| calibrates) {
        add(resolved, item, CallsPerItem { alone: 1, ..learners }, &mut weak, &mut strong);
    }
    (weak, strong)
}

/// Number of calls for each item of the stream, over these arms with their numbers of cells.
fn calls_per_item(resolved: &ResolvedConfig, arms: &BTreeMap<Arm, usize>) -> CallsPerItem {
    let config = &resolved.config;
    let second_call = config.learning.distil == Distil::SecondCall;
    let mut calls = CallsPerItem::default();
    for (arm, cells) in arms {
        let asks_weak = arm.deferral() != Deferral::Always;
        let for_top = match arm.learning() {
            Some(Learning { used: Use::InContext(_), .. }) => {
                calls.with_strategies += cells;
                config.learning.top_level_examples
            }
            None if *arm == Arm::FixedExample => {
                calls.with_fixed_example = 1;
                false
            }
            // Answer cache and example replay can only save calls.
            learning => {
                calls.alone = calls.alone.max(usize::from(asks_weak));
                learning.is_some_and(|learning| learning.used == Use::InTopContext)
            }
        };
        if for_top {
            calls.strong_with_strategies += cells;
        }
        if arm.deferral() != Deferral::Never {
            let written = arm.needs_strategies(config.learning.content);
            calls.strong = calls.strong.max(usize::from(!written || second_call));
            calls.distillations = calls.distillations.max(usize::from(written));
        }
    }
    let draws = |rule: StoreRule| match rule {
        StoreRule::Verified => 1,
        StoreRule::Majority => config.learning.majority_draws as usize - 1,
        _ => 0,
    };
    let most = config.learning.store.to_vec().into_iter().map(draws).max();
    let learns = arms.keys().any(|arm| arm.learning().is_some());
    calls.verifications = most.filter(|_| learns).unwrap_or(0);
    calls
}

/// Describes the share of a shard: its cells, the upper bound on its calls, and how many of them other shards need as
/// well. `own` and `others` have the number of cells of each arm in this shard and in the others.
#[must_use]
pub fn of_shard(
    resolved: &ResolvedConfig,
    shard: Shard,
    own: &BTreeMap<Arm, usize>,
    others: &BTreeMap<Arm, usize>,
) -> Vec<String> {
    let [mine, theirs] = [own, others].map(|arms| calls_per_item(resolved, arms));
    // A call with strategies depends on what one cell has learned.
    let common = CallsPerItem {
        alone: mine.alone.min(theirs.alone),
        with_fixed_example: mine.with_fixed_example.min(theirs.with_fixed_example),
        strong: mine.strong.min(theirs.strong),
        distillations: mine.distillations.min(theirs.distillations),
        verifications: mine.verifications.min(theirs.verifications),
        ..CallsPerItem::default()
    };
    let (needed, in_common) = (load_of(resolved, mine, own), load_of(resolved, common, others));
    let [cells, other_cells] = [own, others].map(|arms| arms.values().sum::<usize>());
    let mut lines = vec![format!("{shard}: {cells} of {} cells; upper bound of its own calls:", cells + other_cells)];
    for (entry, needed, common) in
        [(&resolved.weak, &needed[0], &in_common[0]), (&resolved.strong, &needed[1], &in_common[1])]
    {
        let common = common.calls.min(needed.calls);
        lines.push(format!("  {}: {} calls, of which other shards also need up to {common}", entry.name, needed.calls));
    }
    lines.push(
        "shards that run at the same time with a journal each make and pay for such a call once each; with one journal for all shards it \
         is made once"
            .to_owned(),
    );
    lines
}

/// Upper bounds on the calls of both levels over the stream and the calibration items, if some of the arms are
/// calibrated.
fn load_of(resolved: &ResolvedConfig, per_item: CallsPerItem, arms: &BTreeMap<Arm, usize>) -> [CallLoad; 2] {
    let [mut weak, mut strong] = [CallLoad::default(), CallLoad::default()];
    for item in resolved.stream() {
        add(resolved, item, per_item, &mut weak, &mut strong);
    }
    let deferral = &resolved.config.deferral;
    let is_calibrated = |arm: &&Arm| arm.deferral() == Deferral::BelowThreshold;
    let learners =
        arms.keys().filter(is_calibrated).filter(|arm| arm.learning().is_some() && deferral.calibrate_per_arm);
    let learners = learners.count();
    let calls =
        CallsPerItem { alone: 1, with_strategies: learners, strong: learners.min(1), ..CallsPerItem::default() };
    let calibrates = deferral.calibration_task().asks() && arms.keys().any(|arm| is_calibrated(&arm));
    for item in resolved.items[resolved.calibration()].iter().filter(|_| calibrates) {
        add(resolved, item, calls, &mut weak, &mut strong);
    }
    [weak, strong]
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
    let tokens = if scored { 0 } else { answer_tokens(&resolved.weak, item) };
    weak.add(&query, 0, tokens, times.alone * (1 + further));
    weak.add(&query, config.learning.k, tokens, times.with_strategies * (1 + further));
    weak.add(&query, 1, tokens, times.with_fixed_example * (1 + further));
    let (query, tokens) = (strong_prompt.answer(item, &[], true), answer_tokens(&resolved.strong, item));
    let in_second = if second_call { times.distillations } else { 0 };
    strong.add(&query, 0, tokens, times.strong + times.verifications + in_second);
    strong.add(&query, config.learning.k, tokens, times.strong_with_strategies);
    if let Some(query) = strong_prompt.answer_and_distil(item).filter(|_| !second_call) {
        // A model's answer and strategy share the token limit. The reference backend writes both in full.
        let both = if matches!(resolved.strong.backend, Backend::Reference(_)) { 2 * tokens } else { tokens };
        strong.add(&query, 0, both, times.distillations);
    }
}

/// Maximum number of tokens of an answer. For the reference backend, the estimated length of the known solution.
fn answer_tokens(entry: &ModelEntry, item: &Item) -> u64 {
    match (&entry.backend, &item.solution) {
        (Backend::Reference(_), Some(solution)) => (solution.len() / BYTES_PER_TOKEN) as u64,
        _ => u64::from(entry.max_tokens),
    }
}

impl CallLoad {
    /// Adds `times` calls with these messages. Each strategy is assumed to be as long as the messages.
    fn add(&mut self, messages: &[Message], strategies: usize, output: u64, times: usize) {
        let bytes: usize = messages.iter().map(|message| message.content.len()).sum();
        let input = bytes * (1 + strategies) / BYTES_PER_TOKEN * times;
        self.calls += times;
        self.usage = self.usage.plus(Usage { input: input as u64, cached_input: 0, output: output * times as u64 });
    }
}
