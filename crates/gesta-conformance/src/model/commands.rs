//! The commands of random histories.

use gesta_core::{
    AppendBatch, Durability, ExpectedVersion, Filter, ListStreams, Metadata, NewEvent, Position, ReadAll,
    ReadStream, StreamAppend, Tenant, Version,
};

use super::Model;
use crate::{
    Dice,
    given::{exact, stream},
};

/// One step of a random history.
#[derive(Debug, Clone)]
pub enum Command {
    /// Append, for the first time or again, as it was or changed.
    Append(AppendBatch),
    /// Read a stream.
    ReadStream(ReadStream),
    /// Read the log.
    ReadAll(Box<ReadAll>),
    /// List streams.
    List(ListStreams),
    /// Close and open.
    Reopen,
}

/// Makes commands. Few streams and small bounds, so that conflicts, repeats and edges are met often.
pub(super) struct Commands {
    pub(super) dice: Dice,
    pub(super) tenants: Vec<Tenant>,
    pub(super) multi_stream: bool,
    sent: Vec<AppendBatch>,
}

impl Commands {
    pub(super) fn new(dice: Dice, tenants: Vec<Tenant>, multi_stream: bool) -> Self {
        Self { dice, tenants, multi_stream, sent: Vec::new() }
    }

    pub(super) fn next(&mut self, model: &Model) -> Command {
        match self.dice.below(100) {
            0..40 => self.append(model),
            40..55 => self.repeat(),
            55..70 => Command::ReadStream(self.read_stream()),
            70..90 => Command::ReadAll(Box::new(self.read_all(model))),
            90..97 => Command::List(self.list()),
            _ => Command::Reopen,
        }
    }

    fn append(&mut self, model: &Model) -> Command {
        let streams = if self.multi_stream && self.dice.chance(1, 3) { self.dice.between(2, 3) } else { 1 };
        let tenant = self.tenant();
        let appends = (0..streams).map(|_| self.stream_append(model, &tenant)).collect();
        let batch = AppendBatch { tenant, appends, durability: Durability::Durable };
        self.sent.push(batch.clone());
        Command::Append(batch)
    }

    fn stream_append(&mut self, model: &Model, tenant: &Tenant) -> StreamAppend {
        let stream = stream(&self.stream_id());
        let version = model.version(tenant, &stream);
        let expected = match self.dice.below(6) {
            0 => ExpectedVersion::Any,
            1 => ExpectedVersion::NoStream,
            2 => ExpectedVersion::Exists,
            3 => exact(self.dice.below(4)),
            _ => exact(version),
        };
        let events = (0..self.dice.between(1, 3)).map(|_| self.event()).collect();
        StreamAppend { stream, expected, events }
    }

    fn event(&mut self) -> NewEvent {
        let kind = *self.dice.pick(&["a.made", "a.moved", "B_DONE"]);
        let mut metadata = Metadata::default();
        if self.dice.chance(1, 2) {
            metadata.source = Some((*self.dice.pick(&["x", "y"])).into());
        }
        if self.dice.chance(1, 4) {
            metadata.correlation_id = Some("talk".into());
        }
        NewEvent::new(kind, self.dice.below(10).to_string()).with_id(self.dice.id()).with_metadata(metadata)
    }

    /// A batch sent before: as it was, changed, or mixed with something new.
    fn repeat(&mut self) -> Command {
        if self.sent.is_empty() {
            return Command::Append(
                AppendBatch::to(stream("a-1"), ExpectedVersion::Any, []).of(self.tenant()),
            );
        }
        let at = self.dice.below(self.sent.len() as u64);
        let mut batch = self.sent[usize::try_from(at).expect("an index")].clone();
        let first = &mut batch.appends[0].events[0];
        match self.dice.below(6) {
            0 => first.data = "\"other\"".into(),
            1 => first.metadata.source = Some("other".into()),
            2 => first.metadata.traceparent = Some("00-1-2-01".into()),
            3 => {
                let new = self.event();
                batch.appends[0].events.push(new);
            }
            _ => {}
        }
        Command::Append(batch)
    }

    fn read_stream(&mut self) -> ReadStream {
        let mut read = ReadStream::of(self.tenant(), stream(&self.stream_id()));
        if self.dice.chance(1, 2) {
            read = read.after(Version::new(self.dice.below(6)));
        }
        if self.dice.chance(1, 3) {
            read = read.up_to(Version::new(self.dice.below(10)));
        }
        if self.dice.chance(1, 3) {
            read = read.limit(usize::try_from(self.dice.below(5)).expect("small"));
        }
        if self.dice.chance(1, 3) { read.backwards() } else { read }
    }

    fn read_all(&mut self, model: &Model) -> ReadAll {
        let mut filter = Filter::of(self.tenant());
        match self.dice.below(6) {
            0 => filter = filter.types([*self.dice.pick(&["a.*", "B_DONE", "*.moved", "none"])]),
            1 => filter = filter.streams([*self.dice.pick(&["a-*", "*-1", "b-2"])]),
            2 => filter.sources = vec![(*self.dice.pick(&["x", "other"])).into()],
            3 => filter = filter.correlation("talk"),
            _ => {}
        }
        let mut read = ReadAll::of(filter).after(Position::new(model.start));
        let mut place = || Position::new(model.start + self.dice.below(model.log.len() as u64 + 2));
        let (after, up_to) = (place(), place());
        if self.dice.chance(1, 2) {
            read = read.after(after);
        }
        if self.dice.chance(1, 3) {
            read = read.up_to(up_to);
        }
        if self.dice.chance(1, 3) {
            read = read.limit(usize::try_from(self.dice.below(8)).expect("small"));
        }
        if self.dice.chance(1, 3) { read.backwards() } else { read }
    }

    fn list(&mut self) -> ListStreams {
        let pattern = (*self.dice.pick(&["*", "a-*", "*-2", "b-1"])).into();
        let after = self.dice.chance(1, 3).then(|| stream(&self.stream_id()));
        let limit = usize::try_from(self.dice.between(1, 5)).expect("small");
        ListStreams { pattern, after, limit, ..ListStreams::of(self.tenant()) }
    }

    fn tenant(&mut self) -> Tenant {
        self.dice.pick(&self.tenants).clone()
    }

    fn stream_id(&mut self) -> String {
        format!("{}-{}", self.dice.pick(&["a", "b"]), self.dice.between(1, 3))
    }
}
