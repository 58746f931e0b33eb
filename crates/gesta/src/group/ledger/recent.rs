//! The deliveries acknowledged lately.

use std::collections::{HashMap, VecDeque};

use gesta_core::Position;

/// How many are remembered.
const KEPT: usize = 20_000;

/// The deliveries acknowledged lately, so that an acknowledgement that comes twice is told from one that comes too late.
#[derive(Default)]
pub(super) struct Recent {
    counts: HashMap<Position, u32>,
    order: VecDeque<Position>,
}

impl Recent {
    pub(super) fn insert(&mut self, position: Position, count: u32) {
        if self.counts.insert(position, count).is_none() {
            self.order.push_back(position);
        }
        if self.order.len() > KEPT {
            let oldest = self.order.pop_front().expect("it is not empty");
            self.counts.remove(&oldest);
        }
    }

    pub(super) fn holds(&self, position: Position, count: u32) -> bool {
        self.counts.get(&position) == Some(&count)
    }
}
