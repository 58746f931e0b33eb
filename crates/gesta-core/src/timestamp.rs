//! Points in time: microseconds, UTC.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time in microseconds since 1970-01-01 UTC; written as RFC 3339 with six decimals and `Z`.
///
/// Never used to order events.
///
/// ```
/// use gesta_core::Timestamp;
/// let t: Timestamp = "2014-10-22T13:15:41+02:00".parse()?;
/// assert_eq!(t.to_string(), "2014-10-22T11:15:41.000000Z");
/// # Ok::<(), gesta_core::InvalidTimestamp>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

/// The text is no RFC 3339 time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("illegal time {given:?}: write RFC 3339 with an offset, as 2026-01-31T08:30:00Z")]
pub struct InvalidTimestamp {
    /// What was given.
    pub given: String,
}

/// 0001-01-01 and 9999-12-31, the years that RFC 3339 can write.
const BOUNDS: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_207_200_000_000;

impl Timestamp {
    /// From microseconds since 1970-01-01 UTC; times outside the years 1 to 9999 are moved to the nearest bound.
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(*BOUNDS.start(), *BOUNDS.end()))
    }

    /// Microseconds since 1970-01-01 UTC.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The time `later` afterwards.
    pub fn plus(self, later: Duration) -> Self {
        Self::from_micros(self.0.saturating_add(i64::try_from(later.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time =
            jiff::Timestamp::from_microsecond(self.0).expect("a timestamp is within the years 1 to 9999");
        write!(f, "{time:.6}")
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        text.parse::<jiff::Timestamp>()
            .map(|time| Self::from_micros(time.as_microsecond()))
            .map_err(|_| InvalidTimestamp { given: text.chars().take(64).collect() })
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_time_round_trips_as_text(micros: i64) {
            let time = Timestamp::from_micros(micros);
            prop_assert_eq!(time.to_string().parse::<Timestamp>(), Ok(time));
        }
    }
}
