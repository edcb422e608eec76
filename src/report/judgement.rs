//! The tables of a judgement: the endpoints of all sets, the figures of the arms, what describes the outcome, and the
//! distinct steps behind all of it.

use std::fmt::Write;

use anyhow::Result;

use super::claims;
use super::columns::{Column, Sheet, page};
use super::figures::Figure;
use super::figures::claims::drawn;
use super::format::{bare_percent, change, lambda, or_dash, percent, sure_percent};
use crate::analysis::metrics::BASELINE;
use crate::analysis::metrics::judged::{ArmFigures, BySubject, ByTeacher, Description, GroupFigures, Judged};
use crate::analysis::metrics::recommendation::QUERIES;
use crate::analysis::stats::Estimate;
use crate::types::arm::Arm;
use crate::types::chat::Usage;
use crate::types::level::Level;
use crate::types::record::{CountedRecord, LevelAnswer, Purpose, Record, Score};

/// Name of the summary.
pub const SUMMARY: &str = "summary.md";

/// A data set and what is known of it.
pub struct SetReport<'a> {
    /// Name of the config.
    pub name: &'a str,
    /// Lines that describe the config: data, models, settings.
    pub setting: &'a [String],
    /// Number of groups that are recorded whole, of all groups, and of the items in the former.
    pub groups: [usize; 3],
    /// The endpoints.
    pub judged: &'a [Judged],
    /// Figures beside the endpoints. `None` if no group is recorded whole.
    pub described: Option<&'a Description>,
    /// The records behind the arms.
    pub records: &'a [CountedRecord],
    /// Arms that are left out, since a call is not recorded.
    pub left_out: &'a [Arm],
}

/// A judgement: its sets, the one with the primary endpoint first.
pub struct JudgementReport<'a> {
    /// Number of orders.
    pub orders: usize,
    /// The sets.
    pub sets: Vec<SetReport<'a>>,
}

impl JudgementReport<'_> {
    /// Returns the names and bytes of all files.
    ///
    /// # Errors
    /// If a table cannot be made.
    pub fn files(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let mut files = vec![(SUMMARY.to_owned(), self.markdown().into_bytes())];
        for sheet in [self.endpoints(true), self.arms(), self.teachers(), self.subjects(), self.groups(), self.steps()]
        {
            if !sheet.is_empty() {
                files.extend(sheet.table()?.files()?);
            }
        }
        if let Some(set) = self.sets.first().filter(|set| set.described.is_some()) {
            files.push(Self::figure(set)?.file());
        }
        Ok(files)
    }

    /// The figure with the paper's four claims beside the first set's changes.
    fn figure(set: &SetReport) -> Result<Figure> {
        let change = |figure: claims::Figure| {
            let measure = figure.measure()?;
            let is_own = |judged: &&Judged| judged.endpoint.measure == measure && judged.endpoint.against == BASELINE;
            set.judged.iter().find(is_own)?.estimate
        };
        drawn(change, "the judgement")
    }

    /// Formats endpoints and arms for a terminal of `width` columns.
    #[must_use]
    pub fn terminal(&self, width: u16) -> String {
        let lines = self.scope().into_iter().chain([page(&[("", &self.endpoints(false)), ("", &self.arms())], width)]);
        lines.collect::<Vec<_>>().join("\n")
    }

    /// One line for each set: its groups and items.
    fn scope(&self) -> Vec<String> {
        let line = |set: &SetReport| {
            let [whole, all, items] = set.groups;
            let names: Vec<&str> = set.left_out.iter().map(|arm| arm.name()).collect();
            let left_out = match &names[..] {
                [] => String::new(),
                names => format!(" Left out, since a call is not recorded: {}.", names.join(", ")),
            };
            let scope = match set.described {
                None => format!("{}: not recorded; its endpoints count with p = 1.", set.name),
                Some(_) if whole < all => {
                    format!("{}: {items} items in the {whole} of {all} groups that are recorded whole.", set.name)
                }
                Some(_) => format!("{}: {items} items in {all} groups.", set.name),
            };
            scope + &left_out
        };
        self.sets.iter().map(line).collect()
    }

    /// The column with the data set; people need it only if there are several.
    fn named(&self, column: Column) -> Column {
        if self.sets.len() > 1 { column.file("set").heading("data set") } else { column.file("set") }
    }

    fn markdown(&self) -> String {
        let mut text = "# Judgement\n\n".to_owned();
        for line in self.scope() {
            let _ = writeln!(text, "- {line}");
        }
        let _ = write!(
            text,
            "\nEvery figure is a mean over {} orders of the stream, replayed from recorded calls. Brackets contain 95 % \
             bootstrap intervals over groups, p comes from sign flips of the groups' sums (for figures at equal accuracy or \
             fee from the resamples). p (Holm) is adjusted for all secondary endpoints of all sets. The primary endpoint is \
             one test and is not adjusted.\n\n## Endpoints\n\n",
            self.orders
        );
        text += &self.endpoints(false).markdown();
        text +=
            "\nnot reached: the arm's curve over λ has no point with the reference's accuracy or fee.\n\n## Arms\n\n";
        text += &self.arms().markdown();
        text += "\n## Accepted answers by the solution in the prompt (oracle)\n\n";
        text += &self.teachers().markdown();
        text += "\nWhether the strong solution in the prompt is correct is known only from the targets; no arm uses it. \
                 Strong alone: accuracy of the strong level on the items whose answers were accepted.\n";
        text += &self.ceilings();
        let subjects = self.subjects();
        if !subjects.is_empty() {
            text += "\n## By subject\n\n";
            text += &subjects.markdown();
            text += "\nCopied: accepted answers that are incorrect and equal the example's answer.\n";
        }
        text += "\n## Groups that still fail\n\n";
        text += &self.failing();
        text += "\n## Settings\n\n";
        let is_common = |line: &String| self.sets.iter().all(|set| set.setting.contains(line));
        for set in &self.sets {
            for line in set.setting.iter().filter(|line| !is_common(line)) {
                let _ = writeln!(text, "- {}: {line}", set.name);
            }
        }
        for line in self.sets.first().into_iter().flat_map(|set| set.setting).filter(|line| is_common(line)) {
            let _ = writeln!(text, "- {line}");
        }
        text
    }

    /// The sentences on an oracle gate.
    fn ceilings(&self) -> String {
        let mut text = String::new();
        for set in &self.sets {
            let Some(ceiling) = set.described.and_then(|described| described.ceiling) else { continue };
            let reached = or_dash(ceiling.reached().map(percent));
            let _ = write!(
                text,
                "\n{}: with the same examples, a gate that knew which weak answers are correct (an oracle) would reach {} \
                 accuracy, against {} of the strong level alone. The judged arm reaches {}: {reached} of the oracle's gain.\n",
                set.name,
                percent(ceiling.oracle),
                percent(ceiling.strong),
                percent(ceiling.judged)
            );
        }
        text
    }

    /// The endpoints, also those of sets that are not recorded if `unrecorded`.
    fn endpoints(&self, unrecorded: bool) -> Sheet {
        // People see the line that a set is not recorded; files list its endpoints.
        let sets = self.sets.iter().filter(|set| unrecorded || set.described.is_some());
        let rows: Vec<(&SetReport, &Judged)> =
            sets.flat_map(|set| set.judged.iter().map(move |judged| (set, judged))).collect();
        let text = |of: fn(&(&SetReport, &Judged)) -> String| {
            Column::text(rows.iter().map(of).collect::<Vec<_>>().into_iter())
        };
        let number = |of: fn(Estimate) -> Option<f64>| rows.iter().map(move |(_, judged)| judged.estimate.and_then(of));
        let shown = |(_, judged): &(&SetReport, &Judged)| judged.estimate.map_or("not reached".to_owned(), change);
        let columns = vec![
            self.named(text(|(set, _)| set.name.to_owned())),
            text(|(_, judged)| if judged.primary { "primary" } else { "secondary" }.to_owned())
                .file("role")
                .heading("endpoint"),
            text(|(_, judged)| judged.endpoint.measure.name()).file("change_of").heading("measure"),
            text(|(_, judged)| judged.endpoint.against.to_string()).file("against").heading("against"),
            Column::change(rows.iter().map(|(_, judged)| judged.estimate)).file("change"),
            Column::preformatted(rows.iter().map(shown)).heading("change"),
            text(|(_, judged)| judged.endpoint.measure.unit().to_owned()).file("unit").heading("unit"),
            Column::p_value(number(|estimate| estimate.p_value)).file("p_value").heading("p"),
            Column::p_value(rows.iter().map(|(_, judged)| judged.p_adjusted)).file("p_holm").heading("p (Holm)"),
            Column::count(rows.iter().map(|_| self.orders)).file("orders"),
        ];
        Sheet { name: "judgement", columns }
    }

    /// Rows of a description of every set, each with the name of the set.
    fn rows<T>(&self, of: fn(&Description) -> &[T]) -> Vec<(&str, &T)> {
        let described = self.sets.iter().filter_map(|set| Some((set.name, set.described?)));
        described.flat_map(|(name, described)| of(described).iter().map(move |row| (name, row))).collect()
    }

    fn arms(&self) -> Sheet {
        let rows = self.rows(|described| &described.arms);
        let arms = || rows.iter().map(|(_, arm)| *arm);
        let sure = |of: fn(&ArmFigures) -> Option<Estimate>| {
            arms().map(move |arm| or_dash(of(arm).map(|estimate| sure_percent(estimate.value, estimate.interval))))
        };
        let value =
            |of: fn(&ArmFigures) -> Option<Estimate>| arms().map(move |arm| of(arm).map(|estimate| estimate.value));
        let fee = || arms().map(|arm| arm.fee.map(|fee| fee * QUERIES));
        let columns = vec![
            self.named(Column::text(rows.iter().map(|(name, _)| (*name).to_owned()))),
            Column::text(arms().map(|arm| arm.arm.to_string())).file("arm").heading("arm"),
            Column::exact(arms().map(|arm| arm.threshold)).file("threshold"),
            Column::preformatted(arms().map(|arm| or_dash(arm.threshold.map(lambda)))).heading("λ"),
            Column::share(value(|arm| arm.weak_accuracy)).file("weak_accuracy"),
            Column::preformatted(sure(|arm| arm.weak_accuracy)).heading("weak accuracy"),
            Column::share(value(|arm| arm.accuracy)).file("accuracy"),
            Column::preformatted(sure(|arm| arm.accuracy)).heading("accuracy"),
            Column::share(arms().map(|arm| arm.coverage)).file("coverage").heading("coverage"),
            Column::share(arms().map(|arm| arm.selective)).file("selective_accuracy").heading("selective accuracy"),
            Column::share(arms().map(|arm| arm.strong_calls)).file("strong_calls_share").heading("strong calls, share"),
            Column::number(4, fee()).file("usd_per_1000").heading("USD per 1,000 queries"),
        ];
        Sheet { name: "arms", columns }
    }

    fn teachers(&self) -> Sheet {
        let rows = self.rows(|described| &described.teachers);
        let each = || rows.iter().map(|(_, row)| *row);
        let of_accepted =
            |part: fn(&ByTeacher) -> f64| each().map(move |row| (row.accepted > 0.0).then(|| part(row) / row.accepted));
        let columns = vec![
            self.named(Column::text(rows.iter().map(|(name, _)| (*name).to_owned()))),
            Column::text(each().map(|row| row.teacher.map_or("no example", Score::name).to_owned()))
                .file("strong_solution")
                .heading("strong solution was"),
            Column::share(each().map(|row| row.share)).file("share").heading("share of the items"),
            Column::share(each().map(|row| row.accepted))
                .file("accepted_share")
                .heading("accepted, share of the items"),
            Column::share(of_accepted(|row| row.correct)).file("selective_accuracy").heading("selective accuracy"),
            Column::share(of_accepted(|row| row.strong_correct)).file("strong_accuracy").heading("strong alone"),
        ];
        Sheet { name: "teachers", columns }
    }

    fn subjects(&self) -> Sheet {
        let rows = self.rows(|described| &described.subjects);
        let each = || rows.iter().map(|(_, row)| *row);
        let ratio = |part: fn(&BySubject) -> f64, whole: fn(&BySubject) -> f64| {
            each().map(move |row| (whole(row) > 0.0).then(|| part(row) / whole(row)))
        };
        let columns = vec![
            self.named(Column::text(rows.iter().map(|(name, _)| (*name).to_owned()))),
            Column::text(each().map(|row| row.example.clone())).file("example_subject").heading("example"),
            Column::text(each().map(|row| row.item.clone())).file("item_subject").heading("item"),
            Column::share(each().map(|row| row.share)).file("share").heading("share of the items"),
            Column::share(ratio(|row| row.taught, |row| row.share)).file("weak_accuracy").heading("weak accuracy"),
            Column::share(ratio(|row| row.accepted, |row| row.share)).file("coverage").heading("coverage"),
            Column::share(ratio(|row| row.correct, |row| row.accepted))
                .file("selective_accuracy")
                .heading("selective accuracy"),
            Column::share(ratio(|row| row.copied, |row| row.accepted)).file("copied_share").heading("copied"),
        ];
        Sheet { name: "subjects", columns }
    }

    /// The accuracies of every group, for files.
    fn groups(&self) -> Sheet {
        let rows = self.rows(|described| &described.groups);
        let each = || rows.iter().map(|(_, row)| *row);
        let columns = vec![
            self.named(Column::text(rows.iter().map(|(name, _)| (*name).to_owned()))),
            Column::text(each().map(|row| row.group.clone())).file("group").heading("group"),
            Column::exact(each().map(|row| row.items)).file("items"),
            Column::share(each().map(|row| row.strong)).file("strong_accuracy").heading("strong alone"),
            Column::share(each().map(|row| row.weak)).file("weak_accuracy_alone").heading("weak alone"),
            Column::share(each().map(|row| row.taught)).file("weak_accuracy").heading("weak accuracy"),
            Column::share(each().map(|row| row.judged)).file("accuracy").heading("accuracy"),
            Column::share(each().map(|row| row.deferred)).file("strong_calls_share").heading("strong calls, share"),
        ];
        Sheet { name: "groups", columns }
    }

    /// The groups that lose most against the strong level.
    fn failing(&self) -> String {
        let lost = |row: &GroupFigures| row.strong.unwrap_or_default() - row.judged.unwrap_or_default();
        let mut text = String::new();
        for set in &self.sets {
            let Some(described) = set.described else { continue };
            let mut groups: Vec<&GroupFigures> = described.groups.iter().collect();
            groups.sort_by(|one, other| lost(other).total_cmp(&lost(one)));
            let count = |holds: &dyn Fn(f64) -> bool| groups.iter().filter(|row| holds(lost(row))).count();
            let worst: Vec<String> = groups
                .iter()
                .take_while(|row| lost(row) > 0.0)
                .take(10)
                .map(|row| format!("`{}` ({})", row.group, bare_percent(lost(row))))
                .collect();
            let _ = write!(
                text,
                "{}: less accurate than the strong level in {} groups, more accurate in {}, equal in {}. Greatest losses in \
                 points: {}. Table `groups` has all.\n\n",
                set.name,
                count(&|lost| lost > 0.0),
                count(&|lost| lost < 0.0),
                count(&|lost| lost == 0.0),
                if worst.is_empty() { "none".to_owned() } else { worst.join(", ") }
            );
        }
        text
    }

    /// The distinct steps, for files: what happened to an item with an example, and in how many orders.
    fn steps(&self) -> Sheet {
        let rows: Vec<(&str, &CountedRecord)> =
            self.sets.iter().flat_map(|set| set.records.iter().map(|counted| (set.name, counted))).collect();
        let records = || rows.iter().map(|(_, counted)| &counted.record);
        let score = |score: Score| score.name().to_owned();
        let top =
            |record: &Record| record.levels.last().filter(|answer| !answer.level.is_first()).map(|answer| answer.level);
        let usage = |record: &Record, level: Option<Level>| record.usage(level, Purpose::Answer);
        let weak = |of: fn(Usage) -> u64| records().map(move |record| of(usage(record, Some(Level::FIRST))));
        let strong = |of: fn(Usage) -> u64| {
            records().map(move |record| top(record).map_or(0, |top| of(usage(record, Some(top)))))
        };
        let columns = vec![
            Column::text(rows.iter().map(|(name, _)| (*name).to_owned())).file("set"),
            Column::text(records().map(|record| record.cell.arm.to_string())).file("arm"),
            Column::exact(records().map(|record| record.cell.threshold)).file("threshold"),
            Column::text(records().map(|record| record.item_id.to_string())).file("item_id"),
            Column::text(records().map(|record| record.group.to_string())).file("group"),
            Column::text(records().map(|record| record.strategies_used.first().map(ToString::to_string)))
                .file("example_id"),
            Column::text(records().map(|record| record.strategy_scores.first().copied().map(score)))
                .file("example_score"),
            Column::exact(records().map(|record| record.similarity_max)).file("similarity"),
            Column::count(rows.iter().map(|(_, counted)| counted.orders)).file("orders"),
            Column::text(records().map(|record| record.first().map(|weak| score(weak.graded.score))))
                .file("weak_score"),
            Column::exact(records().map(|record| Some(record.first()?.confidence?.value()))).file("confidence"),
            Column::flag(records().map(|record| record.first().and_then(passes))).file("checks_passed"),
            Column::flag(records().map(|record| Some(record.deferred))).file("deferred"),
            Column::text(records().map(|record| score(record.graded.score))).file("score"),
            Column::count(weak(|usage| usage.input)).file("weak_input_tokens"),
            Column::count(weak(|usage| usage.output)).file("weak_output_tokens"),
            Column::count(strong(|usage| usage.input)).file("strong_input_tokens"),
            Column::count(strong(|usage| usage.output)).file("strong_output_tokens"),
        ];
        Sheet { name: "steps", columns }
    }
}

fn passes(answer: &LevelAnswer) -> Option<bool> {
    answer.passes
}
