//! From a credential to a caller.

use std::{
    path::PathBuf,
    sync::{Arc, RwLock},
};

use axum::{
    extract::Request,
    http::{HeaderMap, header},
};
use gesta_core::Tenant;

use super::{
    Caller, Denied, Grants, host,
    keys::{self, KeysError},
};

/// Turns credentials into callers.
pub struct Authority(Mode);

enum Mode {
    /// No keys: everything is allowed.
    Open {
        /// Only requests that are meant for this machine, from no foreign web page.
        local: bool,
    },
    Keys {
        path: PathBuf,
        known: RwLock<Known>,
    },
}

/// The keys of the file as it was when it had this stamp.
struct Known {
    keys: Arc<keys::Keys>,
    stamp: Option<keys::Stamp>,
}

impl Authority {
    /// Everything is allowed to requests that are meant for this machine; for loopback listeners.
    pub fn open() -> Self {
        Self(Mode::Open { local: true })
    }

    /// Everything is allowed to everybody; for networks of which somebody said so.
    pub fn open_to_anyone() -> Self {
        Self(Mode::Open { local: false })
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
        matches!(self.0, Mode::Open { .. })
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

    /// Who sent this request.
    pub fn identify(&self, request: &Request) -> Result<Caller, Denied> {
        let headers = request.headers();
        match &self.0 {
            Mode::Open { local: true } if !host::is_local(request) => Err(Denied::ForeignHost),
            Mode::Open { .. } => {
                let tenant = wanted_tenant(headers)?.unwrap_or_default();
                Ok(Caller { tenant, principal: Caller::LOCAL.into(), grants: Grants::All })
            }
            Mode::Keys { known, .. } => Self::with_key(known, headers),
        }
    }

    /// Whoever has the key of the header, if it opens the tenant that the other header asks for.
    fn with_key(known: &RwLock<Known>, headers: &HeaderMap) -> Result<Caller, Denied> {
        let value = headers.get(header::AUTHORIZATION).ok_or(Denied::NoKey)?;
        let text = value.to_str().map_err(|_| Denied::WrongKey)?;
        let (scheme, key) = text.split_once(' ').ok_or(Denied::WrongKey)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Denied::WrongKey);
        }
        let keys = Arc::clone(&known.read().expect("no holder of the keys' lock panics").keys);
        let caller = keys.caller(key.trim()).ok_or(Denied::WrongKey)?;
        match wanted_tenant(headers)? {
            Some(tenant) if tenant != caller.tenant => Err(Denied::OtherTenant),
            _ => Ok(caller),
        }
    }
}

/// The tenant that a header asks for.
fn wanted_tenant(headers: &HeaderMap) -> Result<Option<Tenant>, Denied> {
    let Some(value) = headers.get("gesta-tenant") else { return Ok(None) };
    let text = value.to_str().map_err(|_| Denied::IllegalTenant)?;
    text.parse().map(Some).map_err(|_| Denied::IllegalTenant)
}
