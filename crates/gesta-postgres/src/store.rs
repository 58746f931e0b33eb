//! The store: connects, owns the tasks, answers the port.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use gesta_core::{
    AppendBatch, AppendError, Appended, Capabilities, DurabilityClass, EventStore, EventStream, Incarnation,
    LogHead, Position, ReadAll, ReadError, ReadStream, Wakeups,
};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    append::{Queue, Writer},
    connect::Connector,
    error::ConnectError,
    migrate::{Part, migrate},
    options::Options,
    probe::probe,
    read,
    shared::{Shared, position},
    wakeup,
};

/// One log in a PostgreSQL database, shared with any other process. Clones are the same store.
///
/// It runs on the tokio runtime it was connected on. A connection that breaks is made anew; what was under way is settled by
/// the ids of its events.
#[derive(Clone)]
pub struct PostgresStore {
    pub(crate) shared: Arc<Shared>,
    queue: Arc<Queue>,
    tasks: Arc<Tasks>,
}

/// How a store is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreStatus {
    /// The highest position this process has heard of.
    pub head: Position,
    /// What an acknowledgement survives.
    pub durability: DurabilityClass,
    /// The settings of the server that make it less than it could be, as `fsync=off`.
    pub lowered: Vec<String>,
    /// What kept an append or a look at the head from working in the last ten seconds. Older failures are forgotten: whoever
    /// steers calls away from a store that failed would never see it work again.
    pub failure: Option<String>,
    /// Host, port and database.
    pub place: String,
}

impl PostgresStore {
    /// Connects to the log in this database; makes its schema if there is none, or brings it up to date.
    ///
    /// Refuses a server that cannot keep the laws, a schema of a newer release, and whatever keeps a connection from being
    /// made; the error says what to do. The address may leave the password to `PGPASSWORD`.
    pub async fn connect(url: &str, options: Options) -> Result<Self, ConnectError> {
        let connector = Connector::new(url, &options)?;
        let (mut client, driver) = connector.client().await?;
        let promise = probe(&client, connector.place()).await?;
        migrate(&mut client, &connector, Part::Log).await?;
        let failed = |error| ConnectError::of(connector.place(), &error);
        let moved = client.query_typed("SELECT gesta.notice_place()", &[]).await.map_err(failed)?;
        if moved.first().is_some_and(|row| row.get(0)) {
            tracing::warn!(
                "the log is not where it was, as after a restore: cursors of before are refused from now on"
            );
        }
        let asked = "SELECT cursor_key, (SELECT coalesce(max(position), 0) FROM gesta.events) FROM gesta.log";
        let rows = client.query_typed(asked, &[]).await.map_err(failed)?;
        let whole = rows
            .first()
            .and_then(|row| Some((row.get::<_, &[u8]>(0).try_into().ok()?, row.get::<_, i64>(1))));
        let (cursor_key, head) = whole.ok_or_else(|| ConnectError::Other {
            place: connector.place().into(),
            reason: "gesta.log does not hold its one row: restore it from a backup".into(),
        })?;
        drop(client);
        let _ = driver.await;
        let shared = Arc::new(Shared {
            pool: connector.pool(&options)?,
            connector,
            options,
            promise: Mutex::new(promise),
            head: watch::Sender::new(position(head)),
            appended: watch::Sender::new(Position::default()),
            failure: Mutex::default(),
            cursor_key,
        });
        let (queue, requests) = Queue::new();
        let writer = tokio::spawn(Writer::new(Arc::clone(&shared), requests).run());
        let listener = tokio::spawn(wakeup::listen(Arc::clone(&shared)));
        let tasks = Tasks { writer: Mutex::new(Some(writer)), listener };
        Ok(Self { shared, queue: Arc::new(queue), tasks: Arc::new(tasks) })
    }

    /// How it is doing.
    pub fn status(&self) -> StoreStatus {
        let promise = self.shared.promise();
        StoreStatus {
            head: *self.shared.head.borrow(),
            durability: promise.durability,
            lowered: promise.lowered,
            failure: self.shared.failed_lately(),
            place: self.shared.connector.place().to_owned(),
        }
    }

    /// What cursors into this log are sealed with: the same for every process that serves it.
    pub fn cursor_key(&self) -> [u8; 32] {
        self.shared.cursor_key
    }

    /// Takes no more appends, ends those that wait, and lets go of all connections.
    pub async fn close(&self) {
        self.queue.close();
        let writer = self.tasks.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            let _ = writer.await;
        }
        self.tasks.listener.abort();
        self.shared.pool.close();
    }
}

/// The tasks of a store; they end with its last clone.
struct Tasks {
    writer: Mutex<Option<JoinHandle<()>>>,
    listener: JoinHandle<()>,
}

impl Drop for Tasks {
    fn drop(&mut self) {
        // The writer ends by itself, once what waits is written.
        self.listener.abort();
    }
}

#[async_trait]
impl EventStore for PostgresStore {
    async fn append(&self, batch: AppendBatch) -> Result<Appended, AppendError> {
        batch.validate()?;
        self.queue.append(batch).await
    }

    fn read_stream(&self, read: ReadStream) -> EventStream {
        read::stream(Arc::clone(&self.shared), read)
    }

    fn read_all(&self, read: ReadAll) -> EventStream {
        read::all(Arc::clone(&self.shared), read)
    }

    async fn head(&self) -> Result<LogHead, ReadError> {
        let asked =
            "SELECT incarnation, (SELECT coalesce(max(position), 0) FROM gesta.events) FROM gesta.log";
        let rows = read::page(&self.shared, None, asked, &[]).await?;
        let row = rows.first().ok_or_else(|| ReadError::Damaged {
            place: "gesta.log".into(),
            reason: "its one row is missing".into(),
        })?;
        let head = LogHead {
            incarnation: Incarnation::from_bytes(row.get::<_, uuid::Uuid>(0).into_bytes()),
            position: position(row.get(1)),
        };
        self.shared.heard(head.position);
        Ok(head)
    }

    fn wakeups(&self) -> Wakeups {
        Wakeups::from_watch(self.shared.head.subscribe())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            durability: self.shared.promise().durability,
            multi_stream: true,
            dense_positions: true,
            relaxed: true,
        }
    }
}
