//! `gesta tail`: events as they come.

use clap::Args;
use gesta_client::Subscription;
use gesta_core::{StreamId, Version};

use crate::{
    exit::{Failure, Outcome},
    interrupt::Interrupt,
    output::event_line,
    selection::{From, Selection},
    shared::Shared,
};

/// Follow the log, or one stream, until Ctrl-C
#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// Only this stream; the whole log without it
    of: Option<StreamId>,
    /// Where to begin
    #[arg(long, value_enum, default_value_t = From::Head)]
    from: From,
    /// Go on behind this cursor, which an earlier tail printed when it was stopped
    #[arg(long, value_name = "CURSOR", conflicts_with = "from")]
    after: Option<String>,
    /// Stop after so many events
    #[arg(long, value_name = "NUMBER")]
    limit: Option<u64>,
    #[command(flatten)]
    selection: Selection,
}

impl Tail {
    pub(crate) async fn run(self, shared: &Shared) -> Outcome {
        let interrupt = Interrupt::listen();
        let mut subscription = self.subscription(shared).await?;
        let mut left = self.limit.unwrap_or(u64::MAX);
        while left > 0 {
            let event = tokio::select! {
                event = subscription.next() => event?,
                () = interrupt.asked() => break,
            };
            shared.output.print(&gesta_api::Event::from(&event), event_line)?;
            left -= 1;
        }
        if let Some(cursor) = subscription.cursor() {
            eprintln!("go on with: --after {cursor}");
        }
        Ok(())
    }

    async fn subscription(&self, shared: &Shared) -> Result<Subscription, Failure> {
        let client = shared.client()?;
        let mut subscription = match &self.of {
            None => Subscription::of(client.clone(), &self.selection.filter(shared.tenant())),
            Some(stream) => {
                let from = match self.from {
                    From::Head if self.after.is_none() => head_of(&client, stream).await?,
                    _ => Version::EMPTY,
                };
                Subscription::of_stream(client.clone(), stream, from)
            }
        };
        if let Some(cursor) = &self.after {
            subscription = subscription.after(cursor.as_str());
        } else if self.from == From::Head && self.of.is_none() {
            subscription = subscription.from_head();
        }
        Ok(subscription)
    }
}

/// The version of a stream; a stream nobody wrote to is at its beginning.
async fn head_of(client: &gesta_client::Client, stream: &StreamId) -> Result<Version, Failure> {
    let path = format!("/api/v1/streams/{stream}/head");
    match client.get::<gesta_api::StreamHead>(&path).await {
        Ok(head) => Ok(Version::new(head.version)),
        Err(error) if error.status().is_some_and(|status| status.as_u16() == 404) => Ok(Version::EMPTY),
        Err(error) => Err(error.into()),
    }
}
