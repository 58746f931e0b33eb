//! What may stand behind the `?`.

use std::collections::BTreeMap;

use gesta_core::{Direction, Filter, Pattern, Priority, StreamId, Tenant, Timestamp};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::Problem;

pub(crate) mod text;

pub use text::Query;
use text::{Pass, illegal, only};

/// Which part of one stream to read.
#[derive(Debug, Clone, Default, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StreamQuery {
    /// Only events behind this version.
    pub after: Option<u64>,
    /// Only events up to this version.
    pub up_to: Option<u64>,
    /// At most so many, 1 to 1,000; 100 when absent.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
    /// `forwards` (when absent) or `backwards`.
    #[param(inline, value_type = Option<String>, pattern = "^(forwards|backwards)$")]
    pub direction: Option<Direction>,
}

/// Which streams to list.
#[derive(Debug, Clone, Default, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StreamsQuery {
    /// Only streams whose id this pattern matches.
    pub pattern: Option<String>,
    /// Only streams whose id comes behind this one.
    #[param(value_type = Option<String>)]
    pub after: Option<StreamId>,
    /// At most so many, 1 to 1,000; 100 when absent.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
    /// Streams of Gesta itself too; needs `processor:read`.
    pub system: bool,
}

/// Which part of the log to read. A list repeats its parameter or separates its parts by commas; a comma that
/// belongs to a part is written `%2C`. `metadata.KEY=text` asks for a metadata key.
#[derive(Debug, Clone, Default, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// Go on behind this cursor, in the direction asked for.
    pub after: Option<String>,
    /// `start` (when absent) or `head`: where to begin without a cursor.
    #[param(pattern = "^(start|head)$")]
    pub from: Option<String>,
    /// Only events behind this position.
    pub after_position: Option<u64>,
    /// Only events up to this position.
    pub up_to_position: Option<u64>,
    /// At most so many, 1 to 1,000; 100 when absent.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
    /// `forwards` (when absent) or `backwards`.
    #[param(inline, value_type = Option<String>, pattern = "^(forwards|backwards)$")]
    pub direction: Option<Direction>,
    /// Any of these types, with wildcards.
    pub types: Vec<String>,
    /// Least schema version.
    pub schema_version_min: Option<u32>,
    /// Greatest schema version.
    pub schema_version_max: Option<u32>,
    /// Any of these streams, with wildcards.
    pub streams: Vec<String>,
    /// Any of these categories, exactly.
    pub categories: Vec<String>,
    /// Any of these sources, exactly.
    pub sources: Vec<String>,
    /// Any of these subjects, with wildcards.
    pub subjects: Vec<String>,
    /// Any of these ids.
    pub ids: Vec<Uuid>,
    /// This correlation.
    pub correlation_id: Option<String>,
    /// Least priority number, 1 to 5.
    #[param(value_type = Option<u8>, minimum = 1, maximum = 5)]
    pub priority_min: Option<Priority>,
    /// Greatest priority number, 1 to 5.
    #[param(value_type = Option<u8>, minimum = 1, maximum = 5)]
    pub priority_max: Option<Priority>,
    /// Recorded at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    pub recorded_from: Option<Timestamp>,
    /// Recorded before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    pub recorded_before: Option<Timestamp>,
    /// Streams of Gesta itself too; needs `processor:read`.
    pub system: bool,
    /// Every one of these metadata keys has this text.
    #[param(ignore)]
    pub metadata: BTreeMap<String, String>,
}

impl Query for StreamQuery {
    fn pass(&mut self, pass: &mut Pass) -> Result<(), Problem> {
        pass.one("after", &mut self.after)?;
        pass.one("up_to", &mut self.up_to)?;
        pass.limit(&mut self.limit)?;
        pass.direction(&mut self.direction)
    }
}

impl Query for StreamsQuery {
    fn pass(&mut self, pass: &mut Pass) -> Result<(), Problem> {
        pass.one("pattern", &mut self.pattern)?;
        pass.one("after", &mut self.after)?;
        pass.limit(&mut self.limit)?;
        pass.flag("system", &mut self.system)
    }
}

impl Query for LogQuery {
    fn pass(&mut self, pass: &mut Pass) -> Result<(), Problem> {
        pass.one("after", &mut self.after)?;
        pass.one("from", &mut self.from)?;
        pass.one("after_position", &mut self.after_position)?;
        pass.one("up_to_position", &mut self.up_to_position)?;
        pass.limit(&mut self.limit)?;
        pass.direction(&mut self.direction)?;
        pass.each("types", &mut self.types)?;
        pass.one("schema_version_min", &mut self.schema_version_min)?;
        pass.one("schema_version_max", &mut self.schema_version_max)?;
        pass.each("streams", &mut self.streams)?;
        pass.each("categories", &mut self.categories)?;
        pass.each("sources", &mut self.sources)?;
        pass.each("subjects", &mut self.subjects)?;
        pass.each("ids", &mut self.ids)?;
        pass.one("correlation_id", &mut self.correlation_id)?;
        pass.priority("priority_min", &mut self.priority_min)?;
        pass.priority("priority_max", &mut self.priority_max)?;
        pass.one("recorded_from", &mut self.recorded_from)?;
        pass.one("recorded_before", &mut self.recorded_before)?;
        pass.flag("system", &mut self.system)?;
        pass.under("metadata.", &mut self.metadata)
    }

    fn check(&self) -> Result<(), Problem> {
        match self.from.as_deref() {
            None | Some("start" | "head") => Ok(()),
            Some(_) => Err(illegal("from", "write start or head")),
        }
    }
}

impl LogQuery {
    /// What it filters, on one tenant's events.
    pub fn filter(&self, tenant: Tenant) -> Filter {
        let patterns = |texts: &[String]| texts.iter().map(|text| Pattern::from(text.as_str())).collect();
        let priority = (self.priority_min.is_some() || self.priority_max.is_some()).then(|| {
            (self.priority_min.unwrap_or(Priority::HIGHEST), self.priority_max.unwrap_or(Priority::LOWEST))
        });
        let schema_versions = (self.schema_version_min.is_some() || self.schema_version_max.is_some())
            .then(|| (self.schema_version_min.unwrap_or(1), self.schema_version_max.unwrap_or(u32::MAX)));
        Filter {
            types: patterns(&self.types),
            schema_versions,
            streams: patterns(&self.streams),
            categories: self.categories.clone(),
            sources: self.sources.clone(),
            subjects: patterns(&self.subjects),
            metadata: self.metadata.clone(),
            priority,
            correlation_id: self.correlation_id.clone(),
            recorded_from: self.recorded_from,
            recorded_before: self.recorded_before,
            ids: self.ids.clone(),
            system: self.system,
            ..Filter::of(tenant)
        }
    }

    /// The query whose [`LogQuery::filter`] is this filter, its tenant apart.
    pub fn of(filter: &Filter) -> Self {
        let texts = |patterns: &[Pattern]| patterns.iter().map(ToString::to_string).collect();
        Self {
            types: texts(&filter.types),
            schema_version_min: filter.schema_versions.map(|(least, _)| least),
            schema_version_max: filter.schema_versions.map(|(_, most)| most),
            streams: texts(&filter.streams),
            categories: filter.categories.clone(),
            sources: filter.sources.clone(),
            subjects: texts(&filter.subjects),
            metadata: filter.metadata.clone(),
            priority_min: filter.priority.map(|(least, _)| least),
            priority_max: filter.priority.map(|(_, most)| most),
            correlation_id: filter.correlation_id.clone(),
            recorded_from: filter.recorded_from,
            recorded_before: filter.recorded_before,
            ids: filter.ids.clone(),
            system: filter.system,
            ..Self::default()
        }
    }
}

/// The `consumer` of a group's stream; `default-consumer` when absent. Fails on anything else.
pub fn consumer_of(query: &str) -> Result<String, Problem> {
    Ok(only(query, "consumer")?.unwrap_or_else(|| "default-consumer".into()))
}

/// The `limit` of the latest events, 1 to 500; 50 when absent. Fails on anything else.
pub fn recent_limit(query: &str) -> Result<usize, Problem> {
    match only(query, "limit")?.unwrap_or(50) {
        within @ 1..=500 => Ok(within),
        _ => Err(illegal("limit", "ask for 1 to 500")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Code;

    #[test]
    fn a_list_repeats_or_is_separated_by_commas() {
        let query = LogQuery::parse("types=a.*,b&types=c%2Cd&metadata.site=north&limit=5").expect("legal");
        assert_eq!(query.types, ["a.*", "b", "c,d"]);
        assert_eq!(query.metadata["site"], "north");
        assert_eq!(query.limit, Some(5));
    }

    #[test]
    fn refuses_what_it_does_not_know_or_understand() {
        for bad in [
            "type=a",
            "limit=0",
            "limit=1001",
            "limit=x",
            "limit=1&limit=2",
            "direction=up",
            "from=middle",
            "priority_min=0",
            "recorded_from=yesterday",
            "ids=1",
            "metadata.=x",
            "types=%ff",
            "after_position=-1",
            "metadata.a=1&metadata.a=2",
            "system=maybe",
        ] {
            let problem = LogQuery::parse(bad).expect_err(bad);
            assert_eq!(problem.code(), Some(Code::MalformedRequest), "{bad}");
        }
        assert!(StreamQuery::parse("pattern=x").is_err());
        assert!(StreamsQuery::parse("after=..").is_err());
    }

    proptest! {
        #[test]
        fn no_query_makes_the_reader_panic(text in "[a-z_.=&,%+0-9\u{e4}]{0,40}") {
            let _ = (LogQuery::parse(&text), StreamQuery::parse(&text), StreamsQuery::parse(&text));
        }

        #[test]
        fn a_filter_comes_back_as_it_went(types: Vec<String>, sources: Vec<String>, key in "[a-z]{1,5}", text: String) {
            let metadata = BTreeMap::from([(key, text)]);
            let filter = Filter { sources, metadata, ..Filter::of(Tenant::default()).types(types) };
            let read = LogQuery::parse(&LogQuery::of(&filter).to_query()).expect("own words");
            prop_assert_eq!(read.filter(Tenant::default()), filter);
        }
    }
}
