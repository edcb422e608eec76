//! Rendering of templates of pages and configs.

use anyhow::{Context, Result};
use minijinja::Environment;
use minijinja::value::Serde;
use serde::Serialize;

/// Renders a template. Texts are escaped as HTML if the name ends in `.html`.
///
/// # Errors
/// If the template is invalid or lacks a value; the error names it.
pub fn rendered(name: &str, template: &str, values: &impl Serialize) -> Result<String> {
    let mut environment = Environment::new();
    let rendering =
        environment.add_template(name, template).and_then(|()| environment.get_template(name)?.render(Serde(values)));
    rendering.with_context(|| format!("the template {name}"))
}
