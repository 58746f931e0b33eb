//! What became of an append: unknown outcomes are settled, and known commands answered with their first result.

use std::time::Duration;

use futures_util::TryStreamExt;
use gesta_core::{
    AppendBatch, AppendError, Appended, AppendedEvent, Conflict, ExpectedVersion, Filter, ReadAll,
    RecordedEvent, Version,
};
use uuid::Uuid;

use super::{ExecuteError, Executed, Repository, execute::Request};
use crate::aggregate::{Aggregate, Rejection};

/// How long to wait before the store is asked again what became of an append; after the last it stays unknown.
const ASK_AGAIN: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(800)];

/// What an append came to.
pub(super) enum Settled {
    /// The events are there, by this call.
    Appended(Appended),
    /// Another writer came first.
    Overtaken(Conflict),
    /// The ids belong to an earlier execution of the command.
    Known,
}

/// Whether events stand right behind the version that was expected of their stream.
fn is_where(batch: &AppendBatch, appended: &Appended) -> bool {
    let expected = batch.appends.first().map(|append| append.expected);
    let first = appended.events.first().map(|event| event.version);
    matches!((expected, first), (Some(ExpectedVersion::Exact(version)), Some(first)) if version.next() == first)
}

impl<A: Aggregate> Repository<A> {
    /// Appends, and asks again with the same ids while the store does not say what became of it.
    pub(super) async fn append<R: Rejection>(
        &self,
        command: Uuid,
        batch: &AppendBatch,
    ) -> Result<Settled, ExecuteError<R>> {
        let mut unknown: Option<String> = None;
        let mut waits = ASK_AGAIN.iter();
        loop {
            match self.store.append(batch.clone()).await {
                // Behind an unknown outcome a repeat is this very append if it is where this one wanted to be: else the
                // same command ran elsewhere, on another state than is known here.
                Ok(appended) if appended.repeated && (unknown.is_none() || !is_where(batch, &appended)) => {
                    return Ok(Settled::Known);
                }
                Ok(appended) => return Ok(Settled::Appended(appended)),
                Err(AppendError::Conflict(conflict)) => return Ok(Settled::Overtaken(conflict)),
                Err(AppendError::IdTaken { .. } | AppendError::PartlyKnown { .. }) => {
                    return Ok(Settled::Known);
                }
                Err(AppendError::Unknown { reason }) => unknown = Some(reason),
                // A store that is busy now says nothing about what it was asked before.
                Err(error) if error.is_transient() && unknown.is_some() => {}
                Err(error) => return Err(ExecuteError::Store(error)),
            }
            match (waits.next(), &unknown) {
                (Some(wait), _) => tokio::time::sleep(*wait).await,
                (None, reason) => {
                    let reason = reason.clone().unwrap_or_default();
                    return Err(ExecuteError::Unknown { id: command, reason });
                }
            }
        }
    }

    /// The result of an earlier execution that the store knows of. It may not be readable yet: then another execution is
    /// at it this moment.
    pub(super) async fn known_result(
        &self,
        request: &Request<'_, A>,
    ) -> Result<Executed<A>, ExecuteError<A::Rejection>> {
        for wait in ASK_AGAIN {
            if let Some(first) = self.first_result(request).await? {
                return Ok(first);
            }
            tokio::time::sleep(wait).await;
        }
        self.first_result(request).await?.ok_or_else(|| ExecuteError::Unknown {
            id: request.command.id,
            reason: "an execution with this id has begun and cannot be read yet".into(),
        })
    }

    /// The result of an earlier execution of this command, if there was one.
    pub(super) async fn first_result(
        &self,
        request: &Request<'_, A>,
    ) -> Result<Option<Executed<A>>, ExecuteError<A::Rejection>> {
        let Some(first) = self.first_event(request).await? else { return Ok(None) };
        if first.stream != *request.stream {
            return Err(ExecuteError::CommandIdTaken { id: request.command.id, stream: first.stream });
        }
        let events = self.events_of(request, first.version).await?;
        let version = events.last().map_or(first.version, |last| last.version);
        let folded = self.fold_up_to(&request.command.tenant, request.stream, version).await?;
        let decoded = events.iter().map(|event| self.upcasters.decode(event)).collect::<Result<_, _>>();
        Ok(Some(Executed {
            state: folded.state,
            version: folded.version,
            events: decoded.map_err(|error| ExecuteError::Load(error.into()))?,
            appended: events.iter().map(placed).collect(),
            repeated: true,
        }))
    }

    async fn first_event(
        &self,
        request: &Request<'_, A>,
    ) -> Result<Option<RecordedEvent>, ExecuteError<A::Rejection>> {
        let filter = Filter::of(request.command.tenant.clone()).ids([request.command.event_id(0)]);
        let read = ReadAll::of(filter.with_system()).limit(1);
        Ok(self.store.read_all(read).try_next().await?)
    }

    /// The command's events, which lie together from this version on.
    async fn events_of(
        &self,
        request: &Request<'_, A>,
        from: Version,
    ) -> Result<Vec<RecordedEvent>, ExecuteError<A::Rejection>> {
        let after = Version::new(from.get() - 1);
        let mut behind = self.events(&request.command.tenant, request.stream, after, Version::new(u64::MAX));
        let mut found = Vec::new();
        while let Some(event) = behind.try_next().await? {
            if event.id != request.command.event_id(found.len()) {
                break;
            }
            found.push(event);
        }
        Ok(found)
    }
}

fn placed(event: &RecordedEvent) -> AppendedEvent {
    let RecordedEvent { id, version, position, recorded_at, .. } = *event;
    AppendedEvent { id, version, position, recorded_at }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gesta_core::{NewEvent, Position, Timestamp};

    #[test]
    fn events_that_stand_elsewhere_are_not_those_of_this_append() {
        let event = NewEvent::new("x", "{}");
        let stream = "order-1".parse().expect("legal");
        let batch = AppendBatch::to(stream, ExpectedVersion::Exact(Version::new(5)), [event.clone()]);
        let at = |version| AppendedEvent {
            id: event.id,
            version: Version::new(version),
            position: Position::new(9),
            recorded_at: Timestamp::default(),
        };
        for (version, here) in [(6, true), (7, false)] {
            let appended = Appended { events: vec![at(version)], repeated: true, durability: None };
            assert_eq!(is_where(&batch, &appended), here, "version {version}");
        }
    }
}
