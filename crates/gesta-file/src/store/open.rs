//! Opens a data folder.

use std::{fs, io, path::Path, sync::Arc};

use gesta_core::{DurabilityClass, Incarnation, Position, Timestamp};

use super::{FileStore, Running, Threads, spawn};
use crate::{
    Damage, OpenError, Options, Progress, StateError,
    append::Queue,
    checkpoints::Checkpoints,
    index::{Found, Index},
    log::{
        Log,
        chain::Chain,
        folder::{Folder, sync_names},
        follow,
        meta::Meta,
        page,
        prepare::{NEXT, Preparer},
        recent::Recent,
        recover,
        segment::Segment,
        tail::Tail,
        writer::{Open, Writer},
    },
    planted::armed,
    snapshots::Snapshots,
    state::State,
};

/// The order matters: the log alone says what is stored, then all who have seen it say whether that is all, and only
/// then is anything repaired.
pub(super) fn open(dir: &Path, options: &Options) -> Result<FileStore, OpenError> {
    let folder = Folder::open(dir)?;
    let meta = meta(&folder)?;
    let (chain, last) = Chain::open(folder.log(), meta.incarnation)?;
    let found = last.map(|first| found(&chain, first, meta)).transpose()?;
    let recovered = Recovered::of(&chain, last, found);
    let head = recovered.head;
    witness(head, "the mark of the last stop", meta.head)?;

    let index = Index::open(&folder.path().join("index"), meta.incarnation, head)
        .map_err(|error| OpenError::Part { part: "the index", reason: error.to_string() })?;
    match index.found() {
        Found::AheadOfLog { witness: known } => witness(head, "the index", *known)?,
        Found::Discarded { reason } => tracing::warn!(%reason, "the index is built anew"),
        Found::Fits => {}
    }
    let state = Arc::new(State::open(folder.path(), meta.incarnation)?);
    witness(head, "a checkpoint", state.max_position())?;

    let newest = chain.newest_id().map(|newest| recovered.newest_id().max(newest));
    // Nothing is changed before every witness was heard.
    let open = recovered.open(&chain, meta)?;
    Meta { clean: false, head, ..meta }.write(folder.path()).map_err(OpenError::io(folder.path()))?;

    let buffered = !options.sync || folder.is_volatile();
    let class = if buffered { DurabilityClass::Buffered } else { DurabilityClass::Synced };
    let from = if lag(&index, head) <= options.tail_events as u64 { index.watermark() } else { head };
    let tail = Tail::new(from, options.tail_events, newest);
    let log = Arc::new(Log::new(chain, Recent::new(RECENT_BYTES), tail, index, head, class));
    let filled = if from == head { build(&log, head, options) } else { follow::fill_tail(&log, head) };
    filled.map_err(|error| OpenError::Part { part: "the index", reason: error.to_string() })?;
    start(folder, log, state, open, options)
}

/// So many bytes of the groups written last are kept in memory.
const RECENT_BYTES: usize = 8 << 20;

/// So many events are indexed between two tellings of how far it is.
const TELL: u64 = 1 << 16;

/// Brings the index up to the head, and tells how far it is.
fn build(log: &Log, head: Position, options: &Options) -> Result<(), follow::FollowError> {
    loop {
        let done = log.index.watermark();
        let progress = Progress { part: "building the index", done: done.get(), total: head.get() };
        options.told.iter().for_each(|told| told(progress));
        if done >= head {
            return Ok(());
        }
        follow::catch_up(log, head.min(Position::new(done.get().saturating_add(TELL))))?;
    }
}

/// How many events the index does not know yet.
fn lag(index: &Index, head: Position) -> u64 {
    head.get().saturating_sub(index.watermark().get())
}

/// A witness never runs ahead of the durable head, so a log that ends before one was cut.
fn witness(head: Position, witness: &'static str, known: Position) -> Result<(), OpenError> {
    if known <= head || armed("position_reused_after_restart") || armed("damage_cut_as_torn") {
        return Ok(());
    }
    Err(OpenError::Cut { head, witness, known })
}

/// Reads `meta`, or begins a log in a folder that holds none.
fn meta(folder: &Folder) -> Result<Meta, OpenError> {
    let (path, log) = (folder.path(), folder.log());
    if let Some(meta) = Meta::read(path)? {
        if log.is_dir() {
            return Ok(meta);
        }
        return Err(Damage::file(&log, "the folder is missing").into());
    }
    if fs::read_dir(&log).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Damage::file(&path.join("meta"), "it is missing although there is a log").into());
    }
    let fresh = Meta { incarnation: Incarnation::random(), head: Position::START, clean: false };
    let made = || -> io::Result<()> {
        fs::create_dir_all(&log)?;
        sync_names(path)?;
        if let Some(parent) = path.parent() {
            sync_names(parent)?;
        }
        fresh.write(path)
    };
    made().map_err(OpenError::io(path))?;
    Ok(fresh)
}

/// Reads the last segment.
fn found(chain: &Chain, first: Position, meta: Meta) -> Result<recover::Found, OpenError> {
    let mut found = recover::find(&chain.dir, first, chain.incarnation)?;
    if armed("position_reused_after_restart") && !meta.clean {
        found.forget_last_group();
    }
    Ok(found)
}

/// The log as far as it is whole; nothing is changed yet.
struct Recovered {
    head: Position,
    last: Option<(Position, recover::Found)>,
}

impl Recovered {
    fn of(chain: &Chain, first: Option<Position>, found: Option<recover::Found>) -> Self {
        let before = chain.list().last().map_or(Position::START, |segment| segment.last());
        let last = first.zip(found);
        let records = last.as_ref().map_or(0, |(_, found)| found.offsets.len() as u64);
        Self { head: Position::new(before.get() + records), last }
    }

    fn newest_id(&self) -> uuid::Uuid {
        self.last.as_ref().map_or(uuid::Uuid::nil(), |(_, found)| found.newest_id)
    }

    /// Repairs what a crash has torn and hands the last segment to the writer. One without a header is begun anew.
    fn open(self, chain: &Chain, meta: Meta) -> Result<Option<Open>, OpenError> {
        let left_over = chain.dir.join(NEXT);
        match fs::remove_file(&left_over) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(OpenError::io(&left_over)(error));
            }
            _ => {}
        }
        let Some((first, found)) = self.last else { return Ok(None) };
        let segment = Segment::open(&chain.dir, first, found.offsets.clone(), found.end);
        let path = segment.path.clone();
        if found.is_unbegun() {
            found.begin(chain.incarnation, first).map_err(OpenError::io(&path))?;
        } else if !meta.clean || found.torn_bytes() > 0 {
            if found.torn_bytes() > 0 {
                let (torn, end) = (found.torn_bytes(), found.end);
                tracing::warn!(path = %path.display(), torn, end, "what a crash has torn is cut off");
            }
            found.repair(chain.incarnation).map_err(OpenError::io(&path))?;
        }
        let end = found.end.max(crate::log::header::HEADER as u64);
        segment.grow(&[], end);
        let segment = Arc::new(segment);
        chain.push(segment.clone());
        Ok(Some(Open { file: found.file, segment, size: found.size, asked: false }))
    }
}

fn start(
    folder: Folder,
    log: Arc<Log>,
    state: Arc<State>,
    open: Option<Open>,
    options: &Options,
) -> Result<FileStore, OpenError> {
    let (queue, requests) = Queue::new(options.queue_appends);
    let queue = Arc::new(queue);
    let preparer = Arc::new(Preparer::new(log.chain.dir.clone(), log.chain.incarnation));
    let recorded = last_recorded(&log)?;
    if open.is_none() {
        preparer.want(options.first_segment_bytes, None);
    }
    let writer = Writer::new(log.clone(), preparer.clone(), queue.clone(), requests, open, recorded, options);
    let running = Running {
        folder,
        writer: spawn("gesta-log", move || writer.run())?,
        helper: spawn("gesta-log-ahead", {
            let preparer = preparer.clone();
            move || preparer.run()
        })?,
        index: spawn("gesta-index", {
            let log = log.clone();
            move || follow::run(&log)
        })?,
    };
    let threads = Threads {
        log: log.clone(),
        queue: queue.clone(),
        preparer,
        running: std::sync::Mutex::new(Some(running)),
    };
    Ok(FileStore {
        log,
        queue,
        checkpoints: Arc::new(Checkpoints::of(state.clone(), options.clock.clone())),
        snapshots: Arc::new(Snapshots::of(state)),
        threads: Arc::new(threads),
    })
}

/// The time of the last event: the next one's is not before it, whatever the clock says.
fn last_recorded(log: &Log) -> Result<Timestamp, OpenError> {
    let head = log.head();
    if head == Position::START {
        return Ok(Timestamp::from_micros(i64::MIN));
    }
    let last = page::records(log, &[head])
        .map_err(|error| OpenError::Part { part: "the log", reason: error.to_string() })?;
    Ok(last.last().map_or(Timestamp::default(), |event| event.recorded_at))
}

impl From<StateError> for OpenError {
    fn from(error: StateError) -> Self {
        Self::Part { part: "state.db", reason: error.to_string() }
    }
}
