//! Which events a command wants.

use clap::{Args, ValueEnum};
use gesta_api::LogQuery;
use gesta_core::{Filter, Priority, Tenant, Timestamp};
use uuid::Uuid;

use crate::input;

/// Which events a command wants; all parts must hold.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Which events")]
pub(crate) struct Selection {
    /// Of this type; * stands for any text (may repeat)
    #[arg(long = "type", value_name = "PATTERN")]
    types: Vec<String>,
    /// Whose data has this schema version
    #[arg(long, value_name = "NUMBER")]
    schema_version: Option<u32>,
    /// Of this stream; * stands for any text (may repeat)
    #[arg(long = "stream", value_name = "PATTERN")]
    streams: Vec<String>,
    /// Of this category (may repeat)
    #[arg(long = "category", value_name = "NAME")]
    categories: Vec<String>,
    /// From this source (may repeat)
    #[arg(long = "source", value_name = "NAME")]
    sources: Vec<String>,
    /// About this subject; * stands for any text (may repeat)
    #[arg(long = "subject", value_name = "PATTERN")]
    subjects: Vec<String>,
    /// With this correlation
    #[arg(long = "correlation", value_name = "ID")]
    correlation_id: Option<String>,
    /// With this metadata (may repeat)
    #[arg(long = "with", value_name = "KEY=TEXT", value_parser = input::pair)]
    metadata: Vec<(String, String)>,
    /// At least this urgent: 1 is highest, 5 lowest
    #[arg(long, value_name = "1-5", value_parser = priority)]
    priority: Option<Priority>,
    /// Recorded at this time or later
    #[arg(long, value_name = "TIME")]
    recorded_from: Option<Timestamp>,
    /// Recorded before this time
    #[arg(long, value_name = "TIME")]
    recorded_before: Option<Timestamp>,
    /// With this id (may repeat)
    #[arg(long = "id", value_name = "UUID")]
    ids: Vec<Uuid>,
}

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum From {
    /// With the first event of all
    Start,
    /// With the next one that comes
    Head,
}

fn priority(text: &str) -> Result<Priority, String> {
    text.parse().ok().and_then(Priority::new).ok_or_else(|| "use 1 (highest) to 5 (lowest)".to_owned())
}

impl Selection {
    /// As a filter of the log.
    pub(crate) fn filter(&self, tenant: Tenant) -> Filter {
        self.query().filter(tenant)
    }

    /// As query parameters.
    pub(crate) fn query(&self) -> LogQuery {
        LogQuery {
            types: self.types.clone(),
            schema_version_min: self.schema_version,
            schema_version_max: self.schema_version,
            streams: self.streams.clone(),
            categories: self.categories.clone(),
            sources: self.sources.clone(),
            subjects: self.subjects.clone(),
            ids: self.ids.clone(),
            correlation_id: self.correlation_id.clone(),
            priority_max: self.priority,
            recorded_from: self.recorded_from,
            recorded_before: self.recorded_before,
            metadata: self.metadata.iter().cloned().collect(),
            ..LogQuery::default()
        }
    }
}
