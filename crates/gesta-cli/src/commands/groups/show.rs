//! Looking at groups, and removing one.

use gesta_api::{Group as Info, Groups};
use gesta_client::Group;
use serde_json::json;

use crate::{
    exit::Outcome,
    output::{number, table},
    shared::Shared,
};

pub(super) async fn list(shared: &Shared) -> Outcome {
    let groups = Groups { groups: Group::list(&shared.client()?).await? };
    shared.output.print(&groups, |listed| {
        let row = |group: &Info| {
            let counts = [group.position, group.lag, group.in_flight, group.parked].map(number);
            let [position, lag, in_flight, parked] = counts;
            [group.name.clone(), position, lag, in_flight, parked, consumers(group)]
        };
        table(["GROUP", "POSITION", "LAG", "IN FLIGHT", "PARKED", "CONSUMERS"], listed.groups.iter().map(row))
    })
}

fn consumers(group: &Info) -> String {
    group.consumers.iter().map(|member| member.name.as_str()).collect::<Vec<_>>().join(" ")
}

pub(super) async fn show(shared: &Shared, group: &Group) -> Outcome {
    shared.output.print(&group.info().await?, text)
}

/// One group, for people.
pub(super) fn text(group: &Info) -> String {
    let filter = serde_json::to_string(&group.filter).unwrap_or_default();
    let delays: Vec<String> = group.retry_delays_ms.iter().map(|ms| format!("{ms} ms")).collect();
    format!(
        "group      {}\nfilter     {filter}\nposition   {} of {}, lag {}\nin flight  {} of at most {}\nparked     {}\n\
         attempts   {} (after {})\nlease      {} ms{}\nconsumers  {}",
        group.name,
        number(group.position),
        number(group.head),
        number(group.lag),
        number(group.in_flight),
        number(group.max_in_flight),
        number(group.parked),
        group.retry_delays_ms.len(),
        delays.join(", "),
        group.lease_ms,
        if group.auto_ack { ", acknowledged when handed over" } else { "" },
        consumers(group),
    )
    .lines()
    .map(str::trim_end)
    .collect::<Vec<_>>()
    .join("\n")
}

pub(super) async fn remove(shared: &Shared, group: &Group) -> Outcome {
    group.remove().await?;
    shared.output.print(&json!({ "removed": group.name() }), |_| format!("{} is removed", group.name()))
}
