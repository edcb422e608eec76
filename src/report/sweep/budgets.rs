//! Recommended arm and λ for a fee, a share of strong calls or an accuracy: the table `budgets`, the summary's section,
//! and answers in words.

use super::{OnAxis, Sweep, cost, name};
use crate::analysis::curves::budget::Found;
use crate::analysis::curves::{Axis, Point};
use crate::analysis::metrics::Slice;
use crate::analysis::metrics::swept::{Choice, Swept};
use crate::report::columns::{Column, Sheet};
use crate::report::format::{bare_percent, lambda, percent, sure_percent};
use crate::report::left_out::rows;
use crate::types::arm::Arm;
use crate::types::left_out::LeftOut;

/// Number of steps in the ladder of budgets, and in that of accuracies.
const RUNGS: u32 = 10;

/// The goals of a reader of a sweep.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// Maximum cost per item, in USD. `None` for no limit.
    pub budget: Option<f64>,
    /// Maximum share of items that the strong level answers, in [0, 1]. `None` for no limit.
    pub strong_calls: Option<f64>,
    /// Minimum accuracy, a share in [0, 1]. `None` for no limit.
    pub accuracy: Option<f64>,
}

/// A recommended arm and λ for one goal.
struct Advice<'s> {
    axis: Axis,
    asked: &'static str,
    value: f64,
    found: Option<Found<Choice>>,
    swept: &'s Swept<'s, 's>,
}

impl Sweep<'_, '_> {
    /// Returns the recommended arm and λ for each goal as sentences, then the number of λ that could not be considered.
    #[must_use]
    pub fn answers(&self, wanted: Wanted, left_out: &[LeftOut]) -> Vec<String> {
        let mut lines = Vec::new();
        for on in &self.axes {
            let budget = match on.axis {
                Axis::Fee => wanted.budget,
                Axis::StrongCalls => wanted.strong_calls,
            };
            lines.extend(budget.map(|budget| self.within(on, budget)));
            lines.extend(wanted.accuracy.map(|accuracy| self.reaching(on, accuracy)));
        }
        if wanted.budget.is_some() && !self.axes.iter().any(|on| on.axis == Axis::Fee) {
            lines.push("a budget needs a price for every model; --strong-calls SHARE needs none".to_owned());
        }
        if self.axes.is_empty() && (wanted.strong_calls.is_some() || wanted.accuracy.is_some()) {
            lines.push("λ cannot be recommended without weak-only and strong-only; add both to `arms`".to_owned());
        }
        let missing = |arm: Arm| {
            let thresholds = rows(left_out.iter().filter(|cell| cell.arm == arm && cell.threshold.is_some())).len();
            (thresholds > 0).then(|| format!("{thresholds} λ of {arm}"))
        };
        let missing: Vec<String> = Arm::ALL.into_iter().filter_map(missing).collect();
        if !lines.is_empty() && !missing.is_empty() {
            lines.push(format!("not considered, because some of their calls are not recorded: {}", missing.join(", ")));
        }
        lines
    }

    /// Sentence with the most accurate choice that costs at most `budget`.
    fn within(&self, OnAxis { axis, swept, .. }: &OnAxis, budget: f64) -> String {
        let goal = match axis {
            Axis::Fee => format!("At most {budget} USD an item"),
            Axis::StrongCalls => format!("At most {} strong calls", percent(budget)),
        };
        let cheapest = |(_, a): &&(Choice, Point), (_, b): &&(Choice, Point)| {
            a.cost.total_cmp(&b.cost).then(b.accuracy.total_cmp(&a.accuracy))
        };
        let found = swept.within(budget).map(|found| self.in_words(swept, *axis, &found));
        let nearest =
            || swept.choices().iter().min_by(cheapest).map(|nearest| self.with_figures(swept, *axis, nearest));
        let none = || format!("no arm of the sweep is this cheap{}", or_nearest(nearest()));
        format!("{goal}: {}.", found.unwrap_or_else(none))
    }

    /// Sentence with the cheapest choice that is at least as accurate as `accuracy`.
    fn reaching(&self, OnAxis { axis, swept, .. }: &OnAxis, accuracy: f64) -> String {
        let goal = match axis {
            Axis::Fee => "at the lowest fee",
            Axis::StrongCalls => "with the fewest strong calls",
        };
        let most_accurate = |(_, a): &&(Choice, Point), (_, b): &&(Choice, Point)| {
            a.accuracy.total_cmp(&b.accuracy).then(b.cost.total_cmp(&a.cost))
        };
        let found = swept.reaching(accuracy).map(|found| self.in_words(swept, *axis, &found));
        let nearest =
            || swept.choices().iter().max_by(most_accurate).map(|nearest| self.with_figures(swept, *axis, nearest));
        let none = || format!("no arm of the sweep reaches it{}", or_nearest(nearest()));
        format!("At least {} accuracy {goal}: {}.", percent(accuracy), found.unwrap_or_else(none))
    }

    /// Computes recommendations for budgets in even steps from the cheapest to the most expensive choice, and for
    /// accuracies from the lowest to the highest.
    fn advice(&self) -> Vec<Advice<'_>> {
        let mut advice = Vec::new();
        for OnAxis { axis, swept, .. } in &self.axes {
            let choices = swept.choices();
            let ladder = |of: fn(&Point) -> f64| {
                let values = || choices.iter().map(|(_, point)| of(point));
                let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
                // The last step is exactly the end, regardless of rounding.
                let rung = move |rung| low + (high - low) * f64::from(rung) / f64::from(RUNGS);
                (0..RUNGS).map(rung).chain([high])
            };
            let axis = *axis;
            advice.extend(ladder(|point| point.cost).map(|value| {
                let found = swept.within(value);
                Advice { axis, asked: "budget", value, found, swept }
            }));
            advice.extend(ladder(|point| point.accuracy).map(|value| {
                let found = swept.reaching(value);
                Advice { axis, asked: "accuracy", value, found, swept }
            }));
        }
        advice
    }

    /// Returns all steps, for files.
    pub(super) fn budgets(&self) -> Sheet {
        self.sheet_of(&self.advice())
    }

    /// Returns the steps whose recommendation differs from that of the step before, for people.
    pub(super) fn budgets_once(&self) -> Sheet {
        let mut advice = self.advice();
        advice.dedup_by(|next, kept| {
            next.axis == kept.axis && next.asked == kept.asked && next.found.is_some() && next.found == kept.found
        });
        self.sheet_of(&advice)
    }

    fn sheet_of(&self, rows: &[Advice]) -> Sheet {
        let each = || rows.iter();
        let found = || each().map(|row| row.found.as_ref());
        let mixed = || found().map(|found| found?.mixed.as_ref());
        let asked = |row: &Advice| format!("{}, {}", row.asked, name(row.axis));
        let value = |row: &Advice| if row.asked == "accuracy" { percent(row.value) } else { cost(row.axis, row.value) };
        let take =
            |row: &Advice| row.found.as_ref().map_or("none".to_owned(), |found| choice_in_words(row.swept, found));
        let paid = |row: &Advice| row.found.as_ref().map(|found| cost(row.axis, found.point.cost)).unwrap_or_default();
        let columns = vec![
            Column::text(each().map(|_| self.dataset.clone())).file("dataset"),
            Column::text(each().map(|row| super::column(row.axis).to_owned())).file("axis"),
            Column::text(each().map(|row| row.asked.to_owned())).file("goal"),
            Column::preformatted(each().map(asked)).in_documents("asked"),
            Column::exact(each().map(|row| row.value)).file("value"),
            Column::preformatted(each().map(value)).in_documents("of"),
            Column::text(found().map(|found| Some(found?.choice.0.arm.to_string()))).file("arm"),
            Column::exact(found().map(|found| found?.choice.0.threshold)).file("threshold"),
            Column::preformatted(each().map(take)).in_documents("take"),
            Column::share(found().map(|found| Some(found?.point.accuracy)))
                .empty_as("")
                .file("accuracy")
                .in_documents("accuracy"),
            Column::exact(found().map(|found| Some(found?.point.cost))).file("cost"),
            Column::preformatted(each().map(paid)).in_documents("cost of an item"),
            Column::text(mixed().map(|mixed| Some(mixed?.0.0.arm.to_string()))).file("mixed_with_arm"),
            Column::exact(mixed().map(|mixed| mixed?.0.0.threshold)).file("mixed_with_threshold"),
            Column::exact(mixed().map(|mixed| Some(mixed?.1))).file("mixed_share"),
        ];
        Sheet { name: "budgets", columns }
    }
}

/// Formats an arm with its λ.
fn arm_at_threshold(swept: &Swept, choice: &Choice) -> String {
    let at = choice.threshold.map(|threshold| format!(" at λ {}", lambda(swept.readable(threshold))));
    format!("{}{}", choice.arm, at.unwrap_or_default())
}

/// Formats a choice, with the shares of a mixture.
fn choice_in_words(swept: &Swept, found: &Found<Choice>) -> String {
    let first = arm_at_threshold(swept, &found.choice.0);
    match &found.mixed {
        None => first,
        Some(((other, _), share)) => {
            format!("{} % {}, {} % {first}", whole(*share), arm_at_threshold(swept, other), whole(1.0 - share))
        }
    }
}

/// Formats a share in whole percent, or with one decimal if it would round to 0 or 100.
fn whole(share: f64) -> String {
    let rounded = format!("{:.0}", share * 100.0);
    if matches!(&*rounded, "0" | "100") { bare_percent(share) } else { rounded }
}

impl Sweep<'_, '_> {
    /// Formats a choice with its accuracy, the 95 % interval, and its cost.
    fn with_figures(&self, swept: &Swept, axis: Axis, (choice, point): &(Choice, Point)) -> String {
        let slices = self.comparison.slices.iter().zip(self.comparison.accuracy_intervals());
        let own = |slice: &Slice| slice.cell.arm == choice.arm && slice.cell.threshold == choice.threshold;
        let interval = slices.filter(|(slice, _)| own(slice)).find_map(|(_, interval)| *interval);
        let accuracy = sure_percent(point.accuracy, interval);
        format!("{}, accuracy {accuracy} {}", arm_at_threshold(swept, choice), at_cost(axis, point.cost))
    }

    /// Formats a choice with its figures, and for a mixture the reason why no single choice fits and the nearest one.
    fn in_words(&self, swept: &Swept, axis: Axis, found: &Found<Choice>) -> String {
        let Some(((other, beyond), share)) = &found.mixed else {
            return self.with_figures(swept, axis, &found.choice);
        };
        let (choice, before) = &found.choice;
        let never_run = if swept_arm(choice, other).learning().is_some() {
            " (an interpolation: no run had these deferrals)"
        } else {
            ""
        };
        format!(
            "{} % of the queries at random to {} and the others to {}, expected accuracy {} {}{never_run}; {}, and the \
             nearest without mixing is {}",
            whole(*share),
            arm_at_threshold(swept, other),
            arm_at_threshold(swept, choice),
            percent(found.point.accuracy),
            at_cost(axis, found.point.cost),
            gap(swept, axis, (choice, before), (other, beyond)),
            self.with_figures(swept, axis, found.nearest())
        )
    }
}

/// Formats a cost with its unit.
fn at_cost(axis: Axis, value: f64) -> String {
    match axis {
        Axis::StrongCalls => format!("with {} strong calls", percent(value)),
        Axis::Fee => format!("for {} USD an item", cost(axis, value)),
    }
}

/// Formats the end of a sentence that nothing met the goal.
fn or_nearest(nearest: Option<String>) -> String {
    nearest.map(|nearest| format!("; the nearest is {nearest}")).unwrap_or_default()
}

/// The arm of a mixture whose thresholds are mixed, or that is mixed with a level alone.
fn swept_arm(choice: &Choice, other: &Choice) -> Arm {
    if choice.arm.is_one_level() { other.arm } else { choice.arm }
}

/// States the reason why no single choice lies between two neighbours.
fn gap(swept: &Swept, axis: Axis, (choice, before): (&Choice, &Point), (other, beyond): (&Choice, &Point)) -> String {
    let arm = swept_arm(choice, other);
    let [from, to] = [before, beyond].map(|point| cost(axis, point.cost));
    let tied = swept.tied(choice.threshold, other.threshold).filter(|_| arm == Arm::Cascade);
    let always = if arm == Arm::Cascade && choice.threshold.is_none() { swept.always_deferred() } else { 0 };
    match tied {
        _ if always > 0 => format!(
            "{always} weak answers fail a check of the gate or have no confidence and are deferred at any λ, so no λ \
             of {arm} in the sweep is between {from} and {to}"
        ),
        Some((confidence, answers)) => format!(
            "{answers} weak answers have the confidence {}, so no λ of {arm} is between {from} and {to}",
            lambda(swept.readable(confidence))
        ),
        None => format!("no λ of {arm} in the sweep is between {from} and {to}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_near_an_end_keep_a_decimal() {
        assert_eq!([0.948, 0.996, 0.004, 0.5].map(whole), ["95", "99.6", "0.4", "50"]);
    }
}
