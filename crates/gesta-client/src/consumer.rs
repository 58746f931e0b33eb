//! A member of a group that handles what it is handed.

use std::{collections::HashMap, fmt, pin::Pin, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use gesta_api::DeliveredEvent;
use gesta_core::Pattern;
use http::StatusCode;
use tokio::sync::mpsc;

use crate::{Error, Group, retry};

/// Most deliveries that one call settles.
const SETTLED_AT_ONCE: usize = 500;

type Handled = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;
type Handler = Arc<dyn Fn(Arc<Delivered>) -> Handled + Send + Sync>;

/// A delivery as a handler sees it.
pub type Delivered = DeliveredEvent<'static>;

/// Why a handler did not handle an event; the group keeps the text with a parked event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// Try again later.
    Retry(String),
    /// Trying again is of no use: park it now.
    Park(String),
}

impl<E: fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Retry(error.to_string())
    }
}

/// What a consumer has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Consumed {
    /// Deliveries that were handled and acknowledged.
    pub handled: u64,
    /// Deliveries that were given back.
    pub failed: u64,
    /// Deliveries whose lease was lost before they were settled: they come again, here or elsewhere.
    pub lost: u64,
}

/// A member of a group: pulls deliveries, hands each to the handler of its type, acknowledges what was handled and
/// gives back what was not.
///
/// Events of one stream are handled one after the other, in order; streams beside each other, up to
/// [`GroupConsumer::concurrency`]. When one fails, the later ones of its stream in the same pull are not handled: the
/// group takes them back and hands them out behind it. Delivery is at least once: a handler may see an event again.
///
/// ```no_run
/// use gesta_client::{Client, Group, GroupConsumer};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let group = Group::of(Client::new("http://127.0.0.1:8087")?, "billing");
/// let stop = async { let _ = tokio::time::sleep(std::time::Duration::from_secs(60)).await; };
/// let consumed = GroupConsumer::new(group, "worker-1")
///     .on("order.*", |delivery| async move {
///         println!("bill {}", delivery.stream_id);
///         Ok(())
///     })
///     .run(stop)
///     .await?;
/// println!("{} handled", consumed.handled);
/// # Ok(()) }
/// ```
pub struct GroupConsumer {
    group: Group,
    consumer: String,
    handlers: Vec<(Pattern, Handler)>,
    concurrency: usize,
    batch: u32,
    wait: Duration,
}

impl GroupConsumer {
    /// A member of this name. It handles 8 streams at a time and pulls 100 deliveries, waiting 5 s for the first.
    pub fn new(group: Group, consumer: impl Into<String>) -> Self {
        let wait = Duration::from_secs(5);
        Self { group, consumer: consumer.into(), handlers: Vec::new(), concurrency: 8, batch: 100, wait }
    }

    /// Handles events whose type matches a pattern. The first handler that matches gets the event; an event that
    /// none matches is acknowledged as not wanted.
    pub fn on<F, Fut>(mut self, event_type: impl Into<Pattern>, handler: F) -> Self
    where
        F: Fn(Arc<Delivered>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let boxed: Handler = Arc::new(move |delivered| Box::pin(handler(delivered)));
        self.handlers.push((event_type.into(), boxed));
        self
    }

    /// Handles at most so many streams at a time; at least one.
    pub fn concurrency(mut self, streams: usize) -> Self {
        self.concurrency = streams.max(1);
        self
    }

    /// Pulls at most so many deliveries at a time, 1 to 500.
    pub fn batch(mut self, deliveries: u32) -> Self {
        self.batch = deliveries.clamp(1, 500);
        self
    }

    /// Waits so long for the first delivery of a pull; at most 60 s.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait.min(Duration::from_secs(60));
        self
    }

    /// Runs until `stop` is ready: then what is being handled is finished and settled, and nothing more pulled.
    ///
    /// Broken connections are made again for as long as it takes. Fails when the server refuses for good, for
    /// instance because the group was removed.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<Consumed, Error> {
        let (settled, outcomes) = mpsc::channel(SETTLED_AT_ONCE);
        let consumer = &self;
        let pulling = async move { consumer.pull_until(stop, settled).await };
        let (pulled, settled) = tokio::join!(pulling, settle(&self.group, outcomes));
        pulled.and(settled)
    }

    async fn pull_until(
        &self,
        stop: impl Future<Output = ()>,
        settled: mpsc::Sender<Outcome>,
    ) -> Result<(), Error> {
        let mut stop = std::pin::pin!(stop);
        let mut pauses = retry::reconnect();
        loop {
            let pull = self.group.pull(&self.consumer, self.batch, self.wait);
            let pulled = tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                pulled = pull => pulled,
            };
            match pulled {
                Ok(deliveries) => {
                    pauses = retry::reconnect();
                    self.handle(deliveries, &settled).await;
                }
                Err(error) if error.is_transient() => {
                    let pause = pauses.next().unwrap_or(Duration::from_secs(5));
                    tracing::debug!(%error, "the consumer pulls again");
                    tokio::select! {
                        () = &mut stop => return Ok(()),
                        () = tokio::time::sleep(retry::pause(pause, error.retry_after())) => {}
                    }
                }
                Err(error) => return Err(error),
            }
            if settled.is_closed() {
                return Ok(());
            }
        }
    }

    /// Handles a pull, each stream in order.
    async fn handle(&self, deliveries: Vec<Delivered>, settled: &mpsc::Sender<Outcome>) {
        let streams = by_stream(deliveries);
        stream::iter(streams)
            .for_each_concurrent(self.concurrency, |deliveries| async move {
                for delivered in deliveries {
                    let id = delivered.delivery_id.clone();
                    let result = self.handle_one(delivered).await;
                    let failed = result.is_err();
                    // A closed channel means that settling has failed for good; the leases run out by themselves.
                    let _ = settled.send(Outcome { id, result }).await;
                    if failed {
                        // The group takes back what it handed out behind a failed event by itself.
                        return;
                    }
                }
            })
            .await;
    }

    async fn handle_one(&self, delivered: Delivered) -> Result<(), Failure> {
        let wanted = |(pattern, _): &&(Pattern, Handler)| pattern.matches(&delivered.event.event_type);
        let Some((_, handler)) = self.handlers.iter().find(wanted) else { return Ok(()) };
        // A task of its own, so that a handler that panics fails its event and not the consumer.
        match tokio::spawn(handler(Arc::new(delivered))).await {
            Ok(result) => result,
            Err(_) => Err(Failure::Retry("the handler panicked".into())),
        }
    }
}

struct Outcome {
    id: String,
    result: Result<(), Failure>,
}

fn by_stream(deliveries: Vec<Delivered>) -> Vec<Vec<Delivered>> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut streams: Vec<Vec<Delivered>> = Vec::new();
    for delivered in deliveries {
        let place = *places.entry(delivered.stream_id.clone()).or_insert(streams.len());
        if place == streams.len() {
            streams.push(Vec::new());
        }
        streams[place].push(delivered);
    }
    streams
}

/// Settles outcomes as they come, as many in one call as have come meanwhile.
async fn settle(group: &Group, mut outcomes: mpsc::Receiver<Outcome>) -> Result<Consumed, Error> {
    let mut consumed = Consumed::default();
    let mut waiting = Vec::with_capacity(SETTLED_AT_ONCE);
    while outcomes.recv_many(&mut waiting, SETTLED_AT_ONCE).await > 0 {
        let (handled, failed): (Vec<_>, Vec<_>) =
            waiting.drain(..).partition(|outcome| outcome.result.is_ok());
        let handled: Vec<String> = handled.into_iter().map(|outcome| outcome.id).collect();
        if !handled.is_empty() {
            acknowledge(group, handled, &mut consumed).await?;
        }
        for Outcome { id, result } in failed {
            let Err(failure) = result else { continue };
            let (reason, park) = match failure {
                Failure::Retry(reason) => (reason, false),
                Failure::Park(reason) => (reason, true),
            };
            let reason: String = reason.chars().take(1_000).collect();
            match group.nack([id], Some(reason), park).await {
                Ok(_) => consumed.failed += 1,
                Err(error) if lease_lost(&error) => consumed.lost += 1,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(consumed)
}

/// Acknowledges together; when some lease of them was lost, one by one, so that the others count.
async fn acknowledge(group: &Group, ids: Vec<String>, consumed: &mut Consumed) -> Result<(), Error> {
    match group.ack(ids.iter().cloned()).await {
        // All are settled, whether by this call or by an earlier one whose answer was lost.
        Ok(_) => {
            consumed.handled += ids.len() as u64;
            return Ok(());
        }
        Err(error) if lease_lost(&error) => {}
        Err(error) => return Err(error),
    }
    for id in ids {
        match group.ack([id]).await {
            Ok(_) => consumed.handled += 1,
            Err(error) if lease_lost(&error) => consumed.lost += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn lease_lost(error: &Error) -> bool {
    error.status() == Some(StatusCode::CONFLICT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gesta_api::Envelope;

    fn delivered(stream: &str, id: &str) -> Delivered {
        let envelope = serde_json::json!({
            "id": uuid::Uuid::nil(), "event_type": "x", "source_service": "", "version": "1.0",
            "timestamp": "2026-01-31T08:30:00Z", "correlation_id": null, "payload": 1, "metadata": {},
            "subject": null, "priority": 3, "stream_version": 1, "position": 1,
        });
        let event: Envelope<'static> = serde_json::from_value(envelope).expect("an envelope");
        Delivered {
            delivery_id: id.into(),
            delivery_count: 1,
            subscription: "s".into(),
            stream_id: stream.into(),
            event,
        }
    }

    #[test]
    fn a_streams_events_stay_together_and_in_order() {
        let streams = by_stream(vec![delivered("a-1", "1"), delivered("b-1", "2"), delivered("a-1", "3")]);
        let ids: Vec<Vec<_>> =
            streams.iter().map(|s| s.iter().map(|d| d.delivery_id.as_str()).collect()).collect();
        assert_eq!(ids, [vec!["1", "3"], vec!["2"]]);
    }
}
