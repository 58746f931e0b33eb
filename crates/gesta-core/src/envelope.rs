//! The canonical bytes of a recorded event: what is on disk is what will be hashed.
//!
//! In this order, integers little-endian, every text and byte string after its length as `u32`: format byte (1),
//! position `u64`, version `u64`, tenant, stream, id (16 bytes), type, schema version `u32`, content type,
//! `recorded_at` in microseconds `i64`, metadata, data. Nothing follows.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use uuid::Uuid;

use crate::{NewEvent, Position, RecordedEvent, StreamId, Tenant, Timestamp, Version};

/// The format this release writes, and the only one it reads.
pub const FORMAT: u8 = 1;

/// Bytes that are no envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// A format this release does not know.
    #[error("envelope format {found} is unknown, this release reads {FORMAT}: use a newer release")]
    Format {
        /// The format byte.
        found: u8,
    },
    /// The bytes end early, or go on behind the end.
    #[error("the envelope's length does not fit its content")]
    Length,
    /// A field holds what it cannot hold.
    #[error("the envelope's {field} is illegal")]
    Field {
        /// Which one.
        field: &'static str,
    },
}

/// Appends the canonical bytes of `event` at its place to `out`.
pub fn encode_envelope(
    out: &mut Vec<u8>,
    tenant: &Tenant,
    stream: &StreamId,
    version: Version,
    position: Position,
    recorded_at: Timestamp,
    event: &NewEvent,
) {
    out.push(FORMAT);
    out.extend_from_slice(&position.get().to_le_bytes());
    out.extend_from_slice(&version.get().to_le_bytes());
    put(out, tenant.as_str().as_bytes());
    put(out, stream.as_str().as_bytes());
    out.extend_from_slice(event.id.as_bytes());
    put(out, event.event_type.as_bytes());
    out.extend_from_slice(&event.schema_version.to_le_bytes());
    put(out, event.content_type.as_bytes());
    out.extend_from_slice(&recorded_at.as_micros().to_le_bytes());
    let start = out.len();
    put(out, &[]);
    event.write_stored_metadata(out);
    let length = u32::try_from(out.len() - start - 4).expect("limits keep every field below 4 GiB");
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    put(out, &event.data);
}

/// Appends the canonical bytes of an event that is recorded already: those it was read from.
pub fn encode_recorded(out: &mut Vec<u8>, event: &RecordedEvent) {
    out.push(FORMAT);
    out.extend_from_slice(&event.position.get().to_le_bytes());
    out.extend_from_slice(&event.version.get().to_le_bytes());
    put(out, event.tenant.as_str().as_bytes());
    put(out, event.stream.as_str().as_bytes());
    out.extend_from_slice(event.id.as_bytes());
    put(out, event.event_type.as_bytes());
    out.extend_from_slice(&event.schema_version.to_le_bytes());
    put(out, event.content_type.as_bytes());
    out.extend_from_slice(&event.recorded_at.as_micros().to_le_bytes());
    put(out, &event.metadata);
    put(out, &event.data);
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("limits keep every field below 4 GiB");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Reads canonical bytes; metadata and data are slices of `bytes`, not copies.
pub fn decode_envelope(bytes: Bytes) -> Result<RecordedEvent, EnvelopeError> {
    EnvelopeDecoder::default().decode(&bytes, 0..bytes.len())
}

/// Reads many envelopes: names that come again and again are made once.
#[derive(Debug, Default)]
pub struct EnvelopeDecoder {
    tenant: Option<Tenant>,
    types: Vec<Arc<str>>,
    content_types: Vec<Arc<str>>,
}

/// Names kept of each sort; a log with more types at a time costs an allocation each.
const KEPT_NAMES: usize = 16;

impl EnvelopeDecoder {
    /// Reads the canonical bytes at `range` of `page`; metadata and data are slices of it, not copies. Panics if the
    /// range is not within the page.
    pub fn decode(&mut self, page: &Bytes, range: Range<usize>) -> Result<RecordedEvent, EnvelopeError> {
        let start = range.start;
        let mut rest = Fields { bytes: &page[range], at: 0 };
        let [format] = rest.fixed()?;
        if format != FORMAT {
            return Err(EnvelopeError::Format { found: format });
        }
        let position = Position::new(u64::from_le_bytes(rest.fixed()?));
        let version = Version::new(u64::from_le_bytes(rest.fixed()?));
        let tenant = self.tenant(rest.text("tenant")?)?;
        let stream = rest.text("stream")?.parse().map_err(|_| EnvelopeError::Field { field: "stream" })?;
        let id = Uuid::from_bytes(rest.fixed()?);
        let event_type = kept(&mut self.types, rest.text("type")?);
        let schema_version = u32::from_le_bytes(rest.fixed()?);
        let content_type = kept(&mut self.content_types, rest.text("content type")?);
        let recorded_at = Timestamp::from_micros(i64::from_le_bytes(rest.fixed()?));
        let [metadata, data] = [rest.place()?, rest.place()?];
        if rest.at != rest.bytes.len() {
            return Err(EnvelopeError::Length);
        }
        let slice = |place: Range<usize>| page.slice(start + place.start..start + place.end);
        Ok(RecordedEvent {
            id,
            tenant,
            stream,
            version,
            position,
            event_type,
            schema_version,
            content_type,
            recorded_at,
            metadata: slice(metadata),
            data: slice(data),
        })
    }

    fn tenant(&mut self, name: &str) -> Result<Tenant, EnvelopeError> {
        if let Some(tenant) = self.tenant.as_ref().filter(|tenant| tenant.as_str() == name) {
            return Ok(tenant.clone());
        }
        let tenant: Tenant = name.parse().map_err(|_| EnvelopeError::Field { field: "tenant" })?;
        Ok(self.tenant.insert(tenant).clone())
    }
}

/// The name among those kept, or as a new one of them.
fn kept(names: &mut Vec<Arc<str>>, name: &str) -> Arc<str> {
    if let Some(known) = names.iter().find(|known| &***known == name) {
        return known.clone();
    }
    if names.len() == KEPT_NAMES {
        names.remove(0);
    }
    names.push(name.into());
    names[names.len() - 1].clone()
}

/// The fields of an envelope that are still to be read.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    fn fixed<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], EnvelopeError> {
        let fixed = *self.bytes[self.at..].first_chunk().ok_or(EnvelopeError::Length)?;
        self.at += LENGTH;
        Ok(fixed)
    }

    /// Where the bytes behind the next length are.
    fn place(&mut self) -> Result<Range<usize>, EnvelopeError> {
        let length = u32::from_le_bytes(self.fixed()?) as usize;
        let start = self.at;
        self.at =
            start.checked_add(length).filter(|end| *end <= self.bytes.len()).ok_or(EnvelopeError::Length)?;
        Ok(start..self.at)
    }

    fn text(&mut self, field: &'static str) -> Result<&'a str, EnvelopeError> {
        let place = self.place()?;
        std::str::from_utf8(&self.bytes[place]).map_err(|_| EnvelopeError::Field { field })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded() -> Vec<u8> {
        let event = NewEvent::new("sample.created", &b"{\"barcode\":\"S1\"}"[..]).with_id(Uuid::from_u128(7));
        let mut out = Vec::new();
        let stream = "sample-1".parse().expect("legal");
        let at = Timestamp::from_micros(1_000_000);
        encode_envelope(&mut out, &Tenant::default(), &stream, Version::new(2), Position::new(9), at, &event);
        out
    }

    /// These bytes are a released format: a change here is a new format number.
    #[test]
    fn the_bytes_of_format_1_never_change() {
        let expected = [
            &[1u8, 9, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0][..],
            b"default\x08\0\0\0sample-1",
            &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 14, 0, 0, 0],
            b"sample.created\x01\0\0\0\x10\0\0\0application/json",
            &[0x40, 0x42, 0x0f, 0, 0, 0, 0, 0, 57, 0, 0, 0],
            br#"{"correlation_id":"00000000-0000-0000-0000-000000000007"}"#,
            b"\x10\0\0\0{\"barcode\":\"S1\"}",
        ]
        .concat();
        assert_eq!(encoded(), expected);
    }

    #[test]
    fn an_envelope_round_trips() {
        let event = decode_envelope(encoded().into()).expect("decodes");
        assert_eq!((event.position.get(), event.version.get()), (9, 2));
        assert_eq!((event.stream.as_str(), &*event.event_type), ("sample-1", "sample.created"));
        let mut again = Vec::new();
        encode_recorded(&mut again, &event);
        assert_eq!(again, encoded());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(mut bytes: Vec<u8>, known: bool) {
            if known && !bytes.is_empty() { bytes[0] = FORMAT; }
            let _ = decode_envelope(bytes.into());
        }

        #[test]
        fn a_cut_or_longer_envelope_is_refused(cut in 0usize..100, more in 1usize..4) {
            let whole = encoded();
            prop_assert!(decode_envelope(whole[..cut].to_vec().into()).is_err());
            prop_assert!(decode_envelope([whole, vec![0; more]].concat().into()).is_err());
        }
    }
}
