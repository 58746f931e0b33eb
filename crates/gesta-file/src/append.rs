//! From a batch to the writer: what can be done beside it is done before it.

use std::sync::{
    RwLock,
    atomic::{AtomicUsize, Ordering},
};

use gesta_core::{
    AppendBatch, AppendError, Appended, CopyError, Position, RecordedEvent, Timestamp, Version,
    encode_envelope, encode_recorded,
};
use tokio::sync::{mpsc, oneshot};

use crate::log::frame::{self, FRAME};

/// At most so many bytes wait for the writer.
const MOST_BYTES: usize = 64 << 20;

/// Something on its way to the writer.
pub(crate) struct Request {
    /// What to decide on.
    pub(crate) work: Work,
    /// What to write.
    pub(crate) encoded: Encoded,
}

/// What to decide on, and who waits for the answer.
pub(crate) enum Work {
    /// Events that get their places here.
    Append(AppendBatch, Reply<Appended, AppendError>),
    /// Events that bring theirs along.
    Copy(Vec<RecordedEvent>, Reply<Position, CopyError>),
}

/// The way back to who asked, who may be gone.
pub(crate) type Reply<T, E> = oneshot::Sender<Result<T, E>>;

impl Request {
    /// Tells whoever waits that nothing was stored, and why.
    pub(crate) fn refuse(self, refusal: AppendError) {
        match self.work {
            Work::Append(_, reply) => drop(reply.send(Err(refusal))),
            Work::Copy(_, reply) => drop(reply.send(Err(refusal.into()))),
        }
    }
}

/// The record frames of a batch, complete but for what only the writer knows: version, position, time, checksum. Those
/// of recorded events lack nothing.
pub(crate) struct Encoded {
    pub(crate) frames: Vec<u8>,
    records: Vec<Spot>,
}

/// Where a record is among the frames, and where in it the time goes.
#[derive(Clone, Copy)]
struct Spot {
    start: usize,
    end: usize,
    time: usize,
}

impl Encoded {
    /// Encodes a batch that is well-formed.
    pub(crate) fn of(batch: &AppendBatch) -> Self {
        let bytes: usize = batch.events().map(|(_, event)| event.data.len() + 512).sum();
        let mut frames = Vec::with_capacity(bytes);
        let mut records = Vec::with_capacity(batch.appends.iter().map(|append| append.events.len()).sum());
        for (stream, event) in batch.events() {
            let start = frames.len();
            frames.resize(start + FRAME, 0);
            let unknown = (Version::EMPTY, Position::START, Timestamp::default());
            encode_envelope(&mut frames, &batch.tenant, stream, unknown.0, unknown.1, unknown.2, event);
            let texts = [batch.tenant.as_str(), stream.as_str(), &event.event_type, &event.content_type]
                .map(str::len);
            // Format, position, version, four texts behind their lengths, id, schema version.
            let time = start + FRAME + 1 + 8 + 8 + 4 * 4 + texts.iter().sum::<usize>() + 16 + 4;
            records.push(Spot { start, end: frames.len(), time });
        }
        let last = records.len() - 1;
        for (index, spot) in records.iter().enumerate() {
            frame::begin_record(&mut frames[spot.start..spot.end], index == last);
        }
        Self { frames, records }
    }

    /// Encodes events that are recorded already, as one batch: a crash leaves all of them or none.
    pub(crate) fn recorded(events: &[RecordedEvent]) -> Self {
        let bytes: usize = events.iter().map(|event| event.data.len() + event.metadata.len() + 256).sum();
        let mut frames = Vec::with_capacity(bytes);
        let mut records = Vec::with_capacity(events.len());
        for (index, event) in events.iter().enumerate() {
            let start = frames.len();
            frames.resize(start + FRAME, 0);
            encode_recorded(&mut frames, event);
            frame::begin_record(&mut frames[start..], index + 1 == events.len());
            frame::seal_record(&mut frames[start..]);
            records.push(Spot { start, end: frames.len(), time: start });
        }
        Self { frames, records }
    }

    /// Appends the frames to `group` as they are; `starts` learns where each begins.
    pub(crate) fn place_recorded(&self, group: &mut Vec<u8>, starts: &mut Vec<u32>) {
        let start = |spot: &Spot| group.len() + spot.start;
        starts.extend(self.records.iter().map(start).map(as_start));
        group.extend_from_slice(&self.frames);
    }

    /// Appends the frames to `group`, with versions, positions from `first` on, and the time filled in; `starts`
    /// learns where each begins.
    pub(crate) fn place(
        &self,
        group: &mut Vec<u8>,
        starts: &mut Vec<u32>,
        versions: &[Version],
        first: Position,
        recorded_at: Timestamp,
    ) {
        let base = group.len();
        group.extend_from_slice(&self.frames);
        for (index, (spot, version)) in self.records.iter().zip(versions).enumerate() {
            let position = first.get() + index as u64;
            let (frame, time) = (&mut group[base + spot.start..base + spot.end], spot.time - spot.start);
            frame[FRAME + 1..FRAME + 9].copy_from_slice(&position.to_le_bytes());
            frame[FRAME + 9..FRAME + 17].copy_from_slice(&version.get().to_le_bytes());
            frame[time..time + 8].copy_from_slice(&recorded_at.as_micros().to_le_bytes());
            frame::seal_record(frame);
            starts.push(as_start(base + spot.start));
        }
    }
}

fn as_start(at: usize) -> u32 {
    u32::try_from(at).expect("a group is smaller than 4 GiB")
}

/// The bounded way to the writer.
pub(crate) struct Queue {
    sender: RwLock<Option<mpsc::Sender<Request>>>,
    bytes: AtomicUsize,
}

impl Queue {
    pub(crate) fn new(appends: usize) -> (Self, mpsc::Receiver<Request>) {
        let (sender, receiver) = mpsc::channel(appends);
        (Self { sender: RwLock::new(Some(sender)), bytes: AtomicUsize::new(0) }, receiver)
    }

    /// Appends a batch: refuses what is malformed or too much before the writer sees it, then waits for its answer.
    pub(crate) async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        batch.validate()?;
        let encoded = Encoded::of(&batch);
        let (reply, answer) = oneshot::channel();
        self.send(Request { work: Work::Append(batch, reply), encoded })?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Appends recorded events that [`gesta_core::validate_recorded`] has found legal.
    pub(crate) async fn copy(&self, events: Vec<RecordedEvent>) -> Result<Position, CopyError> {
        let encoded = Encoded::recorded(&events);
        let (reply, answer) = oneshot::channel();
        self.send(Request { work: Work::Copy(events, reply), encoded })?;
        answer.await.unwrap_or_else(|_| Err(stopped().into()))
    }

    fn send(&self, request: Request) -> Result<(), AppendError> {
        let sender = self.sender.read().expect("no holder of the queue's lock panics");
        let sender = sender.as_ref().ok_or_else(closed)?;
        let bytes = request.encoded.frames.len();
        let waiting = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let full = || {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            AppendError::Busy { reason: "too many appends are waiting".into() }
        };
        // One batch alone is always let in, however large.
        if waiting > 0 && MOST_BYTES < waiting + bytes {
            return Err(full());
        }
        sender.try_send(request).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => full(),
            mpsc::error::TrySendError::Closed(_) => closed(),
        })
    }

    /// The writer has taken a request of so many bytes.
    pub(crate) fn taken(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Lets nothing in any more; what waits is still written.
    pub(crate) fn close(&self) {
        self.sender.write().expect("no holder of the queue's lock panics").take();
    }
}

/// The writer is gone and has not said what became of it.
fn stopped() -> AppendError {
    AppendError::Unknown { reason: "the store stopped meanwhile".into() }
}

/// The store was closed, or its writer is gone.
fn closed() -> AppendError {
    AppendError::Unavailable { reason: "it is closed: open it again".into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gesta_core::{ExpectedVersion, NewEvent, Tenant};

    #[test]
    fn frames_filled_in_later_are_those_encoded_at_once() {
        let stream: gesta_core::StreamId = "order-7".parse().expect("legal");
        let events = [NewEvent::new("placed", "{}"), NewEvent::new("paid", "{\"by\":\"card\"}")];
        let batch = AppendBatch::to(stream.clone(), ExpectedVersion::Any, events.clone());
        let at = Timestamp::from_micros(1_234_567);
        let versions = [Version::new(4), Version::new(5)];
        let (mut group, mut starts) = (Vec::new(), Vec::new());
        Encoded::of(&batch).place(&mut group, &mut starts, &versions, Position::new(70), at);

        for (index, event) in events.iter().enumerate() {
            let mut whole = Vec::new();
            let position = Position::new(70 + index as u64);
            encode_envelope(&mut whole, &Tenant::default(), &stream, versions[index], position, at, event);
            let start = starts[index] as usize;
            assert_eq!(group[start + FRAME..start + FRAME + whole.len()], whole);
            assert!(frame::check_record(&group[start..start + FRAME + whole.len()]).is_ok());
        }
    }
}
