//! Texts with columns in them, such as `case-{case_id}`.

use std::{fmt, str::FromStr};

/// A text with `{column}` in it; `{{` and `}}` stand for the braces themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Column(String),
}

impl Template {
    /// The columns it names.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Column(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// Fills the columns in; the error names a column that has no value here.
    pub(crate) fn fill<'a>(
        &'a self,
        value: impl Fn(&'a str) -> Option<&'a str>,
    ) -> Result<String, MissingValue> {
        let mut filled = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Column(name) => filled.push_str(
                    value(name).filter(|text| !text.is_empty()).ok_or_else(|| MissingValue(name.clone()))?,
                ),
            }
        }
        Ok(filled)
    }
}

/// A column of a template has no value in this row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {0:?} has no value, and a template needs it")]
pub(crate) struct MissingValue(pub(crate) String);

impl FromStr for Template {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        let wrong = |what: &str| {
            format!("template {given:?} has {what}: write columns as {{name}}, and {{{{ for a brace itself")
        };
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = given.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '{' | '}' if rest.peek() == Some(&c) => {
                    rest.next();
                    text.push(c);
                }
                '}' => return Err(wrong("a closing brace without an opening one")),
                '{' => {
                    let (name, closed) = column_name(&mut rest);
                    if name.is_empty() || !closed {
                        return Err(wrong("an opening brace without a name and a closing one"));
                    }
                    if !text.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut text)));
                    }
                    parts.push(Part::Column(name));
                }
                other => text.push(other),
            }
        }
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        if parts.is_empty() { Err("a template cannot be empty".to_owned()) } else { Ok(Self(parts)) }
    }
}

/// Takes a name up to its closing brace, and says whether there was one.
fn column_name(rest: &mut impl Iterator<Item = char>) -> (String, bool) {
    let mut name = String::new();
    for c in rest {
        if c == '}' {
            return (name, true);
        }
        name.push(c);
    }
    (name, false)
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}")),
            Part::Column(name) => write!(f, "{{{name}}}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fill(template: &str) -> Result<String, MissingValue> {
        let template: Template = template.parse().expect("a template");
        template.fill(|name| match name {
            "case_id" => Some("A7"),
            "empty" => Some(""),
            _ => None,
        })
    }

    #[test]
    fn columns_are_filled_in_and_braces_can_be_written() {
        assert_eq!(fill("case-{case_id}").as_deref(), Ok("case-A7"));
        assert_eq!(fill("{{x}}{case_id}").as_deref(), Ok("{x}A7"));
    }

    #[test]
    fn a_column_without_a_value_is_named() {
        assert_eq!(fill("case-{empty}"), Err(MissingValue("empty".into())));
        assert_eq!(fill("case-{nowhere}"), Err(MissingValue("nowhere".into())));
    }

    #[test]
    fn refuses_braces_that_do_not_pair() {
        for bad in ["", "{", "}", "{}", "a{b", "a}b", "{{}", "{a} {a"] {
            assert!(bad.parse::<Template>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_template_that_is_shown_reads_back(text in "[a-z{}]{0,12}") {
            if let Ok(template) = text.parse::<Template>() {
                prop_assert_eq!(template.to_string().parse(), Ok(template));
            }
        }
    }
}
