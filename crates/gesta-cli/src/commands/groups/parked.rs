//! Events that could not be handled.

use clap::Args;
use gesta_api::{ParkedEvent, ParkedEvents, ParkedReply, ParkedSelection};
use gesta_client::Group;
use uuid::Uuid;

use super::Named;
use crate::{exit::Outcome, output::table, shared::Shared};

/// Which parked events.
#[derive(Debug, Args)]
pub(super) struct Which {
    #[command(flatten)]
    of: Named,
    /// The ids of the events, as parked prints them
    #[arg(required_unless_present = "all")]
    events: Vec<Uuid>,
    /// All of them
    #[arg(long, conflicts_with = "events")]
    all: bool,
}

/// Which events are meant: these, or all of them.
pub(crate) fn selected(events: Vec<Uuid>, all: bool, reason: Option<String>) -> ParkedSelection {
    ParkedSelection { event_ids: (!all).then_some(events), all: all.then_some(true), reason }
}

pub(super) async fn list(shared: &Shared, group: &Group) -> Outcome {
    let parked = ParkedEvents { parked: group.parked().await? };
    shared.output.print(&parked, |listed| {
        let row = |parked: &ParkedEvent<'_>| {
            let (id, attempts) = (parked.event_id.to_string(), parked.attempts.to_string());
            let (stream, event_type) = (parked.stream_id.clone(), parked.event.event_type.to_string());
            [id, stream, event_type, attempts, parked.held.to_string(), parked.reason.to_string()]
        };
        table(["EVENT", "STREAM", "TYPE", "ATTEMPTS", "WAITING", "REASON"], listed.parked.iter().map(row))
    })
}

impl Which {
    pub(super) async fn replay(self, shared: &Shared) -> Outcome {
        let count = self.of.group(shared)?.replay(&selected(self.events, self.all, None)).await?;
        shared.output.print(&ParkedReply { count }, |reply| format!("{} handed out again", reply.count))
    }

    pub(super) async fn discard(self, shared: &Shared, reason: String) -> Outcome {
        let count = self.of.group(shared)?.discard(&selected(self.events, self.all, Some(reason))).await?;
        shared.output.print(&ParkedReply { count }, |reply| format!("{} given up", reply.count))
    }
}
