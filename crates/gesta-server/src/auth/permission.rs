//! What a caller may do.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a caller may do. There is none to rewrite: stored bytes are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[doc(alias = "action")]
#[doc(alias = "scope")]
#[non_exhaustive]
pub enum Permission {
    /// Append events, publish them.
    StreamAppend,
    /// Read events with their data, of one stream or by id.
    StreamRead,
    /// Read which streams there are and how far they go, never data.
    StreamReadMetadata,
    /// Read the whole log of the tenant, with data.
    LogReadAll,
    /// Verify the log.
    LogVerify,
    /// Pull from a group, acknowledge, refuse.
    GroupConsume,
    /// Create, show and remove groups.
    GroupManage,
    /// See how processors do.
    ProcessorRead,
    /// Pause, resume, reset and rebuild processors.
    ProcessorManage,
    /// See parked events and dead letters.
    DeadLetterRead,
    /// Deliver parked events again, have dead letters handled again.
    DeadLetterReplay,
    /// Give parked events and dead letters up.
    DeadLetterDiscard,
    /// Read metrics and statistics.
    MetricsRead,
    /// Make a backup.
    BackupCreate,
    /// Make, list and revoke keys.
    KeyManage,
    /// Act on other tenants.
    TenantAdmin,
}

/// The text names no permission.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown permission {given:?}: use * or some of {}", Permission::ALL.map(Permission::as_str).join(", "))]
pub struct UnknownPermission {
    /// What was given.
    pub given: String,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 16] = [
        Self::StreamAppend,
        Self::StreamRead,
        Self::StreamReadMetadata,
        Self::LogReadAll,
        Self::LogVerify,
        Self::GroupConsume,
        Self::GroupManage,
        Self::ProcessorRead,
        Self::ProcessorManage,
        Self::DeadLetterRead,
        Self::DeadLetterReplay,
        Self::DeadLetterDiscard,
        Self::MetricsRead,
        Self::BackupCreate,
        Self::KeyManage,
        Self::TenantAdmin,
    ];

    /// Its name, as in keys files and replies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StreamAppend => "stream:append",
            Self::StreamRead => "stream:read",
            Self::StreamReadMetadata => "stream:read-metadata",
            Self::LogReadAll => "log:read-all",
            Self::LogVerify => "log:verify",
            Self::GroupConsume => "group:consume",
            Self::GroupManage => "group:manage",
            Self::ProcessorRead => "processor:read",
            Self::ProcessorManage => "processor:manage",
            Self::DeadLetterRead => "dead-letter:read",
            Self::DeadLetterReplay => "dead-letter:replay",
            Self::DeadLetterDiscard => "dead-letter:discard",
            Self::MetricsRead => "metrics:read",
            Self::BackupCreate => "backup:create",
            Self::KeyManage => "key:manage",
            Self::TenantAdmin => "tenant:admin",
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Permission {
    type Err = UnknownPermission;

    fn from_str(text: &str) -> Result<Self, UnknownPermission> {
        let found = Self::ALL.into_iter().find(|permission| permission.as_str() == text);
        found.ok_or_else(|| UnknownPermission { given: text.chars().take(64).collect() })
    }
}

impl Serialize for Permission {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Permission {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_is_found_by_its_name() {
        for permission in Permission::ALL {
            assert_eq!(permission.as_str().parse(), Ok(permission));
        }
        assert!("stream:rewrite".parse::<Permission>().is_err());
    }
}
