//! Tokens and fees by model and purpose. Integer tokens are summed first and priced once. A fee that was recorded with
//! an answer is used unchanged.

use std::collections::BTreeMap;

use super::slices::{ItemOutcome, Slice};
use crate::analysis::stats::Units;
use crate::types::chat::Usage;
use crate::types::level::Level;
use crate::types::price::{Fee, Price};
use crate::types::record::{Call, Purpose, Record};

/// Prices by the model's name in the config. `None` if a model has no price.
pub type Prices = BTreeMap<String, Option<Price>>;

/// Function that counts tokens of one kind in a slice, over all orders.
pub type Tokens = fn(&Slice) -> u64;

/// The kinds of tokens that reports list, with the names of their columns.
pub const TOKENS: [(&str, Tokens); 7] = [
    ("weak_input_tokens", |slice| slice.usage(Some(Level::FIRST), Purpose::Answer).input),
    ("weak_output_tokens", |slice| slice.usage(Some(Level::FIRST), Purpose::Answer).output),
    ("strong_input_tokens", |slice| slice.usage(Some(slice.top), Purpose::Answer).input),
    ("strong_output_tokens", |slice| slice.usage(Some(slice.top), Purpose::Answer).output),
    ("distil_output_tokens", |slice| slice.usage(Some(slice.top), Purpose::Distil).output),
    ("verify_output_tokens", |slice| slice.usage(Some(slice.top), Purpose::Verify).output),
    ("embed_tokens", |slice| slice.usage(None, Purpose::Embed).input),
];

/// A model and a purpose. No purpose means all of the model's calls.
pub type Row<'a> = (&'a str, Option<Purpose>);

/// Tokens and fee of one model for one purpose, or the model's total.
#[derive(Debug, Clone, PartialEq)]
pub struct FeeRow {
    /// The model's name in the config.
    pub model: String,
    /// The purpose. `None` for the model's total.
    pub purpose: Option<Purpose>,
    /// Number of calls for the purpose. In a total, each call counts once.
    pub calls: usize,
    /// Tokens of these calls.
    pub usage: Usage,
    /// Fee of these calls. `None` if the model has no price.
    pub fee: Option<Fee>,
    /// Fee of these calls if those that no learning arm makes are in batches. `None` if the model has no price.
    pub fee_in_batches: Option<Fee>,
}

/// Calls, tokens and recorded fees, summed.
#[derive(Default, Clone, Copy)]
struct Sum {
    calls: usize,
    usage: Usage,
    /// The part of the tokens whose fee was not recorded.
    to_price: Usage,
    /// The part of `to_price` whose calls may be in batches.
    for_batches: Usage,
    recorded: Option<Fee>,
}

impl Sum {
    fn add(&mut self, call: &Call, counts: bool, learns: bool) {
        self.calls += usize::from(counts);
        self.usage = self.usage.plus(call.usage);
        if let Some(fee) = call.recorded_fee_usd {
            self.recorded = Some(self.recorded.unwrap_or_default().plus(Fee::of_usd(fee)));
            return;
        }
        self.to_price = self.to_price.plus(call.usage);
        if !learns {
            self.for_batches = self.for_batches.plus(call.usage);
        }
    }

    /// Adds the recorded fees, unchanged, to the price of the other tokens. `None` if those tokens have no price.
    fn fee(&self, price: Option<&Price>) -> Option<Fee> {
        let priced = price.map(|price| price.fee(self.to_price));
        match self.recorded {
            None => priced,
            Some(recorded) if self.to_price == Usage::default() => Some(recorded),
            Some(recorded) => Some(recorded.plus(priced?)),
        }
    }
}

/// Sums over calls, by model and purpose and by model.
#[derive(Default)]
struct Sums<'a> {
    /// The models in the order in which they were first called.
    models: Vec<&'a str>,
    by_row: BTreeMap<Row<'a>, Sum>,
}

impl<'a> Sums<'a> {
    /// Adds a call of a learning or another arm, for its own purpose or for another.
    fn add(&mut self, (call, earlier): (&'a Call, &[Call]), purpose: Purpose, learns: bool) {
        if !self.models.contains(&&*call.model) {
            self.models.push(&call.model);
        }
        // A strategy written in the call of the answer is no separate call.
        let further = !call.shares_with(earlier);
        self.by_row.entry((&call.model, Some(purpose))).or_default().add(call, true, learns);
        self.by_row.entry((&call.model, None)).or_default().add(call, further, learns);
    }

    fn rows(&self, prices: &Prices) -> Vec<FeeRow> {
        let purposes = Purpose::ALL.map(Some).into_iter().chain([None]);
        let keys = self.models.iter().flat_map(|model| purposes.clone().map(|purpose| (*model, purpose)));
        let row = |(model, purpose): Row| {
            let sum = self.by_row.get(&(model, purpose))?;
            let price = prices.get(model).and_then(Option::as_ref);
            let fee = sum.fee(price);
            let saved = price.map(|price| price.saved_by_batch(sum.for_batches)).unwrap_or_default();
            let fee_in_batches = fee.map(|fee| fee.minus(saved));
            Some(FeeRow { model: model.to_owned(), purpose, calls: sum.calls, usage: sum.usage, fee, fee_in_batches })
        };
        keys.filter_map(row).collect()
    }
}

/// Computes the fees of a slice: each model's purposes, then its total. `calibration` contains the records that the
/// slice's threshold was calibrated on.
#[must_use]
pub fn fee_rows(slice: &Slice, calibration: &[Record], prices: &Prices) -> Vec<FeeRow> {
    let mut sums = Sums::default();
    for (call, earlier) in slice.outcomes.iter().flat_map(|outcome| outcome.calls()) {
        sums.add((call, earlier), call.purpose, slice.cell.arm.learning().is_some());
    }
    for record in calibration {
        let learns = record.cell.arm.learning().is_some();
        for (index, call) in record.calls.iter().enumerate() {
            sums.add((call, &record.calls[..index]), Purpose::Calibrate, learns);
        }
    }
    sums.rows(prices)
}

/// Sums the models' totals. `None` if a model has no price.
#[must_use]
pub fn fee_of(rows: &[FeeRow]) -> Option<Fee> {
    let totals = rows.iter().filter(|row| row.purpose.is_none());
    totals.into_iter().try_fold(Fee::default(), |sum, row| Some(sum.plus(row.fee?)))
}

/// Computes the fee of one item in USD. `None` if a model has no price. `row` restricts the fee to one model, or to
/// one model and purpose.
#[must_use]
pub fn item_fee(outcome: ItemOutcome, row: Option<Row>, prices: &Prices) -> Option<f64> {
    of_models(outcome, row, |model, sum| sum.fee(price_of(prices, model)))
}

/// Computes the fee of one item in USD from its tokens alone and ignores recorded fees, for prices that no provider
/// charged. `None` if a model has no price. `row` restricts the fee as in [`item_fee`].
#[must_use]
pub fn token_fee(outcome: ItemOutcome, row: Option<Row>, prices: &Prices) -> Option<f64> {
    of_models(outcome, row, |model, sum| Some(price_of(prices, model)?.fee(sum.usage)))
}

fn price_of<'p>(prices: &'p Prices, model: &str) -> Option<&'p Price> {
    prices.get(model).and_then(Option::as_ref)
}

/// Sums an item's fees over its models.
fn of_models(outcome: ItemOutcome, row: Option<Row>, fee: impl Fn(&str, &Sum) -> Option<Fee>) -> Option<f64> {
    let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
    for (call, _) in outcome.calls() {
        let included = row.is_none_or(|(model, purpose)| {
            *call.model == *model && purpose.is_none_or(|purpose| purpose == call.purpose)
        });
        if included {
            sums.entry(&call.model).or_default().add(call, true, true);
        }
    }
    sums.iter().try_fold(Fee::default(), |all, (model, sum)| Some(all.plus(fee(model, sum)?))).map(Fee::usd)
}

/// Sums, for each group of items, figures that are computed from an arm's and its base's outcome. `None` if a model
/// has no price.
pub fn by_group<const D: usize>(
    pairs: &[(ItemOutcome, ItemOutcome)],
    sums: impl Fn(ItemOutcome, ItemOutcome) -> Option<[f64; D]>,
) -> Option<Units<D>> {
    let sums: Vec<[f64; D]> = pairs.iter().map(|(one, other)| sums(*one, *other)).collect::<Option<_>>()?;
    Some(Units::by_group(pairs.iter().map(|(one, _)| one.group()).zip(sums)))
}
