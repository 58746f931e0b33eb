//! What a decision sees: the whole log, the group that is being put together included.

use bytes::Bytes;
use gesta_core::{
    AppendBatch, AppendError, ExpectedVersion, Position, ReadError, RecordedEvent, StoredView, StreamId,
    Tenant, Version, decode_envelope,
};
use uuid::Uuid;

use super::Pending;
use crate::{
    log::{Log, frame::FRAME, page, scan::Records, tail::Sought},
    planted::armed,
};

/// Everything ordered so far: the group, the tail, the index.
pub(super) struct View<'a> {
    pub(super) log: &'a Log,
    pub(super) group: &'a Pending,
    /// The position of the group's first record.
    pub(super) first: Position,
}

impl StoredView for View<'_> {
    fn event(&mut self, tenant: &Tenant, id: Uuid) -> Result<Option<RecordedEvent>, AppendError> {
        if armed("duplicate_on_retry") {
            return Ok(None);
        }
        let found = match self.log.tail.find_id(tenant, id) {
            Sought::At(position) => Some(position),
            Sought::Nowhere => None,
            Sought::NotHere => self.log.index.find_id(tenant, id).map_err(unavailable)?,
        };
        let Some(position) = found else { return Ok(None) };
        let event = self.at(position).map_err(unavailable)?;
        // The index is not to be believed: what counts is the record.
        Ok(event.filter(|event| event.id == id && event.tenant == *tenant))
    }

    fn version(&mut self, tenant: &Tenant, stream: &StreamId) -> Result<Version, AppendError> {
        match self.log.tail.stream_version(tenant, stream) {
            Some(version) => Ok(version),
            None => self.log.index.stream_version(tenant, stream).map_err(unavailable),
        }
    }
}

impl View<'_> {
    fn at(&self, position: Position) -> Result<Option<RecordedEvent>, ReadError> {
        if position < self.first {
            let position = position.get().min(self.log.head().get());
            return page::records(self.log, &[Position::new(position)]).map(|mut found| found.pop());
        }
        let index = usize::try_from(position.get() - self.first.get()).unwrap_or(usize::MAX);
        let frames = self.group.starts.get(index).map(|start| &self.group.bytes[*start as usize..]);
        let record = frames.and_then(|frames| Records::of(frames).next()).and_then(Result::ok);
        Ok(record.and_then(|record| decode_envelope(Bytes::copy_from_slice(&record.frame[FRAME..])).ok()))
    }

    /// Two planted bugs: takes a stale version for a good one, or compares versions before ids.
    pub(super) fn misjudge(&mut self, batch: &mut AppendBatch) -> Result<(), AppendError> {
        for index in 0..batch.appends.len() {
            let actual = self.version(&batch.tenant, &batch.appends[index].stream)?;
            let append = &mut batch.appends[index];
            if armed("version_before_ids") {
                append.expected.check(&append.stream, actual)?;
            }
            if let ExpectedVersion::Exact(version) = append.expected
                && armed("version_gte")
                && version <= actual
            {
                append.expected = ExpectedVersion::Any;
            }
        }
        Ok(())
    }
}

fn unavailable(error: impl std::fmt::Display) -> AppendError {
    AppendError::Unavailable { reason: error.to_string() }
}
