//! Making a group.

use clap::Args;
use gesta_api::{GroupFilter, GroupRequest, GroupStart};
use gesta_client::Group;
use gesta_core::{Filter, Tenant};

use super::show;
use crate::{
    exit::{Failure, Outcome},
    selection::{From, Selection},
    shared::Shared,
};

/// Make a group, or find it as it was made before.
#[derive(Debug, Args)]
pub(super) struct Create {
    /// The name of the group
    group: String,
    /// Where it starts
    #[arg(long, value_enum, default_value_t = From::Start)]
    from: From,
    /// It starts behind this position
    #[arg(long, value_name = "POSITION", conflicts_with = "from")]
    after: Option<u64>,
    /// How long to wait before each attempt, in milliseconds; after the last one the event is parked
    #[arg(long, value_delimiter = ',', value_name = "MS,MS,…")]
    retry_delays_ms: Option<Vec<u64>>,
    /// How long a delivery belongs to a consumer, in milliseconds
    #[arg(long, value_name = "MS")]
    lease_ms: Option<u64>,
    /// How many deliveries may be out at once
    #[arg(long, value_name = "NUMBER")]
    max_in_flight: Option<u32>,
    /// Handing over acknowledges
    #[arg(long)]
    auto_ack: bool,
    #[command(flatten)]
    selection: Selection,
}

impl Create {
    pub(super) async fn run(self, shared: &Shared) -> Outcome {
        let start = match (self.after, self.from) {
            (Some(position), _) => GroupStart::AfterPosition(position),
            (None, From::Start) => GroupStart::Beginning,
            (None, From::Head) => GroupStart::Head,
        };
        let filter = self.selection.filter(shared.tenant());
        if !whole(&filter, shared.tenant()) {
            return Err(Failure::usage("a group takes events by what they are: leave out times and ids"));
        }
        let request = GroupRequest {
            name: self.group,
            filter: Some(GroupFilter::from(&filter)),
            start: Some(start),
            retry_delays_ms: self.retry_delays_ms,
            lease_ms: self.lease_ms,
            auto_ack: self.auto_ack.then_some(true),
            max_in_flight: self.max_in_flight,
        };
        shared.output.print(&Group::create(&shared.client()?, &request).await?, show::text)
    }
}

/// Whether a group can say all of a filter.
fn whole(filter: &Filter, tenant: Tenant) -> bool {
    GroupFilter::from(filter).into_filter(tenant).is_ok_and(|said| said == *filter)
}
