//! What happened since the server started, by tenant.

use std::{
    collections::HashMap,
    sync::{
        Arc, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use gesta_core::Tenant;

/// What happened since the server started, by tenant.
#[derive(Default)]
pub(crate) struct Counters(RwLock<HashMap<Tenant, Arc<Counts>>>);

/// What happened to one tenant's events.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) published: Count,
    pub(crate) consumed: Count,
    pub(crate) failed: Count,
}

/// A number that only grows.
#[derive(Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    /// The counts of a tenant. The lock is taken for writing once in a tenant's life.
    pub(crate) fn of(&self, tenant: &Tenant) -> Arc<Counts> {
        let known = self.0.read().expect("no holder of the counters' lock panics").get(tenant).cloned();
        known.unwrap_or_else(|| {
            let mut all = self.0.write().expect("no holder of the counters' lock panics");
            Arc::clone(all.entry(tenant.clone()).or_default())
        })
    }
}
