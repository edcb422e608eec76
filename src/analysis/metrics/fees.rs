//! Tokens and fees by model and purpose. Integer tokens are summed first and priced once; a fee that was recorded with
//! an answer stands as it is.

use std::collections::BTreeMap;

use super::slices::{ItemOutcome, Slice};
use crate::analysis::stats::Units;
use crate::types::chat::Usage;
use crate::types::level::Level;
use crate::types::price::{Fee, Price};
use crate::types::record::{Call, Purpose, Record};

/// Prices by the model's name in the config; none where it has no price.
pub type Prices = BTreeMap<String, Option<Price>>;

/// Some of a slice's tokens, over all orders.
pub type Tokens = fn(&Slice) -> u64;

/// The tokens of a slice that are told apart, by the names of their columns.
pub const TOKENS: [(&str, Tokens); 7] = [
    ("weak_input_tokens", |slice| slice.usage(Some(Level::FIRST), Purpose::Answer).input),
    ("weak_output_tokens", |slice| slice.usage(Some(Level::FIRST), Purpose::Answer).output),
    ("strong_input_tokens", |slice| slice.usage(Some(slice.top), Purpose::Answer).input),
    ("strong_output_tokens", |slice| slice.usage(Some(slice.top), Purpose::Answer).output),
    ("distil_output_tokens", |slice| slice.usage(Some(slice.top), Purpose::Distil).output),
    ("verify_output_tokens", |slice| slice.usage(Some(slice.top), Purpose::Verify).output),
    ("embed_tokens", |slice| slice.usage(None, Purpose::Embed).input),
];

/// A model, and a purpose; none for all of the model's.
pub type Row<'a> = (&'a str, Option<Purpose>);

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
#[derive(Default, Clone, Copy)]
struct Sum {
    calls: usize,
    usage: Usage,
    /// The part of the tokens whose fee was not recorded.
    to_price: Usage,
    recorded: Option<Fee>,
}

impl Sum {
    fn add(&mut self, call: &Call, counts: bool) {
        self.calls += usize::from(counts);
        self.usage = self.usage.plus(call.usage);
        match call.recorded_fee_usd {
            Some(fee) => self.recorded = Some(self.recorded.unwrap_or_default().plus(Fee::of_usd(fee))),
            None => self.to_price = self.to_price.plus(call.usage),
        }
    }

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

/// The sums of some calls: each model's purposes, and its total.
#[derive(Default)]
struct Sums<'a> {
    /// The models in the order in which they were first called.
    models: Vec<&'a str>,
    by_row: BTreeMap<Row<'a>, Sum>,
}

impl<'a> Sums<'a> {
    /// Adds a call, for its own purpose or for another.
    fn add(&mut self, call: &'a Call, earlier: &[Call], purpose: Purpose) {
        if !self.models.contains(&&*call.model) {
            self.models.push(&call.model);
        }
        // A strategy written in the answer's own call is no further call.
        let further = !call.shares_with(earlier);
        self.by_row.entry((&call.model, Some(purpose))).or_default().add(call, true);
        self.by_row.entry((&call.model, None)).or_default().add(call, further);
    }

    fn rows(&self, prices: &Prices) -> Vec<FeeRow> {
        let purposes = Purpose::ALL.map(Some).into_iter().chain([None]);
        let keys = self.models.iter().flat_map(|model| purposes.clone().map(|purpose| (*model, purpose)));
        let row = |(model, purpose): Row| {
            let sum = self.by_row.get(&(model, purpose))?;
            let fee = sum.fee(prices.get(model).and_then(Option::as_ref));
            Some(FeeRow { model: model.to_owned(), purpose, calls: sum.calls, usage: sum.usage, fee })
        };
        keys.filter_map(row).collect()
    }
}

/// The fees of a slice: each model's purposes, then its total. `calibration` are the records from which the slice's
/// threshold was told.
#[must_use]
pub fn fee_rows(slice: &Slice, calibration: &[Record], prices: &Prices) -> Vec<FeeRow> {
    let mut sums = Sums::default();
    for (call, earlier) in slice.taken.iter().flat_map(|taken| taken.calls()) {
        sums.add(call, earlier, call.purpose);
    }
    for record in calibration {
        for (place, call) in record.calls.iter().enumerate() {
            sums.add(call, &record.calls[..place], Purpose::Calibrate);
        }
    }
    sums.rows(prices)
}

/// What an arm would pay alone; none where a model has no price.
#[must_use]
pub fn fee_of(rows: &[FeeRow]) -> Option<Fee> {
    let totals = rows.iter().filter(|row| row.purpose.is_none());
    totals.into_iter().try_fold(Fee::default(), |sum, row| Some(sum.plus(row.fee?)))
}

/// The fee of one item in USD; none where a model has no price. `row` keeps to one model, and to one purpose.
#[must_use]
pub fn item_fee(taken: ItemOutcome, row: Option<Row>, prices: &Prices) -> Option<f64> {
    of_models(taken, row, |model, sum| sum.fee(price_of(prices, model)))
}

/// The same by its tokens alone, whatever fee was recorded: for prices that nobody charged.
#[must_use]
pub fn token_fee(taken: ItemOutcome, row: Option<Row>, prices: &Prices) -> Option<f64> {
    of_models(taken, row, |model, sum| Some(price_of(prices, model)?.fee(sum.usage)))
}

fn price_of<'p>(prices: &'p Prices, model: &str) -> Option<&'p Price> {
    prices.get(model).and_then(Option::as_ref)
}

/// An item's fees by model, added up.
fn of_models(taken: ItemOutcome, row: Option<Row>, fee: impl Fn(&str, &Sum) -> Option<Fee>) -> Option<f64> {
    let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
    for (call, _) in taken.calls() {
        let kept = row.is_none_or(|(model, purpose)| {
            *call.model == *model && purpose.is_none_or(|purpose| purpose == call.purpose)
        });
        if kept {
            sums.entry(&call.model).or_default().add(call, true);
        }
    }
    sums.iter().try_fold(Fee::default(), |all, (model, sum)| Some(all.plus(fee(model, sum)?))).map(Fee::usd)
}

/// What each group of items adds to some sums that are told from an arm's and its base's; none where a model has no price.
pub fn by_group<const D: usize>(
    pairs: &[(ItemOutcome, ItemOutcome)],
    sums: impl Fn(ItemOutcome, ItemOutcome) -> Option<[f64; D]>,
) -> Option<Units<D>> {
    let sums: Vec<[f64; D]> = pairs.iter().map(|(one, other)| sums(*one, *other)).collect::<Option<_>>()?;
    Some(Units::by_group(pairs.iter().map(|(one, _)| one.group()).zip(sums)))
}
