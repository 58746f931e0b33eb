//! The tables of types that come with the server.

/// The tables by name, each in the form of a configuration file.
const TABLES: [(&str, &str); 1] = [("laboratory", include_str!("types/laboratory.toml"))];

/// The table of this name.
pub(crate) fn table(name: &str) -> Option<&'static str> {
    TABLES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
