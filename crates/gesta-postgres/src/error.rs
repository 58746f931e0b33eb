//! What can go wrong between here and the server, and what it means.

use gesta_core::{AppendError, ReadError};
use tokio_postgres::error::{Error, SqlState};

/// Why a store could not be connected. Nothing of it names a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address cannot be understood.
    #[error("the address of the store is illegal: {reason}; write postgres://user@host:5432/database")]
    Address {
        /// Why.
        reason: String,
    },
    /// The server does not answer.
    #[error("no PostgreSQL server answers at {place}: {reason}; see that it runs and may be reached")]
    Unreachable {
        /// Host and port.
        place: String,
        /// Why.
        reason: String,
    },
    /// The server refuses this user.
    #[error(
        "PostgreSQL at {place} refuses the user: {reason}; see user, password (PGPASSWORD) and pg_hba.conf"
    )]
    Refused {
        /// Host and port.
        place: String,
        /// Why.
        reason: String,
    },
    /// There is no such database.
    #[error("{reason} at {place}; make it with `createdb`, or name another one in the address")]
    NoDatabase {
        /// Host and port.
        place: String,
        /// Why.
        reason: String,
    },
    /// No further connection is let in.
    #[error(
        "PostgreSQL at {place} takes no more connections: {reason}; raise max_connections or lower the pool"
    )]
    TooMany {
        /// Host and port.
        place: String,
        /// Why.
        reason: String,
    },
    /// The server is of an old release.
    #[error("PostgreSQL at {place} is version {found}, at least 15 is needed: upgrade it")]
    TooOld {
        /// Host and port.
        place: String,
        /// Its version.
        found: String,
    },
    /// The server is a standby.
    #[error(
        "PostgreSQL at {place} is a standby: name the primary, or all hosts with target_session_attrs=read-write"
    )]
    Standby {
        /// Host and port.
        place: String,
    },
    /// The database holds text in another encoding.
    #[error(
        "the database is encoded as {found}: make one with `createdb --encoding UTF8 --template template0`"
    )]
    Encoding {
        /// Its encoding.
        found: String,
    },
    /// The schema was made by a newer release.
    #[error("the schema `gesta` is of version {found}, this release knows {known}: use the newer release")]
    NewerSchema {
        /// Its version.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// The schema cannot be made or brought up to date.
    #[error("the schema `gesta` cannot be brought to version {wanted}: {reason}")]
    Migration {
        /// The version it should have.
        wanted: i64,
        /// Why, and what to do.
        reason: String,
    },
    /// This user may not use what the store needs.
    #[error("this user may not use the store: {reason}; see the grants in the documentation of the store")]
    Grants {
        /// What is refused.
        reason: String,
    },
    /// Encryption cannot be had.
    #[error("no encrypted connection to {place}: {reason}")]
    Tls {
        /// Host and port.
        place: String,
        /// Why, and what to do.
        reason: String,
    },
    /// Anything else the server says.
    #[error("the store at {place} cannot be used: {reason}")]
    Other {
        /// Host and port.
        place: String,
        /// What it says.
        reason: String,
    },
}

impl ConnectError {
    /// What an error of the driver means while connecting to `place`.
    pub(crate) fn of(place: &str, error: &Error) -> Self {
        let (place, reason) = (place.to_owned(), told(error));
        match error.code() {
            Some(code) if code.code().starts_with("28") => Self::Refused { place, reason },
            Some(&SqlState::INVALID_CATALOG_NAME) => Self::NoDatabase { place, reason },
            Some(&SqlState::TOO_MANY_CONNECTIONS) => Self::TooMany { place, reason },
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Self::Grants { reason },
            Some(_) => Self::Other { place, reason },
            None if reason.contains("tls") || reason.contains("TLS") || reason.contains("certificate") => {
                Self::Tls { place, reason: advised(reason) }
            }
            None if reason.contains("password") => Self::Refused { place, reason },
            None => Self::Unreachable { place, reason },
        }
    }
}

/// What to do about an encrypted connection that was not made.
fn advised(reason: String) -> String {
    if reason.contains("UnknownIssuer") {
        return format!("{reason}; name the file of the root that signed it with sslrootcert=");
    }
    if reason.contains("does not support TLS") {
        return format!("{reason}; switch ssl on there, or say sslmode=disable where the network is trusted");
    }
    reason
}

/// What an error says, with what is behind it.
pub(crate) fn told(error: &Error) -> String {
    if let Some(database) = error.as_db_error() {
        return database.message().to_owned();
    }
    let mut told = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !told.contains(&cause_text) {
            told = format!("{told}: {cause_text}");
        }
        source = cause.source();
    }
    told
}

/// What an error of a running store is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// The connection is gone, or goes with this.
    Lost,
    /// It may well work in a moment.
    Busy,
    /// Somebody has to act.
    Unusable,
}

/// The sort of an error, and what to say.
pub(crate) fn judge(error: &Error) -> (Sort, String) {
    let reason = told(error);
    let Some(code) = error.code() else { return (Sort::Lost, reason) };
    match code.code() {
        "55P03" => (Sort::Busy, "another transaction holds the lock of the log for too long".into()),
        "57014" => (Sort::Busy, format!("{reason}: the statement took too long")),
        "40001" | "40P01" | "23505" => (Sort::Busy, reason),
        "25P02" => (Sort::Busy, reason),
        "53300" => (Sort::Busy, format!("{reason}: raise max_connections or lower the pool")),
        "53100" => (Sort::Unusable, format!("{reason}: free some space on the database server")),
        "25006" => (Sort::Lost, format!("{reason}: the server is a standby now, the primary is elsewhere")),
        "42501" => {
            (Sort::Unusable, format!("{reason}: grant it, see the roles in the store's documentation"))
        }
        "3F000" | "42P01" | "42883" => {
            (Sort::Unusable, format!("{reason}: the schema `gesta` is not whole, start again to see why"))
        }
        gone if gone.starts_with("08") || gone.starts_with("57P") || gone.starts_with("25P03") => {
            (Sort::Lost, reason)
        }
        _ => (Sort::Unusable, reason),
    }
}

/// An error of an append that stored nothing.
pub(crate) fn nothing_stored((sort, reason): (Sort, String)) -> AppendError {
    match sort {
        Sort::Busy => AppendError::Busy { reason },
        Sort::Lost => AppendError::Unavailable { reason: format!("{reason}; it is tried again by itself") },
        Sort::Unusable => AppendError::Unavailable { reason },
    }
}

/// An error of a read.
pub(crate) fn unreadable(error: &Error) -> ReadError {
    ReadError::Unavailable { reason: judge(error).1 }
}
