//! The one way a body is read: well-formed first, then of the right shape.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::{Code, Problem};

/// Reads a body.
///
/// Refuses with `malformed_json` (400) what is not one JSON value, is nested deeper than 127 levels, holds a key
/// twice, a number beyond a double or half a surrogate pair, at any depth; with `invalid_field` (422) what is JSON
/// of another shape than asked for: an unknown, missing, mistyped or out-of-range field.
pub fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Problem> {
    check_json(body)?;
    serde_json::from_slice(body).map_err(|error| Problem::field(error.to_string()))
}

/// Refuses what is not one strictly well-formed JSON value, as [`parse`] does. Builds nothing.
pub fn check_json(text: &[u8]) -> Result<(), Problem> {
    match serde_json::from_slice::<Strict>(text) {
        Ok(Strict) => Ok(()),
        Err(error) => Err(Problem::new(
            Code::MalformedJson,
            format!("{error}: send one JSON value (RFC 8259), nested at most 127 deep, without a key twice"),
        )),
    }
}

/// Any JSON value, walked and forgotten. Unlike serde's `IgnoredAny` it decodes texts and numbers, is bounded in
/// depth by the parser, and knows a key it has seen.
struct Strict;

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walk)
    }
}

struct Walk;

impl<'de> Visitor<'de> for Walk {
    type Value = Strict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_str<E>(self, _: &str) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_unit<E>(self) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Strict, A::Error> {
        while items.next_element::<Strict>()?.is_some() {}
        Ok(Strict)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Strict, A::Error> {
        let mut keys: Vec<Cow<'de, str>> = Vec::new();
        while let Some(Key(key)) = entries.next_key()? {
            entries.next_value::<Strict>()?;
            keys.push(key);
        }
        // Sorting once keeps a hostile object of many keys at n log n.
        keys.sort_unstable();
        match keys.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(A::Error::custom(format!("key {:?} comes twice", cut(&pair[0])))),
            None => Ok(Strict),
        }
    }
}

/// At most 100 characters of a caller's text, for an error.
fn cut(text: &str) -> String {
    text.chars().take(100).collect()
}

/// A key, borrowed from the body unless it holds escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// Whether stored bytes may be written into a reply as they are. Cheaper than [`check_json`]: what is stored was
/// checked when it came in, or was put there by a program of the operator's own.
pub(crate) fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_what_two_readers_could_read_differently() {
        let deep = "[".repeat(128) + &"]".repeat(128);
        for bad in [
            "",
            "{",
            "{}x",
            "[1,]",
            "NaN",
            "-Infinity",
            "1e400",
            "01",
            "\"\\ud800\"",
            "\u{feff}{}",
            "\"a\nb\"",
            r#"{"a":1,"a":1}"#,
            r#"[{"x":{"a":1,"\u0061":2}}]"#,
            &deep,
        ] {
            assert_eq!(
                check_json(bad.as_bytes()).map_err(|p| p.code()),
                Err(Some(Code::MalformedJson)),
                "{bad}"
            );
        }
    }

    #[test]
    fn takes_what_is_merely_unusual() {
        let deep = "[".repeat(127) + &"]".repeat(127);
        for good in ["null", " {} ", "1e308", "\"\\u0000\\ud83d\\ude00\"", r#"{"a":{"a":1}}"#, &deep] {
            assert_eq!(check_json(good.as_bytes()), Ok(()), "{good}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            let _ = check_json(&bytes);
        }

        #[test]
        fn takes_nothing_that_serde_json_refuses(text in r#"[\[\]{}:,"a1.e\\ -]{0,24}"#) {
            let lax = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            prop_assert!(lax || check_json(text.as_bytes()).is_err());
        }
    }
}
