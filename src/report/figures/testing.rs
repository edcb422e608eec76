//! Runs and a reader of drawings for the tests of figures.

use std::sync::Arc;

use roxmltree::{Document, Node};

use super::Figure;
use super::style::{Ink, WIDTH, text_width};
use crate::analysis::metrics::{Calibrated, Comparison, Prices};
use crate::types::arm::{Arm, Deferral};
use crate::types::chat::Usage;
use crate::types::confidence::Confidence;
use crate::types::level::Level;
use crate::types::price::Price;
use crate::types::record::{Call, CellKey, Graded, LevelAnswer, Purpose, Record, Score};
use crate::types::seed::Seed;
use crate::types::testing;

/// Eight arms, those with the longest names.
pub(super) const EIGHT: [Arm; 8] = [
    Arm::WeakOnly,
    Arm::StrongOnly,
    Arm::Cascade,
    Arm::InterCascade,
    Arm::InterCascadeRandom,
    Arm::CascadeTuned,
    Arm::SimilarityRouterChecked,
    Arm::StrongWithExamples,
];

/// A run for tests.
pub(super) struct Run {
    records: Vec<Record>,
    prices: Prices,
    /// Thresholds of a sweep.
    swept: Option<Vec<f64>>,
    /// Calibrated gates.
    pub(super) calibrated: Vec<Calibrated>,
}

fn graded(right: bool) -> Graded {
    Graded { answer: Some("1".into()), score: if right { Score::Correct } else { Score::Incorrect } }
}

/// One item: the weak level is right on three of five, the strong level on nine of ten, and confidences are spread.
/// Arms that learn are a little better, each by another amount.
fn record(cell: &Arc<CellKey>, item: usize) -> Record {
    let arm = cell.arm;
    let help = if arm.learning().is_some() { 1 + arm.name().len() % 3 } else { 0 };
    let weak_right = item % 5 < 3 || item % 7 < help;
    let confidence = f64::from(u32::try_from((item * 37 + usize::from(weak_right) * 31) % 100).expect("small")) / 100.0;
    let deferred = match arm.deferral() {
        Deferral::Never => false,
        Deferral::Always => true,
        Deferral::BelowThreshold => cell.threshold.is_some_and(|threshold| confidence < threshold),
        Deferral::WithoutExample { .. } => item.is_multiple_of(3),
    };
    let asked = arm.deferral() != Deferral::Always;
    let usage = |input, output| Usage { input, cached_input: 0, output };
    let mut record = testing::record(cell, item);
    record.group = format!("g{}", item / 2).into();
    let mut add = |level, purpose, usage| record.calls.push(Call { usage, ..testing::call(level, purpose) });
    let learns = arm.learning().is_some();
    if asked {
        add(Level::FIRST, Purpose::Answer, usage(if learns { 300 } else { 100 }, 40));
    }
    if deferred {
        add(Level::SECOND, Purpose::Answer, usage(100, 120));
    }
    if deferred && learns {
        add(Level::SECOND, Purpose::Distil, usage(150, 60));
    }
    if asked {
        record.levels.push(LevelAnswer {
            confidence: Some(Confidence::nearest(confidence)),
            threshold: cell.threshold,
            deferred,
            ..LevelAnswer::new(Level::FIRST, graded(weak_right))
        });
    }
    let strong_right = !item.is_multiple_of(10);
    if deferred {
        record.levels.push(LevelAnswer::new(Level::SECOND, graded(strong_right)));
    }
    record.repository_size = if learns { item / 2 } else { 0 };
    record.deferred = deferred;
    record.answering_level = Some(if deferred { Level::SECOND } else { Level::FIRST });
    record.graded = graded(if deferred { strong_right } else { weak_right });
    record
}

impl Run {
    /// A run of these arms over `items` items in one order, with prices.
    pub(super) fn of(arms: &[Arm], items: usize) -> Self {
        Self::in_orders(arms, items, 1, &[0.5])
    }

    /// A run of these arms in several orders and at several thresholds.
    pub(super) fn in_orders(arms: &[Arm], items: usize, orders: usize, thresholds: &[f64]) -> Self {
        let mut records = Vec::new();
        for arm in arms {
            let gated = arm.deferral() == Deferral::BelowThreshold;
            let own: Vec<Option<f64>> = if gated { thresholds.iter().copied().map(Some).collect() } else { vec![None] };
            for (threshold, order) in own.iter().flat_map(|threshold| (0..orders).map(move |order| (*threshold, order)))
            {
                let cell = Arc::new(CellKey { dataset: "d".into(), arm: *arm, order, threshold });
                records.extend((0..items).map(|item| record(&cell, item)));
            }
        }
        let price =
            |of: f64| Some(Price { input: of, cached_input: None, output: of, batch: None, read: None, nominal: true });
        let prices = Prices::from([("weak".into(), price(0.1)), ("strong".into(), price(2.0))]);
        Self { records, prices, swept: None, calibrated: Vec::new() }
    }

    /// A sweep of these arms.
    pub(super) fn swept(arms: &[Arm], items: usize, thresholds: &[f64]) -> Self {
        // The cascade of a sweep follows from both levels alone.
        let run: Vec<Arm> = arms.iter().copied().filter(|arm| *arm != Arm::Cascade).collect();
        Self { swept: Some(thresholds.to_vec()), ..Self::in_orders(&run, items, 1, thresholds) }
    }

    /// The usual run and degenerate ones: one arm, one item, equal results everywhere, an infinite λ, no prices.
    pub(super) fn all() -> Vec<Self> {
        let mut equal = Self::of(&EIGHT, 30);
        for record in &mut equal.records {
            record.graded = graded(true);
            record.deferred = true;
            record.levels.iter_mut().for_each(|level| level.graded = graded(true));
        }
        vec![
            Self::of(&EIGHT, 60),
            Self::of(&[Arm::InterCascade], 40),
            Self::of(&EIGHT, 1),
            equal,
            Self::in_orders(&EIGHT, 40, 2, &[f64::INFINITY]),
            Self::of(&EIGHT, 40).without_prices(),
        ]
    }

    /// The run without any price.
    pub(super) fn without_prices(mut self) -> Self {
        self.prices.values_mut().for_each(|price| *price = None);
        self
    }

    /// Replaces the confidence of each weak answer.
    pub(super) fn confide(&mut self, confidence: impl Fn(f64) -> Option<f64>) {
        for answer in self.records.iter_mut().filter_map(|record| record.levels.first_mut()) {
            let own = answer.confidence.map_or(0.0, Confidence::value);
            answer.confidence = confidence(own).map(Confidence::nearest);
        }
    }

    /// The run with calls that count no tokens.
    pub(super) fn without_tokens(mut self) -> Self {
        let calls = self.records.iter_mut().flat_map(|record| &mut record.calls);
        calls.for_each(|call| call.usage = Usage::default());
        self
    }

    /// The comparison of the arms.
    pub(super) fn comparison(&self) -> Comparison<'_> {
        match &self.swept {
            None => Comparison::new(&self.records, &self.calibrated, &self.prices, Seed(3)),
            Some(thresholds) => Comparison::swept(&self.records, thresholds, &self.calibrated, &self.prices, Seed(3)),
        }
    }

    /// The arms, in the order of the records.
    pub(super) fn arms(&self) -> Vec<Arm> {
        self.comparison().arms()
    }
}

/// A drawing as a reader sees it.
pub(super) struct Drawing {
    svg: String,
}

/// A text with its box in pixels: left, top, right, bottom.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) text: String,
    pub(super) area: [f64; 4],
}

impl Drawing {
    fn document(&self) -> Document<'_> {
        Document::parse(&self.svg).expect("well-formed SVG")
    }

    /// All texts.
    pub(super) fn texts(&self) -> Vec<Written> {
        let document = self.document();
        let scale = scale(&document.root_element());
        document.descendants().filter(|node| node.has_tag_name("text")).map(|node| written(&node, scale)).collect()
    }

    /// Number of drawn shapes in the colour of `ink`.
    pub(super) fn marks(&self, ink: Ink) -> usize {
        let document = self.document();
        let is = |node: &Node| {
            ["fill", "stroke"].iter().any(|name| node.attribute(*name) == Some(&*ink.hex()))
                && !node.has_tag_name("text")
        };
        document.descendants().filter(is).count()
    }
}

/// Steps of the drawing's coordinates in a pixel.
fn scale(root: &Node) -> f64 {
    let wide = root.attribute("viewBox").and_then(|all| all.split(' ').nth(2)).expect("a view box");
    wide.parse::<f64>().expect("a number") / WIDTH
}

fn written(node: &Node, scale: f64) -> Written {
    let number = |name: &str| node.attribute(name).expect("an attribute").parse::<f64>().expect("a number") / scale;
    let (x, y, size) = (number("x"), number("y"), number("font-size"));
    let text = node.text().unwrap_or_default().trim().to_owned();
    let width = text_width(&text, size, node.attribute("font-weight") == Some("bold"));
    let left = match node.attribute("text-anchor").expect("an anchor") {
        "start" => x,
        "middle" => x - width / 2.0,
        _ => x - width,
    };
    assert_eq!(node.attribute("dy"), Some("0.5ex"), "texts are centred at their height");
    Written { text, area: [left, y - size * 0.55, left + width, y + size * 0.55] }
}

/// Checks a figure: every text is inside the picture, no two overlap, each of `names` is written somewhere, nothing
/// refers to another file, and title and description are stated. Returns the drawing for further checks.
pub(super) fn check(figure: &Figure, names: &[&str]) -> Drawing {
    let drawing = Drawing { svg: figure.svg.clone() };
    let document = drawing.document();
    let root = document.root_element();
    let of = |tag: &str| root.children().find(|node| node.has_tag_name(tag)).and_then(|node| node.text());
    assert_eq!((of("title"), of("desc")), (Some(&*figure.title), Some(&*figure.description)));
    assert!(figure.description.ends_with('.'), "{}", figure.description);
    assert!(of("style").is_some_and(|style| style.contains("prefers-color-scheme:dark")));
    let links = |node: Node| node.attributes().any(|attribute| attribute.name() == "href" || attribute.name() == "id");
    assert!(!document.descendants().any(links), "a figure stands alone");
    assert!(!figure.svg.contains("NaN") && !figure.svg.contains("inf\""), "all numbers are finite");
    let height: f64 = root.attribute("height").and_then(|height| height.parse().ok()).expect("a height");
    let texts = drawing.texts();
    for Written { text, area: [left, top, right, bottom] } in &texts {
        let inside = *left >= 0.0 && *top >= 0.0 && *right <= WIDTH && *bottom <= height;
        assert!(inside, "{}: {text:?} at {left:.0}..{right:.0}, {top:.0}..{bottom:.0} leaves the picture", figure.name);
    }
    for (index, one) in texts.iter().enumerate() {
        for other in &texts[index + 1..] {
            let apart = one.area[2] <= other.area[0]
                || other.area[2] <= one.area[0]
                || one.area[3] <= other.area[1]
                || other.area[3] <= one.area[1];
            assert!(apart, "{}: {one:?} and {other:?} overlap", figure.name);
        }
    }
    for name in names {
        assert!(texts.iter().any(|written| written.text.contains(name)), "{}: {name} is missing", figure.name);
    }
    drawing
}
