//! One turn of an actor: change, record, save, answer.

use std::{sync::Arc, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use gesta_core::CheckpointError;
use tokio::time::Instant;

use super::{Actor, End, Waiting};
use crate::group::{
    Delivery, DeliveryId, GroupConsumer, GroupError, GroupInfo, Nack, Pull,
    command::{Command, ParkedLanes, Reply},
    ledger::Acked,
};

/// The longest a pull waits.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The most deliveries of a pull.
const MOST_DELIVERIES: usize = 1_000;
/// How much longer it waits while the log is still read for it, so that even one that does not wait gets what is there.
const PATIENCE: Duration = Duration::from_millis(250);
/// How many pulls may wait.
const MOST_WAITING: usize = 1_024;
/// How many consumers are remembered.
const MOST_CONSUMERS: usize = 1_024;

impl Actor {
    /// Does what was asked, and answers once it is saved.
    pub(super) async fn turn(&mut self, commands: Vec<Command>) -> Result<(), End> {
        self.renew().await?;
        // To look at a group does not keep it running.
        if commands.iter().any(|command| !matches!(command, Command::Info(_))) {
            self.busy_at = Instant::now();
        }
        let now = self.elapsed.now();
        self.ledger.advance(now);
        for command in commands {
            self.obey(command).await?;
        }
        self.waiting.retain(|waiting| !waiting.reply.is_closed());
        if let Err(error) = self.fill().await {
            for waiting in self.waiting.drain(..) {
                drop(waiting.reply.send(Err(error.clone().into())));
            }
        }
        self.serve();
        if self.ledger.take_dirty() {
            self.save().await?;
        }
        self.answer().await
    }

    async fn obey(&mut self, command: Command) -> Result<(), End> {
        match command {
            Command::Pull(pull, reply) => self.queue(pull, reply),
            Command::Ack(ids, reply) => self.ack(ids, reply),
            Command::Nack(nack, reply) => self.nack(nack, reply),
            Command::Info(reply) => {
                self.record_parkings().await?;
                drop(reply.send(self.info().await));
            }
            Command::Parked(reply) => {
                self.record_parkings().await?;
                let parked = self.ledger.parked().cloned().collect();
                let (cursor, filter) = (self.ledger.cursor(), self.filter.clone());
                drop(reply.send(Ok(ParkedLanes { parked, cursor, filter })));
            }
            Command::Replay(selection, reply) => {
                let count = self.replay(&selection).await?;
                self.answers.count(Vec::new(), Ok(count), reply);
            }
            Command::Discard(selection, reason, reply) => {
                let count = self.discard(&selection, reason).await?;
                self.answers.count(Vec::new(), Ok(count), reply);
            }
            Command::Remove(reply) => {
                self.remove().await?;
                drop(reply.send(Ok(())));
                return Err(End::Removed);
            }
            Command::Stop => return Err(End::Stopped),
        }
        Ok(())
    }

    fn queue(&mut self, pull: Pull, reply: Reply<Vec<Delivery>>) {
        if self.waiting.len() >= MOST_WAITING {
            let error = GroupError::busy(format!("{MOST_WAITING} consumers wait already"));
            return drop(reply.send(Err(error)));
        }
        let consumer: Arc<str> = pull.consumer.into();
        let now = self.ledger.now();
        let kept = self.ledger.definition().lease.max(LONGEST_WAIT);
        self.consumers.insert(consumer.clone(), now);
        if self.consumers.len() > MOST_CONSUMERS {
            self.consumers.retain(|_, seen| now.since(*seen) < kept);
        }
        let deadline = Instant::now() + pull.wait.min(LONGEST_WAIT);
        let max = pull.max.clamp(1, MOST_DELIVERIES);
        self.waiting.push_back(Waiting { consumer, max, deadline, reply });
    }

    fn ack(&mut self, ids: Vec<DeliveryId>, reply: Reply<usize>) {
        let (mut counted, mut lost) = (0, Vec::new());
        for id in &ids {
            let acked = match id.of_epoch(self.known.epoch) {
                Some((position, count)) => self.ledger.ack(position, count),
                None => Acked::Lost,
            };
            match acked {
                Acked::Settled => counted += 1,
                Acked::Again => {}
                Acked::Lost => lost.push(id.clone()),
            }
        }
        let result = if lost.is_empty() { Ok(counted) } else { Err(GroupError::LeaseLost { counted, lost }) };
        self.answers.count(ids, result, reply);
    }

    fn nack(&mut self, nack: Nack, reply: Reply<usize>) {
        let Nack { deliveries, reason, park } = nack;
        let mut lost = Vec::new();
        let (mut ids, mut refused) = (Vec::new(), Vec::new());
        for id in &deliveries {
            match id.of_epoch(self.known.epoch) {
                Some(delivery) => {
                    ids.push(id);
                    refused.push(delivery);
                }
                None => lost.push(id.clone()),
            }
        }
        let gone = self.ledger.nack(&refused, reason.as_deref(), park);
        let counted = refused.len() - gone.len();
        lost.extend(gone.into_iter().map(|place| ids[place].clone()));
        let result = if lost.is_empty() { Ok(counted) } else { Err(GroupError::LeaseLost { counted, lost }) };
        self.answers.count(deliveries, result, reply);
    }

    /// Hands out what there is, first come first served.
    fn serve(&mut self) {
        let now = Instant::now();
        for waiting in std::mem::take(&mut self.waiting) {
            let taken = self.ledger.take(&waiting.consumer, waiting.max);
            let until = if self.more { waiting.deadline + PATIENCE } else { waiting.deadline };
            if taken.is_empty() && now < until {
                self.waiting.push_back(waiting);
                continue;
            }
            let deliveries = taken.into_iter().map(|taken| Delivery {
                id: DeliveryId::new(self.known.epoch, taken.event.position, taken.count),
                delivery_count: taken.count,
                event: taken.event,
            });
            self.answers.deliveries(deliveries.collect(), waiting.reply);
        }
    }

    /// Answers; a group that acknowledges by itself does so for what was taken, and only for that.
    async fn answer(&mut self) -> Result<(), End> {
        let (handed_over, refused) = self.answers.send();
        let delivery = |delivery: &Delivery| (delivery.event.position, delivery.delivery_count);
        for (position, count) in refused.iter().map(delivery) {
            self.ledger.give_back(position, count);
            self.more = !self.waiting.is_empty();
        }
        if self.ledger.definition().auto_ack && !handed_over.is_empty() {
            for (position, count) in handed_over.iter().map(delivery) {
                self.ledger.ack(position, count);
            }
            self.ledger.take_dirty();
            self.save().await?;
        }
        Ok(())
    }

    /// Saves the checkpoint, once what was parked is recorded; patient with a store that is not available for a moment.
    pub(super) async fn save(&mut self) -> Result<(), End> {
        self.record_parkings().await?;
        let saved = self.ledger.checkpoint(self.known);
        let patience = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(20))
            .with_max_times(4)
            .with_jitter();
        let save = || self.lease.save(saved.clone());
        let transient = |error: &CheckpointError| matches!(error, CheckpointError::Unavailable { .. });
        match save.retry(patience).when(transient).await {
            Ok(saved) => saved.map_err(|lost| End::Stale(lost.into())),
            Err(error) => Err(End::Failed(error.into())),
        }
    }

    /// Saves how far the log was read, which is worth something only when an actor ends.
    pub(super) async fn save_progress(&mut self) {
        if let Err(End::Failed(error)) = self.save().await {
            tracing::warn!(group = self.name, %error, "the progress of a group was not saved");
        }
    }

    async fn info(&self) -> Result<GroupInfo, GroupError> {
        let head = self.context.store.head().await?.position;
        let position = self.ledger.checkpoint(self.known).position;
        let held = self.ledger.held_by_consumer();
        let kept = self.ledger.definition().lease.max(LONGEST_WAIT);
        let now = self.ledger.now();
        let seen = self.consumers.iter().filter(|(_, seen)| now.since(**seen) < kept);
        let mut consumers: Vec<_> = seen
            .map(|(name, last_seen)| GroupConsumer {
                name: name.to_string(),
                in_flight: held.get(name).copied().unwrap_or(0),
                last_seen: *last_seen,
            })
            .collect();
        consumers.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(GroupInfo {
            name: self.name.clone(),
            definition: self.ledger.definition().clone(),
            consumers,
            position,
            head,
            lag: head.get().saturating_sub(position.get()),
            in_flight: self.ledger.in_flight(),
            parked: self.ledger.parked().count(),
            epoch: self.known.epoch,
            statistics: self.ledger.statistics(),
        })
    }
}
