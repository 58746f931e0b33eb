//! Taking events as another log has recorded them.

use async_trait::async_trait;
use gesta_core::{
    AppendError, CopyError, CopyTarget, Metadata, Position, ReadError, RecordedEvent, Timestamp, Version,
    validate_recorded,
};
use tokio_postgres::{
    Client, Error,
    error::SqlState,
    types::{ToSql, Type},
};
use uuid::Uuid;

use crate::{
    PostgresStore, append,
    error::{Sort, judge, nothing_stored},
    shared::{bound, position},
};

const APPEND: &str = "SELECT gesta.append_recorded($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

/// How long the database may work on a run, in milliseconds.
const PATIENCE: &str = "60000";

/// The errors of `gesta.append_recorded`, each with what it found as its detail.
const ENDS_ELSEWHERE: &str = "GE003";
const ENDS_LATER: &str = "GE004";
const OTHER_VERSION: &str = "GE005";

#[async_trait]
impl CopyTarget for PostgresStore {
    /// One transaction, under the lock of the log. Only the owner of the schema may do this.
    async fn append_recorded(&self, events: Vec<RecordedEvent>) -> Result<Position, CopyError> {
        let (Some(first), Some(last)) = (events.first(), events.last()) else {
            return Ok(self.head_now().await?);
        };
        let after = Position::new(first.position.get().saturating_sub(1));
        validate_recorded(&events, after)?;
        let columns = Columns::of(&events)?;
        let connection = self.shared.pool.get().await.map_err(|error| {
            CopyError::from(AppendError::Busy { reason: format!("no connection is to be had: {error}") })
        })?;
        let client: &Client = &connection;
        match transaction(client, &columns, bound(after.get())).await {
            Ok(()) => {
                self.shared.heard(last.position);
                Ok(last.position)
            }
            Err(error) => {
                // A statement may fail before the one that ends the transaction is sent.
                let is_over = client.batch_execute("ROLLBACK").await.is_ok();
                let refusal = refused(client, &error, &events, after).await;
                if !is_over {
                    drop(deadpool_postgres::Object::take(connection));
                }
                Err(refusal)
            }
        }
    }
}

/// All of it or nothing: what is answered is committed, whatever a connection was used for before.
async fn transaction(client: &Client, columns: &Columns<'_>, after: i64) -> Result<(), Error> {
    let values = columns.values(&after);
    tokio::try_join!(
        biased;
        client.batch_execute(append::BEGIN),
        client.query_typed("SELECT set_config('statement_timeout', $1, true)", &[(&PATIENCE, Type::TEXT)]),
        client.query_typed(APPEND, &values),
        client.batch_execute("COMMIT"),
    )?;
    Ok(())
}

impl PostgresStore {
    /// How many sessions of other programs of Gesta there are in this database: those whose `application_name` begins
    /// with `gesta`, unless that is this store's own.
    pub async fn other_sessions(&self) -> Result<u64, ReadError> {
        let asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
            AND application_name LIKE 'gesta%' AND application_name <> current_setting('application_name')";
        let rows = crate::read::page(&self.shared, None, asked, &[]).await?;
        Ok(rows.first().map_or(0, |row| position(row.get(0)).get()))
    }

    async fn head_now(&self) -> Result<Position, AppendError> {
        let head = gesta_core::EventStore::head(self).await;
        Ok(head.map_err(|error| AppendError::Unavailable { reason: error.to_string() })?.position)
    }
}

/// What is appended, column by column.
#[derive(Default)]
struct Columns<'a> {
    tenants: Vec<&'a str>,
    streams: Vec<&'a str>,
    versions: Vec<i64>,
    ids: Vec<Uuid>,
    types: Vec<&'a str>,
    schema_versions: Vec<i64>,
    content_types: Vec<&'a str>,
    times: Vec<jiff::Timestamp>,
    correlations: Vec<Option<i64>>,
    metadatas: Vec<&'a [u8]>,
    datas: Vec<&'a [u8]>,
}

impl<'a> Columns<'a> {
    fn of(events: &'a [RecordedEvent]) -> Result<Self, CopyError> {
        let mut columns = Self::default();
        for event in events {
            columns.tenants.push(event.tenant.as_str());
            columns.streams.push(event.stream.as_str());
            columns.versions.push(bound(event.version.get()));
            columns.ids.push(event.id);
            columns.types.push(&event.event_type);
            columns.schema_versions.push(event.schema_version.into());
            columns.content_types.push(&event.content_type);
            columns.times.push(time(event.recorded_at));
            columns.correlations.push(correlation_of(event)?);
            columns.metadatas.push(&event.metadata);
            columns.datas.push(&event.data);
        }
        Ok(columns)
    }

    fn values<'b>(&'b self, after: &'b i64) -> [(&'b (dyn ToSql + Sync), Type); 12] {
        [
            (after, Type::INT8),
            (&self.tenants, Type::TEXT_ARRAY),
            (&self.streams, Type::TEXT_ARRAY),
            (&self.versions, Type::INT8_ARRAY),
            (&self.ids, Type::UUID_ARRAY),
            (&self.types, Type::TEXT_ARRAY),
            (&self.schema_versions, Type::INT8_ARRAY),
            (&self.content_types, Type::TEXT_ARRAY),
            (&self.times, Type::TIMESTAMPTZ_ARRAY),
            (&self.correlations, Type::INT8_ARRAY),
            (&self.metadatas, Type::BYTEA_ARRAY),
            (&self.datas, Type::BYTEA_ARRAY),
        ]
    }
}

fn time(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(at.as_micros()).expect("a timestamp is within the years 1 to 9999")
}

/// As for an event that is appended: the index leads there from the id that the metadata names.
fn correlation_of(event: &RecordedEvent) -> Result<Option<i64>, CopyError> {
    let metadata = Metadata::from_json(&event.metadata);
    let metadata = metadata.map_err(|source| CopyError::Metadata { position: event.position, source })?;
    Ok(append::correlation_of(metadata.correlation_id.as_deref(), event.id))
}

/// What a refusal of the database means. All of it was one transaction, so nothing is stored, unless the connection is
/// gone.
async fn refused(client: &Client, error: &Error, events: &[RecordedEvent], after: Position) -> CopyError {
    let database = error.as_db_error();
    let found = database.and_then(|said| said.detail()).unwrap_or_default();
    match (error.code().map(SqlState::code), database.and_then(|said| said.constraint())) {
        (Some(ENDS_ELSEWHERE), _) => {
            CopyError::Position { head: position(found.parse().unwrap_or(0)), given: after.next() }
        }
        (Some(ENDS_LATER), _) => CopyError::Time {
            position: after.next(),
            given: events[0].recorded_at,
            before: Timestamp::from_micros(found.parse().unwrap_or(0)),
        },
        (Some(OTHER_VERSION), _) => other_version(found, events),
        (Some("23505"), Some("events_id")) => known_id(client, error, events).await,
        (Some("42501"), _) => {
            let reason = "only the owner of the schema `gesta` copies events into it: connect as that user";
            AppendError::Unavailable { reason: reason.into() }.into()
        }
        _ => match judge(error) {
            (Sort::Lost, reason) => AppendError::Unknown { reason }.into(),
            other => nothing_stored(other).into(),
        },
    }
}

/// `found` is the number of the event in its run and the version its stream is at.
fn other_version(found: &str, events: &[RecordedEvent]) -> CopyError {
    let numbers =
        found.split_once(' ').and_then(|(nth, actual)| Some((nth.parse().ok()?, actual.parse().ok()?)));
    let (nth, actual): (usize, u64) = numbers.unwrap_or((1, 0));
    let event = &events[nth.clamp(1, events.len()) - 1];
    CopyError::Version {
        position: event.position,
        tenant: event.tenant.clone(),
        stream: event.stream.clone(),
        given: event.version,
        actual: Version::new(actual),
    }
}

/// Which event has an id that is there already, or comes twice.
async fn known_id(client: &Client, error: &Error, events: &[RecordedEvent]) -> CopyError {
    let tenants: Vec<&str> = events.iter().map(|event| event.tenant.as_str()).collect();
    let ids: Vec<Uuid> = events.iter().map(|event| event.id).collect();
    let values: [(&(dyn ToSql + Sync), Type); 2] = [(&tenants, Type::TEXT_ARRAY), (&ids, Type::UUID_ARRAY)];
    let known = client.query_typed("SELECT tenant, id FROM gesta.events_by_id($1, $2)", &values).await;
    let known = known.unwrap_or_default();
    let mut seen: std::collections::HashSet<(&str, Uuid)> =
        known.iter().map(|row| (row.get::<_, &str>(0), row.get::<_, Uuid>(1))).collect();
    let taken = events.iter().find(|event| !seen.insert((event.tenant.as_str(), event.id)));
    match taken {
        Some(event) => CopyError::IdTaken { position: event.position, id: event.id },
        None => nothing_stored(judge(error)).into(),
    }
}
