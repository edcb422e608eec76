//! Plots: an area with two axes, or with named rows and one axis.

use super::area::{Area, At};
use super::canvas::{Canvas, Side};
use super::ink::Ink;
use super::scale::Scale;
use super::{BAR, DENSE_ROW, ROW, Role, Stroke};
use crate::analysis::stats::{Estimate, Interval};

/// Length of a tick in pixels.
const TICK: f64 = 4.0;

/// Distance of a tick's text from its tick in pixels.
const GAP: f64 = 5.0;

/// Greatest number of ticks on an axis.
const TICKS: usize = 8;

/// Opacity of a band, low enough for several bands one over the other.
const BAND_ALPHA: f64 = 0.09;

/// Half the width of the cap of an interval in pixels.
const CAP: f64 = 3.0;

/// Distance of panels that share an axis in pixels.
const STACK_GAP: f64 = 10.0;

/// Area of a plot, and scale and title of its lower and its upright axis.
pub(crate) type Axes<'t> = (Area, (Scale, &'t str), (Scale, &'t str));

/// Height of a lower axis with this title in pixels.
fn below(title: &str) -> f64 {
    if title.is_empty() { TICK } else { TICK + Role::Tick.line() + Role::Axis.line() + GAP }
}

/// A plot with two axes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    /// Area of the data.
    pub(crate) plot: Area,
    x: Scale,
    y: Scale,
}

impl Frame {
    /// Draws the axes of a plot into `area`. The title of the upright axis is above the plot, that of the other below.
    pub(crate) fn new(canvas: &mut Canvas, area: Area, x: (Scale, &str), y: (Scale, &str)) -> Self {
        let widest = Self::widest(area, x.1, &y.0);
        Self::indented(canvas, area, widest, x, y)
    }

    /// Draws plots one above the other whose upright axes are aligned. A lower axis without a title has no texts: it is
    /// that of the plot below.
    pub(crate) fn aligned(canvas: &mut Canvas, plots: &[Axes]) -> Vec<Self> {
        let widest = plots.iter().map(|(area, x, y)| Self::widest(*area, x.1, &y.0)).fold(0.0, f64::max);
        plots.iter().map(|(area, x, y)| Self::indented(canvas, *area, widest, *x, *y)).collect()
    }

    /// Draws panels of equal height, one above the other, that share the lower axis.
    pub(crate) fn stacked<'t>(
        canvas: &mut Canvas,
        area: Area,
        x: (Scale, &'t str),
        panels: &[(Scale, &'t str)],
    ) -> Vec<Self> {
        let gaps: f64 = panels.iter().skip(1).map(|_| STACK_GAP).sum();
        let count: f64 = panels.iter().map(|_| 1.0).sum();
        let below = below("x") - below("");
        let height = (area.bottom - area.top - gaps - below) / count.max(1.0);
        let mut top = area.top;
        let last = panels.len().saturating_sub(1);
        let plot = |(index, y): (usize, &(Scale, &'t str))| -> Axes<'t> {
            let own = Area { top, bottom: if index == last { area.bottom } else { top + height }, ..area };
            top += height + STACK_GAP;
            (own, (x.0, if index == last { x.1 } else { "" }), *y)
        };
        let plots: Vec<Axes> = panels.iter().enumerate().map(plot).collect();
        Self::aligned(canvas, &plots)
    }

    /// Ticks of an upright axis.
    fn upright_ticks(area: Area, x: &str, y: &Scale) -> Vec<(f64, String)> {
        let height = area.bottom - below(x) - area.top - Role::Axis.line() - GAP;
        let most = count(height / (Role::Tick.line() * 1.3));
        let ticks = y.ticks(most);
        // A single number gives no scale.
        if ticks.len() > 1 { ticks } else { y.ticks(most + 1) }
    }

    /// Width of the widest text at the upright axis in pixels.
    fn widest(area: Area, x: &str, y: &Scale) -> f64 {
        let ticks = Self::upright_ticks(area, x, y);
        ticks.iter().map(|(_, text)| Role::Tick.width(text)).fold(0.0, f64::max)
    }

    fn indented(canvas: &mut Canvas, area: Area, widest: f64, x: (Scale, &str), y: (Scale, &str)) -> Self {
        let plot_top = area.top + Role::Axis.line() + GAP;
        let left = area.left + widest + GAP;
        let (x_ticks, end) = fitting(&x.0, area.right - left);
        let plot = Area { left, top: plot_top, right: area.right - end, bottom: area.bottom - below(x.1) };
        let frame = Self { plot, x: x.0, y: y.0 };
        canvas.text(y.1, (area.left, area.top + Role::Axis.line() / 2.0), Role::Axis, Side::Right);
        for (value, text) in &Self::upright_ticks(area, x.1, &y.0) {
            let at = frame.y_at(*value);
            canvas.path(&[(plot.left, at), (plot.right, at)], Ink::Grid, Stroke::Hair);
            canvas.text(text, (plot.left - GAP, at), Role::Tick, Side::Left);
        }
        frame.bottom_axis(canvas, &x_ticks, x.1);
        frame
    }

    /// Draws the lower axis. Without a title it has no texts.
    fn bottom_axis(&self, canvas: &mut Canvas, ticks: &[(f64, String)], title: &str) {
        let Area { left, right, bottom, .. } = self.plot;
        canvas.path(&[(left, bottom), (right, bottom)], Ink::Axis, Stroke::Hair);
        for (value, text) in ticks {
            let at = self.x_at(*value);
            canvas.path(&[(at, bottom), (at, bottom + TICK)], Ink::Axis, Stroke::Hair);
            if !title.is_empty() {
                canvas.text(text, (at, bottom + TICK + GAP + Role::Tick.size() / 2.0), Role::Tick, Side::Centre);
            }
        }
        let below = bottom + TICK + GAP + Role::Tick.line() + Role::Axis.line() / 2.0;
        canvas.text(title, (f64::midpoint(left, right), below), Role::Axis, Side::Centre);
    }

    /// Position of a value on the lower axis in pixels.
    pub(crate) fn x_at(&self, value: f64) -> f64 {
        self.x.place(value, (self.plot.left, self.plot.right))
    }

    /// Position of a value on the upright axis in pixels.
    pub(crate) fn y_at(&self, value: f64) -> f64 {
        self.y.place(value, (self.plot.bottom, self.plot.top))
    }

    /// Position of a point in pixels.
    pub(crate) fn at(&self, (x, y): (f64, f64)) -> At {
        (self.x_at(x), self.y_at(y))
    }

    /// Positions of points in pixels.
    pub(crate) fn all(&self, points: impl IntoIterator<Item = (f64, f64)>) -> Vec<At> {
        points.into_iter().map(|point| self.at(point)).collect()
    }

    /// Positions in pixels along the path through points, close enough together for a label.
    pub(crate) fn along(&self, points: &[(f64, f64)]) -> Vec<At> {
        let placed = self.all(points.iter().copied());
        let between = |pair: &[At]| {
            let ((from, to), steps) = ((pair[0], pair[1]), 8_u8);
            let at = move |step: u8| {
                let share = f64::from(step) / f64::from(steps);
                (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share)
            };
            (0..steps).map(at).collect::<Vec<At>>()
        };
        placed.windows(2).flat_map(between).collect()
    }

    /// Draws the intervals of a point in both directions, as far as there are any.
    pub(crate) fn cross(
        &self,
        canvas: &mut Canvas,
        (x, y): (f64, f64),
        [across, upright]: [Option<Interval>; 2],
        ink: Ink,
    ) {
        if let Some(Interval { low, high }) = across {
            level_interval(canvas, self.x_at(low), self.x_at(high), self.y_at(y), ink);
        }
        if let Some(Interval { low, high }) = upright {
            let (at, low, high) = (self.x_at(x), self.y_at(low), self.y_at(high));
            canvas.path(&[(at, low), (at, high)], ink, Stroke::Thin);
            for end in [low, high] {
                canvas.path(&[(at - CAP, end), (at + CAP, end)], ink, Stroke::Thin);
            }
        }
    }

    /// True if a point is inside the plot.
    pub(crate) fn covers(&self, (x, y): (f64, f64)) -> bool {
        self.x.covers(x) && self.y.covers(y)
    }

    /// Draws a line through points, without its parts above and below the plot.
    pub(crate) fn clipped_path(&self, canvas: &mut Canvas, points: &[(f64, f64)], ink: Ink, stroke: Stroke) {
        let (low, high) = self.y.ends();
        let mut drawn: Vec<At> = Vec::new();
        for pair in points.windows(2) {
            let ((x_from, from), (x_to, to)) = (pair[0], pair[1]);
            let (left, right) = (self.x_at(x_from), self.x_at(x_to));
            // The shares of the way at which the line enters and leaves.
            let flat = (to - from).abs() < f64::EPSILON;
            let share = |y: f64| if flat { 0.0 } else { ((y - from) / (to - from)).clamp(0.0, 1.0) };
            let inside = from.max(to) >= low && from.min(to) <= high;
            let [enters, leaves] = if from <= to { [share(low), share(high)] } else { [share(high), share(low)] };
            let leaves = if flat { 1.0 } else { leaves };
            let at = |share: f64| (left + (right - left) * share, self.y_at(from + (to - from) * share));
            if inside && drawn.is_empty() {
                drawn.push(at(enters));
            }
            if inside {
                drawn.push(at(leaves));
            }
            if !inside || leaves < 1.0 {
                canvas.path(&std::mem::take(&mut drawn), ink, stroke);
            }
        }
        canvas.path(&drawn, ink, stroke);
    }

    /// Fills the band between the intervals of neighbouring points: x, low, high.
    pub(crate) fn band(&self, canvas: &mut Canvas, ends: &[(f64, Interval)], ink: Ink) {
        if ends.len() < 2 {
            return;
        }
        let upper = ends.iter().map(|(x, interval)| (*x, interval.high));
        let lower = ends.iter().rev().map(|(x, interval)| (*x, interval.low));
        let points = self.all(upper.chain(lower));
        canvas.polygon(&points, ink, BAND_ALPHA);
    }

    /// Fills the bands of a curve, one for each run of neighbouring points that have an interval.
    pub(crate) fn bands(&self, canvas: &mut Canvas, points: &[(f64, Estimate)], ink: Ink) {
        let has = |point: &(f64, Estimate)| point.1.interval.is_some();
        for run in points.chunk_by(|one, other| has(one) && has(other)) {
            let ends = run.iter().filter_map(|(x, estimate)| Some((*x, estimate.interval?)));
            self.band(canvas, &ends.collect::<Vec<_>>(), ink);
        }
    }

    /// Draws a line across the plot at a height.
    pub(crate) fn level(&self, canvas: &mut Canvas, y: f64, ink: Ink) {
        let at = self.y_at(y);
        canvas.path(&[(self.plot.left, at), (self.plot.right, at)], ink, Stroke::Thin);
    }

    /// Draws a dashed line between two points.
    pub(crate) fn dashed(&self, canvas: &mut Canvas, from: (f64, f64), to: (f64, f64), ink: Ink) {
        canvas.dashed(&[self.at(from), self.at(to)], ink, Stroke::Thin, [4.0, 3.0]);
    }

    /// Draws a line from the bottom to the top of the plot.
    pub(crate) fn upright(&self, canvas: &mut Canvas, x: f64, ink: Ink) {
        let at = self.x_at(x);
        canvas.path(&[(at, self.plot.top), (at, self.plot.bottom)], ink, Stroke::Thin);
    }
}

impl Frame {
    /// Draws a line from the bottom to the top of the plot, with a text at its top.
    pub(crate) fn upright_labelled(&self, canvas: &mut Canvas, x: f64, text: &str) {
        self.upright(canvas, x, Ink::Axis);
        let (at, top) = (self.x_at(x), self.plot.top + Role::Tick.line() / 2.0);
        if at + GAP + Role::Tick.width(text) < self.plot.right {
            canvas.text(text, (at + GAP, top), Role::Tick, Side::Right);
        } else {
            canvas.text(text, (at - GAP, top), Role::Tick, Side::Left);
        }
    }
}

/// A plot with named rows and one axis at its bottom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows {
    frame: Frame,
    /// Height of a row in pixels.
    row: f64,
}

impl Rows {
    /// Height in pixels that a plot of `count` rows needs.
    pub(crate) fn height(count: usize) -> f64 {
        (0..count).map(|_| ROW).sum::<f64>() + below("x")
    }

    /// Height in pixels that a plot of `count` dense rows needs.
    pub(crate) fn dense_height(count: usize) -> f64 {
        (0..count).map(|_| DENSE_ROW).sum::<f64>() + below("x")
    }

    /// Draws the names of the rows and the axis into `area`. Beside the plot there is room for these texts.
    pub(crate) fn new(canvas: &mut Canvas, area: Area, names: &[String], x: (Scale, &str), beside: &[String]) -> Self {
        let right = beside.iter().map(|text| Role::Label.width(text) + 2.0 * GAP).fold(0.0, f64::max);
        let area = Area { right: area.right - right, ..area };
        Self::spaced(canvas, area, (names, ROW, Role::Label), x)
    }

    /// Draws a plot of many rows, without room beside it.
    pub(crate) fn dense(canvas: &mut Canvas, area: Area, names: &[String], x: (Scale, &str)) -> Self {
        Self::spaced(canvas, area, (names, DENSE_ROW, Role::Tick), x)
    }

    fn spaced(canvas: &mut Canvas, area: Area, (names, row, role): (&[String], f64, Role), x: (Scale, &str)) -> Self {
        let widest = names.iter().map(|name| role.width(name)).fold(0.0, f64::max);
        let left = area.left + widest + 2.0 * GAP;
        let (ticks, end) = fitting(&x.0, area.right - left);
        let plot = Area { left, top: area.top, right: area.right - end, bottom: area.bottom - below(x.1) };
        let frame = Frame { plot, x: x.0, y: Scale::between(0.0, 1.0, super::Unit::Number) };
        let rows = Self { frame, row };
        for (value, _) in &ticks {
            let at = frame.x_at(*value);
            canvas.path(&[(at, plot.top), (at, plot.bottom)], Ink::Grid, Stroke::Hair);
        }
        for (index, name) in names.iter().enumerate() {
            canvas.text(name, (left - 2.0 * GAP, rows.y(index)), role, Side::Left);
        }
        frame.bottom_axis(canvas, &ticks, x.1);
        rows
    }

    /// Area of the data.
    pub(crate) fn plot(&self) -> Area {
        self.frame.plot
    }

    /// Height of the middle of a row in pixels.
    pub(crate) fn y(&self, row: usize) -> f64 {
        self.frame.plot.top + (0..row).map(|_| self.row).sum::<f64>() + self.row / 2.0
    }

    /// Position of a value in pixels.
    pub(crate) fn x(&self, value: f64) -> f64 {
        self.frame.x_at(value)
    }

    /// Draws the part of a row's bar between two values, with a thin line in the colour of the background at its end.
    pub(crate) fn bar(&self, canvas: &mut Canvas, row: usize, (from, to): (f64, f64), ink: Ink) {
        let y = self.y(row);
        let (top, bottom, right) = (y - BAR / 2.0, y + BAR / 2.0, self.x(to));
        canvas.rectangle(Area { left: self.x(from), top, right, bottom }, ink);
        canvas.path(&[(right, top), (right, bottom)], Ink::Paper, Stroke::Hair);
    }

    /// Writes a text in a row, to the right of a value.
    pub(crate) fn text_after(&self, canvas: &mut Canvas, row: usize, value: f64, text: &str) {
        canvas.text(text, (self.x(value) + 2.0 * GAP, self.y(row)), Role::Label, Side::Right);
    }

    /// Draws an interval at a height.
    pub(crate) fn interval(&self, canvas: &mut Canvas, y: f64, interval: Interval, ink: Ink) {
        level_interval(canvas, self.x(interval.low), self.x(interval.high), y, ink);
    }

    /// Draws a line from the bottom to the top of the plot.
    pub(crate) fn upright(&self, canvas: &mut Canvas, x: f64, ink: Ink) {
        self.frame.upright(canvas, x, ink);
    }
}

fn level_interval(canvas: &mut Canvas, low: f64, high: f64, y: f64, ink: Ink) {
    canvas.path(&[(low, y), (high, y)], ink, Stroke::Thin);
    for end in [low, high] {
        canvas.path(&[(end, y - CAP), (end, y + CAP)], ink, Stroke::Thin);
    }
}

/// Ticks of an axis of at most `width` pixels whose texts do not touch, and half the width of the last text.
fn fitting(scale: &Scale, width: f64) -> (Vec<(f64, String)>, f64) {
    let half = |ticks: &[(f64, String)]| ticks.last().map_or(0.0, |(_, text)| Role::Tick.width(text) / 2.0);
    let fits = |ticks: &[(f64, String)]| {
        let end = width - half(ticks);
        let boxes: Vec<(f64, f64)> =
            ticks.iter().map(|(value, text)| (scale.place(*value, (0.0, end)), Role::Tick.width(text) / 2.0)).collect();
        boxes.windows(2).all(|pair| pair[0].0 + pair[0].1 + 2.0 * GAP <= pair[1].0 - pair[1].1)
    };
    let sets = (2..=TICKS).rev().map(|most| scale.ticks(most));
    let ticks = sets.into_iter().find(|ticks| fits(ticks)).unwrap_or_else(|| scale.ticks(2));
    let end = half(&ticks);
    (ticks, end)
}

/// Number of ticks for which there is room.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number of at least 2")]
fn count(room: f64) -> usize {
    (room.floor().max(2.0) as usize).min(TICKS)
}
