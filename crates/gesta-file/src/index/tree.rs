//! The open tree: what is applied, and the questions it answers.

use std::{
    collections::HashMap,
    sync::{
        RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use fjall::{Database, Keyspace, PersistMode};
use gesta_core::{Direction, ListStreams, Position, StreamId, StreamInfo, Tenant, Version};
use uuid::Uuid;

use super::{
    Entry, IndexError,
    keys::{self, TenantNumber},
    run,
};

/// An open folder. One thread applies, any thread asks.
pub(super) struct Tree {
    database: Database,
    keyspace: Keyspace,
    tenants: RwLock<HashMap<Tenant, TenantNumber>>,
    watermark: AtomicU64,
}

impl Tree {
    /// Takes an open folder that fits.
    pub(super) fn load(
        database: Database,
        keyspace: Keyspace,
        watermark: Position,
    ) -> Result<Self, IndexError> {
        let mut tenants = HashMap::new();
        for pair in keyspace.prefix([keys::TENANTS]) {
            let (key, value) = pair.into_inner()?;
            let name = std::str::from_utf8(&key[1..]).ok().and_then(|name| name.parse().ok());
            let number = <[u8; 4]>::try_from(&*value).ok().map(TenantNumber::from_le_bytes);
            tenants.insert(name.ok_or_else(illegible)?, number.ok_or_else(illegible)?);
        }
        let watermark = AtomicU64::new(watermark.get());
        Ok(Self { database, keyspace, tenants: RwLock::new(tenants), watermark })
    }

    pub(super) fn watermark(&self) -> Position {
        Position::new(self.watermark.load(Ordering::Acquire))
    }

    pub(super) fn apply(&self, entries: &[Entry]) -> Result<(), IndexError> {
        let Some(last) = entries.last() else { return Ok(()) };
        let mut batch = self.database.batch().durability(Some(PersistMode::Buffer));
        let (numbered, fresh) = self.number(entries);
        for (tenant, number) in &fresh {
            batch.insert(&self.keyspace, keys::tenant(tenant.as_str()), number.to_le_bytes());
        }
        for (key, value) in run::pairs(&numbered) {
            batch.insert(&self.keyspace, key, value);
        }
        batch.insert(&self.keyspace, keys::WATERMARK, last.position.get().to_le_bytes());
        batch.commit()?;
        self.tenants().extend(fresh);
        self.watermark.store(last.position.get(), Ordering::Release);
        Ok(())
    }

    /// The entries with their tenants' numbers, and the tenants that are new.
    fn number<'a>(
        &self,
        entries: &'a [Entry],
    ) -> (Vec<(TenantNumber, &'a Entry)>, HashMap<Tenant, TenantNumber>) {
        let known = self.tenants.read().expect("no holder of the tenants' lock panics");
        let mut fresh = HashMap::new();
        let mut numbered = Vec::with_capacity(entries.len());
        for entry in entries {
            let number = known.get(&entry.tenant).copied().unwrap_or_else(|| {
                let next = (known.len() + fresh.len()) as TenantNumber;
                *fresh.entry(entry.tenant.clone()).or_insert(next)
            });
            numbered.push((number, entry));
        }
        (numbered, fresh)
    }

    fn tenants(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<Tenant, TenantNumber>> {
        self.tenants.write().expect("no holder of the tenants' lock panics")
    }

    fn tenant(&self, tenant: &Tenant) -> Option<TenantNumber> {
        self.tenants.read().expect("no holder of the tenants' lock panics").get(tenant).copied()
    }

    pub(super) fn find_id(&self, tenant: &Tenant, id: Uuid) -> Result<Option<Position>, IndexError> {
        let Some(tenant) = self.tenant(tenant) else { return Ok(None) };
        let Some(value) = self.keyspace.get(keys::id(tenant, id))? else { return Ok(None) };
        let number = <[u8; 8]>::try_from(&*value).map_err(|_| illegible())?;
        Ok(Some(Position::new(u64::from_le_bytes(number))))
    }

    pub(super) fn stream_version(&self, tenant: &Tenant, stream: &StreamId) -> Result<Version, IndexError> {
        let Some(tenant) = self.tenant(tenant) else { return Ok(Version::EMPTY) };
        let Some(value) = self.keyspace.get(keys::head(tenant, stream.as_str()))? else {
            return Ok(Version::EMPTY);
        };
        Ok(keys::read_head(&value).ok_or_else(illegible)?.0)
    }

    pub(super) fn stream_positions(
        &self,
        tenant: &Tenant,
        stream: &StreamId,
        span: (Version, Version),
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<(Version, Position)>, IndexError> {
        let Some(tenant) = self.tenant(tenant) else { return Ok(Vec::new()) };
        let prefix = keys::stream(tenant, stream.as_str());
        let mut found = Vec::new();
        self.chunks(&prefix, (span.0.get(), span.1.get()), direction, |last, positions| {
            let first = last.saturating_sub(positions.len() as u64);
            let versions = (first + 1..=last).map(Version::new).zip(positions);
            let mut wanted: Vec<_> =
                versions.filter(|(version, _)| span.0 < *version && *version <= span.1).collect();
            if direction == Direction::Backwards {
                wanted.reverse();
            }
            found.extend(wanted);
            found.len() < limit
        })?;
        found.truncate(limit);
        Ok(found)
    }

    pub(super) fn correlated(
        &self,
        tenant: &Tenant,
        correlation: &str,
        span: (Position, Position),
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Position>, IndexError> {
        let Some(number) = self.tenant(tenant) else { return Ok(Vec::new()) };
        // An event whose correlation is its own id is found by that id and has no entry of its own.
        let own = correlation.parse().ok().map(|id| self.find_id(tenant, id)).transpose()?.flatten();
        let within = |position: &Position| span.0 < *position && *position <= span.1;
        let mut found: Vec<_> = own.filter(within).into_iter().collect();
        let enough = limit.saturating_add(found.len());
        let prefix = keys::correlation(number, correlation);
        self.chunks(&prefix, (span.0.get(), span.1.get()), direction, |_, mut positions| {
            positions.retain(within);
            if direction == Direction::Backwards {
                positions.reverse();
            }
            found.extend(positions);
            found.len() < enough
        })?;
        match direction {
            Direction::Forwards => found.sort_unstable(),
            Direction::Backwards => found.sort_unstable_by(|a, b| b.cmp(a)),
        }
        found.dedup();
        found.truncate(limit);
        Ok(found)
    }

    /// Hands over the chunks that can hold numbers with `after < number ≤ up_to`, until `take` has had enough.
    fn chunks(
        &self,
        prefix: &[u8],
        (after, up_to): (u64, u64),
        direction: Direction,
        mut take: impl FnMut(u64, Vec<Position>) -> bool,
    ) -> Result<(), IndexError> {
        if after >= up_to {
            return Ok(());
        }
        // A chunk is filed under its last number, so the one that holds `up_to` may lie behind it.
        let beyond = self.keyspace.range(keys::at(prefix, up_to)..=keys::at(prefix, u64::MAX)).next();
        let beyond = beyond.map(|pair| pair.key()).transpose()?;
        let end = beyond.map_or_else(|| keys::at(prefix, up_to), |key| key.to_vec());
        let range = self.keyspace.range(keys::at(prefix, after + 1)..=end);
        let pairs: Box<dyn Iterator<Item = fjall::Guard>> = match direction {
            Direction::Forwards => Box::new(range),
            Direction::Backwards => Box::new(range.rev()),
        };
        for pair in pairs {
            let (key, value) = pair.into_inner()?;
            let last = keys::number_of(&key).ok_or_else(illegible)?;
            if !take(last, keys::read_chunk(&value).ok_or_else(illegible)?) {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn list_streams(&self, list: &ListStreams) -> Result<Vec<StreamInfo>, IndexError> {
        let Some(tenant) = self.tenant(&list.tenant) else { return Ok(Vec::new()) };
        let beginning = list.pattern.as_str().split('*').next().unwrap_or_default();
        let prefix = keys::head(tenant, beginning);
        let mut start = prefix.clone();
        // Gesta's own streams begin with `$`, which sorts before every other stream.
        let floor = if list.system { "" } else { "%" };
        start = start.max(keys::head(tenant, floor));
        start =
            list.after.as_ref().map_or(start.clone(), |after| start.max(keys::head(tenant, after.as_str())));
        let mut found = Vec::new();
        if list.limit == 0 {
            return Ok(found);
        }
        for pair in self.keyspace.range(start..) {
            let (key, value) = pair.into_inner()?;
            if !key.starts_with(&prefix) {
                break;
            }
            let stream = keys::stream_of_head(&key).ok_or_else(illegible)?;
            if list.accepts(&stream) {
                let (version, last_position) = keys::read_head(&value).ok_or_else(illegible)?;
                found.push(StreamInfo { stream, version, last_position });
            }
            if found.len() >= list.limit {
                break;
            }
        }
        Ok(found)
    }
}

fn illegible() -> IndexError {
    IndexError::broken("an entry is illegible")
}
