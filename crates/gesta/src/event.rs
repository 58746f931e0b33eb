//! Facts as Rust types: names, schema versions and the way to bytes and back.
//!
//! Stores are untyped; types begin here. An aggregate's events are one enum, a variant for each kind of fact, and
//! [`derive@Event`] writes the rest:
//!
//! ```
//! use gesta::Event;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
//! struct OrderConfirmed {
//!     confirmed_at: String,
//! }
//!
//! #[derive(Debug, Clone, PartialEq, Event)]
//! enum OrderEvent {
//!     #[event(name = "OrderConfirmed", aliases("order.confirmed"))]
//!     Confirmed(OrderConfirmed),
//! }
//!
//! let kind = OrderEvent::find("order.confirmed").expect("any spelling finds the kind");
//! assert_eq!((kind.name, kind.schema_version), ("OrderConfirmed", 1));
//! let event = OrderEvent::decode(kind, br#"{"confirmed_at":"2026-01-31T08:30:00Z"}"#)?;
//! assert_eq!(event.encode()?, br#"{"confirmed_at":"2026-01-31T08:30:00Z"}"#);
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! A variant without a name does not compile, and neither do two with one spelling, nor a name with `*`, which stands for
//! any text where events are chosen:
//!
//! ```compile_fail
//! # use gesta::Event;
//! #[derive(Clone, Event)]
//! enum Unnamed { Confirmed(u32) }
//! ```
//! ```compile_fail
//! # use gesta::Event;
//! #[derive(Clone, Event)]
//! enum Twice { #[event(name = "a")] A(u32), #[event(name = "b", aliases("a"))] B(u32) }
//! ```
//! ```compile_fail
//! # use gesta::Event;
//! #[derive(Clone, Event)]
//! enum Starred { #[event(name = "order.*")] Any(u32) }
//! ```

use gesta_core::Pattern;
pub use gesta_derive::Event;

mod kinds;
pub(crate) use kinds::distinct;
pub use kinds::{Kinds, SharedSpelling};

/// One kind of fact: how it is called and which shape its data has today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[doc(alias = "event type")]
pub struct EventKind {
    /// The name that new facts are stored under.
    pub name: &'static str,
    /// The shape that new facts have, from 1.
    pub schema_version: u32,
    /// Other spellings under which facts of this kind were stored.
    pub aliases: &'static [&'static str],
}

impl EventKind {
    /// The name and every alias.
    pub fn spellings(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// Whether this is one of its spellings, to the letter.
    pub fn is_called(&self, spelling: &str) -> bool {
        self.name == spelling || self.aliases.contains(&spelling)
    }
}

/// The facts of one thing as a Rust type, usually an enum with `#[derive(Event)]`.
///
/// Encoding a fact and decoding it again must give an equal fact; [`scenario`](crate::scenario) checks that on every
/// event it sees.
pub trait Event: Sized + Clone + Send + Sync + 'static {
    /// Every kind there is; no two share a spelling.
    const KINDS: &'static [EventKind];

    /// The kind of this fact: one of [`Event::KINDS`].
    fn kind(&self) -> &'static EventKind;

    /// The fields as JSON, without a tag: the name is stored beside them. Fails when serde does, as for a map whose
    /// keys are no text.
    fn encode(&self) -> Result<Vec<u8>, serde_json::Error>;

    /// Reads the fields of a fact of this kind, in its present shape. Fails when serde does.
    fn decode(kind: &'static EventKind, data: &[u8]) -> Result<Self, serde_json::Error>;

    /// The kind of this spelling.
    fn find(spelling: &str) -> Option<&'static EventKind> {
        Self::KINDS.iter().find(|kind| kind.is_called(spelling))
    }

    /// Every spelling of every kind, for a filter that wants all of these facts.
    fn types() -> Vec<Pattern> {
        Self::KINDS.iter().flat_map(EventKind::spellings).map(Pattern::from).collect()
    }

    /// Every spelling of the kinds with these names, for a filter that wants some of these facts.
    fn types_of(names: &[&str]) -> Vec<Pattern> {
        let wanted = Self::KINDS.iter().filter(|kind| names.iter().any(|name| kind.is_called(name)));
        wanted.flat_map(EventKind::spellings).map(Pattern::from).collect()
    }
}

/// What the derived code calls.
#[doc(hidden)]
pub mod derived {
    pub use serde_json::Error;

    use super::EventKind;

    pub fn encode<T: serde::Serialize>(fact: &T) -> Result<Vec<u8>, Error> {
        serde_json::to_vec(fact)
    }

    pub fn decode<T: serde::de::DeserializeOwned>(data: &[u8]) -> Result<T, Error> {
        serde_json::from_slice(data)
    }

    pub fn no_such_kind(kind: &EventKind) -> Error {
        <Error as serde::de::Error>::custom(format!("{} is a kind of other events", kind.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate as gesta;

    #[derive(Debug, Clone, PartialEq, gesta::Event)]
    enum Thing {
        #[event(name = "ThingMade", schema_version = 2, aliases("thing.made", "THING_MADE"))]
        Made(u32),
        #[event(name = "ThingLost")]
        Lost(()),
    }

    #[test]
    fn every_spelling_finds_the_kind() {
        for spelling in ["ThingMade", "thing.made", "THING_MADE"] {
            assert_eq!(Thing::find(spelling), Some(Thing::Made(1).kind()));
        }
        assert_eq!(Thing::find("thingmade"), None, "to the letter");
    }

    #[test]
    fn a_fact_survives_the_way_to_bytes_and_back() {
        for fact in [Thing::Made(7), Thing::Lost(())] {
            let data = fact.encode().expect("encodes");
            assert_eq!(Thing::decode(fact.kind(), &data).expect("decodes"), fact);
        }
    }

    #[test]
    fn a_kind_of_other_events_is_refused() {
        static OTHER: EventKind = EventKind { name: "Other", schema_version: 1, aliases: &[] };
        let said = Thing::decode(&OTHER, b"1").expect_err("refused").to_string();
        assert_eq!(said, "Other is a kind of other events");
    }

    #[test]
    fn the_types_of_a_filter_name_every_spelling() {
        let texts = |types: Vec<Pattern>| types.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(texts(Thing::types()), ["ThingMade", "thing.made", "THING_MADE", "ThingLost"]);
        assert_eq!(texts(Thing::types_of(&["ThingLost"])), ["ThingLost"]);
    }
}
