//! Arithmetic over records: accuracy, strong calls, fees, and where a learning arm's gain comes from. A run's
//! records are enough, so that an old run gains a new metric or a new price without a call.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::price::{Fee, Price};
use super::stats::{Estimate, clustered_mean};
use crate::types::chat::Usage;
use crate::types::record::{Call, CellKey, Purpose, Record, Score};

/// The arm that all others are compared with.
pub const BASELINE: &str = "cascade";

/// The top level.
const STRONG: usize = 1;

/// Prices by the model's name in the config; none where it has no price.
pub type Prices = BTreeMap<String, Option<Price>>;

/// The records of one arm at one threshold, over all orders.
pub struct Slice<'a> {
    /// The cell, of whatever order.
    pub cell: &'a CellKey,
    /// By order, then position.
    pub records: Vec<&'a Record>,
    /// Number of orders.
    pub orders: usize,
    /// Items per order.
    pub n: usize,
}

/// The records by arm and threshold, in the order in which they first appear.
#[must_use]
pub fn slices(records: &[Record]) -> Vec<Slice<'_>> {
    let mut slices: Vec<Slice> = Vec::new();
    for record in records {
        let same =
            |slice: &&mut Slice| slice.cell.arm == record.cell.arm && slice.cell.threshold == record.cell.threshold;
        match slices.iter_mut().find(same) {
            Some(slice) => slice.records.push(record),
            None => slices.push(Slice { cell: &record.cell, records: vec![record], orders: 0, n: 0 }),
        }
    }
    for slice in &mut slices {
        slice.orders = slice.records.iter().map(|record| record.cell.order).collect::<HashSet<_>>().len();
        slice.n = slice.records.len() / slice.orders.max(1);
    }
    slices
}

/// The cascade that `slice` is compared with: the one at its threshold; for an arm without a gate, the only one.
#[must_use]
pub fn baseline<'a, 'b>(slices: &'b [Slice<'a>], slice: &Slice) -> Option<&'b Slice<'a>> {
    let mut cascades = slices.iter().filter(|other| {
        &*other.cell.arm == BASELINE && (slice.cell.threshold.is_none() || other.cell.threshold == slice.cell.threshold)
    });
    cascades.next().filter(|_| cascades.next().is_none())
}

impl<'a> Slice<'a> {
    /// The slice's records of one kind.
    fn part(&self, keep: impl Fn(&Record) -> bool) -> Self {
        let records: Vec<&'a Record> = self.records.iter().copied().filter(|record| keep(record)).collect();
        Self { cell: self.cell, n: records.len(), records, orders: self.orders }
    }

    /// Share of right answers, no-answers counted as wrong.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        self.share(|record| record.graded.score == Score::Correct)
    }

    /// Share of right weak answers over the whole stream; none where the weak level is not asked.
    #[must_use]
    pub fn weak_accuracy(&self) -> Option<f64> {
        self.records.iter().all(|record| record.weak.is_some()).then(|| self.share(weak_correct))
    }

    /// Share of right answers among those that the weak level kept; none where it kept none.
    #[must_use]
    pub fn accepted_accuracy(&self) -> Option<f64> {
        let accepted: Vec<&&Record> = self.records.iter().filter(|record| !record.deferred).collect();
        let right = accepted.iter().filter(|record| record.graded.score == Score::Correct).count();
        (!accepted.is_empty()).then(|| ratio(right, accepted.len()))
    }

    /// Share of the items that the weak level kept.
    #[must_use]
    pub fn coverage(&self) -> f64 {
        self.share(|record| !record.deferred)
    }

    /// Share of the items whose final answer could not be read.
    #[must_use]
    pub fn no_answer(&self) -> f64 {
        self.share(|record| record.graded.score == Score::NoAnswer)
    }

    /// Calls of the strong level, over all orders.
    #[must_use]
    pub fn strong_calls(&self) -> usize {
        self.records.iter().filter(|record| record.deferred).count()
    }

    /// Calls of the strong level for any purpose, over all orders.
    #[must_use]
    pub fn strong_calls_all(&self) -> usize {
        self.records.iter().map(|record| record.calls_of(STRONG)).sum()
    }

    /// Strategies shown per item, on average.
    #[must_use]
    pub fn strategies_shown(&self) -> f64 {
        ratio(self.records.iter().map(|record| record.strategies_used.len()).sum(), self.records.len())
    }

    /// What the arm would pay alone; none where a model has no price.
    #[must_use]
    pub fn fee(&self, prices: &Prices) -> Option<Fee> {
        fee_rows(self, prices)
            .iter()
            .filter(|row| row.purpose.is_none())
            .try_fold(Fee::default(), |sum, row| Some(sum.plus(row.fee?)))
    }

    fn share(&self, is: impl Fn(&Record) -> bool) -> f64 {
        ratio(self.records.iter().filter(|record| is(record)).count(), self.records.len())
    }
}

/// The change of strong calls against `base` in percent; none where `base` made none.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of calls")]
pub fn strong_calls_change(slice: &Slice, base: &Slice) -> Option<f64> {
    change_percent(slice.strong_calls() as f64, base.strong_calls() as f64)
}

/// The paired mean difference, per item, of `value` between two slices, with an interval clustered by group.
#[must_use]
pub fn paired(slice: &Slice, base: &Slice, value: impl Fn(&Record) -> f64) -> Option<Estimate> {
    let other: HashMap<_, f64> = base.records.iter().map(|r| ((r.cell.order, &r.item_id), value(r))).collect();
    clustered_mean(slice.records.iter().filter_map(|record| {
        let base = other.get(&(record.cell.order, &record.item_id))?;
        Some((&*record.group, value(record) - base))
    }))
}

/// 1 where the final answer is right, else 0.
#[must_use]
pub fn correct(record: &Record) -> f64 {
    f64::from(u8::from(record.graded.score == Score::Correct))
}

/// 1 where the weak level's answer is right, else 0.
#[must_use]
pub fn weak_right(record: &Record) -> f64 {
    f64::from(u8::from(weak_correct(record)))
}

fn weak_correct(record: &Record) -> bool {
    record.weak.as_ref().is_some_and(|weak| weak.graded.score == Score::Correct)
}

/// Tokens and fee of one model for one purpose, or of one model in all.
#[derive(Debug, Clone, PartialEq)]
pub struct FeeRow {
    /// The model's name in the config.
    pub model: String,
    /// The purpose; none for the model's total.
    pub purpose: Option<Purpose>,
    /// Calls that served the purpose; in a total each call counts once.
    pub calls: usize,
    /// Tokens.
    pub usage: Usage,
    /// Their price; none where the model has none.
    pub fee: Option<Fee>,
}

/// What some calls took.
#[derive(Default)]
struct Sum {
    calls: usize,
    usage: Usage,
    /// The part of the tokens whose fee was not recorded.
    to_price: Usage,
    recorded: Option<Fee>,
}

impl Sum {
    /// Recorded fees stand as they are; the other tokens need a price.
    fn fee(&self, price: Option<&Price>) -> Option<Fee> {
        let priced = price.map(|price| price.fee(self.to_price));
        match self.recorded {
            None => priced,
            Some(recorded) if self.to_price == Usage::default() => Some(recorded),
            Some(recorded) => Some(recorded.plus(priced?)),
        }
    }
}

/// The fees of a slice: each model's purposes, then its total.
#[must_use]
pub fn fee_rows(slice: &Slice, prices: &Prices) -> Vec<FeeRow> {
    let mut sums: BTreeMap<(&str, Option<Purpose>), Sum> = BTreeMap::new();
    let mut models: Vec<&str> = Vec::new();
    let calls = slice.records.iter().flat_map(|record| (0..record.calls.len()).map(move |place| (record, place)));
    for (record, place) in calls {
        let call = &record.calls[place];
        if !models.contains(&&*call.model) {
            models.push(&call.model);
        }
        // A strategy written in the answer's own call is no further call.
        let earlier: Vec<&Call> = record.calls[..place].iter().collect();
        let further = usize::from(!call.shares_with(&earlier));
        for (purpose, count) in [(Some(call.purpose), 1), (None, further)] {
            let sum = sums.entry((&call.model, purpose)).or_default();
            sum.calls += count;
            sum.usage = sum.usage.plus(call.usage);
            match call.recorded_fee_usd {
                Some(fee) => sum.recorded = Some(sum.recorded.unwrap_or_default().plus(Fee::of_usd(fee))),
                None => sum.to_price = sum.to_price.plus(call.usage),
            }
        }
    }
    let purposes = Purpose::ALL.map(Some).into_iter().chain([None]);
    let keys = models.iter().flat_map(|model| purposes.clone().map(|purpose| (*model, purpose)));
    keys.filter_map(|(model, purpose)| {
        let sum = sums.get(&(model, purpose))?;
        let price = prices.get(model).and_then(Option::as_ref);
        Some(FeeRow { model: model.to_owned(), purpose, calls: sum.calls, usage: sum.usage, fee: sum.fee(price) })
    })
    .collect()
}

/// Where the strategies shown for some items came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// At least one from the item's own group: another wording or instance of the same problem.
    SameGroup,
    /// Some, all of them from other groups.
    OtherGroups,
    /// None was shown.
    Nothing,
}

impl Source {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 3] = [Self::SameGroup, Self::OtherGroups, Self::Nothing];

    /// How reports call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SameGroup => "same group",
            Self::OtherGroups => "other groups only",
            Self::Nothing => "none shown",
        }
    }

    fn of(record: &Record) -> Self {
        match record.strategy_groups.as_slice() {
            [] => Self::Nothing,
            groups if groups.contains(&record.group) => Self::SameGroup,
            _ => Self::OtherGroups,
        }
    }
}

/// The weak level with strategies of one source, against itself without any on the same items.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transfer {
    /// The source.
    pub source: Source,
    /// Items over all orders.
    pub n: usize,
    /// Accuracy without strategies.
    pub alone: f64,
    /// Accuracy with them.
    pub taught: f64,
    /// The paired difference.
    pub gain: Estimate,
}

/// A learning slice's weak answers by the source of what was shown; `alone` holds the weak level without strategies.
#[must_use]
pub fn transfers(slice: &Slice, alone: &Slice) -> Vec<Transfer> {
    let by_source = |source: Source| {
        let part = slice.part(|record| Source::of(record) == source);
        let gain = paired(&part, alone, weak_right)?;
        let taught = part.weak_accuracy()?;
        Some(Transfer { source, n: part.records.len(), alone: taught - gain.mean, taught, gain })
    };
    Source::ALL.into_iter().filter_map(by_source).collect()
}

/// The strong level while it also writes strategies, against itself without on the same items: the request for a
/// strategy changes its prompt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distilling {
    /// Deferred items over all orders.
    pub n: usize,
    /// Accuracy of its answers that come with a strategy.
    pub with: f64,
    /// The paired difference to its answers without.
    pub change: Estimate,
}

/// [`Distilling`] for a learning slice; `strong` holds the strong level's answers to all items.
#[must_use]
pub fn distilling(slice: &Slice, strong: &Slice) -> Option<Distilling> {
    let part = slice.part(|record| record.deferred);
    Some(Distilling { n: part.records.len(), with: part.accuracy(), change: paired(&part, strong, correct)? })
}

/// `part / whole`, 0 where the whole is empty.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of items")]
pub fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The change from `base` to `value` in percent of `base`; none where `base` is 0.
#[must_use]
pub fn change_percent(value: f64, base: f64) -> Option<f64> {
    (base != 0.0).then(|| (value / base - 1.0) * 100.0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::types::chat::CallKey;
    use crate::types::record::{Graded, WeakAnswer};

    fn record(arm: &str, item: usize, weak_right: bool, deferred: bool, groups: &[&str]) -> Record {
        let graded = |right: bool| Graded {
            answer: Some("1".into()),
            score: if right { Score::Correct } else { Score::Incorrect },
        };
        let key = |level: usize| CallKey(std::array::from_fn(|_| u8::try_from(10 * item + level).unwrap_or(0)));
        let call = |level, purpose, input, output| Call {
            level: Some(level),
            model: if level == 0 { "weak".into() } else { "strong".into() },
            purpose,
            usage: Usage { input, cached_input: 0, output },
            confidence: None,
            latency_ms: 1.0,
            answered_by: None,
            journal_key: Some(key(level)),
            journal_hit: false,
            recorded_fee_usd: None,
        };
        let mut calls = vec![call(0, Purpose::Answer, 10, 5)];
        if deferred {
            calls.extend([call(1, Purpose::Answer, 20, 8), call(1, Purpose::Distil, 0, 4)]);
        }
        Record {
            cell: Arc::new(CellKey { dataset: "d".into(), arm: arm.into(), order: 0, threshold: Some(0.5) }),
            item_id: item.to_string().into(),
            group: format!("g{}", item / 2).into(),
            position: item,
            strategies_used: groups.iter().map(|group| (*group).into()).collect(),
            strategy_groups: groups.iter().map(|group| (*group).into()).collect(),
            similarity_max: None,
            weak: Some(WeakAnswer { graded: graded(weak_right), confidence: Some(0.5) }),
            deferred,
            answering_level: Some(usize::from(deferred)),
            graded: graded(weak_right || deferred),
            repository_size: 0,
            calls,
            strategy_scores: Vec::new(),
            kept: None,
        }
    }

    fn run() -> Vec<Record> {
        let mut records: Vec<Record> = (0..4).map(|i| record("cascade", i, i == 0, i >= 2, &[])).collect();
        records.extend([
            record("inter-cascade", 0, true, false, &[]),
            record("inter-cascade", 1, true, false, &["g0"]),
            record("inter-cascade", 2, false, true, &["g0"]),
            record("inter-cascade", 3, true, false, &["g1", "g0"]),
        ]);
        records
    }

    #[test]
    fn accuracy_coverage_and_strong_calls() {
        let records = run();
        let slices = slices(&records);
        let cascade = &slices[0];
        assert_eq!((cascade.n, cascade.orders, cascade.strong_calls()), (4, 1, 2));
        assert_eq!(cascade.strong_calls_all(), 2, "a strategy in the answer's own call is no further call");
        assert!((cascade.accuracy() - 0.75).abs() < 1e-12);
        assert_eq!(cascade.weak_accuracy(), Some(0.25));
        assert_eq!(cascade.accepted_accuracy(), Some(0.5));
        assert!((cascade.coverage() - 0.5).abs() < 1e-12);
        let inter = &slices[1];
        assert!(baseline(&slices, inter).is_some_and(|base| &*base.cell.arm == BASELINE));
        let gain = paired(inter, cascade, weak_right).expect("paired");
        assert!((gain.mean - 0.5).abs() < 1e-12);
    }

    #[test]
    fn fees_are_by_model_and_purpose_and_totals_count_a_call_once() {
        let records = run();
        let slices = slices(&records);
        let price = |output| Some(Price { input: 1.0, cached_input: None, output, read: None, nominal: true });
        let prices = Prices::from([("weak".into(), price(1.0)), ("strong".into(), price(10.0))]);
        let rows = fee_rows(&slices[0], &prices);
        let names: Vec<(&str, Option<&str>, usize, u64)> = rows
            .iter()
            .map(|row| (row.model.as_str(), row.purpose.map(Purpose::name), row.calls, row.usage.output))
            .collect();
        assert_eq!(
            names,
            [
                ("weak", Some("answer"), 4, 20),
                ("weak", None, 4, 20),
                ("strong", Some("answer"), 2, 16),
                ("strong", Some("distil"), 2, 8),
                ("strong", None, 2, 24),
            ]
        );
        let fee = slices[0].fee(&prices).expect("every model has a price").usd();
        assert!((fee - (60.0 + 40.0 + 240.0) * 1e-6).abs() < 1e-15);
        assert_eq!(slices[0].fee(&Prices::from([("weak".into(), price(1.0))])), None);
    }

    #[test]
    fn the_strong_level_is_compared_with_itself_on_deferred_items_only() {
        let mut records = run();
        records.extend((0..4).map(|i| record("strong-only", i, i != 2, false, &[])));
        let slices = slices(&records);
        let told = distilling(&slices[1], &slices[2]).expect("one item was deferred");
        assert_eq!((told.n, told.with, told.change.mean), (1, 1.0, 1.0));
    }

    #[test]
    fn gains_are_told_apart_by_the_strategies_source() {
        let records = run();
        let slices = slices(&records);
        let transfers = transfers(&slices[1], &slices[0]);
        let told: Vec<(Source, usize, f64)> = transfers.iter().map(|t| (t.source, t.n, t.gain.mean)).collect();
        assert_eq!(told, [(Source::SameGroup, 2, 1.0), (Source::OtherGroups, 1, 0.0), (Source::Nothing, 1, 0.0)]);
    }
}
