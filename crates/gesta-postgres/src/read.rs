//! Reads: pages by position or version, each a short transaction of its own.

use std::{collections::VecDeque, sync::Arc};

use futures_util::{StreamExt, TryStreamExt, stream};
use gesta_core::{
    Direction, EventStream, Position, ReadAll, ReadError, ReadStream, RecordedEvent, Tenant, Timestamp,
    Version,
};
use tokio_postgres::{
    Client, Row,
    types::{ToSql, Type},
};

mod filter;
mod window;

use crate::{
    error::{Sort, judge, unreadable},
    shared::{Shared, bound, position},
};
use filter::Where;
use window::Window;

/// The columns of an event, in the order that [`event`] takes them.
pub(crate) const COLUMNS: &str = "position, tenant, stream, version, id, type, schema_version, content_type, \
     recorded_at, metadata, data";

/// Most events of a page.
const PAGE: usize = 500;

/// The values of a statement, with their types.
pub(crate) type Values<'a> = [(&'a (dyn ToSql + Sync), Type)];

/// One statement in a read-only transaction of its own, sent at once with what belongs to it: one way to the server and
/// back. A tenant narrows what row-level security lets through. A connection that turns out to be dead is replaced once.
pub(crate) async fn page(
    shared: &Shared,
    tenant: Option<&Tenant>,
    sql: &str,
    values: &Values<'_>,
) -> Result<Vec<Row>, ReadError> {
    let mut again = true;
    loop {
        let client = shared.pool.get().await.map_err(|error| match error {
            deadpool_postgres::PoolError::Backend(error) => unreadable(&error),
            other => ReadError::Unavailable { reason: format!("no connection is free: {other}") },
        })?;
        match transaction(&client, shared, tenant, sql, values).await {
            Ok(rows) => return Ok(rows),
            Err(error) if again && judge(&error).0 == Sort::Lost => {
                again = false;
                // Those that wait in the pool are as dead.
                drop(deadpool_postgres::Object::take(client));
                shared.pool.retain(|_, _| false);
            }
            Err(error) => {
                // It may have failed before the end of the transaction was sent: whoever comes next must not be in it.
                if client.batch_execute("ROLLBACK").await.is_err() {
                    drop(deadpool_postgres::Object::take(client));
                }
                return Err(unreadable(&error));
            }
        }
    }
}

async fn transaction(
    client: &Client,
    shared: &Shared,
    tenant: Option<&Tenant>,
    sql: &str,
    values: &Values<'_>,
) -> Result<Vec<Row>, tokio_postgres::Error> {
    let tenant = tenant.map_or("*", Tenant::as_str);
    let timeout = shared.options.statement_timeout.as_millis().to_string();
    let settings: [(&(dyn ToSql + Sync), Type); 2] = [(&tenant, Type::TEXT), (&timeout, Type::TEXT)];
    let (_, _, rows, _) = tokio::try_join!(
        biased;
        client.batch_execute("BEGIN READ ONLY"),
        client.query_typed(
            "SELECT set_config('gesta.tenant', $1, true), set_config('statement_timeout', $2, true)",
            &settings
        ),
        client.query_typed(sql, values),
        client.batch_execute("COMMIT"),
    )?;
    Ok(rows)
}

/// An event out of a row of [`COLUMNS`].
pub(crate) fn event(row: &Row) -> Result<RecordedEvent, ReadError> {
    let place = || format!("gesta.events, position {}", row.get::<_, i64>(0));
    let damaged =
        |field: &str| ReadError::Damaged { place: place(), reason: format!("its {field} is illegal") };
    let number = |at, field| u64::try_from(row.get::<_, i64>(at)).map_err(|_| damaged(field));
    let recorded_at: jiff::Timestamp = row.get(8);
    Ok(RecordedEvent {
        position: Position::new(number(0, "position")?),
        tenant: row.get::<_, &str>(1).parse().map_err(|_| damaged("tenant"))?,
        stream: row.get::<_, &str>(2).parse().map_err(|_| damaged("stream"))?,
        version: Version::new(number(3, "version")?),
        id: row.get(4),
        event_type: row.get::<_, &str>(5).into(),
        schema_version: u32::try_from(row.get::<_, i64>(6)).map_err(|_| damaged("schema version"))?,
        content_type: row.get::<_, &str>(7).into(),
        recorded_at: Timestamp::from_micros(recorded_at.as_microsecond()),
        metadata: row.get::<_, Vec<u8>>(9).into(),
        data: row.get::<_, Vec<u8>>(10).into(),
    })
}

/// A read that goes on page by page; `None` at its end.
trait Pages: Send + 'static {
    /// The next events; there may be none although there are more later.
    fn next(
        &mut self,
        shared: &Shared,
    ) -> impl Future<Output = Result<Option<Vec<RecordedEvent>>, ReadError>> + Send;
}

fn events(shared: Arc<Shared>, pages: impl Pages, limit: usize) -> EventStream {
    let state = (shared, pages, VecDeque::new());
    let read = stream::try_unfold(state, |(shared, mut pages, mut ready)| async move {
        loop {
            if let Some(event) = ready.pop_front() {
                return Ok(Some((event, (shared, pages, ready))));
            }
            match pages.next(&shared).await? {
                Some(events) => ready.extend(events),
                None => return Ok(None),
            }
        }
    });
    Box::pin(read.take(limit).into_stream())
}

/// The events of one stream.
pub(crate) fn stream(shared: Arc<Shared>, read: ReadStream) -> EventStream {
    let limit = read.limit;
    events(shared, Versions { read, done: false }, limit)
}

struct Versions {
    /// The bounds close in while pages are handed out.
    read: ReadStream,
    done: bool,
}

impl Pages for Versions {
    async fn next(&mut self, shared: &Shared) -> Result<Option<Vec<RecordedEvent>>, ReadError> {
        let read = &mut self.read;
        if self.done || read.limit == 0 || read.up_to <= read.after {
            return Ok(None);
        }
        let order = if read.direction == Direction::Forwards { "ASC" } else { "DESC" };
        let sql = format!(
            "SELECT {COLUMNS} FROM gesta.events WHERE tenant = $1 COLLATE \"C\" AND stream = $2 COLLATE \"C\" \
             AND version > $3 AND version <= $4 ORDER BY version {order} LIMIT $5"
        );
        let most = read.limit.min(PAGE);
        let (tenant, stream) = (read.tenant.as_str(), read.stream.as_str());
        let (after, up_to) = (bound(read.after.get()), bound(read.up_to.get()));
        let limit = bound(most as u64);
        let values: [(&(dyn ToSql + Sync), Type); 5] = [
            (&tenant, Type::TEXT),
            (&stream, Type::TEXT),
            (&after, Type::INT8),
            (&up_to, Type::INT8),
            (&limit, Type::INT8),
        ];
        let rows = page(shared, Some(&read.tenant), &sql, &values).await?;
        let found = rows.iter().map(event).collect::<Result<Vec<_>, _>>()?;
        self.done = found.len() < most;
        if let Some(last) = found.last() {
            match read.direction {
                Direction::Forwards => read.after = last.version,
                Direction::Backwards => read.up_to = Version::new(last.version.get() - 1),
            }
        }
        Ok(Some(found))
    }
}

/// The events of the log that pass a filter.
pub(crate) fn all(shared: Arc<Shared>, read: ReadAll) -> EventStream {
    let limit = read.limit;
    let wanted = Where::of(&read.filter);
    events(shared, Positions { read, wanted, bounds: None, window: Window::default() }, limit)
}

struct Positions {
    read: ReadAll,
    wanted: Where,
    /// What of the log is still to be looked at; narrows while pages are handed out. Known once the head is.
    bounds: Option<(Position, Position)>,
    window: Window,
}

impl Pages for Positions {
    async fn next(&mut self, shared: &Shared) -> Result<Option<Vec<RecordedEvent>>, ReadError> {
        let (after, up_to) = match self.bounds {
            Some(bounds) => bounds,
            None => {
                let sql = "SELECT coalesce(max(position), 0) FROM gesta.events";
                let rows = page(shared, None, sql, &[]).await?;
                let head = rows.first().map_or(Position::START, |row| position(row.get(0)));
                (self.read.after, self.read.up_to.min(head))
            }
        };
        if up_to <= after {
            return Ok(None);
        }
        let direction = self.read.direction;
        // A filter with an index behind it looks at all of the log at once, any other at a stretch of it.
        let (from, to) = match (self.wanted.indexed, direction) {
            (true, _) => (after, up_to),
            (false, Direction::Forwards) => {
                (after, up_to.min(Position::new(after.get().saturating_add(self.window.length()))))
            }
            (false, Direction::Backwards) => {
                (after.max(Position::new(up_to.get().saturating_sub(self.window.length()))), up_to)
            }
        };
        let rows =
            self.wanted.rows(shared, self.read.filter.tenant.as_ref(), (from, to), direction, PAGE).await?;
        let full = rows.len() == PAGE;
        let found = rows.iter().map(event).collect::<Result<Vec<_>, _>>()?;
        self.window.found(found.len(), full);
        let last = found.last().map(|event| event.position);
        self.bounds = Some(match (direction, last.filter(|_| full)) {
            (Direction::Forwards, Some(last)) => (last, up_to),
            (Direction::Forwards, None) => (to, up_to),
            (Direction::Backwards, Some(last)) => (after, Position::new(last.get() - 1)),
            (Direction::Backwards, None) => (after, from),
        });
        // What SQL cannot say about metadata is said here.
        let filter = &self.read.filter;
        Ok(Some(found.into_iter().filter(|event| filter.accepts(event)).collect()))
    }
}
