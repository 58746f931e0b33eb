//! `gesta append`: events to one stream, with an expectation.

use std::{num::NonZeroU32, path::PathBuf};

use clap::Args;
use gesta_api::EventToAppend;
use gesta_client::HttpStore;
use gesta_core::{
    AppendBatch, AppendedEvent, Durability as CoreDurability, DurabilityClass, EventStore, ExpectedVersion,
    NewEvent, StreamAppend, StreamId,
};
use serde::Serialize;
use uuid::Uuid;

use super::publish::Durability;
use crate::{
    exit::{Failure, Outcome},
    import::lines::Lines,
    input,
    shared::Shared,
};

/// Append to one stream, all or nothing
#[derive(Debug, Args)]
pub(crate) struct Append {
    /// The stream, such as sample-42
    stream: StreamId,
    /// The type of the event, such as sample.created
    #[arg(required_unless_present = "events")]
    event_type: Option<String>,
    /// Its data: JSON, @FILE, or - for standard input
    #[arg(default_value = "{}")]
    data: String,
    /// Append the events of a file instead: one JSON object a line, with type, data and what else the API takes
    #[arg(long, value_name = "FILE", conflicts_with = "event_type")]
    events: Option<PathBuf>,
    /// What the stream must be at: any, no_stream, exists, or a version
    #[arg(long, default_value = "any", value_name = "VERSION")]
    expect: ExpectedVersion,
    /// The id of the event; the same id again appends nothing new
    #[arg(long, value_name = "UUID", conflicts_with = "events")]
    id: Option<Uuid>,
    /// The version of the data's shape
    #[arg(long, default_value_t = NonZeroU32::MIN, value_name = "NUMBER")]
    schema_version: NonZeroU32,
    /// What else is known about the event; reserved keys such as correlation_id count (may repeat)
    #[arg(long = "with", value_name = "KEY=TEXT", value_parser = input::pair)]
    metadata: Vec<(String, String)>,
    /// When it may be acknowledged
    #[arg(long, value_enum, default_value_t = Durability::Durable)]
    durability: Durability,
}

#[derive(Serialize)]
struct Done {
    stream: StreamId,
    version: u64,
    position: u64,
    repeated: bool,
    durability: Option<DurabilityClass>,
    ids: Vec<Uuid>,
}

impl Append {
    pub(crate) async fn run(self, shared: &Shared) -> Outcome {
        let events = self.events()?;
        let batch = AppendBatch {
            tenant: shared.tenant(),
            appends: vec![StreamAppend { stream: self.stream.clone(), expected: self.expect, events }],
            durability: match self.durability {
                Durability::Durable => CoreDurability::Durable,
                Durability::Relaxed => CoreDurability::Relaxed,
            },
        };
        batch.validate().map_err(Failure::failed)?;
        let appended = HttpStore::connect(shared.client()?).await?.append(batch).await?;
        let AppendedEvent { version, position, .. } = appended.last();
        let done = Done {
            stream: self.stream,
            version: version.get(),
            position: position.get(),
            repeated: appended.repeated,
            durability: appended.durability,
            ids: appended.events.iter().map(|event| event.id).collect(),
        };
        shared.output.print(&done, |done| {
            let before = if done.repeated { " (it was there already)" } else { "" };
            format!("{} is at version {}, position {}{before}", done.stream, done.version, done.position)
        })
    }

    fn events(&self) -> Result<Vec<NewEvent>, Failure> {
        let Some(file) = &self.events else {
            let data = input::json(&self.data)?;
            let event_type = self.event_type.clone().unwrap_or_default();
            let event = NewEvent::new(event_type, Box::<str>::from(data).into_string())
                .with_id(self.id.unwrap_or_else(Uuid::now_v7))
                .with_metadata(input::metadata(&self.metadata)?);
            return Ok(vec![NewEvent { schema_version: self.schema_version.get(), ..event }]);
        };
        let mut events = Vec::new();
        for line in Lines::new(input::open(file)?.0) {
            let line = line.map_err(|trouble| Failure::failed(format!("{}: {trouble}", file.display())))?;
            let wrong = |reason: &dyn std::fmt::Display| {
                Failure::failed(format!("{} line {}: {reason}", file.display(), line.number))
            };
            let event: EventToAppend =
                gesta_api::parse(&line.bytes).map_err(|problem| wrong(&problem.detail))?;
            events.push(event.into_event(Uuid::now_v7).map_err(|problem| wrong(&problem.detail))?);
        }
        Ok(events)
    }
}
