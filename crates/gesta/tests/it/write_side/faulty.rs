//! A store that counts, and does what it is told to do wrong.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use futures_util::StreamExt;
use gesta_conformance::around::{Around, AroundStore};
use gesta_core::{
    AppendBatch, AppendError, Appended, EventStore, EventStream, ExpectedVersion, MemoryStore, NewEvent,
    ReadAll, ReadStream,
};

/// What is wrong with an append.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// It takes effect, but nobody hears of it.
    LostReply,
    /// It does not take effect, and nobody hears of it.
    LostRequest,
    /// The store is busy.
    Busy,
    /// Another writer comes first.
    Overtaken,
}

pub(crate) struct Faulty {
    pub(crate) store: Arc<MemoryStore>,
    faults: Mutex<VecDeque<Fault>>,
    pub(crate) appends: AtomicUsize,
    /// Reads of streams, and events they gave.
    pub(crate) reads: AtomicUsize,
    pub(crate) events_read: Arc<AtomicUsize>,
    /// Reads of the log: look-ups of ids.
    pub(crate) look_ups: AtomicUsize,
}

impl Faulty {
    pub(crate) fn over(
        store: Arc<MemoryStore>,
        faults: impl IntoIterator<Item = Fault>,
    ) -> Arc<Around<Self>> {
        let faults = Mutex::new(faults.into_iter().collect());
        Arc::new(Around(Self {
            store,
            faults,
            appends: AtomicUsize::default(),
            reads: AtomicUsize::default(),
            events_read: Arc::default(),
            look_ups: AtomicUsize::default(),
        }))
    }

    /// How many events were read since it was asked last.
    pub(crate) fn take_events_read(&self) -> usize {
        self.events_read.swap(0, Ordering::SeqCst)
    }

    async fn overtake(&self, batch: &AppendBatch) {
        let event = NewEvent::new("SeatSold", r#"{"seat":999,"to":"somebody faster"}"#);
        let first = AppendBatch::to(batch.appends[0].stream.clone(), ExpectedVersion::Any, [event]);
        self.store.append(first).await.expect("appends");
    }
}

#[async_trait]
impl AroundStore for Faulty {
    fn store(&self) -> &dyn EventStore {
        &*self.store
    }

    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        self.appends.fetch_add(1, Ordering::SeqCst);
        let fault = self.faults.lock().expect("no holder panics").pop_front();
        let unknown = || AppendError::Unknown { reason: "no reply".into() };
        match fault {
            None => self.store.append(batch).await,
            Some(Fault::LostReply) => self.store.append(batch).await.and_then(|_| Err(unknown())),
            Some(Fault::LostRequest) => Err(unknown()),
            Some(Fault::Busy) => Err(AppendError::Busy { reason: "the queue is full".into() }),
            Some(Fault::Overtaken) => {
                self.overtake(&batch).await;
                self.store.append(batch).await
            }
        }
    }

    fn read_stream(&self, read: ReadStream) -> EventStream {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let count = self.events_read.clone();
        let counted = self.store.read_stream(read).inspect(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        });
        Box::pin(counted)
    }

    fn read_all(&self, read: ReadAll) -> EventStream {
        self.look_ups.fetch_add(1, Ordering::SeqCst);
        self.store.read_all(read)
    }
}
