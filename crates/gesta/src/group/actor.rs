//! The one task that owns a group: its ledger, its checkpoint and its stream of decisions.
//!
//! It takes what was asked since the last turn, changes the ledger, records what was parked, saves the checkpoint once and only
//! then answers. When anything of that fails it ends: the next command starts another, which claims the checkpoint
//! under a new epoch and folds the group anew. So an actor never knows more than what is recorded.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures_util::TryStreamExt;
use gesta_core::{CheckpointStore, Clock, EventStore, Filter, ReadStream, StreamId, Tenant, Timestamp};
use tokio::{sync::mpsc, time::Instant};

use super::{
    Delivery, GroupError, GroupsOptions,
    command::{Command, Reply},
    definition::stream_of,
    key_of,
    ledger::{Ledger, Saved},
    record::{GroupRecord, Known},
    registry::Registry,
};
use crate::{
    Subscription,
    elapsed::Elapsed,
    lease::{Bid, Lease},
};

mod answers;
mod decisions;
mod fill;
mod turn;

use answers::Answers;
pub(super) use decisions::append;

/// An actor with nothing to do for so long ends, and its group costs nothing.
const IDLE: Duration = Duration::from_secs(30);
/// At most so many commands a turn.
const TURN_COMMANDS: usize = 256;
/// The longest a delay of the group's clock is slept on another one.
const TICK: Duration = Duration::from_secs(1);

/// What all groups share.
pub(super) struct Context {
    pub(super) store: Arc<dyn EventStore>,
    pub(super) checkpoints: Arc<dyn CheckpointStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) owner: String,
    pub(super) options: GroupsOptions,
    pub(super) registry: Registry,
}

/// The owner of one group.
pub(super) struct Actor {
    context: Arc<Context>,
    tenant: Tenant,
    name: String,
    stream: StreamId,
    lease: Lease,
    /// Which life of the group this is, all of its stream, and under this epoch.
    known: Known,
    ledger: Ledger,
    /// The definition's filter as the store understands it: with every spelling of the types it names.
    filter: Filter,
    subscription: Subscription,
    elapsed: Elapsed,
    waiting: VecDeque<Waiting>,
    answers: Answers,
    consumers: HashMap<Arc<str>, Timestamp>,
    /// Whether the log may hold more for those who wait.
    more: bool,
    busy_at: Instant,
}

/// A consumer that waits.
struct Waiting {
    consumer: Arc<str>,
    max: usize,
    deadline: Instant,
    reply: Reply<Vec<Delivery>>,
}

/// Why an actor ends.
pub(super) enum End {
    /// Somebody else runs the group, or has changed it: nothing this actor holds counts any more.
    Stale(GroupError),
    /// Something failed.
    Failed(GroupError),
    /// The group was removed.
    Removed,
    /// It was told to, or nobody is left to tell it anything.
    Stopped,
}

/// Runs a group until there is nothing to do, or something fails.
pub(super) async fn run(
    context: Arc<Context>,
    tenant: Tenant,
    name: String,
    mut mailbox: mpsc::Receiver<Command>,
) {
    let end = match Actor::start(context, &tenant, &name).await {
        Ok(actor) => Box::pin(actor.go_on(&mut mailbox)).await,
        Err(error) => error,
    };
    mailbox.close();
    while let Ok(command) = mailbox.try_recv() {
        command.refuse(end.clone());
    }
}

impl Actor {
    /// Claims the checkpoint under an epoch of its own, and folds the group.
    async fn start(context: Arc<Context>, tenant: &Tenant, name: &str) -> Result<Self, GroupError> {
        let stream = stream_of(name)?;
        let bid = Bid {
            checkpoints: context.checkpoints.clone(),
            gate: None,
            key: key_of(tenant, name),
            owner: context.owner.clone(),
            ttl: context.options.lease,
        };
        let (lease, checkpoint) = bid.claim().await?;
        let saved = Saved::read(&checkpoint);
        let known = saved.as_ref().map(|saved| saved.known).unwrap_or_default();
        let record = GroupRecord::read(&*context.store, tenant, &stream, known).await?;
        let Some(group) = record.live else {
            lease.release().await;
            return Err(GroupError::not_found(name));
        };
        let saved = saved.filter(|saved| saved.known.generation == group.generation);
        let mut elapsed = Elapsed::new(context.clock.clone());
        let saved = saved.map(|saved| (checkpoint.position, saved));
        let ledger = Ledger::restore(group.definition.clone(), &group, saved, elapsed.now());
        let filter = context.store.understood(group.definition.filter.clone());
        let subscription = Subscription::new(context.store.clone(), filter.clone()).after(ledger.cursor());
        tracing::debug!(%tenant, group = name, epoch = lease.epoch.0, position = %ledger.cursor(), "group claimed");
        let mut actor = Self {
            tenant: tenant.clone(),
            name: name.to_owned(),
            stream,
            known: Known { generation: group.generation, folded: record.version, epoch: lease.epoch },
            lease,
            ledger,
            filter,
            subscription,
            elapsed,
            waiting: VecDeque::new(),
            answers: Answers::default(),
            consumers: HashMap::new(),
            more: false,
            busy_at: Instant::now(),
            context,
        };
        match actor.lift_late(&group).await {
            Ok(()) => Ok(actor),
            Err(end) => Err(actor.finish(end).await),
        }
    }

    async fn go_on(mut self, mailbox: &mut mpsc::Receiver<Command>) -> GroupError {
        let end = loop {
            let commands = self.next_commands(mailbox).await;
            let Some(commands) = commands else { break End::Stopped };
            if let Err(end) = self.turn(commands).await {
                break end;
            }
            if self.is_idle() && self.context.registry.retire(&self.tenant, &self.name, mailbox) {
                break End::Stopped;
            }
        };
        self.finish(end).await
    }

    /// Waits for something to do; `None` when nobody can ask any more.
    async fn next_commands(&mut self, mailbox: &mut mpsc::Receiver<Command>) -> Option<Vec<Command>> {
        let mut commands = Vec::new();
        if self.more {
            tokio::task::yield_now().await;
        } else {
            let until = self.wake_at();
            tokio::select! {
                biased;
                command = mailbox.recv() => commands.push(command?),
                () = self.subscription.changed(), if !self.waiting.is_empty() => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
        while commands.len() < TURN_COMMANDS
            && let Ok(command) = mailbox.try_recv()
        {
            commands.push(command);
        }
        Some(commands)
    }

    /// When to wake without being asked. Leases and delays matter only while somebody waits.
    fn wake_at(&self) -> Instant {
        let now = Instant::now();
        let mut at = self.lease.renew_at;
        if self.has_nothing_to_do() {
            at = at.min(self.busy_at + IDLE);
        }
        for waiting in &self.waiting {
            at = at.min(waiting.deadline);
        }
        if let Some(due) = self.ledger.due().filter(|_| !self.waiting.is_empty()) {
            // The millisecond more keeps a coarse timer from waking just before it is due.
            let wait = due.since(self.ledger.now()) + Duration::from_millis(1);
            at = at.min(now + wait.min(TICK));
        }
        at
    }

    fn has_nothing_to_do(&self) -> bool {
        self.waiting.is_empty() && self.ledger.in_flight() == 0
    }

    fn is_idle(&self) -> bool {
        self.has_nothing_to_do() && self.busy_at.elapsed() >= IDLE
    }

    /// Keeps the claim, and looks whether a former owner has decided something late.
    async fn renew(&mut self) -> Result<(), End> {
        if Instant::now() < self.lease.renew_at {
            return Ok(());
        }
        self.lease.renew().await.map_err(|lost| End::Stale(lost.into()))?;
        let Known { folded, .. } = self.known;
        let read = ReadStream::of(self.tenant.clone(), self.stream.clone()).after(folded).limit(1);
        match self.context.store.read_stream(read).try_next().await {
            Ok(Some(_)) => Err(End::Stale(GroupError::busy("it was changed elsewhere just now"))),
            // What cannot be read now is read the next time.
            Ok(None) | Err(_) => Ok(()),
        }
    }

    /// Answers everybody who still waits, and lets go of the checkpoint.
    async fn finish(mut self, end: End) -> GroupError {
        let error = match &end {
            End::Stale(error) | End::Failed(error) => error.clone(),
            End::Removed => GroupError::not_found(&self.name),
            End::Stopped => GroupError::busy("it was stopped just now"),
        };
        match &end {
            End::Stale(_) | End::Failed(_) => {
                tracing::warn!(tenant = %self.tenant, group = self.name, %error, "a group lost its owner");
            }
            End::Removed | End::Stopped => {}
        }
        self.answers.fail(&error, matches!(end, End::Stale(_)));
        for waiting in self.waiting.drain(..) {
            drop(waiting.reply.send(Err(error.clone())));
        }
        if matches!(end, End::Stopped) {
            self.save_progress().await;
        }
        self.lease.release().await;
        error
    }
}
