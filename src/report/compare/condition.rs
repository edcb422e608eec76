//! Conditions on the changes between runs, such as `accuracy < -1pp`, for automatic checks.

use std::str::FromStr;

use super::shared::Row;
use crate::analysis::stats::{Estimate, Interval};
use crate::report::format::{points, relative};
use crate::types::arm::Arm;

/// Shares that differ by less than this are equal: sums in another order differ in their last digits.
const ROUNDING: f64 = 1e-9;

/// The form of a condition, for messages.
const FORM: &str = "write [ARM:]FIGURE OP VALUE UNIT, such as 'accuracy < -1pp'";

/// The word that requires the whole interval to satisfy a condition.
const SURELY: &str = "surely";

/// A figure whose change can be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Figure {
    Accuracy,
    WeakAccuracy,
    StrongCalls,
    Fee,
}

impl Figure {
    const ALL: [Self; 4] = [Self::Accuracy, Self::WeakAccuracy, Self::StrongCalls, Self::Fee];

    fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::WeakAccuracy => "weak-accuracy",
            Self::StrongCalls => "strong-calls",
            Self::Fee => "fee",
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::Accuracy | Self::WeakAccuracy => "pp",
            Self::StrongCalls | Self::Fee => "%",
        }
    }

    fn format(self, change: Estimate) -> String {
        match self {
            _ if change.value.is_infinite() => "from none to some".to_owned(),
            Self::Accuracy | Self::WeakAccuracy => points(change),
            Self::StrongCalls | Self::Fee => relative(change),
        }
    }

    /// Returns the change of the figure. From nothing to something is infinitely more. `None` if a run does not have the
    /// figure.
    fn change(self, row: &Row) -> Option<Estimate> {
        let or_from_none = |change: Option<Estimate>, sides: [Option<f64>; 2]| {
            let [old, new] = [sides[0]?, sides[1]?];
            let from_none = Estimate::new(if new > old { f64::INFINITY } else { 0.0 }, None);
            change.or(Some(from_none))
        };
        match self {
            Self::Accuracy => Some(row.changes.accuracy),
            Self::WeakAccuracy => row.changes.weak_accuracy,
            Self::StrongCalls => or_from_none(row.changes.strong_calls, row.strong_calls()),
            Self::Fee => or_from_none(row.changes.fee, row.fees),
        }
    }
}

/// A comparison with a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Below,
    AtMost,
    Above,
    AtLeast,
}

impl Op {
    /// The signs, longer ones before their beginnings.
    const SIGNS: [(&'static str, Self); 4] =
        [("<=", Self::AtMost), (">=", Self::AtLeast), ("<", Self::Below), (">", Self::Above)];

    fn holds(self, value: f64, limit: f64) -> bool {
        let equal = (value - limit).abs() < ROUNDING;
        match self {
            Self::Below => value < limit && !equal,
            Self::AtMost => value < limit || equal,
            Self::Above => value > limit && !equal,
            Self::AtLeast => value > limit || equal,
        }
    }
}

/// A condition on the change of a figure against the baseline, for any arm or for one.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The condition as it was written.
    text: String,
    /// The arm. `None` for any arm.
    arm: Option<Arm>,
    figure: Figure,
    op: Op,
    /// The limit, as a share.
    limit: f64,
    /// True if the whole interval must satisfy the condition, not just the figure.
    surely: bool,
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = |what: String| format!("--fail-on '{text}': {what}");
        let signs = Op::SIGNS.iter().find_map(|(sign, op)| Some((text.split_once(sign)?, *op)));
        let ((left, right), op) =
            signs.ok_or_else(|| fault(format!("no comparison; the choices are <, <=, >, >=. Please {FORM}")))?;
        let (arm, figure) = match left.trim().rsplit_once(':') {
            Some((arm, figure)) => (Some(arm_of(arm.trim()).map_err(fault)?), figure.trim()),
            None => (None, left.trim()),
        };
        let figure = Figure::ALL.into_iter().find(|known| known.name() == figure).ok_or_else(|| {
            let names = Figure::ALL.map(Figure::name).join(", ");
            fault(format!("`{figure}` is no figure. Use one of: {names}"))
        })?;
        let (limit, surely) = match right.trim().strip_suffix(SURELY) {
            Some(limit) => (limit.trim(), true),
            None => (right.trim(), false),
        };
        let limit = limit_of(limit, figure).map_err(fault)?;
        Ok(Self { text: text.trim().to_owned(), arm, figure, op, limit, surely })
    }
}

fn arm_of(name: &str) -> Result<Arm, String> {
    let names = || Arm::ALL.map(Arm::name).join(", ");
    Arm::named(name).ok_or_else(|| format!("`{name}` is no arm. Use one of: {}", names()))
}

/// Reads a number with its unit, as a share.
fn limit_of(text: &str, figure: Figure) -> Result<f64, String> {
    let number = text.trim_end_matches(|c: char| c == '%' || c.is_alphabetic()).trim_end();
    let unit = text[number.len()..].trim();
    let value: f64 = number.parse().map_err(|_| format!("`{text}` does not begin with a number. Please {FORM}"))?;
    if unit != figure.unit() {
        let given = if unit.is_empty() { "no unit is given".to_owned() } else { format!("the unit is `{unit}`") };
        return Err(format!(
            "{given}, but {} changes in {unit}. Write {value}{unit}",
            figure.name(),
            unit = figure.unit()
        ));
    }
    Ok(value / 100.0)
}

/// Outcome of a condition over all compared arms.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// True if the condition holds for an arm.
    pub holds: bool,
    /// One line for each arm for which the condition holds; else one line that states that it holds for none. Arms that
    /// do not have the figure are named in a further line.
    pub lines: Vec<String>,
}

impl Condition {
    /// Judges the condition on the arms of each run, which are given with the name of their run.
    ///
    /// # Errors
    /// If a run has no arm that the condition can be judged on; the error names the run.
    pub(super) fn judge(&self, runs: &[(&str, &[Row])]) -> Result<Verdict, String> {
        let (mut held, mut lacking, mut judged) = (Vec::new(), Vec::new(), 0);
        for (run, rows) in runs {
            let before = judged;
            for row in rows.iter().filter(|row| self.arm.is_none_or(|arm| arm == row.new.cell.arm)) {
                let Some(change) = self.figure.change(row) else {
                    lacking.push(format!("{run}, {}", row.name()));
                    continue;
                };
                judged += 1;
                if self.is_met(change) {
                    let figure = self.figure.name().replace('-', " ");
                    let change = self.figure.format(change);
                    held.push(format!("failed: {}: {run}, {}: {figure} {change}", self.text, row.name()));
                }
            }
            if judged == before {
                return Err(self.unjudgeable(run, rows));
            }
        }
        let holds = !held.is_empty();
        let mut lines = held;
        if !holds {
            lines.push(format!("passed: {}: holds for none of {judged} compared arms", self.text));
        }
        if !lacking.is_empty() {
            lines.push(format!("note: {}: not judged, without this figure: {}", self.text, lacking.join("; ")));
        }
        Ok(Verdict { holds, lines })
    }

    fn is_met(&self, change: Estimate) -> bool {
        let holds = |value| self.op.holds(value, self.limit);
        let surely = || change.interval.is_some_and(|Interval { low, high }| holds(low) && holds(high));
        holds(change.value) && (!self.surely || surely())
    }

    fn unjudgeable(&self, run: &str, rows: &[Row]) -> String {
        let arms: Vec<String> = rows.iter().map(Row::name).collect();
        let why = match self.arm {
            _ if rows.is_empty() => "it has no arm in common with the baseline".to_owned(),
            Some(arm) if rows.iter().all(|row| row.new.cell.arm != arm) => {
                format!("{arm} is not in both runs. Name one of: {}", arms.join(", "))
            }
            _ if self.figure == Figure::Fee => {
                "a model has no price. State all prices, with `report RUN --prices FILE`".to_owned()
            }
            _ => format!("no such arm has the figure {}. Name another figure or arm", self.figure.name()),
        };
        format!("--fail-on '{}' cannot be judged for {run}: {why}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Condition, String> {
        text.parse()
    }

    #[test]
    fn conditions_are_read_with_and_without_spaces() {
        let condition = read("accuracy < -1pp").expect("a condition");
        assert_eq!((condition.arm, condition.figure, condition.op), (None, Figure::Accuracy, Op::Below));
        assert!((condition.limit + 0.01).abs() < 1e-12 && !condition.surely);
        let condition = read(" inter-cascade:strong-calls>=5 % surely").expect("a condition");
        assert_eq!((condition.arm, condition.figure), (Some(Arm::InterCascade), Figure::StrongCalls));
        assert_eq!((condition.op, condition.surely), (Op::AtLeast, true));
        assert!((condition.limit - 0.05).abs() < 1e-12);
        assert!(read("fee > +2.5%").is_ok_and(|condition| condition.figure == Figure::Fee));
    }

    #[test]
    fn every_fault_states_the_choices() {
        for (text, parts) in [
            ("accuracy", &["no comparison", "<, <=, >, >="][..]),
            ("acuracy < -1pp", &["`acuracy` is no figure", "accuracy, weak-accuracy, strong-calls, fee"]),
            ("accuracy < -1%", &["the unit is `%`", "accuracy changes in pp", "Write -1pp"]),
            ("accuracy < -1", &["no unit is given", "Write -1pp"]),
            ("fee > 3pp", &["the unit is `pp`", "fee changes in %", "Write 3%"]),
            ("accuracy < much", &["does not begin with a number", "'accuracy < -1pp'"]),
            ("accuracy << 1pp", &["does not begin with a number"]),
            ("accuracy < nanpp", &["does not begin with a number"]),
            ("cascad:accuracy < -1pp", &["`cascad` is no arm", "inter-cascade"]),
            ("", &["no comparison"]),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.starts_with(&format!("--fail-on '{text}'")) && !error.contains('\n'), "{error}");
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        }
    }

    #[test]
    fn the_figure_decides_unless_the_whole_interval_must() {
        let change = Estimate::new(-0.02, Some(Interval { low: -0.03, high: 0.01 }));
        let is_met = |text: &str, change| read(text).expect("a condition").is_met(change);
        assert!(is_met("accuracy < -1pp", change) && !is_met("accuracy < -1pp surely", change));
        assert!(is_met("accuracy < 2pp surely", change));
        let exact = Estimate::new(0.69 - 0.70, None);
        assert!(!is_met("accuracy < -1pp", exact) && is_met("accuracy <= -1pp", exact), "one point is one point");
        assert!(!is_met("accuracy <= -1pp surely", exact), "no interval shows nothing");
        assert!(is_met("fee > 5%", Estimate::new(f64::INFINITY, None)));
    }
}
