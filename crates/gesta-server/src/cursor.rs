//! Cursors: where a reader of the log stopped, as an opaque text that cannot be forged or carried elsewhere.
//!
//! A cursor is base64url of: format (1 byte), incarnation (16), position (8, big endian), and the first 16 bytes
//! of an HMAC-SHA256 over all of that and the tenant. It names the last event seen, never a slot to come.
//!
//! ```
//! use gesta_core::{Incarnation, LogHead, Position, Tenant};
//! use gesta_server::cursor::CursorKey;
//!
//! let key = CursorKey::random();
//! let head = LogHead { incarnation: Incarnation::random(), position: Position::new(9) };
//! let text = key.seal(&Tenant::default(), head.incarnation, Position::new(7));
//! assert_eq!(key.open(&Tenant::default(), head, &text)?, Position::new(7));
//! assert!(key.open(&"other".parse()?, head, &text).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gesta_core::{Incarnation, LogHead, Position, Tenant};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

const FORMAT: u8 = 1;
const MAC_BYTES: usize = 16;
const SEALED_BYTES: usize = 1 + 16 + 8;

/// The name of the key's file in the data folder.
const FILE: &str = "cursor.key";

/// The secret that cursors are sealed with.
#[derive(Clone)]
pub struct CursorKey([u8; 32]);

/// Why a cursor is refused. Begin again from the start, or from a position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CursorError {
    /// It is no cursor of ours: cut, mistyped, changed, or another tenant's.
    #[error("the cursor is not valid here: send one as it was received, or read from=start")]
    Garbage,
    /// It belongs to another life of the log, before a restore or of another server.
    #[error("the cursor belongs to another log or to this one before it was restored: read from=start again")]
    OtherLog,
    /// It names an event that the log does not have.
    #[error("the cursor is beyond the head of the log, {head}: read from=start again")]
    BeyondHead {
        /// How far the log goes.
        head: Position,
    },
}

impl CursorKey {
    /// A fresh one, for a log that ends with the process.
    pub fn random() -> Self {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).expect("the system gives random bytes");
        Self(bytes)
    }

    /// The one that a store keeps for all who serve its log.
    pub(crate) fn kept(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The one of a data folder, made at the first start, readable by its owner alone.
    ///
    /// Fails when the file cannot be read or made, and when it is not 32 bytes long.
    pub fn open_or_make(folder: &Path) -> io::Result<Self> {
        let path = folder.join(FILE);
        match fs::read(&path) {
            Ok(bytes) => Self::from_file(&bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(&path),
            Err(error) => Err(error),
        }
    }

    fn from_file(bytes: &[u8]) -> io::Result<Self> {
        let damaged = || {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{FILE} is damaged: remove it, readers begin again"),
            )
        };
        bytes.try_into().map(Self).map_err(|_| damaged())
    }

    /// Written beside and renamed: a crash leaves no half key.
    fn make(path: &Path) -> io::Result<Self> {
        let key = Self::random();
        let beside = path.with_extension("key-new");
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(&key.0)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        Ok(key)
    }

    /// The cursor of a position.
    pub fn seal(&self, tenant: &Tenant, incarnation: Incarnation, position: Position) -> String {
        let mut bytes = Vec::with_capacity(SEALED_BYTES + MAC_BYTES);
        bytes.push(FORMAT);
        bytes.extend(incarnation.to_bytes());
        bytes.extend(position.get().to_be_bytes());
        let mac = self.mac(tenant, &bytes);
        bytes.extend(mac);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The position of a cursor, for this tenant and this log.
    pub fn open(&self, tenant: &Tenant, head: LogHead, text: &str) -> Result<Position, CursorError> {
        // The length first: a long text is not worth decoding.
        if text.len() != ((SEALED_BYTES + MAC_BYTES) * 4).div_ceil(3) {
            return Err(CursorError::Garbage);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError::Garbage)?;
        let (sealed, mac) = bytes.split_at(SEALED_BYTES);
        if sealed[0] != FORMAT {
            return Err(CursorError::Garbage);
        }
        if sealed[1..17] != head.incarnation.to_bytes() {
            return Err(CursorError::OtherLog);
        }
        if !bool::from(self.mac(tenant, sealed).as_slice().ct_eq(mac)) {
            return Err(CursorError::Garbage);
        }
        let number = u64::from_be_bytes(sealed[17..].try_into().expect("eight bytes are left"));
        let position = Position::new(number);
        if position > head.position {
            Err(CursorError::BeyondHead { head: head.position })
        } else {
            Ok(position)
        }
    }

    fn mac(&self, tenant: &Tenant, sealed: &[u8]) -> [u8; MAC_BYTES] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(sealed);
        // Last and of open length, behind a part of fixed length: no two inputs meet.
        mac.update(tenant.as_str().as_bytes());
        let whole = mac.finalize().into_bytes();
        whole[..MAC_BYTES].try_into().expect("a SHA-256 is longer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(incarnation: [u8; 16], position: u64) -> LogHead {
        LogHead { incarnation: Incarnation::from_bytes(incarnation), position: Position::new(position) }
    }

    proptest! {
        #[test]
        fn a_cursor_opens_to_its_position(incarnation: [u8; 16], at: u64, more: u64, tenant in "[a-z][a-z0-9]{0,20}") {
            let (key, tenant) = (CursorKey::random(), tenant.parse().unwrap());
            let head = head(incarnation, at.saturating_add(more));
            let text = key.seal(&tenant, head.incarnation, Position::new(at));
            prop_assert_eq!(key.open(&tenant, head, &text), Ok(Position::new(at)));
        }

        #[test]
        fn a_changed_cursor_is_refused(at in 0u64..100, place in 0usize..55, letter in "[A-Za-z0-9_-]") {
            let (key, tenant) = (CursorKey::random(), Tenant::default());
            let head = head([7; 16], u64::MAX);
            let text = key.seal(&tenant, head.incarnation, Position::new(at));
            let mut changed = text.clone();
            changed.replace_range(place..=place, &letter);
            prop_assume!(changed != text);
            prop_assert!(key.open(&tenant, head, &changed).is_err());
        }

        #[test]
        fn any_other_text_is_refused(text in ".{0,80}") {
            let opened = CursorKey::random().open(&Tenant::default(), head([7; 16], u64::MAX), &text);
            prop_assert_eq!(opened, Err(CursorError::Garbage));
        }

        #[test]
        fn another_tenant_key_or_log_is_refused(at: u64, other in "[a-z]{1,9}") {
            let (key, tenant, head) = (CursorKey::random(), Tenant::default(), head([1; 16], u64::MAX));
            let text = key.seal(&tenant, head.incarnation, Position::new(at));
            prop_assume!(other != "default");
            prop_assert_eq!(key.open(&other.parse().unwrap(), head, &text), Err(CursorError::Garbage));
            prop_assert_eq!(CursorKey::random().open(&tenant, head, &text), Err(CursorError::Garbage));
            let restored = LogHead { incarnation: Incarnation::from_bytes([2; 16]), ..head };
            prop_assert_eq!(key.open(&tenant, restored, &text), Err(CursorError::OtherLog));
        }
    }

    #[test]
    fn a_cursor_beyond_the_head_is_refused() {
        let (key, tenant, head) = (CursorKey::random(), Tenant::default(), head([1; 16], 4));
        let text = key.seal(&tenant, head.incarnation, Position::new(5));
        assert_eq!(key.open(&tenant, head, &text), Err(CursorError::BeyondHead { head: Position::new(4) }));
    }

    #[test]
    fn the_key_of_a_folder_is_made_once_and_for_its_owner() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let made = CursorKey::open_or_make(folder.path()).unwrap();
        let read = CursorKey::open_or_make(folder.path()).unwrap();
        assert!(made.0 == read.0);
        let mode = fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(folder.path().join(FILE), b"short").unwrap();
        assert!(CursorKey::open_or_make(folder.path()).is_err());
    }
}
