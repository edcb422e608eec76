//! Accuracy against strong calls as text, for a terminal: one letter for each arm.

use super::{OnAxis, Sweep};
use crate::analysis::curves::{Axis, Point};
use crate::report::format::hundredths;
use crate::types::arm::Arm;

/// Number of rows of the plotted area.
const ROWS: usize = 16;

/// Minimum and maximum number of columns of the plotted area.
const COLUMNS: (usize, usize) = (20, 90);

/// Number of columns left of the plotted area: the labels and the axis.
const MARGIN: usize = 7;

/// Maximum number of labels on the axis of accuracy, the lowest one not counted.
const LABELS: f64 = 5.0;

/// Mark of a place where several arms are.
const SEVERAL: char = '*';

/// Mark of the path of random routing.
const RANDOM: char = '.';

/// Formats the plot for a terminal of this width. Empty if the sweep has no strong calls to compare.
pub(super) fn plot(sweep: &Sweep, width: u16) -> String {
    let Some(OnAxis { swept, .. }) = sweep.axes.iter().find(|on| on.axis == Axis::StrongCalls) else {
        return String::new();
    };
    let points: Vec<(Arm, Point)> = swept.choices().iter().map(|(choice, point)| (choice.arm, *point)).collect();
    let corners = swept.corners();
    let mut area = Area::of(points.iter().map(|(_, point)| *point), width);
    area.path([corners.weak, corners.strong]);
    let mut legend: Vec<(char, String)> = Vec::new();
    for (arm, point) in points {
        let known = legend.iter().find(|(_, name)| name == arm.name()).map(|(letter, _)| *letter);
        let letter = known.unwrap_or_else(|| {
            let letter = free_letter(arm, &legend);
            legend.push((letter, arm.name().to_owned()));
            letter
        });
        area.mark(point, letter);
    }
    legend.push((RANDOM, "random routing".to_owned()));
    if area.cells.iter().flatten().any(|cell| *cell == SEVERAL) {
        legend.push((SEVERAL, "several arms".to_owned()));
    }
    format!(
        "accuracy, %, against strong calls, % of the items\n{}\n{}",
        area.lines().join("\n"),
        in_lines(&legend, width.into())
    )
}

/// First letter of a word in the arm's name, otherwise any letter of it, that no other arm has.
fn free_letter(arm: Arm, legend: &[(char, String)]) -> char {
    let initials = arm.name().split('-').filter_map(|word| word.chars().next());
    let letters = initials.chain(arm.name().chars().filter(char::is_ascii_alphabetic)).chain('a'..='z');
    let free = |letter: &char| legend.iter().all(|(taken, _)| taken != letter);
    letters.map(|letter| letter.to_ascii_uppercase()).find(free).unwrap_or('?')
}

/// Marks with their meanings, in lines of at most this width.
fn in_lines(legend: &[(char, String)], width: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for (mark, meaning) in legend {
        let entry = format!("{mark} {meaning}");
        match lines.last_mut() {
            Some(line) if line.len() + entry.len() + 3 <= width => *line = format!("{line}   {entry}"),
            _ => lines.push(entry),
        }
    }
    lines.join("\n")
}

/// Plotted area with its ranges.
struct Area {
    cells: Vec<Vec<char>>,
    /// Lowest and highest accuracy, and the distance of its labels, in percent.
    accuracy: (f64, f64, f64),
    /// Highest share of strong calls, in percent.
    most_calls: f64,
}

impl Area {
    fn of(points: impl Iterator<Item = Point> + Clone, width: u16) -> Self {
        let columns = usize::from(width).saturating_sub(MARGIN + 1).clamp(COLUMNS.0, COLUMNS.1);
        let accuracies = || points.clone().map(|point| hundredths(point.accuracy));
        let (low, high) = (accuracies().fold(100.0, f64::min), accuracies().fold(0.0, f64::max));
        let step = step((high - low) / LABELS);
        let (low, high) = ((low / step).floor() * step, (high / step).ceil() * step);
        let most_calls = points.map(|point| hundredths(point.cost)).fold(100.0, f64::max);
        let high = if high > low { high } else { low + step };
        Self { cells: vec![vec![' '; columns]; ROWS], accuracy: (low, high, step), most_calls }
    }

    /// Row and column of a point; row 0 is the top.
    fn place(&self, point: Point) -> (usize, usize) {
        let (low, high, _) = self.accuracy;
        let last_column = self.cells[0].len() - 1;
        let row = nearest((high - hundredths(point.accuracy)) / (high - low), ROWS - 1);
        (row, nearest(hundredths(point.cost) / self.most_calls, last_column))
    }

    fn mark(&mut self, point: Point, letter: char) {
        let (row, column) = self.place(point);
        let cell = &mut self.cells[row][column];
        *cell = if *cell == ' ' || *cell == RANDOM || *cell == letter { letter } else { SEVERAL };
    }

    /// Marks the straight path between two points.
    fn path(&mut self, [from, to]: [Point; 2]) {
        let [(_, first), (_, last)] = [from, to].map(|point| self.place(point));
        for column in (first..=last).step_by(2) {
            #[expect(clippy::cast_precision_loss, reason = "a column")]
            let share = (column - first) as f64 / (last - first).max(1) as f64;
            let at = |of: fn(Point) -> f64| of(from) + share * (of(to) - of(from));
            let (row, _) = self.place(Point { cost: at(|p| p.cost), accuracy: at(|p| p.accuracy) });
            self.cells[row][column] = RANDOM;
        }
    }

    /// Lines of the area with both axes.
    fn lines(&self) -> Vec<String> {
        let (low, high, step) = self.accuracy;
        let decimals = usize::from(step < 1.0);
        let mut labels = vec![String::new(); ROWS];
        let count = ((high - low) / step).round();
        let mut at = 0.0;
        while at <= count {
            let value = low + at * step;
            labels[nearest((high - value) / (high - low), ROWS - 1)] = format!("{value:.decimals$}");
            at += 1.0;
        }
        let row = |(label, cells): (&String, &Vec<char>)| {
            let tick = if label.is_empty() { '|' } else { '+' };
            format!("{label:>5} {tick}{}", cells.iter().collect::<String>()).trim_end().to_owned()
        };
        let mut lines: Vec<String> = labels.iter().zip(&self.cells).map(row).collect();
        let width = self.cells[0].len();
        let mut axis = vec!['-'; width];
        let mut below = vec![' '; width + MARGIN];
        for percent in [0.0, 20.0, 40.0, 60.0, 80.0, 100.0] {
            let column = nearest(percent / self.most_calls, width - 1);
            axis[column] = '+';
            let label = format!("{percent:.0}");
            // The last label ends below its tick, so no line is wider than the area.
            let from = (MARGIN + column).saturating_sub(label.len() / 2).min(below.len() - label.len());
            below.splice(from..from + label.len(), label.chars());
        }
        lines.push(format!("      +{}", axis.iter().collect::<String>()));
        lines.push(below.iter().collect::<String>().trim_end().to_owned());
        lines
    }
}

/// Smallest of 1, 2 and 5, times a power of ten, that is at least this distance; at least 0.1.
fn step(distance: f64) -> f64 {
    let least = distance.max(0.1);
    let power = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|digit| digit * power).find(|step| *step >= least).unwrap_or(10.0 * power)
}

/// Index nearest to a share of the way to the `last` index.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "the share is limited to [0, 1], so the index is in range"
)]
fn nearest(share: f64, last: usize) -> usize {
    (share.clamp(0.0, 1.0) * last as f64).round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_have_round_distances() {
        let steps = [0.0, 0.03, 0.11, 1.0, 2.1, 7.0, 19.0].map(|distance| format!("{:.1}", step(distance)));
        assert_eq!(steps, ["0.1", "0.1", "0.2", "1.0", "5.0", "10.0", "20.0"]);
    }

    #[test]
    fn points_are_at_their_figures_and_no_line_is_wider_than_the_terminal() {
        let at = |cost, accuracy| Point { cost, accuracy };
        let points = [at(0.0, 0.412), at(0.5, 0.7), at(1.0, 0.888)];
        for width in [40, 80, 200] {
            let mut area = Area::of(points.into_iter(), width);
            area.path([points[0], points[2]]);
            for (point, letter) in points.into_iter().zip(['W', 'C', 'S']) {
                area.mark(point, letter);
            }
            area.mark(points[1], 'I');
            let lines = area.lines();
            assert!(lines.iter().all(|line| line.len() <= usize::from(width)), "{lines:#?}");
            assert_eq!(lines.len(), ROWS + 2);
            // The range is 40 to 90 %, in steps of 10.
            assert!(lines[0].starts_with("   90 +") && lines[ROWS - 1].starts_with("   40 +W"), "{lines:#?}");
            let middle = lines.iter().position(|line| line.contains(SEVERAL)).expect("two arms in one place");
            assert!(lines[middle].starts_with("   70 +"), "{lines:#?}");
            assert!(lines.iter().any(|line| line.ends_with('S')) && lines[ROWS + 1].ends_with("100"), "{lines:#?}");
        }
    }

    #[test]
    fn every_arm_has_its_own_letter() {
        let mut legend = Vec::new();
        for arm in Arm::ALL {
            let letter = free_letter(arm, &legend);
            assert!(letter.is_ascii_uppercase());
            legend.push((letter, arm.name().to_owned()));
        }
        let letters: std::collections::BTreeSet<char> = legend.iter().map(|(letter, _)| *letter).collect();
        assert_eq!(letters.len(), Arm::ALL.len());
        assert_eq!(legend[..4].iter().map(|(letter, _)| *letter).collect::<String>(), "WSCI");
        assert!(in_lines(&legend, 80).lines().all(|line| line.len() <= 80));
    }
}
