//! What handlers share.

use std::{ops::Deref, sync::Arc};

use gesta::Groups;
use gesta_core::{Clock, EventStore, StreamCatalog, SystemClock, Tenant, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::{
    added::Added, backend::Backend, config::Config, counters::Counters, cursor::CursorKey, health::Health,
    quota::Quota, replay::Replays, rim::Rim, subscriptions::Subscriptions, telemetry::Telemetry,
};

/// What handlers share.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

/// What the routes stand on, and what they remember.
pub(crate) struct Inner {
    pub(crate) store: Arc<dyn EventStore>,
    pub(crate) catalog: Arc<dyn StreamCatalog>,
    pub(crate) groups: Arc<Groups>,
    pub(crate) cursors: CursorKey,
    /// Whether other processes may use the same store.
    pub(crate) is_shared: bool,
    pub(crate) quota: Arc<Quota>,
    pub(crate) health: Health,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) config: Arc<Config>,
    /// Cancelled when the server begins to stop: long polls answer, streams end.
    pub(crate) stop: CancellationToken,
    /// What the program adds that the server is part of.
    pub(crate) added: Added,
    pub(crate) counters: Counters,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) replays: Replays,
    pub(crate) since: Timestamp,
}

impl App {
    /// What a server with this rim and backend stands on.
    pub(crate) fn new(rim: &Rim, backend: &Backend, groups: Arc<Groups>, added: Added) -> Self {
        Self(Arc::new(Inner {
            store: Arc::clone(&backend.store),
            catalog: Arc::clone(&backend.catalog),
            groups,
            cursors: backend.cursors.clone(),
            is_shared: backend.is_shared,
            quota: Arc::clone(&rim.quota),
            health: Health::new(Arc::clone(&backend.probe), Arc::clone(&rim.telemetry), rim.stop.clone()),
            telemetry: Arc::clone(&rim.telemetry),
            config: Arc::clone(&rim.config),
            stop: rim.stop.clone(),
            added,
            counters: Counters::default(),
            subscriptions: Subscriptions::new(Arc::clone(&backend.store)),
            replays: Replays::default(),
            since: SystemClock.now(),
        }))
    }

    /// Counts deliveries that are settled well.
    pub(crate) fn count_consumed(&self, tenant: &Tenant, deliveries: usize) {
        self.counters.of(tenant).consumed.add(deliveries);
        self.telemetry.consumed(deliveries);
    }
}

impl Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}
