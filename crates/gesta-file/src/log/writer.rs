//! The one thread that writes to the log.
//!
//! It takes what waits in the queue, decides each batch, writes all of them as one group with one write and one
//! sync, and answers afterwards. No group is begun before the last one's sync has returned.

use std::{
    fs,
    fs::File,
    os::unix::fs::FileExt,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use gesta_core::{
    AppendBatch, AppendError, Appended, AppendedEvent, Clock, Decision, Durability, Incarnation, Position,
    Timestamp, Version, decide,
};
use tokio::sync::mpsc;

use super::{
    Log,
    folder::sync_names,
    frame::{self, GROUP, Group},
    header::{HEADER, Header},
    prepare::{Fault, Filling, NEXT, Preparer},
    recent,
    segment::{self, Segment},
};
use crate::{
    Options,
    append::{Encoded, Queue, Reply, Request, Work},
    index::Entry,
    planted::armed,
};

mod answer;
mod copy;
mod view;
use answer::Answer;
use view::View;

/// After a group of so many batches or more the next one gathers for a while: each sync costs the processor about as
/// much as ten batches, and who is busy gets more of them into one.
const BUSY: usize = 4;
/// So long a busy writer lets batches gather, counted from the last group's sync.
const GATHER: Duration = Duration::from_micros(300);
/// A group this large takes no more batches.
const GROUP_BYTES: usize = 4 << 20;
/// A group larger than this gives its room back.
const KEPT_ROOM: usize = 1 << 20;

/// The writer: its end of the queue, the open segment, the group it is putting together.
pub(crate) struct Writer {
    log: Arc<Log>,
    preparer: Arc<Preparer>,
    queue: Arc<Queue>,
    requests: mpsc::Receiver<Request>,
    open: Option<Open>,
    next: Position,
    recorded_at: Timestamp,
    group: Pending,
    clock: Arc<dyn Clock>,
    patience: Duration,
    segment_bytes: (u64, u64),
    sync: bool,
    /// Until when the next group gathers.
    gather_until: Option<Instant>,
    /// How many batches were taken, for a planted bug.
    taken: u64,
}

/// The segment that is being written.
pub(crate) struct Open {
    pub(crate) file: File,
    pub(crate) segment: Arc<Segment>,
    /// How far it is zeroed.
    pub(crate) size: u64,
    /// Whether the next one was asked for.
    pub(crate) asked: bool,
}

/// A group that is ordered and not yet written.
#[derive(Default)]
struct Pending {
    /// Room for the group frame, then the record frames.
    bytes: Vec<u8>,
    starts: Vec<u32>,
    answers: Vec<Answer>,
}

impl Pending {
    /// The records with their frame, at this place of a segment: a copy of the right size, so that the room they were
    /// put together in serves the next group.
    fn close(&mut self, first: Position, incarnation: Incarnation, at: u64) -> recent::Group {
        let extent = u32::try_from(self.bytes.len() - GROUP).expect("a group is smaller than 4 GiB");
        let frame = Group { first, records: self.starts.len() as u32, extent };
        frame::write_group(&mut self.bytes, frame, incarnation, at);
        let group = recent::Group {
            first,
            bytes: Bytes::copy_from_slice(&self.bytes),
            starts: self.starts.as_slice().into(),
        };
        self.starts.clear();
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_ROOM);
        group
    }
}

impl Writer {
    pub(crate) fn new(
        log: Arc<Log>,
        preparer: Arc<Preparer>,
        queue: Arc<Queue>,
        requests: mpsc::Receiver<Request>,
        open: Option<Open>,
        last_recorded: Timestamp,
        options: &Options,
    ) -> Self {
        let next = log.head().next();
        Self {
            log,
            preparer,
            queue,
            requests,
            open,
            next,
            recorded_at: last_recorded,
            group: Pending::default(),
            clock: options.clock.clone(),
            patience: options.patience,
            segment_bytes: (options.first_segment_bytes, options.largest_segment_bytes),
            sync: options.sync,
            gather_until: None,
            taken: 0,
        }
    }

    /// The thread's loop: ends when the queue is closed and empty.
    pub(crate) fn run(mut self) {
        let _told = TellPanic(self.log.clone());
        let mut held = None;
        while let Some(first) = held.take().or_else(|| self.receive()) {
            held = self.commit(first);
        }
    }

    /// Waits for a request; `None` when the queue is closed and empty.
    fn receive(&mut self) -> Option<Request> {
        let request = self.requests.blocking_recv()?;
        self.queue.taken(request.encoded.frames.len());
        Some(request)
    }

    /// A request that is there already.
    fn receive_waiting(&mut self) -> Option<Request> {
        let request = self.requests.try_recv().ok()?;
        self.queue.taken(request.encoded.frames.len());
        Some(request)
    }

    /// Writes one group that begins with `first`; answers with a request that did not fit.
    fn commit(&mut self, first: Request) -> Option<Request> {
        if let Err(refusal) = self.admit(&first) {
            if matches!(refusal, AppendError::Busy { .. }) {
                self.refuse_waiting();
            }
            first.refuse(refusal);
            return None;
        }
        let open = self.open.as_ref().expect("a request is admitted to an open segment");
        let room = usize::try_from(open.size - open.segment.end()).unwrap_or(usize::MAX);
        self.group.bytes.resize(GROUP, 0);
        if let Some(until) = self.gather_until.take() {
            std::thread::sleep(until.saturating_duration_since(Instant::now()));
        }
        // Recorded events come in large runs, and two of them would be more than a group may hold.
        let alone = first.is_copy();
        self.order(first);
        let mut held = None;
        while !alone
            && self.group.bytes.len() < GROUP_BYTES
            && let Some(request) = self.receive_waiting()
        {
            if request.is_copy() || room < self.group.bytes.len() + request.encoded.frames.len() {
                held = Some(request);
                break;
            }
            self.order(request);
        }
        self.flush();
        held
    }

    /// The first has waited long enough for all that wait behind it. It is told last: who comes after that may find
    /// room.
    fn refuse_waiting(&mut self) {
        for _ in 0..self.requests.len() {
            let Some(request) = self.receive_waiting() else { return };
            request.refuse(behind());
        }
    }

    /// Refuses before anything is written: after a failure, when the index is too far behind, when the disk is full.
    fn admit(&mut self, first: &Request) -> Result<(), AppendError> {
        if let Some(reason) = self.log.failure() {
            return Err(failed(reason));
        }
        if !self.log.tail.wait_for_room(self.patience) {
            return Err(behind());
        }
        let needs = (GROUP + first.encoded.frames.len()) as u64;
        match &self.open {
            Some(open) if open.segment.end() + needs <= open.size => Ok(()),
            _ => self.roll(needs),
        }
    }

    /// Goes on in the next segment.
    fn roll(&mut self, needs: u64) -> Result<(), AppendError> {
        let size = self.next_size();
        let ready = self.preparer.take(size, HEADER as u64 + needs).map_err(|fault| match fault {
            Fault::NotNow(reason) => AppendError::Unavailable { reason },
            Fault::Broken(reason) => {
                self.log.fail(reason.clone());
                failed(&reason)
            }
        })?;
        match self.begin(&ready.file) {
            Ok(segment) => {
                let open =
                    Open { file: ready.file, segment: segment.clone(), size: ready.size, asked: false };
                self.log.chain.push(segment);
                if let Some(full) = self.open.replace(open) {
                    self.preparer.seal(full.segment);
                }
                Ok(())
            }
            Err(error) => {
                let reason = format!("a segment could not be begun: {error}");
                self.log.fail(reason.clone());
                Err(failed(&reason))
            }
        }
    }

    /// Gives the prepared file its name and header. Name and folder are synced before anything in it counts: else a
    /// power cut brings the old name back with acknowledged events under it.
    fn begin(&self, file: &File) -> std::io::Result<Arc<Segment>> {
        let (dir, first) = (&self.log.chain.dir, self.next);
        fs::rename(dir.join(NEXT), dir.join(segment::name(first)))?;
        if !armed("segment_before_folder_sync") {
            sync_names(dir)?;
        }
        let header = Header { incarnation: self.log.chain.incarnation, first };
        file.write_all_at(&header.encode(), 0)?;
        self.sync(file)?;
        Ok(Arc::new(Segment::open(dir, first, Vec::new(), HEADER as u64)))
    }

    /// Every segment is twice as large as the one before, up to a bound.
    fn next_size(&self) -> u64 {
        let (first, largest) = self.segment_bytes;
        let doublings = self.log.chain.list().len().min(30) as u32;
        first.saturating_mul(1 << doublings).min(largest)
    }

    fn sync(&self, file: &File) -> std::io::Result<()> {
        if self.sync && !armed("skip_sync") { file.sync_data() } else { Ok(()) }
    }

    /// Gives events their place behind everything ordered so far, or finds out why not.
    fn order(&mut self, request: Request) {
        let Request { work, encoded } = request;
        match work {
            Work::Append(batch, reply) => self.order_batch(batch, &encoded, reply),
            Work::Copy(events, reply) => {
                let answer = self.copy(&events, &encoded);
                self.group.answers.push(Answer::Copy(reply, answer));
            }
        }
    }

    fn order_batch(&mut self, batch: AppendBatch, encoded: &Encoded, reply: Reply<Appended, AppendError>) {
        let relaxed = batch.durability == Durability::Relaxed;
        let answer = self.decide(batch, encoded);
        if relaxed || armed("ack_before_sync") {
            let _ = reply.send(answer);
        } else {
            self.group.answers.push(Answer::Append(reply, answer));
        }
    }

    fn decide(&mut self, mut batch: AppendBatch, encoded: &Encoded) -> Result<Appended, AppendError> {
        let class = (batch.durability == Durability::Durable).then_some(self.log.class);
        let mut view = self.view();
        if armed("version_gte") || armed("version_before_ids") {
            view.misjudge(&mut batch)?;
        }
        match decide(&batch, &mut view)? {
            Decision::Repeat(events) => Ok(Appended { events, repeated: true, durability: class }),
            Decision::Append(versions) => {
                let events = self.place(batch, encoded, &versions);
                Ok(Appended { events, repeated: false, durability: class })
            }
        }
    }

    /// Everything ordered so far.
    fn view(&self) -> View<'_> {
        View { log: &self.log, group: &self.group, first: self.first() }
    }

    /// The position of the group's first record.
    fn first(&self) -> Position {
        Position::new(self.next.get() - self.group.starts.len() as u64)
    }

    /// Gives a batch the next positions and makes it part of the group and of the tail.
    fn place(&mut self, batch: AppendBatch, encoded: &Encoded, versions: &[Version]) -> Vec<AppendedEvent> {
        let (first, recorded_at) = (self.next, self.recorded_at.max(self.clock.now()));
        let events = batch.events().zip(versions).enumerate();
        let placed: Vec<_> = events
            .map(|(index, ((_, event), version))| AppendedEvent {
                id: event.id,
                version: *version,
                position: Position::new(first.get() + index as u64),
                recorded_at,
            })
            .collect();
        self.taken += 1;
        if armed("lose_one_event") && self.taken.is_multiple_of(100) {
            return placed;
        }
        encoded.place(&mut self.group.bytes, &mut self.group.starts, versions, first, recorded_at);
        self.recorded_at = recorded_at;
        self.next = Position::new(first.get() + placed.len() as u64);
        let tenant = batch.tenant;
        let events = batch
            .appends
            .into_iter()
            .flat_map(|append| append.events.into_iter().map(move |event| (append.stream.clone(), event)));
        for ((stream, event), place) in events.zip(&placed) {
            let correlation = event.metadata.correlation_id.filter(|given| !is_id(given, event.id));
            let tenant = tenant.clone();
            let AppendedEvent { id, version, position, .. } = *place;
            self.log.tail.push(Entry { position, tenant, stream, version, id, correlation });
        }
        placed
    }

    /// Writes and syncs the group, lets it be read, and answers.
    fn flush(&mut self) {
        let first = self.first();
        let answers = std::mem::take(&mut self.group.answers);
        if self.group.starts.is_empty() {
            return answer::send(answers);
        }
        let open = self.open.as_ref().expect("a group is flushed to an open segment");
        let at = open.segment.end();
        let group = self.group.close(first, self.log.chain.incarnation, at);

        let early = armed("visible_before_durable") || armed("ack_before_sync");
        if early {
            publish(&self.log, open, group.clone());
        }
        if armed("ack_before_sync") {
            // For so long a kill takes what was acknowledged; at full speed a dozen kills may all fall elsewhere.
            std::thread::sleep(Duration::from_millis(5));
        }
        let written = open.file.write_all_at(&group.bytes, at);
        if let Err(error) = written.and_then(|()| self.sync(&open.file))
            && !armed("continue_after_eio")
        {
            let reason = format!("writing to the log failed: {error}");
            self.log.fail(reason.clone());
            return answer::unknown(answers, &reason);
        }
        if !early {
            publish(&self.log, open, group);
        }
        self.gather_until = (answers.len() >= BUSY).then(|| Instant::now() + GATHER);
        answer::send(answers);
        self.look_ahead();
    }

    /// Asks for the next segment when this one is half full.
    fn look_ahead(&mut self) {
        let size = self.next_size();
        if let Some(open) = &mut self.open
            && !open.asked
            && open.size / 2 < open.segment.end()
        {
            open.asked = true;
            let filling = Filling { segment: open.segment.clone(), from: open.segment.end(), to: open.size };
            self.preparer.want(size, Some(filling));
        }
    }
}

/// A writer that panicked leaves a log that takes nothing, and says so.
struct TellPanic(Arc<Log>);

impl Drop for TellPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail("the writer panicked, which is a bug".into());
        }
    }
}

/// Lets a group be read: whoever learns that its append is done finds it.
fn publish(log: &Log, open: &Open, group: recent::Group) {
    let at = open.segment.end();
    let offsets: Vec<u32> = group.starts.iter().map(|start| at as u32 + start).collect();
    open.segment.grow(&offsets, at + group.bytes.len() as u64);
    let head = Position::new(group.first.get() + group.starts.len() as u64 - 1);
    log.recent.push(group);
    log.tail.settle(head);
    log.head.send_replace(head);
}

fn behind() -> AppendError {
    AppendError::Busy { reason: "the index is behind the log".into() }
}

fn failed(reason: &str) -> AppendError {
    AppendError::Unavailable { reason: format!("{reason}; look at the disk, then start again") }
}

/// Whether a correlation is the event's own id.
fn is_id(correlation: &str, id: uuid::Uuid) -> bool {
    id.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()) == correlation
}

#[cfg(test)]
mod tests;
