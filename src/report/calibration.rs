//! What calibration items say, for people: the table of `calibrate`, and a sentence for each arm.

use super::columns::{Column, Sheet, TERMINAL};
use crate::analysis::calibration::Tested;
use crate::analysis::metrics::Calibrated;
use crate::analysis::metrics::calibrated::Guaranteed;

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
        Column::text(each().map(|(arm, _)| arm.whose().to_owned())).placed(TERMINAL, 1, "told from"),
        Column::exact(each().map(lambda)).placed(TERMINAL, 2, "λ"),
        share(|tested| tested.coverage).bare(TERMINAL, 3, "coverage %"),
        share(|tested| tested.risk).bare(TERMINAL, 4, "risk %"),
        share(|tested| tested.bound).bare(TERMINAL, 5, "bound %"),
        Column::optional_count(tested().map(|tested| Some(tested?.n))).named(TERMINAL, "accepted"),
        Column::optional_count(tested().map(|tested| Some(tested?.errors))).named(TERMINAL, "wrong"),
        Column::count(each().map(|(_, found)| found.told_from)).named(TERMINAL, "items"),
        Column::number(4, each().map(|(_, found)| found.smallest_alpha)).named(TERMINAL, "smallest α"),
    ];
    let sheet = Sheet { name: "calibration", columns };
    if sheet.is_empty() { String::new() } else { sheet.terminal(width) }
}

/// What is guaranteed, or that nothing is.
#[must_use]
pub fn verdicts(arms: &[Calibrated]) -> Vec<String> {
    let verdict = |(arm, found): (&Calibrated, Guaranteed)| {
        let (alpha, delta) = (found.guarantee.alpha, found.guarantee.delta);
        match (&found.tested, found.certified) {
            (Some(tested), true) => format!(
                "{}: with probability {} over the draw of the items, at most {alpha} of the answers accepted at {} are wrong; \
                 for items like these, and a weak level that answers as it did here. The unit is an item drawn from a group.",
                arm.arm,
                1.0 - delta,
                tested.threshold
            ),
            (Some(tested), false) => format!(
                "{}: NOTHING CERTIFIED. The strictest candidate that accepts enough answers, {}, has {} of {} wrong, and the \
                 bound {:.3} is above {alpha}. Everything would be deferred.",
                arm.arm, tested.threshold, tested.errors, tested.n, tested.bound
            ),
            (None, _) => format!(
                "{}: NOTHING CERTIFIED. Fewer than {} answers can be accepted at any threshold. Everything would be deferred.",
                arm.arm,
                found.guarantee.needed()
            ),
        }
    };
    guaranteed(arms).map(verdict).chain(arms.iter().filter_map(flat)).collect()
}

/// That an arm's recalibration tells no answers apart, where it is so.
pub(super) fn flat(arm: &Calibrated) -> Option<String> {
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
    use crate::analysis::metrics::calibrated::{Recalibrate, Wanted};
    use crate::analysis::recalibration::Recalibration;
    use crate::types::arm::Arm;

    #[test]
    fn a_flat_recalibration_is_said() {
        let arm = |slope, intercept| Calibrated {
            arm: Arm::Cascade,
            records: Arc::from([]),
            own: false,
            wanted: Wanted { guarantee: None, recalibrate: Some(Recalibrate::Platt) },
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
