//! Appends of one process: gathered into groups, each one transaction.

use std::sync::{
    RwLock,
    atomic::{AtomicUsize, Ordering},
};

use gesta_core::{AppendBatch, AppendError, Appended, limits};
use tokio::{
    sync::{mpsc, oneshot},
    task::yield_now,
};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

mod group;
mod streams;
mod view;
mod writer;

pub(crate) use writer::{BEGIN, Writer};

/// Most appends that wait.
const WAITING: usize = 16_384;
/// Most bytes of events that wait: eight batches as large as they come.
const WAITING_BYTES: usize = 8 * limits::BATCH_BYTES;

/// A batch on its way to the writer.
pub(crate) struct Request {
    pub(crate) batch: AppendBatch,
    pub(crate) bytes: usize,
    pub(crate) reply: oneshot::Sender<Result<Appended, AppendError>>,
}

/// What leads from a correlation id to its events: they are compared afterwards.
pub(crate) fn correlation(id: &str) -> i64 {
    xxh3_64(id.as_bytes()).cast_signed()
}

/// What leads from its correlation to an event; nothing where that is the event's own id, which leads to it anyway.
pub(crate) fn correlation_of(given: Option<&str>, id: Uuid) -> Option<i64> {
    let mut own = Uuid::encode_buffer();
    given.filter(|given| *given != &*id.hyphenated().encode_lower(&mut own)).map(correlation)
}

/// The bounded way to the writer.
pub(crate) struct Queue {
    sender: RwLock<Option<mpsc::Sender<Request>>>,
    bytes: std::sync::Arc<AtomicUsize>,
}

/// The writer's end of it.
pub(crate) struct Requests {
    receiver: mpsc::Receiver<Request>,
    bytes: std::sync::Arc<AtomicUsize>,
}

impl Queue {
    pub(crate) fn new() -> (Self, Requests) {
        let (sender, receiver) = mpsc::channel(WAITING);
        let bytes = std::sync::Arc::<AtomicUsize>::default();
        (Self { sender: RwLock::new(Some(sender)), bytes: bytes.clone() }, Requests { receiver, bytes })
    }

    /// Hands a well-formed batch to the writer and waits for its answer.
    pub(crate) async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        let bytes = batch.events().map(|(_, event)| event.data.len() + 512).sum();
        let (reply, answer) = oneshot::channel();
        self.send(Request { batch, bytes, reply })?;
        let stopped = || Err(AppendError::Unknown { reason: "the store stopped meanwhile".into() });
        answer.await.unwrap_or_else(|_| stopped())
    }

    fn send(&self, request: Request) -> Result<(), AppendError> {
        let closed = || AppendError::Unavailable { reason: "it is closed: connect again".into() };
        let sender = self.sender.read().expect("no holder of the queue's lock panics");
        let sender = sender.as_ref().ok_or_else(closed)?;
        let bytes = request.bytes;
        let waiting = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let full = || {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            AppendError::Busy { reason: "too many appends are waiting".into() }
        };
        // One batch alone is always let in, however large.
        if waiting > 0 && WAITING_BYTES < waiting + bytes {
            return Err(full());
        }
        sender.try_send(request).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => full(),
            mpsc::error::TrySendError::Closed(_) => closed(),
        })
    }

    /// Lets nothing in any more; what waits is still written.
    pub(crate) fn close(&self) {
        self.sender.write().expect("no holder of the queue's lock panics").take();
    }
}

impl Requests {
    /// What waits, at least one request; `None` once the queue is closed and empty.
    pub(crate) async fn group(&mut self) -> Option<Vec<Request>> {
        let first = self.receiver.recv().await?;
        self.gathered().await;
        let mut group = vec![self.taken(first)];
        let (mut events, mut bytes) = (group[0].batch.events().count(), group[0].bytes);
        while events < limits::BATCH_EVENTS * 4 && bytes < limits::BATCH_BYTES {
            let Ok(request) = self.receiver.try_recv() else { break };
            let request = self.taken(request);
            events += request.batch.events().count();
            bytes += request.bytes;
            group.push(request);
        }
        Some(group)
    }

    /// Lets all who are about to ask do so: whoever was answered by the last group asks again in a moment, and the first of
    /// them would go alone. Enough is enough, so that no flood of appends puts off those that wait.
    async fn gathered(&self) {
        let mut waiting = None;
        while waiting != Some(self.receiver.len()) && self.receiver.len() < limits::BATCH_EVENTS {
            waiting = Some(self.receiver.len());
            yield_now().await;
        }
    }

    fn taken(&self, request: Request) -> Request {
        self.bytes.fetch_sub(request.bytes, Ordering::Relaxed);
        request
    }
}
