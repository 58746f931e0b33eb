//! Events that were recorded elsewhere: they keep their places, or are refused.

use gesta_core::{CopyError, Position, RecordedEvent, continues};

use super::Writer;
use crate::{
    append::{Encoded, Request, Work},
    log::follow,
};

impl Request {
    /// Whether it brings events that are recorded already.
    pub(super) fn is_copy(&self) -> bool {
        matches!(self.work, Work::Copy(..))
    }
}

impl Writer {
    /// Makes recorded events part of the group and of the tail if they go on where the log ends. They were looked at
    /// by themselves before; what others have appended meanwhile shows in the position.
    pub(super) fn copy(
        &mut self,
        events: &[RecordedEvent],
        encoded: &Encoded,
    ) -> Result<Position, CopyError> {
        let head = Position::new(self.next.get() - 1);
        let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(head) };
        if first.position != self.next {
            return Err(CopyError::Position { head, given: first.position });
        }
        continues(events, self.recorded_at, &mut self.view())?;
        encoded.place_recorded(&mut self.group.bytes, &mut self.group.starts);
        self.recorded_at = last.recorded_at;
        self.next = last.position.next();
        for event in events {
            self.log.tail.push(follow::entry(event));
        }
        Ok(last.position)
    }
}
