//! The stores that have read models, and a macro that runs each test on all of them.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use gesta_core::{CheckpointStore, EventStore, read_model::ReadModelStore};
use gesta_file::{FileStore, Options};
use gesta_postgres::{PostgresStore, ReadModels};
use tempfile::TempDir;

use crate::database::{self, Database};

/// Where a test keeps what it stores; gone with the last clone.
#[derive(Clone)]
pub(crate) enum Place {
    Folder(Arc<TempDir>),
    Database(Arc<Database>),
    /// The log in a folder, the rows in a database of their own.
    Apart(Arc<TempDir>, Arc<Database>),
}

/// An open store.
#[derive(Clone)]
pub(crate) enum Opened {
    File(FileStore),
    Postgres(PostgresStore),
    Apart(FileStore, Arc<dyn ReadModelStore>),
}

impl Place {
    pub(crate) fn folder() -> Self {
        Self::Folder(Arc::new(tempfile::tempdir().expect("a folder")))
    }

    pub(crate) fn database() -> Self {
        Self::Database(Arc::new(runtime().block_on(database::database())))
    }

    pub(crate) fn apart() -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a folder"));
        Self::Apart(folder, Arc::new(runtime().block_on(database::database())))
    }

    pub(crate) async fn open(&self) -> Opened {
        let open = |folder: &TempDir| {
            FileStore::open(folder.path(), Options::default().without_sync()).expect("opens")
        };
        match self {
            Self::Folder(folder) => Opened::File(open(folder)),
            Self::Apart(folder, database) => {
                let rows = ReadModels::connect(&database.url(), gesta_postgres::Options::default()).await;
                Opened::Apart(open(folder), Arc::new(rows.expect("connects")))
            }
            Self::Database(database) => Opened::Postgres(database.store().await),
        }
    }
}

impl Opened {
    pub(crate) fn log(&self) -> Arc<dyn EventStore> {
        match self {
            Self::File(store) | Self::Apart(store, _) => Arc::new(store.clone()),
            Self::Postgres(store) => Arc::new(store.clone()),
        }
    }

    pub(crate) fn checkpoints(&self) -> Arc<dyn CheckpointStore> {
        match self {
            Self::File(store) | Self::Apart(store, _) => store.checkpoints(),
            Self::Postgres(store) => store.checkpoints(),
        }
    }

    pub(crate) fn read_models(&self) -> Arc<dyn ReadModelStore> {
        match self {
            Self::File(store) => store.read_models(),
            Self::Apart(_, read_models) => read_models.clone(),
            Self::Postgres(store) => store.read_models(),
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::File(store) | Self::Apart(store, _) => store.close().await,
            Self::Postgres(store) => store.close().await,
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build().expect("a runtime")
}

/// Runs a test on a runtime of its own.
pub(crate) fn run<'a>(test: impl Future<Output = ()> + Send + 'a) {
    let test: BoxFuture<'a, ()> = Box::pin(test);
    runtime().block_on(test);
}

/// Each test of a list on each store, and those of tasks with the rows in a database of their own; those of `threads` make runtimes of their own.
macro_rules! on_each_store {
    ($($kind:ident $module:ident { $($test:ident)* })*) => {
        mod on_files {
            use super::place::Place;
            crate::read_side::place::on_each_store! { @ Place::folder; $($kind $module { $($test)* })* }
        }

        mod on_postgres {
            use super::place::Place;
            crate::read_side::place::on_each_store! { @ Place::database; $($kind $module { $($test)* })* }
        }
    };
    (@ $place:expr; $($kind:ident $module:ident { $($test:ident)* })*) => {$(
        mod $module {
            use super::*;
            $(
                #[test]
                fn $test() {
                    crate::read_side::place::on_each_store! { @run $kind crate::read_side::$module::$test($place()) }
                }
            )*
        }
    )*};
    (@run tasks $test:expr) => { crate::read_side::place::run($test) };
    (@run threads $test:expr) => { $test };
}
pub(crate) use on_each_store;
