//! `summary.md` and the table on the terminal: what the arms reached, what the change against the standard cascade
//! is, how much of it random strategies give too, and what a reader must know before quoting any of it.

use std::fmt::Write;

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, presets};

use crate::analysis::metrics::{
    Distilling, Prices, Slice, Transfer, baseline, change_percent, correct, distilling, fee_rows, paired, slices,
    strong_calls_change, transfers, weak_right,
};
use crate::analysis::stats::Estimate;
use crate::cascade::arm::Arm;
use crate::types::record::{Purpose, Record};

/// What the records do not tell.
pub struct Context<'a> {
    /// The run's name.
    pub name: &'a str,
    /// Lines that say what ran: data, models, settings.
    pub setting: Vec<String>,
    /// What a reader must know.
    pub warnings: Vec<String>,
    /// Prices by model.
    pub prices: &'a Prices,
}

/// What a terminal of `width` columns shows: the arms' results, and each gain beside the control's.
#[must_use]
pub fn terminal(records: &[Record], prices: &Prices, width: u16) -> String {
    let slices = slices(records);
    let percent = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{:.1}", value * 100.0));
    let header = ["arm", "λ", "weak %", "system %", "coverage %", "strong calls", "fee USD"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for slice in &slices {
        rows.push(vec![
            slice.cell.arm.to_string(),
            threshold(slice),
            percent(slice.weak_accuracy()),
            percent(Some(slice.accuracy())),
            percent(Some(slice.coverage())),
            slice.strong_calls().to_string(),
            fee(slice, prices),
        ]);
    }
    let tables = std::iter::once(rows).chain(changes(&slices, prices));
    tables.map(|rows| terminal_table(&rows, width)).collect::<Vec<_>>().join("\n")
}

fn terminal_table(rows: &[Vec<String>], width: u16) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()))
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width);
    let [header, rows @ ..] = rows else { return String::new() };
    table.set_header(header);
    for row in rows {
        table.add_row(row);
    }
    if let Some(arm) = table.column_mut(0) {
        arm.set_constraint(ColumnConstraint::ContentWidth);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// The whole summary as Markdown.
#[must_use]
pub fn markdown(records: &[Record], context: &Context) -> String {
    let slices = slices(records);
    let mut text = format!("# {}\n\n", context.name);
    for line in &context.setting {
        let _ = writeln!(text, "- {line}");
    }
    if !context.warnings.is_empty() {
        text += "\n## Before you quote a figure\n\n";
        for warning in &context.warnings {
            let _ = writeln!(text, "- {warning}");
        }
    }
    text += "\n## Results\n\n";
    text += &markdown_table(&results(&slices, context.prices));
    text += "\nWeak accuracy counts the weak level's answers to the whole stream, deferred ones included; accuracy counts \
             the answers that stand. An answer that could not be read counts as wrong. Fees are what each arm would pay \
             alone.\n";
    for rows in changes(&slices, context.prices) {
        text += "\n## What learning changes, and how much of it any strategy gives\n\n";
        text += &markdown_table(&rows);
        text += "\nDifferences are paired item by item; ± is half of a 95 % interval that treats the items of one group as one \
                 (clustered, normal). It holds for this order of the stream: through the repository a learning arm's items \
                 depend on each other, which no interval over items covers. Changes of calls and fees have no interval yet.\n";
    }
    text += &sources(&slices);
    text += &strong_side(&slices);
    text += &money(&slices, context.prices);
    text
}

fn threshold(slice: &Slice) -> String {
    slice.cell.threshold.map_or("–".to_owned(), |threshold| threshold.to_string())
}

fn fee(slice: &Slice, prices: &Prices) -> String {
    slice.fee(prices).map_or("–".to_owned(), |fee| format!("{:.5}", fee.usd()))
}

/// Header and rows of the results.
fn results(slices: &[Slice], prices: &Prices) -> Vec<Vec<String>> {
    let header = [
        "arm",
        "λ",
        "weak accuracy",
        "accuracy",
        "coverage",
        "right if accepted",
        "strong calls",
        "fee USD",
        "strategies shown",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for slice in slices {
        let optional = |value: Option<f64>| value.map_or("–".to_owned(), percent);
        rows.push(vec![
            slice.cell.arm.to_string(),
            threshold(slice),
            optional(slice.weak_accuracy()),
            percent(slice.accuracy()),
            percent(slice.coverage()),
            optional(slice.accepted_accuracy()),
            slice.strong_calls().to_string(),
            fee(slice, prices),
            format!("{:.2}", slice.strategies_shown()),
        ]);
    }
    rows
}

/// Each gain of Inter-Cascade beside what random strategies give: header and rows, for each threshold.
fn changes(slices: &[Slice], prices: &Prices) -> Vec<Vec<Vec<String>>> {
    let find = |arm: Arm| slices.iter().filter(move |slice| &*slice.cell.arm == arm.name());
    let mut tables = Vec::new();
    for taught in find(Arm::InterCascade) {
        let Some(base) = baseline(slices, taught) else { continue };
        let random = find(Arm::InterCascadeRandom).find(|slice| slice.cell.threshold == taught.cell.threshold);
        let mut rows = vec![
            ["change against cascade", "inter-cascade", "random strategies", "share random gives"]
                .map(str::to_owned)
                .to_vec(),
        ];
        let points: [(&str, OfRecord); 3] = [
            ("weak accuracy", weak_right),
            ("accuracy", correct),
            ("coverage", |record| f64::from(u8::from(!record.deferred))),
        ];
        for (name, value) in points {
            let [own, control] = [Some(taught), random].map(|slice| paired(slice?, base, value));
            let Some(own) = own else { continue };
            let share = control.map(|control| share(own.mean, control.mean));
            rows.push(vec![
                name.to_owned(),
                pp(own),
                control.map_or("not run".to_owned(), pp),
                share.unwrap_or_default(),
            ]);
        }
        let relative: [(&str, OfSlice); 2] = [
            ("strong calls", &|slice| strong_calls_change(slice, base)),
            ("fee", &|slice| change_percent(slice.fee(prices)?.usd(), base.fee(prices)?.usd())),
        ];
        for (name, change) in relative {
            let Some(own) = change(taught) else { continue };
            let control = random.and_then(change);
            let shown = |change: f64| format!("{change:+.1} %");
            let share = control.map(|control| share(own, control));
            rows.push(vec![
                name.to_owned(),
                shown(own),
                control.map_or("not run".to_owned(), shown),
                share.unwrap_or_default(),
            ]);
        }
        tables.push(rows);
    }
    tables
}

/// A figure of one record.
type OfRecord = fn(&Record) -> f64;
/// A figure of one slice, where it has one.
type OfSlice<'a> = &'a dyn Fn(&Slice) -> Option<f64>;

fn learns(slice: &Slice) -> bool {
    Arm::named(&slice.cell.arm).is_some_and(|arm| arm.learning().is_some())
}

/// How much of a gain the control has too.
fn share(own: f64, control: f64) -> String {
    if own == 0.0 {
        "–".to_owned()
    } else if own.signum() == control.signum() && control != 0.0 {
        format!("{:.0} %", 100.0 * control / own)
    } else {
        "none".to_owned()
    }
}

/// The weak level's gain by where the strategies came from.
fn sources(slices: &[Slice]) -> String {
    let alone = slices.iter().find(|slice| matches!(&*slice.cell.arm, "cascade" | "weak-only"));
    let Some(alone) = alone else { return String::new() };
    let mut rows =
        vec![["arm", "strategies from", "items", "weak alone", "weak with them", "gain"].map(str::to_owned).to_vec()];
    for slice in slices.iter().filter(|slice| learns(slice)) {
        for Transfer { source, n, alone, taught, gain } in transfers(slice, alone) {
            rows.push(vec![
                slice.cell.arm.to_string(),
                source.name().to_owned(),
                n.to_string(),
                percent(alone),
                percent(taught),
                pp(gain),
            ]);
        }
    }
    if rows.len() == 1 {
        return String::new();
    }
    format!(
        "\n## Where the weak level's gain comes from\n\n{}\nThe same group is another wording or instance of the same problem: \
         its strategy can be looked up. Only a gain from other groups is transfer from one problem to another.\n",
        markdown_table(&rows)
    )
}

/// The strong level's answers with and without a strategy behind them.
fn strong_side(slices: &[Slice]) -> String {
    let Some(strong) = slices.iter().find(|slice| &*slice.cell.arm == Arm::StrongOnly.name()) else {
        return String::new();
    };
    let header = ["arm", "deferred items", "right while distilling", "change against answering alone"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for slice in slices.iter().filter(|slice| learns(slice)) {
        if let Some(Distilling { n, with, change }) = distilling(slice, strong) {
            rows.push(vec![slice.cell.arm.to_string(), n.to_string(), percent(with), pp(change)]);
        }
    }
    if rows.len() == 1 {
        return String::new();
    }
    format!("\n## Whether teaching costs the strong level accuracy\n\n{}", markdown_table(&rows))
}

/// Tokens and fees by model and purpose.
fn money(slices: &[Slice], prices: &Prices) -> String {
    let mut rows = vec![["arm", "model", "purpose", "calls", "input", "output", "fee USD"].map(str::to_owned).to_vec()];
    for slice in slices {
        for row in fee_rows(slice, prices).iter().filter(|row| row.purpose.is_some()) {
            rows.push(vec![
                slice.cell.arm.to_string(),
                row.model.clone(),
                row.purpose.map_or("", Purpose::name).to_owned(),
                row.calls.to_string(),
                row.usage.input.to_string(),
                row.usage.output.to_string(),
                row.fee.map_or("–".to_owned(), |fee| format!("{:.6}", fee.usd())),
            ]);
        }
    }
    format!("\n## Where the money goes\n\n{}", markdown_table(&rows))
}

fn markdown_table(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (i, row) in rows.iter().enumerate() {
        let _ = writeln!(text, "| {} |", row.join(" | "));
        if i == 0 {
            let _ = writeln!(text, "|{}", " --- |".repeat(row.len()));
        }
    }
    text
}

fn percent(value: f64) -> String {
    format!("{:.1} %", value * 100.0)
}

fn pp(estimate: Estimate) -> String {
    let half = estimate.half_width.map(|half| format!(" ± {:.1}", half * 100.0)).unwrap_or_default();
    format!("{:+.1}{half} pp", estimate.mean * 100.0)
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn the_controls_share_is_told_only_where_it_points_the_same_way() {
        assert_eq!(share(20.0, 5.0), "25 %");
        assert_eq!(share(-20.0, -30.0), "150 %");
        assert_eq!(share(20.0, -5.0), "none");
        assert_eq!(share(20.0, 0.0), "none");
        assert_eq!(share(0.0, 5.0), "–");
    }
}
