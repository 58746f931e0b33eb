//! The types that are known, and how else they are spelt.

use gesta_core::Aliases;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The types that are known by name, in order. Events of any other type are taken and delivered all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KnownTypes {
    /// One for each type.
    pub types: Vec<KnownType>,
}

/// A type, and how else it is spelt. Whoever asks for one of the spellings gets all; each event keeps its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KnownType {
    /// Its name.
    #[serde(rename = "type")]
    #[schema(example = "SampleCreated")]
    pub name: String,
    /// Its other spellings.
    pub aliases: Vec<String>,
}

impl From<&Aliases> for KnownTypes {
    fn from(aliases: &Aliases) -> Self {
        let types = aliases.types().map(|(name, aliases)| KnownType {
            name: name.to_string(),
            aliases: aliases.iter().map(ToString::to_string).collect(),
        });
        Self { types: types.collect() }
    }
}
