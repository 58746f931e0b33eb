//! `gesta event`: one event by its id.

use clap::Args;
use uuid::Uuid;

use crate::{exit::Outcome, shared::Shared};

/// Show one event
#[derive(Debug, Args)]
pub(crate) struct Event {
    /// Its id
    id: Uuid,
}

impl Event {
    pub(crate) async fn run(self, shared: &Shared) -> Outcome {
        let event: gesta_api::Event<'static> =
            shared.client()?.get(&format!("/api/v1/events/{}", self.id)).await?;
        shared.output.print(&event, text)
    }
}

fn text(event: &gesta_api::Event<'static>) -> String {
    let data = match (&event.data, &event.data_base64) {
        (Some(json), _) => json.get().to_owned(),
        (None, base64) => base64.clone().unwrap_or_default(),
    };
    format!(
        "id            {}\ntenant        {}\nstream        {}@{}\nposition      {}\ntype          {} (schema version {})\n\
         recorded at   {}\ncontent type  {}\nmetadata      {}\ndata          {data}",
        event.id,
        event.tenant,
        event.stream,
        event.version,
        event.position,
        event.event_type,
        event.schema_version,
        event.recorded_at,
        event.content_type,
        event.metadata.get(),
    )
}
