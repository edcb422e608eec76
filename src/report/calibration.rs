//! Reports of a calibration: the tables of `calibrate`, and a sentence for each arm.

use anyhow::Result;

use super::columns::{Column, Sheet, TERMINAL};
use super::format::lambda;
use super::grid::{Caption, document};
use super::table::Table;
use crate::analysis::calibration::{Candidate, Tested};
use crate::analysis::metrics::Calibrated;
use crate::analysis::metrics::calibrated::Guaranteed;
use crate::types::arm::Arm;

/// The name of the table of what can be certified.
pub const CERTIFIABLE: &str = "certifiable";

/// Heading of the smallest α that this number of answers could certify, if all of them were correct.
pub(super) const SMALLEST_ALPHA: &str = "smallest α these items could certify";

/// Formats the results for a terminal: a row for each arm, with the last test.
#[must_use]
pub fn terminal(arms: &[Calibrated], width: u16) -> String {
    let rows: Vec<(&Calibrated, Guaranteed)> = guaranteed(arms).collect();
    let each = || rows.iter();
    let tested = || each().map(|(_, found)| found.tested.as_ref());
    let lambda = |(_, found): &(&Calibrated, Guaranteed)| {
        if found.certified { found.tested.map(|tested| tested.threshold) } else { Some(f64::INFINITY) }
    };
    let share = |figure: fn(&Tested) -> f64| Column::share(tested().map(move |tested| tested.map(figure)));
    let columns = vec![
        Column::text(each().map(|(arm, _)| arm.arm.to_string())).placed(TERMINAL, 0, "arm"),
        Column::text(each().map(|(arm, _)| arm.answer_source().to_owned())).placed(TERMINAL, 1, "calibrated on"),
        Column::exact(each().map(lambda)).placed(TERMINAL, 2, "λ"),
        share(|tested| tested.coverage).bare(TERMINAL, 3, "accepted, %"),
        share(|tested| tested.risk).bare(TERMINAL, 4, "risk, %"),
        share(|tested| tested.bound).bare(TERMINAL, 5, "bound, %"),
        Column::optional_count(tested().map(|tested| Some(tested?.n))).named(TERMINAL, "accepted"),
        Column::optional_count(tested().map(|tested| Some(tested?.errors))).named(TERMINAL, "wrong"),
        Column::count(each().map(|(_, found)| found.threshold_answers)).named(TERMINAL, "items"),
    ];
    let sheet = Sheet { name: "calibration", columns };
    if sheet.is_empty() { String::new() } else { sheet.terminal(width) }
}

/// Values of α that are reported by a calibration without an α.
const LADDER: [f64; 9] = [0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5];

/// Formats a row for each arm and each α of [`LADDER`]: the lowest certified λ.
#[must_use]
pub fn terminal_by_alpha(arms: &[Calibrated], width: u16) -> String {
    let distinct = distinct(arms);
    let rows: Vec<(&Calibrated, f64, Option<Tested>)> =
        distinct.iter().flat_map(|arm| LADDER.map(|alpha| (*arm, alpha, arm.at(alpha)))).collect();
    let tested = || rows.iter().map(|(_, _, tested)| tested.as_ref());
    let columns = vec![
        Column::text(rows.iter().map(|(arm, ..)| arm.answer_source().to_owned())).placed(TERMINAL, 0, "calibrated on"),
        Column::exact(rows.iter().map(|(_, alpha, _)| Some(*alpha))).placed(TERMINAL, 1, "α"),
        Column::exact(tested().map(|tested| Some(tested?.threshold))).placed(TERMINAL, 2, "certified λ"),
        Column::share(tested().map(|tested| Some(tested?.coverage))).bare(TERMINAL, 3, "accepted, %"),
        Column::optional_count(tested().map(|tested| Some(tested?.n))).named(TERMINAL, "accepted"),
        Column::optional_count(tested().map(|tested| Some(tested?.errors))).named(TERMINAL, "wrong"),
    ];
    Sheet { name: "by_alpha", columns }.terminal(width)
}

/// Returns the notes on a calibration without an α.
#[must_use]
pub fn notes_by_alpha(arms: &[Calibrated]) -> Vec<String> {
    let mut lines = Vec::new();
    for arm in distinct(arms) {
        let rows = arm.certifiable();
        let best = rows.iter().filter(|row| row.smallest_alpha.is_some());
        let best = best.min_by(|a, b| a.smallest_alpha.unwrap_or(1.0).total_cmp(&b.smallest_alpha.unwrap_or(1.0)));
        let (delta, least) =
            arm.task.guarantee.map(|(guarantee, _)| (guarantee.delta, guarantee.min_accepted)).unwrap_or_default();
        lines.push(match best {
            Some(Candidate { tested, smallest_alpha: Some(alpha) }) => format!(
                "{}: the smallest α that can be certified is {alpha:.4}, at λ {} ({} of {} accepted answers wrong; δ \
                 {delta}; at least {least} answers must be accepted).",
                arm.answer_source(),
                lambda(tested.threshold),
                tested.errors,
                tested.n
            ),
            _ => format!(
                "{}: no α can be certified, since no λ accepts {least} answers. Increase dataset.calibration or lower \
                 --min-accepted.",
                arm.answer_source()
            ),
        });
    }
    lines.push(
        "The guarantee holds only for an α that was chosen before these answers were seen; an α picked from this \
         table needs new calibration items. A result found on answers without strategies holds only for the standard \
         cascade, since strategies change the weak level's answers."
            .to_owned(),
    );
    lines
}

/// Returns the first of the arms that use the same records.
fn distinct(arms: &[Calibrated]) -> Vec<&Calibrated> {
    let mut distinct: Vec<&Calibrated> = Vec::new();
    for arm in arms {
        if arm.own || !distinct.iter().any(|other| !other.own) {
            distinct.push(arm);
        }
    }
    distinct
}

/// Returns the table of the risks that can be certified: a row for each arm and each distinct set of accepted answers.
///
/// # Errors
/// If polars refuses the table.
pub fn table(arms: &[Calibrated]) -> Result<Table> {
    certifiable(arms).table()
}

/// Returns that table as LaTeX.
#[must_use]
pub fn latex(name: &str, arms: &[Calibrated]) -> String {
    let text = "Certifiable risk at each λ: accepted answers on the calibration items, the number of them that are \
                wrong, and the smallest α.";
    document(&[certifiable(arms).latex(&Caption::new(name, CERTIFIABLE, text))])
}

fn certifiable(arms: &[Calibrated]) -> Sheet {
    let rows: Vec<(&Calibrated, Candidate)> =
        arms.iter().flat_map(|arm| arm.certifiable().into_iter().map(move |row| (arm, row))).collect();
    let each = || rows.iter();
    let guarantee = || each().map(|(arm, _)| arm.task.guarantee.map(|(guarantee, _)| guarantee));
    let columns = vec![
        Column::text(each().map(|(arm, _)| arm.arm.to_string())).file("arm").in_documents("arm"),
        Column::text(each().map(|(arm, _)| arm.answer_source().to_owned()))
            .file("calibrated_on")
            .in_documents("calibrated on"),
        Column::exact(each().map(|(_, row)| Some(row.tested.threshold))).file("threshold").in_documents("λ"),
        Column::count(each().map(|(_, row)| row.tested.n)).file("accepted").in_documents("accepted"),
        Column::count(each().map(|(_, row)| row.tested.errors)).file("wrong").in_documents("wrong"),
        Column::share(each().map(|(_, row)| Some(row.tested.coverage))).file("coverage").in_documents("coverage"),
        Column::share(each().map(|(_, row)| Some(row.tested.risk))).file("risk").in_documents("risk"),
        Column::exact(each().map(|(_, row)| row.smallest_alpha)).file("smallest_certified_alpha"),
        Column::number(4, each().map(|(_, row)| row.smallest_alpha)).in_documents("smallest α"),
        Column::exact(guarantee().map(|guarantee| Some(guarantee?.delta))).file("delta"),
        Column::optional_count(guarantee().map(|guarantee| Some(guarantee?.min_accepted))).file("min_accepted"),
        Column::text(each().map(|(arm, _)| GuaranteeScope::of(arm).short().to_owned()))
            .file("covers")
            .in_documents("covers"),
    ];
    Sheet { name: CERTIFIABLE, columns }
}

/// The scope of the guarantee of an arm's λ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuaranteeScope {
    /// The accepted answers.
    Answers,
    /// Answers with the strategies that the arm had at the beginning of the stream.
    AtTheBeginning,
    /// Nothing: λ was chosen on answers to other prompts.
    OtherPrompts,
    /// Nothing: since earlier answers are reused, the weak level is asked other items.
    OtherItems,
}

impl GuaranteeScope {
    /// Returns the scope of an arm's guarantee.
    #[must_use]
    pub fn of(calibrated: &Calibrated) -> Self {
        let arm = calibrated.arm;
        if calibrated.own {
            Self::AtTheBeginning
        } else if arm.shows_examples() || arm == Arm::FixedExample {
            Self::OtherPrompts
        } else if arm.learning().is_some() {
            Self::OtherItems
        } else {
            Self::Answers
        }
    }

    /// True if anything is guaranteed.
    #[must_use]
    pub fn holds(self) -> bool {
        matches!(self, Self::Answers | Self::AtTheBeginning)
    }

    /// Returns the short form for a table.
    #[must_use]
    pub fn short(self) -> &'static str {
        match self {
            Self::Answers => "accepted answers",
            Self::AtTheBeginning => "the stream's beginning",
            Self::OtherPrompts | Self::OtherItems => "nothing",
        }
    }
}

/// Returns a sentence for each arm: the guarantee, or that there is none.
#[must_use]
pub fn verdicts(arms: &[Calibrated]) -> Vec<String> {
    let found = || guaranteed(arms).map(|(_, found)| found);
    let verdicts = guaranteed(arms).map(|(arm, found)| verdict(arm, &found));
    let least = found().max_by_key(|found| found.threshold_answers).map(|found| {
        format!(
            "The {SMALLEST_ALPHA}, if all {} answers were correct: {:.4}.",
            found.threshold_answers, found.smallest_alpha
        )
    });
    verdicts.chain(arms.iter().filter_map(flat_recalibration)).chain(least).collect()
}

/// Returns the guarantee of one arm, or the reason why there is none.
#[must_use]
pub fn verdict(calibrated: &Calibrated, found: &Guaranteed) -> String {
    let arm = calibrated.arm;
    let (alpha, delta) = (found.guarantee.alpha, found.guarantee.delta);
    let (tested, cover) = match (&found.tested, found.certified) {
        (Some(tested), true) => (tested, GuaranteeScope::of(calibrated)),
        (Some(tested), false) => {
            return format!(
                "{arm}: NOTHING CERTIFIED. At {}, the strictest λ that accepts enough answers, {} of {} accepted \
                 answers are wrong, and the upper confidence bound on the risk, {:.3}, is above {alpha}. Every answer \
                 would be deferred.",
                tested.threshold, tested.errors, tested.n, tested.bound
            );
        }
        (None, _) => {
            return format!(
                "{arm}: NOTHING CERTIFIED. No threshold accepts the {} answers that are needed. Every answer would be \
                 deferred.",
                found.guarantee.needed()
            );
        }
    };
    let at = tested.threshold;
    let guarantee_text = format!(
        "with probability {} over the draw of the calibration items, the share of wrong answers among those accepted \
         at λ {at} is at most {alpha}",
        1.0 - delta
    );
    match cover {
        GuaranteeScope::Answers => format!(
            "{arm}: {guarantee_text}. This holds for items from the same distribution and an unchanged weak level. \
             The unit is one item drawn from each group."
        ),
        GuaranteeScope::AtTheBeginning => format!(
            "{arm}: {guarantee_text}. This holds for items from the same distribution, answered with the strategies \
             that the arm had stored from the calibration items by the beginning of the stream. Strategies stored \
             later are not covered. The unit is one item drawn from each group."
        ),
        GuaranteeScope::OtherPrompts => format!(
            "{arm}: no guarantee. Its λ ({at}) was chosen on answers without {}, which change the weak level's \
             answers.",
            if arm == Arm::FixedExample { "examples" } else { "strategies" }
        ),
        GuaranteeScope::OtherItems => format!(
            "{arm}: no guarantee. Its λ ({at}) was chosen on all items, but the weak level is asked only those items \
             for which no earlier answer is reused."
        ),
    }
}

/// Returns the warning that an arm's recalibration does not separate answers. `None` if it does.
pub(super) fn flat_recalibration(arm: &Calibrated) -> Option<String> {
    let map = arm.recalibration.as_ref().filter(|map| map.is_flat())?;
    Some(format!(
        "{}: the recalibration is flat: on the items that it was fitted on, answers with a higher confidence were not \
         more often correct. Every confidence becomes {:.2}, so the gate accepts all answers or none.",
        arm.arm,
        map.apply(0.5)
    ))
}

fn guaranteed(arms: &[Calibrated]) -> impl Iterator<Item = (&Calibrated, Guaranteed)> {
    arms.iter().filter_map(|arm| Some((arm, arm.guaranteed()?)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::analysis::metrics::calibrated::{CalibrationTask, Recalibrate};
    use crate::analysis::recalibration::Recalibration;
    use crate::types::arm::Arm;

    #[test]
    fn a_flat_recalibration_is_reported() {
        let arm = |slope, intercept| Calibrated {
            arm: Arm::Cascade,
            records: Arc::from([]),
            own: false,
            task: CalibrationTask { guarantee: None, recalibrate: Some(Recalibrate::Platt) },
            recalibration: Some(Recalibration::Platt { slope, intercept }),
            outcome: None,
        };
        let sentences = verdicts(&[arm(0.0, 0.0)]);
        assert!(
            sentences.len() == 1
                && sentences[0].contains(
                    "cascade: the recalibration is \
                                                           flat"
                )
                && sentences[0].contains("0.50"),
            "{sentences:?}"
        );
        assert!(verdicts(&[arm(3.0, -1.0)]).is_empty());
    }
}
