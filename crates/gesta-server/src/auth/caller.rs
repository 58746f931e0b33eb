//! Who asks.

use std::{collections::BTreeSet, convert::Infallible, sync::Arc};

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    http::request::Parts,
};
use gesta_core::Tenant;

use super::{Denied, Permission};

/// Who asks: made by the server from the credential, never from a body.
///
/// Any handler of a guarded route may take it as an argument.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Whose events the caller sees and writes.
    pub tenant: Tenant,
    /// Who it is: `key:<id>`, or `local` on a server without keys.
    pub principal: Arc<str>,
    /// What the caller may do.
    pub grants: Grants,
}

/// What a caller may do; nothing unless it is granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grants {
    /// Everything within the tenant: a server without keys, or a key with `*`.
    All,
    /// Only these.
    Some(Arc<BTreeSet<Permission>>),
}

impl Grants {
    /// Only these.
    pub fn of(permissions: impl IntoIterator<Item = Permission>) -> Self {
        Self::Some(Arc::new(permissions.into_iter().collect()))
    }

    /// Whether this is granted.
    pub fn allows(&self, permission: Permission) -> bool {
        match self {
            Self::All => true,
            Self::Some(granted) => granted.contains(&permission),
        }
    }
}

impl Caller {
    /// Whether what belongs to all tenants at once is the caller's to see and to change: on a server without keys, and
    /// with a key that names `tenant:admin`. A key with `*` may do everything, within its tenant.
    pub fn spans_tenants(&self) -> bool {
        match &self.grants {
            Grants::All => &*self.principal == Self::LOCAL,
            Grants::Some(granted) => granted.contains(&Permission::TenantAdmin),
        }
    }

    /// The principal of whoever reaches a server without keys.
    pub(super) const LOCAL: &'static str = "local";

    /// Refuses what is not granted. For what depends on the body; a route's own permission is checked before.
    pub fn need(&self, permission: Permission) -> Result<(), Denied> {
        if self.grants.allows(permission) { Ok(()) } else { Err(Denied::Missing { permission }) }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Denied> {
        parts.extensions.get::<Self>().cloned().ok_or(Denied::NoKey)
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}
