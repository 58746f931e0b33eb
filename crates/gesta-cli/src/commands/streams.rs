//! `gesta streams`: which streams there are.

use clap::Args;
use gesta_api::StreamSummary;
use gesta_client::HttpStore;
use gesta_core::{ListStreams, StreamCatalog, StreamId};
use serde::Serialize;

use crate::{
    exit::Outcome,
    output::{number, table},
    shared::Shared,
};

/// List streams by name
#[derive(Debug, Args)]
pub(crate) struct Streams {
    /// Only streams whose name matches; * stands for any text
    #[arg(default_value = "*")]
    pattern: String,
    /// Only streams behind this one
    #[arg(long, value_name = "STREAM")]
    after: Option<StreamId>,
    /// At most so many
    #[arg(long, default_value_t = 100, value_name = "NUMBER")]
    limit: usize,
    /// Streams of Gesta itself too
    #[arg(long)]
    system: bool,
}

#[derive(Serialize)]
struct Listed {
    streams: Vec<StreamSummary>,
}

impl Streams {
    pub(crate) async fn run(self, shared: &Shared) -> Outcome {
        let store = HttpStore::connect(shared.client()?).await?;
        let list = ListStreams {
            tenant: shared.tenant(),
            pattern: self.pattern.into(),
            after: self.after,
            system: self.system,
            limit: self.limit,
        };
        let found = store.list_streams(list).await?;
        let listed = Listed { streams: found.into_iter().map(Into::into).collect() };
        shared.output.print(&listed, |listed| {
            let row = |stream: &StreamSummary| {
                [stream.stream.to_string(), number(stream.version), number(stream.last_position)]
            };
            table(["STREAM", "VERSION", "LAST POSITION"], listed.streams.iter().map(row))
        })
    }
}
