//! Follows the log from its beginning and ends after a few events. Run it beside `gesta serve`; GESTA_URL names
//! another server, GESTA_EVENTS another number of events.

use gesta_client::{Client, Subscription};
use gesta_core::{Filter, Tenant};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("GESTA_URL").unwrap_or_else(|_| "http://127.0.0.1:8087".into());
    let wanted: usize = std::env::var("GESTA_EVENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(3);

    let filter = Filter::of(Tenant::default()).types(["sample.*"]);
    let mut subscription = Subscription::of(Client::new(&url)?, &filter);
    for _ in 0..wanted {
        let event = subscription.next().await?;
        println!("{} {} {}", event.position, event.stream, event.event_type);
    }
    println!("go on later with {}", subscription.cursor().unwrap_or("the beginning"));
    Ok(())
}
