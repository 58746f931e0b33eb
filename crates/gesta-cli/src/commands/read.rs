//! `gesta read`: events of the log or of one stream.

use clap::Args;
use futures_util::TryStreamExt;
use gesta_client::HttpStore;
use gesta_core::{EventStore, EventStream, Position, ReadAll, ReadStream, StreamId, Version};

use crate::{
    exit::{Failure, Outcome},
    output::event_line,
    selection::Selection,
    shared::Shared,
};

/// Read the log, or one stream
#[derive(Debug, Args)]
pub(crate) struct Read {
    /// Only this stream; the whole log without it
    of: Option<StreamId>,
    /// Only what comes behind this position (of a stream: version)
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    after: u64,
    /// Only what comes up to this position (of a stream: version)
    #[arg(long, default_value_t = u64::MAX, hide_default_value = true, value_name = "NUMBER")]
    up_to: u64,
    /// Newest first
    #[arg(long)]
    backwards: bool,
    /// At most so many events
    #[arg(long, default_value_t = 100, value_name = "NUMBER")]
    limit: usize,
    #[command(flatten)]
    selection: Selection,
}

impl Read {
    pub(crate) async fn run(self, shared: &Shared) -> Outcome {
        let store = HttpStore::connect(shared.client()?).await?;
        let mut events = self.events(shared, &store)?;
        while let Some(event) = events.try_next().await? {
            shared.output.print(&gesta_api::Event::from(&event), event_line)?;
        }
        Ok(())
    }

    fn events(&self, shared: &Shared, store: &HttpStore) -> Result<EventStream, Failure> {
        let filter = self.selection.filter(shared.tenant());
        let Some(stream) = &self.of else {
            let (after, up_to) = (Position::new(self.after), Position::new(self.up_to));
            let read = ReadAll::of(filter).after(after).up_to(up_to).limit(self.limit);
            return Ok(store.read_all(if self.backwards { read.backwards() } else { read }));
        };
        if filter != Selection::default().filter(shared.tenant()) {
            return Err(Failure::usage(
                "a stream is read as it is: leave out the stream's name and say --stream to select events",
            ));
        }
        let (after, up_to) = (Version::new(self.after), Version::new(self.up_to));
        let read =
            ReadStream::of(shared.tenant(), stream.clone()).after(after).up_to(up_to).limit(self.limit);
        Ok(store.read_stream(if self.backwards { read.backwards() } else { read }))
    }
}
