//! What is known about an event beside its data.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, MapAccess},
    ser::SerializeMap,
};
use serde_json::value::RawValue;

use crate::Timestamp;

/// How urgent an event is: 1 is highest, 5 lowest, 3 the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Priority(u8);

impl Priority {
    /// The highest.
    pub const HIGHEST: Self = Self(1);
    /// The lowest.
    pub const LOWEST: Self = Self(5);

    /// A priority of 1 to 5; `None` outside.
    pub const fn new(level: u8) -> Option<Self> {
        if 1 <= level && level <= 5 { Some(Self(level)) } else { None }
    }

    /// The level, 1 to 5.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self(3)
    }
}

impl<'de> Deserialize<'de> for Priority {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let level = u64::deserialize(deserializer)?;
        u8::try_from(level)
            .ok()
            .and_then(Self::new)
            .ok_or_else(|| D::Error::custom(format!("priority {level} is outside 1 (highest) to 5 (lowest)")))
    }
}

/// What is known about an event beside its data: nine reserved keys and whatever the caller adds.
///
/// As JSON it is one object: the reserved keys that are set, in the order below, then the others by name. An
/// explicit `null` of a reserved key equals its absence; a key that comes twice is refused.
///
/// ```
/// use gesta_core::Metadata;
/// let given = r#"{"site":"north","source":"sample-service","priority":1}"#;
/// let metadata: Metadata = serde_json::from_str(given)?;
/// assert_eq!(metadata.source.as_deref(), Some("sample-service"));
/// assert_eq!(serde_json::to_string(&metadata)?, r#"{"source":"sample-service","priority":1,"site":"north"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Metadata {
    /// The conversation the event belongs to; the event's own id when the caller gives none.
    pub correlation_id: Option<String>,
    /// The id of the command or event that led to this one.
    pub causation_id: Option<String>,
    /// Who acted.
    pub user_id: Option<String>,
    /// The program that made the event.
    pub source: Option<String>,
    /// What or whom the event is about.
    pub subject: Option<String>,
    /// How urgent it is; 3 when absent.
    pub priority: Option<Priority>,
    /// When it happened, if that is not when it was recorded.
    pub occurred_at: Option<Timestamp>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// W3C trace state.
    pub tracestate: Option<String>,
    /// The caller's own keys, each a JSON value exactly as given.
    pub other: BTreeMap<String, Box<RawValue>>,
}

/// Bytes that are no metadata.
#[derive(Debug, thiserror::Error)]
#[error("illegal metadata: {source}; write a JSON object whose reserved keys have their types")]
pub struct InvalidMetadata {
    /// What the parser said.
    #[from]
    source: serde_json::Error,
}

impl Metadata {
    /// Reads a JSON object.
    pub fn from_json(json: &[u8]) -> Result<Self, InvalidMetadata> {
        Ok(serde_json::from_slice(json)?)
    }

    /// Writes the canonical JSON object.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("metadata always serializes")
    }

    /// Appends the canonical JSON object to `out`.
    pub(crate) fn write_json(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(out, self).expect("metadata always serializes, and memory takes all of it");
    }

    /// At least as many bytes as the canonical JSON object has, found without making it.
    pub(crate) fn json_bytes_at_most(&self) -> usize {
        // The longest escape of one byte takes six; the keys, their quotes and the two short values less than this.
        let reserved = [
            &self.correlation_id,
            &self.causation_id,
            &self.user_id,
            &self.source,
            &self.subject,
            &self.traceparent,
            &self.tracestate,
        ];
        let given: usize = reserved.into_iter().flatten().map(|text| text.len() * 6).sum();
        let other: usize = self.other.iter().map(|(key, raw)| key.len() * 6 + raw.get().len() + 4).sum();
        256 + given + other
    }

    /// The priority, 3 if none is set.
    pub fn priority(&self) -> Priority {
        self.priority.unwrap_or_default()
    }

    /// Adds a text under a key of the caller's own.
    pub fn with(mut self, key: impl Into<String>, text: &str) -> Self {
        let raw = serde_json::value::to_raw_value(text).expect("text always serializes");
        self.other.insert(key.into(), raw);
        self
    }

    /// The value of any key as text: a JSON string's content, or another value's JSON.
    pub fn text(&self, key: &str) -> Option<String> {
        match key {
            "correlation_id" => self.correlation_id.clone(),
            "causation_id" => self.causation_id.clone(),
            "user_id" => self.user_id.clone(),
            "source" => self.source.clone(),
            "subject" => self.subject.clone(),
            "priority" => self.priority.map(|p| p.get().to_string()),
            "occurred_at" => self.occurred_at.map(|t| t.to_string()),
            "traceparent" => self.traceparent.clone(),
            "tracestate" => self.tracestate.clone(),
            other => self.other.get(other).map(|raw| {
                serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().to_owned())
            }),
        }
    }

    /// Whether both say the same, the trace context apart: a retry may carry another one.
    pub fn same_content(&self, other: &Self) -> bool {
        let bare = |m: &Self| Self { traceparent: None, tracestate: None, ..m.clone() }.to_json();
        bare(self) == bare(other)
    }
}

impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        self.to_json() == other.to_json()
    }
}

impl fmt::Debug for Metadata {
    /// Names the keys only: values may be personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata").field("correlation_id", &self.correlation_id).finish_non_exhaustive()
    }
}

impl Serialize for Metadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fn put<M: SerializeMap, T: Serialize>(
            map: &mut M,
            key: &str,
            value: Option<&T>,
        ) -> Result<(), M::Error> {
            value.map_or(Ok(()), |value| map.serialize_entry(key, value))
        }
        let mut map = serializer.serialize_map(None)?;
        put(&mut map, "correlation_id", self.correlation_id.as_ref())?;
        put(&mut map, "causation_id", self.causation_id.as_ref())?;
        put(&mut map, "user_id", self.user_id.as_ref())?;
        put(&mut map, "source", self.source.as_ref())?;
        put(&mut map, "subject", self.subject.as_ref())?;
        put(&mut map, "priority", self.priority.as_ref())?;
        put(&mut map, "occurred_at", self.occurred_at.as_ref())?;
        put(&mut map, "traceparent", self.traceparent.as_ref())?;
        put(&mut map, "tracestate", self.tracestate.as_ref())?;
        for (key, value) in &self.other {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Visitor)
    }
}

struct Visitor;

impl<'de> serde::de::Visitor<'de> for Visitor {
    type Value = Metadata;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of metadata")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
        let mut made = Metadata::default();
        let mut seen = 0u16;
        while let Some(key) = map.next_key::<String>()? {
            let bit = match key.as_str() {
                "correlation_id" => read(&mut made.correlation_id, &mut map, 0)?,
                "causation_id" => read(&mut made.causation_id, &mut map, 1)?,
                "user_id" => read(&mut made.user_id, &mut map, 2)?,
                "source" => read(&mut made.source, &mut map, 3)?,
                "subject" => read(&mut made.subject, &mut map, 4)?,
                "priority" => read(&mut made.priority, &mut map, 5)?,
                "occurred_at" => read(&mut made.occurred_at, &mut map, 6)?,
                "traceparent" => read(&mut made.traceparent, &mut map, 7)?,
                "tracestate" => read(&mut made.tracestate, &mut map, 8)?,
                _ => {
                    if made.other.contains_key(&key) {
                        return Err(A::Error::custom(format!("key {key:?} comes twice")));
                    }
                    made.other.insert(key, map.next_value()?);
                    continue;
                }
            };
            if seen & bit != 0 {
                return Err(A::Error::custom(format!("key {key:?} comes twice")));
            }
            seen |= bit;
        }
        Ok(made)
    }
}

/// Reads one reserved value and answers with its bit, so that a second one is noticed.
fn read<'de, A: MapAccess<'de>, T: Deserialize<'de>>(
    field: &mut Option<T>,
    map: &mut A,
    bit: u16,
) -> Result<u16, A::Error> {
    *field = map.next_value()?;
    Ok(1 << bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_callers_values_to_the_letter() {
        let given = r#"{"big":123456789012345678901234567890,"nested":{"b":1,"a":[ 2 ]}}"#;
        let metadata = Metadata::from_json(given.as_bytes()).expect("parses");
        assert_eq!(metadata.to_json(), given.as_bytes());
    }

    #[test]
    fn refuses_a_key_that_comes_twice() {
        for twice in [r#"{"source":"a","source":null}"#, r#"{"x":1,"x":1}"#] {
            let error = Metadata::from_json(twice.as_bytes()).expect_err("twice");
            assert!(error.to_string().contains("comes twice"), "{error}");
        }
    }

    #[test]
    fn refuses_a_priority_out_of_range() {
        for level in ["0", "6", "300", "-1", "1.5", "\"1\""] {
            assert!(Metadata::from_json(format!(r#"{{"priority":{level}}}"#).as_bytes()).is_err(), "{level}");
        }
    }

    #[test]
    fn a_retry_with_another_trace_is_the_same_content() {
        let first = Metadata { traceparent: Some("00-a".into()), ..Metadata::default() };
        assert!(first.same_content(&Metadata::default()));
        assert!(!first.same_content(&Metadata { source: Some("x".into()), ..Metadata::default() }));
    }
}
