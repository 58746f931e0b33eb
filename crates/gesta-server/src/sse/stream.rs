//! Following one stream.

use std::sync::Arc;

use axum::{http::HeaderMap, response::Response};
use futures_util::TryStreamExt;
use gesta::Subscription;
use gesta_api::{LogQuery, Problem};
use gesta_core::{Filter, LogHead, Position, ReadStream, StreamId, Version};

use super::{Closed, last_event_id, log::Follow, open};
use crate::{app::App, auth::Caller, problem::Failure};

/// Where in a stream somebody stands.
#[derive(Clone, Copy)]
enum Place {
    Version(Version),
    Position(Position),
}

/// Sends the stream's events behind where the client stands, then what comes.
pub(crate) async fn stream(
    app: &App,
    caller: Caller,
    stream: StreamId,
    headers: &HeaderMap,
    query: LogQuery,
) -> Result<Response, Failure> {
    let head = app.store.head().await?;
    let place = place(app, &caller, headers, query, head)?;
    let (response, writer) = open(app, &caller.tenant)?;
    let (behind, seen) = match place {
        Place::Version(version) => (version, Position::START),
        Place::Position(position) => (Version::EMPTY, position),
    };
    let follow = Follow { app: app.clone(), caller, incarnation: head.incarnation, behind, writer };
    tokio::spawn(run(follow, stream, seen, head.position));
    Ok(response)
}

fn place(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    query: LogQuery,
    head: LogHead,
) -> Result<Place, Failure> {
    if query != (LogQuery { after: query.after.clone(), ..LogQuery::default() }) {
        return Err(Failure::request("a stream is followed with after only: a version, or a cursor"));
    }
    let Some(text) = last_event_id(headers)?.or(query.after.as_deref()) else {
        return Ok(Place::Version(Version::EMPTY));
    };
    match text.parse() {
        Ok(version) => Ok(Place::Version(Version::new(version))),
        Err(_) => Ok(Place::Position(app.cursors.open(&caller.tenant, head, text)?)),
    }
}

/// What is there is read by stream, up to the head; what comes is picked from the log behind it.
async fn run(mut follow: Follow, stream: StreamId, seen: Position, head: Position) {
    if catch_up(&mut follow, &stream, seen, head).await.is_ok() {
        let mut filter = Filter::of(follow.caller.tenant.clone()).streams([stream.as_str()]);
        filter.system = stream.is_system();
        let store = Arc::clone(&follow.app.store);
        follow.run(Subscription::new(store, filter).after(head)).await;
    }
}

async fn catch_up(
    follow: &mut Follow,
    stream: &StreamId,
    seen: Position,
    head: Position,
) -> Result<(), Closed> {
    follow.writer.flush().await?;
    let read = ReadStream::of(follow.caller.tenant.clone(), stream.clone()).after(follow.behind);
    let mut events = follow.app.store.read_stream(read);
    loop {
        match events.try_next().await {
            Ok(Some(event)) if event.position > head => return Ok(()),
            Ok(Some(event)) if event.position > seen => follow.send(&event).await?,
            Ok(Some(_)) => {}
            Ok(None) => return Ok(()),
            Err(error) => {
                follow.writer.fail(&Problem::from(error));
                return Err(Closed);
            }
        }
    }
}
