//! Counts an index as a whole, to compare it with the log it was derived from.

use gesta_core::{Position, Tenant, Version};
use xxhash_rust::xxh3::Xxh3Default;

use super::{
    Entry, Index, IndexError,
    keys::{self, Kind, TenantNumber},
    tree::{Tree, illegible},
};

/// What entries come to, in whatever order they were added: two sums over their hashes are equal when the entries
/// are, and by chance once in 2¹²⁸.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Digest {
    /// Of (tenant, id, position).
    pub(crate) ids: Sum,
    /// Of (tenant, stream, version, position).
    pub(crate) streams: Sum,
    /// Of (tenant, hash of the correlation, position).
    pub(crate) correlations: Sum,
}

/// How many, and the sum of their hashes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) count: u64,
    hashes: u128,
}

impl Sum {
    fn add(&mut self, fields: [&[u8]; 4]) {
        let mut hash = Xxh3Default::new();
        for field in fields {
            hash.update(&(field.len() as u64).to_le_bytes());
            hash.update(field);
        }
        self.count += 1;
        self.hashes = self.hashes.wrapping_add(hash.digest128());
    }
}

impl Digest {
    /// Adds what the index keeps of an event.
    pub(crate) fn add(&mut self, entry: &Entry) {
        let tenant = entry.tenant.as_str();
        self.add_id(tenant, entry.id.as_u128(), entry.position);
        self.add_version(tenant, entry.stream.as_str(), entry.version, entry.position);
        if let Some(text) = &entry.correlation {
            self.add_correlation(tenant, keys::correlation_hash(text), entry.position);
        }
    }

    fn add_id(&mut self, tenant: &str, id: u128, position: Position) {
        self.ids.add([tenant.as_bytes(), &id.to_le_bytes(), &position.get().to_le_bytes(), b""]);
    }

    fn add_version(&mut self, tenant: &str, stream: &str, version: Version, position: Position) {
        let (version, position) = (version.get().to_le_bytes(), position.get().to_le_bytes());
        self.streams.add([tenant.as_bytes(), stream.as_bytes(), &version, &position]);
    }

    fn add_correlation(&mut self, tenant: &str, hash: u128, position: Position) {
        self.correlations.add([tenant.as_bytes(), &hash.to_le_bytes(), &position.get().to_le_bytes(), b""]);
    }
}

/// What a whole index holds.
pub(crate) struct Audit {
    /// To compare with the log's, as far as the watermark.
    pub(crate) digest: Digest,
    /// How many streams it knows.
    pub(crate) streams: u64,
}

impl Index {
    /// Reads everything. `fault` is told whatever no log can have made: a gap in a stream's versions, positions that
    /// fall, a head that is not its stream's last event.
    pub(crate) fn audit(&self, fault: &mut dyn FnMut(String)) -> Result<Audit, IndexError> {
        self.with(|tree| {
            let tenants = tree.tenants_by_number();
            let mut walk = Walk { tree, tenants, digest: Digest::default(), streams: 0, last: None, fault };
            for pair in tree.pairs() {
                let (key, value) = pair.into_inner()?;
                walk.take(&key, &value)?;
            }
            walk.end_stream()?;
            Ok(Audit { digest: walk.digest, streams: walk.streams })
        })
    }
}

/// A walk over all pairs of a tree, in order of the keys, so that a stream's chunks come one after the other.
struct Walk<'a> {
    tree: &'a Tree,
    tenants: std::collections::HashMap<TenantNumber, Tenant>,
    digest: Digest,
    streams: u64,
    /// The stream whose chunks are being read, and how far they went.
    last: Option<Reached>,
    fault: &'a mut dyn FnMut(String),
}

/// How far the chunks of a stream were read.
struct Reached {
    tenant: TenantNumber,
    stream: String,
    version: u64,
    position: Position,
}

impl Walk<'_> {
    /// Adds one pair to the sums, and compares it with the one before.
    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), IndexError> {
        let Some((kind, number, rest)) = keys::split(key) else { return Ok(()) };
        let tenant = self.tenants.get(&number).ok_or_else(illegible)?.as_str().to_owned();
        let positions = keys::read_chunk(value).ok_or_else(illegible)?;
        match kind {
            Kind::Id => {
                let id = <[u8; 16]>::try_from(rest).map_err(|_| illegible())?;
                let [position] = positions[..] else { return Err(illegible()) };
                self.digest.add_id(&tenant, u128::from_be_bytes(id), position);
            }
            Kind::Head => self.streams += 1,
            Kind::Stream => self.chunk(number, &tenant, rest, &positions)?,
            Kind::Correlation => {
                let hash = rest.first_chunk::<16>().ok_or_else(illegible)?;
                for position in positions {
                    self.digest.add_correlation(&tenant, u128::from_be_bytes(*hash), position);
                }
            }
        }
        Ok(())
    }

    /// A chunk must begin behind the last one, in version and in position.
    fn chunk(
        &mut self,
        number: TenantNumber,
        tenant: &str,
        rest: &[u8],
        positions: &[Position],
    ) -> Result<(), IndexError> {
        let last = keys::number_of(rest).ok_or_else(illegible)?;
        let name = rest.len().checked_sub(9).and_then(|end| std::str::from_utf8(&rest[..end]).ok());
        let name = name.ok_or_else(illegible)?;
        if self.last.as_ref().is_none_or(|reached| reached.tenant != number || reached.stream != name) {
            self.end_stream()?;
            let stream = name.to_owned();
            self.last = Some(Reached { tenant: number, stream, version: 0, position: Position::START });
        }
        let reached = self.last.as_mut().expect("was just set");
        let first = (last + 1).saturating_sub(positions.len() as u64);
        if first != reached.version + 1 {
            (self.fault)(format!(
                "stream {name} of tenant {tenant} goes from version {} to {first}",
                reached.version
            ));
        }
        for (version, position) in (first..).zip(positions) {
            if *position <= reached.position {
                (self.fault)(format!(
                    "version {version} of stream {name} of tenant {tenant} comes too early in the log"
                ));
            }
            reached.position = *position;
            self.digest.add_version(tenant, name, Version::new(version), *position);
        }
        reached.version = last;
        Ok(())
    }

    /// A stream's head is kept apart from its chunks, and must be where the last one ends.
    fn end_stream(&mut self) -> Result<(), IndexError> {
        let Some(Reached { tenant, stream, version, position }) = self.last.take() else { return Ok(()) };
        if self.tree.head(tenant, &stream)? != Some((Version::new(version), position)) {
            (self.fault)(format!("the head of stream {stream} is not its last event"));
        }
        Ok(())
    }
}
