//! The place of an event in its stream, and what a writer expects of it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::StreamId;

/// The place of an event in its stream, from 1; a stream's version is the number of its events, 0 when empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
#[doc(alias = "revision")]
#[doc(alias = "event number")]
pub struct Version(u64);

impl Version {
    /// The version of an empty stream.
    pub const EMPTY: Self = Self(0);

    /// A version by its number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The version of the next event.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a writer expects of a stream before its events are appended.
///
/// As text and in JSON: `any`, `no_stream`, `exists`, or the version as a number. `Exact(0)` equals `NoStream`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[doc(alias = "precondition")]
pub enum ExpectedVersion {
    /// Nothing.
    #[default]
    Any,
    /// The stream has no event.
    NoStream,
    /// The stream has at least one event.
    Exists,
    /// The stream has exactly this version.
    Exact(Version),
}

/// The stream is not at the expected version: read it again and decide again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stream {stream} is at version {actual}, expected {expected}: read it again and decide again")]
#[doc(alias = "concurrency exception")]
pub struct Conflict {
    /// The stream.
    pub stream: StreamId,
    /// What the writer expected.
    pub expected: ExpectedVersion,
    /// What the stream's version is.
    pub actual: Version,
}

impl ExpectedVersion {
    /// Whether a stream at `actual` is as expected.
    pub fn accepts(self, actual: Version) -> bool {
        match self {
            Self::Any => true,
            Self::NoStream => actual == Version::EMPTY,
            Self::Exists => actual != Version::EMPTY,
            Self::Exact(version) => actual == version,
        }
    }

    /// Refuses a stream that is not as expected.
    pub fn check(self, stream: &StreamId, actual: Version) -> Result<(), Conflict> {
        if self.accepts(actual) {
            return Ok(());
        }
        Err(Conflict { stream: stream.clone(), expected: self, actual })
    }
}

impl fmt::Display for ExpectedVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::NoStream => f.write_str("no_stream"),
            Self::Exists => f.write_str("exists"),
            Self::Exact(version) => version.fmt(f),
        }
    }
}

impl FromStr for ExpectedVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "any" => Ok(Self::Any),
            "no_stream" => Ok(Self::NoStream),
            "exists" => Ok(Self::Exists),
            number => number.parse().map(|n| Self::Exact(Version(n))).map_err(|_| {
                format!("illegal expected version {text:?}: use any, no_stream, exists or a version number")
            }),
        }
    }
}

impl Serialize for ExpectedVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Exact(version) => version.serialize(serializer),
            other => serializer.collect_str(other),
        }
    }
}

impl<'de> Deserialize<'de> for ExpectedVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = ExpectedVersion;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any, no_stream, exists or a version number")
            }
            fn visit_u64<E>(self, number: u64) -> Result<ExpectedVersion, E> {
                Ok(ExpectedVersion::Exact(Version(number)))
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ExpectedVersion, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expectation_round_trips_as_json() {
        for (expected, json) in [
            (ExpectedVersion::Any, "\"any\""),
            (ExpectedVersion::NoStream, "\"no_stream\""),
            (ExpectedVersion::Exists, "\"exists\""),
            (ExpectedVersion::Exact(Version::new(7)), "7"),
        ] {
            assert_eq!(serde_json::to_string(&expected).expect("serializes"), json);
            assert_eq!(serde_json::from_str::<ExpectedVersion>(json).expect("parses"), expected);
        }
    }

    #[test]
    fn exact_zero_equals_no_stream() {
        for actual in [0, 1, 7].map(Version::new) {
            assert_eq!(
                ExpectedVersion::Exact(Version::EMPTY).accepts(actual),
                ExpectedVersion::NoStream.accepts(actual)
            );
        }
    }
}
