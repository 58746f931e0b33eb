//! The event service, as a publishing program sees it.

use gesta_api::{
    Health, PublishBatchReply, PublishBatchRequest, PublishRequest, Published, Stats, SubscribeRequest,
    Subscribed,
};
use serde::Serialize;
use serde_json::value::to_raw_value;
use uuid::Uuid;

use crate::{ApiKey, Client, Error, Group, InvalidUrl, client::Call};

mod first_generation;
mod second_generation;

/// The event service, on behalf of one program.
///
/// Every event gets its id here, before it is sent: a call whose answer is lost is sent again and still publishes
/// once. The typed calls come in two generations, which differ in arguments and payload; those of the second one
/// end in `_v2`.
///
/// ```no_run
/// use gesta_client::EventServiceClient;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let events = EventServiceClient::new("http://127.0.0.1:8087", "sample-service")?;
/// let published = events.publish("sample.created", &serde_json::json!({"test": "data"})).await?;
/// println!("{} in {}", published.event_id, published.stream_id);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct EventServiceClient {
    client: Client,
    service: String,
}

impl EventServiceClient {
    /// The event service at a base URL, with or without a slash at its end, for the program of this name.
    pub fn new(url: &str, service: impl Into<String>) -> Result<Self, InvalidUrl> {
        Ok(Self::of(Client::new(url)?, service))
    }

    /// The event service behind a client that knows its key and tenant.
    pub fn of(client: Client, service: impl Into<String>) -> Self {
        Self { client, service: service.into() }
    }

    /// The same, showing this key.
    pub fn with_key(self, key: ApiKey) -> Self {
        Self { client: self.client.with_key(key), ..self }
    }

    /// A request to publish a payload as this program, to be completed and handed to
    /// [`EventServiceClient::send`]. Fails when serde cannot write the payload as JSON.
    pub fn request(&self, event_type: &str, payload: &impl Serialize) -> Result<PublishRequest, Error> {
        let payload = to_raw_value(payload)
            .map_err(|error| Error::Request { reason: format!("the payload: {error}") })?;
        let request = PublishRequest::new(event_type, self.service.as_str(), payload);
        Ok(PublishRequest { event_id: Some(Uuid::now_v7()), ..request })
    }

    /// Publishes a payload; answers once it is durable.
    pub async fn publish(&self, event_type: &str, payload: &impl Serialize) -> Result<Published, Error> {
        self.send(self.request(event_type, payload)?).await
    }

    /// Publishes a request; one without an id gets one, so that it can be sent again safely.
    pub async fn send(&self, request: PublishRequest) -> Result<Published, Error> {
        self.client.retrying(Call::post("/api/v1/events/publish", &with_id(request))?).await
    }

    /// Publishes at most 500 requests, all or not at all, in this order.
    pub async fn send_all(&self, requests: Vec<PublishRequest>) -> Result<Vec<Published>, Error> {
        let batch = PublishBatchRequest { events: requests.into_iter().map(with_id).collect() };
        let call = Call::post("/api/v1/events/publish/batch", &batch)?;
        self.client.retrying::<PublishBatchReply>(call).await.map(|reply| reply.events)
    }

    /// Makes or joins a group; [`EventServiceClient::group`] then pulls from it.
    pub async fn subscribe(&self, request: &SubscribeRequest) -> Result<Subscribed, Error> {
        self.client.retrying(Call::post("/api/v1/events/subscribe", request)?).await
    }

    /// The group of this name.
    pub fn group(&self, name: &str) -> Group {
        Group::of(self.client.clone(), name)
    }

    /// What was counted.
    pub async fn stats(&self) -> Result<Stats, Error> {
        self.client.get("/api/v1/stats").await
    }

    /// Whether `GET /health` answers with success; a network error is `false`.
    pub async fn health_check(&self) -> bool {
        self.client.is_healthy().await
    }

    /// How the server says it fares, an unhealthy one included.
    pub async fn health(&self) -> Result<Health, Error> {
        match self.client.once(Call::get("/health")).await {
            Err(Error::Refused(refusal)) => {
                serde_json::from_slice(&refusal.body).map_err(|_| Error::Refused(refusal))
            }
            answered => answered,
        }
    }
}

impl EventServiceClient {
    /// Publishes a payload about somebody or something, of a level that is written in this crate.
    async fn about(
        &self,
        event_type: &str,
        payload: &impl Serialize,
        subject: String,
        level: u8,
    ) -> Result<Published, Error> {
        let priority = gesta_core::Priority::new(level);
        debug_assert!(priority.is_some(), "priorities are 1 to 5");
        let request = self.request(event_type, payload)?;
        self.send(PublishRequest { subject: Some(subject), priority, ..request }).await
    }
}

fn with_id(request: PublishRequest) -> PublishRequest {
    let id = request.event_id.unwrap_or_else(Uuid::now_v7);
    PublishRequest { event_id: Some(id), ..request }
}

/// The time now as the payloads of the typed calls carry it.
fn now() -> gesta_core::Timestamp {
    gesta_core::Clock::now(&gesta_core::SystemClock)
}
