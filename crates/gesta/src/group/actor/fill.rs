//! Reads what those who wait may get.

use futures_util::TryStreamExt;
use gesta_core::{ReadError, ReadStream, StreamId, Version};

use super::Actor;
use crate::group::ledger::Stretch;

/// At most so many events are read at once.
const READ: usize = 500;
/// At most so many events of a lane behind the cursor are read at once.
const STRETCH: usize = 128;
/// At most so many lanes are read on between two reads of the log.
const LANES: usize = 16;
/// At most so many reads a turn, so that commands are not kept waiting.
const READS: usize = 8;

impl Actor {
    /// Reads ahead while somebody waits and there is room.
    pub(super) async fn fill(&mut self) -> Result<(), ReadError> {
        self.more = false;
        if self.waiting.is_empty() {
            return Ok(());
        }
        for _ in 0..READS {
            let read = self.read_lanes().await? | self.read_log().await?;
            if !read || !self.ledger.is_starved() {
                return Ok(());
            }
        }
        self.more = true;
        Ok(())
    }

    /// Reads on lanes behind the cursor; whether there were any.
    async fn read_lanes(&mut self) -> Result<bool, ReadError> {
        let hungry = self.ledger.hungry(LANES);
        for (stream, after) in &hungry {
            let stretch = self.read_stretch(stream, *after).await?;
            self.ledger.refill(stream, stretch);
        }
        Ok(!hungry.is_empty())
    }

    /// Reads on the log while less than half of what may be loaded is; whether it had gone on.
    async fn read_log(&mut self) -> Result<bool, ReadError> {
        if self.ledger.room() == 0 {
            self.ledger.make_room();
        }
        let room = self.ledger.room();
        let enough = !self.ledger.is_starved() && room * 2 < self.ledger.definition().max_in_flight;
        if room == 0 || enough {
            return Ok(false);
        }
        let batch = self.subscription.ready_batch(room.min(READ)).await?;
        let read = batch.is_some();
        batch.into_iter().for_each(|batch| self.ledger.feed(batch));
        Ok(read)
    }

    async fn read_stretch(&self, stream: &StreamId, after: Version) -> Result<Stretch, ReadError> {
        let read = ReadStream::of(self.tenant.clone(), stream.clone()).after(after).limit(STRETCH);
        let mut found = self.context.store.read_stream(read);
        let mut stretch = Stretch { events: Vec::new(), loaded: after, end: false };
        let (mut seen, mut bytes) = (0, 0);
        while let Some(event) = found.try_next().await? {
            if event.position > self.ledger.cursor() {
                stretch.end = true;
                break;
            }
            seen += 1;
            bytes += event.data.len();
            stretch.loaded = event.version;
            if self.filter.accepts(&event) {
                stretch.events.push(event);
            }
            if bytes >= crate::subscription::BATCH_BYTES {
                return Ok(stretch);
            }
        }
        stretch.end |= seen < STRETCH;
        Ok(stretch)
    }
}
