//! Why a server does not run.

use std::{io, net::SocketAddr, path::PathBuf};

use gesta::ProcessorsError;

use crate::auth::keys::KeysError;

/// Why a server cannot start, or did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {host}:{port}: {source}")]
    Address {
        /// The host of the configuration.
        host: String,
        /// The port of the configuration.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// Somebody else listens there.
    #[error("another program listens on {address}: stop it, or choose another port (PORT, --port)")]
    PortInUse {
        /// The address.
        address: SocketAddr,
    },
    /// Somebody else listens where a further listener belongs.
    #[error(
        "another program listens on {address}: stop it, or choose another port for metrics and health (a program's own \
         setting of it, else GESTA_METRICS_PORT)"
    )]
    FurtherPortInUse {
        /// The address.
        address: SocketAddr,
    },
    /// A route of the application cannot be told from another one.
    #[error(
        "the route {method} {path} cannot be told from {other_method} {other_path}: give it another path"
    )]
    RouteTaken {
        /// The method of the route.
        method: http::Method,
        /// Its path.
        path: String,
        /// The method of the route that is there.
        other_method: http::Method,
        /// Its path.
        other_path: String,
    },
    /// The network would be let in without keys.
    #[error(
        "{address} can be reached from the network and there are no keys: make one with gesta keys create, or listen \
         on 127.0.0.1 (HOST, --host)"
    )]
    NoKeys {
        /// The address.
        address: SocketAddr,
    },
    /// Keys and data would be readable on the way.
    #[error(
        "{address} can be reached from the network and this server speaks no TLS: put a proxy that does in front, \
         then set GESTA_ALLOW_PLAIN_TEXT_ON_THE_NETWORK=true"
    )]
    PlainText {
        /// The address.
        address: SocketAddr,
    },
    /// The keys file cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The data folder cannot be used.
    #[error("the data folder {} cannot be used: {reason}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// The database of the store cannot be used.
    #[error(transparent)]
    Store(#[from] gesta_postgres::ConnectError),
    /// The password of the database cannot be read.
    #[error("the password of the store cannot be read from {} (GESTA_STORE_PASSWORD_FILE): {source}", file.display())]
    Password {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// One process alone can use this store, so it has to do everything.
    #[error(
        "{store} is one process's alone, which has to answer and to run what reacts: leave GESTA_ROLES out, or choose a store \
         that several share (GESTA_STORE)"
    )]
    Roles {
        /// The store.
        store: String,
    },
    /// The processors of the program cannot be started.
    #[error("the processors cannot be started: {0}")]
    Processors(#[from] ProcessorsError),
    /// The groups cannot be read.
    #[error("the groups cannot be opened: {reason}")]
    Groups {
        /// Why.
        reason: String,
    },
    /// The store did not close cleanly; what it acknowledged is safe, the next start checks more.
    #[error("the store did not close cleanly: {reason}")]
    Close {
        /// Why.
        reason: String,
    },
}
