//! `gesta diff`: what has changed between two versions of an aggregate.

use clap::Args;
use gesta_api::{AggregateDiff, DiffQuery, FieldChange};
use gesta_client::Aggregates;
use serde_json::Value;

use super::state::Of;
use crate::{exit::Outcome, output::table, shared::Shared};

/// Show what has changed between two versions of an aggregate
#[derive(Debug, Args)]
pub(crate) struct Diff {
    #[command(flatten)]
    of: Of,
    /// The one version; 0 is before the first event
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    from: u64,
    /// The other version; the latest when not given
    #[arg(long, value_name = "NUMBER")]
    to: Option<u64>,
}

impl Diff {
    pub(crate) async fn run(self, shared: &Shared) -> Outcome {
        let aggregates = Aggregates::of(shared.client()?);
        let query = DiffQuery { from: Some(self.from), to: self.to };
        let diff = aggregates.diff(&self.of.category, &self.of.id, &query).await?;
        shared.output.print(&diff, text)
    }
}

fn text(diff: &AggregateDiff) -> String {
    let AggregateDiff { category, id, from, to, changes } = diff;
    if changes.is_empty() {
        return format!("{category} {id} is the same at versions {from} and {to}");
    }
    let row = |change: &FieldChange| {
        [change.path.clone(), value(change.before.as_ref()), value(change.after.as_ref())]
    };
    table(["FIELD", &format!("VERSION {from}"), &format!("VERSION {to}")], changes.iter().map(row))
}

/// A value in a cell; a dash for none.
pub(super) fn value(value: Option<&Value>) -> String {
    value.map_or_else(|| "-".to_owned(), ToString::to_string)
}
