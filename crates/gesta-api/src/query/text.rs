//! Parameters as text, both ways.

use std::{collections::BTreeMap, fmt::Display, str::FromStr};

use gesta_core::{Direction, Priority, limits};
use percent_encoding::percent_decode_str;

use crate::{Code, Problem};

/// What may stand behind the `?`: each parameter is named once, for both ways.
pub trait Query: Clone + Default {
    /// Hands every parameter to a pass, which reads it or writes it.
    #[doc(hidden)]
    fn pass(&mut self, pass: &mut Pass) -> Result<(), Problem>;

    /// Refuses what means nothing.
    #[doc(hidden)]
    fn check(&self) -> Result<(), Problem> {
        Ok(())
    }

    /// Reads a query. Fails on an unknown, repeated or illegal parameter, and on those that contradict each other.
    fn parse(query: &str) -> Result<Self, Problem> {
        let mut made = Self::default();
        read(query, |pass| made.pass(pass))?;
        made.check().map(|()| made)
    }

    /// Writes it, without the `?`.
    fn to_query(&self) -> String {
        let mut pass = Pass { pairs: Vec::new(), writes: true };
        self.clone().pass(&mut pass).expect("nothing is refused that is written");
        let pairs =
            pass.pairs.iter().map(|(key, text)| format!("{}={}", encode(key), encode(&text.concat())));
        pairs.collect::<Vec<_>>().join("&")
    }
}

/// One pass over all parameters: from a text into their fields, or out of them.
pub struct Pass {
    /// What is left to be read, or what was written. A text is in parts where it has commas that are not encoded.
    pairs: Vec<(String, Vec<String>)>,
    writes: bool,
}

/// Has the parameters of a query taken, and refuses what is left.
fn read(query: &str, take: impl FnOnce(&mut Pass) -> Result<(), Problem>) -> Result<(), Problem> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, text) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decode(key)?, text.split(',').map(decode).collect::<Result<_, _>>()?))
    });
    let mut pass = Pass { pairs: pairs.collect::<Result<_, Problem>>()?, writes: false };
    take(&mut pass)?;
    pass.pairs.first().map_or(Ok(()), |(key, _)| Err(unknown(key)))
}

/// The one parameter that there may be.
pub(crate) fn only<T: FromStr<Err: Display> + Display>(
    query: &str,
    name: &str,
) -> Result<Option<T>, Problem> {
    let mut value = None;
    read(query, |pass| pass.one(name, &mut value))?;
    Ok(value)
}

impl Pass {
    /// A parameter that may come once. Its commas are its own.
    pub(crate) fn one<T: FromStr<Err: Display> + Display>(
        &mut self,
        key: &str,
        field: &mut Option<T>,
    ) -> Result<(), Problem> {
        self.once(key, field, |text| text.parse().map_err(|error| illegal(key, error)), T::to_string)
    }

    /// A list that repeats its parameter or is separated by commas.
    pub(crate) fn each<T: FromStr<Err: Display> + Display>(
        &mut self,
        key: &str,
        field: &mut Vec<T>,
    ) -> Result<(), Problem> {
        if self.writes {
            self.pairs.extend(field.iter().map(|value| (key.to_owned(), vec![value.to_string()])));
            return Ok(());
        }
        let parse = |part: String| part.parse().map_err(|error| illegal(key, error));
        let parts = self.taken(|given| given == key).into_iter().flat_map(|(_, parts)| parts);
        *field = parts.map(parse).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// What stands under keys that begin like this, by the rest of the key.
    pub(crate) fn under(
        &mut self,
        prefix: &str,
        field: &mut BTreeMap<String, String>,
    ) -> Result<(), Problem> {
        if self.writes {
            let pair = |(name, text): (&String, &String)| (format!("{prefix}{name}"), vec![text.clone()]);
            self.pairs.extend(field.iter().map(pair));
            return Ok(());
        }
        for (key, parts) in self.taken(|key| key.starts_with(prefix) && key != prefix) {
            if field.insert(key[prefix.len()..].to_owned(), parts.join(",")).is_some() {
                return Err(illegal(&key, "it comes twice"));
            }
        }
        Ok(())
    }

    pub(crate) fn limit(&mut self, field: &mut Option<usize>) -> Result<(), Problem> {
        self.one("limit", field)?;
        match field {
            Some(limit) if !self.writes && !(1..=limits::PAGE_EVENTS).contains(limit) => {
                let most = limits::PAGE_EVENTS;
                Err(illegal("limit", format!("ask for 1 to {most}, then for the next page")))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn direction(&mut self, field: &mut Option<Direction>) -> Result<(), Problem> {
        const WORDS: [(&str, Direction); 2] =
            [("forwards", Direction::Forwards), ("backwards", Direction::Backwards)];
        let read = |text: &str| {
            let found = WORDS.into_iter().find(|(word, _)| *word == text).map(|(_, direction)| direction);
            found.ok_or_else(|| illegal("direction", "write forwards or backwards"))
        };
        let word = |is: &Direction| WORDS[usize::from(*is == Direction::Backwards)].0.to_owned();
        self.once("direction", field, read, word)
    }

    pub(crate) fn priority(&mut self, key: &str, field: &mut Option<Priority>) -> Result<(), Problem> {
        let read = |text: &str| {
            let level = text.parse().ok().and_then(Priority::new);
            level.ok_or_else(|| illegal(key, "write 1 (highest) to 5 (lowest)"))
        };
        self.once(key, field, read, |level| level.get().to_string())
    }

    /// `true` or `false`; not written when it is not so.
    pub(crate) fn flag(&mut self, key: &str, field: &mut bool) -> Result<(), Problem> {
        let mut given = field.then_some(true);
        self.one(key, &mut given)?;
        *field = given.unwrap_or(false);
        Ok(())
    }

    fn once<T>(
        &mut self,
        key: &str,
        field: &mut Option<T>,
        read: impl Fn(&str) -> Result<T, Problem>,
        text: impl Fn(&T) -> String,
    ) -> Result<(), Problem> {
        if self.writes {
            self.pairs.extend(field.as_ref().map(|value| (key.to_owned(), vec![text(value)])));
            return Ok(());
        }
        match &self.taken(|given| given == key)[..] {
            [] => Ok(()),
            [(_, parts)] => read(&parts.join(",")).map(|value| *field = Some(value)),
            _ => Err(illegal(key, "it comes twice")),
        }
    }

    fn taken(&mut self, is: impl Fn(&str) -> bool) -> Vec<(String, Vec<String>)> {
        self.pairs.extract_if(.., |(key, _)| is(key)).collect()
    }
}

fn decode(text: &str) -> Result<String, Problem> {
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8();
    decoded.map(Into::into).map_err(|_| Problem::new(Code::MalformedRequest, "the query is not UTF-8"))
}

pub(crate) fn illegal(key: &str, why: impl Display) -> Problem {
    Problem::new(Code::MalformedRequest, format!("illegal query parameter {key:?}: {why}"))
}

fn unknown(key: &str) -> Problem {
    let key: String = key.chars().take(100).collect();
    Problem::new(Code::MalformedRequest, format!("unknown query parameter {key:?}: see /openapi.json"))
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
