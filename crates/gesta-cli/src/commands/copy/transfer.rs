//! The copying itself: what is there is compared, what is missing comes behind it.

use gesta::CarriedCheckpoints;
use gesta_core::{CheckpointError, CheckpointRecord, Position, RecordedEvent, encode_recorded, limits};

use super::{source::Source, target::Target};
use crate::{
    exit::{Exit, Failure},
    interrupt::Interrupt,
    output::number,
    progress::Progress,
};

/// Beyond every position.
const END: Position = Position::new(u64::MAX);

/// Why something long has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Done,
    Interrupted,
}

/// A copy under way.
pub(super) struct Transfer<'a> {
    source: &'a Source,
    target: &'a Target,
    begun_at: Position,
    head: Position,
}

/// What became of checkpoints.
#[derive(Default)]
pub(super) struct Carried {
    pub(super) adopted: u64,
    /// Further on in the target.
    pub(super) left: u64,
}

impl<'a> Transfer<'a> {
    /// Sees that the target holds a start of the source, or nothing.
    pub(super) async fn begin(source: &'a Source, target: &'a Target) -> Result<Self, Failure> {
        let (head, life) = target.head().await?;
        if source.incarnation().await? == life {
            return Err(Failure::usage("--from and --to are the same log: name another store to copy into"));
        }
        if head > Position::START {
            is_start_of(source, target, head).await?;
        }
        Ok(Self { source, target, begun_at: head, head })
    }

    /// Where the target ends.
    pub(super) fn head(&self) -> Position {
        self.head
    }

    /// How many events were copied.
    pub(super) fn copied(&self) -> u64 {
        self.head.get() - self.begun_at.get()
    }

    /// How many were in the target before.
    pub(super) fn already_there(&self) -> u64 {
        self.begun_at.get()
    }

    /// Copies until nothing is left, or until it is to stop.
    pub(super) async fn catch_up(&mut self, interrupt: Option<&Interrupt>) -> Result<Ended, Failure> {
        let total = self.source.head().await?.get().saturating_sub(self.head.get());
        let from = self.head.get();
        let mut progress = Progress::new("copy", Some(total));
        let begun = std::time::Instant::now();
        let mut next = self.source.read(self.head, END).await?;
        while let Some(last) = next.last().map(|event| event.position) {
            if interrupt.is_some_and(Interrupt::is_asked) {
                return Ok(Ended::Interrupted);
            }
            // The next events are read while these are written.
            let (appended, ahead) = tokio::join!(self.append(next), self.source.read(last, END));
            self.head = appended?;
            next = ahead?;
            let done = self.head.get() - from;
            progress.at(done, || {
                format!(
                    "{} events/s",
                    number((done as f64 / begun.elapsed().as_secs_f64().max(0.001)) as u64)
                )
            });
        }
        Ok(Ended::Done)
    }

    /// Goes on with what is recorded, until it is to stop.
    pub(super) async fn follow(&mut self, interrupt: &Interrupt) -> Result<(), Failure> {
        eprintln!(
            "caught up at position {}, following: stop the servers on the source, then press Ctrl-C here",
            number(self.head.get())
        );
        while self.catch_up(Some(interrupt)).await? == Ended::Done && !interrupt.is_asked() {
            tokio::select! {
                () = interrupt.asked() => {}
                () = self.source.more(self.head) => {}
            }
        }
        Ok(())
    }

    async fn append(&self, events: Vec<RecordedEvent>) -> Result<Position, Failure> {
        let mut head = self.head;
        for run in runs(events) {
            head = self.target.append(run).await?;
        }
        Ok(head)
    }

    /// The checkpoints of the source as they go along.
    pub(super) async fn note_checkpoints(&self) -> Result<Vec<CheckpointRecord>, Failure> {
        let records = self.source.checkpoints().await?;
        let mut carried = CarriedCheckpoints::default();
        records.iter().try_for_each(|record| carried.look(record)).map_err(Failure::failed)?;
        Ok(records.into_iter().filter_map(|record| carried.take(record)).collect())
    }

    /// Sets the target's checkpoints. One that is further on there stays: its owner has begun to run on the target.
    pub(super) async fn carry(&self, records: Vec<CheckpointRecord>) -> Result<Carried, Failure> {
        let checkpoints = self.target.checkpoints();
        let mut carried = Carried::default();
        for record in records {
            if record.saved.position > self.head {
                return Err(Failure::failed(format!(
                    "checkpoint {} of the source is at {}, but its log ends at {}: verify the source",
                    record.key, record.saved.position, self.head
                )));
            }
            let there = checkpoints.load(&record.key).await.map_err(not_set)?;
            if record.saved.position < there.position {
                carried.left += 1;
                continue;
            }
            checkpoints.adopt(record).await.map_err(not_set)?;
            carried.adopted += 1;
        }
        Ok(carried)
    }
}

/// Refuses a target whose last event is not the source's at that position.
async fn is_start_of(source: &Source, target: &Target, head: Position) -> Result<(), Failure> {
    let before = Position::new(head.get() - 1);
    let there = target.event(before).await?;
    let here = source.read(before, head).await?.into_iter().next();
    let Some(here) = here else {
        let end = source.head().await?;
        return Err(Failure::new(
            Exit::Conflict,
            format!(
                "the target holds {head} events, but the source ends at {end}: it is no copy of it, or was used since"
            ),
        ));
    };
    if there.as_ref().is_some_and(|there| envelope(there) == envelope(&here)) {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Conflict,
        format!(
            "the target holds another event at position {head} than the source: copy into an empty store"
        ),
    ))
}

fn envelope(event: &RecordedEvent) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_recorded(&mut bytes, event);
    bytes
}

/// The events in runs that a target takes.
fn runs(events: Vec<RecordedEvent>) -> Vec<Vec<RecordedEvent>> {
    let mut runs: Vec<Vec<RecordedEvent>> = Vec::new();
    let mut bytes = 0;
    for event in events {
        let more = event.data.len() + event.metadata.len();
        match runs.last_mut() {
            Some(run) if run.len() < limits::COPY_EVENTS && bytes + more <= limits::BATCH_BYTES => {
                bytes += more;
                run.push(event);
            }
            _ => {
                bytes = more;
                runs.push(vec![event]);
            }
        }
    }
    runs
}

fn not_set(error: CheckpointError) -> Failure {
    match error {
        error @ CheckpointError::Owned { .. } => {
            Failure::new(Exit::Conflict, format!("{error} on the target: stop what runs there"))
        }
        error => Failure::new(Exit::Unavailable, error),
    }
}
