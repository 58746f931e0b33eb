//! Aggregates: the state that events add up to, at any version and time.

use gesta_core::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    Problem,
    query::{
        Query,
        text::{Pass, illegal},
    },
};

/// The kinds of aggregates that a server knows how to fold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AggregateCategories {
    /// The categories of their streams, by name.
    pub categories: Vec<String>,
}

/// What the events of an aggregate add up to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AggregateState {
    /// The category of its stream.
    pub category: String,
    /// Its id: what stands behind the category in the name of its stream.
    pub id: String,
    /// The version that is shown; also the `ETag`.
    pub version: u64,
    /// When the event of that version happened.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The state.
    pub state: Value,
}

/// What has changed between two versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AggregateDiff {
    /// The category of the stream.
    pub category: String,
    /// The aggregate's id.
    pub id: String,
    /// The one version; 0 is before the first event.
    pub from: u64,
    /// The other version.
    pub to: u64,
    /// What differs, in the order of the paths.
    pub changes: Vec<FieldChange>,
}

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FieldChange {
    /// Where in the state: a JSON pointer (RFC 6901).
    pub path: String,
    /// What was there; absent when nothing was.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What is there; absent when nothing is.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// Which events set a field, oldest first; the last one explains what is there now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FieldHistory {
    /// The category of the stream.
    pub category: String,
    /// The aggregate's id.
    pub id: String,
    /// The field: a JSON pointer (RFC 6901); empty for the whole state.
    pub field: String,
    /// The events that changed it: the latest `limit`, and of these as many as fit into a reply of some MiB.
    pub changes: Vec<FieldSet>,
    /// Whether earlier changes are left out, because of their number or their size.
    #[serde(default)]
    pub cut: bool,
}

/// An event that set a field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FieldSet {
    /// Its version.
    pub version: u64,
    /// Its id.
    pub event_id: Uuid,
    /// The name of its kind.
    pub event_type: String,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who caused it, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// What was there; absent when nothing was.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What is there since; absent when nothing is.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// What is written is there, `null` too.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Which state to show: the latest when nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StateQuery {
    /// At this version.
    #[param(minimum = 1)]
    pub version: Option<u64>,
    /// At this time: with the events that had happened by then.
    #[param(value_type = Option<String>, format = DateTime)]
    pub at: Option<Timestamp>,
}

/// Which two versions to compare.
#[derive(Debug, Clone, Default, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DiffQuery {
    /// The one version; 0, before the first event, when absent.
    pub from: Option<u64>,
    /// The other version; the latest when absent.
    pub to: Option<u64>,
}

/// Which field to explain.
#[derive(Debug, Clone, Default, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FieldQuery {
    /// A JSON pointer (RFC 6901), such as `/status`; the whole state when absent.
    pub field: Option<String>,
    /// At most so many events, the latest ones, 1 to 1,000; 100 when absent.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
}

impl Query for StateQuery {
    fn pass(&mut self, pass: &mut Pass) -> Result<(), Problem> {
        pass.one("version", &mut self.version)?;
        pass.one("at", &mut self.at)
    }

    fn check(&self) -> Result<(), Problem> {
        match (self.version, self.at) {
            (Some(0), _) => Err(illegal("version", "versions begin at 1")),
            (Some(_), Some(_)) => Err(illegal("at", "give a version or a time, not both")),
            _ => Ok(()),
        }
    }
}

impl Query for DiffQuery {
    fn pass(&mut self, pass: &mut Pass) -> Result<(), Problem> {
        pass.one("from", &mut self.from)?;
        pass.one("to", &mut self.to)
    }
}

impl Query for FieldQuery {
    fn pass(&mut self, pass: &mut Pass) -> Result<(), Problem> {
        pass.one("field", &mut self.field)?;
        pass.limit(&mut self.limit)
    }

    fn check(&self) -> Result<(), Problem> {
        match &self.field {
            Some(text) if !text.is_empty() && !text.starts_with('/') => {
                Err(illegal("field", "write a JSON pointer such as /status or /items/0/quantity"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_comes_back_as_it_went() {
        let at = "2026-01-31T08:30:00Z".parse().expect("a time");
        for query in [
            StateQuery { version: Some(5), at: None },
            StateQuery { version: None, at: Some(at) },
            StateQuery::default(),
        ] {
            assert_eq!(StateQuery::parse(&query.to_query()), Ok(query));
        }
        let diff = DiffQuery { from: Some(2), to: None };
        assert_eq!(DiffQuery::parse(&diff.to_query()), Ok(diff));
        let field = FieldQuery { field: Some("/items/0/a,b~1c".into()), limit: Some(7) };
        assert_eq!(FieldQuery::parse(&field.to_query()), Ok(field));
    }

    #[test]
    fn null_is_told_apart_from_nothing_on_the_wire() {
        let change = FieldChange { path: "/a".into(), before: Some(Value::Null), after: None };
        let text = serde_json::to_string(&change).expect("serializes");
        assert_eq!(text, r#"{"path":"/a","before":null}"#);
        assert_eq!(serde_json::from_str::<FieldChange>(&text).expect("reads"), change);
    }

    #[test]
    fn refuses_what_means_nothing() {
        for bad in ["version=0", "version=x", "version=1&at=2026-01-31T08:30:00Z", "at=yesterday", "v=1"] {
            assert!(StateQuery::parse(bad).is_err(), "{bad}");
        }
        assert!(DiffQuery::parse("from=-1").is_err() && DiffQuery::parse("form=1").is_err());
        assert!(FieldQuery::parse("field=status").is_err() && FieldQuery::parse("field=%2F&x=1").is_err());
    }
}
