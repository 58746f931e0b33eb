//! Looks up what is parked and counts what is held behind it.

use futures_util::TryStreamExt;
use gesta_core::{EventStore, ReadStream, Tenant, Version};

use super::{GroupError, Parked, command::ParkedLanes, record::ParkedEvent};

/// At most so many parked events are answered with.
const PARKED: usize = 1_000;
/// At most so many held events are counted for each.
const COUNTED: usize = 1_000;

/// Reads the parked events, oldest first.
pub(super) async fn look_up(
    store: &dyn EventStore,
    tenant: &Tenant,
    mut lanes: ParkedLanes,
) -> Result<Vec<Parked>, GroupError> {
    lanes.parked.sort_unstable_by_key(|parked| parked.position);
    let mut found = Vec::new();
    for parked in lanes.parked.iter().take(PARKED) {
        found.push(read(store, tenant, &lanes, parked).await?);
    }
    Ok(found)
}

async fn read(
    store: &dyn EventStore,
    tenant: &Tenant,
    lanes: &ParkedLanes,
    parked: &ParkedEvent,
) -> Result<Parked, GroupError> {
    let before = Version::new(parked.version.get() - 1);
    let read = ReadStream::of(tenant.clone(), parked.stream.clone()).after(before).limit(COUNTED + 1);
    let mut events = store.read_stream(read);
    let missing =
        || GroupError::Store(format!("version {} of {} is not readable", parked.version, parked.stream));
    let event = events.try_next().await?.ok_or_else(missing)?;
    let mut held = 0;
    while let Some(later) = events.try_next().await? {
        if later.position > lanes.cursor {
            break;
        }
        held += u64::from(lanes.filter.accepts(&later) && !parked.handled.contains(&later.version));
    }
    Ok(Parked {
        event,
        reason: parked.reason.clone(),
        attempts: parked.attempts,
        first_failed_at: parked.first_failed_at,
        last_failed_at: parked.last_failed_at,
        held,
    })
}
