//! The latest changes of a field, within a number and a size.

use std::collections::VecDeque;

use serde_json::Value;

use super::{FieldSet, FieldSets};

/// Most bytes that the changes of a field hold in memory. The latest change is kept however large it is.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// Keeps the latest of the changes that are pushed, oldest first.
pub(super) struct Latest {
    kept: VecDeque<(FieldSet, usize)>,
    bytes: usize,
    limit: usize,
    cut: bool,
}

impl Latest {
    /// Nothing yet; at most `limit` changes.
    pub(super) fn new(limit: usize) -> Self {
        Self { kept: VecDeque::new(), bytes: 0, limit, cut: false }
    }

    pub(super) fn push(&mut self, set: FieldSet) {
        let values = [Some(&set.event.data), set.before.as_ref(), set.after.as_ref()];
        let size = size_of::<FieldSet>() + values.into_iter().flatten().map(bytes).sum::<usize>();
        self.kept.push_back((set, size));
        self.bytes += size;
        while self.kept.len() > self.limit || (self.bytes > MOST_BYTES && self.kept.len() > 1) {
            let Some((_, size)) = self.kept.pop_front() else { break };
            self.bytes -= size;
            self.cut = true;
        }
    }

    pub(super) fn finish(self) -> FieldSets {
        FieldSets { sets: self.kept.into_iter().map(|(set, _)| set).collect(), cut: self.cut }
    }
}

/// About so many bytes of memory.
fn bytes(value: &Value) -> usize {
    let held = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(bytes).sum(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| size_of::<String>() + name.len() + bytes(value)).sum()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    size_of::<Value>() + held
}
