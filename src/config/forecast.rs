//! Forecast of a run (`--dry-run`): expected calls, tokens and fee, without calling a model.

use super::resolved::ResolvedConfig;
use crate::analysis::stats::power::Power;
use crate::backend::entry::{Backend, ModelEntry};
use crate::cascade::teach::Distil;
use crate::task::confidence::{Further, Signal};
use crate::types::arm::{Arm, Deferral, Learning, Use};
use crate::types::chat::{Message, Usage};
use crate::types::item::Item;
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
    let config = &resolved.config;
    let per_item = calls_per_item(resolved);
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
    let learners = if config.deferral.calibrate_per_arm {
        CallsPerItem { with_strategies: per_item.with_strategies / config.dataset.orders, strong: 1, ..per_item }
    } else {
        CallsPerItem::default()
    };
    for item in resolved.items[resolved.calibration()].iter().filter(|_| calibrates) {
        add(resolved, item, CallsPerItem { alone: 1, ..learners }, &mut weak, &mut strong);
    }
    (weak, strong)
}

/// Number of calls for each item of the stream.
fn calls_per_item(resolved: &ResolvedConfig) -> CallsPerItem {
    let config = &resolved.config;
    let second_call = config.learning.distil == Distil::SecondCall;
    let mut calls = CallsPerItem::default();
    for arm in &config.arms {
        let asks_weak = arm.deferral() != Deferral::Always;
        let for_top = match arm.learning() {
            Some(Learning { used: Use::InContext(_), .. }) => {
                calls.with_strategies += config.dataset.orders;
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
            calls.strong_with_strategies += config.dataset.orders;
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
    calls.verifications = most.filter(|_| resolved.learns()).unwrap_or(0);
    calls
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
