//! Publishes events through the event service. Run it beside `gesta serve`; GESTA_URL names another server.

use gesta_client::EventServiceClient;
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("GESTA_URL").unwrap_or_else(|_| "http://127.0.0.1:8087".into());
    let events = EventServiceClient::new(&url, "sample-service")?;

    let payload = json!({"sample_id": "42", "barcode": "SAM-20240618-001", "sample_type": "DNA"});
    let published = events.publish("sample.created", &payload).await?;
    println!("{} at position {}", published.event_id, published.position);

    let requests = ["received", "validated", "stored"].map(|status| {
        events.request("sample.status_changed", &json!({"sample_id": "42", "new_status": status}))
    });
    let published = events.send_all(requests.into_iter().collect::<Result<_, _>>()?).await?;
    println!("{} more, all or none", published.len());
    Ok(())
}
