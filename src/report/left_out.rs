//! Cells that a run had to leave out, since only recorded answers could be used: a table, a sentence for each arm, and
//! the last line.

use super::columns::{Column, FILE, Sheet};
use super::format::lambda;
use crate::types::arm::Arm;
use crate::types::left_out::{LeftOut, Unrecorded};

/// Advice on calls that are not recorded.
pub const REMEDY: &str = "drop --offline to make these calls, or name a recording that holds them with --journal";

/// Names of the table's two files.
pub const FILES: [&str; 2] = ["left_out.csv", "left_out.parquet"];

/// Returns the table: a row for each arm, λ and order of the stream.
#[must_use]
pub fn sheet(left_out: &[LeftOut]) -> Sheet {
    let each = || left_out.iter();
    let columns = vec![
        Column::text(each().map(|cell| cell.arm.to_string())).named(FILE, "arm"),
        Column::exact(each().map(|cell| cell.threshold)).named(FILE, "threshold"),
        Column::count(each().map(|cell| cell.order)).named(FILE, "order"),
        Column::text(each().map(|cell| cell.lacks.item.clone())).named(FILE, "first_missing_item"),
        Column::text(each().map(|cell| cell.lacks.model.clone())).named(FILE, "first_missing_model"),
        Column::text(each().map(|cell| cell.lacks.purpose.clone())).named(FILE, "first_missing_purpose"),
    ];
    Sheet { name: "left_out", columns }
}

/// Returns a sentence for each arm: the λ that it is left out at, and the first missing call. `readable` shortens a λ
/// for people.
#[must_use]
pub fn lines(left_out: &[LeftOut], readable: impl Fn(f64) -> f64) -> Vec<String> {
    let mut arms: Vec<Arm> = Vec::new();
    for cell in left_out {
        if !arms.contains(&cell.arm) {
            arms.push(cell.arm);
        }
    }
    let line = |arm: Arm| {
        let rows = rows(left_out.iter().filter(|cell| cell.arm == arm));
        let thresholds: Vec<String> =
            rows.iter().filter_map(|cell| cell.threshold).map(|threshold| lambda(readable(threshold))).collect();
        let at = if thresholds.is_empty() { String::new() } else { format!(" at λ {}", thresholds.join(", ")) };
        let first = rows.first().map(|cell| missing(&cell.lacks)).unwrap_or_default();
        let at_first = if rows.len() > 1 { " at the first λ" } else { "" };
        format!("{}{first}.", is_left_out(&format!("{arm} is left out{at}"), at_first))
    };
    arms.into_iter().map(line).collect()
}

/// Returns the sentence on a row of an ablation that is left out.
#[must_use]
pub fn row(called: &str, lacks: &Unrecorded) -> String {
    format!("{}{}.", is_left_out(&format!("The row `{called}` is left out"), ""), missing(lacks))
}

/// Returns the part of a sentence up to the first missing call.
fn is_left_out(what: &str, at_first: &str) -> String {
    format!("{what}: not all of its calls were recorded. The first missing call{at_first} is ")
}

/// Describes a call.
#[must_use]
pub fn missing(Unrecorded { item, model, purpose }: &Unrecorded) -> String {
    format!("`{model}` on item `{item}` ({purpose})")
}

/// Returns the last line of a command that left arms out. `None` if nothing was left out.
#[must_use]
pub fn ending(left_out: &[LeftOut]) -> Option<String> {
    let count = rows(left_out.iter()).len();
    let what = match count {
        0 => return None,
        1 => "1 arm or threshold was left out because some of its calls are not recorded".to_owned(),
        _ => format!("{count} arms or thresholds were left out because some of their calls are not recorded"),
    };
    Some(format!("{what}; {REMEDY}"))
}

/// Returns one cell for each arm and λ, regardless of the orders.
pub(super) fn rows<'a>(left_out: impl Iterator<Item = &'a LeftOut>) -> Vec<&'a LeftOut> {
    let mut rows: Vec<&LeftOut> = Vec::new();
    for cell in left_out {
        if !rows.iter().any(|row| row.is_of_same_row(cell)) {
            rows.push(cell);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(arm: Arm, threshold: Option<f64>, order: usize, item: &str) -> LeftOut {
        let lacks = Unrecorded { item: item.to_owned(), model: "small".to_owned(), purpose: "answer".to_owned() };
        LeftOut { arm, threshold, order, lacks }
    }

    #[test]
    fn each_arm_is_named_once_with_its_first_missing_call() {
        let left_out = [
            cell(Arm::InterCascade, Some(0.5), 0, "7"),
            cell(Arm::Retrieval, None, 0, "9"),
            cell(Arm::InterCascade, Some(0.5), 1, "2"),
            cell(Arm::InterCascade, Some(0.9), 1, "3"),
        ];
        let lines = lines(&left_out, |threshold| threshold);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("inter-cascade is left out at λ 0.5, 0.9:"), "{lines:?}");
        assert!(lines[0].ends_with("is `small` on item `7` (answer)."), "{lines:?}");
        assert!(lines[1].starts_with("retrieval is left out: "), "{lines:?}");
        let ending = ending(&left_out).expect("there is something");
        assert!(ending.starts_with("3 arms or thresholds were left out"), "{ending}");
        assert_eq!(super::ending(&[]), None);
    }
}
