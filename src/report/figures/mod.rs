//! Figures of a run as SVG. Each file here turns figures of `analysis` into one picture; `style` decides on its look.

mod accuracy;
pub(super) mod claims;
pub mod differences;
mod fees;
mod kinds;
mod learning;
mod price_ratio;
mod reliability;
mod repository;
mod risk;
mod shown;
mod style;
#[cfg(test)]
mod testing;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use self::style::Canvas;
use super::format::lambda;
use super::sweep::Sweep;
use crate::analysis::curves::Axis;
use crate::analysis::metrics::{Comparison, Slice};

/// A picture of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// Name in file names and links.
    pub name: &'static str,
    /// Title, which the picture shows too.
    pub title: String,
    /// One or two sentences for screen readers and captions: what is shown, and what follows.
    pub description: String,
    /// The picture: SVG without references to other files, in colours for light and dark.
    pub svg: String,
}

impl Figure {
    /// Finishes a drawing.
    fn new(name: &'static str, title: &str, description: String, canvas: &Canvas) -> Result<Self> {
        let svg = canvas.svg(title, &description)?;
        Ok(Self { name, title: title.to_owned(), description, svg })
    }

    /// The picture as a data URI, for pages.
    pub(super) fn data_uri(&self) -> String {
        format!("data:image/svg+xml;base64,{}", STANDARD.encode(&self.svg))
    }

    /// Name and bytes of the figure's file.
    #[must_use]
    pub fn file(&self) -> (String, Vec<u8>) {
        (format!("figure-{}.svg", self.name), self.svg.clone().into_bytes())
    }
}

/// Returns the figures of a run, in the order of the report. Figures without data are left out.
///
/// # Errors
/// If a figure cannot be drawn.
pub fn of_run(comparison: &Comparison, sweep: Option<&Sweep>) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for axis in [Axis::StrongCalls, Axis::Fee] {
        figures.extend(accuracy::figure(comparison, axis)?);
    }
    if sweep.is_none() {
        figures.extend(kinds::figure(comparison)?);
        figures.extend(fees::figure(comparison)?);
        figures.extend(price_ratio::figure(comparison)?);
    }
    figures.extend(risk::figure(comparison)?);
    figures.extend(reliability::figure(comparison)?);
    if sweep.is_none() {
        figures.extend(learning::figure(comparison)?);
        figures.extend(repository::figure(comparison)?);
        figures.extend(claims::figure(comparison)?);
    }
    Ok(figures)
}

/// Replaces hyphens by minus signs, as in the numbers at the axes.
fn minus(text: &str) -> String {
    text.replace('-', "−")
}

/// Name of an arm in a figure, with its λ if the arm has several.
fn name(comparison: &Comparison, slice: &Slice) -> String {
    let several = comparison.of_arm(slice.cell.arm).count() > 1;
    let at = slice.readable.filter(|_| several).map(|threshold| format!(" at λ = {}", lambda(threshold)));
    format!("{}{}", slice.cell.arm, at.unwrap_or_default())
}

/// Number of items and orders, for notes.
fn items(comparison: &Comparison) -> String {
    let Some(slice) = comparison.slices.first() else { return "No items".to_owned() };
    let orders = if slice.orders > 1 { format!(" in {} orders", slice.orders) } else { String::new() };
    let noun = if slice.n == 1 { "item" } else { "items" };
    format!("{} {noun}{orders}", slice.n)
}

/// Joins names for a sentence.
fn listed(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}
