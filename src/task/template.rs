//! Templates with placeholders, such as `Question: {query}`. Inserted text is not searched again, so that no query and
//! no strategy can introduce a placeholder.

use std::fmt;

/// Placeholders of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The question, without its options.
    Query,
    /// The block of options. Empty if options are not listed.
    Options,
    /// The options, one line each, in the block.
    Lines,
    /// An option's letter.
    Letter,
    /// An option's text.
    Option,
    /// The retrieved strategies, each formatted.
    Strategies,
    /// One strategy.
    Strategy,
    /// The strong level's solution, unchanged.
    Solution,
    /// An answer: the number, or the option's letter and text.
    Answer,
    /// The prompt's own worked examples.
    Shots,
    /// The data set's subject of the question.
    Subject,
}

impl Place {
    /// All placeholders.
    pub const ALL: [Self; 11] = [
        Self::Query,
        Self::Options,
        Self::Lines,
        Self::Letter,
        Self::Option,
        Self::Strategies,
        Self::Strategy,
        Self::Solution,
        Self::Answer,
        Self::Shots,
        Self::Subject,
    ];

    /// Name of the placeholder between braces.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Options => "options",
            Self::Lines => "lines",
            Self::Letter => "letter",
            Self::Option => "option",
            Self::Strategies => "strategies",
            Self::Strategy => "strategy",
            Self::Solution => "solution",
            Self::Answer => "answer",
            Self::Shots => "shots",
            Self::Subject => "subject",
        }
    }
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Place(Place),
}

/// A parsed template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

/// Reason why a text is no valid template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A placeholder that is not allowed in this template.
    #[error("unknown placeholder {{{name}}}; there are {known}")]
    Unknown {
        /// Name of the placeholder.
        name: String,
        /// The allowed names.
        known: String,
    },
    /// A required placeholder.
    #[error("the placeholder {{{0}}} is missing")]
    Missing(&'static str),
}

impl Template {
    /// Parses a template with the `needed` placeholders and any of the `allowed` ones. A placeholder is a lower-case
    /// word in braces. All other braces are literal.
    ///
    /// # Errors
    /// [`TemplateError`] for a placeholder that is unknown or missing.
    pub fn parse(text: &str, needed: &[Place], allowed: &[Place]) -> Result<Self, TemplateError> {
        let known = || needed.iter().chain(allowed);
        let mut pieces = Vec::new();
        let mut rest = text;
        let mut literal = String::new();
        while let Some(open) = rest.find('{') {
            let (before, after) = rest.split_at(open);
            literal.push_str(before);
            let word = after[1..].split('}').next().unwrap_or_default();
            let is_place = after[1..].contains('}')
                && !word.is_empty()
                && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            if !is_place {
                literal.push('{');
                rest = &after[1..];
                continue;
            }
            let Some(place) = known().find(|place| place.name() == word) else {
                let known: Vec<String> = known().map(|place| format!("{{{}}}", place.name())).collect();
                return Err(TemplateError::Unknown { name: word.to_owned(), known: known.join(", ") });
            };
            if !literal.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Place(*place));
            rest = &after[word.len() + 2..];
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        let template = Self(pieces);
        match needed.iter().find(|place| !template.has(**place)) {
            Some(missing) => Err(TemplateError::Missing(missing.name())),
            None => Ok(template),
        }
    }

    /// True if the template contains a placeholder.
    #[must_use]
    pub fn has(&self, place: Place) -> bool {
        self.0.contains(&Piece::Place(place))
    }

    /// Fills the placeholders. One without a value becomes empty.
    #[must_use]
    pub fn fill(&self, values: &[(Place, &str)]) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Place(place) => {
                    text.push_str(values.iter().find(|(name, _)| name == place).map_or("", |(_, text)| text));
                }
            }
        }
        text
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Text(literal) => f.write_str(literal),
            Piece::Place(place) => write!(f, "{{{}}}", place.name()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Template, TemplateError> {
        Template::parse(text, &[Place::Query], &[Place::Options])
    }

    #[test]
    fn inserted_text_is_not_searched_for_placeholders() {
        let template = parse("Question: {query}{options}\nAnswer:").expect("a template");
        let filled = template.fill(&[(Place::Query, "What is {options}?"), (Place::Options, "\n(A) {query}")]);
        assert_eq!(filled, "Question: What is {options}?\n(A) {query}\nAnswer:");
        assert_eq!(template.fill(&[(Place::Query, "2 + 2?")]), "Question: 2 + 2?\nAnswer:");
        assert_eq!(template.to_string(), "Question: {query}{options}\nAnswer:");
    }

    #[test]
    fn other_braces_are_literal() {
        let template = parse("{ \"q\": \"{query}\" } {} {A} \\boxed{4} {").expect("a template");
        assert_eq!(template.fill(&[(Place::Query, "x")]), "{ \"q\": \"x\" } {} {A} \\boxed{4} {");
    }

    #[test]
    fn unknown_and_missing_placeholders_are_refused() {
        assert_eq!(
            parse("{query} {solution}").expect_err("refused").to_string(),
            "unknown placeholder {solution}; there are {query}, {options}"
        );
        assert_eq!(parse("{options}").expect_err("refused").to_string(), "the placeholder {query} is missing");
    }
}
