//! The configuration file: settings by the names of their fields, and types with their aliases.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;
use toml::Value;

use super::{Config, ConfigError};

/// What a configuration file says.
#[derive(Debug, Default, Deserialize)]
pub(super) struct File {
    /// By the name of a type its aliases.
    #[serde(default)]
    types: BTreeMap<String, Vec<String>>,
    #[serde(flatten)]
    settings: BTreeMap<String, Value>,
}

impl File {
    /// Reads a file. Fails when it cannot be read, is no TOML of this form, or names a setting there is not.
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let unusable = |reason: String| ConfigError::File { path: path.to_owned(), reason };
        let text = fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
        let file = Self::parse(&text).map_err(unusable)?;
        if file.settings.contains_key("config_file") {
            return Err(unusable("a configuration file names no other: take config_file out".into()));
        }
        Ok(file)
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let file: Self = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        for (name, value) in &file.settings {
            if !Config::SETTINGS.iter().any(|setting| setting.field == name) {
                return Err(format!("{name} is no setting: gesta serve --settings lists them"));
            }
            if plain(value).is_none() {
                return Err(format!("{name}: write a text, a number, true or false, or a list of texts"));
            }
        }
        Ok(file)
    }

    /// What it says for the setting with this variable.
    pub(super) fn setting(&self, variable: &str) -> Option<String> {
        let setting = Config::SETTINGS.iter().find(|setting| setting.variable == variable)?;
        plain(self.settings.get(setting.field)?)
    }

    pub(super) fn types(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = &str>)> {
        self.types.iter().map(|(name, aliases)| (name.as_str(), aliases.iter().map(String::as_str)))
    }
}

/// A value as it would stand in the environment.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(yes) => Some(yes.to_string()),
        Value::Array(parts) => {
            let parts: Option<Vec<&str>> = parts.iter().map(Value::as_str).collect();
            parts.map(|parts| parts.join(","))
        }
        _ => None,
    }
}
