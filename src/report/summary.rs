//! `summary.md` and the table on the terminal: what the arms reached, what the change against the standard cascade
//! is, how much of it random strategies give too, and what a reader must know before quoting any of it.

use std::fmt::Write;

use super::arm_tables::Gauged;
use super::calibration;
use super::ends;
use super::format::{number, p_value, percent, plus_minus, points, range, relative, signed, threshold, usd};
use super::grid;
use super::pays;
use super::sweep::Sweep;
use crate::analysis::calibration::Tested;
use crate::analysis::metrics::changes::RESAMPLES;
use crate::analysis::metrics::control::{Gain, share};
use crate::analysis::metrics::learning::{
    Distilling, ENCOUNTERS, Source, Storing, Teacher, Transfer, by_encounter, by_source, by_teacher, distilling,
    theorem,
};
use crate::analysis::metrics::{Changes, Comparison, Slice};
use crate::analysis::stats::{Draws, Estimate, Interval};
use crate::types::arm::Arm;

/// The file's name.
pub const SUMMARY: &str = "summary.md";

/// What the records do not tell.
pub struct Context<'a> {
    /// The run's name.
    pub name: &'a str,
    /// Lines that say what ran: data, models, settings.
    pub setting: &'a [String],
    /// What a reader must know, besides what the comparison tells.
    pub warnings: &'a [String],
    /// What the arms reached.
    pub comparison: &'a Comparison<'a>,
    /// Whose confidence gates the arms, and what it is read from; none where nothing is gated.
    pub gauged: Option<Gauged<'a>>,
}

/// What a terminal of `width` columns shows: the arms' results, and each gain beside the control's.
#[must_use]
pub fn terminal(comparison: &Comparison, width: u16) -> String {
    let percent = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{:.1}", value * 100.0));
    let header = ["arm", "λ", "weak %", "system %", "coverage %", "strong calls", "fee USD"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for slice in &comparison.slices {
        rows.push(vec![
            slice.cell.arm.to_string(),
            threshold(slice),
            percent(slice.weak_accuracy()),
            percent(Some(slice.accuracy())),
            percent(Some(slice.coverage())),
            slice.strong_calls().to_string(),
            fee(comparison, slice),
        ]);
    }
    let gains = gains(comparison).into_iter().map(|rows| narrowed(rows, width));
    let tables = std::iter::once(rows).chain(gains);
    tables.map(|rows| grid::table(&rows, 1, width)).collect::<Vec<_>>().join("\n")
}

/// Without the columns that say nothing, and in a narrow terminal without p, which the interval nearly tells.
fn narrowed(mut rows: Vec<Vec<String>>, width: u16) -> Vec<Vec<String>> {
    let header = rows[0].clone();
    let told = |column: usize| rows[1..].iter().any(|row| row[column] != "–");
    let keep: Vec<bool> = (0..header.len()).map(|at| told(at) && (width >= 100 || header[at] != "p")).collect();
    for row in &mut rows {
        let mut kept = keep.iter();
        row.retain(|_| kept.next().is_some_and(|keep| *keep));
    }
    rows
}

/// The whole summary of a sweep as Markdown.
#[must_use]
pub fn swept(context: &Context, sweep: &Sweep) -> String {
    let comparison = context.comparison;
    let results = grid::markdown(&results(comparison));
    format!(
        "{}{}\n## Every arm at every threshold\n\n{results}{}{}",
        head(context),
        sweep.markdown(),
        ends::section(comparison),
        confidence(context)
    )
}

/// Name, setting and warnings.
fn head(context: &Context) -> String {
    let comparison = context.comparison;
    let mut text = format!("# {}\n\n", context.name);
    for line in context.setting {
        let _ = writeln!(text, "- {line}");
    }
    let cautions = cautions(comparison);
    if !context.warnings.is_empty() || !cautions.is_empty() {
        text += "\n## Before you quote a figure\n\n";
        for warning in context.warnings.iter().chain(&cautions) {
            let _ = writeln!(text, "- {warning}");
        }
    }
    text
}

/// The whole summary of a run as Markdown.
#[must_use]
pub fn markdown(context: &Context) -> String {
    let comparison = context.comparison;
    let mut text = head(context);
    text += "\n## Results\n\n";
    text += &grid::markdown(&results(comparison));
    text += "\nWeak accuracy counts the weak level's answers to the whole stream, deferred ones included; accuracy counts \
             the answers that stand. An answer that could not be read counts as wrong. Strong calls are the items that the \
             strong level answered, as the paper counts; all requests have those for strategies, signals and second draws too. Fees are what each arm would pay \
             alone.\n";
    for rows in gains(comparison) {
        text += "\n## What learning changes, and how much of it any strategy gives\n\n";
        text += &grid::markdown(&rows);
        text += "\nDifferences are paired item by item, over all orders; in brackets 95 % bootstrap intervals over groups, p \
                 from sign flips of the groups' sums, unadjusted (the tables have Holm's). They hold for these \
                 orders of the stream: through the repository a learning arm's items depend on each other, which no \
                 resampling of items covers. Where fewer than three groups differ there is no interval. What orders give apart stands \
                 in the last column, least and most.\n";
    }
    text += &ends::section(comparison);
    text += &pays::against_strong(comparison);
    text += &guarantee(comparison);
    text += &confidence(context);
    text += &sources(comparison);
    text += &stored(comparison);
    text += &strong_side(comparison);
    text += &theorem_constants(comparison);
    text += &pays::money(comparison);
    text += &pays::price_ratio(comparison);
    text
}

fn fee(comparison: &Comparison, slice: &Slice) -> String {
    comparison.fee(slice).map_or("–".to_owned(), |fee| usd(fee.usd()))
}

/// Header and rows of the results.
fn results(comparison: &Comparison) -> Vec<Vec<String>> {
    let header = [
        "arm",
        "λ",
        "weak accuracy",
        "accuracy",
        "coverage",
        "right if accepted",
        "strong calls",
        "all strong requests",
        "fee USD",
        "strategies shown",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for slice in &comparison.slices {
        let optional = |value: Option<f64>| value.map_or("–".to_owned(), percent);
        rows.push(vec![
            slice.cell.arm.to_string(),
            threshold(slice),
            optional(slice.weak_accuracy()),
            percent(slice.accuracy()),
            percent(slice.coverage()),
            optional(slice.accepted_accuracy()),
            slice.strong_calls().to_string(),
            slice.strong_calls_all().to_string(),
            fee(comparison, slice),
            format!("{:.2}", slice.strategies_shown()),
        ]);
    }
    rows
}

/// A change as a row of the table of gains.
struct Shown {
    change: Estimate,
    text: fn(Estimate) -> String,
    /// The least and the greatest change over the orders, as shares. `None` in one order, or if it is not known by order.
    orders: Option<(f64, f64)>,
}

impl Shown {
    fn points(change: Estimate) -> Self {
        Self { change, text: points, orders: None }
    }

    fn relative(change: Estimate) -> Self {
        Self { change, text: relative, orders: None }
    }

    fn over(self, orders: impl IntoIterator<Item = f64>) -> Self {
        let mut ends: Option<(f64, f64)> = None;
        let mut count = 0;
        for value in orders {
            count += 1;
            ends = Some(ends.map_or((value, value), |(low, high)| (low.min(value), high.max(value))));
        }
        Self { orders: ends.filter(|_| count > 1), ..self }
    }

    fn text(&self) -> String {
        (self.text)(self.change)
    }
}

/// Each gain of Inter-Cascade beside what random strategies give: header and rows, for each threshold.
fn gains(comparison: &Comparison) -> Vec<Vec<Vec<String>>> {
    let mut tables = Vec::new();
    for (taught, changes) in comparison.of_arm(Arm::InterCascade) {
        let Some(changes) = changes else { continue };
        let base = |slice: &Slice| comparison.base(slice).map(|base| base.cell.threshold);
        let same = |(slice, _): &(&Slice, Option<&Changes>)| base(slice) == base(taught);
        let random = comparison.of_arm(Arm::InterCascadeRandom).find(same);
        let mut rows = vec![
            ["change against cascade", "inter-cascade", "p", "random strategies", "share random gives", "orders"]
                .map(str::to_owned)
                .to_vec(),
        ];
        let controls = random.and_then(|(slice, changes)| Some((slice, changed(comparison, slice, changes?))));
        for (place, (gain, name, own)) in changed(comparison, taught, changes).into_iter().enumerate() {
            let Some(own) = own else { continue };
            let control = controls.as_ref().and_then(|(_, controls)| controls[place].2.as_ref());
            let shared = controls.as_ref().zip(comparison.base(taught));
            let shared = shared.filter(|_| control.is_some());
            rows.push(vec![
                name.to_owned(),
                own.text(),
                own.change.p_value.map_or("–".to_owned(), p_value),
                control.map_or("not run".to_owned(), Shown::text),
                shared
                    .map(|((slice, _), base)| shared_gain(share(comparison, gain, taught, slice, base)))
                    .unwrap_or_default(),
                own.orders.map_or("–".to_owned(), |(low, high)| format!("{} to {}", signed(low), signed(high))),
            ]);
        }
        tables.push(rows);
    }
    tables
}

/// What a learning arm changes, figure by figure.
fn changed(comparison: &Comparison, slice: &Slice, changes: &Changes) -> [(Gain, &'static str, Option<Shown>); 6] {
    let by_order = changes.strong_calls_by_order.iter().copied().flatten();
    [
        (Gain::WeakAccuracy, "weak accuracy", changes.weak_accuracy.map(Shown::points)),
        (
            Gain::Accuracy,
            "accuracy",
            Some(Shown::points(changes.accuracy).over(changes.accuracy_by_order.iter().copied())),
        ),
        (Gain::Coverage, "coverage", Some(Shown::points(changes.coverage))),
        (Gain::StrongCalls, "strong calls", changes.strong_calls.map(|change| Shown::relative(change).over(by_order))),
        (Gain::StrongRequests, "all strong requests", changes.strong_calls_all.map(Shown::relative)),
        (Gain::Fee, "fee", comparison.fee_change(slice).map(Shown::relative)),
    ]
}

/// How much of a gain the control has too, in percent of it; `none` where it has none, a dash where there is no gain.
fn shared_gain(share: Option<Estimate>) -> String {
    let Some(Estimate { value, interval, .. }) = share else { return "–".to_owned() };
    let ends = interval.map(|ends| format!(" [{:+.0}, {:+.0}]", ends.low * 100.0, ends.high * 100.0));
    match (value > 0.0, ends) {
        (true, ends) => format!("{:.0}{} %", value * 100.0, ends.unwrap_or_default()),
        (false, Some(ends)) => format!("none{ends} %"),
        (false, None) => "none".to_owned(),
    }
}

pub(super) fn learners<'a, 'b>(comparison: &'a Comparison<'b>) -> impl Iterator<Item = &'a Slice<'b>> {
    let learns = |slice: &&Slice| slice.cell.arm.learning().is_some();
    comparison.slices.iter().filter(learns)
}

/// What a reader must know of the guarantees, told from the records.
#[must_use]
pub fn cautions(comparison: &Comparison) -> Vec<String> {
    let mut lines = Vec::new();
    for slice in &comparison.slices {
        let (arm, Some(found)) = (slice.cell.arm, comparison.guaranteed(slice)) else { continue };
        let (alpha, delta) = (found.guarantee.alpha, found.guarantee.delta);
        if !found.certified {
            lines.push(format!(
                "{arm}: NOTHING CERTIFIED: no threshold keeps the risk of accepted answers to {alpha} on these {} calibration \
                 items (δ {delta}), so everything is deferred.",
                found.told_from
            ));
        }
        let realised = slice.realised(alpha);
        if realised.p <= delta {
            let [at, errors] = realised.alarmed;
            lines.push(format!(
                "{arm}: {errors} of the first {at} accepted answers were wrong, more than the guarantee allows ({alpha}; over the whole \
                 stream {}): p {} at any time, alarm up to {delta}. The stream is not like the calibration items, the arm's answers have \
                 changed, variants of one problem err together, or the calibration is one of the {} in a hundred that mislead.",
                realised.risk.map(percent).unwrap_or_default(),
                p_value(realised.p),
                delta * 100.0
            ));
        }
    }
    lines.extend(comparison.calibrated.iter().filter_map(calibration::flat));
    lines
}

/// What was guaranteed, and what became of it.
fn guarantee(comparison: &Comparison) -> String {
    let header = [
        "arm",
        "λ",
        "told from",
        "items",
        "accepted",
        "wrong",
        "risk",
        "bound",
        "α",
        "δ",
        "smallest α",
        "over the stream",
        "greatest wealth",
        "p",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for slice in &comparison.slices {
        let Some((found, told)) = comparison.guaranteed(slice).zip(comparison.calibrated(slice.cell.arm)) else {
            continue;
        };
        let tested = |figure: fn(&Tested) -> String| found.tested.as_ref().map_or("–".to_owned(), figure);
        let realised = slice.realised(found.guarantee.alpha);
        rows.push(vec![
            slice.cell.arm.to_string(),
            if found.certified { threshold(slice) } else { "∞ (nothing certified)".to_owned() },
            told.whose().to_owned(),
            found.told_from.to_string(),
            tested(|tested| tested.n.to_string()),
            tested(|tested| tested.errors.to_string()),
            tested(|tested| percent(tested.risk)),
            tested(|tested| percent(tested.bound)),
            percent(found.guarantee.alpha),
            found.guarantee.delta.to_string(),
            percent(found.smallest_alpha),
            realised.risk.map_or("–".to_owned(), |risk| format!("{} of {}", percent(risk), realised.accepted)),
            format!("{:.2}", realised.wealth),
            p_value(realised.p),
        ]);
    }
    if rows.len() == 1 {
        return String::new();
    }
    format!(
        "\n## The guarantee\n\n{}\nWith probability 1 - δ over the draw of the calibration items, one of a group, at most α of \
         the accepted answers are wrong, if items are exchangeable with them and the weak level answers as it did there. The \
         system's accuracy and the strong level's are not covered. A learning arm changes the weak level's answers, so its \
         risk over the stream stands beside, with a bet against `at most α, whatever came before`: the greatest wealth of any \
         order from a stake of 1, and p, the number of orders over it, which holds at any time (alarm up to δ).\n",
        grid::markdown(&rows)
    )
}

/// What confidence is worth.
fn confidence(context: &Context) -> String {
    let Some(Gauged { model, signal }) = context.gauged else { return String::new() };
    let header = ["arm", "λ", "answers", "AUROC", "ECE", "bins", "Brier", "AURC"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let figure = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.3}"));
    let sure =
        |value: Option<f64>, ends: Option<Interval>| value.map_or("–".to_owned(), |value| number(value, ends, 3));
    for slice in &context.comparison.slices {
        let Some(found) = slice.reliability() else { continue };
        let ends = context.comparison.confidence_ends(slice);
        rows.push(vec![
            slice.cell.arm.to_string(),
            threshold(slice),
            found.n.to_string(),
            sure(found.auroc, ends.auroc),
            sure(found.ece, ends.ece),
            found.bins.len().to_string(),
            sure(found.brier, ends.brier),
            figure(found.aurc),
        ]);
    }
    if rows.len() == 1 {
        return String::new();
    }
    format!(
        "\n## What confidence is worth\n\n{}\nOf {model}'s answers by {signal}, over the whole stream. AUROC: the chance that a \
         right answer is the surer one; ECE over bins of equal mass. In brackets 95 % bootstrap intervals over groups, bias-corrected, since \
         a resample's ECE lies above the sample's; none where fewer than three groups have a right answer, or a wrong one.\n",
        grid::markdown(&rows)
    )
}

/// The weak level's gain by where the strategies came from, by how often a kind of problem came before, and by whether the teacher
/// was right.
fn sources(comparison: &Comparison) -> String {
    let Some(alone) = comparison.untaught() else { return String::new() };
    let header = |what, more: &[&str]| {
        let columns = ["arm", "λ", what, "similarity", "items", "weak alone", "weak with them", "gain"];
        columns.iter().chain(more).map(|column| (*column).to_owned()).collect()
    };
    let mut places: Vec<Vec<String>> = vec![header("strategies from", &[])];
    let mut encounters = vec![header("of its group", &["deferred", "accuracy"])];
    let mut teachers = vec![header("their teacher was", &[])];
    for slice in learners(comparison) {
        let row = |name: &str, Transfer { n, alone, taught, gain, similarity }: Transfer| {
            vec![
                slice.cell.arm.to_string(),
                threshold(slice),
                name.to_owned(),
                similarity.map(range).unwrap_or_default(),
                n.to_string(),
                percent(alone),
                percent(taught),
                plus_minus(gain),
            ]
        };
        places.extend(by_source(slice, alone).into_iter().map(|(source, found)| row(Source::name(source), found)));
        encounters.extend(by_encounter(slice, alone).into_iter().map(|(nth, part, found)| {
            let more = [percent(1.0 - part.coverage()), percent(part.accuracy())];
            row(nth, found).into_iter().chain(more).collect()
        }));
        teachers
            .extend(by_teacher(slice, alone).into_iter().map(|(teacher, found)| row(Teacher::name(teacher), found)));
    }
    let mut text = String::new();
    if places.len() > 1 {
        let _ = write!(
            text,
            "\n## Where the weak level's gain comes from\n\n{}\nThe same group is another wording or instance of the same \
             problem: its strategy can be looked up. Only a gain from other groups is transfer from one problem to another. \
             ± is half of a 95 % interval, normal and clustered by group; none where fewer than three groups change. Similarity is that of the nearest one shown.\n",
            grid::markdown(&places)
        );
    }
    // Where no group comes again, all are the first.
    if encounters.iter().skip(1).any(|row| row[2] != ENCOUNTERS[0]) {
        let _ = write!(
            text,
            "\n## How often a group comes again\n\n{}\nThe items by which one of their group they are in their stream: the first finds \
             none of it in the repository, the others those before them that were deferred and kept.\n",
            grid::markdown(&encounters)
        );
    }
    // A teacher that is never wrong needs no table.
    if teachers.iter().skip(1).any(|row| row[2] != Teacher::Right.name()) {
        let _ = write!(
            text,
            "\n## What a wrong teacher costs\n\n{}\nWhether the strong answers behind the strategies shown were right is \
             known after the fact; no arm uses it.\n",
            grid::markdown(&teachers)
        );
    }
    text
}

/// What the store rule kept, and what of it was wrong.
fn stored(comparison: &Comparison) -> String {
    let header = ["arm", "λ", "deferred", "stored", "of them wrong", "kept out", "of them right", "unreadable"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for slice in learners(comparison) {
        let found = Storing::of(slice);
        if found.deferred == 0 {
            continue;
        }
        let Storing { deferred, stored, stored_wrong, dropped, dropped_right, unreadable } = found;
        let counts = [deferred, stored, stored_wrong, dropped, dropped_right, unreadable];
        rows.push(
            [slice.cell.arm.to_string(), threshold(slice)].into_iter().chain(counts.map(|n| n.to_string())).collect(),
        );
    }
    if rows.len() == 1 {
        return String::new();
    }
    format!(
        "\n## What was stored\n\n{}\nWhich strategies come from wrong strong answers is known after the fact, from the \
         targets; only a store rule that is called an oracle uses it. Of the stream's items: what calibration items left in the \
         repository is not counted.\n",
        grid::markdown(&rows)
    )
}

/// The strong level's answers with and without a strategy behind them.
fn strong_side(comparison: &Comparison) -> String {
    let Some((strong, _)) = comparison.of_arm(Arm::StrongOnly).next() else { return String::new() };
    let header = ["arm", "λ", "deferred items", "right while distilling", "change against answering alone"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for slice in learners(comparison) {
        if let Some(Distilling { n, with, change: Some(change) }) = distilling(slice, strong) {
            let change = plus_minus(change);
            rows.push(vec![slice.cell.arm.to_string(), threshold(slice), n.to_string(), percent(with), change]);
        }
    }
    if rows.len() == 1 {
        return String::new();
    }
    format!("\n## Whether teaching costs the strong level accuracy\n\n{}", grid::markdown(&rows))
}

/// The paper's two constants.
fn theorem_constants(comparison: &Comparison) -> String {
    let header = [
        "arm",
        "λ",
        "accepted (wrong) with",
        "accepted (wrong) without",
        "ε: error among accepted, with / without",
        "b: coverage, with / without",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for slice in learners(comparison) {
        let Some(base) = comparison.base(slice) else { continue };
        let labels = ["theorem", slice.cell.arm.name(), &threshold(slice)];
        let found = theorem(slice, base, Draws { seed: comparison.seed, labels: &labels, count: RESAMPLES });
        let told =
            |ratio: Option<Estimate>| ratio.map_or("–".to_owned(), |ratio| number(ratio.value, ratio.interval, 2));
        let accepted = |[accepted, wrong]: [usize; 2]| format!("{accepted} ({wrong})");
        rows.push(vec![
            slice.cell.arm.to_string(),
            threshold(slice),
            accepted(found.with),
            accepted(found.without),
            told(found.error_ratio),
            told(found.coverage_ratio),
        ]);
    }
    if rows.len() == 1 {
        return String::new();
    }
    format!(
        "\n## The theorem's constants, estimated\n\n{}\nBoth at the same λ. ε below 1: strategies make accepted answers less \
         often wrong; b above 1: they let more answers be accepted. In brackets 95 % bootstrap intervals over groups; a dash where \
         fewer than ten answers are accepted without strategies, of ε on either side.\n",
        grid::markdown(&rows)
    )
}

#[cfg(test)]
mod tests {
    use super::shared_gain;
    use crate::analysis::stats::{Estimate, Interval};

    #[test]
    fn the_controls_share_is_told_with_how_sure_it_is() {
        let told = |value, interval: Option<(f64, f64)>| {
            let interval = interval.map(|(low, high)| Interval { low, high });
            shared_gain(Some(Estimate::new(value, interval)))
        };
        assert_eq!(told(0.25, None), "25 %");
        assert_eq!(told(0.09, Some((-0.17, 0.3))), "9 [-17, +30] %");
        assert_eq!(told(-0.1, Some((-0.3, 0.12))), "none [-30, +12] %");
        assert_eq!(told(0.0, None), "none");
        assert_eq!(shared_gain(None), "–");
    }
}
