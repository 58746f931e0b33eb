//! Groups on a server: durable competing consumers.

use std::time::Duration;

use crate::{
    Client, Error,
    client::{Call, segment},
};
use gesta_api::{
    AckReply, AckRequest, DeliveredEvent, Deliveries, GroupRequest, Groups, NackReply, NackRequest,
    ParkedEvent, ParkedEvents, ParkedReply, ParkedSelection, PullRequest,
};

/// One group on a server, by its name. Making one of these sends nothing.
///
/// ```no_run
/// use std::time::Duration;
/// use gesta_client::{Client, Group};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let group = Group::of(Client::new("http://127.0.0.1:8087")?, "billing");
/// for delivery in group.pull("worker-1", 10, Duration::from_secs(5)).await? {
///     println!("{} for the {}. time", delivery.event.event_type, delivery.delivery_count);
///     group.ack([delivery.delivery_id]).await?;
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Group {
    client: Client,
    name: String,
    path: String,
}

impl Group {
    /// The group of this name.
    pub fn of(client: Client, name: impl Into<String>) -> Self {
        let name = name.into();
        let path = format!("/api/v1/groups/{}", segment(&name));
        Self { client, name, path }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes a group, or finds it as it was made before. Fails with a conflict when one of this name takes other
    /// events.
    pub async fn create(client: &Client, request: &GroupRequest) -> Result<gesta_api::Group, Error> {
        client.retrying(Call::post("/api/v1/groups", request)?).await
    }

    /// Every group of the tenant, by name.
    pub async fn list(client: &Client) -> Result<Vec<gesta_api::Group>, Error> {
        client.get::<Groups>("/api/v1/groups").await.map(|listed| listed.groups)
    }

    /// How far it is.
    pub async fn info(&self) -> Result<gesta_api::Group, Error> {
        self.client.get(&self.path).await
    }

    /// Removes it, with what it remembers; the events stay.
    pub async fn remove(&self) -> Result<(), Error> {
        self.client.delete(&self.path).await
    }

    /// At most `most` deliveries for a member, waiting up to `wait` for the first one.
    ///
    /// Sent once: deliveries whose answer is lost come again after their lease.
    pub async fn pull(
        &self,
        consumer: &str,
        most: u32,
        wait: Duration,
    ) -> Result<Vec<DeliveredEvent<'static>>, Error> {
        let request = PullRequest {
            consumer: consumer.to_owned(),
            max: Some(most),
            wait_ms: Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        };
        let call = Call::post(format!("{}/pull", self.path), &request)?;
        let pulled: Deliveries<'static> = self.client.once_within(call, self.client.timeout() + wait).await?;
        Ok(pulled.deliveries)
    }

    /// Settles deliveries as handled; answers with how many. One that was settled before counts again, so it is
    /// safe to send again, and is. Fails with a conflict when a lease was lost.
    pub async fn ack(&self, deliveries: impl IntoIterator<Item = String>) -> Result<usize, Error> {
        let request = AckRequest { delivery_ids: deliveries.into_iter().collect() };
        let call = Call::post(format!("{}/ack", self.path), &request)?;
        let reply: AckReply = self.client.retrying(call).await?;
        Ok(reply.acked)
    }

    /// Gives deliveries back as not handled: they come again after a while, or are parked after the last attempt.
    pub async fn nack(
        &self,
        deliveries: impl IntoIterator<Item = String>,
        reason: Option<String>,
        park: bool,
    ) -> Result<usize, Error> {
        let request = NackRequest {
            delivery_ids: deliveries.into_iter().collect(),
            reason,
            park: park.then_some(true),
        };
        let call = Call::post(format!("{}/nack", self.path), &request)?;
        let reply: NackReply = self.client.retrying(call).await?;
        Ok(reply.nacked)
    }

    /// The events that could not be handled, oldest first.
    pub async fn parked(&self) -> Result<Vec<ParkedEvent<'static>>, Error> {
        self.client
            .get::<ParkedEvents<'static>>(&format!("{}/parked", self.path))
            .await
            .map(|page| page.parked)
    }

    /// Hands parked events out again; answers with how many.
    pub async fn replay(&self, which: &ParkedSelection) -> Result<usize, Error> {
        self.parked_verb("replay", which).await
    }

    /// Gives parked events up; answers with how many. The events stay in the log.
    pub async fn discard(&self, which: &ParkedSelection) -> Result<usize, Error> {
        self.parked_verb("discard", which).await
    }

    async fn parked_verb(&self, verb: &str, which: &ParkedSelection) -> Result<usize, Error> {
        let reply: ParkedReply = self.client.post(&format!("{}/parked/{verb}", self.path), which).await?;
        Ok(reply.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_lead_to_another_path() {
        let client = Client::new("http://127.0.0.1:1").expect("a url");
        assert_eq!(Group::of(client, "a/../b?c").path, "/api/v1/groups/a%2F..%2Fb%3Fc");
    }
}
