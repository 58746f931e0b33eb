//! Whose event it is.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::TENANT_BYTES;

/// Whose event it is; part of every key of every store.
///
/// One to 64 of `A-Z a-z 0-9 . _ -`, beginning with a letter or digit. The default is `default`.
///
/// ```
/// use gesta_core::Tenant;
/// assert_eq!(Tenant::default().as_str(), "default");
/// assert!("north/ward".parse::<Tenant>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[doc(alias = "org")]
#[doc(alias = "account")]
pub struct Tenant(Arc<str>);

/// The text is no tenant name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("illegal tenant {given:?}: use 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter or digit")]
pub struct InvalidTenant {
    /// What was given.
    pub given: String,
}

impl Tenant {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Tenant {
    fn default() -> Self {
        Self("default".into())
    }
}

impl FromStr for Tenant {
    type Err = InvalidTenant;

    fn from_str(text: &str) -> Result<Self, InvalidTenant> {
        let legal = text.len() <= TENANT_BYTES
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if legal { Ok(Self(text.into())) } else { Err(InvalidTenant { given: text.into() }) }
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl Serialize for Tenant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Tenant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
