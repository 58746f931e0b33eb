use std::{
    path::Path,
    thread::{self, JoinHandle},
};

use gesta_core::{
    AppendBatch, DurabilityClass, ExpectedVersion, Incarnation, ListStreams, NewEvent, StreamId, Tenant,
};

use super::*;
use crate::{
    index::Index,
    log::{chain::Chain, recent::Recent, tail::Tail},
};

/// A writer on a segment of its own, without a helper and without an index thread.
struct Alone {
    log: Arc<Log>,
    queue: Arc<Queue>,
    thread: JoinHandle<()>,
}

impl Alone {
    fn start(dir: &Path, options: &Options, open: impl Fn(&Path) -> File) -> Self {
        let life = Incarnation::random();
        let folder = dir.join("log");
        fs::create_dir(&folder).expect("makes the folder");
        let (chain, _) = Chain::open(folder.clone(), life).expect("opens");
        let index = Index::open(&dir.join("index"), life, Position::START).expect("opens");
        let tail = Tail::new(Position::START, options.tail_events, None);
        let class = DurabilityClass::Synced;
        let log = Arc::new(Log::new(chain, Recent::new(1 << 20), tail, index, Position::START, class));
        let segment = Arc::new(Segment::open(&folder, Position::new(1), Vec::new(), HEADER as u64));
        log.chain.push(segment.clone());
        fs::write(&segment.path, vec![0; 1 << 20]).expect("writes");
        let file = open(&segment.path);
        let (queue, requests) = Queue::new(100);
        let queue = Arc::new(queue);
        let preparer = Arc::new(Preparer::new(folder, life));
        let open = Some(Open { file, segment, size: 1 << 20, asked: true });
        let start = Timestamp::default();
        let writer = Writer::new(log.clone(), preparer, queue.clone(), requests, open, start, options);
        Self { log, queue, thread: thread::spawn(move || writer.run()) }
    }

    async fn append(&self) -> Result<Appended, AppendError> {
        self.queue.append(batch()).await
    }

    fn stop(self) {
        self.queue.close();
        self.thread.join().expect("the writer ends");
    }
}

fn batch() -> AppendBatch {
    let stream: StreamId = "thing-1".parse().expect("legal");
    AppendBatch::to(stream, ExpectedVersion::Any, [NewEvent::new("x", "1")])
}

fn read_only(path: &Path) -> File {
    File::open(path).expect("opens")
}

fn writable(path: &Path) -> File {
    File::options().write(true).open(path).expect("opens")
}

#[tokio::test]
async fn after_a_failed_write_nothing_is_acknowledged_any_more() {
    let dir = tempfile::tempdir().expect("a folder");
    let writer = Alone::start(dir.path(), &Options::default(), read_only);
    let first = writer.append().await;
    assert!(matches!(first, Err(AppendError::Unknown { .. })), "{first:?}");
    for _ in 0..3 {
        let later = writer.append().await;
        assert!(matches!(later, Err(AppendError::Unavailable { .. })), "{later:?}");
    }
    assert_eq!(writer.log.head(), Position::START);
    assert!(writer.log.failure().is_some_and(|reason| reason.contains("writing to the log failed")));
    writer.stop();
}

#[tokio::test]
async fn what_was_acknowledged_relaxed_and_not_written_is_never_readable() {
    let dir = tempfile::tempdir().expect("a folder");
    let writer = Alone::start(dir.path(), &Options::default(), read_only);
    let relaxed = writer.queue.append(batch().relaxed()).await.expect("ordered");
    assert_eq!((relaxed.last().position.get(), relaxed.durability), (1, None));
    // The next answer comes behind the write that failed.
    assert!(writer.append().await.is_err());
    assert_eq!(writer.log.head(), Position::START);
    let listed = writer.log.tail.list_streams(&ListStreams::of(Tenant::default()), writer.log.head());
    assert_eq!(listed, []);
    assert!(writer.log.recent.at(Position::new(1)).is_none());
    writer.stop();
}

#[tokio::test]
async fn appends_are_refused_as_busy_while_the_index_is_behind() {
    let dir = tempfile::tempdir().expect("a folder");
    let options = Options::default().tail(2).patience(Duration::ZERO);
    let writer = Alone::start(dir.path(), &options, writable);
    writer.append().await.expect("there is room");
    writer.append().await.expect("there is room");
    let busy = writer.append().await;
    assert!(matches!(busy, Err(AppendError::Busy { .. })), "{busy:?}");

    // What the index thread would do.
    let taken = writer.log.tail.take().expect("something is durable");
    writer.log.index.apply(taken.entries()).expect("applies");
    writer.log.tail.let_go(taken);
    let place = writer.append().await.expect("there is room again");
    assert_eq!((place.last().position.get(), place.last().version), (3, Version::new(3)));
    writer.stop();
}

#[tokio::test]
async fn a_retry_within_one_group_waits_for_the_sync_of_the_first() {
    let dir = tempfile::tempdir().expect("a folder");
    let writer = Alone::start(dir.path(), &Options::default(), read_only);
    let batch = batch();
    let (first, retry) = tokio::join!(writer.queue.append(batch.clone()), writer.queue.append(batch.clone()));
    // Whether in one group or in two, neither may be told that it is stored.
    assert!(first.is_err() && retry.is_err(), "{first:?} {retry:?}");
    writer.stop();
}
