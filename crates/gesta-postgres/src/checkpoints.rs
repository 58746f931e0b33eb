//! Checkpoints, and leases by the clock of the database server.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use gesta_core::{
    Checkpoint, CheckpointError, CheckpointKey, CheckpointRecord, CheckpointStore, Claim, Epoch, Holder,
};
use tokio_postgres::{Row, types::Type};

use crate::{
    database::Database,
    flight::{self, Sent},
    read::Values,
    read_model::ReadModels,
    shared::{bound, position},
};
use write::{Write, epoch, too_large, unavailable};

pub(crate) mod write;

/// Longest lease, so that adding it to the time stays a time.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

/// How often a lease is claimed that ends between two looks at it.
const TRIES: usize = 5;

#[async_trait]
impl CheckpointStore for ReadModels {
    async fn claim(&self, key: &CheckpointKey, owner: &str, ttl: Duration) -> Result<Claim, CheckpointError> {
        let micros = i64::try_from(ttl.min(LONGEST).as_micros()).unwrap_or(i64::MAX);
        let (tenant, name) = (key.tenant.as_str(), key.name.as_str());
        let named = [(&tenant as _, Type::TEXT), (&name as _, Type::TEXT)];
        let bid = [named[0].clone(), named[1].clone(), (&owner as _, Type::TEXT), (&micros as _, Type::INT8)];
        for _ in 0..TRIES {
            // What was saved is asked for by a statement of its own: it has to see what the former owner wrote last.
            let [claimed, saved, held] = self
                .database()
                .ask([
                    (include_str!("sql/claim_lease.sql"), &bid),
                    (include_str!("sql/find_checkpoint.sql"), &named),
                    (include_str!("sql/find_lease.sql"), &named),
                ])
                .await
                .map_err(unavailable)?;
            if let Some(row) = claimed.first() {
                return Ok(Claim { epoch: epoch(row.get(0)), checkpoint: saved_in(&saved) });
            }
            if let Some(Holder { owner, remaining }) = holder_in(&held) {
                return Err(CheckpointError::Owned { key: key.clone(), owner, remaining });
            }
        }
        Err(unavailable(format!("the lease of {key} begins and ends all the time")))
    }

    async fn holder(&self, key: &CheckpointKey) -> Result<Option<Holder>, CheckpointError> {
        let rows = named(self.database(), include_str!("sql/find_lease.sql"), key).await?;
        Ok(holder_in(&rows))
    }

    async fn release(&self, key: &CheckpointKey, epoch: Epoch) -> Result<(), CheckpointError> {
        let (tenant, name, epoch) = (key.tenant.as_str(), key.name.as_str(), bound(epoch.0));
        let values = [(&tenant as _, Type::TEXT), (&name as _, Type::TEXT), (&epoch as _, Type::INT8)];
        let done = self.database().rows(include_str!("sql/release_lease.sql"), &values).await;
        done.map(drop).map_err(unavailable)
    }

    async fn load(&self, key: &CheckpointKey) -> Result<Checkpoint, CheckpointError> {
        Ok(saved_in(&named(self.database(), include_str!("sql/find_checkpoint.sql"), key).await?))
    }

    async fn save(
        &self,
        key: &CheckpointKey,
        under: Epoch,
        saved: Checkpoint,
    ) -> Result<(), CheckpointError> {
        too_large(&saved)?;
        let Write { writer, number } = Write::next();
        let numbered = [(&writer as _, Type::UUID), (&number as _, Type::INT8)];
        let sql = include_str!("sql/save_checkpoint.sql");
        let rows = self.record(sql, key, under, &saved, &numbered).await?;
        let current = rows.first().map_or(Epoch(0), |row| epoch(row.get(0)));
        if current == under {
            return Ok(());
        }
        Err(CheckpointError::Stale { key: key.clone(), stale: under, current })
    }

    async fn remove(&self, key: &CheckpointKey) -> Result<(), CheckpointError> {
        let client = self.database().connection().await.map_err(unavailable)?;
        let (tenant, name) = (key.tenant.as_str(), key.name.as_str());
        let values = [(&tenant as _, Type::TEXT), (&name as _, Type::TEXT)];
        // The lease first: a commit that is under way ends before the checkpoint is looked for.
        let sent: [Sent<'_, Vec<Row>>; 4] = [
            Box::pin(async { client.batch_execute("BEGIN").await.map(|()| Vec::new()) }),
            Box::pin(client.query_typed(include_str!("sql/free_lease.sql"), &values)),
            Box::pin(client.query_typed(include_str!("sql/delete_checkpoint.sql"), &values)),
            Box::pin(async { client.batch_execute("COMMIT").await.map(|()| Vec::new()) }),
        ];
        let failed = flight::answers(sent).await.into_iter().find_map(Result::err);
        failed.map_or(Ok(()), |error| Err(unavailable(crate::error::judge(&error).1)))
    }

    async fn list(
        &self,
        after: Option<&CheckpointKey>,
        limit: usize,
    ) -> Result<Vec<CheckpointRecord>, CheckpointError> {
        let (tenant, name) = after.map_or(("", ""), |after| (after.tenant.as_str(), after.name.as_str()));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let values = [(&tenant as _, Type::TEXT), (&name as _, Type::TEXT), (&limit as _, Type::INT8)];
        let rows = self.database().rows(include_str!("sql/list_checkpoints.sql"), &values).await;
        rows.map_err(unavailable)?.iter().map(record_in).collect()
    }

    async fn adopt(&self, record: CheckpointRecord) -> Result<(), CheckpointError> {
        too_large(&record.saved)?;
        let CheckpointRecord { key, epoch, saved } = record;
        for _ in 0..TRIES {
            let sql = include_str!("sql/adopt_checkpoint.sql");
            let adopted = self.record(sql, &key, epoch, &saved, &[]).await?;
            if !adopted.is_empty() {
                return Ok(());
            }
            if let Some(Holder { owner, remaining }) = self.holder(&key).await? {
                return Err(CheckpointError::Owned { key, owner, remaining });
            }
        }
        Err(unavailable(format!("the lease of {key} begins and ends all the time")))
    }
}

impl ReadModels {
    /// Runs a statement about a checkpoint: its key, an epoch, its position, its state, and what else there is.
    async fn record(
        &self,
        sql: &str,
        key: &CheckpointKey,
        epoch: Epoch,
        saved: &Checkpoint,
        more: &Values<'_>,
    ) -> Result<Vec<Row>, CheckpointError> {
        let (tenant, name) = (key.tenant.as_str(), key.name.as_str());
        let (epoch, position, state) = (bound(epoch.0), bound(saved.position.get()), &saved.state[..]);
        let mut values: Vec<_> = vec![
            (&tenant as _, Type::TEXT),
            (&name as _, Type::TEXT),
            (&epoch as _, Type::INT8),
            (&position as _, Type::INT8),
            (&state as _, Type::BYTEA),
        ];
        values.extend_from_slice(more);
        self.database().rows(sql, &values).await.map_err(unavailable)
    }
}

/// Runs a statement that a key alone is put into.
async fn named(database: &Database, sql: &str, key: &CheckpointKey) -> Result<Vec<Row>, CheckpointError> {
    let (tenant, name) = (key.tenant.as_str(), key.name.as_str());
    database.rows(sql, &[(&tenant, Type::TEXT), (&name, Type::TEXT)]).await.map_err(unavailable)
}

fn saved_in(rows: &[Row]) -> Checkpoint {
    let saved =
        |row: &Row| Checkpoint { position: position(row.get(0)), state: Bytes::copy_from_slice(row.get(1)) };
    rows.first().map(saved).unwrap_or_default()
}

fn holder_in(rows: &[Row]) -> Option<Holder> {
    let row = rows.first()?;
    let remaining = u64::try_from(row.get::<_, i64>(1)).ok().filter(|micros| *micros > 0)?;
    Some(Holder { owner: row.get(0), remaining: Duration::from_micros(remaining) })
}

fn record_in(row: &Row) -> Result<CheckpointRecord, CheckpointError> {
    let tenant: &str = row.get(0);
    let tenant = tenant.parse().map_err(|_| {
        unavailable(format!("the tenant {tenant:?} in gesta.leases is illegal: restore it from a backup"))
    })?;
    let saved = row
        .get::<_, Option<i64>>(3)
        .map(|stands| Checkpoint { position: position(stands), state: Bytes::copy_from_slice(row.get(4)) });
    let key = CheckpointKey::new(tenant, row.get::<_, String>(1));
    Ok(CheckpointRecord { key, epoch: epoch(row.get(2)), saved: saved.unwrap_or_default() })
}
