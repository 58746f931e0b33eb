//! A member of a group that handles samples until nothing comes any more. Run it beside `gesta serve`; GESTA_URL names
//! another server.

use std::time::Duration;

use gesta_api::SubscribeRequest;
use gesta_client::{EventServiceClient, GroupConsumer};
use tokio::sync::watch;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("GESTA_URL").unwrap_or_else(|_| "http://127.0.0.1:8087".into());
    let events = EventServiceClient::new(&url, "label-printer")?;
    let subscribed = events
        .subscribe(&SubscribeRequest {
            consumer_group: Some("label-printers".into()),
            event_types: Some(vec!["sample.*".into()]),
            auto_ack: Some(false),
            read_latest: Some(false),
            ..SubscribeRequest::default()
        })
        .await?;

    let (handled, mut last) = watch::channel(());
    let consumer = GroupConsumer::new(events.group(&subscribed.group), "printer-1")
        .wait(Duration::from_millis(500))
        .on("sample.created", move |delivery| {
            handled.send_replace(());
            async move {
                println!("a label for {}", delivery.stream_id);
                Ok(())
            }
        });
    let idle =
        async move { while tokio::time::timeout(Duration::from_secs(2), last.changed()).await.is_ok() {} };
    let consumed = consumer.run(idle).await?;
    println!("{} handled, {} given back", consumed.handled, consumed.failed);
    Ok(())
}
