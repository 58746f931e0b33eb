//! What a group is.

use std::time::Duration;

use gesta_core::{Filter, Position, StreamId, Tenant};
use serde::{Deserialize, Serialize};

use super::GroupError;

/// What a group is. It is fixed when the group is created; durations are milliseconds in JSON.
///
/// ```
/// use gesta::{GroupDefinition, Start};
/// let definition: GroupDefinition = serde_json::from_str(r#"{"start":"beginning","lease_ms":5000}"#)?;
/// assert_eq!(definition.start, Start::Beginning);
/// assert_eq!(definition.attempts(), 4);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GroupDefinition {
    /// Which events it delivers. The tenant is the group's, whatever stands here, and streams of Gesta itself never
    /// pass.
    pub filter: Filter,
    /// Where it begins.
    pub start: Start,
    /// How long each delivery of an event waits after the failure before it, the first one included: as many attempts
    /// as there are delays. At once, then after 1 s, 5 s and 15 s.
    #[serde(rename = "retry_delays_ms", with = "each_in_ms")]
    pub retry_delays: Vec<Duration>,
    /// How long a consumer may hold a delivery before it counts as failed and is given to another; 30 s.
    #[serde(rename = "lease_ms", with = "in_ms")]
    pub lease: Duration,
    /// Whether an event counts as acknowledged once it is handed over.
    pub auto_ack: bool,
    /// How many deliveries may be out at once, and how many events are looked ahead; 1,000.
    pub max_in_flight: usize,
}

/// Where a new group or processor begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// At the first event of the log.
    Beginning,
    /// Behind what is readable when it is created.
    #[default]
    Head,
    /// Behind this position.
    After(Position),
}

impl Default for GroupDefinition {
    fn default() -> Self {
        Self {
            filter: Filter::default(),
            start: Start::Head,
            retry_delays: [0, 1, 5, 15].map(Duration::from_secs).to_vec(),
            lease: Duration::from_secs(30),
            auto_ack: false,
            max_in_flight: 1_000,
        }
    }
}

impl GroupDefinition {
    /// A group of these events, at the head, with the defaults.
    pub fn of(filter: Filter) -> Self {
        Self { filter, ..Self::default() }
    }

    /// How often an event is delivered before it is parked.
    pub fn attempts(&self) -> u32 {
        u32::try_from(self.retry_delays.len()).unwrap_or(u32::MAX)
    }

    /// The definition as a group of `tenant` has it.
    pub(crate) fn for_tenant(mut self, tenant: &Tenant) -> Self {
        self.filter.tenant = Some(tenant.clone());
        self.filter.system = false;
        self
    }

    /// Refuses what no group can be.
    pub(crate) fn check(&self) -> Result<(), GroupError> {
        let day = Duration::from_secs(24 * 60 * 60);
        let illegal = |reason: &str| Err(GroupError::IllegalDefinition { reason: reason.into() });
        if !(1..=32).contains(&self.retry_delays.len()) || self.retry_delays.iter().any(|delay| *delay > day)
        {
            return illegal("retry_delays_ms must hold 1 to 32 delays of at most a day");
        }
        if self.lease < Duration::from_millis(100) || self.lease > day {
            return illegal("lease_ms must be from 100 ms to a day");
        }
        if !(1..=10_000).contains(&self.max_in_flight) {
            return illegal("max_in_flight must be from 1 to 10000");
        }
        Ok(())
    }
}

/// The stream a group's decisions are recorded in; a name that cannot be a stream's key is illegal.
pub(crate) fn stream_of(name: &str) -> Result<StreamId, GroupError> {
    let illegal = |_| GroupError::IllegalName { name: name.chars().take(300).collect() };
    format!("$group-{name}").parse().map_err(illegal)
}

pub(crate) mod in_ms {
    use super::*;
    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

mod each_in_ms {
    use super::*;
    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(all: &[Duration], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(all.iter().map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Duration>, D::Error> {
        Ok(Vec::<u64>::deserialize(deserializer)?.into_iter().map(Duration::from_millis).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_round_trips_as_json() {
        let definition =
            GroupDefinition { start: Start::After(Position::new(7)), ..GroupDefinition::default() };
        let json = serde_json::to_string(&definition).expect("serializes");
        assert!(json.contains(r#""retry_delays_ms":[0,1000,5000,15000]"#), "{json}");
        assert_eq!(serde_json::from_str::<GroupDefinition>(&json).expect("parses"), definition);
    }

    #[test]
    fn refuses_what_no_group_can_be() {
        let whole = GroupDefinition::default();
        assert!(whole.check().is_ok());
        for bad in [
            GroupDefinition { retry_delays: vec![], ..whole.clone() },
            GroupDefinition { lease: Duration::ZERO, ..whole.clone() },
            GroupDefinition { max_in_flight: 0, ..whole.clone() },
        ] {
            assert!(matches!(bad.check(), Err(GroupError::IllegalDefinition { .. })));
        }
        assert!(matches!(stream_of("a/b"), Err(GroupError::IllegalName { .. })));
        assert!(stream_of("default-group").is_ok());
    }
}
