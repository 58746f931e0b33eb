//! Taking deliveries and settling them, one call each.

use std::time::Duration;

use clap::Args;
use gesta_api::{AckReply, DeliveredEvent, Deliveries, NackReply};

use super::Named;
use crate::{exit::Outcome, shared::Shared};

/// Take deliveries as a member.
#[derive(Debug, Args)]
pub(super) struct Pull {
    #[command(flatten)]
    of: Named,
    /// The name of the member
    #[arg(long, default_value = "gesta-cli", value_name = "NAME")]
    consumer: String,
    /// At most so many
    #[arg(long, default_value_t = 10, value_name = "NUMBER")]
    max: u32,
    /// How long to wait for the first one, in milliseconds
    #[arg(long, default_value_t = 0, value_name = "MS")]
    wait_ms: u64,
}

/// Settle deliveries as handled.
#[derive(Debug, Args)]
pub(super) struct Ack {
    #[command(flatten)]
    of: Named,
    /// The ids of the deliveries, as pull prints them
    #[arg(required = true)]
    deliveries: Vec<String>,
}

/// Give deliveries back as not handled.
#[derive(Debug, Args)]
pub(super) struct Nack {
    #[command(flatten)]
    of: Named,
    /// The ids of the deliveries, as pull prints them
    #[arg(required = true)]
    deliveries: Vec<String>,
    /// Why, for whoever looks at a parked event
    #[arg(long)]
    reason: Option<String>,
    /// Park them now instead of trying again
    #[arg(long)]
    park: bool,
}

impl Pull {
    pub(super) async fn run(self, shared: &Shared) -> Outcome {
        let wait = Duration::from_millis(self.wait_ms);
        let deliveries = self.of.group(shared)?.pull(&self.consumer, self.max, wait).await?;
        shared.output.print(&Deliveries { deliveries }, |pulled| {
            pulled.deliveries.iter().map(line).collect::<Vec<_>>().join("\n")
        })
    }
}

/// One delivery on one line.
pub(super) fn line(delivered: &DeliveredEvent<'_>) -> String {
    let event = &delivered.event;
    let payload = event.payload.as_ref().map_or("", |json| json.get()).replace(char::is_control, " ");
    format!(
        "{}  attempt {}  {}@{}  {}  {payload}",
        delivered.delivery_id,
        delivered.delivery_count,
        delivered.stream_id,
        event.stream_version,
        event.event_type,
    )
}

impl Ack {
    pub(super) async fn run(self, shared: &Shared) -> Outcome {
        let acked = self.of.group(shared)?.ack(self.deliveries).await?;
        shared.output.print(&AckReply { acked }, |reply| format!("{} acknowledged", reply.acked))
    }
}

impl Nack {
    pub(super) async fn run(self, shared: &Shared) -> Outcome {
        let nacked = self.of.group(shared)?.nack(self.deliveries, self.reason, self.park).await?;
        shared.output.print(&NackReply { nacked }, |reply| format!("{} given back", reply.nacked))
    }
}
