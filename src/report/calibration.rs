//! What calibration items say, for people: the table of `calibrate`, and a sentence for each arm.

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

/// The heading of the smallest α that so many answers could certify, if all were right.
pub(super) const SMALLEST_ALPHA: &str = "smallest α these items could certify";

/// A row for each arm: what was tested last.
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
        Column::text(each().map(|(arm, _)| arm.answer_source().to_owned())).placed(TERMINAL, 1, "found on"),
        Column::exact(each().map(lambda)).placed(TERMINAL, 2, "λ"),
        share(|tested| tested.coverage).bare(TERMINAL, 3, "accepted, %"),
        share(|tested| tested.risk).bare(TERMINAL, 4, "risk, %"),
        share(|tested| tested.bound).bare(TERMINAL, 5, "bound, %"),
        Column::optional_count(tested().map(|tested| Some(tested?.n))).named(TERMINAL, "accepted"),
        Column::optional_count(tested().map(|tested| Some(tested?.errors))).named(TERMINAL, "wrong"),
        Column::count(each().map(|(_, found)| found.told_from)).named(TERMINAL, "items"),
    ];
    let sheet = Sheet { name: "calibration", columns };
    if sheet.is_empty() { String::new() } else { sheet.terminal(width) }
}

/// The α for which a calibration without one says which λ is certified.
const LADDER: [f64; 9] = [0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5];

/// A row for each arm and each α of a ladder: the loosest λ that is certified.
#[must_use]
pub fn terminal_by_alpha(arms: &[Calibrated], width: u16) -> String {
    let distinct = distinct(arms);
    let rows: Vec<(&Calibrated, f64, Option<Tested>)> =
        distinct.iter().flat_map(|arm| LADDER.map(|alpha| (*arm, alpha, arm.at(alpha)))).collect();
    let tested = || rows.iter().map(|(_, _, tested)| tested.as_ref());
    let columns = vec![
        Column::text(rows.iter().map(|(arm, ..)| arm.answer_source().to_owned())).placed(TERMINAL, 0, "found on"),
        Column::exact(rows.iter().map(|(_, alpha, _)| Some(*alpha))).placed(TERMINAL, 1, "α"),
        Column::exact(tested().map(|tested| Some(tested?.threshold))).placed(TERMINAL, 2, "certified λ"),
        Column::share(tested().map(|tested| Some(tested?.coverage))).bare(TERMINAL, 3, "accepted, %"),
        Column::optional_count(tested().map(|tested| Some(tested?.n))).named(TERMINAL, "accepted"),
        Column::optional_count(tested().map(|tested| Some(tested?.errors))).named(TERMINAL, "wrong"),
    ];
    Sheet { name: "by_alpha", columns }.terminal(width)
}

/// What a reader must know of a calibration without an α.
#[must_use]
pub fn notes_by_alpha(arms: &[Calibrated]) -> Vec<String> {
    let mut lines = Vec::new();
    for arm in distinct(arms) {
        let rows = arm.certifiable();
        let best = rows.iter().filter(|row| row.smallest_alpha.is_some());
        let best = best.min_by(|a, b| a.smallest_alpha.unwrap_or(1.0).total_cmp(&b.smallest_alpha.unwrap_or(1.0)));
        let (delta, least) =
            arm.wanted.guarantee.map(|(wanted, _)| (wanted.delta, wanted.min_accepted)).unwrap_or_default();
        lines.push(match best {
            Some(Candidate { tested, smallest_alpha: Some(alpha) }) => format!(
                "{}: the smallest α that can be certified is {alpha:.4}, at λ {} ({} of {} accepted answers wrong; δ {delta}, at least \
                 {least} accepted).",
                arm.answer_source(),
                lambda(tested.threshold),
                tested.errors,
                tested.n
            ),
            _ => format!(
                "{}: no α can be certified: no λ accepts {least} answers. Set more questions apart with dataset.calibration, or lower \
                 --min-accepted.",
                arm.answer_source()
            ),
        });
    }
    lines.push(
        "The guarantee holds for an α that was chosen before these answers were seen; one that is picked from this table needs \
         other calibration items. The weak level of a learning arm answers otherwise once it is shown strategies, so that what is \
         found on answers without strategies holds for the standard cascade alone."
            .to_owned(),
    );
    lines
}

/// Of the arms that go by the same records, the first.
fn distinct(arms: &[Calibrated]) -> Vec<&Calibrated> {
    let mut distinct: Vec<&Calibrated> = Vec::new();
    for arm in arms {
        if arm.own || !distinct.iter().any(|other| !other.own) {
            distinct.push(arm);
        }
    }
    distinct
}

/// What can be certified at each λ: a row for each arm and each distinct set of accepted answers.
///
/// # Errors
/// If polars refuses the table.
pub fn table(arms: &[Calibrated]) -> Result<Table> {
    certifiable(arms).table()
}

/// The same as LaTeX.
#[must_use]
pub fn latex(name: &str, arms: &[Calibrated]) -> String {
    let text = "What can be certified at each λ: answers accepted on the calibration items, those of them that are wrong, and the smallest α.";
    document(&[certifiable(arms).latex(&Caption::new(name, CERTIFIABLE, text))])
}

fn certifiable(arms: &[Calibrated]) -> Sheet {
    let rows: Vec<(&Calibrated, Candidate)> =
        arms.iter().flat_map(|arm| arm.certifiable().into_iter().map(move |row| (arm, row))).collect();
    let each = || rows.iter();
    let wanted = || each().map(|(arm, _)| arm.wanted.guarantee.map(|(wanted, _)| wanted));
    let columns = vec![
        Column::text(each().map(|(arm, _)| arm.arm.to_string())).file("arm").aside("arm"),
        Column::text(each().map(|(arm, _)| arm.answer_source().to_owned())).file("told_from").aside("found on"),
        Column::exact(each().map(|(_, row)| Some(row.tested.threshold))).file("threshold").aside("λ"),
        Column::count(each().map(|(_, row)| row.tested.n)).file("accepted").aside("accepted"),
        Column::count(each().map(|(_, row)| row.tested.errors)).file("wrong").aside("wrong"),
        Column::share(each().map(|(_, row)| Some(row.tested.coverage))).file("coverage").aside("coverage"),
        Column::share(each().map(|(_, row)| Some(row.tested.risk))).file("risk").aside("risk"),
        Column::exact(each().map(|(_, row)| row.smallest_alpha)).file("smallest_certified_alpha"),
        Column::number(4, each().map(|(_, row)| row.smallest_alpha)).aside("smallest α"),
        Column::exact(wanted().map(|wanted| Some(wanted?.delta))).file("delta"),
        Column::optional_count(wanted().map(|wanted| Some(wanted?.min_accepted))).file("min_accepted"),
        Column::text(each().map(|(arm, _)| GuaranteeScope::of(arm).short().to_owned())).file("covers").aside("covers"),
    ];
    Sheet { name: CERTIFIABLE, columns }
}

/// What the guarantee of an arm's λ covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuaranteeScope {
    /// The answers that stand.
    Answers,
    /// Answers with what the arm had learned by the beginning of the stream.
    AtTheBeginning,
    /// Nothing: λ was found on answers to other prompts.
    OtherPrompts,
    /// Nothing: answers that are given again leave other items to the weak level.
    OtherItems,
}

impl GuaranteeScope {
    /// What is covered in an arm.
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

    /// Whether anything is guaranteed.
    #[must_use]
    pub fn holds(self) -> bool {
        matches!(self, Self::Answers | Self::AtTheBeginning)
    }

    /// The same in a table.
    #[must_use]
    pub fn short(self) -> &'static str {
        match self {
            Self::Answers => "accepted answers",
            Self::AtTheBeginning => "the stream's beginning",
            Self::OtherPrompts | Self::OtherItems => "nothing",
        }
    }
}

/// What is guaranteed, or that nothing is.
#[must_use]
pub fn verdicts(arms: &[Calibrated]) -> Vec<String> {
    let found = || guaranteed(arms).map(|(_, found)| found);
    let verdicts = guaranteed(arms).map(|(arm, found)| verdict(arm, &found));
    let least = found().max_by_key(|found| found.told_from).map(|found| {
        format!("The {SMALLEST_ALPHA}, were all {} answers right: {:.4}.", found.told_from, found.smallest_alpha)
    });
    verdicts.chain(arms.iter().filter_map(flat_recalibration)).chain(least).collect()
}

/// What is guaranteed of one arm, or that nothing is.
#[must_use]
pub fn verdict(calibrated: &Calibrated, found: &Guaranteed) -> String {
    let arm = calibrated.arm;
    let (alpha, delta) = (found.guarantee.alpha, found.guarantee.delta);
    let (tested, cover) = match (&found.tested, found.certified) {
        (Some(tested), true) => (tested, GuaranteeScope::of(calibrated)),
        (Some(tested), false) => {
            return format!(
                "{arm}: NOTHING CERTIFIED. The strictest candidate that accepts enough answers, {}, has {} of {} wrong, and the \
                 bound {:.3} is above {alpha}. Everything would be deferred.",
                tested.threshold, tested.errors, tested.n, tested.bound
            );
        }
        (None, _) => {
            return format!(
                "{arm}: NOTHING CERTIFIED. Fewer than {} answers can be accepted at any threshold. Everything would be deferred.",
                found.guarantee.needed()
            );
        }
    };
    let at = tested.threshold;
    let held = format!(
        "with probability {} over the draw of the items, at most {alpha} of the answers accepted at {at} are wrong",
        1.0 - delta
    );
    match cover {
        GuaranteeScope::Answers => format!(
            "{arm}: {held}; for items like these, and a weak level that answers as it did here. The unit is an item drawn from a \
             group."
        ),
        GuaranteeScope::AtTheBeginning => format!(
            "{arm}: {held}; for items like these, answered with what the arm had learned from the calibration items by the beginning of \
             the stream. What it learns later is not covered. The unit is an item drawn from a group."
        ),
        GuaranteeScope::OtherPrompts => format!(
            "{arm}: no guarantee. Its λ ({at}) was chosen on answers without {}, and the weak level answers otherwise with them.",
            if arm == Arm::FixedExample { "the example" } else { "strategies" }
        ),
        GuaranteeScope::OtherItems => format!(
            "{arm}: no guarantee. Its λ ({at}) was chosen on all items, and the weak level is asked only of those that no earlier answer \
             was given again for."
        ),
    }
}

/// That an arm's recalibration tells no answers apart, where it is so.
pub(super) fn flat_recalibration(arm: &Calibrated) -> Option<String> {
    let map = arm.recalibration.as_ref().filter(|map| map.is_flat())?;
    Some(format!(
        "{}: the recalibration is flat: on the items that it was fitted on, surer answers were not more often right. Every confidence \
         becomes {:.2}, so that the gate accepts all answers or none.",
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
    fn a_flat_recalibration_is_said() {
        let arm = |slope, intercept| Calibrated {
            arm: Arm::Cascade,
            records: Arc::from([]),
            own: false,
            wanted: CalibrationTask { guarantee: None, recalibrate: Some(Recalibrate::Platt) },
            recalibration: Some(Recalibration::Platt { slope, intercept }),
            outcome: None,
        };
        let said = verdicts(&[arm(0.0, 0.0)]);
        assert!(
            said.len() == 1 && said[0].contains("cascade: the recalibration is flat") && said[0].contains("0.50"),
            "{said:?}"
        );
        assert!(verdicts(&[arm(3.0, -1.0)]).is_empty());
    }
}
