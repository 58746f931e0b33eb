//! `gesta explain`: which events set a field of an aggregate.

use clap::Args;
use gesta_api::{FieldHistory, FieldSet};
use gesta_client::Aggregates;

use super::{diff::value, state::Of};
use crate::{
    exit::Outcome,
    output::{number, table},
    shared::Shared,
};

/// Show which events set a field of an aggregate; the last one explains what is there now
#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    of: Of,
    /// The field as a JSON pointer, such as /status or /items/0/quantity; empty for the whole state
    #[arg(long, value_name = "POINTER")]
    field: String,
}

impl Explain {
    pub(crate) async fn run(self, shared: &Shared) -> Outcome {
        let aggregates = Aggregates::of(shared.client()?);
        let history = aggregates.field(&self.of.category, &self.of.id, &self.field).await?;
        shared.output.print(&history, text)
    }
}

fn text(history: &FieldHistory) -> String {
    let FieldHistory { category, id, field, changes, cut } = history;
    if changes.is_empty() {
        return format!("no event has set {field} of {category} {id}");
    }
    let row = |set: &FieldSet| {
        let who = set.user_id.clone().unwrap_or_else(|| "-".to_owned());
        let [before, after] = [&set.before, &set.after].map(|is| value(is.as_ref()));
        let (event, at) = (set.event_id.to_string(), set.at.to_string());
        [number(set.version), at, set.event_type.clone(), event, who, before, after]
    };
    let header = ["VERSION", "AT", "TYPE", "EVENT", "USER", "BEFORE", "AFTER"];
    let shown = table(header, changes.iter().map(row));
    if *cut { format!("{shown}\nearlier changes are left out") } else { shown }
}
