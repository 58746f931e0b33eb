//! Which store a server stands on, as it is written in its configuration.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use super::{ConfigError, setting::Value};

/// Which store a server stands on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreAddress {
    /// Nothing was said: the folder of `data`, by its default.
    #[default]
    Unset,
    /// A folder, which is then that of `data`.
    Folder(PathBuf),
    /// A PostgreSQL database.
    Postgres(Database),
}

/// The address of a PostgreSQL database. Shown without its password, wherever that stands.
#[derive(Clone, PartialEq, Eq)]
pub struct Database(String);

impl Value for StoreAddress {
    const EXPECTED: &'static str = "write file:FOLDER, or postgres://USER@HOST:5432/DATABASE";

    fn read(text: &str) -> Option<Self> {
        match text.split_once(':') {
            _ if text.is_empty() => Some(Self::Unset),
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                Some(Self::Postgres(Database::of(text)))
            }
            Some(("file", path)) => {
                let path = path.strip_prefix("//").unwrap_or(path);
                (!path.is_empty()).then(|| Self::Folder(path.into()))
            }
            _ => None,
        }
    }

    /// Any address may hold a password.
    fn shown(text: &str) -> String {
        text.split_once("://").map_or_else(|| text.to_owned(), |(kind, _)| format!("{kind}://…"))
    }
}

impl Database {
    /// The database at this address.
    pub fn of(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The address with the password of a file, if one is named.
    ///
    /// Fails when the file cannot be read, and when the address holds a password already.
    pub(crate) fn with_password_of(&self, file: Option<&Path>) -> io::Result<String> {
        let Some(file) = file else { return Ok(self.0.clone()) };
        if has_password(&self.0) {
            return Err(io::Error::other("the address of the store holds a password already: leave one out"));
        }
        let password = fs::read_to_string(file)?;
        let separator = if self.0.contains('?') { '&' } else { '?' };
        Ok(format!("{}{separator}password={}", self.0, encoded(password.trim_end_matches(['\r', '\n']))))
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(url) = self;
        let (kind, rest) = url.split_once("://").unwrap_or(("postgres", url));
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        write!(f, "{kind}://{}", host.split('?').next().unwrap_or_default())
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Refuses an address with a password on a command line: others on the machine can read it there.
pub fn refuse_password_in_arguments(text: &str) -> Result<(), ConfigError> {
    if has_password(text) { Err(ConfigError::PasswordInArguments) } else { Ok(()) }
}

/// Whether an address holds a password. One that cannot be told apart does.
fn has_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let user = rest.rsplit_once('@').map(|(user, _)| user);
    let query = rest.split_once('?').map_or("", |(_, query)| query).to_ascii_lowercase();
    user.is_some_and(|user| user.contains(':')) || query.contains("password=")
}

/// A text as a value of a query.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(text: &str) -> Database {
        match StoreAddress::read(text) {
            Some(StoreAddress::Postgres(database)) => database,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn folders_and_databases_are_told_apart() {
        assert_eq!(StoreAddress::read(""), Some(StoreAddress::Unset));
        for (text, path) in
            [("file:./data", "./data"), ("file:/var/gesta", "/var/gesta"), ("file:///g", "/g")]
        {
            assert_eq!(StoreAddress::read(text), Some(StoreAddress::Folder(path.into())), "{text}");
        }
        database("postgresql://u@db/log");
        for text in ["mysql://u:secret@db/log", "data", "file:", "postgres:log", "http://127.0.0.1:8087"] {
            assert_eq!(StoreAddress::read(text), None, "{text}");
            assert!(!StoreAddress::shown(text).contains("secret"));
        }
    }

    #[test]
    fn no_password_is_shown_or_taken_as_an_argument() {
        for text in [
            "postgres://u:secret@db:5432/log?sslmode=disable",
            "postgres://u:se/cret@db/log",
            "postgres://u:p@secret@db/log",
            "postgres://u@db/log?password=secret",
            "postgres://u@db/log?sslmode=disable&PASSWORD=secret",
        ] {
            let database = database(text);
            let (shown, debug) = (database.to_string(), format!("{database:?}"));
            assert!(!shown.contains("cret") && !debug.contains("cret"), "{text}: {shown}");
            assert!(shown.starts_with("postgres://db"), "{shown}");
            assert!(refuse_password_in_arguments(text).is_err(), "{text}");
        }
        for text in ["postgres://u@db:5432/log", "postgres://db/log?sslmode=disable", "file:./a:b@c"] {
            assert!(refuse_password_in_arguments(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_password_comes_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        fs::write(&file, "p&s w\u{f6}rd\n").unwrap();
        let with = |text: &str| database(text).with_password_of(Some(&file));
        assert_eq!(with("postgres://u@db/l").unwrap(), "postgres://u@db/l?password=p%26s%20w%C3%B6rd");
        assert!(with("postgres://u@db/l?sslmode=disable").unwrap().contains("disable&password=p%26s"));
        assert!(with("postgres://u:other@db/l").is_err(), "two passwords");
        assert!(database("postgres://u@db/l").with_password_of(Some(folder.path())).is_err());
    }
}
