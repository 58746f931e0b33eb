//! The kinds of several types together: no spelling means two things.

use std::collections::{BTreeMap, btree_map::Entry};

use super::{Event, EventKind};

/// The kinds of a program, by spelling.
#[derive(Debug, Clone, Default)]
pub struct Kinds(BTreeMap<&'static str, EventKind>);

/// Two kinds are called the same, so nobody could tell which is meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{spelling:?} is a spelling of both {} (schema version {}) and {} (schema version {}): take it from one of them",
    first.name, first.schema_version, second.name, second.schema_version
)]
pub struct SharedSpelling {
    /// The spelling.
    pub spelling: &'static str,
    /// Who had it first.
    pub first: EventKind,
    /// Who wants it too.
    pub second: EventKind,
}

impl Kinds {
    /// Adds the kinds of a type. The very same kind may come twice; fails when a spelling belongs to another one, and
    /// then adds nothing.
    pub fn add<E: Event>(&mut self) -> Result<(), SharedSpelling> {
        self.add_all(E::KINDS)
    }

    fn add_all(&mut self, kinds: &'static [EventKind]) -> Result<(), SharedSpelling> {
        let mut all = self.0.clone();
        for kind in kinds {
            for spelling in kind.spellings() {
                match all.entry(spelling) {
                    Entry::Vacant(free) => drop(free.insert(*kind)),
                    Entry::Occupied(taken) if taken.get() == kind => {}
                    Entry::Occupied(taken) => {
                        return Err(SharedSpelling { spelling, first: *taken.get(), second: *kind });
                    }
                }
            }
        }
        self.0 = all;
        Ok(())
    }

    /// The kind of this spelling.
    pub fn find(&self, spelling: &str) -> Option<&EventKind> {
        self.0.get(spelling)
    }

    /// Every kind once, by name.
    pub fn iter(&self) -> impl Iterator<Item = &EventKind> {
        self.0.iter().filter(|(spelling, kind)| **spelling == kind.name).map(|(_, kind)| kind)
    }
}

/// Whether no two of these kinds share a spelling; for a check at compile time of what was not derived.
pub(crate) const fn distinct(kinds: &[EventKind]) -> bool {
    let mut at = 0;
    while at < kinds.len() {
        let mut other = 0;
        while other < kinds.len() {
            if at != other && shares(&kinds[at], &kinds[other]) {
                return false;
            }
            other += 1;
        }
        at += 1;
    }
    true
}

const fn shares(one: &EventKind, other: &EventKind) -> bool {
    if called(other, one.name) {
        return true;
    }
    let mut at = 0;
    while at < one.aliases.len() {
        if called(other, one.aliases[at]) {
            return true;
        }
        at += 1;
    }
    false
}

const fn called(kind: &EventKind, spelling: &str) -> bool {
    if same(kind.name, spelling) {
        return true;
    }
    let mut at = 0;
    while at < kind.aliases.len() {
        if same(kind.aliases[at], spelling) {
            return true;
        }
        at += 1;
    }
    false
}

const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn kind(name: &'static str, aliases: &'static [&'static str]) -> EventKind {
        EventKind { name, schema_version: 1, aliases }
    }

    #[test]
    fn two_kinds_do_not_share_a_spelling() {
        const ONE: &[EventKind] = &[kind("A", &["a"])];
        const OTHER: &[EventKind] = &[kind("C", &[]), kind("B", &["a"])];
        let mut kinds = Kinds::default();
        kinds.add_all(ONE).expect("the first");
        kinds.add_all(ONE).expect("the same again");
        let refused = kinds.add_all(OTHER).expect_err("shares a");
        assert_eq!((refused.spelling, refused.first.name, refused.second.name), ("a", "A", "B"));
        assert_eq!(kinds.find("C"), None, "nothing of it was added");
        assert_eq!(kinds.iter().count(), 1);
    }

    #[test]
    fn shared_spellings_are_seen_at_compile_time() {
        assert!(distinct(&[kind("A", &["a"]), kind("B", &["b"])]));
        assert!(!distinct(&[kind("A", &[]), kind("B", &["A"])]));
        assert!(!distinct(&[kind("A", &["x", "y"]), kind("B", &["z", "y"])]));
    }
}
