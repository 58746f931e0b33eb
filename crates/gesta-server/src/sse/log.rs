//! Following the log.

use std::sync::Arc;

use axum::{http::HeaderMap, response::Response};
use gesta::Subscription;
use gesta_api::{Event, LogQuery, Problem};
use gesta_core::{Filter, Incarnation, Position, RecordedEvent, Version};
use tokio::time::sleep_until;

use super::{Closed, Writer, last_event_id, open};
use crate::{app::App, auth::Caller, problem::Failure};

/// Events read at once.
const BATCH: usize = 100;

/// Sends what passes behind where the client stands, then what comes.
pub(crate) async fn log(
    app: &App,
    caller: Caller,
    filter: Filter,
    headers: &HeaderMap,
    query: &LogQuery,
) -> Result<Response, Failure> {
    if query.limit.is_some() || query.direction.is_some() || query.up_to_position.is_some() {
        return Err(Failure::request(
            "limit, direction and up_to_position are for pages: a stream has no end",
        ));
    }
    let head = app.store.head().await?;
    let cursor = last_event_id(headers)?.or(query.after.as_deref());
    let after = match (cursor, query.from.as_deref(), query.after_position) {
        (Some(cursor), _, _) => app.cursors.open(&caller.tenant, head, cursor)?,
        (None, Some("head"), None) => head.position,
        (None, _, Some(position)) => Position::new(position).min(head.position),
        (None, _, None) => Position::START,
    };
    let (response, writer) = open(app, &caller.tenant)?;
    let subscription = Subscription::new(Arc::clone(&app.store), filter).after(after);
    let behind = Version::EMPTY;
    let follow = Follow { app: app.clone(), caller, incarnation: head.incarnation, behind, writer };
    tokio::spawn(follow.run(subscription));
    Ok(response)
}

/// Sends the events of a subscription until the client or the server goes.
pub(super) struct Follow {
    pub(super) app: App,
    pub(super) caller: Caller,
    pub(super) incarnation: Incarnation,
    /// Of one stream, only events behind this version.
    pub(super) behind: Version,
    pub(super) writer: Writer,
}

impl Follow {
    pub(super) async fn run(mut self, subscription: Subscription) {
        // Closed means that there is nobody left to tell.
        let _ = self.send_all(subscription).await;
    }

    async fn send_all(&mut self, mut subscription: Subscription) -> Result<(), Closed> {
        self.writer.flush().await?;
        let stop = self.app.stop.clone();
        loop {
            let due = self.writer.heartbeat_due();
            let batch = tokio::select! {
                biased;
                () = stop.cancelled() => {
                    self.writer.leave("stopping", "the server stops: come back to another, or later");
                    return Ok(());
                }
                () = self.writer.gone() => return Err(Closed),
                batch = subscription.next_batch(BATCH) => batch,
                () = sleep_until(due) => {
                    self.writer.heartbeat().await?;
                    continue;
                }
            };
            match batch {
                Ok(batch) => {
                    for event in &batch.events {
                        self.send(event).await?;
                    }
                    self.writer.advance(&self.seal(batch.position));
                    self.writer.flush().await?;
                }
                Err(error) => {
                    self.writer.fail(&Problem::from(error));
                    return Ok(());
                }
            }
        }
    }

    pub(super) async fn send(&mut self, event: &RecordedEvent) -> Result<(), Closed> {
        if event.version <= self.behind {
            return Ok(());
        }
        let id = self.seal(event.position);
        self.writer.event("event", &id, &Event::from(event)).await
    }

    fn seal(&self, position: Position) -> String {
        self.app.cursors.seal(&self.caller.tenant, self.incarnation, position)
    }
}
