//! Events that could not be handled.

use clap::Args;
use gesta_api::{ParkedEvent, ParkedEvents, ParkedReply, ParkedSelection};
use gesta_client::Group;
use uuid::Uuid;

use super::Named;
use crate::{cli::Shared, exit::Outcome, output::table};

/// Which parked events.
#[derive(Debug, Args)]
struct Which {
    #[command(flatten)]
    of: Named,
    /// The ids of the events, as parked prints them
    #[arg(required_unless_present = "all")]
    events: Vec<Uuid>,
    /// All of them
    #[arg(long, conflicts_with = "events")]
    all: bool,
}

/// Hand parked events out again.
#[derive(Debug, Args)]
pub(super) struct Replay {
    #[command(flatten)]
    which: Which,
}

/// Give parked events up.
#[derive(Debug, Args)]
pub(super) struct Discard {
    #[command(flatten)]
    which: Which,
    /// Why; it is recorded
    #[arg(long)]
    reason: String,
}

impl Which {
    fn selection(&self, reason: Option<String>) -> ParkedSelection {
        ParkedSelection {
            event_ids: (!self.all).then(|| self.events.clone()),
            all: self.all.then_some(true),
            reason,
        }
    }
}

pub(super) async fn list(shared: &Shared, group: &Group) -> Outcome {
    let parked = ParkedEvents { parked: group.parked().await? };
    shared.output.print(&parked, |listed| {
        let row = |parked: &ParkedEvent<'_>| {
            let (id, attempts) = (parked.event_id.to_string(), parked.attempts.to_string());
            let (stream, event_type) = (parked.stream_id.clone(), parked.event.event_type.to_string());
            [id, stream, event_type, attempts, parked.held.to_string(), parked.reason.to_string()]
        };
        let rows: Vec<_> = listed.parked.iter().map(row).collect();
        table(["EVENT", "STREAM", "TYPE", "ATTEMPTS", "WAITING", "REASON"], &rows)
    })
}

impl Replay {
    pub(super) async fn run(self, shared: &Shared) -> Outcome {
        let count = self.which.of.group(shared)?.replay(&self.which.selection(None)).await?;
        shared.output.print(&ParkedReply { count }, |reply| format!("{} handed out again", reply.count))
    }
}

impl Discard {
    pub(super) async fn run(self, shared: &Shared) -> Outcome {
        let selection = self.which.selection(Some(self.reason));
        let count = self.which.of.group(shared)?.discard(&selection).await?;
        shared.output.print(&ParkedReply { count }, |reply| format!("{} given up", reply.count))
    }
}
