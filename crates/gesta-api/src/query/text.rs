//! Parameters as text, both ways.

use std::{fmt::Display, str::FromStr};

use gesta_core::{Direction, Priority, limits};
use percent_encoding::percent_decode_str;

use crate::{Code, Problem};

/// Hands each parameter over, decoded, until one is refused. Commas are separators only where they are not encoded, so
/// any text can be written.
pub(crate) fn each_pair(
    query: &str,
    mut take: impl FnMut(&str, Vec<String>) -> Result<(), Problem>,
) -> Result<(), Problem> {
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, text) = pair.split_once('=').unwrap_or((pair, ""));
        let parts = text.split(',').map(decode).collect::<Result<_, _>>()?;
        take(&decode(key)?, parts)?;
    }
    Ok(())
}

/// The one parameter that there may be.
pub(crate) fn only<T: FromStr<Err: Display>>(query: &str, name: &str) -> Result<Option<T>, Problem> {
    let mut value = None;
    each_pair(
        query,
        |key, parts| {
            if key == name { once(&mut value, key, &parts) } else { Err(unknown(key)) }
        },
    )?;
    Ok(value)
}

fn decode(text: &str) -> Result<String, Problem> {
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8();
    decoded.map(Into::into).map_err(|_| Problem::new(Code::MalformedRequest, "the query is not UTF-8"))
}

pub(crate) fn illegal(key: &str, why: impl Display) -> Problem {
    Problem::new(Code::MalformedRequest, format!("illegal query parameter {key:?}: {why}"))
}

pub(crate) fn unknown(key: &str) -> Problem {
    let key: String = key.chars().take(100).collect();
    Problem::new(Code::MalformedRequest, format!("unknown query parameter {key:?}: see /openapi.json"))
}

/// Reads a parameter that may come once. Its commas are its own.
pub(crate) fn once<T: FromStr<Err: Display>>(
    field: &mut Option<T>,
    key: &str,
    parts: &[String],
) -> Result<(), Problem> {
    if field.is_some() {
        return Err(illegal(key, "it comes twice"));
    }
    *field = Some(parts.join(",").parse().map_err(|error| illegal(key, error))?);
    Ok(())
}

pub(crate) fn each<T: FromStr<Err: Display>>(key: &str, parts: &[String]) -> Result<Vec<T>, Problem> {
    parts.iter().map(|part| part.parse().map_err(|error| illegal(key, error))).collect()
}

pub(crate) fn limit(field: &mut Option<usize>, parts: &[String]) -> Result<(), Problem> {
    once(field, "limit", parts)?;
    if field.is_some_and(|limit| (1..=limits::PAGE_EVENTS).contains(&limit)) {
        return Ok(());
    }
    Err(illegal("limit", format!("ask for 1 to {}, then for the next page", limits::PAGE_EVENTS)))
}

pub(crate) fn direction(field: &mut Option<Direction>, parts: &[String]) -> Result<(), Problem> {
    match parts {
        [one] if one == "forwards" => *field = Some(Direction::Forwards),
        [one] if one == "backwards" => *field = Some(Direction::Backwards),
        _ => return Err(illegal("direction", "write forwards or backwards")),
    }
    Ok(())
}

pub(crate) fn direction_text(direction: Direction) -> &'static str {
    match direction {
        Direction::Forwards => "forwards",
        Direction::Backwards => "backwards",
    }
}

pub(crate) fn priority(key: &str, parts: &[String]) -> Result<Priority, Problem> {
    let level = parts.first().and_then(|text| text.parse().ok()).and_then(Priority::new);
    level.ok_or_else(|| illegal(key, "write 1 (highest) to 5 (lowest)"))
}

/// Writes parameters with everything encoded that is not plain.
#[derive(Default)]
pub(crate) struct Writer(pub(crate) String);

impl Writer {
    pub(crate) fn one(&mut self, key: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            let separator = if self.0.is_empty() { "" } else { "&" };
            let (key, value) = (encode(key), encode(&value.to_string()));
            self.0.push_str(&format!("{separator}{key}={value}"));
        }
    }

    pub(crate) fn each(&mut self, key: &str, values: &[impl Display]) {
        values.iter().for_each(|value| self.one(key, Some(value)));
    }
}

/// Percent-encodes everything but letters, digits and `- . _ ~ * $ : @`.
fn encode(text: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~')
        .remove(b'*')
        .remove(b'$')
        .remove(b':')
        .remove(b'@');
    utf8_percent_encode(text, PLAIN).to_string()
}
