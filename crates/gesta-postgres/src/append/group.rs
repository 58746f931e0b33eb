//! One group of appends: what it asks of the database, what it decides, what it writes, what it answers.

use gesta_core::{
    AppendBatch, AppendError, Appended, AppendedEvent, Decision, Durability, DurabilityClass, Position,
    StreamId, Timestamp, decide,
};
use tokio::sync::oneshot;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::{
    Request, correlation_of,
    streams::Streams,
    view::{View, places},
};
use crate::{
    planted::{Bug, armed},
    shared::bound,
};

/// Positions from here on are places within the group, until the database has said where the group begins.
const WITHIN: u64 = 1 << 62;

/// Appends that are decided and written together. Each is answered once.
pub(super) struct Group {
    batches: Vec<AppendBatch>,
    replies: Replies,
    /// What has been decided, for those that wait. A refusal waits for the commit as well: it may stand on what the
    /// group itself adds.
    decided: Vec<Option<Decided>>,
    /// What earlier tries may have done.
    tried: Vec<Tried>,
}

/// What earlier tries may have done with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tried {
    /// Nothing.
    Not,
    /// Stored it, if nobody had before.
    Believed,
    /// Stored it: it was not there yet.
    First,
}

type Decided = Result<Decision, AppendError>;

/// Who waits for the answers; `None` has been answered.
struct Replies(Vec<Option<oneshot::Sender<Result<Appended, AppendError>>>>);

impl Replies {
    fn waits(&self, at: usize) -> bool {
        self.0[at].is_some()
    }

    fn answer(&mut self, at: usize, answer: Result<Appended, AppendError>) {
        if let Some(reply) = self.0[at].take() {
            // Whoever hung up finds out by sending it again.
            let _ = reply.send(answer);
        }
    }
}

/// The ids of a group's events, and whose they are.
pub(super) struct Ids<'a> {
    pub(super) tenants: Vec<&'a str>,
    pub(super) ids: Vec<Uuid>,
}

/// What a group appends, column by column.
#[derive(Default)]
pub(super) struct Columns<'a> {
    tenants: Vec<&'a str>,
    streams: Vec<&'a str>,
    stream_numbers: Vec<i32>,
    places: Vec<i64>,
    ids: Vec<Uuid>,
    types: Vec<&'a str>,
    schema_versions: Vec<i64>,
    content_types: Vec<&'a str>,
    correlations: Vec<Option<i64>>,
    metadatas: Vec<Vec<u8>>,
    datas: Vec<&'a [u8]>,
    /// Of what is refused: an id that is known would be no refusal.
    other_tenants: Vec<&'a str>,
    other_ids: Vec<Uuid>,
}

impl<'a> Columns<'a> {
    /// What was decided to be appended.
    pub(super) fn of(batches: &'a [AppendBatch], decided: &[Option<Decided>], streams: &Streams) -> Self {
        let mut columns = Self::default();
        for (batch, decision) in batches.iter().zip(decided) {
            if matches!(decision, Some(Err(_))) {
                columns.other_tenants.extend(batch.events().map(|_| batch.tenant.as_str()));
                columns.other_ids.extend(batch.events().map(|(_, event)| event.id));
            }
            let Some(Ok(Decision::Append(versions))) = decision else { continue };
            for ((stream, event), version) in batch.events().zip(versions) {
                let (number, place) = streams.place(&batch.tenant, stream, *version);
                columns.stream_numbers.push(i32::try_from(number + 1).expect("a group is smaller"));
                columns.places.push(bound(place));
                columns.tenants.push(batch.tenant.as_str());
                columns.streams.push(stream.as_str());
                columns.ids.push(event.id);
                columns.types.push(&event.event_type);
                columns.schema_versions.push(event.schema_version.into());
                columns.content_types.push(&event.content_type);
                columns.correlations.push(correlation_of(event.metadata.correlation_id.as_deref(), event.id));
                columns.metadatas.push(event.stored_metadata());
                columns.datas.push(&event.data);
            }
        }
        columns
    }

    pub(super) fn len(&self) -> u64 {
        self.ids.len() as u64
    }

    pub(super) fn values(&self) -> [(&(dyn ToSql + Sync), Type); 13] {
        [
            (&self.tenants, Type::TEXT_ARRAY),
            (&self.streams, Type::TEXT_ARRAY),
            (&self.stream_numbers, Type::INT4_ARRAY),
            (&self.places, Type::INT8_ARRAY),
            (&self.ids, Type::UUID_ARRAY),
            (&self.types, Type::TEXT_ARRAY),
            (&self.schema_versions, Type::INT8_ARRAY),
            (&self.content_types, Type::TEXT_ARRAY),
            (&self.correlations, Type::INT8_ARRAY),
            (&self.metadatas, Type::BYTEA_ARRAY),
            (&self.datas, Type::BYTEA_ARRAY),
            (&self.other_tenants, Type::TEXT_ARRAY),
            (&self.other_ids, Type::UUID_ARRAY),
        ]
    }
}

impl Group {
    pub(super) fn new(requests: Vec<Request>) -> Self {
        let of = requests.len();
        let (batches, replies) =
            requests.into_iter().map(|request| (request.batch, Some(request.reply))).unzip();
        Self {
            batches,
            replies: Replies(replies),
            decided: (0..of).map(|_| None).collect(),
            tried: vec![Tried::Not; of],
        }
    }

    fn waiting(&self) -> impl Iterator<Item = &AppendBatch> {
        self.batches.iter().enumerate().filter(|(at, _)| self.replies.waits(*at)).map(|(_, batch)| batch)
    }

    /// Whether nobody waits any more.
    pub(super) fn is_answered(&self) -> bool {
        self.waiting().next().is_none()
    }

    /// The ids that may be known already.
    pub(super) fn ids(&self) -> Ids<'_> {
        let all = self
            .waiting()
            .flat_map(|batch| batch.events().map(|(_, event)| (batch.tenant.as_str(), event.id)));
        let (tenants, ids) = all.unzip();
        Ids { tenants, ids }
    }

    /// Where its streams are believed to stand. Nothing is believed once an earlier try may have stored something, or
    /// where somebody needs to know more.
    pub(super) fn believed(&self) -> Option<Streams> {
        let doubtful = self.tried.iter().any(|tried| *tried != Tried::Not);
        if doubtful { None } else { Streams::believed(self.waiting()) }
    }

    /// Its streams.
    pub(super) fn streams(&self) -> Streams {
        Streams::of(self.waiting())
    }

    /// Whether somebody wants an answer before the commit.
    pub(super) fn is_partly_relaxed(&self) -> bool {
        self.waiting().any(|batch| batch.durability == Durability::Relaxed)
    }

    /// Decides each in turn, a later one seeing what an earlier one adds. Answers whether there is something to append.
    pub(super) fn decide(&mut self, mut view: View) -> bool {
        let mut next = WITHIN;
        for (at, batch) in self.batches.iter().enumerate() {
            if !self.replies.waits(at) {
                self.decided[at] = None;
                continue;
            }
            let decided = decide(batch, &mut view);
            if let Ok(Decision::Append(versions)) = &decided {
                let placed = places(batch, versions, next);
                next += placed.len() as u64;
                view.add(batch, &placed);
            }
            self.decided[at] = Some(decided);
        }
        next > WITHIN
    }

    /// From now on what is appended may be stored, whatever is heard of it. `first` says that none of it was there before.
    pub(super) fn may_be_stored(&mut self, first: bool) {
        let tried = if first { Tried::First } else { Tried::Believed };
        for (was, decision) in self.tried.iter_mut().zip(&self.decided) {
            if matches!(decision, Some(Ok(Decision::Append(_)))) {
                *was = tried;
            }
        }
    }

    /// Which batches a try may have stored so far.
    pub(super) fn in_doubt(&self) -> Vec<Tried> {
        self.tried.clone()
    }

    /// The last try was undone for certain: only what was in doubt before it still is.
    pub(super) fn was_undone(&mut self, doubts: Vec<Tried>) {
        self.tried = doubts;
    }

    /// Refuses all who wait; those that an earlier try may have stored learn that it is unknown.
    pub(super) fn refuse(&mut self, reason: &str, refusal: impl Fn() -> AppendError) {
        for at in 0..self.batches.len() {
            let unknown = self.tried[at] != Tried::Not && !armed(Bug::UnknownAsRefused);
            let error = if unknown { AppendError::Unknown { reason: reason.to_owned() } } else { refusal() };
            self.replies.answer(at, Err(error));
        }
    }

    /// What is appended, and what answers: apart, because the events are still on their way when the first are answered.
    pub(super) fn parts<'a>(&'a mut self, streams: &'a Streams) -> (Columns<'a>, Answers<'a>) {
        let Self { batches, replies, decided, tried } = self;
        (Columns::of(batches, decided, streams), Answers { batches, decided, replies, tried, streams })
    }
}

/// Answers what was decided, once it is known where it went.
pub(super) struct Answers<'a> {
    batches: &'a [AppendBatch],
    decided: &'a mut [Option<Decided>],
    replies: &'a mut Replies,
    tried: &'a [Tried],
    streams: &'a Streams,
}

/// Where the database has put what a group appends.
pub(super) struct Put {
    /// The position before the first event.
    pub(super) after: Position,
    /// The time of all.
    pub(super) at: Timestamp,
    /// Where each stream stood.
    pub(super) stood: Vec<u64>,
}

impl Answers<'_> {
    /// Answers those who wanted no more than an order, or everybody.
    pub(super) fn give(&mut self, only_relaxed: bool, class: DurabilityClass, put: &Put) {
        let mut first = put.after.get() + 1;
        for index in 0..self.batches.len() {
            let batch = &self.batches[index];
            let relaxed = batch.durability == Durability::Relaxed;
            let (events, repeated) = match &self.decided[index] {
                None => continue,
                Some(Ok(Decision::Append(versions))) => {
                    let placed = places(batch, versions, first);
                    first += placed.len() as u64;
                    (self.settled(batch, &placed, put), false)
                }
                // What an earlier try of ours has stored is no repetition to the caller.
                Some(Ok(Decision::Repeat(events))) => {
                    (self.settled(batch, events, put), self.tried[index] != Tried::First)
                }
                Some(Err(_)) if only_relaxed => continue,
                Some(Err(_)) => {
                    if let Some(Err(refusal)) = self.decided[index].take() {
                        self.replies.answer(index, Err(refusal));
                    }
                    continue;
                }
            };
            if relaxed || !only_relaxed {
                let durability = (!relaxed).then_some(class);
                self.replies.answer(index, Ok(Appended { events, repeated, durability }));
            }
        }
    }

    /// The same events with what the database has added. One that is repeated within its own group was placed by that
    /// group; one that was known before stays what it is.
    fn settled(&self, batch: &AppendBatch, events: &[AppendedEvent], put: &Put) -> Vec<AppendedEvent> {
        let settle = |((stream, _), event): ((&StreamId, _), &AppendedEvent)| {
            let version = self.streams.settled(&batch.tenant, stream, event.version, &put.stood);
            let position = match event.position.get().checked_sub(WITHIN) {
                Some(within) => Position::new(put.after.get() + 1 + within),
                None => event.position,
            };
            let new = put.after < position;
            AppendedEvent {
                version,
                position,
                recorded_at: if new { put.at } else { event.recorded_at },
                ..*event
            }
        };
        batch.events().zip(events).map(settle).collect()
    }
}
