//! `gesta state`: what the events of an aggregate add up to.

use clap::Args;
use gesta_api::{AggregateState, StateQuery};
use gesta_client::Aggregates;
use gesta_core::Timestamp;

use crate::{exit::Outcome, shared::Shared};

/// An aggregate.
#[derive(Debug, Args)]
pub(crate) struct Of {
    /// Its category: the name of its stream up to the first dash
    pub(crate) category: String,
    /// Its id: the rest of the name of its stream
    pub(crate) id: String,
}

/// Show the state of an aggregate, now or as it was
#[derive(Debug, Args)]
pub(crate) struct State {
    #[command(flatten)]
    of: Of,
    /// As of this version
    #[arg(long, value_name = "NUMBER", conflicts_with = "at", value_parser = clap::value_parser!(u64).range(1..))]
    version: Option<u64>,
    /// As of this time, such as 2026-01-31T08:30:00Z
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
}

impl State {
    pub(crate) async fn run(self, shared: &Shared) -> Outcome {
        let aggregates = Aggregates::of(shared.client()?);
        let query = StateQuery { version: self.version, at: self.at };
        let state = aggregates.state(&self.of.category, &self.of.id, &query).await?;
        shared.output.print(&state, text)
    }
}

fn text(state: &AggregateState) -> String {
    let AggregateState { category, id, version, at, state } = state;
    let pretty = serde_json::to_string_pretty(state).unwrap_or_default();
    format!("{category} {id} at version {version}, {at}\n{pretty}")
}
