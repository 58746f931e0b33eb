//! The keys file: who may come in. Keys are stored hashed and shown once, when they are made.
//!
//! ```
//! use gesta_server::auth::{Permission, keys};
//!
//! let folder = tempfile::tempdir()?;
//! let file = folder.path().join("keys.json");
//! let made = keys::make(&file, &"north".parse()?, keys::Granted::Some(vec![Permission::StreamRead]))?;
//! assert!(made.key.starts_with("gk_"));
//! assert_eq!(keys::list(&file)?[0].id, made.id);
//! keys::revoke(&file, &made.id)?;
//! assert!(keys::list(&file)?.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{
    collections::HashMap,
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gesta_core::{Clock, SystemClock, Tenant, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{Caller, Grants, Permission};

/// The format of the file that this release reads and writes.
const FORMAT: u32 = 1;

/// What a key grants, as written in the file: `"*"` or a list of permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Granted {
    /// Everything within the key's tenant.
    All,
    /// Only these.
    Some(Vec<Permission>),
}

/// A key as it is kept: without the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyInfo {
    /// What it is called in logs and by `gesta keys revoke`; no secret.
    pub id: String,
    /// Whose events it opens.
    pub tenant: Tenant,
    /// What it grants.
    pub permissions: Granted,
    /// When it was made.
    pub created_at: Timestamp,
    /// SHA-256 of the whole key, in base64url.
    sha256: String,
}

/// A key just made.
pub struct NewKey {
    /// Its id.
    pub id: String,
    /// The key itself: show it once, it is kept nowhere.
    pub key: String,
}

/// Why a keys file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// It cannot be read or written.
    #[error("the keys file {} cannot be used: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no keys file.
    #[error("{} is no keys file: {reason}; put it back, or remove it and make new keys", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Others than its owner may read it.
    #[error("others may read the keys file {}: run chmod 600 on it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// A newer release wrote it.
    #[error("{} has format {format}, this release reads {FORMAT}: use the newer release", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
    /// There is no such key.
    #[error("there is no key {id}: gesta keys list shows them")]
    NotFound {
        /// The id.
        id: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    keys: Vec<KeyInfo>,
}

/// Makes a key and adds it to the file, which is made if there is none, readable by its owner alone.
pub fn make(path: &Path, tenant: &Tenant, permissions: Granted) -> Result<NewKey, KeysError> {
    let mut keys = if path.exists() { list(path)? } else { Vec::new() };
    let id = URL_SAFE_NO_PAD.encode(random::<9>()).replace(['-', '_'], "x");
    let key = format!("gk_{id}_{}", URL_SAFE_NO_PAD.encode(random::<32>()));
    let sha256 = URL_SAFE_NO_PAD.encode(Sha256::digest(&key));
    let created_at = SystemClock.now();
    keys.push(KeyInfo { id: id.clone(), tenant: tenant.clone(), permissions, created_at, sha256 });
    write(path, keys)?;
    Ok(NewKey { id, key })
}

/// The keys of the file.
pub fn list(path: &Path) -> Result<Vec<KeyInfo>, KeysError> {
    let io = |source| KeysError::Io { path: path.into(), source };
    if fs::metadata(path).map_err(io)?.permissions().mode() & 0o077 != 0 {
        return Err(KeysError::Exposed { path: path.into() });
    }
    let text = fs::read(path).map_err(io)?;
    let malformed =
        |error: serde_json::Error| KeysError::Malformed { path: path.into(), reason: error.to_string() };
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let Format { format } = serde_json::from_slice(&text).map_err(malformed)?;
    if format > FORMAT {
        return Err(KeysError::Newer { path: path.into(), format });
    }
    Ok(serde_json::from_slice::<File>(&text).map_err(malformed)?.keys)
}

/// Removes a key. A running server notices within seconds.
pub fn revoke(path: &Path, id: &str) -> Result<(), KeysError> {
    let mut keys = list(path)?;
    let before = keys.len();
    keys.retain(|key| key.id != id);
    if keys.len() == before {
        return Err(KeysError::NotFound { id: id.into() });
    }
    write(path, keys)
}

/// The whole file is written beside and renamed, so that a reader sees the old list or the new one.
fn write(path: &Path, keys: Vec<KeyInfo>) -> Result<(), KeysError> {
    let io = |source| KeysError::Io { path: path.into(), source };
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io)?;
    }
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    let text = serde_json::to_vec_pretty(&File { format: FORMAT, keys }).expect("a list of keys is JSON");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside).map_err(io)?;
    file.write_all(&text).and_then(|()| file.sync_all()).map_err(io)?;
    fs::rename(&beside, path).map_err(io)
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

/// What changes when the file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp(u64, u64, i64, i64);

/// The stamp of a file, if it is there.
pub(super) fn stamp(path: &Path) -> Option<Stamp> {
    let meta = fs::metadata(path).ok()?;
    Some(Stamp(meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))
}

/// Keys by id, ready to compare.
pub(super) struct Keys(HashMap<String, ([u8; 32], Caller)>);

/// Reads a file for comparing.
pub(super) fn load(path: &Path) -> Result<Keys, KeysError> {
    let rows = list(path)?.into_iter().map(|info| {
        let reason = format!("the hash of key {} is damaged", info.id);
        let malformed = || KeysError::Malformed { path: path.into(), reason };
        let hash = URL_SAFE_NO_PAD.decode(&info.sha256).ok().and_then(|hash| hash.try_into().ok());
        Ok((info.id.clone(), (hash.ok_or_else(malformed)?, caller(info))))
    });
    rows.collect::<Result<_, _>>().map(Keys)
}

fn caller(info: KeyInfo) -> Caller {
    let grants = match info.permissions {
        Granted::All => Grants::All,
        Granted::Some(permissions) => Grants::of(permissions),
    };
    Caller { tenant: info.tenant, principal: format!("key:{}", info.id).into(), grants }
}

impl Keys {
    /// Whose key this is. The id is no secret and may be looked up; the rest is compared in constant time.
    pub(super) fn caller(&self, key: &str) -> Option<Caller> {
        let (id, _) = key.strip_prefix("gk_")?.split_once('_')?;
        let given = Sha256::digest(key);
        let (hash, caller) = self.0.get(id)?;
        bool::from(hash.as_slice().ct_eq(given.as_slice())).then(|| caller.clone())
    }
}

impl Serialize for Granted {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => ["*"].serialize(serializer),
            Self::Some(permissions) => permissions.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Granted {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        if names == ["*"] {
            return Ok(Self::All);
        }
        let parsed = names.iter().map(|name| name.parse().map_err(serde::de::Error::custom));
        parsed.collect::<Result<_, _>>().map(Self::Some)
    }
}
