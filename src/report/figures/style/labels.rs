//! Placement of labels: beside their marks if possible, otherwise further away with a leader line; never on a text or
//! a mark.

use super::area::{Area, At, LABEL_GAP};
use super::canvas::{Canvas, Side, text_box};
use super::ink::{Ink, Marker};
use super::{MARK, Role, Stroke};

/// A label of a mark or of a curve.
#[derive(Debug, Clone)]
pub(crate) struct Label {
    /// Text of the label.
    pub(crate) text: String,
    /// Positions in pixels that the label may point at: one mark, or the points of a curve.
    pub(crate) anchors: Vec<At>,
    /// Colour of the leader line.
    pub(crate) ink: Ink,
}

/// A label at the right end of a curve.
#[derive(Debug, Clone)]
pub(crate) struct EndLabel {
    /// Text of the label.
    pub(crate) text: String,
    /// End of the curve in pixels.
    pub(crate) end: At,
    /// Mark before the text. `None` without a mark.
    pub(crate) marker: Option<Marker>,
    /// Colour of the mark and of the leader line.
    pub(crate) ink: Ink,
}

/// Distances in pixels of a label from the position that it points at.
const DISTANCES: [f64; 12] = [9.0, 14.0, 20.0, 28.0, 38.0, 50.0, 66.0, 86.0, 110.0, 140.0, 180.0, 230.0];

/// Distance in pixels from which a label has a leader line.
const LED: f64 = 14.5;

/// Number of directions that are tried.
const DIRECTIONS: u8 = 16;

/// Greatest number of positions that a label of a curve tries.
const ANCHORS: usize = 14;

/// Distance of a leader line from its label in pixels.
const LEADER_GAP: f64 = 3.5;

/// Cost of a leader line across a text or a mark, more than that of any place without.
const CROSSED: f64 = 5000.0;

/// Distance in pixels of the places that are tried all over the plot.
const STEP: f64 = 34.0;

/// Space between two labels in pixels.
const SPACE: f64 = 2.0;

/// A possible place of a label.
#[derive(Debug, Clone, Copy)]
struct Place {
    at: At,
    side: Side,
    area: Area,
    /// The leader line. `None` if the label is beside its mark.
    leader: Option<[At; 2]>,
    /// Cost without regard to the other labels; the least is best.
    cost: f64,
}

impl Place {
    /// Cost of the place next to other labels. `None` if they collide.
    fn beside(&self, others: &[Option<Place>], own: usize) -> Option<f64> {
        let mut cost = self.cost;
        for other in others.iter().enumerate().filter_map(|(index, other)| other.filter(|_| index != own)) {
            if self.area.grown(SPACE).overlaps(&other.area) {
                return None;
            }
            let crossed = |area: &Area, leader: &Option<[At; 2]>| leader.is_some_and(|leader| crosses(area, leader));
            if crossed(&self.area.grown(SPACE), &other.leader) || crossed(&other.area.grown(SPACE), &self.leader) {
                cost += CROSSED;
            }
            if self.leader.zip(other.leader).is_some_and(|(one, other)| meet(one, other)) {
                cost += 60.0;
            }
        }
        Some(cost)
    }
}

/// Places labels within `area` and draws them with their leader lines. What was drawn before is avoided.
pub(crate) fn near(canvas: &mut Canvas, area: Area, labels: &[Label]) {
    let places: Vec<Vec<Place>> = labels.iter().map(|label| places(canvas, area, label)).collect();
    let mut chosen: Vec<Option<Place>> = vec![None; labels.len()];
    // The label with the fewest places comes first. Then each may move once more, since all others are known.
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by_key(|index| places[*index].len());
    for index in order.iter().chain(&order) {
        let of = |place: &Place| Some((place.beside(&chosen, *index)?, *place));
        let best = places[*index].iter().filter_map(of).min_by(|(one, _), (other, _)| one.total_cmp(other));
        if let Some((_, best)) = best {
            chosen[*index] = Some(best);
        }
    }
    for (label, place) in labels.iter().zip(&chosen) {
        let Some(place) = place else { continue };
        if let Some(leader) = place.leader {
            canvas.path(&leader, label.ink, Stroke::Hair);
        }
        canvas.text(&label.text, place.at, Role::Label, place.side);
    }
}

/// Lists the places of a label that neither leave the area nor cover a text or mark.
fn places(canvas: &Canvas, area: Area, label: &Label) -> Vec<Place> {
    let step = label.anchors.len().div_ceil(ANCHORS).max(1);
    let middle = label.anchors.len() / 2;
    let offset = middle % step;
    let anchors = label.anchors.iter().skip(offset).step_by(step);
    let directions = (0..DIRECTIONS).map(|index| f64::from(index) / f64::from(DIRECTIONS) * std::f64::consts::TAU);
    let each = anchors.flat_map(|anchor| {
        directions.clone().flat_map(move |angle| DISTANCES.map(|distance| (*anchor, angle, distance)))
    });
    let near = each.filter_map(|(anchor, angle, distance)| around(canvas, area, label, anchor, angle, distance));
    // If many marks are at one point, the room around it is not enough.
    let anchor = label.anchors.get(middle).copied();
    let far = anchor.into_iter().flat_map(|anchor| {
        let [across, down] = [steps(area.left, area.right, STEP), steps(area.top, area.bottom, Role::Label.line())];
        let each = down.into_iter().flat_map(move |y| across.clone().into_iter().map(move |x| (x, y)));
        each.filter_map(move |at| place(canvas, area, label, anchor, (at, Side::Right), true)).collect::<Vec<_>>()
    });
    near.chain(far).collect()
}

/// Positions from one end to the other.
fn steps(from: f64, to: f64, step: f64) -> Vec<f64> {
    let next = |at: &f64| Some(at + step).filter(|at| *at < to);
    std::iter::successors(Some(from + step / 2.0), next).collect()
}

/// A place in a direction from a position.
fn around(canvas: &Canvas, area: Area, label: &Label, anchor: At, angle: f64, distance: f64) -> Option<Place> {
    let (sin, cos) = angle.sin_cos();
    let side = match cos {
        cos if cos > 0.3 => Side::Right,
        cos if cos < -0.3 => Side::Left,
        _ => Side::Centre,
    };
    // A text above or below is further away by half its height.
    let at = (anchor.0 + cos * distance, anchor.1 + sin * (distance + Role::Label.size() / 3.0));
    let place = place(canvas, area, label, anchor, (at, side), distance > LED)?;
    // To the right is best, then left.
    let direction = 2.0 * sin.abs() + if cos < 0.0 { 1.0 } else { 0.0 };
    Some(Place { cost: place.cost + direction, ..place })
}

/// A place with its cost. `None` if the text would leave the area or cover a text or mark.
fn place(canvas: &Canvas, area: Area, label: &Label, anchor: At, (at, side): (At, Side), led: bool) -> Option<Place> {
    let text = text_box(&label.text, at, Role::Label, side);
    if !area.contains(&text) || canvas.boxes.iter().any(|other| other.overlaps(&text.grown(SPACE))) {
        return None;
    }
    let end = (anchor.0.clamp(text.left, text.right), anchor.1.clamp(text.top, text.bottom));
    let distance = (end.0 - anchor.0).hypot(end.1 - anchor.1);
    let along = |by: f64| (anchor.0 + (end.0 - anchor.0) * by, anchor.1 + (end.1 - anchor.1) * by);
    let gaps = MARK + 1.5 + LEADER_GAP;
    let leader = (led && distance > gaps).then(|| [along((MARK + 1.5) / distance), along(1.0 - LEADER_GAP / distance)]);
    let own = Area::at(anchor, 0.5);
    let over = |leader| canvas.boxes.iter().any(|other| crosses(other, leader) && !other.overlaps(&own));
    let count =
        |of: &dyn Fn([At; 2]) -> bool| canvas.segments.iter().filter(|segment| of(**segment)).map(|_| 1.0).sum::<f64>();
    let covered = count(&|segment| crosses(&text.grown(1.0), segment)).min(12.0);
    let crossed = leader.map_or(0.0, |leader| count(&|segment| meet(leader, segment))).min(8.0);
    let led = if leader.is_some() { 14.0 } else { 0.0 };
    let over = if leader.is_some_and(over) { CROSSED } else { 0.0 };
    let cost = distance + led + over + 30.0 * covered + 5.0 * crossed;
    Some(Place { at, side, area: text, leader, cost })
}

/// Writes labels in a column that begins at `x`, each as near as possible to the height of its curve's end, between
/// `top` and `bottom`. A leader line joins a label with its curve.
pub(crate) fn at_ends(canvas: &mut Canvas, x: f64, (top, bottom): (f64, f64), labels: &[EndLabel]) {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by(|one, other| labels[*one].end.1.total_cmp(&labels[*other].end.1));
    let wanted: Vec<f64> = order.iter().map(|index| labels[*index].end.1).collect();
    let line = Role::Label.line();
    let heights = spread(&wanted, line, (top + line / 2.0, bottom - line / 2.0));
    for (index, y) in order.into_iter().zip(heights) {
        let EndLabel { text, end, marker, ink } = &labels[index];
        let begins = x + marker.map_or(0.0, |_| 2.0 * MARK + LABEL_GAP);
        if end.0 + SPACE < x {
            canvas.path(&[(end.0 + SPACE, end.1), (x - SPACE, y)], *ink, Stroke::Hair);
        }
        canvas.text(text, (begins, y), Role::Label, Side::Right);
        if let Some(marker) = marker {
            canvas.marker(*marker, (x + MARK, y), MARK, *ink);
        }
    }
}

/// Moves ascending positions apart to at least `gap`, as little as possible, between two ends. If there is no room,
/// the positions are spread evenly.
fn spread(wanted: &[f64], gap: f64, (low, high): (f64, f64)) -> Vec<f64> {
    // Groups of positions that touch share the mean of what they want: position without offset, and members.
    let mut groups: Vec<(f64, Vec<f64>)> = Vec::new();
    let count = |members: &[f64]| members.iter().map(|_| 1.0).sum::<f64>();
    for position in wanted {
        let mut members = vec![*position];
        loop {
            let start = {
                let n = count(&members);
                let mean = members.iter().sum::<f64>() / n;
                (mean - gap * (n - 1.0) / 2.0).min(high - gap * (n - 1.0)).max(low)
            };
            match groups.last() {
                Some((before, earlier)) if before + gap * count(earlier) > start => {
                    let (_, mut earlier) = groups.pop().unwrap_or_default();
                    earlier.append(&mut members);
                    members = earlier;
                }
                _ => {
                    groups.push((start, members));
                    break;
                }
            }
        }
    }
    let each = groups.iter().flat_map(|(start, members)| {
        members.iter().scan(*start, move |at, _| {
            let here = *at;
            *at += gap;
            Some(here)
        })
    });
    let placed: Vec<f64> = each.collect();
    let last = placed.last().copied().unwrap_or(low);
    if last <= high || last <= low {
        return placed;
    }
    placed.iter().map(|at| low + (at - low) * (high - low) / (last - low)).collect()
}

/// True if a line touches an area.
fn crosses(area: &Area, [from, to]: [At; 2]) -> bool {
    // Liang and Barsky: the part of the line inside each side.
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let sides =
        [(-dx, from.0 - area.left), (dx, area.right - from.0), (-dy, from.1 - area.top), (dy, area.bottom - from.1)];
    let mut part = (0.0_f64, 1.0_f64);
    for (along, room) in sides {
        if along == 0.0 {
            if room < 0.0 {
                return false;
            }
        } else if along < 0.0 {
            part.0 = part.0.max(room / along);
        } else {
            part.1 = part.1.min(room / along);
        }
    }
    part.0 <= part.1
}

/// True if two lines cross.
fn meet([a, b]: [At; 2], [c, d]: [At; 2]) -> bool {
    let turn = |p: At, q: At, r: At| (q.0 - p.0) * (r.1 - p.1) - (q.1 - p.1) * (r.0 - p.0);
    turn(a, b, c) * turn(a, b, d) < 0.0 && turn(c, d, a) * turn(c, d, b) < 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_move_apart_as_little_as_possible() {
        let near = |one: &[f64], other: &[f64]| one.iter().zip(other).all(|(one, other)| (one - other).abs() < 1e-9);
        assert!(near(&spread(&[10.0, 50.0], 10.0, (0.0, 100.0)), &[10.0, 50.0]));
        assert!(near(&spread(&[50.0, 50.0, 52.0], 10.0, (0.0, 100.0)), &[122.0 / 3.0, 152.0 / 3.0, 182.0 / 3.0]));
        assert!(near(&spread(&[0.0, 0.0, 12.0], 10.0, (0.0, 100.0)), &[0.0, 10.0, 20.0]));
        assert!(near(&spread(&[99.0, 100.0], 10.0, (0.0, 100.0)), &[90.0, 100.0]));
        assert!(near(&spread(&[5.0; 3], 10.0, (0.0, 10.0)), &[0.0, 5.0, 10.0]), "no room");
        assert!(spread(&[], 10.0, (0.0, 10.0)).is_empty());
    }

    #[test]
    fn lines_cross_areas_and_lines() {
        let area = Area { left: 0.0, top: 0.0, right: 10.0, bottom: 10.0 };
        assert!(crosses(&area, [(-5.0, 5.0), (15.0, 5.0)]) && crosses(&area, [(5.0, 5.0), (6.0, 6.0)]));
        assert!(!crosses(&area, [(-5.0, 5.0), (-1.0, 5.0)]) && !crosses(&area, [(-1.0, 8.0), (2.0, 20.0)]));
        assert!(meet([(0.0, 0.0), (2.0, 2.0)], [(0.0, 2.0), (2.0, 0.0)]));
        assert!(!meet([(0.0, 0.0), (1.0, 1.0)], [(0.0, 2.0), (2.0, 1.5)]));
    }
}
