//! A command's way: load, decide, append; after a conflict, again.

use gesta_core::{
    AppendBatch, Appended, AppendedEvent, Conflict, ExpectedVersion, NewEvent, StreamId, Timestamp, Version,
};

use super::{ExecuteError, Executed, Repository, Seen, fold::Folded, settle::Settled};
use crate::{
    aggregate::{Aggregate, Context, Rejection, stream_of},
    command::Command,
    event::Event,
};

/// A command on its way.
pub(super) struct Request<'a, A: Aggregate> {
    pub(super) command: &'a Command<A::Command>,
    pub(super) stream: &'a StreamId,
    /// The command's time: the same for every attempt.
    at: Timestamp,
}

/// What one attempt came to.
enum Attempt<A: Aggregate> {
    Done(Executed<A>),
    /// Another writer came first.
    Overtaken(Conflict),
}

impl<A: Aggregate> Repository<A> {
    /// Executes a command: loads the aggregate, lets it decide, appends the events.
    ///
    /// - A command that took effect, so that events were appended, returns its first result whenever it is executed
    ///   again, whatever happened since, also after a restart.
    /// - A command that changes nothing succeeds with the same version and appends nothing. Nothing remembers it: executed
    ///   again later it is decided anew, and may then take effect or be refused. Give it an expected version beside its
    ///   id where that would be wrong.
    /// - When another writer comes first it loads and decides again, three times in all unless set.
    /// - When the store does not answer it asks again with the same ids, a few times.
    ///
    /// Fails with the rule that says no, with a conflict, or because the store cannot be read or written; see
    /// [`ExecuteError`]. Dropping the future does not undo what the store took.
    pub async fn execute(
        &self,
        command: Command<A::Command>,
    ) -> Result<Executed<A>, ExecuteError<A::Rejection>> {
        let stream = &stream_of::<A>(&command.key)?;
        let at = command.metadata.occurred_at.unwrap_or_else(|| self.clock.now());
        let request = Request::<A> { command: &command, stream, at };
        let mut attempts = 1;
        loop {
            match self.attempt(&request).await? {
                Attempt::Done(executed) => return Ok(executed),
                Attempt::Overtaken(conflict) if attempts >= self.attempts => {
                    return Err(ExecuteError::Conflict { conflict, attempts });
                }
                Attempt::Overtaken(_) => attempts += 1,
            }
        }
    }

    async fn attempt(&self, request: &Request<'_, A>) -> Result<Attempt<A>, ExecuteError<A::Rejection>> {
        let folded = self.fold(&request.command.tenant, request.stream).await?;
        self.tell(Seen::Decided { version: folded.version });
        let events = match request.decide(&folded) {
            Ok(events) if !events.is_empty() => events,
            // Only now is it worth a look whether the command took effect before: that is rare, and a look is a read.
            otherwise => {
                if let Some(first) = self.first_result(request).await? {
                    return Ok(Attempt::Done(first));
                }
                return otherwise.map(|_| Attempt::Done(unchanged(folded)));
            }
        };
        let batch = request.batch(&events, folded.version)?;
        match self.append(request.command.id, &batch).await? {
            Settled::Appended(appended) => {
                let mut folded = folded;
                advance(&mut folded, &events, &batch, &appended);
                self.save_if_due(&batch.tenant, request.stream, &mut folded).await;
                let Folded { state, version, .. } = folded;
                let appended = appended.events;
                Ok(Attempt::Done(Executed { state, version, events, appended, repeated: false }))
            }
            Settled::Overtaken(conflict) => Ok(Attempt::Overtaken(conflict)),
            Settled::Known => self.known_result(request).await.map(Attempt::Done),
        }
    }
}

impl<A: Aggregate> Request<'_, A> {
    fn decide(&self, folded: &Folded<A>) -> Result<Vec<A::Event>, ExecuteError<A::Rejection>> {
        if let Some(expected) = self.command.expected {
            ExpectedVersion::Exact(expected)
                .check(self.stream, folded.version)
                .map_err(|conflict| ExecuteError::Conflict { conflict, attempts: 0 })?;
        }
        let context = Context {
            id: self.stream.key(),
            version: folded.version,
            at: self.at,
            user_id: self.command.metadata.user_id.as_deref(),
        };
        folded.state.decide(&self.command.payload, &context).map_err(ExecuteError::Rejected)
    }

    /// The events as a store takes them, onto exactly this version.
    fn batch(
        &self,
        events: &[A::Event],
        version: Version,
    ) -> Result<AppendBatch, ExecuteError<A::Rejection>> {
        let metadata = self.command.event_metadata();
        let mut proposed = Vec::with_capacity(events.len());
        for (place, event) in events.iter().enumerate() {
            let id = self.command.event_id(place);
            proposed.push(propose(event)?.with_id(id).with_metadata(metadata.clone()));
        }
        let batch = AppendBatch::to(self.stream.clone(), ExpectedVersion::Exact(version), proposed);
        Ok(batch.of(self.command.tenant.clone()))
    }
}

fn propose<E: Event, R: Rejection>(event: &E) -> Result<NewEvent, ExecuteError<R>> {
    let kind = event.kind();
    let data = event.encode().map_err(|source| ExecuteError::Encode { event_type: kind.name, source })?;
    Ok(NewEvent { schema_version: kind.schema_version, ..NewEvent::new(kind.name, data) })
}

fn unchanged<A: Aggregate>(folded: Folded<A>) -> Executed<A> {
    let Folded { state, version, .. } = folded;
    Executed { state, version, events: vec![], appended: vec![], repeated: false }
}

/// Folds in what was appended.
fn advance<A: Aggregate>(
    folded: &mut Folded<A>,
    events: &[A::Event],
    batch: &AppendBatch,
    appended: &Appended,
) {
    for ((event, (stream, new)), placed) in events.iter().zip(batch.events()).zip(&appended.events) {
        let AppendedEvent { id, version, recorded_at, .. } = *placed;
        let context = Context {
            id: stream.key(),
            version,
            at: new.metadata.occurred_at.unwrap_or(recorded_at),
            user_id: new.metadata.user_id.as_deref(),
        };
        folded.advance(event, id, &context);
    }
}
