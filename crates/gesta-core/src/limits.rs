//! The sizes every store accepts at least, and every edge refuses beyond.

/// Longest stream id, in bytes.
pub const STREAM_ID_BYTES: usize = 256;
/// Longest event type, in bytes.
pub const EVENT_TYPE_BYTES: usize = 256;
/// Longest tenant name, in bytes.
pub const TENANT_BYTES: usize = 64;
/// Longest content type, in bytes.
pub const CONTENT_TYPE_BYTES: usize = 128;
/// Largest `data` of one event, in bytes (1 MiB).
pub const EVENT_DATA_BYTES: usize = 1024 * 1024;
/// Largest `metadata` of one event, in bytes (64 KiB).
pub const METADATA_BYTES: usize = 64 * 1024;
/// Largest sum of data and metadata of one batch, in bytes (8 MiB).
pub const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// Most events of one batch.
pub const BATCH_EVENTS: usize = 500;
/// Most recorded events that a copy hands over at a time.
pub const COPY_EVENTS: usize = 5_000;
/// Most events of one page on the wire.
pub const PAGE_EVENTS: usize = 1_000;
