//! `gesta publish`: one event through the event service.

use clap::{Args, ValueEnum};
use gesta_api::PublishRequest;
use gesta_client::EventServiceClient;
use gesta_core::Priority;
use uuid::Uuid;

use crate::{
    exit::{Failure, Outcome},
    input,
    shared::Shared,
};

/// Publish one event
#[derive(Debug, Args)]
pub(crate) struct Publish {
    /// The type of the event, such as sample.created
    event_type: String,
    /// The payload: JSON, @FILE, or - for standard input
    #[arg(default_value = "{}")]
    payload: String,
    /// The version of its payload's shape: 1.0, 2.0 and so on
    #[arg(long, value_name = "VERSION")]
    schema_version: Option<String>,
    /// The program that made it
    #[arg(long, default_value = "gesta-cli")]
    source: String,
    /// What or whom it is about; names the stream if it has the form category-key
    #[arg(long)]
    subject: Option<String>,
    /// 1 (highest) to 5 (lowest)
    #[arg(long)]
    priority: Option<u8>,
    /// The conversation it belongs to
    #[arg(long, value_name = "UUID")]
    correlation: Option<Uuid>,
    /// Its id; the same id again publishes nothing new
    #[arg(long, value_name = "UUID")]
    id: Option<Uuid>,
    /// What else is known about it (may repeat)
    #[arg(long = "with", value_name = "KEY=TEXT", value_parser = input::pair)]
    metadata: Vec<(String, String)>,
    /// When it may be acknowledged
    #[arg(long, value_enum, default_value_t = Durability::Durable)]
    durability: Durability,
}

/// When an event may be acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Durability {
    /// Once it is on the disk
    Durable,
    /// Once it is ordered, before the disk
    Relaxed,
}

impl From<Durability> for Option<gesta_api::Durability> {
    /// The default is left out, as in most requests.
    fn from(durability: Durability) -> Self {
        (durability == Durability::Relaxed).then_some(gesta_api::Durability::Relaxed)
    }
}

impl Publish {
    pub(crate) async fn run(self, shared: &Shared) -> Outcome {
        let out_of_range = || Failure::usage("the priority is outside 1 (highest) to 5 (lowest)");
        let priority =
            self.priority.map(|level| Priority::new(level).ok_or_else(out_of_range)).transpose()?;
        let request = PublishRequest {
            version: self.schema_version,
            subject: self.subject,
            priority,
            correlation_id: self.correlation,
            event_id: self.id,
            metadata: (!self.metadata.is_empty()).then(|| self.metadata.into_iter().collect()),
            durability: self.durability.into(),
            ..PublishRequest::new(self.event_type, self.source.as_str(), input::json(&self.payload)?)
        };
        let published = EventServiceClient::of(shared.client()?, self.source).send(request).await?;
        shared.output.print(&published, |p| {
            format!("{} is {}@{}, position {}", p.event_id, p.stream_id, p.version, p.position)
        })
    }
}
