//! Texts with places to be filled, such as `Question: {query}`. What is put in is never looked into again, so that no
//! query and no strategy can open a place of its own.

use std::fmt;

/// What can be put into a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The question, without its options.
    Query,
    /// The block of options; nothing where they are not listed.
    Options,
    /// The options, a line each, in the block.
    Lines,
    /// An option's letter.
    Letter,
    /// An option's text.
    Option,
    /// The strategies to be shown, each in its form.
    Strategies,
    /// One strategy.
    Strategy,
    /// The strong level's solution as it wrote it.
    Solution,
    /// An answer: the number, or the option's letter and text.
    Answer,
    /// The prompt's own worked examples.
    Shots,
    /// What the data set files the question under.
    Subject,
}

impl Place {
    /// All of them.
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

    /// How it is written between braces.
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

/// A text with places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A place that nothing is put into here.
    #[error("unknown placeholder {{{name}}}; there are {known}")]
    Unknown {
        /// The place's name.
        name: String,
        /// The names that can be used here.
        known: String,
    },
    /// A place that must be there.
    #[error("the placeholder {{{0}}} is missing")]
    Missing(&'static str),
}

impl Template {
    /// Reads a template in which `needed` places must stand and `allowed` ones may. A place is a lower-case word in
    /// braces; every other brace stands for itself.
    ///
    /// # Errors
    /// [`TemplateError`].
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

    /// Whether a place stands in it.
    #[must_use]
    pub fn has(&self, place: Place) -> bool {
        self.0.contains(&Piece::Place(place))
    }

    /// The text with its places filled; one that nothing is given for stays empty.
    #[must_use]
    pub fn fill(&self, given: &[(Place, &str)]) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Place(place) => {
                    text.push_str(given.iter().find(|(name, _)| name == place).map_or("", |(_, text)| text));
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
    fn places_are_filled_once_and_nothing_that_is_put_in_is_a_place() {
        let template = parse("Question: {query}{options}\nAnswer:").expect("a template");
        let filled = template.fill(&[(Place::Query, "What is {options}?"), (Place::Options, "\n(A) {query}")]);
        assert_eq!(filled, "Question: What is {options}?\n(A) {query}\nAnswer:");
        assert_eq!(template.fill(&[(Place::Query, "2 + 2?")]), "Question: 2 + 2?\nAnswer:");
        assert_eq!(template.to_string(), "Question: {query}{options}\nAnswer:");
    }

    #[test]
    fn other_braces_stand_for_themselves() {
        let template = parse("{ \"q\": \"{query}\" } {} {A} \\boxed{4} {").expect("a template");
        assert_eq!(template.fill(&[(Place::Query, "x")]), "{ \"q\": \"x\" } {} {A} \\boxed{4} {");
    }

    #[test]
    fn unknown_and_missing_places_are_refused() {
        assert_eq!(
            parse("{query} {solution}").expect_err("refused").to_string(),
            "unknown placeholder {solution}; there are {query}, {options}"
        );
        assert_eq!(parse("{options}").expect_err("refused").to_string(), "the placeholder {query} is missing");
    }
}
