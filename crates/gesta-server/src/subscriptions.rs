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
    known: RwLock<HashMap<Key, Arc<Known>>>,
}

impl Subscriptions {
    pub(crate) fn new(store: Arc<dyn EventStore>) -> Self {
        Self { store, known: RwLock::default() }
    }

    /// What is known of a group; read from the log once. Fails when there is no such group.
    pub(crate) async fn of(
        &self,
        groups: &Groups,
        tenant: &Tenant,
        group: &str,
    ) -> Result<Arc<Known>, Failure> {
        let key = (tenant.clone(), group.to_owned());
        if let Some(known) = self.known.read().expect("no holder of the lock panics").get(&key) {
            return Ok(Arc::clone(known));
        }
        let info = groups.info(tenant, group).await?;
        let members = self.load(tenant, group).await?;
        let known = Arc::new(Known { auto_ack: info.definition.auto_ack, members });
        self.known.write().expect("no holder of the lock panics").insert(key, Arc::clone(&known));
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
        self.known.write().expect("no holder of the lock panics").remove(&key);
    }

    pub(crate) fn forget_all(&self) {
        self.known.write().expect("no holder of the lock panics").clear();
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
