//! What an append comes to, given what a store holds. Pure: stores differ in how they look things up, not in this.

use std::collections::HashMap;

use uuid::Uuid;

use crate::{AppendBatch, AppendError, AppendedEvent, RecordedEvent, StreamId, Tenant, Version};

/// What a decision may ask of a store: everything ordered before it, readable or not yet.
pub trait StoredView {
    /// The event of this id, if there is one.
    fn event(&mut self, tenant: &Tenant, id: Uuid) -> Result<Option<RecordedEvent>, AppendError>;
    /// The version of this stream, 0 if it has no event.
    fn version(&mut self, tenant: &Tenant, stream: &StreamId) -> Result<Version, AppendError>;
}

/// What an append comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Append the events at these versions, one for each event of the batch.
    Append(Vec<Version>),
    /// They are there already, from an earlier append.
    Repeat(Vec<AppendedEvent>),
}

/// Decides a well-formed batch.
///
/// Ids are looked up before versions are compared: otherwise a retry of an append that succeeded would come back
/// as a conflict with itself.
pub fn decide(batch: &AppendBatch, stored: &mut dyn StoredView) -> Result<Decision, AppendError> {
    match known(batch, stored)? {
        Some(earlier) => Ok(Decision::Repeat(earlier)),
        None => versions(batch, stored).map(Decision::Append),
    }
}

fn known(
    batch: &AppendBatch,
    stored: &mut dyn StoredView,
) -> Result<Option<Vec<AppendedEvent>>, AppendError> {
    let mut earlier = Vec::new();
    for (stream, event) in batch.events() {
        let Some(recorded) = stored.event(&batch.tenant, event.id)? else { continue };
        if !recorded.records(stream, event) {
            return Err(AppendError::IdTaken { id: event.id });
        }
        let RecordedEvent { id, version, position, recorded_at, .. } = recorded;
        earlier.push(AppendedEvent { id, version, position, recorded_at });
    }
    let of = batch.events().count();
    match earlier.len() {
        0 => Ok(None),
        all if all == of => Ok(Some(earlier)),
        _ => Err(AppendError::PartlyKnown { known: earlier.into_iter().map(|event| event.id).collect(), of }),
    }
}

fn versions(batch: &AppendBatch, stored: &mut dyn StoredView) -> Result<Vec<Version>, AppendError> {
    if let [only] = &*batch.appends {
        // By far the most common: nothing to remember between appends.
        let head = stored.version(&batch.tenant, &only.stream)?;
        only.expected.check(&only.stream, head)?;
        return Ok((1..=only.events.len() as u64).map(|next| Version::new(head.get() + next)).collect());
    }
    let mut heads: HashMap<&StreamId, Version> = HashMap::new();
    let mut assigned = Vec::new();
    for append in &batch.appends {
        let head = match heads.get(&append.stream) {
            Some(head) => *head,
            None => stored.version(&batch.tenant, &append.stream)?,
        };
        append.expected.check(&append.stream, head)?;
        let first = head.get() + 1;
        let last = head.get() + append.events.len() as u64;
        assigned.extend((first..=last).map(Version::new));
        heads.insert(&append.stream, Version::new(last));
    }
    Ok(assigned)
}
