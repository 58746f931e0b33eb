//! From a credential to a caller.

use std::{
    path::PathBuf,
    sync::{Arc, RwLock},
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::Response,
};
use gesta_core::Tenant;

use super::{
    Caller, Denied, Grants,
    guarded::Identity,
    host,
    keys::{self, KeysError},
};

/// Turns credentials into callers.
pub struct Authority(Mode);

enum Mode {
    /// No keys: everything is allowed, to callers on this machine.
    Open,
    Keys {
        path: PathBuf,
        known: RwLock<Known>,
    },
}

struct Known {
    keys: Arc<keys::Keys>,
    stamp: Option<keys::Stamp>,
}

impl Authority {
    /// Everything is allowed; for loopback listeners only.
    pub fn open() -> Self {
        Self(Mode::Open)
    }

    /// The keys of a file. Fails when it cannot be read; an empty list is fine and lets nobody in.
    pub fn with_keys(path: impl Into<PathBuf>) -> Result<Self, KeysError> {
        let path = path.into();
        let stamp = keys::stamp(&path);
        let known = RwLock::new(Known { keys: Arc::new(keys::load(&path)?), stamp });
        Ok(Self(Mode::Keys { path, known }))
    }

    /// Whether there are no keys.
    pub fn is_open(&self) -> bool {
        matches!(self.0, Mode::Open)
    }

    /// Reads the keys file again if it has changed. When that fails the former keys stay in force: a broken or
    /// missing file never opens the server, and never locks everybody out.
    pub fn reload(&self) -> Result<bool, KeysError> {
        let Mode::Keys { path, known } = &self.0 else { return Ok(false) };
        let stamp = keys::stamp(path);
        if stamp.is_some() && known.read().expect("no holder of the keys' lock panics").stamp == stamp {
            return Ok(false);
        }
        let fresh = Arc::new(keys::load(path)?);
        *known.write().expect("no holder of the keys' lock panics") = Known { keys: fresh, stamp };
        Ok(true)
    }

    /// Who sent these headers.
    pub fn identify(&self, headers: &HeaderMap) -> Result<Caller, Denied> {
        let wanted = wanted_tenant(headers)?;
        let Mode::Keys { known, .. } = &self.0 else {
            let tenant = wanted.unwrap_or_default();
            return Ok(Caller { tenant, principal: "local".into(), grants: Grants::All });
        };
        let value = headers.get(header::AUTHORIZATION).ok_or(Denied::NoKey)?;
        let text = value.to_str().map_err(|_| Denied::WrongKey)?;
        let (scheme, key) = text.split_once(' ').ok_or(Denied::WrongKey)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Denied::WrongKey);
        }
        let keys = Arc::clone(&known.read().expect("no holder of the keys' lock panics").keys);
        let caller = keys.caller(key.trim()).ok_or(Denied::WrongKey)?;
        match wanted {
            Some(tenant) if tenant != caller.tenant => Err(Denied::OtherTenant),
            _ => Ok(caller),
        }
    }
}

fn wanted_tenant(headers: &HeaderMap) -> Result<Option<Tenant>, Denied> {
    let Some(value) = headers.get("gesta-tenant") else { return Ok(None) };
    let text = value.to_str().map_err(|_| Denied::IllegalTenant)?;
    text.parse().map(Some).map_err(|_| Denied::IllegalTenant)
}

/// The layer that identifies the caller for the guards of the routes behind it. A request that cannot be
/// identified goes on without a caller: open routes serve it, all others deny it.
pub async fn authenticate(
    State(authority): State<Arc<Authority>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Denied> {
    if authority.is_open() && !host::is_local(request.headers(), request.uri()) {
        return Err(Denied::ForeignHost);
    }
    let identity = Identity(authority.identify(request.headers()));
    request.extensions_mut().insert(identity);
    Ok(next.run(request).await)
}
