//! Which streams there are.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Pattern, Position, ReadError, StreamId, Tenant, Version};

/// Lists the streams of a log: what a person browses, not what a handler reads.
#[async_trait]
pub trait StreamCatalog: Send + Sync {
    /// The streams that pass, by name, page by page.
    async fn list_streams(&self, list: ListStreams) -> Result<Vec<StreamInfo>, ReadError>;
}

/// Which streams to list.
#[derive(Debug, Clone)]
pub struct ListStreams {
    /// Whose streams.
    pub tenant: Tenant,
    /// Only streams whose id this pattern matches; a pattern with text before its first `*` is fast.
    pub pattern: Pattern,
    /// Only streams whose id comes behind this one in byte order.
    pub after: Option<StreamId>,
    /// Streams of Gesta itself too.
    pub system: bool,
    /// At most so many.
    pub limit: usize,
}

impl ListStreams {
    /// The first 100 streams of a tenant.
    pub fn of(tenant: Tenant) -> Self {
        Self { tenant, pattern: "*".into(), after: None, system: false, limit: 100 }
    }

    /// Whether a stream passes.
    pub fn accepts(&self, stream: &StreamId) -> bool {
        (self.system || !stream.is_system())
            && self.after.as_ref().is_none_or(|after| stream > after)
            && self.pattern.matches(stream.as_str())
    }
}

/// A stream and how far it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamInfo {
    /// The stream.
    pub stream: StreamId,
    /// Its version: the number of its events.
    pub version: Version,
    /// The position of its last event.
    pub last_position: Position,
}
