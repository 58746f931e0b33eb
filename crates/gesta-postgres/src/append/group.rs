//! One group of appends: what it asks of the database, what it decides, what it writes, what it answers.

use std::collections::HashSet;

use gesta_core::{
    AppendBatch, AppendError, Appended, AppendedEvent, Decision, Durability, DurabilityClass, Position,
    RecordedEvent, StreamId, Tenant, Timestamp, Version, decide,
};
use tokio::sync::oneshot;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use crate::planted::{Bug, armed};

use super::{
    Request, correlation_of,
    view::{View, places},
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
    /// Which of them an earlier try may have stored.
    tried: Vec<bool>,
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

/// The streams and ids a group asks about.
pub(super) struct Asked<'a> {
    streams: Vec<(&'a Tenant, &'a StreamId)>,
    pub(super) stream_tenants: Vec<&'a str>,
    pub(super) stream_names: Vec<&'a str>,
    pub(super) tenants: Vec<&'a str>,
    pub(super) ids: Vec<Uuid>,
}

impl Asked<'_> {
    /// The view that the answers make: a version for each stream, in order, and the events that are known.
    pub(super) fn view(&self, versions: &[u64], events: Vec<RecordedEvent>) -> View {
        let streams = self.streams.iter().map(|(tenant, stream)| ((*tenant).clone(), (*stream).clone()));
        View {
            versions: streams.zip(versions.iter().copied().map(Version::new)).collect(),
            events: events.into_iter().map(|event| ((event.tenant.clone(), event.id), event)).collect(),
        }
    }
}

/// What a group appends, column by column.
#[derive(Default)]
pub(super) struct Columns<'a> {
    tenants: Vec<&'a str>,
    streams: Vec<&'a str>,
    ids: Vec<Uuid>,
    types: Vec<&'a str>,
    schema_versions: Vec<i64>,
    content_types: Vec<&'a str>,
    correlations: Vec<i64>,
    metadatas: Vec<Vec<u8>>,
    datas: Vec<&'a [u8]>,
}

impl<'a> Columns<'a> {
    /// What was decided to be appended.
    pub(super) fn of(batches: &'a [AppendBatch], decided: &[Option<Decided>]) -> Self {
        let mut columns = Self::default();
        for (batch, decision) in batches.iter().zip(decided) {
            let Some(Ok(Decision::Append(_))) = decision else { continue };
            for (stream, event) in batch.events() {
                columns.tenants.push(batch.tenant.as_str());
                columns.streams.push(stream.as_str());
                columns.ids.push(event.id);
                columns.types.push(&event.event_type);
                columns.schema_versions.push(event.schema_version.into());
                columns.content_types.push(&event.content_type);
                columns.correlations.push(correlation_of(event));
                columns.metadatas.push(event.stored_metadata());
                columns.datas.push(&event.data);
            }
        }
        columns
    }

    pub(super) fn len(&self) -> u64 {
        self.ids.len() as u64
    }

    pub(super) fn values(&self) -> [(&(dyn ToSql + Sync), Type); 9] {
        [
            (&self.tenants, Type::TEXT_ARRAY),
            (&self.streams, Type::TEXT_ARRAY),
            (&self.ids, Type::UUID_ARRAY),
            (&self.types, Type::TEXT_ARRAY),
            (&self.schema_versions, Type::INT8_ARRAY),
            (&self.content_types, Type::TEXT_ARRAY),
            (&self.correlations, Type::INT8_ARRAY),
            (&self.metadatas, Type::BYTEA_ARRAY),
            (&self.datas, Type::BYTEA_ARRAY),
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
            tried: vec![false; of],
        }
    }

    fn waiting(&self) -> impl Iterator<Item = &AppendBatch> {
        self.batches.iter().enumerate().filter(|(at, _)| self.replies.waits(*at)).map(|(_, batch)| batch)
    }

    /// Whether nobody waits any more.
    pub(super) fn is_answered(&self) -> bool {
        self.waiting().next().is_none()
    }

    /// What has to be known before it can be decided.
    pub(super) fn asked(&self) -> Asked<'_> {
        let mut seen = HashSet::new();
        let appends = self
            .waiting()
            .flat_map(|batch| batch.appends.iter().map(|append| (&batch.tenant, &append.stream)));
        let streams: Vec<_> = appends.filter(|stream| seen.insert(*stream)).collect();
        let ids = self
            .waiting()
            .flat_map(|batch| batch.events().map(|(_, event)| (batch.tenant.as_str(), event.id)));
        let (tenants, ids) = ids.unzip();
        Asked {
            stream_tenants: streams.iter().map(|(tenant, _)| tenant.as_str()).collect(),
            stream_names: streams.iter().map(|(_, stream)| stream.as_str()).collect(),
            streams,
            tenants,
            ids,
        }
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

    /// From now on what is appended may be stored, whatever is heard of it.
    pub(super) fn may_be_stored(&mut self) {
        for (tried, decision) in self.tried.iter_mut().zip(&self.decided) {
            *tried |= matches!(decision, Some(Ok(Decision::Append(_))));
        }
    }

    /// Which batches a try may have stored so far.
    pub(super) fn in_doubt(&self) -> Vec<bool> {
        self.tried.clone()
    }

    /// The last try was undone for certain: only what was in doubt before it still is.
    pub(super) fn was_undone(&mut self, doubts: Vec<bool>) {
        self.tried = doubts;
    }

    /// Refuses all who wait; those that an earlier try may have stored learn that it is unknown.
    pub(super) fn refuse(&mut self, reason: &str, refusal: impl Fn() -> AppendError) {
        for at in 0..self.batches.len() {
            let unknown = self.tried[at] && !armed(Bug::UnknownAsRefused);
            let error = if unknown { AppendError::Unknown { reason: reason.to_owned() } } else { refusal() };
            self.replies.answer(at, Err(error));
        }
    }

    /// What is appended, and what answers: apart, because the events are still on their way when the first are answered.
    pub(super) fn parts(&mut self) -> (Columns<'_>, Answers<'_>) {
        let Self { batches, replies, decided, tried } = self;
        (Columns::of(batches, decided), Answers { batches, decided, replies, tried })
    }
}

/// Answers what was decided, once it is known where it went.
pub(super) struct Answers<'a> {
    batches: &'a [AppendBatch],
    decided: &'a mut [Option<Decided>],
    replies: &'a mut Replies,
    tried: &'a [bool],
}

impl Answers<'_> {
    /// Answers those who wanted no more than an order, or everybody.
    pub(super) fn give(
        &mut self,
        only_relaxed: bool,
        class: DurabilityClass,
        after: Position,
        at: Timestamp,
    ) {
        let mut first = after.get() + 1;
        for index in 0..self.batches.len() {
            let batch = &self.batches[index];
            let relaxed = batch.durability == Durability::Relaxed;
            let (events, repeated) = match &self.decided[index] {
                None => continue,
                Some(Ok(Decision::Append(versions))) => {
                    let mut placed = places(batch, versions, first);
                    placed.iter_mut().for_each(|place| place.recorded_at = at);
                    first += placed.len() as u64;
                    (placed, false)
                }
                // What an earlier try of ours has stored is no repetition to the caller.
                Some(Ok(Decision::Repeat(events))) => {
                    (events.iter().map(|event| settled(*event, after, at)).collect(), !self.tried[index])
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
}

/// An event that is repeated within its own group was placed by that group.
fn settled(event: AppendedEvent, after: Position, at: Timestamp) -> AppendedEvent {
    match event.position.get().checked_sub(WITHIN) {
        Some(within) => {
            AppendedEvent { position: Position::new(after.get() + 1 + within), recorded_at: at, ..event }
        }
        None => event,
    }
}
