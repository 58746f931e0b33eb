//! Settings: read from text, listed with their defaults.

use std::{path::PathBuf, time::Duration};

use gesta_core::InvalidAliases;
use serde::Serialize;

use crate::roles::Roles;

/// A setting, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// The name of its variable in the environment.
    pub variable: &'static str,
    /// The name of its field.
    pub field: &'static str,
    /// Its default; empty for none.
    pub default: &'static str,
    /// What it does.
    pub text: &'static str,
}

/// Something a server was told that it cannot go by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A setting cannot be read.
    #[error("{name}={given} cannot be read: {expected}")]
    Setting {
        /// The name of its variable.
        name: String,
        /// What was given.
        given: String,
        /// What may be given.
        expected: &'static str,
    },
    /// The configuration file cannot be used.
    #[error("the configuration file {} cannot be used: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Two settings name a store.
    #[error("{one} and {other} both name a store: leave one of them out")]
    TwoStores {
        /// One of them.
        one: &'static str,
        /// The other.
        other: &'static str,
    },
    /// A database for read models beside a store that keeps them itself.
    #[error(
        "GESTA_READ_MODELS needs a store on PostgreSQL (GESTA_STORE): a data folder keeps its read models itself"
    )]
    ReadModelsBesideFolder,
    /// A password stands where others can read it.
    #[error(
        "a password on the command line can be read by everybody on this machine: leave it out, and give it in the file \
         that GESTA_STORE_PASSWORD_FILE names, in PGPASSWORD, or with the whole address in GESTA_STORE or the \
         configuration file"
    )]
    PasswordInArguments,
    /// Types cannot be told apart.
    #[error("the aliases of types cannot be used: {0}")]
    Types(#[from] InvalidAliases),
}

/// Makes the struct, its defaults and its list from one text, so that no setting can lack a part.
macro_rules! settings {
    ($(#[doc = $about:literal])+ $name:ident { $($(#[doc = $text:literal])+ $field:ident: $kind:ty = $default:literal, $variable:literal;)* }) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[doc = $text])+ #[doc = concat!("\n\n`", $variable, "`, default `", $default, "`.")] pub $field: $kind,)*
            /// Types with their aliases: those of `known_types`, and those under `[types]` in the configuration file.
            pub types: gesta_core::Aliases,
        }

        impl $name {
            /// Every setting.
            pub const SETTINGS: &[$crate::config::Setting] = &[$($crate::config::Setting {
                field: stringify!($field),
                variable: $variable,
                default: $default,
                text: concat!($($text),+).trim_ascii(),
            }),*];

            fn read(
                variable: impl Fn(&str) -> Option<String>,
            ) -> Result<Self, $crate::config::ConfigError> {
                let types = Default::default();
                Ok(Self { types, $($field: $crate::config::setting::read($variable, variable($variable), $default)?,)* })
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::from_environment(|_| None).expect("the defaults can be read")
            }
        }
    };
}
pub(super) use settings;

/// A value that can be read from text.
pub(super) trait Value: Sized {
    const EXPECTED: &'static str;
    fn read(text: &str) -> Option<Self>;

    /// What an error shows of a text that cannot be read.
    fn shown(text: &str) -> String {
        text.to_owned()
    }
}

/// Reads what is given, or else the default.
pub(super) fn read<V: Value>(
    variable: &'static str,
    given: Option<String>,
    default: &str,
) -> Result<V, ConfigError> {
    let text = given.as_deref().unwrap_or(default).trim();
    V::read(text).ok_or_else(|| ConfigError::Setting {
        name: variable.into(),
        given: V::shown(text),
        expected: V::EXPECTED,
    })
}

impl Value for String {
    const EXPECTED: &'static str = "write a text";
    fn read(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| text.to_owned())
    }
}

impl Value for PathBuf {
    const EXPECTED: &'static str = "write a path";
    fn read(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| text.into())
    }
}

impl Value for Option<PathBuf> {
    const EXPECTED: &'static str = "write a path";
    fn read(text: &str) -> Option<Self> {
        Some((!text.is_empty()).then(|| text.into()))
    }
}

impl Value for Option<String> {
    const EXPECTED: &'static str = "write a text";
    fn read(text: &str) -> Option<Self> {
        Some((!text.is_empty()).then(|| text.to_owned()))
    }
}

impl Value for Roles {
    const EXPECTED: &'static str = "write api, processors, or both separated by a comma";
    fn read(text: &str) -> Option<Self> {
        Self::read(text)
    }
}

impl Value for Option<u16> {
    const EXPECTED: &'static str = "write a port";
    fn read(text: &str) -> Option<Self> {
        if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) }
    }
}

impl Value for Vec<String> {
    const EXPECTED: &'static str = "write texts separated by commas";
    fn read(text: &str) -> Option<Self> {
        Some(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect())
    }
}

impl Value for bool {
    const EXPECTED: &'static str = "write true or false";
    fn read(text: &str) -> Option<Self> {
        match text {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        }
    }
}

macro_rules! number {
    ($($kind:ty)*) => {$(
        impl Value for $kind {
            const EXPECTED: &'static str = concat!("write a whole number that fits ", stringify!($kind));
            fn read(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        }
    )*};
}
number!(u16 u32 u64 usize);

impl Value for Duration {
    const EXPECTED: &'static str = "write a time such as 500ms, 30s or 2m";
    fn read(text: &str) -> Option<Self> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().ok()?;
        match unit {
            "ms" => Some(Self::from_millis(number)),
            "s" | "" => Some(Self::from_secs(number)),
            "m" => Some(Self::from_secs(number.checked_mul(60)?)),
            _ => None,
        }
    }
}
