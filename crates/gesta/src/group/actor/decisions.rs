//! Decisions about a group, recorded in its own stream before they count.

use gesta_core::{
    AppendBatch, AppendError, EventStore, ExpectedVersion, NewEvent, StreamId, Tenant, Version,
    limits::BATCH_EVENTS,
};
use serde::Serialize;

use super::{Actor, End};
use crate::{
    group::{
        Selection, key_of,
        record::{self, DISCARDED, Decided, LiveGroup, PARKED, REMOVED, REPLAYED},
    },
    patient,
};

impl Actor {
    /// Records what was parked, before the checkpoint passes it.
    pub(super) async fn record_parkings(&mut self) -> Result<(), End> {
        let mut parkings = self.ledger.take_parkings();
        for parked in &mut parkings {
            parked.epoch = Some(self.known.epoch);
            tracing::warn!(
                tenant = %self.tenant, group = self.name, stream = %parked.stream, version = %parked.version,
                attempts = parked.attempts, reason = parked.reason, "event parked"
            );
        }
        self.decide(PARKED, &parkings).await
    }

    pub(super) async fn replay(&mut self, selection: &Selection) -> Result<usize, End> {
        let decided = self.select(selection, None).await?;
        self.decide(REPLAYED, &decided).await?;
        decided.iter().for_each(|decided| self.ledger.replay(&decided.stream));
        Ok(decided.len())
    }

    pub(super) async fn discard(
        &mut self,
        selection: &Selection,
        reason: Option<String>,
    ) -> Result<usize, End> {
        let reason = reason.map(|reason| reason.chars().take(1_000).collect());
        let decided = self.select(selection, reason).await?;
        self.decide(DISCARDED, &decided).await?;
        decided.iter().for_each(|decided| self.ledger.discard(&decided.stream));
        Ok(decided.len())
    }

    /// Lifts what an owner that was replaced has parked late: what the checkpoint says of it goes on.
    pub(super) async fn lift_late(&mut self, group: &LiveGroup) -> Result<(), End> {
        let reason = "recorded by an owner that was replaced: it goes on as its successor left it";
        let late: Vec<_> = group.late.values().map(|parked| parked.decided(Some(reason.into()))).collect();
        self.decide(REPLAYED, &late).await
    }

    pub(super) async fn remove(&mut self) -> Result<(), End> {
        self.decide(REMOVED, &[serde_json::json!({})]).await?;
        // The checkpoint names the life of the group it belongs to, so one that stays behind does no harm.
        self.context
            .checkpoints
            .remove(&key_of(&self.tenant, &self.name))
            .await
            .map_err(|error| End::Failed(error.into()))
    }

    /// The parked events that a decision is about, oldest first.
    async fn select(&mut self, selection: &Selection, reason: Option<String>) -> Result<Vec<Decided>, End> {
        self.record_parkings().await?;
        let meant = self.ledger.parked().filter(|parked| selection.holds(parked.event_id));
        let mut decided: Vec<_> = meant.map(|parked| parked.decided(reason.clone())).collect();
        decided.sort_unstable_by_key(|decided| decided.position);
        Ok(decided)
    }

    async fn decide(&mut self, event_type: &str, decisions: &[impl Serialize]) -> Result<(), End> {
        for some in decisions.chunks(BATCH_EVENTS) {
            let appended =
                append(&*self.context.store, &self.tenant, &self.stream, self.known.folded, event_type, some)
                    .await;
            self.known.folded = match appended {
                Ok(version) => version,
                // Somebody else decided meanwhile, so this actor knows too little.
                Err(
                    error @ (AppendError::Conflict(_)
                    | AppendError::IdTaken { .. }
                    | AppendError::PartlyKnown { .. }),
                ) => {
                    return Err(End::Stale(error.into()));
                }
                Err(error) => return Err(End::Failed(error.into())),
            };
        }
        Ok(())
    }
}

/// Appends decisions behind `version` of a group's stream; patient while the outcome is open, which is safe because
/// their ids follow from their place.
pub(in crate::group) async fn append(
    store: &dyn EventStore,
    tenant: &Tenant,
    stream: &StreamId,
    version: Version,
    event_type: &str,
    decisions: &[impl Serialize],
) -> Result<Version, AppendError> {
    let at = |place: usize| Version::new(version.get() + 1 + place as u64);
    let events: Vec<NewEvent> = decisions
        .iter()
        .enumerate()
        .map(|(place, decision)| record::event(tenant, stream, at(place), event_type, decision))
        .collect();
    let batch = AppendBatch::to(stream.clone(), ExpectedVersion::Exact(version), events).of(tenant.clone());
    Ok(patient::append(store, batch).await?.last().version)
}
