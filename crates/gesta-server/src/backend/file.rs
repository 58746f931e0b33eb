//! The file store as what a server stands on.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use gesta_file::{FileStore, OpenError, Options, StoreStatus};

use super::Backend;
use super::StoreReport;
use crate::{cursor::CursorKey, error::ServeError, owner::Owner};

impl Backend {
    /// The file store in this folder, made if there is none. The folder is locked until the server stops.
    ///
    /// Fails when the folder cannot be used: in use, not writable, of a newer release, damaged.
    pub async fn file(folder: impl Into<PathBuf>, options: Options) -> Result<Self, ServeError> {
        let folder = folder.into();
        let refused = |reason| ServeError::Folder { folder: folder.clone(), reason };
        let place = folder.clone();
        let open = move || {
            make_private(&place);
            FileStore::open(place, options)
        };
        let opened = tokio::task::spawn_blocking(open).await;
        let store = opened
            .map_err(|error| refused(error.to_string()))?
            .map_err(|error| refused(with_remedy(&error)))?;
        let cursors = CursorKey::open_or_make(&folder).map_err(|error| refused(error.to_string()))?;
        let (probed, closed) = (store.clone(), store.clone());
        Ok(Self {
            catalog: Arc::new(store.clone()),
            checkpoints: store.checkpoints(),
            snapshots: Some(store.snapshots()),
            read_models: Some(store.read_models()),
            cursors,
            probe: Arc::new(move || report(probed.status())),
            owner: Owner::alone(),
            is_shared: false,
            place: folder.display().to_string(),
            folder: Some(folder),
            close: Box::pin(async move {
                closed.close().await;
                closed.status().failure.map_or(Ok(()), Err)
            }),
            store: Arc::new(store),
        })
    }
}

/// Events are nobody else's to read. A folder that is there keeps its mode; one that cannot be made is refused by
/// the store, which knows better why.
fn make_private(folder: &Path) {
    let _ = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
}

fn report(status: StoreStatus) -> StoreReport {
    StoreReport {
        kind: "file",
        indexed: status.index_watermark,
        failed: status.failure,
        segments: Some(status.segments as u64),
        bytes: Some(status.bytes),
        ..StoreReport::working(status.head, status.durability)
    }
}

/// The store says what is wrong; what can be done about a folder is known here.
fn with_remedy(error: &OpenError) -> String {
    let kind = match error {
        OpenError::Io { source, .. } => source.kind(),
        _ => return error.to_string(),
    };
    let remedy = match kind {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; let this user write there, or choose another folder (GESTA_DATA, --data)"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; free some space",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "; that is no folder: choose another one (GESTA_DATA, --data)"
        }
        _ => "",
    };
    format!("{error}{remedy}")
}
