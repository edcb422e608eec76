//! A drawing surface on plotters' SVG backend. It keeps what is drawn, so that labels can avoid it.

use std::fmt::Write as _;

use anyhow::{Result, anyhow};
use plotters::backend::{DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontDesc, FontFamily, FontStyle, ShapeStyle};

use super::area::{Area, At};
use super::ink::{Ink, Marker};
use super::{MARGIN, Role, Stroke, WIDTH};

/// Steps of the drawing's coordinates in a pixel, since plotters' coordinates are whole numbers.
pub(super) const PRECISION: f64 = 10.0;

/// plotters divides font sizes by this number when it writes them.
const FONT_SCALE: f64 = 1.24;

/// Fonts of all texts. None is embedded.
const FONTS: &str = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,'DejaVu Sans',sans-serif";

/// Side of its position on which a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The text ends at the position.
    Left,
    /// The text is centred at the position.
    Centre,
    /// The text begins at the position.
    Right,
}

/// A drawn shape.
#[derive(Debug, Clone)]
enum Shape {
    Path { points: Vec<At>, stroke: Stroke },
    Polygon { points: Vec<At>, alpha: f64 },
    Circle { centre: At, radius: f64 },
    Text { text: String, at: At, role: Role, side: Side },
}

/// A figure while it is drawn.
pub(crate) struct Canvas {
    height: f64,
    /// Area under the title and above the notes.
    pub(crate) body: Area,
    shapes: Vec<(Ink, Shape)>,
    /// Boxes that labels never cover: texts and marks.
    pub(super) boxes: Vec<Area>,
    /// Lines that labels cover only if there is no other place.
    pub(super) segments: Vec<[At; 2]>,
}

impl Canvas {
    /// Starts a figure with a title, `height` pixels for its contents, and sentences under it.
    pub(crate) fn new(title: &str, height: f64, notes: &[String]) -> Self {
        let width = WIDTH - 2.0 * MARGIN;
        let titles = Role::Title.wrap(title, width);
        let notes: Vec<String> = notes.iter().flat_map(|note| Role::Note.wrap(note, width)).collect();
        let count = |lines: &[String], role: Role| lines.iter().map(|_| role.line()).sum::<f64>();
        let top = MARGIN + count(&titles, Role::Title) + MARGIN / 2.0;
        let bottom = top + height;
        let below = if notes.is_empty() { 0.0 } else { MARGIN / 2.0 + count(&notes, Role::Note) };
        let mut canvas = Self {
            height: bottom + below + MARGIN,
            body: Area { left: MARGIN, top, right: WIDTH - MARGIN, bottom },
            shapes: Vec::new(),
            boxes: Vec::new(),
            segments: Vec::new(),
        };
        canvas.lines(&titles, (MARGIN, MARGIN), Role::Title);
        canvas.lines(&notes, (MARGIN, bottom + MARGIN / 2.0), Role::Note);
        canvas
    }

    /// Writes lines one under the other, the first one from `at` downwards.
    fn lines(&mut self, lines: &[String], (x, y): At, role: Role) {
        let mut y = y + role.line() / 2.0;
        for line in lines {
            self.text(line, (x, y), role, Side::Right);
            y += role.line();
        }
    }

    /// Writes a text at the height of `at`.
    pub(crate) fn text(&mut self, text: &str, at: At, role: Role, side: Side) {
        if text.is_empty() {
            return;
        }
        self.boxes.push(text_box(text, at, role, side));
        let shape = Shape::Text { text: text.to_owned(), at, role, side };
        self.shapes.push((role.ink(), shape));
    }

    /// Draws a line through points.
    pub(crate) fn path(&mut self, points: &[At], ink: Ink, stroke: Stroke) {
        if points.len() < 2 {
            return;
        }
        // Labels may be on the grid and on the frontier.
        if ink != Ink::Grid && stroke != Stroke::Broad {
            self.segments.extend(points.windows(2).map(|pair| [pair[0], pair[1]]));
        }
        self.shapes.push((ink, Shape::Path { points: points.to_vec(), stroke }));
    }

    /// Draws a dashed line through points: `dash` and `gap` are in pixels.
    pub(crate) fn dashed(&mut self, points: &[At], ink: Ink, stroke: Stroke, [dash, gap]: [f64; 2]) {
        let mut drawn: Vec<At> = Vec::new();
        let (mut on, mut left) = (true, dash);
        for pair in points.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            let length = (to.0 - from.0).hypot(to.1 - from.1);
            let along = |at: f64| (from.0 + (to.0 - from.0) * at / length, from.1 + (to.1 - from.1) * at / length);
            let mut at = 0.0;
            if on && drawn.is_empty() {
                drawn.push(from);
            }
            while length - at > left {
                at += left;
                if on {
                    drawn.push(along(at));
                    self.path(&drawn, ink, stroke);
                    drawn.clear();
                } else {
                    drawn = vec![along(at)];
                }
                on = !on;
                left = if on { dash } else { gap };
            }
            left -= length - at;
            if on {
                drawn.push(to);
            }
        }
        self.path(&drawn, ink, stroke);
    }

    /// Fills a polygon. An `alpha` in (0, 1) is see-through and no obstacle for labels.
    pub(crate) fn polygon(&mut self, points: &[At], ink: Ink, alpha: f64) {
        if alpha >= 1.0
            && let Some(area) = Area::around(points)
        {
            self.boxes.push(area);
        }
        self.shapes.push((ink, Shape::Polygon { points: points.to_vec(), alpha }));
    }

    /// Fills a rectangle. Labels may be on it.
    pub(crate) fn rectangle(&mut self, area: Area, ink: Ink) {
        let Area { left, top, right, bottom } = area;
        let points = vec![(left, top), (right, top), (right, bottom), (left, bottom)];
        self.shapes.push((ink, Shape::Polygon { points, alpha: 1.0 }));
    }

    /// Draws a mark with a thin rim in the colour of the background, which separates it from what it covers.
    pub(crate) fn marker(&mut self, marker: Marker, at: At, radius: f64, ink: Ink) {
        self.boxes.push(Area::at(at, radius + 1.0));
        self.outline(marker, at, radius + 1.2, Ink::Paper);
        self.outline(marker, at, radius, ink);
        if marker.is_open() {
            self.outline(marker, at, radius * 0.55, Ink::Paper);
        }
    }

    fn outline(&mut self, marker: Marker, at: At, radius: f64, ink: Ink) {
        let shape = match marker.corners() {
            None => Shape::Circle { centre: at, radius },
            Some(corners) => {
                let points = corners.iter().map(|(x, y)| (at.0 + x * radius, at.1 + y * radius)).collect();
                Shape::Polygon { points, alpha: 1.0 }
            }
        };
        self.shapes.push((ink, shape));
    }

    /// Writes the figure as SVG, with a title and a description for screen readers.
    ///
    /// # Errors
    /// If plotters refuses a shape.
    pub(crate) fn svg(&self, title: &str, description: &str) -> Result<String> {
        let size = (whole(WIDTH), whole(self.height));
        let mut drawn = String::new();
        {
            let mut backend = SVGBackend::with_string(&mut drawn, (size.0.unsigned_abs(), size.1.unsigned_abs()));
            for (ink, shape) in &self.shapes {
                draw(&mut backend, *ink, shape)?;
            }
            backend.present().map_err(|error| anyhow!("a figure cannot be drawn: {error}"))?;
        }
        let (_, shapes) = drawn.split_once('>').unwrap_or_default();
        let mut svg = String::new();
        let _ = write!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{}\" viewBox=\"0 0 {} {}\" \
             role=\"img\">\n<title>{}</title>\n<desc>{}</desc>\n<style>{}</style>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"{}\"/>",
            self.height,
            size.0,
            size.1,
            escaped(title),
            escaped(description),
            style_sheet(),
            Ink::Paper.hex(),
        );
        svg.push_str(shapes);
        Ok(svg)
    }
}

/// Rules for fonts, the outline that separates texts from lines, and dark colours.
fn style_sheet() -> String {
    format!(
        "text{{font-family:{FONTS};paint-order:stroke;stroke:{};stroke-width:{};stroke-linejoin:round}}\
         polyline{{stroke-linejoin:round;stroke-linecap:butt}}\
         @media (prefers-color-scheme:dark){{{}text{{stroke:{}}}}}",
        Ink::Paper.hex(),
        2.5 * PRECISION,
        Ink::dark_rules(),
        Ink::dark_paper(),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Box of a text in pixels.
pub(super) fn text_box(text: &str, (x, y): At, role: Role, side: Side) -> Area {
    let width = role.width(text);
    let left = match side {
        Side::Left => x - width,
        Side::Centre => x - width / 2.0,
        Side::Right => x,
    };
    let half = role.size() * 0.6;
    Area { left, top: y - half, right: left + width, bottom: y + half }
}

fn draw(backend: &mut SVGBackend, ink: Ink, shape: &Shape) -> Result<()> {
    let style = |alpha: f64, width: f64| ShapeStyle {
        color: ink.light().mix(alpha),
        filled: true,
        stroke_width: whole(width).unsigned_abs(),
    };
    let drawn = match shape {
        Shape::Path { points, stroke } => backend.draw_path(points.iter().map(placed), &style(1.0, stroke.width())),
        Shape::Polygon { points, alpha } => backend.fill_polygon(points.iter().map(placed), &style(*alpha, 0.0)),
        Shape::Circle { centre, radius } => {
            backend.draw_circle(placed(centre), whole(*radius).unsigned_abs(), &style(1.0, 0.0), true)
        }
        Shape::Text { text, at, role, side } => {
            let weight = if role.is_bold() { FontStyle::Bold } else { FontStyle::Normal };
            let font = FontDesc::new(FontFamily::SansSerif, role.size() * PRECISION * FONT_SCALE, weight);
            let side = match side {
                Side::Left => HPos::Right,
                Side::Centre => HPos::Center,
                Side::Right => HPos::Left,
            };
            let style = font.color(&ink.light()).pos(Pos::new(side, VPos::Center));
            backend.draw_text(text, &style, placed(at))
        }
    };
    drawn.map_err(|error| anyhow!("a figure cannot be drawn: {error}"))
}

fn placed((x, y): &At) -> (i32, i32) {
    (whole(*x), whole(*y))
}

/// Converts pixels to the drawing's coordinates.
#[expect(clippy::cast_possible_truncation, reason = "a cast of a float saturates")]
fn whole(pixels: f64) -> i32 {
    (pixels * PRECISION).round() as i32
}

impl Marker {
    /// Corners of the shape, for a radius of 1. `None` for a circle.
    fn corners(self) -> Option<Vec<At>> {
        let turned = |points: &[At], cos: f64, sin: f64| {
            points.iter().map(|(x, y)| (x * cos - y * sin, x * sin + y * cos)).collect::<Vec<At>>()
        };
        let plus = {
            let (wide, thick) = (1.15, 0.38);
            let quarter = [(thick, -thick), (thick, -wide), (-thick, -wide)];
            let turns = [(1.0, 0.0), (0.0, -1.0), (-1.0, 0.0), (0.0, 1.0)];
            turns.iter().flat_map(|(cos, sin)| turned(&quarter, *cos, *sin)).collect::<Vec<At>>()
        };
        let up = [(0.0, -1.15), (1.1, 0.8), (-1.1, 0.8)];
        Some(match self {
            Self::Circle | Self::OpenCircle => return None,
            Self::Square | Self::OpenSquare => vec![(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
            Self::Diamond | Self::OpenDiamond => vec![(0.0, -1.25), (1.15, 0.0), (0.0, 1.25), (-1.15, 0.0)],
            Self::Up | Self::OpenUp => up.to_vec(),
            Self::Down | Self::OpenDown => up.iter().map(|(x, y)| (*x, -y)).collect(),
            Self::Plus => plus,
            Self::Cross => turned(&plus, std::f64::consts::FRAC_1_SQRT_2, std::f64::consts::FRAC_1_SQRT_2),
            Self::Star => (0..10_u8)
                .map(|index| {
                    let (sin, cos) = (f64::from(index) * std::f64::consts::PI / 5.0).sin_cos();
                    let radius = if index % 2 == 0 { 1.35 } else { 0.58 };
                    (sin * radius, -cos * radius)
                })
                .collect(),
        })
    }

    fn is_open(self) -> bool {
        matches!(self, Self::OpenCircle | Self::OpenSquare | Self::OpenDiamond | Self::OpenUp | Self::OpenDown)
    }
}
