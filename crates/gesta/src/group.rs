//! Durable competing consumers: groups that share the events of a log, with acknowledgement, retry and parking.

use std::{sync::Arc, time::Duration};

use futures_util::TryStreamExt;
use gesta_core::{
    AppendError, CheckpointKey, CheckpointStore, Clock, Epoch, EventStore, Filter, Holder, Position, ReadAll,
    Tenant, Version,
};
use tokio::sync::oneshot;

mod actor;
mod command;
mod definition;
mod delivery;
mod error;
mod held;
mod info;
mod ledger;
mod options;
mod record;
mod registry;

pub use definition::{GroupDefinition, Start};
pub use delivery::{Delivery, DeliveryId, Nack, Pull, Selection};
pub use error::GroupError;
pub use info::{GroupConsumer, GroupInfo, GroupStatistics, Parked};
pub use options::GroupsOptions;

use actor::Context;
use command::{Command, Reply};
use definition::stream_of;
use ledger::Saved;
use record::{Created, GroupRecord, Known, LiveGroup};
use registry::Registry;

/// How often a creation is tried against others of the same name.
const TRIES: usize = 5;

/// All groups of a log: durable competing consumers with acknowledgement, retry and parking.
///
/// # What a group promises
///
/// - **Nothing is lost.** A delivery counts as handled once its acknowledgement is saved, which is before [`Groups::ack`]
///   answers. After a crash whatever was not acknowledged comes again, and nothing else (a checkpoint store that loses
///   its last writes in a power cut sets the group back by them).
/// - **Order within a stream.** An event is delivered only when those before it in its stream are handled, or together
///   with them to the same consumer. When one fails, those out behind it are given back.
/// - **Priority between streams**: the most urgent stream first, then the oldest event. A stream is as urgent as its
///   most urgent event that waits. There is no ageing: endless urgent events starve the others.
/// - **Leases.** A delivery is the consumer's until its lease is over; then the event is another's, and a late
///   acknowledgement gets [`GroupError::LeaseLost`]. An acknowledgement that comes twice counts 0 and is no error.
/// - **Parking.** After the last attempt an event is parked, and the later ones of its stream are held behind it until
///   somebody replays or discards it. Other streams go on.
///
/// # Where it is kept
///
/// Decisions (created, parked, replayed, discarded, removed) are events of the tenant's stream `$group-<name>`; position
/// and deliveries are a checkpoint `group/<name>`, whose epoch fences former owners. It has the last word: what a former
/// owner records as parked after its successor has saved is lifted, and the event goes on as the successor left it. Each
/// group that is used has one task; it ends after 30 s without use, so an idle group costs nothing.
///
/// The counts of [`GroupStatistics`] are kept with the checkpoint.
///
/// # Several processes on one log
///
/// Each knows all groups, as their definitions are events. A group runs in one process at a time, the first that is asked,
/// by a lease on its checkpoint: any other is answered [`GroupError::Elsewhere`] with the owner's name. When the owner dies,
/// the next process that is asked once the lease is over goes on; what the former one still sends is refused by its epoch.
///
/// # Spellings
///
/// A definition is stored as it was given. Over a store with aliases ([`AliasedStore`](gesta_core::AliasedStore)) a group
/// delivers every spelling of the types it names, as known when its task starts: an alias that is added later counts
/// from the next start of the process, for events the group has not passed yet.
#[doc(alias = "persistent subscription")]
#[doc(alias = "queue")]
pub struct Groups {
    context: Arc<Context>,
}

impl Groups {
    /// All groups of the log. `owner` names this process among those that share the checkpoints: two live processes of
    /// one name take the groups from each other, and a process that comes back under its name need not wait for its
    /// own leases.
    pub async fn open(
        store: Arc<dyn EventStore>,
        checkpoints: Arc<dyn CheckpointStore>,
        clock: Arc<dyn Clock>,
        owner: String,
    ) -> Result<Arc<Self>, GroupError> {
        Self::open_with(store, checkpoints, clock, owner, GroupsOptions::default()).await
    }

    /// The same with these options.
    pub async fn open_with(
        store: Arc<dyn EventStore>,
        checkpoints: Arc<dyn CheckpointStore>,
        clock: Arc<dyn Clock>,
        owner: String,
        options: GroupsOptions,
    ) -> Result<Arc<Self>, GroupError> {
        let registry = Registry::default();
        let context = Context { store, checkpoints, clock, owner, options, registry };
        let groups = Self { context: Arc::new(context) };
        groups.search().await?;
        Ok(Arc::new(groups))
    }

    /// Creates a group. Where it begins is settled now: with [`Start::Head`] it gets every event appended after this
    /// has answered. The same definition again is answered with the group as it is, another one is refused; types that
    /// are spelt another way make no other definition.
    pub async fn create(
        &self,
        tenant: &Tenant,
        name: &str,
        definition: GroupDefinition,
    ) -> Result<GroupInfo, GroupError> {
        definition.check()?;
        let definition = definition.for_tenant(tenant);
        for _ in 0..TRIES {
            let record = self.record(tenant, name).await?;
            match record.live {
                Some(live) if self.is_same(&live.definition, &definition) => {
                    return self.info(tenant, name).await;
                }
                Some(_) => return Err(GroupError::Exists { name: name.into() }),
                None => {}
            }
            let start_position = self.position_of(definition.start).await?;
            let created = Created { definition: definition.clone(), start_position };
            match self.append_created(tenant, name, record.version, created).await {
                Ok(()) => {
                    self.context.registry.insert(tenant, name);
                    return self.info(tenant, name).await;
                }
                // Somebody else creates one of this name: see what it is.
                Err(AppendError::Conflict(_) | AppendError::IdTaken { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(GroupError::busy("others create and remove groups of this name"))
    }

    /// Removes a group with its checkpoint; what it knew is gone, and a group of the same name begins anew.
    pub async fn remove(&self, tenant: &Tenant, name: &str) -> Result<(), GroupError> {
        self.ask(tenant, name, Command::Remove).await?;
        self.context.registry.remove(tenant, name);
        Ok(())
    }

    /// The groups of a tenant, by name.
    pub async fn list(&self, tenant: &Tenant) -> Result<Vec<GroupInfo>, GroupError> {
        self.search().await?;
        let mut found = Vec::new();
        for name in self.context.registry.names(tenant) {
            match self.info(tenant, &name).await {
                Err(GroupError::NotFound { .. }) => {}
                info => found.push(info?),
            }
        }
        Ok(found)
    }

    /// The groups of every tenant: for whoever runs the log, never for a tenant.
    pub async fn list_of_all_tenants(&self) -> Result<Vec<GroupInfo>, GroupError> {
        self.search().await?;
        let mut found = Vec::new();
        for tenant in self.context.registry.tenants() {
            found.extend(self.list(&tenant).await?);
        }
        Ok(found)
    }

    /// A group and how far it is.
    pub async fn info(&self, tenant: &Tenant, name: &str) -> Result<GroupInfo, GroupError> {
        let (reply, answer) = oneshot::channel();
        if let Some(mailbox) = self.context.registry.running(tenant, name)
            && mailbox.send(Command::Info(reply)).await.is_ok()
            && let Ok(Ok(info)) = answer.await
        {
            return Ok(info);
        }
        self.info_at_rest(tenant, name).await
    }

    /// The other process that runs a group now; `None` if this one does, or nobody. To ask claims nothing.
    pub async fn elsewhere(&self, tenant: &Tenant, name: &str) -> Result<Option<Holder>, GroupError> {
        if self.context.registry.running(tenant, name).is_some() {
            return Ok(None);
        }
        let holder = self.context.checkpoints.holder(&key_of(tenant, name)).await?;
        Ok(holder.filter(|holder| holder.owner != self.context.owner))
    }

    /// A group as the process knows it that runs it: this one from now on, if nobody does.
    ///
    /// Fails with [`GroupError::Elsewhere`] when another one does.
    pub async fn attend(&self, tenant: &Tenant, name: &str) -> Result<GroupInfo, GroupError> {
        self.ask(tenant, name, Command::Info).await
    }

    /// Waits for deliveries, at most as long as asked for; none is no error. Dropping the future is safe: what nobody
    /// took is given to the next.
    pub async fn pull(&self, tenant: &Tenant, name: &str, pull: Pull) -> Result<Vec<Delivery>, GroupError> {
        self.ask(tenant, name, |reply| Command::Pull(pull, reply)).await
    }

    /// Acknowledges deliveries; answers how many counted, once that is saved. Some that are lost do not hinder the
    /// others, see [`GroupError::LeaseLost`].
    pub async fn ack(&self, tenant: &Tenant, name: &str, ids: &[DeliveryId]) -> Result<usize, GroupError> {
        self.ask(tenant, name, |reply| Command::Ack(ids.to_vec(), reply)).await
    }

    /// Refuses deliveries; answers how many counted. The first of each stream has failed and comes again after the
    /// delay of its next attempt, or is parked; those behind it are given back.
    pub async fn nack(&self, tenant: &Tenant, name: &str, nack: Nack) -> Result<usize, GroupError> {
        self.ask(tenant, name, |reply| Command::Nack(nack, reply)).await
    }

    /// What is parked, oldest first; at most 1,000.
    pub async fn parked(&self, tenant: &Tenant, name: &str) -> Result<Vec<Parked>, GroupError> {
        let lanes = self.ask(tenant, name, Command::Parked).await?;
        held::look_up(&*self.context.store, tenant, lanes).await
    }

    /// Delivers parked events again, with all their attempts and ahead of what is held behind them; answers how many.
    pub async fn replay(
        &self,
        tenant: &Tenant,
        name: &str,
        selection: Selection,
    ) -> Result<usize, GroupError> {
        self.ask(tenant, name, |reply| Command::Replay(selection, reply)).await
    }

    /// Drops parked events, which the group then counts as handled, and delivers what is held behind them; answers how
    /// many. The decision and its reason are recorded for good.
    pub async fn discard(
        &self,
        tenant: &Tenant,
        name: &str,
        selection: Selection,
        reason: Option<String>,
    ) -> Result<usize, GroupError> {
        self.ask(tenant, name, |reply| Command::Discard(selection, reason, reply)).await
    }

    /// Ends all that runs, for at most 10 s: pulls that wait are answered, leases end at once. Afterwards every call is
    /// answered [`GroupError::Busy`].
    pub async fn shutdown(&self) {
        let running = self.context.registry.close();
        for (mailbox, _) in &running {
            // One that has ended needs no telling.
            let _ = mailbox.try_send(Command::Stop);
        }
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        for (mailbox, mut task) in running {
            drop(mailbox);
            if tokio::time::timeout_at(deadline, &mut task).await.is_err() {
                task.abort();
            }
        }
    }

    async fn ask<T>(
        &self,
        tenant: &Tenant,
        name: &str,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, GroupError> {
        if !self.context.registry.holds(tenant, name) && self.record(tenant, name).await?.live.is_none() {
            return Err(GroupError::not_found(name));
        }
        if !self.context.options.claims {
            return Err(match self.elsewhere(tenant, name).await? {
                Some(Holder { owner, remaining }) => {
                    GroupError::Elsewhere { key: key_of(tenant, name), owner, remaining }
                }
                None => GroupError::Unclaimed { name: name.into() },
            });
        }
        let (reply, answer) = oneshot::channel();
        let mut command = command(reply);
        loop {
            let start = |mailbox| {
                let run = actor::run(self.context.clone(), tenant.clone(), name.to_owned(), mailbox);
                tokio::spawn(run)
            };
            let Some(mailbox) = self.context.registry.mailbox(tenant, name, start) else {
                return Err(GroupError::busy("it is shutting down"));
            };
            match mailbox.send(command).await {
                Ok(()) => break,
                // It has ended between the two lines: start another.
                Err(unsent) => command = unsent.0,
            }
        }
        let answer = answer.await.unwrap_or_else(|_| Err(GroupError::busy("it was stopped just now")));
        if matches!(answer, Err(GroupError::NotFound { .. })) {
            self.context.registry.remove(tenant, name);
        }
        answer
    }

    /// Whether two definitions deliver the same events in the same way.
    fn is_same(&self, one: &GroupDefinition, other: &GroupDefinition) -> bool {
        let understood = |definition: &GroupDefinition| GroupDefinition {
            filter: self.context.store.understood(definition.filter.clone()).sorted_types(),
            ..definition.clone()
        };
        one == other || understood(one) == understood(other)
    }

    async fn record(&self, tenant: &Tenant, name: &str) -> Result<GroupRecord, GroupError> {
        GroupRecord::read(&*self.context.store, tenant, &stream_of(name)?, Known::default()).await
    }

    async fn position_of(&self, start: Start) -> Result<Position, GroupError> {
        Ok(match start {
            Start::Beginning => Position::START,
            Start::After(position) => position,
            Start::Head => self.context.store.head().await?.position,
        })
    }

    async fn append_created(
        &self,
        tenant: &Tenant,
        name: &str,
        version: Version,
        created: Created,
    ) -> Result<(), AppendError> {
        let stream = stream_of(name).expect("the name was checked when the record was read");
        let store = &*self.context.store;
        actor::append(store, tenant, &stream, version, record::CREATED, &[created]).await.map(drop)
    }

    /// Finds the groups that were created or removed since the last search.
    async fn search(&self) -> Result<(), GroupError> {
        let registry = &self.context.registry;
        let head = self.context.store.head().await?.position;
        let filter =
            Filter::everything().categories([record::CATEGORY]).types([record::CREATED, record::REMOVED]);
        let read = ReadAll::of(filter).after(registry.searched()).up_to(head);
        let mut found = self.context.store.read_all(read);
        while let Some(event) = found.try_next().await? {
            // What was removed stays listed until it is asked for: its actor may still be ending.
            if &*event.event_type == record::CREATED {
                registry.insert(&event.tenant, event.stream.key());
            }
        }
        registry.set_searched(head);
        Ok(())
    }

    /// A group that nobody runs here, from what is recorded.
    async fn info_at_rest(&self, tenant: &Tenant, name: &str) -> Result<GroupInfo, GroupError> {
        let checkpoint = self.context.checkpoints.load(&key_of(tenant, name)).await?;
        let saved = Saved::read(&checkpoint);
        let known = saved.as_ref().map(|saved| saved.known).unwrap_or_default();
        let record = GroupRecord::read(&*self.context.store, tenant, &stream_of(name)?, known).await?;
        let Some(live) = record.live else { return Err(GroupError::not_found(name)) };
        let LiveGroup { generation, created_at, definition, start, parked, .. } = live;
        let saved = saved.filter(|saved| saved.known.generation == generation);
        let position = saved.as_ref().map_or(start, |_| checkpoint.position);
        let statistics =
            saved.map_or(GroupStatistics { since: created_at, ..Default::default() }, |s| s.statistics);
        let head = self.context.store.head().await?.position;
        Ok(GroupInfo {
            name: name.into(),
            definition,
            consumers: Vec::new(),
            position,
            head,
            lag: head.get().saturating_sub(position.get()),
            in_flight: 0,
            parked: parked.len(),
            epoch: Epoch(0),
            statistics,
        })
    }
}

/// Where a group's position is kept, and who may run it.
fn key_of(tenant: &Tenant, name: &str) -> CheckpointKey {
    CheckpointKey::new(tenant.clone(), format!("group/{name}"))
}

impl Drop for Groups {
    fn drop(&mut self) {
        // What was answered is saved, so there is nothing to wait for.
        for (_, task) in self.context.registry.close() {
            task.abort();
        }
    }
}
