//! Takes a statement apart as PostgreSQL's scanner does.

use std::{iter::Peekable, str::CharIndices};

/// A piece of a statement.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A keyword or a name without quotes, in lower case.
    Word(String),
    /// A name in quotes, as it stands.
    Quoted(String),
    /// `$1` is 1.
    Placeholder(usize),
    /// Any other character.
    Symbol(char),
    /// Something that does not end, or a spelling that hides what is meant.
    Odd,
}

/// The pieces of a statement; texts and comments are left out.
pub(super) struct Tokens<'a> {
    text: &'a str,
    rest: Peekable<CharIndices<'a>>,
}

impl<'a> Tokens<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { text, rest: text.char_indices().peekable() }
    }

    fn next_is(&mut self, wanted: char) -> bool {
        self.rest.next_if(|(_, c)| *c == wanted).is_some()
    }

    fn take_while(&mut self, from: usize, is: impl Fn(char) -> bool) -> &'a str {
        while self.rest.next_if(|(_, c)| is(*c)).is_some() {}
        let to = self.rest.peek().map_or(self.text.len(), |(at, _)| *at);
        &self.text[from..to]
    }

    /// Up to behind the quote that ends; a doubled one does not. `None` if there is no end.
    fn quoted(&mut self, quote: char, escapes: bool) -> Option<String> {
        let mut inside = String::new();
        loop {
            let (_, c) = self.rest.next()?;
            if c == '\\' && escapes {
                inside.push(self.rest.next()?.1);
            } else if c == quote {
                if !self.next_is(quote) {
                    return Some(inside);
                }
                inside.push(quote);
            } else {
                inside.push(c);
            }
        }
    }

    /// Behind a comment that may hold others; `None` if it has no end.
    fn comment(&mut self) -> Option<()> {
        let mut depth = 1;
        while depth > 0 {
            let (_, c) = self.rest.next()?;
            if c == '*' && self.next_is('/') {
                depth -= 1;
            } else if c == '/' && self.next_is('*') {
                depth += 1;
            }
        }
        Some(())
    }

    /// `$1`, or a text between two `$tag$`.
    fn dollar(&mut self, at: usize) -> Option<Token> {
        let digits = self.take_while(at + 1, |c| c.is_ascii_digit());
        if !digits.is_empty() {
            return Some(digits.parse().map_or(Token::Odd, Token::Placeholder));
        }
        let tag = self.take_while(at + 1, is_inner);
        if !self.next_is('$') {
            return Some(Token::Odd);
        }
        let mark = format!("${tag}$");
        let from = at + mark.len();
        let Some(length) = self.text[from..].find(&mark) else { return Some(Token::Odd) };
        let behind = from + length + mark.len();
        while self.rest.next_if(|(at, _)| *at < behind).is_some() {}
        None
    }

    /// A name, or what a letter before a quote makes of the text behind it.
    fn word(&mut self, at: usize) -> Option<Token> {
        let word = self.take_while(at, |c| is_inner(c) || c == '$').to_lowercase();
        let next = self.rest.peek().map(|(_, c)| *c);
        match (word.as_str(), next) {
            ("u", Some('&')) => Some(Token::Odd),
            ("e", Some('\'')) => {
                self.rest.next();
                self.quoted('\'', true).is_none().then_some(Token::Odd)
            }
            _ => Some(Token::Word(word)),
        }
    }
}

/// Whether it may stand inside of a name.
fn is_inner(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii()
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            let (at, c) = self.rest.next()?;
            let found = match c {
                c if c.is_ascii_whitespace() => None,
                '-' if self.next_is('-') => {
                    self.take_while(at, |c| c != '\n' && c != '\r');
                    None
                }
                '/' if self.next_is('*') => self.comment().is_none().then_some(Token::Odd),
                '\'' => self.quoted('\'', false).is_none().then_some(Token::Odd),
                '"' => Some(self.quoted('"', false).map_or(Token::Odd, Token::Quoted)),
                '$' => self.dollar(at),
                c if is_inner(c) && !c.is_ascii_digit() => self.word(at),
                // A number may end in letters; what stands there is no name.
                c if c.is_ascii_digit() => {
                    self.take_while(at, |c| c.is_ascii_digit() || c == '.');
                    None
                }
                c => Some(Token::Symbol(c)),
            };
            if found.is_some() {
                return found;
            }
        }
    }
}
