//! The λ of a sweep chosen on one part of the groups and judged on the other: a table and notes.

use super::columns::{Column, FILE, Sheet, TERMINAL, TEXT};
use super::format::{bare_percent, lambda};
use crate::analysis::metrics::Comparison;
use crate::analysis::metrics::chosen::{AS_ACCURATE, Choice, Chosen, OnPart, Rule, choose};
use crate::analysis::stats::{Estimate, Interval};

/// A choice of λ with its table and notes.
pub struct JudgedChoice {
    /// The choice. `None` if there are too few groups to split.
    choice: Option<Choice>,
    rule: Rule,
}

impl JudgedChoice {
    /// Chooses λ on this share of the groups.
    #[must_use]
    pub fn new(comparison: &Comparison, share: f64, rule: Rule) -> Self {
        Self { choice: choose(comparison, share, rule), rule }
    }

    /// Returns the table: strong-only, and each arm at its λ.
    #[must_use]
    pub fn sheet(&self) -> Sheet {
        let rows = || self.choice.iter().flat_map(|choice| &choice.rows);
        let sure = |part: &OnPart| Estimate::new(part.accuracy, part.interval);
        let end = |of: fn(Interval) -> f64| rows().map(move |row| row.judged_on.interval.map(of));
        let written = |row: &OnPart| {
            let ends =
                sure(row).interval.map(|ends| format!(" [{}, {}]", bare_percent(ends.low), bare_percent(ends.high)));
            bare_percent(row.accuracy) + &ends.unwrap_or_default()
        };
        let strong = |of: fn(&Chosen) -> OnPart| Column::share(rows().map(move |row| Some(of(row).strong_calls)));
        let columns = vec![
            Column::text(rows().map(|row| row.arm.to_string()))
                .named(FILE, "arm")
                .named(TEXT, "arm")
                .named(TERMINAL, "arm"),
            Column::exact(rows().map(|row| row.threshold)).named(FILE, "threshold"),
            Column::preformatted(rows().map(|row| row.threshold.map_or("–".to_owned(), lambda)))
                .named(TEXT, "λ")
                .named(TERMINAL, "λ"),
            Column::share(rows().map(|row| Some(row.chosen_on.accuracy)))
                .named(FILE, "chosen_on_accuracy")
                .named(TEXT, "accuracy where chosen")
                .short(TERMINAL, "accuracy where chosen, %"),
            Column::share(rows().map(|row| Some(row.judged_on.accuracy))).named(FILE, "judged_on_accuracy"),
            Column::share(end(|ends| ends.low)).named(FILE, "judged_on_accuracy_low"),
            Column::share(end(|ends| ends.high)).named(FILE, "judged_on_accuracy_high"),
            Column::preformatted(rows().map(|row| written(&row.judged_on)))
                .named(TEXT, "accuracy where judged, %")
                .named(TERMINAL, "accuracy where judged, %"),
            Column::points(rows().map(|row| row.against_strong))
                .named(FILE, "judged_change_vs_strong_only_pp")
                .ends(["judged_change_low_pp", "judged_change_high_pp"])
                .named(TEXT, "against strong-only")
                .short(TERMINAL, "vs strong-only where judged, points"),
            strong(|row| row.chosen_on).named(FILE, "chosen_on_strong_calls"),
            strong(|row| row.judged_on)
                .named(FILE, "judged_on_strong_calls")
                .named(TEXT, "strong calls where judged")
                .short(TERMINAL, "strong calls where judged, %"),
            Column::exact(rows().map(|row| row.chosen_on.fee)).named(FILE, "chosen_on_fee_per_item_usd"),
            Column::exact(rows().map(|row| row.judged_on.fee)).named(FILE, "judged_on_fee_per_item_usd"),
            Column::number(4, rows().map(|row| row.judged_on.fee.map(|fee| fee * 1000.0)))
                .named(TEXT, "USD per 1,000 where judged")
                .named(TERMINAL, "USD per 1,000 where judged"),
        ];
        Sheet { name: "chosen", columns }
    }

    /// Returns the notes: the groups that λ was chosen on, the rule, and what the figures do not cover.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let Some(Choice { groups, items, without, .. }) = &self.choice else {
            return vec!["dataset.choose: too few groups to choose on one part and judge on the other.".to_owned()];
        };
        let mut lines = vec![format!(
            "Each arm's λ was chosen on {} groups ({} items) and judged on the other {} ({} items); the seed \
             determines the split. Rule: {}.",
            groups[0],
            items[0],
            groups[1],
            items[1],
            self.rule_in_words()
        )];
        if !without.is_empty() {
            let names: Vec<String> = without.iter().map(ToString::to_string).collect();
            lines.push(format!("On the groups for choosing, no λ satisfies the rule for: {}.", names.join(", ")));
        }
        lines.push(
            "Only λ was chosen: a learning arm processed all items in order, so its repository has strategies from \
             both parts. Brackets contain 95 % intervals, which do not cover picking the best arm from this table."
                .to_owned(),
        );
        lines
    }

    fn rule_in_words(&self) -> String {
        let within = self.rule.budget.map(|budget| format!("among those that cost at most {budget} USD per item, "));
        let what = match self.rule.accuracy {
            Some(least) => format!("the fewest strong calls with an accuracy of at least {} %", bare_percent(least)),
            None => format!(
                "the fewest strong calls among the values of λ within {} points of the greatest accuracy",
                bare_percent(AS_ACCURATE)
            ),
        };
        within.unwrap_or_default() + &what
    }

    /// Returns the section of the summary.
    #[must_use]
    pub fn section(&self) -> String {
        let table = if self.choice.is_some() { self.sheet().markdown() + "\n" } else { String::new() };
        format!("\n## Chosen on one part, judged on the other\n\n{table}{}\n", self.notes().join(" "))
    }

    /// Formats table and notes for a terminal of `width` columns.
    #[must_use]
    pub fn terminal(&self, width: u16) -> Vec<String> {
        let table = self.choice.is_some().then(|| self.sheet().terminal(width));
        table.into_iter().chain(self.notes()).collect()
    }
}
