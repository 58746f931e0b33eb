//! Types with more than one spelling.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use crate::{EventType, Filter, Pattern};

mod store;

pub use store::AliasedStore;

/// Longest spelling of a type in bytes, as stores take them.
const LONGEST: usize = 256;

/// Which types have more than one spelling: `sample.created` and `SampleCreated` may be two names of one type.
///
/// An alias belongs to a type, not to an event: stored text never changes. Reading treats all spellings of a type as
/// one: whoever asks for any of them gets all, and a pattern with wildcards matches if it matches any. Cheap to clone.
///
/// ```
/// use gesta_core::{Aliases, Filter, Tenant};
/// let aliases = Aliases::of([("SampleCreated", ["sample.created"])])?;
/// assert_eq!(aliases.name_of("sample.created"), "SampleCreated");
///
/// let filter = aliases.expand(Filter::of(Tenant::default()).types(["Sample*"]));
/// assert!(filter.types.contains(&"sample.created".into()));
/// # Ok::<(), gesta_core::InvalidAliases>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[doc(alias = "synonym")]
pub struct Aliases(Arc<Known>);

/// By name all spellings of a type, its name first; by spelling the name of its type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Known {
    types: BTreeMap<EventType, Vec<EventType>>,
    names: HashMap<EventType, EventType>,
}

/// Spellings that cannot be told apart, or that no type can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidAliases {
    /// One spelling would stand for two types.
    #[error("{spelling:?} is a spelling of {first:?} and of {second:?}: give it to one of them")]
    Ambiguous {
        /// The spelling.
        spelling: String,
        /// One type.
        first: String,
        /// The other.
        second: String,
    },
    /// No type can be spelt like this.
    #[error("{spelling:?} is no spelling of a type: write 1 to 256 bytes without * and control characters")]
    Illegal {
        /// The spelling.
        spelling: String,
    },
}

impl Aliases {
    /// These types with their aliases. A type may be listed more than once; its aliases add up.
    ///
    /// Fails when a spelling would stand for two types, or cannot be one.
    pub fn of<N, A>(types: impl IntoIterator<Item = (N, A)>) -> Result<Self, InvalidAliases>
    where
        N: Into<EventType>,
        A: IntoIterator<Item: Into<EventType>>,
    {
        Self::default().and(types)
    }

    /// The same with more types, or more aliases of those it knows. Fails as [`Aliases::of`] does.
    pub fn and<N, A>(&self, types: impl IntoIterator<Item = (N, A)>) -> Result<Self, InvalidAliases>
    where
        N: Into<EventType>,
        A: IntoIterator<Item: Into<EventType>>,
    {
        let mut known = Known::clone(&self.0);
        for (name, aliases) in types {
            let name = name.into();
            known.add(&name, name.clone())?;
            for alias in aliases {
                known.add(&name, alias.into())?;
            }
        }
        Ok(Self(Arc::new(known)))
    }

    /// Whether no type has an alias.
    pub fn is_empty(&self) -> bool {
        self.0.types.is_empty()
    }

    /// Every known type by name, with its aliases.
    pub fn types(&self) -> impl Iterator<Item = (&EventType, &[EventType])> {
        self.0.types.iter().map(|(name, spellings)| (name, &spellings[1..]))
    }

    /// The name of the type that is spelt like this; the text itself when no type is known by it.
    #[doc(alias = "canonical")]
    pub fn name_of<'a>(&'a self, spelling: &'a str) -> &'a str {
        self.0.names.get(spelling).map_or(spelling, |name| name)
    }

    /// All spellings of the type that is spelt like this, its name first; empty when no type is known by it.
    pub fn spellings(&self, spelling: &str) -> &[EventType] {
        let name = self.0.names.get(spelling);
        name.and_then(|name| self.0.types.get(name)).map_or(&[], Vec::as_slice)
    }

    /// A filter that accepts an event exactly if `filter` accepts it under some spelling of its type.
    ///
    /// Nothing but the types changes, and those only when they name or match a known type; doing it twice comes to the
    /// same as once. So a backend needs to know nothing of aliases.
    pub fn expand(&self, mut filter: Filter) -> Filter {
        let everything = filter.types.iter().any(|pattern| pattern.as_str() == "*");
        if self.is_empty() || filter.types.is_empty() || everything {
            return filter;
        }
        let mut more: Vec<Pattern> = Vec::new();
        for pattern in &filter.types {
            match pattern.exact() {
                Some(text) => more.extend(self.spellings(text).iter().map(|s| Pattern::from(&**s))),
                None => self.add_matched(pattern, &mut more),
            }
        }
        more.retain(|spelling| !filter.types.iter().any(|given| given.matches(spelling.as_str())));
        more.sort_unstable();
        more.dedup();
        filter.types.extend(more);
        filter
    }

    fn add_matched(&self, pattern: &Pattern, more: &mut Vec<Pattern>) {
        for spellings in self.0.types.values() {
            if spellings.iter().any(|spelling| pattern.matches(spelling)) {
                more.extend(spellings.iter().map(|spelling| Pattern::from(&**spelling)));
            }
        }
    }
}

impl Known {
    fn add(&mut self, name: &EventType, spelling: EventType) -> Result<(), InvalidAliases> {
        let legal = (1..=LONGEST).contains(&spelling.len())
            && !spelling.contains(|c: char| c == '*' || c.is_control());
        if !legal {
            return Err(InvalidAliases::Illegal { spelling: spelling.to_string() });
        }
        match self.names.get(&spelling) {
            Some(known) if known == name => return Ok(()),
            Some(known) => {
                return Err(InvalidAliases::Ambiguous {
                    spelling: spelling.to_string(),
                    first: known.to_string(),
                    second: name.to_string(),
                });
            }
            None => {}
        }
        self.names.insert(spelling.clone(), name.clone());
        self.types.entry(name.clone()).or_default().push(spelling);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::{Position, RecordedEvent, Tenant, Timestamp, Version};

    fn laboratory() -> Aliases {
        let types: [(&str, &[&str]); 2] =
            [("SampleCreated", &["sample.created"]), ("SampleStored", &["sample.stored", "storage.placed"])];
        Aliases::of(types.map(|(name, aliases)| (name, aliases.iter().copied()))).expect("told apart")
    }

    fn event(event_type: &str) -> RecordedEvent {
        RecordedEvent {
            id: Uuid::from_u128(7),
            tenant: Tenant::default(),
            stream: "sample-1".parse().expect("legal"),
            version: Version::new(1),
            position: Position::new(1),
            event_type: event_type.into(),
            schema_version: 1,
            content_type: "application/json".into(),
            recorded_at: Timestamp::from_micros(0),
            metadata: "{}".into(),
            data: "{}".into(),
        }
    }

    #[test]
    fn any_spelling_asks_for_all() {
        for given in ["SampleStored", "sample.stored", "storage.placed", "*.placed"] {
            let filter = laboratory().expand(Filter::default().types([given]));
            for spelling in ["SampleStored", "sample.stored", "storage.placed"] {
                assert!(filter.accepts(&event(spelling)), "{given} {spelling}");
            }
            assert!(!filter.accepts(&event("SampleCreated")), "{given}");
        }
    }

    #[test]
    fn a_spelling_stands_for_one_type() {
        let twice = laboratory().and([("StoragePlaced", ["storage.placed"])]);
        assert!(matches!(twice, Err(InvalidAliases::Ambiguous { .. })), "{twice:?}");
        let name = laboratory().and([("sample.stored", ["stored"])]);
        assert!(matches!(name, Err(InvalidAliases::Ambiguous { .. })), "{name:?}");
        for illegal in ["", "sample.*", "a\nb"] {
            assert!(Aliases::of([("SampleCreated", [illegal])]).is_err(), "{illegal:?}");
        }
    }

    #[test]
    fn aliases_of_one_type_add_up() {
        let more = laboratory().and([("SampleCreated", ["SAMPLE_CREATED"])]).expect("told apart");
        let spellings: Vec<_> = more.spellings("sample.created").iter().map(|s| &**s).collect();
        assert_eq!(spellings, ["SampleCreated", "sample.created", "SAMPLE_CREATED"]);
    }

    proptest! {
        /// The law of aliases, over types of few letters so that patterns often match.
        #[test]
        fn an_expanded_filter_accepts_what_is_accepted_under_some_spelling(
            groups in prop::collection::vec(prop::collection::hash_set("[ab]{1,3}", 1..4), 0..4),
            patterns in prop::collection::vec("[ab*]{1,4}", 0..3),
            asked in "[ab]{1,3}",
        ) {
            let mut aliases = Aliases::default();
            for spellings in groups {
                let mut spellings = spellings.into_iter();
                let name = spellings.next().expect("at least one");
                // A set that shares a spelling with an earlier one is refused, and leaves what is known as it was.
                aliases = aliases.and([(name, spellings)]).unwrap_or(aliases);
            }
            let given = Filter::default().types(patterns);
            let expanded = aliases.expand(given.clone());
            let spellings = aliases.spellings(&asked).iter().map(|s| &**s).chain([&*asked]);
            let some = spellings.into_iter().any(|spelling| given.accepts(&event(spelling)));
            prop_assert_eq!(expanded.accepts(&event(&asked)), some);
            prop_assert_eq!(aliases.expand(expanded.clone()), expanded);
        }
    }
}
