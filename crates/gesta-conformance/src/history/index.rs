//! Where everything is: ids and streams of the final log, and which call each batch took effect in.

use std::collections::HashMap;

use uuid::Uuid;

use super::{History, Logged, Outcome, What};

/// Look-ups over a history's log.
pub(super) struct Index<'a> {
    pub(super) history: &'a History,
    pub(super) by_id: HashMap<Uuid, &'a Logged>,
    pub(super) by_stream: HashMap<&'a str, Vec<&'a Logged>>,
    /// For each batch that is in the log, by its first id: the call it took effect in.
    pub(super) effects: HashMap<Uuid, usize>,
}

impl<'a> Index<'a> {
    pub(super) fn of(history: &'a History) -> Self {
        let mut by_stream: HashMap<&str, Vec<&Logged>> = HashMap::new();
        for event in &history.log {
            by_stream.entry(&event.stream).or_default().push(event);
        }
        let by_id: HashMap<_, _> = history.log.iter().map(|event| (event.id, event)).collect();
        let effects = effects(history, &by_id);
        Self { history, by_id, by_stream, effects }
    }

    pub(super) fn at(&self, position: u64) -> Option<&'a Logged> {
        let at = position.checked_sub(self.history.start + 1)?;
        self.history.log.get(usize::try_from(at).ok()?).filter(|event| event.position == position)
    }

    /// The version a stream had before the history.
    pub(super) fn base(&self, stream: &str) -> u64 {
        self.history.versions.get(stream).copied().unwrap_or(0)
    }

    /// The positions between which a stream was at `version`: from the first, before the second.
    pub(super) fn span(&self, stream: &str, version: u64) -> Option<(u64, u64)> {
        let events = self.by_stream.get(stream).map_or(&[][..], Vec::as_slice);
        let count = usize::try_from(version.checked_sub(self.base(stream))?).ok()?;
        let from = match count.checked_sub(1) {
            None => self.history.start,
            Some(last) => events.get(last)?.position,
        };
        Some((from, events.get(count).map_or(u64::MAX, |next| next.position)))
    }
}

/// Of several calls with the same ids one had the effect: the one that was told it was the first; if none was, the
/// earliest of those nobody knows about; if all were told of a repeat (a client that retries by itself), the earliest.
fn effects(history: &History, by_id: &HashMap<Uuid, &Logged>) -> HashMap<Uuid, usize> {
    let mut best: HashMap<Uuid, (u8, u64, usize)> = HashMap::new();
    for (at, call) in history.operations.iter().enumerate() {
        let What::Append { appends, outcome } = &call.what else { continue };
        let rank = match outcome {
            Outcome::Acknowledged { repeated: false, .. } => 0,
            Outcome::Unknown => 1,
            Outcome::Acknowledged { repeated: true, .. } => 2,
            Outcome::Conflict { .. } | Outcome::Refused => continue,
        };
        let Some(first) = appends.iter().flat_map(|append| &append.ids).next() else { continue };
        if by_id.contains_key(first) {
            let candidate = (rank, call.invoked, at);
            best.entry(*first).and_modify(|have| *have = candidate.min(*have)).or_insert(candidate);
        }
    }
    best.into_iter().map(|(id, (_, _, at))| (id, at)).collect()
}
