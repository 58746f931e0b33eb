//! Where a store is, as it is named on the command line.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use gesta_file::OpenError;
use gesta_server::config::{Database, refuse_password_in_arguments};

use crate::exit::{Exit, Failure};

/// Where a store is. Shown without its password.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Place {
    Folder(PathBuf),
    /// The address of a PostgreSQL database.
    Database(String),
}

impl Place {
    /// The store that an option names, or else a variable of the environment. Other users of the machine may read
    /// arguments, so an address with a password is taken from the variable alone.
    pub(super) fn given(option: Option<&str>, name: &str, variable: &str) -> Result<Self, Failure> {
        if let Some(text) = option {
            let place = Self::parse(text).map_err(|reason| Failure::usage(format!("{name} {reason}")))?;
            if refuse_password_in_arguments(text).is_err() {
                return Err(Failure::usage(format!(
                    "{name} holds a password, which others can read there: set {variable} to the address, or leave the \
                     password to PGPASSWORD"
                )));
            }
            return Ok(place);
        }
        let text = std::env::var(variable).map_err(|_| {
            Failure::usage(format!("no store to copy: name one with {name}, or in {variable}"))
        })?;
        Self::parse(&text).map_err(|reason| Failure::usage(format!("{variable} {reason}")))
    }

    fn parse(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => Ok(Self::Database(text.into())),
            Some(("file", path)) if !path.is_empty() => {
                Ok(Self::Folder(path.strip_prefix("//").unwrap_or(path).into()))
            }
            Some(("http" | "https", _)) => Err(
                "names a server, which hands out one tenant's events alone: name its data folder or its database"
                    .into(),
            ),
            Some((scheme, rest)) if rest.starts_with("//") => {
                Err(format!("is of an unknown kind, {scheme}: name a data folder or postgres://USER@HOST/DATABASE"))
            }
            _ if text.is_empty() => Err("is empty: name a data folder or postgres://USER@HOST/DATABASE".into()),
            _ => Ok(Self::Folder(text.into())),
        }
    }

    /// Whether both are one store, as far as their names tell.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        match (self, other) {
            (Self::Folder(one), Self::Folder(other)) => real(one) == real(other),
            (one, other) => one == other,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Database(url) if refuse_password_in_arguments(url).is_ok() => f.write_str(url),
            Self::Database(url) => Database::of(url).fmt(f),
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a folder cannot be used.
pub(super) fn not_opened(error: OpenError) -> Failure {
    let exit = match &error {
        OpenError::Nothing { .. } => Exit::NotFound,
        OpenError::InUse { .. } => Exit::Unavailable,
        _ => Exit::Failed,
    };
    Failure::new(exit, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> Result<Place, Failure> {
        Place::given(Some(text), "--from", "GESTA_STORE_FROM")
    }

    #[test]
    fn folders_and_databases_are_told_apart() {
        for (text, path) in [("data", "data"), ("./a:b", "./a:b"), ("file:x/y", "x/y"), ("file:///x", "/x")] {
            assert_eq!(given(text).expect("a folder"), Place::Folder(path.into()), "{text}");
        }
        let url = "postgresql://gesta@db:5433/log?sslmode=verify-full";
        assert_eq!(given(url).expect("a database"), Place::Database(url.into()));
        for text in ["", "http://127.0.0.1:8087", "mysql://gesta@db/log", "redis://db"] {
            assert!(given(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_password_is_neither_taken_from_the_command_line_nor_shown() {
        for url in [
            "postgres://u:secret@db/log",
            "postgres://u:secret/2?3@db/log",
            "postgres://u:p@q:secret@db/log",
            "postgres://u@db/log?password=secret",
            "postgres://u@db/log?sslmode=disable&PASSWORD=secret",
        ] {
            let refused = given(url).expect_err("a password").to_string();
            assert!(refused.contains("GESTA_STORE_FROM") && !refused.contains("secret"), "{refused}");
            assert_eq!(Place::Database(url.into()).to_string(), "postgres://db/log");
        }
        let without = "postgres://u@db/l?sslmode=disable";
        assert_eq!(given(without).expect("no password").to_string(), without);
    }
}
