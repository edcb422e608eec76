//! Rust source as words and marks, without comments and literals, and optionally without test code.

use std::iter::Peekable;
use std::str::Chars;

/// Token of a source, for the extraction of imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// Name or keyword.
    Word(String),
    /// `::`.
    Colons,
    /// Any other character.
    Mark(char),
}

impl Token {
    /// True if the token is this word.
    pub(super) fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(own) if own == word)
    }

    /// True if the token is this character.
    pub(super) fn is_mark(&self, mark: char) -> bool {
        *self == Self::Mark(mark)
    }
}

/// Splits a source into tokens.
pub(super) fn tokens(source: &str) -> Vec<Token> {
    let mut chars = source.chars().peekable();
    let mut found = Vec::new();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '/' if chars.peek() == Some(&'/') => _ = chars.by_ref().find(|c| *c == '\n'),
            '/' if chars.peek() == Some(&'*') => skip_comment(&mut chars),
            '"' => skip_string(&mut chars),
            '\'' => skip_character(&mut chars),
            ':' if chars.next_if_eq(&':').is_some() => found.push(Token::Colons),
            c if c == '_' || c.is_alphanumeric() => {
                let mut word = String::from(c);
                while let Some(c) = chars.next_if(|c| *c == '_' || c.is_alphanumeric()) {
                    word.push(c);
                }
                let is_raw = matches!(&*word, "r" | "br" | "cr");
                if !(is_raw && skip_raw_string(&mut chars)) {
                    found.push(Token::Word(word));
                }
            }
            c => found.push(Token::Mark(c)),
        }
    }
    found
}

/// Skips a block comment, which may contain others, starting at its second character.
fn skip_comment(chars: &mut Peekable<Chars>) {
    let mut depth = 0;
    let mut last = '/';
    for c in chars.by_ref() {
        match (last, c) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                last = c;
                continue;
            }
        }
        if depth == 0 {
            return;
        }
        last = ' ';
    }
}

/// Skips the rest of a string.
fn skip_string(chars: &mut Peekable<Chars>) {
    while let Some(c) = chars.next() {
        match c {
            '\\' => _ = chars.next(),
            '"' => return,
            _ => {}
        }
    }
}

/// Skips a raw string after its `r`. Returns false if no raw string follows.
fn skip_raw_string(chars: &mut Peekable<Chars>) -> bool {
    let hashes = chars.clone().take_while(|c| *c == '#').count();
    if chars.clone().nth(hashes) != Some('"') {
        return false;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let rest: String = chars.clone().skip(hashes + 1).collect();
    let inside = rest.find(&end).map_or(rest.len(), |at| at + end.len());
    let characters = rest[..inside].chars().count() + hashes + 1;
    chars.by_ref().take(characters).for_each(drop);
    true
}

/// Skips a character literal, starting at its quote; skips only the quote of a lifetime or label.
fn skip_character(chars: &mut Peekable<Chars>) {
    let mut ahead = chars.clone();
    match (ahead.next(), ahead.next()) {
        (Some('\\'), _) => {
            chars.next();
            chars.next();
            chars.by_ref().find(|c| *c == '\'');
        }
        (Some(_), Some('\'')) => {
            chars.next();
            chars.next();
        }
        _ => {}
    }
}

/// Returns the tokens without test-only items, and the test-only modules that have a separate file.
pub(super) fn without_tests(tokens: &[Token]) -> (Vec<Token>, Vec<String>) {
    let (mut remaining, mut modules) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        let end = attribute_end(tokens, at);
        if end.is_none_or(|end| !is_for_tests(&tokens[at..end])) {
            remaining.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let mut start = at;
        while let Some(end) = attribute_end(tokens, start) {
            start = end;
        }
        at = item_end(tokens, start);
        if let [.., before, Token::Word(name), last] = &tokens[start..at]
            && before.is("mod")
            && last.is_mark(';')
        {
            modules.push(name.clone());
        }
    }
    (remaining, modules)
}

/// Returns the index after the attribute that begins at `at`. `None` if no attribute begins there.
fn attribute_end(tokens: &[Token], at: usize) -> Option<usize> {
    let begins = tokens.get(at)?.is_mark('#') && tokens.get(at + 1)?.is_mark('[');
    begins.then(|| closing(tokens, at + 1) + 1)
}

/// True if an attribute is `cfg(test)`, alone or combined with others.
fn is_for_tests(attribute: &[Token]) -> bool {
    let has = |word: &str| attribute.iter().any(|token| token.is(word));
    attribute.get(2).is_some_and(|token| token.is("cfg")) && has("test") && !has("not")
}

/// Returns the index of the bracket that closes the bracket at `at`.
fn closing(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token {
            Token::Mark('(' | '[' | '{') => depth += 1,
            Token::Mark(')' | ']' | '}') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return index;
        }
    }
    tokens.len().saturating_sub(1)
}

/// Returns the index after an item, which ends with `;` or with the braces of its body.
fn item_end(tokens: &[Token], start: usize) -> usize {
    let before = tokens[start..].iter().take_while(|token| !token.is_mark('{') && !token.is_mark(';'));
    let is_use = before.take(5).any(|token| token.is("use"));
    let mut at = start;
    while let Some(token) = tokens.get(at) {
        match token {
            Token::Mark(';') => return at + 1,
            Token::Mark('{') if !is_use => return closing(tokens, at) + 1,
            Token::Mark('(' | '[' | '{') => at = closing(tokens, at),
            _ => {}
        }
        at += 1;
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(tokens: &[Token]) -> Vec<&str> {
        let mut found = Vec::new();
        for token in tokens {
            if let Token::Word(word) = token {
                found.push(word.as_str());
            }
        }
        found
    }

    #[test]
    fn comments_and_literals_contain_no_words() {
        let source = "a /* b /* c */ d */ // e\nf \"g \\\" h\" r#\"i \" j\"# 'k' '\\'' '\\u{6c}' &'m n br\"o\" p";
        assert_eq!(words(&tokens(source)), ["a", "f", "m", "n", "p"]);
    }

    #[test]
    fn test_only_items_are_left_out_with_their_attributes() {
        let source = "use a::b;\n#[cfg(test)]\nuse c::{d, e};\n#[cfg(test)]\n#[allow(x)]\npub(crate) mod f;\nfn g() {}\n\
                      #[cfg(all(test, unix))]\nmod h { use i; fn j() { k([l; 2]) } }\n#[cfg(unix)]\nfn m() -> [u8; 2] {}\n\
                      #[cfg(test)]\nfn n(o: [p; 2]) -> q { r; }\n#[cfg(not(test))]\nfn s() {}";
        let all = tokens(source);
        let (remaining, modules) = without_tests(&all);
        assert_eq!(
            words(&remaining),
            ["use", "a", "b", "fn", "g", "cfg", "unix", "fn", "m", "u8", "2", "cfg", "not", "test", "fn", "s"]
        );
        assert_eq!(modules, ["f"]);
    }
}
