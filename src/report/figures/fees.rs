//! Where the money goes: a bar for each arm, divided by model and purpose.

use anyhow::Result;

use super::style::{Canvas, Ink, Legend, Rows, Scale, Unit};
use super::{Figure, name};
use crate::analysis::metrics::recommendation::QUERIES;
use crate::analysis::metrics::{Comparison, FeeRow, Slice};
use crate::report::arms::fees::queries;
use crate::report::format::{percent, relative};
use crate::types::price::Fee;
use crate::types::record::Purpose;

/// Quantity that the bars show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantity {
    /// Fees in USD.
    Fees,
    /// Tokens that were read and written.
    Tokens,
    /// Number of calls.
    Calls,
}

impl Quantity {
    /// The quantity that the run's data allow: tokens without any price, calls without tokens.
    fn of(rows: &[&FeeRow]) -> Self {
        if rows.iter().any(|row| row.fee.is_some_and(|fee| fee.usd() > 0.0)) {
            Self::Fees
        } else if rows.iter().any(|row| row.usage.input + row.usage.output > 0) {
            Self::Tokens
        } else {
            Self::Calls
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Fees => "Where the money goes: fee by model and purpose",
            Self::Tokens => "Where the tokens go: tokens by model and purpose, since no model has a price",
            Self::Calls => "Where the calls go: calls by model and purpose, since no model has a price",
        }
    }

    fn axis(self) -> &'static str {
        match self {
            Self::Fees => "fee per 1,000 queries, USD",
            Self::Tokens => "tokens per query, read and written",
            Self::Calls => "calls per query",
        }
    }

    /// Text at the end of a bar: the total, and the change of the fee against the cascade.
    fn text(self, comparison: &Comparison, slice: &Slice, total: f64) -> String {
        let change = comparison.fee_change(slice).filter(|_| self == Self::Fees);
        let change = change.map(|change| format!(" ({})", relative(change).replace('-', "−"))).unwrap_or_default();
        let decimals = match total {
            total if total >= 100.0 => 0,
            total if total >= 1.0 => 2,
            _ => 4,
        };
        format!("{total:.decimals$}{change}")
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of calls and tokens")]
    fn amount(self, row: &FeeRow, slice: &Slice) -> f64 {
        let total = match self {
            Self::Fees => row.fee.map_or(0.0, Fee::usd) * QUERIES,
            Self::Tokens => (row.usage.input + row.usage.output) as f64,
            Self::Calls => row.calls as f64,
        };
        total / queries(slice).max(1.0)
    }
}

/// Model and purpose of a part of a bar.
type Part<'c> = (&'c str, Purpose);

/// The bars of all arms.
struct Bars<'c> {
    quantity: Quantity,
    /// The parts that any arm has, in the order of the bars.
    parts: Vec<Part<'c>>,
    /// Arms, with λ if an arm has several.
    names: Vec<String>,
    /// Amount of each part, by arm.
    amounts: Vec<Vec<f64>>,
    /// Text at the end of each bar.
    texts: Vec<String>,
    /// Models without a price.
    unpriced: Vec<&'c str>,
}

impl<'c> Bars<'c> {
    /// Computes the bars. `None` without calls.
    fn of(comparison: &'c Comparison) -> Option<Self> {
        let rows: Vec<&FeeRow> = comparison.slices.iter().flat_map(|slice| comparison.fees(slice)).collect();
        let quantity = Quantity::of(&rows);
        let mut models: Vec<&str> = Vec::new();
        for row in &rows {
            if !models.contains(&&*row.model) {
                models.push(&row.model);
            }
        }
        let amount = |slice: &Slice, part: Part| {
            let own = comparison.fees(slice).iter().filter(|row| (&*row.model, row.purpose) == (part.0, Some(part.1)));
            own.map(|row| quantity.amount(row, slice)).sum::<f64>()
        };
        let all = models.iter().flat_map(|model| Purpose::ALL.map(|purpose| (*model, purpose)));
        let used = |part: &Part| comparison.slices.iter().any(|slice| amount(slice, *part) > 0.0);
        let parts: Vec<Part> = all.filter(used).collect();
        let of_slice = |slice| parts.iter().map(|part| amount(slice, *part)).collect::<Vec<f64>>();
        let amounts: Vec<Vec<f64>> = comparison.slices.iter().map(of_slice).collect();
        let text = |(slice, amounts): (&Slice, &Vec<f64>)| quantity.text(comparison, slice, amounts.iter().sum());
        let unpriced = models.iter().filter(|model| rows.iter().any(|row| row.model == **model && row.fee.is_none()));
        (!parts.is_empty()).then(|| Self {
            quantity,
            names: comparison.slices.iter().map(|slice| name(comparison, slice)).collect(),
            texts: comparison.slices.iter().zip(&amounts).map(text).collect(),
            unpriced: if quantity == Quantity::Fees { unpriced.copied().collect() } else { Vec::new() },
            parts,
            amounts,
        })
    }

    fn totals(&self) -> impl Iterator<Item = f64> {
        self.amounts.iter().map(|amounts| amounts.iter().sum())
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.quantity == Quantity::Fees {
            notes.push(
                "Beside each bar: the total, and its change against the cascade with its 95 % interval over groups of \
                 items. Each arm pays as if it ran alone; calibration of λ is included."
                    .to_owned(),
            );
        }
        if !self.unpriced.is_empty() {
            notes.push(format!("Not included, since they have no price: {}.", self.unpriced.join(", ")));
        }
        notes
    }

    /// The cheapest and the dearest arm, and the greatest part of the latter.
    fn description(&self) -> String {
        let by_total = |(_, one): &(usize, f64), (_, other): &(usize, f64)| one.total_cmp(other);
        let unit = self.quantity.axis();
        let what = format!("A bar for each arm, divided by model and purpose: {unit}.");
        let [least, most] = [self.totals().enumerate().min_by(by_total), self.totals().enumerate().max_by(by_total)];
        let (Some((least, _)), Some((most, total))) = (least, most) else { return what };
        let parts = self.parts.iter().zip(&self.amounts[most]);
        let Some(((model, purpose), part)) = parts.max_by(|one, other| one.1.total_cmp(other.1)) else { return what };
        format!(
            "{what} Least: {} with {}. Most: {} with {}, of which {} for {model}: {}.",
            self.names[least],
            self.texts[least],
            self.names[most],
            self.texts[most],
            percent(part / total),
            purpose.name(),
        )
    }
}

/// Draws the figure. `None` without calls.
///
/// # Errors
/// If the figure cannot be drawn.
pub(super) fn figure(comparison: &Comparison) -> Result<Option<Figure>> {
    let Some(bars) = Bars::of(comparison) else { return Ok(None) };
    let entries = bars.parts.iter().map(|(model, purpose)| format!("{model}: {}", purpose.name()));
    let legend = Legend::new(entries.enumerate().map(|(index, text)| (Ink::Series(index), text)));
    let title = bars.quantity.title();
    let mut canvas = Canvas::new(title, legend.height() + Rows::height(bars.names.len()), &bars.notes());
    let body = canvas.body;
    let area = legend.draw(&mut canvas, body);
    let scale = Scale::from_zero(bars.totals(), Unit::Number);
    let rows = Rows::new(&mut canvas, area, &bars.names, (scale, bars.quantity.axis()), &bars.texts);
    for (row, (amounts, text)) in bars.amounts.iter().zip(&bars.texts).enumerate() {
        let mut from = 0.0;
        for (index, amount) in amounts.iter().enumerate().filter(|(_, amount)| **amount > 0.0) {
            rows.bar(&mut canvas, row, (from, from + amount), Ink::Series(index));
            from += amount;
        }
        rows.text_after(&mut canvas, row, from, text);
    }
    Ok(Some(Figure::new("fee-by-purpose", title, bars.description(), &canvas)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::figures::testing::{Run, check};
    use crate::types::arm::Arm;

    #[test]
    fn all_arms_are_in_the_figure_with_their_totals() {
        for run in Run::all() {
            let comparison = run.comparison();
            let figure = figure(&comparison).expect("drawn").expect("there are calls");
            let names: Vec<&str> = run.arms().iter().map(|arm| arm.name()).collect();
            let drawing = check(&figure, &names);
            // A patch of the legend, and at least one part of a bar.
            assert!(drawing.marks(Ink::Series(0)) >= 2);
        }
    }

    #[test]
    fn without_prices_tokens_are_shown_and_without_tokens_calls() {
        let title = |run: &Run| figure(&run.comparison()).expect("drawn").expect("calls").title;
        let run = Run::of(&[Arm::Cascade, Arm::InterCascade], 12);
        assert!(title(&run).starts_with("Where the money goes"));
        let run = run.without_prices();
        assert!(title(&run).starts_with("Where the tokens go"));
        assert!(title(&run.without_tokens()).starts_with("Where the calls go"));
        assert!(figure(&Run::of(&[], 0).comparison()).expect("drawn").is_none());
    }
}
