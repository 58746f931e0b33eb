//! Checkpoints in `state.db`.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use gesta_core::{
    Checkpoint, CheckpointError, CheckpointKey, CheckpointRecord, CheckpointStore, Claim, Clock, Epoch,
    Holder, Position, Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::state::{Failed, State, StateError, sum};

/// Largest state of a checkpoint, in bytes (16 MiB).
const STATE_BYTES: usize = 16 << 20;

/// The checkpoints of a data folder. A kill loses none that was answered; a power cut may lose the last ones, but
/// never an epoch that was given out.
pub(crate) struct Checkpoints {
    state: Arc<State>,
    clock: Arc<dyn Clock>,
}

impl Checkpoints {
    /// Those in `state`, leases measured on `clock`.
    /// A clock that jumps ends a lease early or late, which costs a stale save and never a wrong one.
    pub(crate) fn of(state: Arc<State>, clock: Arc<dyn Clock>) -> Self {
        Self { state, clock }
    }

    /// Where they are kept, with the rows of read models.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }
}

#[async_trait]
impl CheckpointStore for Checkpoints {
    async fn claim(&self, key: &CheckpointKey, owner: &str, ttl: Duration) -> Result<Claim, CheckpointError> {
        let now = self.clock.now();
        let bid = Bid { key: key.clone(), owner: owner.to_owned(), now, until: now.plus(ttl) };
        let again = bid.clone();
        match self.state.write(move |connection| again.renew(connection)).await? {
            Some(claim) => Ok(claim),
            // Only a new epoch has to survive a power cut; renewals are frequent and may be lost.
            None => self.state.write_durable(move |connection| bid.take(connection)).await,
        }
    }

    async fn holder(&self, key: &CheckpointKey) -> Result<Option<Holder>, CheckpointError> {
        let (key, now) = (key.clone(), self.clock.now());
        let found = self.state.read(move |connection| Lease::find(connection, &key)).await?;
        let remaining = found.until.since(now);
        Ok(found.holder(now).map(|owner| Holder { owner: owner.to_owned(), remaining }))
    }

    async fn release(&self, key: &CheckpointKey, epoch: Epoch) -> Result<(), CheckpointError> {
        let key = key.clone();
        let work = move |connection: &Connection| {
            let lease = Lease::find(connection, &key)?;
            if lease.epoch == epoch.0 {
                Lease { owner: None, ..lease }.save(connection, &key)?;
            }
            Ok(())
        };
        self.state.write(work).await
    }

    async fn load(&self, key: &CheckpointKey) -> Result<Checkpoint, CheckpointError> {
        let key = key.clone();
        self.state.read(move |connection| Ok(find(connection, &key)?.unwrap_or_default())).await
    }

    async fn save(
        &self,
        key: &CheckpointKey,
        epoch: Epoch,
        saved: Checkpoint,
    ) -> Result<(), CheckpointError> {
        too_large(&saved)?;
        let key = key.clone();
        self.state.write(move |connection| save(connection, &key, epoch, &saved)).await
    }

    async fn remove(&self, key: &CheckpointKey) -> Result<(), CheckpointError> {
        let key = key.clone();
        let work = move |connection: &Connection| {
            let lease = Lease::find(connection, &key)?;
            connection
                .prepare_cached(include_str!("sql/delete_checkpoint.sql"))?
                .execute([key.tenant.as_str(), &key.name])?;
            if lease.epoch > 0 {
                // The epoch stays, so that a zombie of the removed processor is still told apart.
                Lease { epoch: lease.epoch + 1, ..Lease::default() }.save(connection, &key)?;
            }
            Ok(())
        };
        self.state.write(work).await
    }

    async fn list(
        &self,
        after: Option<&CheckpointKey>,
        limit: usize,
    ) -> Result<Vec<CheckpointRecord>, CheckpointError> {
        let after = after.cloned();
        self.state.read(move |connection| page(connection, after.as_ref(), limit)).await
    }

    async fn adopt(&self, record: CheckpointRecord) -> Result<(), CheckpointError> {
        too_large(&record.saved)?;
        let now = self.clock.now();
        self.state.write_durable(move |connection| adopt(connection, &record, now)).await
    }
}

/// Refuses a state beyond what is promised.
fn too_large(saved: &Checkpoint) -> Result<(), CheckpointError> {
    if saved.state.len() <= STATE_BYTES {
        return Ok(());
    }
    let reason = format!("a state of {} bytes is over {STATE_BYTES}", saved.state.len());
    Err(CheckpointError::Unavailable { reason })
}

/// What a piece of work in a transaction came to.
type Done<T> = Result<T, Failed<CheckpointError>>;

/// Who wants a checkpoint, and for how long.
#[derive(Clone)]
struct Bid {
    key: CheckpointKey,
    owner: String,
    now: Timestamp,
    until: Timestamp,
}

impl Bid {
    /// The claim, if the lease is the bidder's already; `None` if a new epoch is needed.
    fn renew(&self, connection: &Connection) -> Done<Option<Claim>> {
        let lease = Lease::find(connection, &self.key)?;
        match lease.holder(self.now) {
            None => Ok(None),
            Some(owner) if owner == self.owner => Ok(Some(self.hold(connection, lease.epoch)?)),
            Some(_) => Err(lease.owned(&self.key, self.now)),
        }
    }

    /// The claim, with a new epoch unless somebody else was faster.
    fn take(&self, connection: &Connection) -> Done<Claim> {
        if let Some(claim) = self.renew(connection)? {
            return Ok(claim);
        }
        let lease = Lease::find(connection, &self.key)?;
        Ok(self.hold(connection, lease.epoch + 1)?)
    }

    /// Writes the lease, and answers with what was saved last.
    fn hold(&self, connection: &Connection, epoch: u64) -> rusqlite::Result<Claim> {
        let lease = Lease { epoch, owner: Some(self.owner.clone()), until: self.until };
        lease.save(connection, &self.key)?;
        Ok(Claim { epoch: Epoch(epoch), checkpoint: find(connection, &self.key)?.unwrap_or_default() })
    }
}

/// A row of `leases`.
#[derive(Default)]
struct Lease {
    epoch: u64,
    owner: Option<String>,
    until: Timestamp,
}

impl Lease {
    /// The lease of a checkpoint, epoch 0 if there never was one. An epoch that cannot be believed is refused: a
    /// lost one could be given out twice.
    fn find(connection: &Connection, key: &CheckpointKey) -> Done<Self> {
        let found = connection
            .prepare_cached(include_str!("sql/find_lease.sql"))?
            .query_row([key.tenant.as_str(), &key.name], |row| {
                let epoch = row.get::<_, i64>(0)?.cast_unsigned();
                let lease = Self { epoch, owner: row.get(1)?, until: Timestamp::from_micros(row.get(2)?) };
                Ok((lease, row.get::<_, i64>(3)?))
            })
            .optional()?;
        match found {
            None => Ok(Self::default()),
            Some((lease, sum)) if sum == lease.sum(key) => Ok(lease),
            Some(_) => Err(damaged(&format_args!("the epoch of {key}"))),
        }
    }

    /// Who holds the checkpoint now.
    fn holder(&self, now: Timestamp) -> Option<&str> {
        self.owner.as_deref().filter(|_| now < self.until)
    }

    /// Tells who holds it.
    fn owned(self, key: &CheckpointKey, now: Timestamp) -> Failed<CheckpointError> {
        let (owner, remaining) = (self.owner.unwrap_or_default(), self.until.since(now));
        Failed::Refused(CheckpointError::Owned { key: key.clone(), owner, remaining })
    }

    /// Writes the row, with the checksum of the epoch: owner and time may be lost, an epoch may not.
    fn save(&self, connection: &Connection, key: &CheckpointKey) -> rusqlite::Result<()> {
        connection.prepare_cached(include_str!("sql/save_lease.sql"))?.execute(params![
            key.tenant.as_str(),
            key.name,
            self.epoch.cast_signed(),
            self.owner,
            self.until.as_micros(),
            self.sum(key),
        ])?;
        Ok(())
    }

    fn sum(&self, key: &CheckpointKey) -> i64 {
        lease_sum(key.tenant.as_str(), &key.name, self.epoch)
    }
}

/// Whether a row of tenant, name, epoch, owner, time and checksum is as it was written.
pub(crate) fn lease_fits(row: &Row<'_>) -> rusqlite::Result<bool> {
    let (tenant, name) = (row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?);
    let epoch = row.get::<_, i64>(2)?.cast_unsigned();
    Ok(row.get::<_, i64>(5)? == lease_sum(tenant, name, epoch))
}

/// The checksum of a lease's row.
fn lease_sum(tenant: &str, name: &str, epoch: u64) -> i64 {
    sum(&[tenant.as_bytes(), name.as_bytes(), &epoch.to_le_bytes()])
}

/// What was last saved; `None` if that does not fit its checksum, which counts as lost.
pub(crate) fn find(connection: &Connection, key: &CheckpointKey) -> rusqlite::Result<Option<Checkpoint>> {
    let (tenant, name) = (key.tenant.as_str(), &key.name);
    let found = connection
        .prepare_cached(include_str!("sql/find_checkpoint.sql"))?
        .query_row([tenant, name], |row| checked(tenant, name, row, 0))
        .optional()?;
    Ok(found.unwrap_or_else(|| Some(Checkpoint::default())))
}

/// The checkpoint whose position, state and checksum begin at this column; `None` if they do not fit each other,
/// which counts as lost.
pub(crate) fn checked(
    tenant: &str,
    name: &str,
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<Option<Checkpoint>> {
    let position = Position::new(row.get::<_, i64>(column)?.cast_unsigned());
    let state = row.get_ref(column + 1)?.as_blob()?;
    if row.get::<_, i64>(column + 2)? == checkpoint_sum(tenant, name, position, state) {
        return Ok(Some(Checkpoint { position, state: Bytes::copy_from_slice(state) }));
    }
    tracing::error!(tenant, name, "a checkpoint in state.db is damaged and counts as lost");
    Ok(None)
}

/// Whether the epoch is the current one.
pub(crate) fn holds(connection: &Connection, key: &CheckpointKey, epoch: Epoch) -> Done<()> {
    let current = Epoch(Lease::find(connection, key)?.epoch);
    if current == epoch {
        return Ok(());
    }
    Err(Failed::Refused(CheckpointError::Stale { key: key.clone(), stale: epoch, current }))
}

/// Writes a checkpoint if the epoch is the current one. Both are read and written in one transaction.
pub(crate) fn save(
    connection: &Connection,
    key: &CheckpointKey,
    epoch: Epoch,
    saved: &Checkpoint,
) -> Done<()> {
    holds(connection, key, epoch)?;
    Ok(put(connection, key, saved)?)
}

/// Writes the row of a checkpoint.
fn put(connection: &Connection, key: &CheckpointKey, saved: &Checkpoint) -> rusqlite::Result<()> {
    let (tenant, name) = (key.tenant.as_str(), &key.name);
    let sum = checkpoint_sum(tenant, name, saved.position, &saved.state);
    let position = saved.position.get().cast_signed();
    connection.prepare_cached(include_str!("sql/save_checkpoint.sql"))?.execute(params![
        tenant,
        name,
        position,
        &saved.state[..],
        sum
    ])?;
    Ok(())
}

/// Writes what another store has kept, free, and under an epoch that nobody was given.
fn adopt(connection: &Connection, record: &CheckpointRecord, now: Timestamp) -> Done<()> {
    let lease = Lease::find(connection, &record.key)?;
    if lease.holder(now).is_some() {
        return Err(lease.owned(&record.key, now));
    }
    let free = Lease { epoch: lease.epoch.max(record.epoch.0) + 1, ..Lease::default() };
    free.save(connection, &record.key)?;
    Ok(put(connection, &record.key, &record.saved)?)
}

/// What is kept behind a key, in order. Every checkpoint has a lease's row, which outlives it.
pub(crate) fn page(
    connection: &Connection,
    after: Option<&CheckpointKey>,
    limit: usize,
) -> Done<Vec<CheckpointRecord>> {
    let (tenant, name) = after.map_or(("", ""), |after| (after.tenant.as_str(), after.name.as_str()));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(include_str!("sql/list_claimed.sql"))?;
    let names = statement.query_map(params![tenant, name, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let names = names.collect::<rusqlite::Result<Vec<(String, String)>>>()?;
    let mut records = Vec::with_capacity(names.len());
    for (tenant, name) in names {
        let tenant = tenant.parse().map_err(|_| damaged(&format_args!("tenant {tenant:?}")))?;
        let key = CheckpointKey::new(tenant, name);
        let epoch = Epoch(Lease::find(connection, &key)?.epoch);
        let saved = find(connection, &key)?.unwrap_or_default();
        records.push(CheckpointRecord { key, epoch, saved });
    }
    Ok(records)
}

/// Refuses to go on without something that cannot be believed.
fn damaged(what: &dyn std::fmt::Display) -> Failed<CheckpointError> {
    let reason = format!("{what} in state.db is damaged; put the file back from a backup");
    Failed::Refused(CheckpointError::Unavailable { reason })
}

/// The checksum of a checkpoint's row; the name is in it, so that no row can stand for another.
fn checkpoint_sum(tenant: &str, name: &str, position: Position, state: &[u8]) -> i64 {
    sum(&[tenant.as_bytes(), name.as_bytes(), &position.get().to_le_bytes(), state])
}

impl From<StateError> for CheckpointError {
    fn from(error: StateError) -> Self {
        Self::Unavailable { reason: error.to_string() }
    }
}
