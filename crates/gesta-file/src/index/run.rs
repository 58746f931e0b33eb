//! Turns entries of the log into the keys and values that stand for them, in the order of the keys.

use std::collections::HashMap;

use gesta_core::{Position, Tenant};

use super::{
    Entry,
    keys::{self, TenantNumber},
};

/// A chunk longer than this is cut, so that a short read decodes little.
const CHUNK_POSITIONS: usize = 512;

/// What stands for some entries. It depends on them alone, so that writing it twice is harmless.
pub(super) struct Run<'a> {
    watermark: Position,
    tenants: Vec<(&'a Tenant, TenantNumber)>,
    ids: Vec<(TenantNumber, u128, Position)>,
    /// By stream, and within a stream by position.
    streams: Vec<(TenantNumber, &'a Entry)>,
    correlations: Vec<(TenantNumber, u128, Position)>,
}

impl<'a> Run<'a> {
    /// Sorts entries, which come in order of position, and the numbers of tenants that are new.
    pub(super) fn of(
        entries: &[(TenantNumber, &'a Entry)],
        tenants: &'a HashMap<Tenant, TenantNumber>,
        watermark: Position,
    ) -> Self {
        let mut tenants: Vec<_> = tenants.iter().map(|(tenant, number)| (tenant, *number)).collect();
        tenants.sort_unstable();
        let id = |(tenant, entry): &(TenantNumber, &Entry)| (*tenant, entry.id.as_u128(), entry.position);
        let mut ids: Vec<_> = entries.iter().map(id).collect();
        ids.sort_unstable();
        // An id comes once; if a damaged log says otherwise, its first place counts and no order is broken.
        ids.dedup_by_key(|(tenant, id, _)| (*tenant, *id));
        let mut streams = entries.to_vec();
        streams.sort_by(|a, b| (a.0, &a.1.stream).cmp(&(b.0, &b.1.stream)));
        let correlation = |(tenant, entry): &(TenantNumber, &Entry)| {
            let text = entry.correlation.as_ref()?;
            Some((*tenant, keys::correlation_hash(text), entry.position))
        };
        let mut correlations: Vec<_> = entries.iter().filter_map(correlation).collect();
        correlations.sort_unstable();
        Self { watermark, tenants, ids, streams, correlations }
    }

    /// Hands every key with its value to `put`, in rising order of the keys.
    pub(super) fn write<E>(&self, mut put: impl FnMut(&[u8], &[u8]) -> Result<(), E>) -> Result<(), E> {
        put(&keys::WATERMARK, &self.watermark.get().to_le_bytes())?;
        for (tenant, number) in &self.tenants {
            put(&keys::tenant(tenant.as_str()), &number.to_le_bytes())?;
        }
        for (tenant, id, position) in &self.ids {
            put(&keys::id(*tenant, *id), &keys::position_value(*position))?;
        }
        for (tenant, entries) in self.by_stream() {
            let last = entries.last().expect("a group is never empty").1;
            put(&keys::head(tenant, last.stream.as_str()), &keys::head_value(last.version, last.position))?;
        }
        for (tenant, entries) in self.by_stream() {
            write_stream(tenant, entries, &mut put)?;
        }
        self.write_correlations(&mut put)
    }

    /// The entries of one stream after the other, in order of the streams' keys.
    fn by_stream(&self) -> impl Iterator<Item = (TenantNumber, &[(TenantNumber, &'a Entry)])> {
        let same =
            |a: &(TenantNumber, &Entry), b: &(TenantNumber, &Entry)| a.0 == b.0 && a.1.stream == b.1.stream;
        self.streams.chunk_by(same).map(|entries| (entries[0].0, entries))
    }

    /// The chunks of one correlation after the other. A hash that two correlations share shares its chunks.
    fn write_correlations<E>(&self, put: &mut impl FnMut(&[u8], &[u8]) -> Result<(), E>) -> Result<(), E> {
        for entries in self.correlations.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let prefix = keys::correlation(entries[0].0, entries[0].1);
            for chunk in entries.chunks(CHUNK_POSITIONS) {
                let last = chunk.last().expect("chunks are never empty").2;
                put(&keys::at(&prefix, last.get()), &keys::chunk(chunk.iter().map(|entry| entry.2)))?;
            }
        }
        Ok(())
    }
}

/// The chunks of one stream, each filed under its last version, so that a read from any version on is one walk.
fn write_stream<E>(
    tenant: TenantNumber,
    entries: &[(TenantNumber, &Entry)],
    put: &mut impl FnMut(&[u8], &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let prefix = keys::stream(tenant, entries[0].1.stream.as_str());
    // Versions have no gaps, so the last one and the count tell all of a chunk; a log that was damaged could have a
    // gap, and then a new chunk begins.
    for dense in entries.chunk_by(|a, b| a.1.version.next() == b.1.version) {
        for chunk in dense.chunks(CHUNK_POSITIONS) {
            let last = chunk.last().expect("chunks are never empty").1.version;
            put(&keys::at(&prefix, last.get()), &keys::chunk(chunk.iter().map(|(_, entry)| entry.position)))?;
        }
    }
    Ok(())
}
