//! Following a group: deliveries as they come.

use std::{sync::Arc, time::Duration};

use axum::{http::HeaderMap, response::Response};
use futures_util::TryStreamExt;
use gesta::{Delivery, GroupError, Nack, Pull};
use gesta_api::{DeliveredEvent, Envelope};
use gesta_core::{Filter, Position, ReadAll, RecordedEvent, Tenant};
use tokio_util::sync::CancellationToken;

use super::{Closed, Writer, last_event_id, open};
use crate::{
    app::App,
    problem::Failure,
    replay::{Handed, Whose},
    subscriptions::Settings,
};

/// How long one pull waits, and so how late a heartbeat or the stop of the server may be noticed.
const WAIT: Duration = Duration::from_secs(1);

/// A delivery as consumers are shown it.
pub(crate) fn delivered<'a>(
    id: &str,
    count: u32,
    event: &'a RecordedEvent,
    label: &str,
) -> DeliveredEvent<'a> {
    DeliveredEvent {
        delivery_id: id.to_owned(),
        delivery_count: count,
        subscription: label.to_owned(),
        stream_id: event.stream.to_string(),
        event: Envelope::from(event),
    }
}

/// Sends the group's deliveries for this consumer.
pub(crate) async fn deliveries(
    app: &App,
    (tenant, group): (Tenant, String),
    settings: Settings,
    auto_ack: bool,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    let whose: Whose = (tenant.clone(), group, settings.consumer.clone());
    let again = match last_event_id(headers)? {
        Some(id) => {
            // What the former connection takes from now on nobody would receive.
            app.replays.end_streams(&whose).await;
            app.replays.behind(&whose, id)
        }
        None => Vec::new(),
    };
    let (response, writer) = open(app, &tenant)?;
    let superseded = CancellationToken::new();
    let hand_out = HandOut { app: app.clone(), whose: whose.clone(), settings, auto_ack, writer };
    let task = tokio::spawn(hand_out.run(again, superseded.clone()));
    app.replays.add_stream(whose, superseded, task);
    Ok(response)
}

struct HandOut {
    app: App,
    whose: Whose,
    settings: Settings,
    auto_ack: bool,
    writer: Writer,
}

impl HandOut {
    async fn run(mut self, again: Vec<Handed>, superseded: CancellationToken) {
        let ended = tokio::select! {
            biased;
            () = superseded.cancelled() => None,
            // Closed means that there is nobody left to tell.
            ended = self.send_all(again) => Some(ended),
        };
        if ended.is_none() {
            self.writer.leave("superseded", "the consumer came back over another connection");
        }
    }

    async fn send_all(&mut self, again: Vec<Handed>) -> Result<(), Closed> {
        self.writer.flush().await?;
        for handed in again {
            if let Some(event) = self.event_at(handed.position).await {
                self.send(&handed.delivery, handed.count, &event).await?;
            }
        }
        self.writer.flush().await?;
        loop {
            if self.app.stop.is_cancelled() {
                self.writer.leave("stopping", "the server stops: come back to another, or later");
                return Ok(());
            }
            if self.writer.heartbeat_due() <= tokio::time::Instant::now() {
                self.writer.heartbeat().await?;
            }
            let pulled = tokio::select! {
                biased;
                () = self.writer.gone() => return Err(Closed),
                // Dropped, what it took goes to the next.
                pulled = self.pull() => pulled,
            };
            match pulled {
                Ok(deliveries) => self.hand_over(deliveries).await?,
                Err(GroupError::Busy { retry_after, .. }) => tokio::time::sleep(retry_after.min(WAIT)).await,
                Err(error) => {
                    self.writer.fail(&Failure::from(error).into_problem());
                    return Ok(());
                }
            }
        }
    }

    async fn pull(&self) -> Result<Vec<Delivery>, GroupError> {
        let (tenant, group, consumer) = &self.whose;
        let max = self.settings.batch_size as usize;
        self.app.groups.pull(tenant, group, Pull { consumer: consumer.clone(), max, wait: WAIT }).await
    }

    async fn hand_over(&mut self, deliveries: Vec<Delivery>) -> Result<(), Closed> {
        if deliveries.is_empty() {
            return Ok(());
        }
        let handed = deliveries.iter().map(|delivery| Handed {
            delivery: delivery.id.to_string(),
            count: delivery.delivery_count,
            position: delivery.event.position,
        });
        self.app.replays.remember(&self.whose, handed);
        if let Err(Closed) = self.send_each(&deliveries).await {
            self.give_back(deliveries).await;
            return Err(Closed);
        }
        if self.auto_ack {
            self.app.count_consumed(&self.whose.0, deliveries.len());
        }
        Ok(())
    }

    async fn send_each(&mut self, deliveries: &[Delivery]) -> Result<(), Closed> {
        for delivery in deliveries {
            self.send(delivery.id.as_str(), delivery.delivery_count, &delivery.event).await?;
        }
        self.writer.flush().await
    }

    /// Nobody was there to take them: another consumer should not have to wait for the lease.
    async fn give_back(&self, deliveries: Vec<Delivery>) {
        if !self.auto_ack {
            let nack = Nack {
                deliveries: deliveries.into_iter().map(|delivery| delivery.id).collect(),
                reason: Some("the stream broke before it was handed over".into()),
                park: false,
            };
            // When it cannot be said the lease will end all the same.
            let _ = self.app.groups.nack(&self.whose.0, &self.whose.1, nack).await;
        }
    }

    async fn send(&mut self, id: &str, count: u32, event: &RecordedEvent) -> Result<(), Closed> {
        let delivered = delivered(id, count, event, &self.settings.label);
        self.writer.event("delivery", id, &delivered).await
    }

    async fn event_at(&self, position: Position) -> Option<RecordedEvent> {
        let before = Position::new(position.get().checked_sub(1)?);
        let read = ReadAll::of(Filter::of(self.whose.0.clone())).after(before).up_to(position).limit(1);
        Arc::clone(&self.app.store).read_all(read).try_next().await.ok().flatten()
    }
}
