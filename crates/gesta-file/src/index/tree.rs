//! The open tree: what is applied, and the questions it answers.

use std::{
    collections::HashMap,
    sync::{
        RwLock,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use fjall::{Database, Keyspace, PersistMode};
use gesta_core::{Direction, ListStreams, Position, StreamId, StreamInfo, Tenant, Version};
use uuid::Uuid;

use super::{
    Entry, IndexError,
    keys::{self, TenantNumber},
    run::Run,
};

/// A batch this large is sorted into a table of its own; below, the sync of a table would cost more than the journal.
/// What goes through the journal is replayed at the next start after a kill, with a system call or two an entry, so a
/// log that is written at any speed that matters leaves little there.
const TABLE_ENTRIES: usize = 4_096;
/// So many tables may wait for compaction before the next one does too.
const LOOSE_TABLES: usize = 12;
/// With so many the library slows a batch down, and with some more stops it.
const STALLING_TABLES: usize = 20;
/// With so many, each of which was waited for, nobody compacts any more.
const FORGOTTEN_TABLES: usize = 256;
const COMPACTION_STEP: Duration = Duration::from_millis(5);
const COMPACTION_WAIT: Duration = Duration::from_secs(2);

/// Entries with their tenants' numbers, and the tenants among them that had none.
type Numbered<'a> = (Vec<(TenantNumber, &'a Entry)>, HashMap<Tenant, TenantNumber>);

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

    /// Everything up to here is applied.
    pub(super) fn watermark(&self) -> Position {
        Position::new(self.watermark.load(Ordering::Acquire))
    }

    /// Applies entries and their watermark at once. What readers see of it meanwhile may be a part; they are told of
    /// the watermark only when all of it is there.
    pub(super) fn apply(&self, entries: &[Entry]) -> Result<(), IndexError> {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(()) };
        if self.watermark().next() < first.position {
            let (from, to) = (self.watermark(), first.position);
            return Err(IndexError::broken(format!("it ends at {from} and cannot go on at {to}")));
        }
        let (numbered, fresh) = self.number(entries)?;
        let run = Run::of(&numbered, &fresh, last.position);
        if entries.len() < TABLE_ENTRIES && !self.would_wait() {
            self.write_batch(&run)?;
        } else {
            self.write_table(&run)?;
        }
        self.tenants().extend(fresh);
        self.watermark.store(last.position.get(), Ordering::Release);
        Ok(())
    }

    /// Through the journal and the table in memory, without a sync.
    fn write_batch(&self, run: &Run<'_>) -> Result<(), IndexError> {
        let mut batch = self.database.batch().durability(Some(PersistMode::Buffer));
        run.write(|key, value| {
            batch.insert(&self.keyspace, key, value);
            Ok::<_, IndexError>(())
        })?;
        Ok(batch.commit()?)
    }

    /// Whether the library would make a batch wait for its worker: for ever if that has died. A table needs no worker.
    fn would_wait(&self) -> bool {
        self.keyspace.sealed_memtable_count() > 2 || self.keyspace.l0_table_count() >= STALLING_TABLES
    }

    /// Straight into a table of its own, which the library syncs. Atomic as well: the tree takes the table as a whole.
    fn write_table(&self, run: &Run<'_>) -> Result<(), IndexError> {
        self.wait_for_compaction()?;
        let mut table = self.keyspace.start_ingestion()?;
        run.write(|key, value| table.write(key, value))?;
        Ok(table.finish()?)
    }

    /// Every table not yet compacted is one more place where a lookup has to ask. Not for ever: a compaction that is
    /// slow shall not stop the index, and one that stands still is an error, so that the folder is opened again.
    fn wait_for_compaction(&self) -> Result<(), IndexError> {
        let mut waited = Duration::ZERO;
        while self.keyspace.l0_table_count() > LOOSE_TABLES && waited < COMPACTION_WAIT {
            thread::sleep(COMPACTION_STEP);
            waited += COMPACTION_STEP;
        }
        match self.keyspace.l0_table_count() {
            few if few <= FORGOTTEN_TABLES => Ok(()),
            many => Err(IndexError::broken(format!("{many} of its tables were never compacted"))),
        }
    }

    /// Gives every entry its tenant's number, and new tenants the next ones. Those count only once they are written.
    fn number<'a>(&self, entries: &'a [Entry]) -> Result<Numbered<'a>, IndexError> {
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
        let all = known.len() + fresh.len();
        if all > keys::TENANTS_AT_MOST as usize {
            return Err(IndexError::broken(format!("{all} tenants are more than it can tell apart")));
        }
        Ok((numbered, fresh))
    }

    fn tenants(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<Tenant, TenantNumber>> {
        self.tenants.write().expect("no holder of the tenants' lock panics")
    }

    /// The number of a tenant that has events.
    fn tenant(&self, tenant: &Tenant) -> Option<TenantNumber> {
        self.tenants.read().expect("no holder of the tenants' lock panics").get(tenant).copied()
    }

    /// One lookup; a new id costs a question to the filter of each level and seldom a block.
    pub(super) fn find_id(&self, tenant: &Tenant, id: Uuid) -> Result<Option<Position>, IndexError> {
        let Some(tenant) = self.tenant(tenant) else { return Ok(None) };
        let Some(value) = self.keyspace.get(keys::id(tenant, id.as_u128()))? else { return Ok(None) };
        match keys::read_chunk(&value).as_deref() {
            Some([position]) => Ok(Some(*position)),
            _ => Err(illegible()),
        }
    }

    pub(super) fn stream_version(&self, tenant: &Tenant, stream: &StreamId) -> Result<Version, IndexError> {
        let Some(tenant) = self.tenant(tenant) else { return Ok(Version::EMPTY) };
        Ok(self.head(tenant, stream.as_str())?.map_or(Version::EMPTY, |(version, _)| version))
    }

    /// The version of a stream and the position of its last event.
    pub(super) fn head(
        &self,
        tenant: TenantNumber,
        stream: &str,
    ) -> Result<Option<(Version, Position)>, IndexError> {
        let Some(value) = self.keyspace.get(keys::head(tenant, stream))? else { return Ok(None) };
        keys::read_head(&value).map(Some).ok_or_else(illegible)
    }

    /// Everything, in order of the keys.
    pub(super) fn pairs(&self) -> fjall::Iter {
        self.keyspace.iter()
    }

    /// The tenants by the numbers that stand in keys.
    pub(super) fn tenants_by_number(&self) -> HashMap<TenantNumber, Tenant> {
        let tenants = self.tenants.read().expect("no holder of the tenants' lock panics");
        tenants.iter().map(|(tenant, number)| (*number, tenant.clone())).collect()
    }

    /// The versions of `span`, its lower bound excluded, with their positions.
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

    /// The positions of `span`, its lower bound excluded, whose correlation has this one's hash.
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
        let prefix = keys::correlation(number, keys::correlation_hash(correlation));
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
        let mut end = keys::at(prefix, up_to);
        if up_to < u64::MAX {
            // A chunk is filed under its last number, so the one that holds `up_to` may lie behind it.
            let beyond = self.keyspace.range(end.clone()..=keys::at(prefix, u64::MAX)).next();
            end = beyond.map(|pair| pair.key()).transpose()?.map_or(end, |key| key.to_vec());
        }
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

    /// Walks the heads from the pattern's fixed beginning on. A pattern that begins with `*` walks all of a tenant's.
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

/// An entry that no release has written: damage, or a bug. The index is rebuilt.
pub(super) fn illegible() -> IndexError {
    IndexError::broken("an entry is illegible")
}
