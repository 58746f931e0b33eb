//! The groups written last, in memory: live readers and retries need no disk.

use std::{collections::VecDeque, sync::RwLock};

use bytes::Bytes;
use gesta_core::Position;

/// The groups written last, up to a number of bytes. All of them are durable.
pub(crate) struct Recent {
    groups: RwLock<Groups>,
    most_bytes: usize,
}

#[derive(Default)]
struct Groups {
    groups: VecDeque<Group>,
    bytes: usize,
}

/// One group: its frames, and where in them each record begins.
#[derive(Clone)]
pub(crate) struct Group {
    pub(crate) first: Position,
    pub(crate) bytes: Bytes,
    pub(crate) starts: std::sync::Arc<[u32]>,
}

impl Group {
    /// The frame of a record and what follows it in the group.
    pub(crate) fn from(&self, position: Position) -> Option<Bytes> {
        let at = position.get().checked_sub(self.first.get())?;
        self.starts.get(usize::try_from(at).ok()?).map(|start| self.bytes.slice(*start as usize..))
    }

    fn last(&self) -> u64 {
        self.first.get() + self.starts.len() as u64 - 1
    }
}

impl Recent {
    pub(crate) fn new(most_bytes: usize) -> Self {
        Self { groups: RwLock::default(), most_bytes }
    }

    /// Adds the group behind the last and forgets the oldest beyond the bound.
    pub(crate) fn push(&self, group: Group) {
        let mut held = self.groups.write().expect("no holder of the recent groups' lock panics");
        held.bytes += group.bytes.len();
        held.groups.push_back(group);
        while held.bytes > self.most_bytes {
            let Some(oldest) = held.groups.pop_front() else { break };
            held.bytes -= oldest.bytes.len();
        }
    }

    /// The group that holds a position.
    pub(crate) fn at(&self, position: Position) -> Option<Group> {
        let held = self.groups.read().expect("no holder of the recent groups' lock panics");
        let behind = held.groups.partition_point(|group| group.first <= position);
        held.groups.get(behind.checked_sub(1)?).filter(|group| position.get() <= group.last()).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(first: u64, length: usize) -> Group {
        Group { first: Position::new(first), bytes: vec![first as u8; length].into(), starts: [0, 4].into() }
    }

    #[test]
    fn it_forgets_the_oldest_beyond_its_bound() {
        let recent = Recent::new(20);
        for first in [1, 3, 5] {
            recent.push(group(first, 8));
        }
        assert!(recent.at(Position::new(2)).is_none());
        let held = recent.at(Position::new(4)).expect("held");
        assert_eq!(held.from(Position::new(4)).expect("there")[..], [3; 4]);
        assert!(recent.at(Position::new(7)).is_none());
    }
}
