//! What subscriptions ask of their pulls: a label, how many at once, how long to wait.
//!
//! A group's own definition belongs to the engine. These belong to a member of it and may change at any time; they
//! are recorded in the system stream `$subscription-<group>`, so that a restart forgets none.

use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
    time::Duration,
};

use futures_util::TryStreamExt;
use gesta::Groups;
use gesta_core::{AppendBatch, EventStore, ExpectedVersion, NewEvent, ReadStream, StreamId, Tenant};
use serde::{Deserialize, Serialize};

use crate::problem::Failure;

/// The categories of the streams that say what subscriptions and their groups are.
pub(crate) const CATEGORIES: [&str; 2] = ["$group", "$subscription"];

const SUBSCRIBED: &str = "gesta.subscribed";
const REMOVED: &str = "gesta.subscriptions_removed";

/// What one member asks of its pulls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) consumer: String,
    pub(crate) label: String,
    pub(crate) batch_size: u32,
    pub(crate) timeout_ms: u64,
}

impl Settings {
    /// What a member asks that has subscribed without saying.
    pub(crate) fn of(consumer: &str) -> Self {
        Self { consumer: consumer.to_owned(), label: "default".into(), batch_size: 10, timeout_ms: 5_000 }
    }

    pub(crate) fn wait(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

/// What is known of one group.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) auto_ack: bool,
    members: HashMap<String, Settings>,
}

impl Known {
    /// What this member asks.
    pub(crate) fn of(&self, consumer: &str) -> Settings {
        self.members.get(consumer).cloned().unwrap_or_else(|| Settings::of(consumer))
    }
}

type Key = (Tenant, String);

/// What the subscriptions of all groups ask.
pub(crate) struct Subscriptions {
    store: Arc<dyn EventStore>,
    kept: RwLock<Kept>,
}

/// What has been read of the log.
#[derive(Default)]
struct Kept {
    known: HashMap<Key, Arc<Known>>,
    /// How often something was forgotten. What began to be read before may be as old as that.
    forgotten: u64,
}

impl Subscriptions {
    pub(crate) fn new(store: Arc<dyn EventStore>) -> Self {
        Self { store, kept: RwLock::default() }
    }

    /// What is known of a group; read from the log once. Fails when there is no such group.
    pub(crate) async fn of(
        &self,
        groups: &Groups,
        tenant: &Tenant,
        group: &str,
    ) -> Result<Arc<Known>, Failure> {
        let key = (tenant.clone(), group.to_owned());
        let forgotten = {
            let kept = self.kept.read().expect("no holder of the lock panics");
            if let Some(known) = kept.known.get(&key) {
                return Ok(Arc::clone(known));
            }
            kept.forgotten
        };
        let info = groups.info(tenant, group).await?;
        let members = self.load(tenant, group).await?;
        let known = Arc::new(Known { auto_ack: info.definition.auto_ack, members });
        let mut kept = self.kept.write().expect("no holder of the lock panics");
        if kept.forgotten == forgotten {
            kept.known.insert(key, Arc::clone(&known));
        }
        Ok(known)
    }

    /// Records what a member asks from now on.
    pub(crate) async fn put(
        &self,
        groups: &Groups,
        tenant: &Tenant,
        group: &str,
        settings: Settings,
    ) -> Result<(), Failure> {
        if self.of(groups, tenant, group).await?.members.get(&settings.consumer) == Some(&settings) {
            return Ok(());
        }
        let event = NewEvent::json(SUBSCRIBED, &settings).expect("settings always serialize");
        self.append(tenant, group, event).await
    }

    /// Forgets what the members of a group asked that is gone.
    pub(crate) async fn remove(&self, tenant: &Tenant, group: &str) -> Result<(), Failure> {
        if self.load(tenant, group).await?.is_empty() {
            self.forget(tenant, group);
            return Ok(());
        }
        self.append(tenant, group, NewEvent::new(REMOVED, "{}")).await
    }

    async fn append(&self, tenant: &Tenant, group: &str, event: NewEvent) -> Result<(), Failure> {
        let batch = AppendBatch::to(stream_of(group)?, ExpectedVersion::Any, [event]).of(tenant.clone());
        self.store.append(batch).await?;
        self.forget(tenant, group);
        Ok(())
    }

    /// The next look reads the log again.
    pub(crate) fn forget(&self, tenant: &Tenant, group: &str) {
        let key = (tenant.clone(), group.to_owned());
        let mut kept = self.kept.write().expect("no holder of the lock panics");
        kept.known.remove(&key);
        kept.forgotten += 1;
    }

    pub(crate) fn forget_all(&self) {
        let mut kept = self.kept.write().expect("no holder of the lock panics");
        kept.known.clear();
        kept.forgotten += 1;
    }

    async fn load(&self, tenant: &Tenant, group: &str) -> Result<HashMap<String, Settings>, Failure> {
        let mut members = HashMap::new();
        let mut events = self.store.read_stream(ReadStream::of(tenant.clone(), stream_of(group)?));
        while let Some(event) = events.try_next().await? {
            match &*event.event_type {
                SUBSCRIBED => {
                    if let Ok(settings) = serde_json::from_slice::<Settings>(&event.data) {
                        members.insert(settings.consumer.clone(), settings);
                    }
                }
                REMOVED => members.clear(),
                _ => {}
            }
        }
        Ok(members)
    }
}

fn stream_of(group: &str) -> Result<StreamId, Failure> {
    let text = format!("$subscription-{group}");
    text.parse()
        .map_err(|_| Failure::field(format!("illegal group name {group:?}: use A-Z a-z 0-9 . _ - : @ + = ~")))
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use futures_util::{StreamExt, stream};
    use gesta::GroupDefinition;
    use gesta_conformance::around::{Around, AroundStore};
    use gesta_core::{EventStream, MemoryCheckpoints, MemoryStore, SystemClock};
    use tokio::sync::Notify;

    use super::*;

    /// Reads of one stream end only when they may.
    #[derive(Default)]
    struct Held {
        store: MemoryStore,
        read: Arc<Notify>,
        may_end: Arc<Notify>,
    }

    #[async_trait]
    impl AroundStore for Held {
        fn store(&self) -> &dyn EventStore {
            &self.store
        }

        fn read_stream(&self, read: ReadStream) -> EventStream {
            let (was_read, may_end) = (Arc::clone(&self.read), Arc::clone(&self.may_end));
            let end = stream::once(async move {
                was_read.notify_one();
                may_end.notified().await;
            });
            self.store.read_stream(read).chain(end.filter_map(|()| async { None })).boxed()
        }
    }

    #[tokio::test]
    async fn what_is_forgotten_while_it_is_read_is_read_again() {
        let (tenant, log) = (Tenant::default(), Arc::new(Around::<Held>::default()));
        let (store, checkpoints) = (Arc::new(MemoryStore::new()), Arc::new(MemoryCheckpoints::default()));
        let groups = Groups::open(store, checkpoints, Arc::new(SystemClock), "test".into()).await.unwrap();
        groups.create(&tenant, "g", GroupDefinition::default()).await.unwrap();
        let subscriptions = Subscriptions::new(Arc::clone(&log) as Arc<dyn EventStore>);

        let changed = Settings { batch_size: 7, ..Settings::of("c") };
        let change = async {
            log.read.notified().await;
            let event = NewEvent::json(SUBSCRIBED, &changed).unwrap();
            subscriptions.append(&tenant, "g", event).await.unwrap();
            log.may_end.notify_one();
        };
        let (before, ()) = tokio::join!(subscriptions.of(&groups, &tenant, "g"), change);
        assert_eq!(before.unwrap().of("c"), Settings::of("c"), "it was read before the change");

        for _ in 0..2 {
            // At most once more: then it is known.
            log.may_end.notify_one();
            assert_eq!(subscriptions.of(&groups, &tenant, "g").await.unwrap().of("c"), changed);
        }
    }
}
