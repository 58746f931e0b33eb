//! Sending what was read, so that whatever is there already stays as it is.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
};

use gesta_core::{AppendBatch, AppendError, Durability, EventStore, ExpectedVersion, StreamAppend, Tenant};
use uuid::Uuid;

use super::{Candidate, Refused};

/// A batch is closed when its data reaches this, well below what a server takes.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// How many refused rows are named; more are only counted.
const NAMED: usize = 1_000;

/// What has become of the rows so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Rows read, refused ones included.
    pub(crate) rows: u64,
    /// Events that were new.
    pub(crate) added: u64,
    /// Events that the log held already.
    pub(crate) already_there: u64,
    /// Rows that cannot be events.
    pub(crate) refused: u64,
    /// The first thousand of them.
    pub(crate) refusals: Vec<Refused>,
    /// The line up to which everything is settled.
    pub(crate) settled_line: u64,
    /// A hash of each stream seen: a count of millions of streams needs no names.
    streams: HashSet<u64>,
    hasher: RandomState,
}

impl Tally {
    /// How many streams the rows belong to.
    pub(crate) fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Notes a row that cannot be an event.
    pub(crate) fn refuse(&mut self, refused: Refused) {
        self.rows += 1;
        self.note_refusal(refused);
    }

    fn note_refusal(&mut self, refused: Refused) {
        self.refused += 1;
        if self.refusals.len() < NAMED {
            self.refusals.push(refused);
        }
    }

    fn saw(&mut self, candidate: &Candidate) {
        self.streams.insert(self.hasher.hash_one(candidate.stream.as_str()));
    }
}

/// Sends candidates in the order of the file, in batches of which each is there as a whole or not at all.
pub(crate) struct Sender<'a> {
    store: &'a dyn EventStore,
    tenant: Tenant,
    batch: usize,
    waiting: Vec<Candidate>,
    bytes: usize,
    pub(crate) tally: Tally,
}

impl<'a> Sender<'a> {
    /// Sends to `store` in batches of at most `batch` events.
    pub(crate) fn new(store: &'a dyn EventStore, tenant: Tenant, batch: usize) -> Self {
        Self { store, tenant, batch, waiting: Vec::new(), bytes: 0, tally: Tally::default() }
    }

    /// Takes one more; sends when a batch is full. Says whether it sent.
    pub(crate) async fn take(&mut self, candidate: Candidate) -> Result<bool, AppendError> {
        self.tally.rows += 1;
        self.tally.saw(&candidate);
        self.bytes += candidate.event.data.len();
        self.waiting.push(candidate);
        if self.waiting.len() < self.batch && self.bytes < BATCH_BYTES {
            return Ok(false);
        }
        self.flush().await.map(|()| true)
    }

    /// Sends what waits.
    pub(crate) async fn flush(&mut self) -> Result<(), AppendError> {
        self.bytes = 0;
        let waiting = self.without_twins();
        let last = waiting.last().map(|candidate| candidate.line);
        self.settle(waiting).await?;
        self.tally.settled_line = last.unwrap_or(self.tally.settled_line);
        Ok(())
    }

    /// Two rows of one id in one batch would be refused as a whole: the later one counts as there already, if it
    /// says the same, and is refused otherwise.
    fn without_twins(&mut self) -> Vec<Candidate> {
        let mut kept: Vec<Candidate> = Vec::with_capacity(self.waiting.len());
        let mut places = std::collections::HashMap::new();
        for candidate in std::mem::take(&mut self.waiting) {
            match places.get(&candidate.event.id).map(|at: &usize| &kept[*at]) {
                None => {
                    places.insert(candidate.event.id, kept.len());
                    kept.push(candidate);
                }
                Some(first) if first.stream == candidate.stream && first.event == candidate.event => {
                    self.tally.already_there += 1;
                }
                Some(first) => {
                    let reason = format!("it has the same id as line {} and says something else", first.line);
                    self.tally.note_refusal(Refused::new(candidate.line, reason));
                }
            }
        }
        kept
    }

    /// Appends candidates; leaves out what the log knows already and what it refuses, and appends the rest.
    async fn settle(&mut self, mut candidates: Vec<Candidate>) -> Result<(), AppendError> {
        while !candidates.is_empty() {
            let sent = candidates.len() as u64;
            match self.store.append(batch(&self.tenant, &candidates)).await {
                Ok(appended) if appended.repeated => self.tally.already_there += sent,
                Ok(_) => self.tally.added += sent,
                Err(AppendError::PartlyKnown { known, .. }) if !known.is_empty() => {
                    self.leave_known(&mut candidates, &known);
                    continue;
                }
                Err(AppendError::IdTaken { id }) if candidates.iter().any(|c| c.event.id == id) => {
                    self.leave_taken(&mut candidates, id);
                    continue;
                }
                Err(error) => return Err(error),
            }
            break;
        }
        Ok(())
    }

    fn leave_known(&mut self, candidates: &mut Vec<Candidate>, known: &[Uuid]) {
        let known: HashSet<_> = known.iter().collect();
        let before = candidates.len();
        candidates.retain(|candidate| !known.contains(&candidate.event.id));
        self.tally.already_there += (before - candidates.len()) as u64;
    }

    fn leave_taken(&mut self, candidates: &mut Vec<Candidate>, id: Uuid) {
        let reason = "it was imported before and said something else: import it under another --source, or \
                      with the same options as then";
        for candidate in candidates.extract_if(.., |candidate| candidate.event.id == id) {
            self.tally.note_refusal(Refused::new(candidate.line, reason));
        }
    }
}

/// One append of all candidates in their order; neighbours of one stream share an entry.
fn batch(tenant: &Tenant, candidates: &[Candidate]) -> AppendBatch {
    let appends = candidates
        .chunk_by(|a, b| a.stream == b.stream)
        .map(|run| StreamAppend {
            stream: run[0].stream.clone(),
            expected: ExpectedVersion::Any,
            events: run.iter().map(|candidate| candidate.event.clone()).collect(),
        })
        .collect();
    AppendBatch { tenant: tenant.clone(), appends, durability: Durability::Durable }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gesta_core::{MemoryStore, NewEvent};

    fn candidate(number: u64, data: &'static str) -> Candidate {
        let event = NewEvent::new("x", data).with_id(Uuid::from_u128(u128::from(number)));
        let stream = format!("case-{}", number % 3).parse().expect("legal");
        Candidate { line: number, end: number, stream, event }
    }

    async fn import(store: &MemoryStore, rows: impl IntoIterator<Item = Candidate>, batch: usize) -> Tally {
        let mut sender = Sender::new(store, Tenant::default(), batch);
        for row in rows {
            sender.take(row).await.expect("sent");
        }
        sender.flush().await.expect("sent");
        sender.tally
    }

    #[tokio::test]
    async fn a_second_import_adds_nothing_and_a_grown_one_only_what_is_new() {
        let store = MemoryStore::new();
        let rows = |n| (1..=n).map(|number| candidate(number, "1"));
        let first = import(&store, rows(10), 4).await;
        assert_eq!((first.added, first.already_there, first.streams()), (10, 0, 3));
        let second = import(&store, rows(10), 4).await;
        assert_eq!((second.added, second.already_there), (0, 10));
        let grown = import(&store, rows(17), 7).await;
        assert_eq!((grown.added, grown.already_there, grown.settled_line), (7, 10, 17));
    }

    #[tokio::test]
    async fn a_row_that_says_something_else_under_its_id_is_refused_alone() {
        let store = MemoryStore::new();
        import(&store, [candidate(2, "1")], 9).await;
        let tally = import(&store, [candidate(1, "1"), candidate(2, "2"), candidate(3, "1")], 9).await;
        assert_eq!((tally.added, tally.refused, tally.refusals[0].line), (2, 1, 2));
    }

    #[tokio::test]
    async fn twins_in_one_batch_are_added_once() {
        let store = MemoryStore::new();
        let rows = [candidate(1, "1"), candidate(1, "1"), candidate(1, "2")];
        let tally = import(&store, rows, 9).await;
        assert_eq!((tally.rows, tally.added, tally.already_there, tally.refused), (3, 1, 1, 1));
    }
}
